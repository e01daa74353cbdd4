"""Ranking studies for a query: weighted BM25F over their fields, concepts by their names, fitness, and the reasons.

BM25F after Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), section 3.6: term frequencies are
weighted by field before they saturate. Relevance says how far a study is about what was asked, fitness how far it
serves a search whatever it is about; the score is their product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..records import Hit, Query, StudyHeader, Term
from .fitness import GROUPS_TOLD, SUPERSERIES, is_superseries, names_groups, parts_of
from .text import Words, stem, words

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
TITLE_BONUS = 0.3
OWN_WORDS = 0.5  # of the words that a known thing was written with
NARROWER = 0.7
_SATURATION = 2.0  # k1
_LENGTH = 0.15  # b: study texts are long because much was done, less because they are wordy
_CONCEPT = 2.0  # of a thing that the vocabulary knows, beside a plain word
#: How the reason begins of a hit that has one plain word of the question and nothing else of it.
ONE_WORD = "only the word "

# Study → field → weighted count.
Found = dict[int, dict[str, float]]


class Match(NamedTuple):
    """A term, where it stands in the headers at hand, and how many studies of the whole collection name it."""

    term: Term
    found: Found
    n_found: int


class Corpus(NamedTuple):
    """What rarity and length are measured by: the whole collection, of which some studies are at hand.

    ``holding``: stem → how many studies have it.
    """

    n_studies: int
    mean_length: float
    holding: Mapping[str, int]


class Ranked(NamedTuple):
    """One study of those at hand, by its number."""

    study: int
    score: float
    relevance: float
    fitness: float
    reasons: tuple[str, ...]


def rank(
    index: Words, query: Query, matches: Sequence[Match], studies: Sequence[int], corpus: Corpus, limit: int
) -> list[Ranked]:
    """The best of these studies, best first; equal scores in the order of their accessions.

    A study that has one plain word of several things asked comes last, and a superseries after its parts: there the
    score is less than relevance times fitness, and a reason says so.
    """
    relevance = _relevance(index, matches, studies, corpus)
    alone = {} if query.accessions else _one_word(matches, studies)
    scores = {study: value * index.fitness[study] for study, value in relevance.items()}
    _put_last(scores, alone)
    _put_after_parts(index, scores)
    order = sorted(scores, key=lambda study: (-scores[study], by_number(index.headers[study].accession)))
    return [
        Ranked(
            study,
            scores[study],
            relevance[study],
            index.fitness[study],
            (*alone.get(study, ()), *_reasons(index, query, matches, study, scores)),
        )
        for study in order[:limit]
    ]


def content(query: Query) -> list[Term]:
    """The terms that a study's own words can answer; organisms are conditions only."""
    return [term for term in query.terms if term.kind != "organism"]


def own_words(terms: Iterable[Term]) -> list[str]:
    """The stems that the known things among these terms were written with, each once."""
    known = [term for term in terms if term.kind != "word"]
    return list(dict.fromkeys(item for term in known for word in words(term.text) if (item := stem(word))))


def weight(term: Term) -> float:
    """How much a term counts beside a plain word."""
    return {"word": 1.0, "assay": 0.5 * _CONCEPT}.get(term.kind, _CONCEPT)


def matched(index: Words, term: Term) -> Found:
    """Where the names of a term stand, all counted together as one thing: study → field → weighted count.

    A name within a name ("breast cancer" in "triple-negative breast cancer") is one mention, at the higher weight.
    Where no name stands but the thing was recognised, by a name that the term does not carry, that is one mention.
    """
    mentions: dict[tuple[int, str], list[tuple[int, int, float]]] = {}
    for name, share in [
        *((name, 1.0) for name in term.names),
        *((name, NARROWER) for name in term.narrower),
    ]:
        places = index.places(name)
        length = len(words(name)) if places else 0
        for key, starts in places.items():
            mentions.setdefault(key, []).extend((start, start + length, share) for start in starts)
    found: Found = {}
    for (study, place), spans in mentions.items():
        found.setdefault(study, {})[place] = _count_apart(spans)
    for study in index.concepts.get(term.id or "", ()):
        found.setdefault(study, {"concepts": NARROWER})
    return found


def _count_apart(spans: list[tuple[int, int, float]]) -> float:
    """The summed weights of mentions, those that overlap counted once."""
    total, end, best = 0.0, -1, 0.0
    for start, stop, share in sorted(spans):
        if start < end:
            best, end = max(best, share), max(end, stop)
        else:
            total, best, end = total + best, share, stop
    return total + best


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
        found: Found = {}
        for (study, place), at in index.postings.get(word, {}).items():
            found.setdefault(study, {})[place] = len(at)
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


def _put_after_parts(index: Words, scores: dict[int, float]) -> None:
    """A superseries comes after its parts."""
    by_accession = {index.headers[study].accession: study for study in scores}
    for study in list(scores):
        parts = [by_accession[name] for name in parts_of(index.headers[study]) if name in by_accession]
        if parts:
            lowest = min(scores[part] for part in parts)
            scores[study] = min(scores[study], lowest * 0.999)


def _reasons(
    index: Words, query: Query, matches: Sequence[Match], study: int, scores: dict[int, float]
) -> tuple[str, ...]:
    header = index.headers[study]
    reasons = []
    for match in matches:
        fields = match.found.get(study)
        if fields:
            places = [name for name in FIELDS if name in fields]
            reasons.append(f"{', '.join(places)}: {match.term.label}")
        elif match.term.kind != "assay":
            reasons.append(f"not found: {match.term.label}")
    if query.of("organism"):
        reasons.append(f"organism {', '.join(header.organisms)}")
    low = max(query.min_samples or 0, 2 * (query.min_per_group or 0))
    if low:
        reasons.append(f"{header.n_samples} samples ≥ {low}")
    if query.max_samples is not None:
        reasons.append(f"{header.n_samples} samples ≤ {query.max_samples}")
    if header.published and (query.published_from or query.published_to):
        reasons.append(f"published {header.published}")
    parts = [
        name for name in parts_of(header) if any(index.headers[other].accession == name for other in scores)
    ]
    if parts:
        reasons.append(f"superseries, ranked after its parts {', '.join(parts)}")
    elif is_superseries(header):
        reasons.append(f"superseries: score × {SUPERSERIES}")
    if names_groups(header):
        reasons.append(f"names groups to compare: score × {GROUPS_TOLD}")
    if not header.has_values:
        reasons.append("no table of values at hand")
    return tuple(reasons)


def to_hit(header: StudyHeader, ranked: Ranked, source: str, synthetic: bool) -> Hit:
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
    )


def by_number(accession: str) -> tuple[str, int]:
    """A key that sorts accessions by their letters, then by their number."""
    letters, digits = re.match(r"([A-Za-z]*)(\d*)", accession).groups()  # type: ignore[union-attr]
    return letters, int(digits or 0)
