"""Why a study was found, in sentences, and how its scores are made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from ..records import Query, StudyHeader, Term
from .feedback import Shared
from .fitness import factors, parts_of
from .samples import sample_tests
from .text import split, stems_of

#: How the reason begins of a hit that has one plain word of the question and nothing else of it.
ONE_WORD = "only the word "
#: The fields of a study, in the order in which reasons name them; "concepts" is what was recognised in it.
PLACES = ("title", "summary", "design", "samples", "organism", "type", "platform", "concepts")


class _Match(Protocol):
    @property
    def term(self) -> Term: ...
    @property
    def found(self) -> Mapping[int, Mapping[str, float]]: ...


def reasons(
    headers: Sequence[StudyHeader],
    query: Query,
    matches: Sequence[_Match],
    study: int,
    merged: Collection[int],
    shared: Shared,
) -> tuple[str, ...]:
    """Why the study of this number was found and what its fitness is made of."""
    header = headers[study]
    return (
        *_names(matches, study),
        *_shared(header, shared.words.get(study, ())),
        *_conditions(query, header),
        *(test.told(header).reason for test in sample_tests(query)),
        *_merged(header, [headers[other] for other in merged]),
        *(f"{why} ({_in_words(factor)})" for factor, why in factors(header, query)),
        *(() if header.has_values else ("no table of values at hand",)),
    )


def _in_words(factor: float) -> str:
    """What a factor of the fitness does to the rank."""
    percent = round(100 * abs(factor - 1))
    return f"ranked {percent} % {'higher' if factor > 1 else 'lower'} for it"


def _names(matches: Sequence[_Match], study: int) -> Iterator[str]:
    for match in matches:
        fields = match.found.get(study)
        if fields:
            yield f"{', '.join(name for name in PLACES if name in fields)}: {match.term.label}"
        elif match.term.kind != "assay":
            yield f"not found: {match.term.label}"


def _shared(header: StudyHeader, stems: Collection[str]) -> Iterator[str]:
    if stems:
        text = f"{header.title} {header.summary} {header.overall_design}"
        written: dict[str, str] = {}
        for word, stem in zip(split(text), stems_of(text), strict=True):
            if stem in stems:
                written.setdefault(stem, word)
        yield "shares with the best studies: " + ", ".join(written.get(item, item) for item in stems)


def _conditions(query: Query, header: StudyHeader) -> Iterator[str]:
    if query.of("organism"):
        yield f"organism {', '.join(header.organisms)}"
    low = max(query.min_samples or 0, 2 * (query.min_per_group or 0))
    if low:
        yield f"{header.n_samples} samples ≥ {low}"
    if query.max_samples is not None:
        yield f"{header.n_samples} samples ≤ {query.max_samples}"
    if header.published and (query.published_from or query.published_to):
        yield f"published {header.published}"


def _merged(header: StudyHeader, others: Sequence[StudyHeader]) -> Iterator[str]:
    for other in others:
        if header.accession in parts_of(other):
            yield f"part of SuperSeries {other.accession}, which is shown with it"
        elif parts_of(other):
            yield f"SuperSeries {other.accession} is shown with it"
        else:
            yield f"{other.accession} has the same title and summary and is shown with it"
