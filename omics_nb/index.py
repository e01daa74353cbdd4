"""Searching study headers: weighted BM25F over their fields, concepts by their names, and conditions that are shown.

BM25F after Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), section 3.6: term frequencies are
weighted by field before they saturate. Text is data here: no sign in a question or a study has a meaning of its own.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .records import Hit, Hits, Query, StudyHeader, Term
from .terms.text import normal, singular

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
}
_SATURATION = 2.0  # k1
_LENGTH = 0.15  # b: study texts are long because much was done, less because they are wordy
_TITLE_BONUS = 0.3
_CONCEPT = 2.0  # of a thing that the vocabulary knows, beside a plain word
_OWN_WORDS = 0.5  # of the words that a known thing was written with
_NARROWER = 0.7
_FITNESS = 1.15  # of a study whose text names groups to compare
_SUPERSERIES = 0.7
_MAX_LISTED = 6
#: How the reason begins of a hit that has one plain word of the question and nothing else of it.
ONE_WORD = "only the word "
_GROUPS = re.compile(
    r"\b(controls?|healthy|normal|versus|vs|compared|wild.?type|untreated|vehicle|unaffected|patients?)\b",
    re.IGNORECASE,
)
# Endings that turn one form of a word into another: resistant, resistance; treated, treatment.
_ENDINGS = (
    "ically", "ations", "ation", "ments", "ment", "ances", "ance", "ences", "ence", "ants", "ant", "ents", "ent",
    "ings", "ing", "ies", "ied", "ed", "ions", "ion", "ives", "ive", "ally", "al", "ic", "ly", "y", "e",
)  # fmt: skip
_STEM_AT_LEAST = 5


# Where a stem stands: (study, field) → its places, counted in words.
_Places = dict[tuple[int, str], tuple[int, ...]]


@dataclass(frozen=True)
class Index:
    """Words of a fixed set of headers: stem → where it stands. Built by ``build``."""

    headers: tuple[StudyHeader, ...]
    postings: dict[str, _Places]
    lengths: list[int]
    mean_length: float
    fitness: tuple[float, ...]

    def places(self, phrase: str) -> dict[tuple[int, str], set[int]]:
        """(study, field) → where the phrase begins there, counted in words; its words must follow one another."""
        stems = [stem(word) for word in words(phrase)]
        if not stems:
            return {}
        if not all(item in self.postings for item in stems):
            return {}
        # From the rarest word outwards: "cell" stands in most studies, "podocyte" in few.
        rarest = min(range(len(stems)), key=lambda offset: len(self.postings[stems[offset]]))
        found = {key: {at - rarest for at in places} for key, places in self.postings[stems[rarest]].items()}
        for offset, item in enumerate(stems):
            if offset != rarest:
                there = self.postings[item]
                found = {
                    key: starts
                    for key in found.keys() & there.keys()
                    if (starts := found[key].intersection(at - offset for at in there[key]))
                }
        return found


def build(headers: Iterable[StudyHeader]) -> Index:
    """The index of these headers."""
    studies = tuple(headers)
    postings: dict[str, _Places] = {}
    lengths = [0] * len(studies)
    for number, header in enumerate(studies):
        for name, text in field_texts(header).items():
            places: dict[str, list[int]] = {}
            for place, word in enumerate(words(text)):
                if word:
                    places.setdefault(stem(word), []).append(place)
            lengths[number] += sum(map(len, places.values()))
            for item, where in places.items():
                postings.setdefault(item, {})[number, name] = tuple(where)
    mean_length = max(sum(lengths) / max(len(lengths), 1), 1.0)
    return Index(studies, postings, lengths, mean_length, tuple(map(fitness, studies)))


def field_texts(header: StudyHeader) -> dict[str, str]:
    """The text of a header by field; sample texts are joined by a sign that no phrase crosses."""
    return {
        "title": header.title,
        "summary": header.summary,
        "design": header.overall_design,
        "samples": " ¦ ".join(header.sample_texts),
        "organism": " ¦ ".join(header.organisms),
        "type": " ¦ ".join(header.types),
        "platform": " ¦ ".join(header.platforms),
    }


def words(text: str) -> list[str]:
    """The words of a text as they are compared; "¦" between samples gives an empty one, so that no phrase spans two."""
    return [normal(match) for match in re.findall(r"[^\W_]+|¦", text)]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """A word without the endings of number and form; words shorter than 5 letters lose only their plural."""
    word = singular(word)
    if not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_AT_LEAST:
            return word[: -len(ending)]
    return word


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
    index = _index_of(headers)
    matches = [_Match(term, _weight(term), _matched(index, term)) for term in _content(query)]
    named = _naming_enough(index, query, matches)
    kept, notes = _apply(index, _conditions(index, query), named)
    scores = _scores(index, matches, kept)
    alone = {} if query.accessions else _one_word(matches, kept)
    _weigh_fitness(index, scores)
    _put_last(scores, alone)
    _put_after_parts(index, scores)
    order = sorted(scores, key=lambda study: (-scores[study], _by_number(index.headers[study].accession)))
    hits = tuple(
        _hit(
            index.headers[study],
            scores[study],
            (*alone.get(study, ()), *_reasons(index, query, matches, study, scores)),
            source,
            synthetic,
        )
        for study in order[:limit]
    )
    if len(order) > len(hits):
        notes.append(f"{len(hits)} of {len(order)} matching studies are shown.")
    if not order:
        notes.extend(_why_nothing(index, query, matches, named))
    return Hits(query, hits, source, total=len(order), notes=tuple(notes), synthetic=synthetic)


class _Match(NamedTuple):
    """A term and where it stands: study → field → weighted count."""

    term: Term
    weight: float
    found: dict[int, dict[str, float]]


class _Condition(NamedTuple):
    name: str
    holds: Callable[[int], bool]


_kept: tuple[tuple[Sequence[StudyHeader], Index], ...] = ()


def _index_of(headers: Sequence[StudyHeader]) -> Index:
    # Assigned, not changed in place: a run would take a list that grew for a change of the code that reads it.
    global _kept
    for known, index in _kept:
        same = known is headers and len(index.headers) == len(headers)
        if same and all(ours is theirs for ours, theirs in zip(index.headers, headers, strict=True)):
            return index
    index = build(headers)
    _kept = ((headers, index), *_kept[:3])
    return index


def _content(query: Query) -> list[Term]:
    """The terms that a study's own words can answer; organisms are conditions only."""
    return [term for term in query.terms if term.kind != "organism"]


