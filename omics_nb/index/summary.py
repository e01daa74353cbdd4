"""What studies themselves say to a question: their own sentences, each with its place; nothing is made up.

Sentences are scored as studies are: the things of the question by their names, weighted by their rarity among the
sentences at hand, with a part for how central a sentence is to its study's text. What repeats a chosen sentence loses
(maximal marginal relevance: Carbonell and Goldstein, SIGIR 1998).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .. import display
from ..records import Hit, Query, Study, Term
from ..terms.concepts import word_list
from .ranking import content, own_words, rarity, weight
from .sentences import Span, sentences
from .text import stem, stems_of, words

#: The fields that sentences are taken from, as a Hit and a Study name them.
FIELDS = ("title", "summary", "overall_design")
_CENTRAL = 0.5  # of the most central sentence, beside the rarity of what is asked
_LONG = 30  # words; what is longer counts less, by the square root
_SAME = 0.7  # the part of a sentence's score that it loses where it repeats another
_RESULT = re.compile(
    r"\b(?:we (?:found|show|identified|observed|demonstrate|report|compared|profiled)|results?|reveal(?:ed|s)?|"
    r"suggest(?:s|ed)?|conclu\w+|differentially)\b",
    re.IGNORECASE,
)
_RESULT_BONUS = 0.25
_BOILERPLATE = re.compile(
    r"this superseries is composed of|refer to individual series|please (?:see|note)|contact:|http",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of a study: ``text`` stands in its ``field`` from character ``start`` up to ``end``.

    ``names`` are the things of the question that it names. ``score`` orders the sentences of one summary.
    """

    text: str
    accession: str
    field: str
    start: int
    end: int
    score: float
    names: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def place(self) -> str:
        return f"{self.accession}, {self.field.replace('_', ' ')}, characters {self.start}–{self.end}"

    def __str__(self) -> str:
        return f"{self.text} [{self.place}]"


