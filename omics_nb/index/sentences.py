"""Texts of studies cut into sentences, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# After a stop and a blank, a sentence begins with a capital, a digit, a bracket or a quote.
_STOP = re.compile(
    r"[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]?[A-Z0-9])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)|;(?=\s*\n)"
)
# What ends with a stop and ends no sentence: abbreviations, initials ("M. musculus"), numbers of figures.
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|cf|al|etc|approx|resp|incl|spp|sp|subsp|var|no|fig|figs|ref|refs|dr|prof|st|inc|ltd|ca)"
    r"|(?<![\w.])[A-Za-z])\.$",
    re.IGNORECASE,
)
_SHORTEST = 12


class Span(NamedTuple):
    """A sentence: ``text`` is what stands from character ``start`` up to ``end`` of the whole text."""

    start: int
    end: int
    text: str


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a text in order, blanks around them left out; scraps without words are none."""
    start = 0
    for match in _STOP.finditer(text):
        if match[0].startswith(".") and _NO_END.search(
            text[max(start, match.start() - 12) : match.start() + 1]
        ):
            continue
        yield from _span(text, start, match.end())
        start = match.end()
    yield from _span(text, start, len(text))


def _span(text: str, start: int, end: int) -> Iterator[Span]:
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    inside = inside.strip()
    if len(inside) >= _SHORTEST and re.search(r"[^\W\d_]{2}", inside):
        yield Span(start, start + len(inside), inside)
