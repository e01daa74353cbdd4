"""Colours and marks that the colour-blind can tell apart.

The palette is that of Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, without its black and its yellow, which a
dark or a white page would swallow; each group has a mark of its own as well, so that colour alone carries nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from .figure import Group, Marker

UP, DOWN, QUIET = "#D55E00", "#0072B2", "#9A9A9A"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
INK = "#222222"
_MARKERS: tuple[Marker, ...] = get_args(Marker)


def groups_of(names: Iterable[str]) -> tuple[Group, ...]:
    """A look for each name; of the first 56, no two share both colour and mark."""
    return tuple(
        Group(name, PALETTE[i % len(PALETTE)], _MARKERS[i % len(_MARKERS)]) for i, name in enumerate(names)
    )
