"""Where names beside points go, so that none covers another; and which points draw the shape of a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]


class Place(NamedTuple):
    """The name ``which`` at ``dx``, ``dy`` from its point, to its right or to its left; y grows upwards."""

    which: int
    dx: float
    dy: float
    right: bool


def place_names(
    spots: Sequence[tuple[float, float]], names: Sequence[str], area: Box, *, size: float
) -> list[Place]:
    """Places for names ``size`` high beside their spots, all in one unit; the first ones first.

    A name that finds no free place among eight within ``area`` (left, bottom, right, top) is left out.
    """
    height, gap = 1.3 * size, 0.6 * size
    taken: list[Box] = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in spots]
    placed = []
    for index, ((x, y), name) in enumerate(zip(spots, names, strict=True)):
        long = 0.62 * size * len(name)
        for lift, right in _tries(height):
            left = x + gap if right else x - gap - long
            box = (left, y + lift - height / 2, left + long, y + lift + height / 2)
            if _within(box, area) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append(Place(index, gap if right else -gap, lift, right))
                break
    return placed


def _tries(height: float) -> list[tuple[float, bool]]:
    lifts = (0.0, 0.75 * height, -0.75 * height, 1.5 * height)
    return [(lift, right) for lift in lifts for right in (True, False)]


def _within(box: Box, area: Box) -> bool:
    return box[0] >= area[0] and box[1] >= area[1] and box[2] <= area[2] and box[3] <= area[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def outline(x: Numbers, y: Numbers, most: int) -> npt.NDArray[np.intp]:
    """Positions of at most ``most`` points that keep the shape of the crowd, in their order.

    One point from each cell of the finest grid that leaves so few, so that lone points stay and the crowd thins.
    """
    if len(x) <= most:
        return np.arange(len(x))
    across, up = _unit(x), _unit(y)
    first = np.arange(0)
    for cells in (256, 128, 64, 32, 16):
        cell = np.floor(across * cells) * (cells + 1) + np.floor(up * cells)
        first = np.unique(cell, return_index=True)[1]
        if len(first) <= most:
            break
    return np.sort(first)[:most]


def _unit(values: Numbers) -> Numbers:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / ((high - low) or 1.0))
