"""Searching study headers that are at hand: what is found, in which order, why, and what conditions removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..records import Hits, Query
from ..records import StudyHeader as StudyHeader
from .conditions import Condition, conditions, holds
from .ranking import Corpus, Match, content, enough, matched, own_words, rank, things, to_hit
from .text import Words, build

MAX_LISTED = 6


def search_headers(
    headers: Sequence[StudyHeader], query: Query, *, limit: int, source: str, synthetic: bool
) -> Hits:
    """The studies that answer a query, best first; equal scores in the order of their accessions.

    A study passes every condition (organism, type, dates, samples, platform, what is excluded) and names at least
    half of what the question names. A study that has one plain word of several things asked, and nothing else, may
    be about anything: it comes last, with a reason that begins with ``ONE_WORD``. ``notes`` say what each condition
    removed, and for an empty result what would be found without it. The index of the last few sequences of headers
    is kept, so pass the same one again.
    """
    return search_words(_index_of(headers), query, limit=limit, source=source, synthetic=synthetic)


def search_words(index: Words, query: Query, *, limit: int, source: str, synthetic: bool) -> Hits:
    """``search_headers`` where the words are at hand already."""
    matches = [Match(term, found := matched(index, term), len(found)) for term in content(query)]
    named = _naming_enough(index, query, matches)
    tests = [(condition, _named_in(index, condition)) for condition in conditions(query)]
    kept, notes = _apply(index, tests, named)
    ranked = rank(index, query, matches, kept, _corpus(index, matches), limit)
    hits = tuple(to_hit(index.headers[item.study], item, source, synthetic) for item in ranked)
    if len(kept) > len(hits):
        notes.append(shown_note(len(hits), len(kept)))
    if not kept:
        notes.extend(_why_nothing(index, query, matches, named, tests))
    return Hits(query, hits, source, total=len(kept), notes=tuple(notes), synthetic=synthetic)


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
    holding = {
        word: len({study for study, _ in index.postings.get(word, {})})
        for word in own_words(match.term for match in matches)
    }
    mean_length = max(sum(index.lengths) / max(len(index.lengths), 1), 1.0)
    return Corpus(len(index.headers), mean_length, holding)


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


def _apply(index: Words, tests: Sequence[_Test], studies: Sequence[int]) -> tuple[list[int], list[str]]:
    kept, notes = list(studies), []
    for test in tests:
        removed = [study for study in kept if not _passes(index, test, study)]
        if removed:
            kept = [study for study in kept if _passes(index, test, study)]
            some = [index.headers[study].accession for study in removed[:MAX_LISTED]]
            notes.append(removed_note(test[0], len(removed), some))
    return kept, notes


def removed_note(condition: Condition, n_removed: int, some: Sequence[str]) -> str:
    """What a condition removed: how many, and the first of them."""
    more = f" and {n_removed - len(some)} more" if n_removed > len(some) else ""
    return f'The condition "{condition.name}" removed {n_removed}: {", ".join(some)}{more}.'


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
