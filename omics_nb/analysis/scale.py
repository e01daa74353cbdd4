"""Which scale values are on: counts, log2 or raw, by the rule that GEO2R applies to every matrix.

GEO2R (https://www.ncbi.nlm.nih.gov/geo/info/geo2r.html, "R script" tab) takes the quantiles of all values and
calls them raw, to be log-transformed, where the 99th percentile is above 100, or where the range is above 50
and the lower quartile is above 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ScaleError

Floats = npt.NDArray[np.float64]
Scale = Literal["log2", "raw", "counts"]

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class ScaleDecision:
    """The scale that values were found on, and the sentence that says why.

    ``quantiles``: 0, 25, 50, 75, 99 and 100 % of all values that are there. ``integers``: every value is a
    whole number of at least 0. ``log_transform``: the limma methods need log2 of these values first.
    """

    scale: Scale
    quantiles: tuple[float, ...]
    integers: bool
    sentence: str

    @property
    def log_transform(self) -> bool:
        return self.scale != "log2"

    @property
    def counts_like(self) -> bool:
        """Whole numbers on a scale that is not logarithmic: what sequencing counts look like."""
        return self.integers and self.scale != "log2"


def decide_scale(values: npt.ArrayLike, *, counts: bool = False) -> ScaleDecision:
    """The scale of a features × samples matrix; NaN are left out. ``counts``: the file says that they are
    counts.

    ScaleError where no value is there, where one is infinite, or where declared counts are negative or
    fractional.
    """
    matrix = np.asarray(values)
    present = _present(matrix)
    quantiles = tuple(float(q) for q in np.quantile(present.astype(np.float64, copy=False), _QUANTILES))
    integers = bool(quantiles[0] >= 0 and _all_whole(present))
    if counts:
        return _declared_counts(quantiles, integers)
    raw = is_raw(quantiles)
    return ScaleDecision("raw" if raw else "log2", quantiles, integers, _sentence(quantiles, raw))


def is_raw(quantiles: tuple[float, ...]) -> bool:
    """GEO2R's rule on the 0, 25, 50, 75, 99 and 100 % quantiles."""
    low, q25, _, _, q99, high = quantiles
    return q99 > 100 or (high - low > 50 and q25 > 0)


def to_log2(values: npt.ArrayLike) -> Floats:
    """log2 of the values; what is 0 or below has no logarithm and becomes NaN, as in GEO2R."""
    matrix = np.array(values, dtype=np.float64)
    matrix[~(matrix > 0)] = np.nan
    return np.asarray(np.log2(matrix, out=matrix))


def _present(matrix: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if matrix.size == 0 or not np.issubdtype(matrix.dtype, np.number):
        raise ScaleError(f"no values to judge: the matrix is {matrix.shape} of {matrix.dtype}")
    flat = matrix.ravel()
    if np.issubdtype(matrix.dtype, np.integer):
        return flat
    missing = np.isnan(flat)
    present = flat[~missing] if missing.any() else flat
    if present.size == 0:
        raise ScaleError(f"no values to judge: all {matrix.size:,} are missing")
    if np.isinf(present).any():
        raise ScaleError(
            f"{int(np.isinf(present).sum())} values are infinite; expression values are finite or missing"
        )
    return present


def _all_whole(present: npt.NDArray[np.generic]) -> bool:
    if np.issubdtype(present.dtype, np.integer):
        return True
    floats = present.astype(np.float64, copy=False)
    # The first values decide nearly always; the whole matrix is looked at only when they are whole.
    return bool((floats[:1000] % 1 == 0).all() and (floats % 1 == 0).all())


def _declared_counts(quantiles: tuple[float, ...], integers: bool) -> ScaleDecision:
    if not integers:
        raise ScaleError(
            f"the values are called counts, but they are not all whole numbers of at least 0 (range "
            f"{quantiles[0]:g} to {quantiles[-1]:g}); FPKM, TPM or normalised values cannot be analysed "
            "as counts",
            quantiles=quantiles,
        )
    sentence = f"Values are counts: whole numbers from {quantiles[0]:,.0f} to {quantiles[-1]:,.0f}."
    return ScaleDecision("counts", quantiles, integers, sentence)


def _sentence(quantiles: tuple[float, ...], raw: bool) -> str:
    low, q25, _, _, q99, high = quantiles
    if q99 > 100:
        return (
            f"Values are on a raw scale (99th percentile {q99:,.6g} is above 100) and are log2-transformed."
        )
    if raw:
        return (
            f"Values are on a raw scale (range {low:,.6g} to {high:,.6g} is wider than 50 and the lower "
            "quartile "
            f"{q25:,.6g} is above 0) and are log2-transformed."
        )
    return (
        f"Values are taken as they are, on a log2 scale (99th percentile {q99:,.6g} is at most 100, "
        f"range {low:,.6g} to {high:,.6g})."
    )
