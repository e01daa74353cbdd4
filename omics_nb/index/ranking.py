"""Ranking studies for a query: weighted BM25F over their fields, concepts by their names, fitness, and the reasons.

BM25F after Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), section 3.6: term frequencies are
weighted by field before they saturate. Relevance says how far a study is about what was asked, fitness how far it
serves the search whatever it is about; the score is their product, and both are shown with every hit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..records import Hit, Query, StudyHeader, Term
from .families import shown_with
from .feedback import BEST, FEEDBACK, Shared, Texts, shared_words
from .fitness import BOTH_GROUPS, FEW_SAMPLES, GROUPS_TOLD, NO_VALUES, OTHER_TYPE, SUPERSERIES, for_intent
from .postings import Words
from .reasons import ONE_WORD, reasons
from .text import name_stems, stem, words

# Weights of a field's words. A title counts once like any text, and by a bonus of its own that the reasons show:
# multiplied term frequencies saturate, and then long attention in a summary no longer tells.
FIELDS = {
    "title": 1.0,
    "summary": 1.0,
    "design": 1.0,
    "samples": 0.5,
    "organism": 0.3,
    "type": 0.3,
    "platform": 0.3,
    "concepts": 1.0,
}
TITLE_BONUS = 0.8
OWN_WORDS = 0.5  # of the words that a known thing was written with
NARROWER = 0.7
_SATURATION = 2.0  # k1
_LENGTH = 0.15  # b: study texts are long because much was done, less because they are wordy
_CONCEPT = 2.0  # of a thing that the vocabulary knows, beside a plain word
# Study → field → weighted count.
Found = dict[int, Mapping[str, float]]


class Match(NamedTuple):
    """A term, where it stands in the headers at hand, and how many studies of the whole collection name it."""

    term: Term
    found: Found
    n_found: int


class Corpus(NamedTuple):
    """What rarity and length are measured by: the whole collection, of which some studies are at hand.

    ``holding``: stem → how many studies have it. ``texts`` are those of the studies at hand.
    """

    n_studies: int
    mean_length: float
    holding: Mapping[str, int]
    texts: Texts


class Ranked(NamedTuple):
    """One study of those at hand, by its number."""

    study: int
    score: float
    relevance: float
    fitness: float
    reasons: tuple[str, ...]
    merged: tuple[str, ...] = ()


def rank(
    index: Words, query: Query, matches: Sequence[Match], studies: Sequence[int], corpus: Corpus, limit: int
) -> list[Ranked]:
    """The best of these studies, best first; equal scores in the order of their accessions.

    A study that has one plain word of several things asked comes last: there the score is less than relevance times
    fitness, and a reason says so. Studies that are one are shown as one.
    """
    own = _relevance(index, matches, studies, corpus)
    alone = {} if query.accessions else _one_word(matches, studies)
    fit = {study: index.fitness[study] * for_intent(index.headers[study], query) for study in own}
    shared = Shared({}, {}) if query.accessions else _shared(index, query, own, fit, corpus)
    relevance = {study: value + shared.added.get(study, 0.0) for study, value in own.items()}
    scores = {study: value * fit[study] for study, value in relevance.items()}
    _put_last(scores, alone)
    order = _in_order(index, scores)
    below = shown_with(order, index.headers, query.accessions)
    with_it: dict[int, list[int]] = {}
    for study, root in below.items():
        with_it.setdefault(root, []).append(study)
    return [
        Ranked(
            study,
            scores[study],
            relevance[study],
            fit[study],
            (
                *alone.get(study, ()),
                *reasons(index.headers, query, matches, study, with_it.get(study, ()), shared),
            ),
            tuple(index.headers[other].accession for other in with_it.get(study, ())),
        )
        for study in [study for study in order if study not in below][:limit]
    ]


def _in_order(index: Words, scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda study: (-scores[study], by_number(index.headers[study].accession)))


def _shared(
    index: Words, query: Query, own: Mapping[int, float], fit: Mapping[int, float], corpus: Corpus
) -> Shared:
    best = _in_order(index, {study: value * fit[study] for study, value in own.items()})[:BEST]
    lengths = [length / corpus.mean_length for length in index.lengths]
    return shared_words(corpus.texts, own, best, stems_asked(content(query)), lengths, corpus.n_studies)


def content(query: Query) -> list[Term]:
    """The terms that a study's own words can answer; organisms are conditions only."""
    return [term for term in query.terms if term.kind != "organism"]


