"""Pairs: samples of one patient, donor or litter on both sides of a comparison, and the design that uses them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..records import Contrast

if TYPE_CHECKING:
    import pandas as pd

_PAIRING = re.compile(
    r"\b(patients?|subjects?|donors?|individuals?|participants?|pairs?|pairing|volunteers?|probands?|litters?|"
    r"animals?|mouse|mice|rats?|twins?|famil(?:y|ies)|case)\b",
    re.IGNORECASE,
)
_LEAST_PAIRS = 3
# Below it most samples would be lost to the comparison.
_LEAST_SHARE = 0.75


def names_pairs(column: str) -> bool:
    """The name of a column that tells whose a sample is."""
    return bool(_PAIRING.search(re.sub(r"[_.]+", " ", column)))


def pairing_of(samples: pd.DataFrame, contrast: Contrast) -> tuple[str, int] | None:
    """The column whose levels have samples on both sides of the comparison, and how many such pairs there are.

    At least three pairs, which hold three quarters of the samples of both sides, and two residual degrees of freedom.
    None where no column pairs them.
    """
    sides = samples[contrast.factor].astype(str)
    compared = samples[sides.isin([contrast.tested, contrast.reference])]
    best: tuple[str, int] | None = None
    for column in map(str, samples.columns):
        if column == contrast.factor or not names_pairs(column):
            continue
        known = compared[compared[column].astype(str).str.strip() != ""]
        per_level = known.groupby(known[column].astype(str))[contrast.factor]
        complete = [level for level, group in per_level if group.nunique() == 2]
        n_paired = int(known[column].astype(str).isin(complete).sum())
        df = n_paired - len(complete) - 1
        if len(complete) >= _LEAST_PAIRS and n_paired >= _LEAST_SHARE * len(compared) and df >= 2:
            found = (column, len(complete))
            best = found if best is None or found[1] > best[1] else best
    return best
