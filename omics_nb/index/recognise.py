"""What the vocabulary knows in a study's text, found fast enough for hundreds of thousands of studies.

Two things: which of the vocabulary's names of several words stand in the text (so that a search for one is the
look-up of a single word), and which tissues, cell types and diseases are meant, as the reader of questions reads
them: the longest name wins its place. The reader is slow beside the text of a study, so it is shown only the places
where names stand, and what it made of one is remembered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from ..records import StudyHeader, Term
from ..terms import concepts as vocabulary
from ..terms.entities import find
from ..terms.lookup import Vocabulary, compile_into
from ..terms.text import tokens
from .text import FIELD_NAMES, Stems, field_texts, split, stems_of

JOINED = "_"  # between the stems of a name; no stem holds it
_KINDS = ("tissue", "cell_type", "disease")
_TEXTS = ("title", "summary", "design", "samples")  # the first of the fields
_AFTER_TEXTS = FIELD_NAMES.index("organism")
# Names that one of these parts are read together: "breast and ovarian cancer".
_CONJUNCTIONS = ("and", "or")


class Recognised(NamedTuple):
    """``phrases``: names of several words, each as often as it stands, its stems joined by ``JOINED``.

    ``identifiers`` are of what is named and, for tissues and cell types, of all that these are parts and kinds of.
    """

    phrases: tuple[str, ...]
    tissues: tuple[str, ...]
    diseases: tuple[str, ...]
    identifiers: tuple[str, ...]


def version() -> str:
    """The vocabulary that is recognised."""
    return vocabulary.version()


def recognise(header: StudyHeader, stems: Stems) -> Recognised:
    """What the vocabulary knows in a study; ``stems`` are those of the header."""
    words = stems.words
    spans = _spans(words)
    phrases = [JOINED.join(words[start:end]) for start, end, _ in spans if end - start > 1]
    in_texts = [span for span in spans if span[0] < stems.starts[_AFTER_TEXTS]]
    places: dict[str, None] = {}
    if any(meant for _, _, meant in in_texts):
        texts = field_texts(header)
        written = list(chain.from_iterable((*split(texts[name]), "¦") for name in _TEXTS))
        places = dict.fromkeys(" ".join(written[start:end]) for start, end in _together(in_texts, words))
    found = dict.fromkeys(item for place in places for item in _read(place))
    return Recognised(
        tuple(phrases),
        tuple(label for kind, label, _ in found if kind != "disease"),
        tuple(label for kind, label, _ in found if kind == "disease"),
        tuple(dict.fromkeys(name for _, _, identifiers in found for name in identifiers)),
    )


def things_named(text: str) -> list[Term]:
    """What a text names by the vocabulary, in its order, each as often as it stands; organisms and assays left out."""
    terms = (item.term for item in find(tokens(text), text, _reader()).found)
    return [term for term in terms if term.kind not in ("organism", "assay")]


def is_phrase(stems: Sequence[str]) -> bool:
    """Whether these stems are a name of several words that ``recognise`` looks for."""
    return len(stems) > 1 and tuple(stems[2:]) in _names().longer.get(stems[0], {}).get(stems[1], ())


# From, to (counted in words), and whether a tissue, cell type or disease has this name.
_Span = tuple[int, int, bool]


class _Names(NamedTuple):
    """``single`` names of the kinds that are meant; of ``longer`` names first stem → second → the others, and whether
    one of those kinds is named; ``beginning``: the first stems of both. ``above``: identifier → all that it is a part
    or kind of, itself first.
    """

    single: frozenset[str]
    longer: dict[str, dict[str, dict[tuple[str, ...], bool]]]
    beginning: frozenset[str]
    above: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _names() -> _Names:
    single: set[str] = set()
    longer: dict[str, dict[str, dict[tuple[str, ...], bool]]] = {}
    parents: dict[str, tuple[str, ...]] = {}
    for concept in vocabulary.concepts():
        meant = concept.kind in _KINDS
        for marked in (concept.label, *concept.synonyms):
            stems = stems_of(marked.removeprefix("="))
            if len(stems) > 1:
                tails = longer.setdefault(stems[0], {}).setdefault(stems[1], {})
                tails[tuple(stems[2:])] = meant or tails.get(tuple(stems[2:]), False)
            elif meant:
                single.update(stems)
        if concept.id and meant:
            parents[concept.id] = concept.parents if concept.kind != "disease" else ()
    beginning = frozenset({*single, *longer})
    return _Names(frozenset(single), longer, beginning, {name: _above(name, parents) for name in parents})


def _above(name: str, parents: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = [name]
    for item in found:
        found += [parent for parent in parents.get(item, ()) if parent not in found]
    return tuple(found)


def _spans(words: Sequence[str]) -> list[_Span]:
    """Where names may stand, in the order of their first words."""
    single, longer, beginning, _ = _names()
    spans = []
    for at in [at for at, word in enumerate(words) if word in beginning]:
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word in single:
            spans.append((at, at + 1, True))
        for tail, meant in longer.get(word, {}).get(after, {}).items():
            end = at + 2 + len(tail)
            if not tail or tuple(words[at + 2 : end]) == tail:
                spans.append((at, end, meant))
    return sorted(spans)


def _together(spans: Sequence[_Span], words: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Spans that overlap or have a conjunction between them, as one; those with nothing that is meant left out."""
    start, end, meant = spans[0]
    for first, last, also in spans[1:]:
        if first < end or (first == end + 1 and words[end] in _CONJUNCTIONS):
            end, meant = max(end, last), meant or also
        else:
            if meant:
                yield start, end
            start, end, meant = first, last, also
    if meant:
        yield start, end


class _AsWritten(Vocabulary):
    """The vocabulary without mending: a question may have typing errors, a text has other words."""

    def near(self, word: str) -> str | None:  # noqa: ARG002
        return None


@lru_cache(maxsize=1)
def _reader() -> Vocabulary:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    compile_into(connection, vocabulary.concepts(), vocabulary.version())
    return _AsWritten(connection, vocabulary.ambiguities())


@lru_cache(maxsize=200_000)
def _read(place: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Kind, label and identifiers of the tissues, cell types and diseases that a few words name."""
    terms = [item.term for item in find(tokens(place), place, _reader()).found]
    return tuple(
        (term.kind, term.label, _names().above.get(term.id or "", ()))
        for term in terms
        if term.kind in _KINDS
    )