def own_words(terms: Iterable[Term]) -> list[str]:
    """The stems that the known things among these terms were written with, each once."""
    known = [term for term in terms if term.kind != "word"]
    return list(dict.fromkeys(item for term in known for word in words(term.text) if (item := stem(word))))


def stems_asked(terms: Sequence[Term]) -> set[str]:
    """The stems of all names of the terms, and of their own words."""
    names = (name for term in terms for name in (*term.names, *term.narrower))
    return {stem for name in names for stem in name_stems(name)} | set(own_words(terms))


def weight(term: Term) -> float:
    """How much a term counts beside a plain word."""
    return {"word": 1.0, "assay": 0.5 * _CONCEPT}.get(term.kind, _CONCEPT)


def matched(index: Words, term: Term) -> Found:
    """Where the names of a term stand, all counted together as one thing: study → field → weighted count.

    A name within a name ("breast cancer" in "triple-negative breast cancer") is one mention, at the higher weight.
    Where no name stands but the thing was recognised, by a name that the term does not carry, that is one mention.
    """
    mentions: dict[int, list[tuple[int, int, float]]] = {}
    for name, share in [
        *((name, 1.0) for name in term.names),
        *((name, NARROWER) for name in term.narrower),
    ]:
        length = len(name_stems(name))
        for study, starts in index.places(name).items():
            mentions.setdefault(study, []).extend([(start, start + length, share) for start in starts])
    found: Found = {study: _count_apart(index, study, spans) for study, spans in mentions.items()}
    for study in index.concepts.get(term.id or "", ()):
        found.setdefault(study, {"concepts": NARROWER})
    return found


def _count_apart(index: Words, study: int, spans: list[tuple[int, int, float]]) -> dict[str, float]:
    """Field → the summed weights of mentions, those that overlap counted once."""
    apart: list[tuple[int, float]] = []
    end = -1
    for start, stop, share in sorted(spans):
        if start < end:
            apart[-1] = (apart[-1][0], max(apart[-1][1], share))
            end = max(end, stop)
        else:
            apart.append((start, share))
            end = stop
    return _by_field(index, study, apart)


