"""Text of figures: on one line, short enough for its place, with the mark of synthetic data."""

from __future__ import annotations

from dataclasses import replace

from ..display.plain import one_line
from .figure import Figure

_NO_CHARACTERS = dict.fromkeys((0xFFFE, 0xFFFF))


def clean(text: object) -> str:
    """Text on one line, without characters that XML forbids or that hide in a line."""
    return one_line(text).translate(_NO_CHARACTERS)


def short(text: object, n: int = 40) -> str:
    """At most ``n`` characters, with … where there were more."""
    kept = clean(text)
    return kept if len(kept) <= n else kept[: n - 1] + "…"


def finished(figure: Figure, *, synthetic: bool) -> Figure:
    """The figure with clean words; synthetic data are said to be so in its title and its text."""
    title, text = clean(figure.title), clean(figure.text)
    if synthetic:
        title, text = f"{title} (synthetic data)", f"Synthetic data. {text}"
    return replace(figure, title=title, text=text)
