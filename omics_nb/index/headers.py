"""Searching study headers that are at hand: what is found, in which order, why, and what conditions removed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from ..errors import QuestionError
from ..records import Hit, Hits, Query, Removed
from ..records import StudyHeader as StudyHeader
from ..terms.concepts import word_list
from .conditions import Condition, conditions, day, holds
from .facets import count_facets
from .feedback import AFTER, own_text
from .postings import Words, build
from .ranking import (
    Corpus,
    Match,
    Ranked,
    content,
    enough,
    matched,
    own_words,
    rank,
    stems_asked,
    things,
    to_hit,
    weights,
)
from .samples import sample_tests
from .snippets import snippet
from .text import stems_in

Sort = Literal["relevance", "date", "samples"]


class Choice(NamedTuple):
    """What of the answers is wanted: among which accessions, in which order, how many, and whether they are counted."""

    limit: int = 20
    within: frozenset[str] | None = None
    sort: Sort = "relevance"
    facets: bool = False


def choice(
    limit: int = 20,
    within: Iterable[str | Hit] | None = None,
    sort: Sort = "relevance",
    facets: bool = False,
) -> Choice:
    """A choice that can be made; QuestionError says what cannot."""
    if limit < 1:
        raise QuestionError(f"limit must be at least 1, not {limit}")
    if sort not in get_args(Sort):
        raise QuestionError(f"sort must be one of {', '.join(get_args(Sort))}, not {sort!r}")
    if within is None:
        return Choice(limit, None, sort, facets)
    among: set[str] = set()
    for item in within:
        among |= {item.accession, *item.merged} if isinstance(item, Hit) else {item.upper()}
    return Choice(limit, frozenset(among), sort, facets)


def search_headers(
    headers: Sequence[StudyHeader],
    query: Query,
    *,
    limit: int = 20,
    source: str,
    synthetic: bool,
    chosen: Choice | None = None,
) -> Hits:
    """The studies that answer a query, best first; equal scores in the order of their accessions.

    A study passes every condition (organism, type, dates, samples, platform, what is excluded, and what its samples
    tell of groups, sex and age) and names at least half of what the question names. A study that has one plain word
    of several things asked, and nothing else, may be about anything: it comes last, with a reason that begins with
    ``ONE_WORD``. ``removed`` and ``notes`` say what each condition took out, and for an empty result what would be
    found without it. The index of the last few sequences of headers is kept, so pass the same one again.
    ``chosen`` replaces ``limit``.
    """
    chosen = chosen or choice(limit)
    return search_words(_index_of(headers), query, chosen=chosen, source=source, synthetic=synthetic)


def search_words(index: Words, query: Query, *, chosen: Choice, source: str, synthetic: bool) -> Hits:
    """``search_headers`` where the words are at hand already."""
    matches = [Match(term, found := matched(index, term), len(found)) for term in content(query)]
    named = _among(index, _naming_enough(index, query, matches), chosen.within)
    tests = [(condition, _named_in(index, condition)) for condition in conditions(query)]
    kept, removed = _apply(index, tests, named)
    kept, told = apply_samples(index.headers, query, kept)
    removed += told
    by_relevance = chosen.sort == "relevance"
    ranked = rank(
        index, query, matches, kept, _corpus(index, matches), chosen.limit if by_relevance else len(kept)
    )
    ranked = sort_ranked(ranked, index.headers, chosen)
    shown = stems_asked(content(query)) - word_list("stopwords")
    hits = tuple(
        to_hit(header, item, source, synthetic, snippet(header, stems_in(header), shown).shown)
        for item in ranked
        for header in [index.headers[item.study]]
    )
    notes = [*map(str, removed)]
    n_shown = sum(1 + len(hit.merged) for hit in hits)
    if len(kept) > n_shown:
        notes.append(shown_note(len(hits), len(kept)))
    if not kept:
        notes.extend(_why_nothing(index, query, matches, named, tests))
    return Hits(
        query,
        hits,
        source,
        total=len(kept),
        notes=tuple(notes),
        synthetic=synthetic,
        removed=tuple(removed),
        facets=count_facets([index.headers[study] for study in kept]) if chosen.facets else {},
        weights=weights(),
    )


def apply_samples(
    headers: Sequence[StudyHeader], query: Query, studies: Sequence[int]
) -> tuple[list[int], list[Removed]]:
    """The studies whose samples do not tell otherwise than the query asks, and the list of those that do."""
    kept, removed = list(studies), []
    for test in sample_tests(query):
        failing = [study for study in kept if test.told(headers[study]).passes is False]
        if failing:
            gone = set(failing)
            kept = [study for study in kept if study not in gone]
            names = tuple(headers[study].accession for study in failing)
            removed.append(Removed(test.name, len(failing), names))
    return kept, removed


def sort_ranked(ranked: list[Ranked], headers: Sequence[StudyHeader], chosen: Choice) -> list[Ranked]:
    """The first of these in the order that is wanted."""
    if chosen.sort == "date":
        ranked = sorted(ranked, key=lambda item: -day(headers[item.study]))
    elif chosen.sort == "samples":
        ranked = sorted(ranked, key=lambda item: -headers[item.study].n_samples)
    return ranked[: chosen.limit]


def _among(index: Words, studies: Sequence[int], within: frozenset[str] | None) -> list[int]:
    if within is None:
        return list(studies)
    return [study for study in studies if index.headers[study].accession in within]


_kept: tuple[tuple[Sequence[StudyHeader], Words], ...] = ()


def _index_of(headers: Sequence[StudyHeader]) -> Words:
    # Assigned, not changed in place: a run would take a list that grew for a change of the code that reads it.
    global _kept
    for known, index in _kept:
        same = known is headers and len(index.headers) == len(headers)
        if same and all(ours is theirs for ours, theirs in zip(index.headers, headers, strict=True)):
            return index
    index = build(headers)
    _kept = ((headers, index), *_kept[:3])
    return index


def _corpus(index: Words, matches: Sequence[Match]) -> Corpus:
    holding = {word: len(index.postings.get(word, {})) for word in own_words(match.term for match in matches)}
    mean_length = max(sum(index.lengths) / max(len(index.lengths), 1), 1.0)
    return Corpus(len(index.headers), mean_length, holding, _Read(index))


class _Read:
    """The texts of headers of which all words are at hand. Implements ``Texts``."""

    def __init__(self, index: Words) -> None:
        self._index = index

    def bag(self, study: int) -> Counter[str]:
        return Counter(own_text(stems_in(self._index.headers[study])))

    def holding(self, stem: str) -> int:
        return len(self._index.postings.get(stem, {}))

    def counts(self, stems: Collection[str]) -> dict[str, dict[int, int]]:
        starts = self._index.starts
        return {
            stem: {
                study: n
                for study, places in self._index.postings.get(stem, {}).items()
                if (n := bisect_left(places, starts[study][AFTER]))
            }
            for stem in stems
        }


def _naming_enough(index: Words, query: Query, matches: Sequence[Match]) -> list[int]:
    """Studies that name at least half of the question's things, alternatives counted once; assays are conditions."""
    if query.accessions:
        wanted = set(query.accessions)
        return [i for i, header in enumerate(index.headers) if header.accession in wanted]
    asked = [set().union(*(matches[n].found for n in group)) for group in things([m.term for m in matches])]
    if not asked:
        return list(range(len(index.headers)))
    counts = Counter(study for studies in asked for study in studies)
    return sorted(study for study, count in counts.items() if count >= enough(len(asked)))


