"""The words of study headers as they are compared, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..records import StudyHeader
from ..terms.text import normal, singular
from .fitness import fitness

# Endings that turn one form of a word into another: resistant, resistance; treated, treatment.
_ENDINGS = (
    "ically", "ations", "ation", "ments", "ment", "ances", "ance", "ences", "ence", "ants", "ant", "ents", "ent",
    "ings", "ing", "ies", "ied", "ed", "ions", "ion", "ives", "ive", "ally", "al", "ic", "ly", "y", "e",
)  # fmt: skip
_STEM_AT_LEAST = 5
# "¦" stands between samples and gives an empty word, so that no phrase spans two.
_WORD = re.compile(r"[^\W_]+")
_SIGNS = "–—−‐‑’‘“”®™°±×≥≤→…•\u00a0\u2009"
_BLANKS = "".join(chr(n) if chr(n).isalnum() else " " for n in range(128))
_APART = " ¦ "
FIELD_NAMES = ("title", "summary", "design", "samples", "organism", "type", "platform")

# Where a stem stands: (study, field) → its places, counted in words.
_Places = dict[tuple[int, str], tuple[int, ...]]


@dataclass(frozen=True)
class Words:
    """Words of a fixed set of headers: stem → where it stands. Built by ``build``.

    ``concepts``: identifier → the studies in which it was recognised; empty where nobody looked.
    """

    headers: tuple[StudyHeader, ...]
    postings: dict[str, _Places]
    lengths: list[int]
    fitness: tuple[float, ...]
    concepts: Mapping[str, frozenset[int]]

    def places(self, phrase: str) -> dict[tuple[int, str], set[int]]:
        """(study, field) → where the phrase begins there, counted in words; its words must follow one another."""
        stems = stems_of(phrase)
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


def build(
    headers: Iterable[StudyHeader],
    *,
    only: Collection[str] | None = None,
    concepts: Sequence[Collection[str]] = (),
) -> Words:
    """The words of these headers; with ``only``, the places of these stems alone.

    ``concepts``: for each header, the identifiers of what was recognised in it.
    """
    studies = tuple(headers)
    stems = ([stems_of(text) for text in field_texts(header).values()] for header in studies)
    return build_from(studies, stems, only=only, concepts=concepts)


def build_from(
    studies: Sequence[StudyHeader],
    stems: Iterable[Sequence[Sequence[str]]],
    *,
    only: Collection[str] | None = None,
    concepts: Sequence[Collection[str]] = (),
) -> Words:
    """``build`` where the stems of the ``field_texts`` of each header are at hand."""
    postings: dict[str, _Places] = {}
    lengths = [0] * len(studies)
    for number, fields in enumerate(stems):
        for name, items in zip(FIELD_NAMES, fields, strict=True):
            lengths[number] += len(items) - items.count("")
            places: dict[str, list[int]] = {}
            for place, item in enumerate(items):
                if item and (only is None or item in only):
                    places.setdefault(item, []).append(place)
            for item, where in places.items():
                postings.setdefault(item, {})[number, name] = tuple(where)
    named: dict[str, set[int]] = {}
    for number, identifiers in enumerate(concepts):
        for identifier in identifiers:
            named.setdefault(identifier, set()).add(number)
    seen = {identifier: frozenset(found) for identifier, found in named.items()}
    return Words(tuple(studies), postings, lengths, tuple(map(fitness, studies)), seen)


def field_texts(header: StudyHeader) -> dict[str, str]:
    """The text of a header by field; sample texts are joined by a sign that no phrase crosses."""
    texts = (
        header.title,
        header.summary,
        header.overall_design,
        _APART.join(header.sample_texts),
        _APART.join(header.organisms),
        _APART.join(header.types),
        _APART.join(header.platforms),
    )
    return dict(zip(FIELD_NAMES, texts, strict=True))


def words(text: str) -> list[str]:
    """The words of a text as they are compared; "¦" between samples gives an empty one."""
    return [normal(match) for match in split(text)]


def split(text: str) -> list[str]:
    """The words of a text as they are written, and "¦"."""
    if "¦" in text:
        parts = [[*split(part), "¦"] for part in text.split("¦")]
        return [word for part in parts for word in part][:-1]
    if not text.isascii():
        for sign in _SIGNS:
            text = text.replace(sign, " ")
    # Several times faster than the expression, and nearly all texts are ASCII but for such signs.
    return text.translate(_BLANKS).split() if text.isascii() else _WORD.findall(text)


def stems_of(text: str) -> list[str]:
    """The stems of a text, word by word; empty where "¦" stands."""
    return list(map(_stem_of, split(text)))


@lru_cache(maxsize=400_000)
def _stem_of(word: str) -> str:
    return stem(normal(word))


def stem(word: str) -> str:
    """A normal word without the endings of number and form; words shorter than 5 letters lose only their plural."""
    word = singular(word)
    if not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_AT_LEAST:
            return word[: -len(ending)]
    return word
