"""The words of study headers as they are compared."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..records import StudyHeader
from ..terms.text import normal, singular

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
_MOST_STEMS = 500_000


class Stems(NamedTuple):
    """The stems of a study, field after field in the order of ``FIELD_NAMES``, each at its place.

    An empty one stands after each field and between two samples, so that no phrase spans them. ``starts``: the places
    at which the fields begin.
    """

    words: list[str]
    starts: tuple[int, ...]

    def of(self, field: str) -> list[str]:
        """The stems of one field."""
        number = FIELD_NAMES.index(field)
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.words)
        return self.words[self.starts[number] : end - 1]

    @property
    def n_words(self) -> int:
        return len(self.words) - self.words.count("")


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
    return list(map(_memo().__getitem__, split(text)))


def stems_in(header: StudyHeader) -> Stems:
    """The stems of a study's ``field_texts``."""
    words: list[str] = []
    starts = []
    for text in field_texts(header).values():
        starts.append(len(words))
        words += stems_of(text)
        words.append("")
    return Stems(words, tuple(starts))


@lru_cache(maxsize=50_000)
def name_stems(name: str) -> tuple[str, ...]:
    """The stems of a name, which a search looks at several times."""
    return tuple(stems_of(name))


class _Memo(dict[str, str]):
    """Word as written → its stem. A plain look-up: indexing asks for it a hundred times a study."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _MOST_STEMS:
            self.clear()
        found = self[word] = stem(normal(word))
        return found


@lru_cache(maxsize=1)
def _memo() -> _Memo:
    return _Memo()


def stem(word: str) -> str:
    """A normal word without the endings of number and form; words shorter than 5 letters lose only their plural."""
    word = singular(word)
    if not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_AT_LEAST:
            return word[: -len(ending)]
    return word