def _weight(term: Term) -> float:
    return {"word": 1.0, "assay": 0.5 * _CONCEPT}.get(term.kind, _CONCEPT)


def _matched(index: Index, term: Term) -> dict[int, dict[str, float]]:
    """Where the names of a term stand, all counted together as one thing: study → field → weighted count.

    A name within a name ("breast cancer" in "triple-negative breast cancer") is one mention, at the higher weight.
    """
    mentions: dict[tuple[int, str], list[tuple[int, int, float]]] = {}
    for name, weight in [
        *((name, 1.0) for name in term.names),
        *((name, _NARROWER) for name in term.narrower),
    ]:
        length = len(words(name))
        for key, starts in index.places(name).items():
            mentions.setdefault(key, []).extend((start, start + length, weight) for start in starts)
    found: dict[int, dict[str, float]] = {}
    for (study, place), spans in mentions.items():
        found.setdefault(study, {})[place] = _count_apart(spans)
    return found


def _count_apart(spans: list[tuple[int, int, float]]) -> float:
    """The summed weights of mentions, those that overlap counted once."""
    total, end, best = 0.0, -1, 0.0
    for start, stop, weight in sorted(spans):
        if start < end:
            best, end = max(best, weight), max(end, stop)
        else:
            total, best, end = total + best, weight, stop
    return total + best


def _naming_enough(index: Index, query: Query, matches: Sequence[_Match]) -> list[int]:
    """Studies that name at least half of the question's things, alternatives counted once; assays are conditions."""
    if query.accessions:
        wanted = set(query.accessions)
        return [i for i, header in enumerate(index.headers) if header.accession in wanted]
    asked = [set().union(*(match.found for match in group)) for group in _things(matches)]
    if not asked:
        return list(range(len(index.headers)))
    counts = Counter(study for studies in asked for study in studies)
    enough = max(math.ceil(len(asked) / 2), 1)
    return sorted(study for study, count in counts.items() if count >= enough)


def _things(matches: Sequence[_Match]) -> list[list[_Match]]:
    """What the question names, alternatives together; assays are conditions."""
    things: dict[object, list[_Match]] = {}
    for number, match in enumerate(matches):
        if match.term.kind != "assay":
            things.setdefault(match.term.group or f"term {number}", []).append(match)
    return list(things.values())


