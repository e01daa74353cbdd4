"""How far a study serves a search, whatever it is about: factors, each with the sentence that shows it.

What a study is about and what it is good for are two scores. Relevance is multiplied by these, so that each is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..records import Query, StudyHeader
from .samples import groups_told

GROUPS_TOLD = 1.15  # of a study whose text names groups to compare
SUPERSERIES = 0.7
# Where a comparison or an analysis is asked for:
BOTH_GROUPS = 1.2  # its samples tell both groups of the comparison
FEW_SAMPLES = 0.8  # fewer than two in each of two groups
NO_VALUES = 0.8  # no table of values at hand
OTHER_TYPE = 0.8  # of a type whose values are no expression
_ENOUGH_SAMPLES = 4
_GROUPS = re.compile(
    r"\b(controls?|healthy|normal|versus|vs|compared|wild.?type|untreated|vehicle|unaffected|patients?)\b",
    re.IGNORECASE,
)
# One of these is in every text that the expression matches; to look for them first is cheaper.
_ROOTS = "control healthy normal versus vs compared wild untreated vehicle unaffected patient".split()


def fitness(header: StudyHeader) -> float:
    """How far a study serves any search."""
    return (GROUPS_TOLD if names_groups(header) else 1.0) * (SUPERSERIES if is_superseries(header) else 1.0)


def for_intent(header: StudyHeader, query: Query) -> float:
    """How far a study serves what this query wants to do with it, beside ``fitness``."""
    value = 1.0
    for factor, _ in intent_factors(header, query):
        value *= factor
    return value


def factors(header: StudyHeader, query: Query) -> Iterator[tuple[float, str]]:
    """Every factor of a study's fitness that is not 1, and what it is for."""
    if is_superseries(header):
        yield SUPERSERIES, "superseries"
    if names_groups(header):
        yield GROUPS_TOLD, "names groups to compare"
    yield from intent_factors(header, query)


def intent_factors(header: StudyHeader, query: Query) -> Iterator[tuple[float, str]]:
    """Factors that count only where groups are to be compared or values to be analysed. 0 samples are unknown."""
    if query.intent not in ("compare", "analyse") and not query.compare:
        return
    if query.compare and groups_told(header, query.compare):
        yield BOTH_GROUPS, "its samples tell both groups"
    if 0 < header.n_samples < _ENOUGH_SAMPLES:
        yield FEW_SAMPLES, f"fewer than {_ENOUGH_SAMPLES} samples"
    if not header.has_values:
        yield NO_VALUES, "no values at hand"
    if header.types and not any("expression profiling" in name.casefold() for name in header.types):
        yield OTHER_TYPE, "its type holds no expression values"


def names_groups(header: StudyHeader) -> bool:
    """Whether the text of a study names groups that can be compared."""
    return any(
        any(map(text.lower().__contains__, _ROOTS)) and _GROUPS.search(text)
        for text in (header.title, header.summary, header.overall_design)
    )


def is_superseries(header: StudyHeader) -> bool:
    """Whether a series only collects others: by its relations, or by GEO's own sentence in the summary."""
    return bool(parts_of(header)) or "this superseries is composed of" in header.summary.casefold()


def parts_of(header: StudyHeader) -> tuple[str, ...]:
    """The series that a superseries is made of; empty for others."""
    found = (re.match(r"SuperSeries of:\s*(GSE\d+)", line, re.IGNORECASE) for line in header.relations)
    return tuple(match[1].upper() for match in found if match)
