"""What the samples' own words tell of the groups, the sex and the age that a question asks for, and files of data.

Entrez cannot ask for these and a study's text seldom says them, so they are looked for sample by sample, where sample
texts are at hand. A study whose samples tell, and tell otherwise, is removed, and listed; one whose samples tell
nothing is kept, and its reasons say so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..records import Query, StudyHeader
from ..terms.concepts import word_list
from .at_hand import Told, told_counts, told_raw
from .text import stems_of

_SEX = re.compile(
    r"\b(?:sex|gender)\s*[:=]\s*(f|m)(?:e?male)?\b|\b(female|wom[ae]n|male|m[ae]n)\b", re.IGNORECASE
)
_AGE = re.compile(
    r"\bage\b[^:=;¦\d]{0,24}[:=]?\s*(\d{1,3}(?:\.\d+)?)\s*(years?|yrs?|y|months?|mo|weeks?|wks?|w|days?|d)?\b",
    re.IGNORECASE,
)
# What samples are called in a question and seldom in a sample sheet.
_GENERAL = (
    "patients subjects individuals donors people cases affected diseased disease sick ill treated treatment stimulated"
    " infected exposed mutant mutants"
).split()
_PER_YEAR = {"m": 12.0, "w": 52.2, "d": 365.25}
_LIFE = (
    (r"neonat|newborn", (0.0, 0.1)),
    (r"infant", (0.0, 2.0)),
    (r"child|p.?ediatric", (0.0, 18.0)),
    (r"adolescent|teenager", (10.0, 20.0)),
    (r"elderly", (65.0, math.inf)),
    (r"adult", (18.0, math.inf)),
)


class SampleTest(NamedTuple):
    """A condition on samples or files, in the words of the question, and how one study is held against it."""

    name: str
    told: Callable[[StudyHeader], Told]


def sample_tests(query: Query) -> list[SampleTest]:
    """The conditions of the query that only samples and files can tell; the others are decided elsewhere."""
    tests = []
    if query.has_raw:
        tests.append(SampleTest("has raw data", told_raw))
    if query.has_counts:
        tests.append(SampleTest("has counts", told_counts))
    if query.sex:
        tests.append(SampleTest(f"{query.sex} samples", lambda header, sex=query.sex: _told_sex(header, sex)))  # type: ignore[misc]
    if query.age and (limits := age_limits(query.age)):
        tests.append(SampleTest(f"age: {query.age}", lambda header: _told_age(header, limits)))
    if query.compare:
        low = query.min_per_group or 1
        name = f"{query.compare[0]} and {query.compare[1]}, at least {low} of each"
        sides = query.compare
        tests.append(SampleTest(name, lambda header: _told_groups(header, sides, low)))
    return tests


def age_limits(words: str) -> tuple[float, float] | None:
    """Least and greatest age in years of what a question says of age; None where that is not clear."""
    numbers = [float(number) for number in re.findall(r"\d+", words)]
    if len(numbers) == 2:
        return min(numbers), max(numbers)
    if len(numbers) == 1:
        if re.search(r"older|over|above", words):
            return numbers[0], math.inf
        if re.search(r"younger|under|below", words):
            return 0.0, numbers[0]
        return numbers[0], numbers[0] + 0.999
    return next((limits for pattern, limits in _LIFE if re.search(pattern, words)), None)


def _told_sex(header: StudyHeader, sex: str) -> Told:
    found = [_sex_of(text) for text in header.sample_texts]
    n_wanted, n_told = found.count(sex[0]), len(found) - found.count("")
    if not n_told:
        return Told(None, "the samples' texts do not tell their sex")
    return Told(n_wanted > 0, f"{n_wanted} of {len(found)} samples say {sex}")


def _sex_of(text: str) -> str:
    match = _SEX.search(text)
    if not match:
        return ""
    return "f" if (match[1] or match[2]).casefold().startswith(("f", "w")) else "m"


def _told_age(header: StudyHeader, limits: tuple[float, float]) -> Told:
    ages = [age for text in header.sample_texts if (age := _age_of(text)) is not None]
    n_wanted = sum(limits[0] <= age <= limits[1] for age in ages)
    if not ages:
        return Told(None, "the samples' texts do not tell their age")
    return Told(
        n_wanted > 0, f"{n_wanted} of {len(header.sample_texts)} samples have an age that was asked for"
    )


def _age_of(text: str) -> float | None:
    match = _AGE.search(text)
    return float(match[1]) / _PER_YEAR.get((match[2] or "y")[0].casefold(), 1.0) if match else None


def groups_told(header: StudyHeader, sides: tuple[str, str]) -> bool:
    """Whether the samples of a study tell both sides of a comparison."""
    return bool(_told_groups(header, sides, 1).passes)


def _told_groups(header: StudyHeader, sides: tuple[str, str], low: int) -> Told:
    """How many samples each side of a comparison has. Only where both are told, too few are a reason to leave it."""
    tested, reference = count_sides([tuple(stems_of(text)) for text in header.sample_texts], sides)
    if not tested or not reference:
        return Told(None, "the samples' texts do not tell both groups")
    name = "that name no control" if _is_general(sides[0]) else sides[0]
    return Told(min(tested, reference) >= low, f"samples: {tested} {name}, {reference} {sides[1]}")


def count_sides(samples: Sequence[Collection[str]], sides: tuple[str, str]) -> tuple[int, int]:
    """How many samples (stems of each) name the tested side, how many the reference; none counts for both.

    Where the reference names controls and the tested side is a word like "patients", which samples seldom carry,
    every sample that names no control is of that side.
    """
    tested, reference = (_side(side) for side in sides)
    anything_else = reference is _controls() and _is_general(sides[0])
    n_tested = n_reference = 0
    for stems in samples:
        if any(name <= set(stems) for name in reference):
            n_reference += 1
        elif anything_else or any(name <= set(stems) for name in tested):
            n_tested += 1
    return n_tested, n_reference


@lru_cache(maxsize=256)
def _is_general(side: str) -> bool:
    """Whether a side is named by no more than what it is in every study: patients, treated, affected."""
    stems = set(stems_of(side)) - {""}
    return bool(stems) and stems <= {stem for word in _GENERAL for stem in stems_of(word)}


@lru_cache(maxsize=256)
def _side(side: str) -> tuple[frozenset[str], ...]:
    """The names of a side, each as its stems; one that names controls goes by every word for them."""
    stems = (
        frozenset(stems_of(side))
        - {""}
        - {stem for word in word_list("stopwords") for stem in stems_of(word)}
    )
    controls = _controls()
    if any(name <= stems for name in controls):
        return controls
    return (stems,) if stems else ()


@lru_cache(maxsize=1)
def _controls() -> tuple[frozenset[str], ...]:
    words = sorted(word_list("control_words"))
    return tuple(frozenset(stem for stem in stems_of(word.replace("_", " ")) if stem) for word in words)