def _one_word(matches: Sequence[_Match], studies: Sequence[int]) -> dict[int, tuple[str]]:
    """Study → the reason, where of several things asked it has a single one, which is a plain word."""
    things = _things(matches)
    if len(things) < 2:
        return {}
    alone = {}
    for study in studies:
        found = [match.term for group in things for match in group if study in match.found]
        if len(found) == 1 and found[0].kind == "word":
            alone[study] = (f"{ONE_WORD}{found[0].text!r} of the question matches",)
    return alone


def _conditions(index: Index, query: Query) -> list[_Condition]:
    """Every condition of the query as a test of a study, in the words of the question."""
    headers = index.headers
    found: list[_Condition] = []

    def add(name: str, holds: Callable[[StudyHeader], bool]) -> None:
        found.append(_Condition(name, lambda study: holds(headers[study])))

    organisms = {name.casefold() for term in query.of("organism") for name in term.names}
    if organisms:
        names = " or ".join(term.label for term in query.of("organism"))
        add(f"organism {names}", lambda h: any(name.casefold() in organisms for name in h.organisms))
    types = {kind.casefold() for term in query.of("assay") for kind in term.types}
    if types:
        names = " or ".join(term.label for term in query.of("assay"))
        add(f"type {names}", lambda h: any(kind.casefold() in types for kind in h.types))
    low = max(query.min_samples or 0, 2 * (query.min_per_group or 0))
    if low:
        add(f"at least {low} samples", lambda h: h.n_samples >= low)
    if query.max_samples is not None:
        high = query.max_samples
        add(f"at most {high} samples", lambda h: h.n_samples <= high)
    _add_dates(query, add)
    if query.platforms:
        add(
            "platform " + " or ".join(query.platforms),
            lambda h: bool(set(query.platforms) & set(h.platforms)),
        )
    for term in query.excluded:
        excluded = _excluded(index, term)
        found.append(_Condition(f"not {term.label}", lambda study, excluded=excluded: study not in excluded))  # type: ignore[misc]
    return found


def _add_dates(query: Query, add: Callable[[str, Callable[[StudyHeader], bool]], None]) -> None:
    first, last = query.published_from, query.published_to
    if first is not None:
        add(f"published from {first}", lambda h: h.published is not None and h.published >= first)
    if last is not None:
        add(f"published up to {last}", lambda h: h.published is not None and h.published <= last)


def _excluded(index: Index, term: Term) -> set[int]:
    """Studies that a negated term removes.

    An organism: every study of it, also one that has others beside it ("not mouse" removes a study of human and
    mouse). Anything else: every study that names it; an assay that is a type of GEO's, also those of that type.
    """
    if term.kind == "organism":
        names = {name.casefold() for name in term.names}
        return {i for i, h in enumerate(index.headers) if {name.casefold() for name in h.organisms} & names}
    removed = set(_matched(index, term))
    if term.kind == "assay" and term.id in term.types:
        removed |= {i for i, h in enumerate(index.headers) if set(h.types) & set(term.types)}
    return removed


def _apply(
    index: Index, conditions: Sequence[_Condition], studies: Sequence[int]
) -> tuple[list[int], list[str]]:
    kept, notes = list(studies), []
    for condition in conditions:
        removed = [study for study in kept if not condition.holds(study)]
        if removed:
            kept = [study for study in kept if condition.holds(study)]
            names = ", ".join(index.headers[study].accession for study in removed[:_MAX_LISTED])
            more = f" and {len(removed) - _MAX_LISTED} more" if len(removed) > _MAX_LISTED else ""
            notes.append(f'The condition "{condition.name}" removed {len(removed)}: {names}{more}.')
    return kept, notes


def _scores(index: Index, matches: Sequence[_Match], studies: Sequence[int]) -> dict[int, float]:
    """Relevance: BM25F of each term with a bonus for the title, and of the single words of the known things."""
    scores = dict.fromkeys(studies, 0.0)
    parts = [(match.weight, match.found, _TITLE_BONUS) for match in matches]
    known = [match.term for match in matches if match.term.kind != "word"]
    for word in dict.fromkeys(stem(word) for term in known for word in words(term.text)):
        found: dict[int, dict[str, float]] = {}
        for (study, place), at in index.postings.get(word, {}).items():
            found.setdefault(study, {})[place] = len(at)
        parts.append((_OWN_WORDS, found, 0.0))
    for weight, found, bonus in parts:
        rarity = _rarity(index, len(found))
        for study in scores.keys() & found.keys():
            fields = found[study]
            frequency = sum(share * fields[name] for name, share in FIELDS.items() if name in fields)
            length = 1.0 - _LENGTH + _LENGTH * index.lengths[study] / index.mean_length
            saturated = frequency * (_SATURATION + 1.0) / (frequency + _SATURATION * length)
            scores[study] += weight * rarity * saturated + (bonus * rarity if "title" in fields else 0.0)
    return scores


