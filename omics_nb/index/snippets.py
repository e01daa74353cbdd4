"""The place in a study's text that says most of what was asked."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .schema import Entry
from .text import FIELD_NAMES, field_texts

_FIELDS = ("summary", "design", "samples")
_N_WORDS = 30
_N_BEFORE = 3
_WORD = re.compile(r"[^\W_]+")


class Snippet(NamedTuple):
    """``text`` stands in ``field`` from character ``start`` on; ``marks`` are places of words that were asked."""

    field: str
    start: int
    text: str
    marks: tuple[tuple[int, int], ...]


def snippet(entry: Entry, asked: Collection[str]) -> Snippet:
    """Some 30 words of the field where most different words of the question stand together, earlier fields first.

    The title, unmarked, where no other field has any.
    """
    best, where, words = 0, ("title", 0), entry.stems[0]
    for field in _FIELDS:
        # Without what parts samples, these are the words of the text one by one.
        stems = [stem for stem in entry.stems[FIELD_NAMES.index(field)] if stem]
        places = [place for place, stem in enumerate(stems) if stem in asked]
        for place in places:
            n_different = len({stems[other] for other in places if place <= other < place + _N_WORDS})
            if n_different > best:
                best, where, words = n_different, (field, place), stems
    field, place = where
    text = field_texts(entry.header)[field]
    first = max(place - _N_BEFORE, 0)
    shown = list(_WORD.finditer(text))[first : first + _N_WORDS]
    if not best or not shown:
        return Snippet("title", 0, entry.header.title, ())
    start, end = shown[0].start(), shown[-1].end()
    marks = tuple(
        (match.start() - start, match.end() - start)
        for match, stem in zip(shown, words[first:], strict=False)
        if stem in asked
    )
    return Snippet(field, start, text[start:end], marks)
