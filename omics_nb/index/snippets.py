"""The place in a study's text that says most of what was asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..records import StudyHeader
from .text import Stems, field_texts

_FIELDS = ("summary", "design", "samples")
_LAST_TEXT = "design"
_N_WORDS = 30
_N_BEFORE = 3
_WORD = re.compile(r"[^\W_]+")


class Snippet(NamedTuple):
    """``text`` stands in ``field`` from character ``start`` on; ``marks`` are places of words that were asked."""

    field: str
    start: int
    text: str
    marks: tuple[tuple[int, int], ...]

    @property
    def shown(self) -> str:
        """The text as a line beside the title: empty where it is the title itself."""
        return "" if self.field == "title" else f"{self.field}: … {self.text} …"


def snippet(header: StudyHeader, stems: Stems, asked: Collection[str]) -> Snippet:
    """Some 30 words of the field where most different words of the question stand together, earlier fields first.

    Samples only where neither summary nor design has any, and the title, unmarked, where no other field has.
    ``stems`` are those of the header.
    """
    best, where = 0, ("title", 0)
    words: Sequence[str] = stems.of("title")
    for field in _FIELDS:
        # Without what parts samples, these are the words of the text one by one.
        here = [stem for stem in stems.of(field) if stem]
        places = [place for place, stem in enumerate(here) if stem in asked]
        for place in places:
            n_different = len({here[other] for other in places if place <= other < place + _N_WORDS})
            if n_different > best:
                best, where, words = n_different, (field, place), here
        if best and field == _LAST_TEXT:
            break  # sentences say more than sample sheets
    field, place = where
    text = field_texts(header)[field]
    first = max(place - _N_BEFORE, 0)
    shown = list(_WORD.finditer(text))[first : first + _N_WORDS]
    if not best or not shown:
        return Snippet("title", 0, header.title, ())
    start, end = shown[0].start(), shown[-1].end()
    marks = tuple(
        (match.start() - start, match.end() - start)
        for match, stem in zip(shown, words[first:], strict=False)
        if stem in asked
    )
    return Snippet(field, start, text[start:end], marks)