def fitness(header: StudyHeader) -> float:
    """How far a study serves a search, whatever it is about; relevance is multiplied by it."""
    return (_FITNESS if names_groups(header) else 1.0) * (_SUPERSERIES if is_superseries(header) else 1.0)


def names_groups(header: StudyHeader) -> bool:
    """Whether the text of a study names groups that can be compared."""
    return any(_GROUPS.search(text) for text in (header.title, header.summary, header.overall_design))


def _rarity(index: Index, n_found: int) -> float:
    """The inverse document frequency in its never-negative form."""
    return math.log(1.0 + (len(index.headers) - n_found + 0.5) / (n_found + 0.5))


def _weigh_fitness(index: Index, scores: dict[int, float]) -> None:
    """Relevance times fitness: groups to compare raise a study."""
    for study in scores:
        scores[study] *= index.fitness[study]


def _put_last(scores: dict[int, float], last: Iterable[int]) -> None:
    """Scale the scores of ``last`` until all are below the others', their order among themselves kept."""
    last = set(last)
    highest = max((scores[study] for study in last), default=0.0)
    lowest = min((score for study, score in scores.items() if study not in last), default=math.inf)
    if highest >= lowest:
        for study in last:
            scores[study] *= 0.999 * lowest / highest


def _put_after_parts(index: Index, scores: dict[int, float]) -> None:
    """A superseries comes after its parts."""
    by_accession = {index.headers[study].accession: study for study in scores}
    for study in list(scores):
        parts = [by_accession[name] for name in parts_of(index.headers[study]) if name in by_accession]
        if parts:
            lowest = min(scores[part] for part in parts)
            scores[study] = min(scores[study], lowest * 0.999)


def is_superseries(header: StudyHeader) -> bool:
    """Whether a series only collects others: by its relations, or by GEO's own sentence in the summary."""
    return bool(parts_of(header)) or "this superseries is composed of" in header.summary.casefold()


def parts_of(header: StudyHeader) -> tuple[str, ...]:
    """The series that a superseries is made of; empty for others."""
    found = (re.match(r"SuperSeries of:\s*(GSE\d+)", line, re.IGNORECASE) for line in header.relations)
    return tuple(match[1].upper() for match in found if match)


def _reasons(
    index: Index, query: Query, matches: Sequence[_Match], study: int, scores: dict[int, float]
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
        reasons.append(f"superseries: score × {_SUPERSERIES}")
    if names_groups(header):
        reasons.append(f"names groups to compare: score × {_FITNESS}")
    if not header.has_values:
        reasons.append("no table of values at hand")
    return tuple(reasons)


def _hit(header: StudyHeader, score: float, reasons: tuple[str, ...], source: str, synthetic: bool) -> Hit:
    return Hit(
        accession=header.accession,
        title=header.title,
        summary=header.summary,
        organisms=header.organisms,
        types=header.types,
        platforms=header.platforms,
        n_samples=header.n_samples,
        published=header.published,
        score=round(score, 6),
        reasons=reasons,
        source=source,
        synthetic=synthetic,
    )


def _by_number(accession: str) -> tuple[str, int]:
    letters, digits = re.match(r"([A-Za-z]*)(\d*)", accession).groups()  # type: ignore[union-attr]
    return letters, int(digits or 0)


def _why_nothing(index: Index, query: Query, matches: Sequence[_Match], named: Sequence[int]) -> list[str]:
    """What an empty result lacks: words that no study has, and what each condition costs."""
    if not index.headers:
        return ["The source holds no studies."]
    notes = [
        f'No study names "{match.term.text}".'
        for match in matches
        if not match.found and match.term.kind != "assay"
    ]
    missing = [name for name in query.accessions if name not in {h.accession for h in index.headers}]
    notes += [f"{name} is not among the {len(index.headers)} studies of this source." for name in missing]
    conditions = _conditions(index, query)
    for condition in conditions:
        others = [other for other in conditions if other is not condition]
        left = [study for study in named if all(other.holds(study) for other in others)]
        if left:
            notes.append(f'Without "{condition.name}" there would be {len(left)}.')
    if not named and not missing:
        notes.append(
            f"None of the {len(index.headers)} studies names enough of the question; use fewer or other words."
        )
    return notes
