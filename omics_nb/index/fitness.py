"""How far a study serves a search, whatever it is about."""

from __future__ import annotations

import re

from ..records import StudyHeader

GROUPS_TOLD = 1.15  # of a study whose text names groups to compare
SUPERSERIES = 0.7
_GROUPS = re.compile(
    r"\b(controls?|healthy|normal|versus|vs|compared|wild.?type|untreated|vehicle|unaffected|patients?)\b",
    re.IGNORECASE,
)
# One of these is in every text that the expression matches; to look for them first is cheaper.
_ROOTS = "control healthy normal versus vs compared wild untreated vehicle unaffected patient".split()


def fitness(header: StudyHeader) -> float:
    """How far a study serves a search, whatever it is about; relevance is multiplied by it."""
    return (GROUPS_TOLD if names_groups(header) else 1.0) * (SUPERSERIES if is_superseries(header) else 1.0)


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
