"""What each column of a sample sheet looks like: condition, batch, pairing, time, dose or a trait of a person."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from ..records import Study
from .groups import is_condition, is_nuisance, is_person, reference_level, with_groups
from .pairing import names_pairs

_OWN = ("title", "source_name", "organism", "platform")
_BATCH = re.compile(
    r"\b(batch|run|lane|flow ?cell|chip|slide|plate|array|scan|hybridi[sz]ation|library|center|centre|site|"
    r"operator|experiment|date|day of)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(time|timepoint|hours?|days?|weeks?|months?|duration|post ?infection)\b", re.IGNORECASE
)
_DOSE = re.compile(r"\b(dose|dosage|concentration|conc|moi)\b", re.IGNORECASE)
_AMOUNT = re.compile(
    r"[-+]?\d+(?:\.\d+)?\s*(?:h|hr|hrs|hours?|min|minutes?|d|days?|weeks?|months?)", re.IGNORECASE
)
_STRENGTH = re.compile(
    r"\d+(?:\.\d+)?\s*(?:[pnuµμm]?M|[pnuµμm]?g/m?[lL]|mg/kg|gy|U/ml|IU/ml|%)", re.IGNORECASE
)


def sample_factors(study: Study, platform: str | None = None) -> pd.DataFrame:
    """One row a column of the sample sheet that tells something of the samples, those that vary first.

    Columns ``role`` (condition, batch, pairing, time, dose, person, other, constant, identifier), ``levels``,
    ``empty``, ``example`` (levels and their sizes), ``reference`` (the level that reads like one) and ``reason``.
    NoMatrixError for a platform without values.
    """
    samples = study.samples
    if platform is not None:
        samples = samples.loc[study.matrix(platform).columns]
    rows = [_row(name, column) for name, column in _columns(samples)]
    order = ["condition", "time", "dose", "pairing", "batch", "person", "other", "identifier", "constant"]
    rows.sort(key=lambda row: order.index(str(row["role"])))
    columns = ["factor", "role", "levels", "empty", "example", "reference", "reason"]
    return pd.DataFrame(rows, columns=columns).set_index("factor")


def role_of(name: str, values: list[str]) -> tuple[str, str]:
    """What a column looks like, and why; ``values`` of the samples, empty where unknown."""
    known = [value for value in values if value]
    distinct = list(dict.fromkeys(known))
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[_.]+", " ", name))
    if len(distinct) < 2:
        return "constant", "the same in all samples"
    if len(distinct) == len(known) and not names_pairs(name) and not _numbers(known):
        return "identifier", "another value for each sample"
    by_name = _by_name(spaced, name)
    if by_name is not None:
        return by_name
    if all(_AMOUNT.fullmatch(value) for value in distinct):
        return "time", f"its values are times, such as {distinct[0]!r}"
    if all(_STRENGTH.fullmatch(value) or value in {"0", "none"} for value in distinct):
        return "dose", f"its values are strengths, such as {distinct[-1]!r}"
    known_reference = reference_level(distinct)
    if known_reference:
        return "condition", f"{known_reference[0]!r} reads like a reference"
    return "other", "nothing in its name or values says more"


def _by_name(spaced: str, name: str) -> tuple[str, str] | None:
    tests = (
        ("pairing", names_pairs(name), "its name tells whose a sample is"),
        ("batch", bool(_BATCH.search(spaced)), "its name tells with what a sample was handled"),
        ("dose", bool(_DOSE.search(spaced)), "its name is that of a dose"),
        ("time", bool(_TIME.search(spaced)), "its name is that of a time"),
        ("condition", is_condition(name), "its name is that of a condition"),
        ("person", is_person(name), "its name is that of a trait of a person"),
        ("identifier", is_nuisance(name), "its name numbers or describes samples"),
    )
    return next(((role, why) for role, holds, why in tests if holds), None)


def _columns(samples: pd.DataFrame) -> Iterator[tuple[str, pd.Series[str]]]:
    sheet = with_groups(samples)
    for name in sheet.columns:
        if name not in _OWN:
            yield str(name), sheet[name]


def _row(name: str, column: pd.Series[str]) -> dict[str, object]:
    values = [str(value).strip() for value in column]
    role, reason = role_of(name, values)
    sizes = pd.Series([value for value in values if value], dtype=object).value_counts(sort=False)
    shown = ", ".join(f"{level} ({n})" for level, n in list(sizes.items())[:6])
    known = reference_level([str(level) for level in sizes.index]) if 2 <= len(sizes) <= 20 else None
    return {
        "factor": name,
        "role": role,
        "levels": len(sizes),
        "empty": values.count(""),
        "example": shown + (f" and {len(sizes) - 6} more" if len(sizes) > 6 else ""),
        "reference": known[0] if known else "",
        "reason": reason,
    }


def _numbers(values: list[str]) -> bool:
    return all(re.fullmatch(r"[-+]?\d+(?:\.\d+)?", value) for value in values)