_Test = tuple[Condition, set[int]]


def _named_in(index: Words, condition: Condition) -> set[int]:
    return set(matched(index, condition.term)) if condition.term else set()


def _passes(index: Words, test: _Test, study: int) -> bool:
    condition, named = test
    return holds(condition, index.headers[study], named=study in named)


def _apply(index: Words, tests: Sequence[_Test], studies: Sequence[int]) -> tuple[list[int], list[Removed]]:
    kept, removed = list(studies), []
    for test in tests:
        failing = [study for study in kept if not _passes(index, test, study)]
        if failing:
            kept = [study for study in kept if _passes(index, test, study)]
            some = [index.headers[study].accession for study in failing]
            removed.append(Removed(test[0].name, len(failing), tuple(some)))
    return kept, removed


def shown_note(n_shown: int, total: int) -> str:
    """That there is more than is shown."""
    return f"{n_shown} of {total} matching studies are shown."


def _why_nothing(
    index: Words, query: Query, matches: Sequence[Match], named: Sequence[int], tests: Sequence[_Test]
) -> list[str]:
    have = {header.accession for header in index.headers}
    left = {
        test[0].name: sum(
            all(_passes(index, other, study) for other in tests if other is not test) for study in named
        )
        for test in tests
    }
    missing = [name for name in query.accessions if name not in have]
    return nothing_notes(matches, len(index.headers), missing, left, n_named=len(named))


def nothing_notes(
    matches: Sequence[Match], n_studies: int, missing: Sequence[str], left: dict[str, int], *, n_named: int
) -> list[str]:
    """What an empty result lacks: words that no study has, and what each condition costs (``left``)."""
    if not n_studies:
        return ["The source holds no studies."]
    notes = [
        f'No study names "{match.term.text}".'
        for match in matches
        if not match.n_found and match.term.kind != "assay"
    ]
    notes += [f"{name} is not among the {n_studies} studies of this source." for name in missing]
    notes += [f'Without "{name}" there would be {count}.' for name, count in left.items() if count]
    if not n_named and not missing:
        notes.append(
            f"None of the {n_studies} studies names enough of the question; use fewer or other words."
        )
    return notes
