"""Text for terminals: aligned columns, wrapped sentences, the mark of synthetic data."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from .markup import DISCLAIMER_URL, clean

WIDTH = 100
_GAP = "  "


def wrap(text: object, *, indent: str = "", width: int = WIDTH) -> str:
    """One paragraph, wrapped at words, each line after ``indent``."""
    return textwrap.fill(one_line(text), width, initial_indent=indent, subsequent_indent=indent + "  ")


def one_line(text: object) -> str:
    """Text without line breaks or runs of blanks."""
    return " ".join(clean(text).split())


def shorten(text: object, width: int) -> str:
    """At most ``width`` columns of a text, with … where it was cut."""
    line = one_line(text)
    if columns(line) <= width:
        return line
    kept = ""
    for character in line:
        if columns(kept + character) >= width:
            break
        kept += character
    return kept.rstrip() + "…"


def columns(text: str) -> int:
    """How many terminal columns a text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def table_text(
    headers: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numeric: Collection[int] = (),
    flexible: int | None = None,
    width: int = WIDTH,
) -> str:
    """Aligned columns; the column ``flexible`` is cut to what the others leave of ``width`` (at least 16)."""
    cells = [list(headers), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(columns(row[index]) for row in cells) for index in range(len(headers))]
    if flexible is not None:
        others = sum(widths) - widths[flexible] + len(_GAP) * (len(widths) - 1)
        widths[flexible] = min(widths[flexible], max(16, width - others))
    return "\n".join(_line(row, widths, numeric) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int], numeric: Collection[int]) -> str:
    shown = []
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        text = shorten(cell, width)
        blanks = " " * (width - columns(text))
        shown.append(blanks + text if index in numeric else text + blanks)
    return _GAP.join(shown).rstrip()


def source_text(source: str, *, synthetic: bool) -> str:
    """Which source a value came from, with the mark of synthetic data or NCBI's disclaimer where due."""
    mark = "[synthetic] " if synthetic else ""
    disclaimer = f" (NCBI disclaimer: {DISCLAIMER_URL})" if source.partition(":")[0] == "ncbi" else ""
    return f"{mark}source: {clean(source)}{disclaimer}"