def _by_field(index: Words, study: int, mentions: Iterable[tuple[int, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for place, share in mentions:
        name = index.field(study, place)
        found[name] = found.get(name, 0.0) + share
    return found


def things(terms: Sequence[Term]) -> list[list[int]]:
    """What a question names, as places among its terms, alternatives together; assays are conditions."""
    found: dict[object, list[int]] = {}
    for number, term in enumerate(terms):
        if term.kind != "assay":
            found.setdefault(term.group or f"term {number}", []).append(number)
    return list(found.values())


def enough(n_things: int) -> int:
    """How many of the things asked a study must name: half of them, at least one."""
    return max(math.ceil(n_things / 2), 1)


def _one_word(matches: Sequence[Match], studies: Sequence[int]) -> dict[int, tuple[str]]:
    """Study → the reason, where of several things asked it has a single one, which is a plain word."""
    asked = things([match.term for match in matches])
    if len(asked) < 2:
        return {}
    alone = {}
    for study in studies:
        found = [matches[n].term for group in asked for n in group if study in matches[n].found]
        if len(found) == 1 and found[0].kind == "word":
            alone[study] = (f"{ONE_WORD}{found[0].text!r} of the question matches",)
    return alone


def _relevance(
    index: Words, matches: Sequence[Match], studies: Sequence[int], corpus: Corpus
) -> dict[int, float]:
    """BM25F of each term with a bonus for the title, and of the single words of the known things."""
    scores = dict.fromkeys(studies, 0.0)
    parts = [(weight(match.term), match.found, TITLE_BONUS, match.n_found) for match in matches]
    for word in own_words(match.term for match in matches):
        found: Found = {
            study: _by_field(index, study, [(at, 1.0) for at in places])
            for study, places in index.postings.get(word, {}).items()
            if study in scores
        }
        parts.append((OWN_WORDS, found, 0.0, corpus.holding.get(word, 0)))
    for share, found, bonus, n_found in parts:
        rare = rarity(corpus.n_studies, n_found)
        for study in scores.keys() & found.keys():
            fields = found[study]
            frequency = sum(share * fields[name] for name, share in FIELDS.items() if name in fields)
            length = 1.0 - _LENGTH + _LENGTH * index.lengths[study] / corpus.mean_length
            saturated = frequency * (_SATURATION + 1.0) / (frequency + _SATURATION * length)
            scores[study] += share * rare * saturated + (bonus * rare if "title" in fields else 0.0)
    return scores


def rarity(n_studies: int, n_found: int) -> float:
    """The inverse document frequency in its never-negative form."""
    return math.log(1.0 + (n_studies - n_found + 0.5) / (n_found + 0.5))


def _put_last(scores: dict[int, float], last: Iterable[int]) -> None:
    """Scale the scores of ``last`` until all are below the others', their order among themselves kept."""
    last = set(last)
    highest = max((scores[study] for study in last), default=0.0)
    lowest = min((score for study, score in scores.items() if study not in last), default=math.inf)
    if highest >= lowest:
        for study in last:
            scores[study] *= 0.999 * lowest / highest


def weights() -> tuple[str, ...]:
    """How scores are made, in sentences with the numbers."""
    fields = ", ".join(f"{name} {share:g}" for name, share in FIELDS.items())
    relevance = (
        "Relevance adds, for each thing asked, its weight × its rarity in the source × its mentions, which saturate"
        f" (BM25F, k1 {_SATURATION:g}, b {_LENGTH:g}). A thing of the vocabulary weighs {_CONCEPT:g}, an assay"
        f" {_CONCEPT / 2:g}, a plain word 1, a part or kind {NARROWER:g} of its whole. A mention counts by its field:"
        f" {fields}; one in the title adds {TITLE_BONUS:g} × rarity. Words that"
        f" the first {BEST} studies share beside the question add up to {FEEDBACK:g} × the highest relevance."
    )
    fitness = (
        f"Fitness multiplies: names groups to compare {GROUPS_TOLD:g}, superseries {SUPERSERIES:g}; where a comparison"
        f" or analysis is asked for, samples that tell both groups {BOTH_GROUPS:g}, too few samples {FEW_SAMPLES:g},"
        f" no values at hand {NO_VALUES:g}, a type without expression values {OTHER_TYPE:g}."
    )
    return ("The score is relevance × fitness.", relevance, fitness)


def to_hit(header: StudyHeader, ranked: Ranked, source: str, synthetic: bool, snippet: str = "") -> Hit:
    """The hit that shows a ranked study."""
    return Hit(
        accession=header.accession,
        title=header.title,
        summary=header.summary,
        organisms=header.organisms,
        types=header.types,
        platforms=header.platforms,
        n_samples=header.n_samples,
        published=header.published,
        score=round(ranked.score, 6),
        reasons=ranked.reasons,
        source=source,
        synthetic=synthetic,
        relevance=round(ranked.relevance, 6),
        fitness=round(ranked.fitness, 6),
        merged=ranked.merged,
        snippet=snippet,
        overall_design=header.overall_design,
    )


@lru_cache(maxsize=100_000)
def by_number(accession: str) -> tuple[str, int]:
    """A key that sorts accessions by their letters, then by their number."""
    letters, digits = re.match(r"([A-Za-z]*)(\d*)", accession).groups()  # type: ignore[union-attr]
    return letters, int(digits or 0)