@dataclass(frozen=True, slots=True)
class Generated:
    """A sentence that a language model wrote, and the cited sentences (by their number, from 1) that it rests on."""

    text: str
    cites: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Sentences for a question in the order of the studies and of their texts; every one has its source.

    ``generated`` is what a language model made of exactly these sentences, where one was asked; ``model`` names it.
    ``notes`` say what no sentence names, what was dropped and why.
    """

    question: str
    sentences: tuple[Cited, ...]
    source: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    generated: tuple[Generated, ...] = ()
    model: str = ""

    def __repr__(self) -> str:
        studies = {item.accession for item in self.sentences}
        mark = ", synthetic" if self.synthetic else ""
        return (
            f"Summary({len(self.sentences)} sentences of {len(studies)} studies, source {self.source}{mark})"
        )

    def _repr_html_(self) -> str:
        return display.summary_html(self)

    def __str__(self) -> str:
        return display.summary_text(self)


def summarise(
    of: Sequence[Hit] | Study, query: Query | None, *, limit: int = 6, per_study: int = 2, source: str
) -> Summary:
    """The best sentences of these studies for a query, or what is most central to each where there is none.

    At most ``per_study`` of each where there are several studies. Sentences that name nothing of the query are left
    out, and the notes say so where nothing is left.
    """
    texts: Sequence[Hit | Study] = [of] if isinstance(of, Study) else of
    found = [_Scored(study, field, span) for study in texts for field, span in _sentences_of(study)]
    terms = content(query) if query else []
    _score(found, terms)
    if terms:
        found = [item for item in found if item.names]
    most = limit if len(texts) == 1 else per_study
    chosen = sorted(_choose(found, limit, most), key=lambda item: item.place(texts))
    return Summary(
        question=query.text if query else "",
        sentences=tuple(item.cited() for item in chosen),
        source=source,
        synthetic=any(study.synthetic for study in texts),
        notes=tuple(_notes(terms, chosen, texts)),
    )


class _Scored:
    """A sentence on its way: where it is from, its stems, and what it is worth."""

    def __init__(self, study: Hit | Study, field: str, span: Span) -> None:
        self.study, self.field, self.span = study, field, span
        self.stems = stems_of(span.text)
        self.bag = frozenset(self.stems) - _stop_stems() - {""}
        self.score = 0.0
        self.names: tuple[str, ...] = ()

    def place(self, texts: Sequence[Hit | Study]) -> tuple[int, int, int]:
        at = next(n for n, study in enumerate(texts) if study is self.study)
        return at, FIELDS.index(self.field), self.span.start

    def cited(self) -> Cited:
        start, end, text = self.span
        return Cited(
            text,
            self.study.accession,
            self.field,
            start,
            end,
            round(self.score, 4),
            self.names,
            self.study.synthetic,
        )


def _sentences_of(study: Hit | Study) -> Iterator[tuple[str, Span]]:
    for field in FIELDS:
        for span in sentences(getattr(study, field)):
            if not _BOILERPLATE.search(span.text):
                yield field, span


def _score(found: Sequence[_Scored], terms: Sequence[Term]) -> None:
    """Set what each sentence names and what it is worth."""
    centrality = _centrality(found)
    named = [{n for n, item in enumerate(found) if _names(item, term)} for term in terms]
    own = {word: {n for n, item in enumerate(found) if word in item.bag} for word in own_words(terms)}
    for n, item in enumerate(found):
        item.names = tuple(term.label for term, there in zip(terms, named, strict=True) if n in there)
        worth = sum(
            weight(term) * rarity(len(found), len(there))
            for term, there in zip(terms, named, strict=True)
            if n in there
        )
        worth += 0.5 * sum(rarity(len(found), len(there)) for there in own.values() if n in there)
        worth += _CENTRAL * centrality[n] + (_RESULT_BONUS if _RESULT.search(item.span.text) else 0.0)
        item.score = worth / math.sqrt(max(len(item.stems), _LONG) / _LONG)


def _names(item: _Scored, term: Term) -> bool:
    return any(_holds(item.stems, name) for name in (*term.names, *term.narrower))


def _holds(stems: Sequence[str], name: str) -> bool:
    wanted = [stem(word) for word in words(name)]
    if not wanted or wanted[0] not in stems:
        return False
    return any(
        list(stems[at : at + len(wanted)]) == wanted for at, word in enumerate(stems) if word == wanted[0]
    )


def _centrality(found: Sequence[_Scored]) -> list[float]:
    """How many of the words that its study repeats a sentence has, 0 to 1."""
    counts: dict[str, Counter[str]] = {}
    for item in found:
        counts.setdefault(item.study.accession, Counter()).update(item.bag)
    raw = [_repeated(item, counts[item.study.accession]) for item in found]
    highest = max(raw, default=0.0) or 1.0
    return [value / highest for value in raw]


def _repeated(item: _Scored, counts: Mapping[str, int]) -> float:
    return sum(counts[stem] - 1 for stem in item.bag) / math.sqrt(len(item.bag) + 1)


def _choose(found: Sequence[_Scored], limit: int, per_study: int) -> list[_Scored]:
    chosen: list[_Scored] = []
    left = list(found)
    n_of: Counter[str] = Counter()
    while left and len(chosen) < limit:
        best = max(left, key=lambda item: item.score * (1 - _SAME * _likeness(item, chosen)))
        left.remove(best)
        if _likeness(best, chosen) > 0.8:
            continue
        chosen.append(best)
        n_of[best.study.accession] += 1
        if n_of[best.study.accession] >= per_study:
            left = [item for item in left if item.study.accession != best.study.accession]
    return chosen


def _likeness(item: _Scored, chosen: Sequence[_Scored]) -> float:
    """The largest share of words that a sentence has in common with a chosen one (Jaccard)."""
    return max(
        (len(item.bag & other.bag) / max(len(item.bag | other.bag), 1) for other in chosen), default=0.0
    )


def _notes(terms: Sequence[Term], chosen: Sequence[_Scored], texts: Sequence[Hit | Study]) -> Iterator[str]:
    if not texts:
        yield "There are no studies to summarise."
        return
    named = {name for item in chosen for name in item.names}
    for label in dict.fromkeys(term.label for term in terms if term.kind != "assay"):
        if label not in named:
            yield f"No sentence here names “{label}”."
    n_silent = len(texts) - len({item.study.accession for item in chosen})
    if chosen and n_silent:
        yield f"{n_silent} of {len(texts)} studies are not cited: others say it better, or they do not say it."


def _stop_stems() -> frozenset[str]:
    global _stops
    if _stops is None:
        _stops = frozenset(stem for word in word_list("stopwords") for stem in stems_of(word))
    return _stops


_stops: frozenset[str] | None = None
