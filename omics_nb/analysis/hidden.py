"""Groups that the values show and the sample sheet does not tell: a batch nobody wrote down, or a factor left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

_LEAST_GROUP = 3
_LEAST_SAMPLES = 8
# Of the variance of a component, between two groups: evenly spread samples have 0.75, normal ones less.
_LEAST_SPLIT = 0.85
# A component that explains less of the values is not worth a warning.
_LEAST_EXPLAINED = 0.15
_TOLD = 0.5


@dataclass(frozen=True, slots=True)
class Split:
    """Two groups along a component (from 1), which explains ``share`` of all variance; ``above``: of each sample."""

    component: int
    share: float
    above: tuple[bool, ...]


def hidden_split(scores: Floats, explained: Floats, sheet: pd.DataFrame) -> Split | None:
    """The first component along which samples fall into two clear groups that no column of ``sheet`` tells.

    ``scores``: samples × components, ``explained``: share of the variance of each. None where there is no such thing,
    or fewer than eight samples.
    """
    if len(scores) < _LEAST_SAMPLES:
        return None
    for j, share in enumerate(explained):
        clear, above = _two_groups(scores[:, j])
        if share >= _LEAST_EXPLAINED and clear >= _LEAST_SPLIT and not _told(scores[:, j], sheet):
            return Split(j + 1, float(share), tuple(map(bool, above)))
    return None


def _two_groups(along: Floats) -> tuple[float, npt.NDArray[np.bool_]]:
    """The share of the variance that lies between the best two groups of three samples or more, and who is above."""
    ordered = np.sort(along)
    n, total = len(ordered), float(((ordered - ordered.mean()) ** 2).sum())
    if total == 0:
        return 0.0, np.zeros(n, dtype=bool)
    sizes = np.arange(_LEAST_GROUP, n - _LEAST_GROUP + 1)
    sums = np.cumsum(ordered - ordered.mean())[sizes - 1]
    between = sums**2 * (1 / sizes + 1 / (n - sizes)) / total
    best = int(between.argmax())
    cut = (ordered[sizes[best] - 1] + ordered[sizes[best]]) / 2
    return float(between[best]), np.asarray(along > cut)


def _told(along: Floats, sheet: pd.DataFrame) -> bool:
    """Whether a column explains half of the component, its degrees of freedom allowed for."""
    total = float(((along - along.mean()) ** 2).sum())
    for name in sheet.columns:
        values = sheet[name].astype(str).to_numpy()
        levels = np.unique(values)
        if not 2 <= len(levels) <= len(along) // 2:
            continue
        within = sum(
            float(((along[values == level] - along[values == level].mean()) ** 2).sum()) for level in levels
        )
        if 1 - within / (len(along) - len(levels)) / (total / (len(along) - 1)) >= _TOLD:
            return True
    return False
