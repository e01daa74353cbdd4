"""Locally weighted regression: Cleveland's robust lines, and a local quadratic with weights.

W. S. Cleveland (1979), "Robust locally weighted regression and smoothing scatterplots", J. Am. Stat. Assoc.
74:829, https://doi.org/10.1080/01621459.1979.10481038; with the spacing ``delta`` of his routine in the
netlib collection, which R's lowess() follows: local lines are fitted at points at least delta apart and
joined by straight lines.

The quadratic is that of C. Loader (1999), "Local Regression and Likelihood", Springer, chapters 2 and 12, with the
defaults of the package locfit: it is fitted where cells that are halved become short beside the bandwidth, and
joined by cubics that have its slopes there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicHermiteSpline

from ..errors import AnalysisError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Local:
    """The neighbours of one point: ``x[start:stop]``, their distance weights, and offsets from the point."""

    at: int
    start: int
    stop: int
    weights: Floats


def lowess(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    span: float = 2 / 3,
    iterations: int = 3,
    delta: float | None = None,
) -> Floats:
    """Smoothed ``y`` at each ``x``, in the order given. ``delta`` is a hundredth of the range of x unless
    given.
    """
    x_ = np.asarray(x, dtype=np.float64)
    knots, heights = lowess_knots(x_, y, span=span, iterations=iterations, delta=delta)
    return np.asarray(np.interp(x_, knots, heights))


def lowess_knots(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    span: float = 2 / 3,
    iterations: int = 3,
    delta: float | None = None,
) -> tuple[Floats, Floats]:
    """The points that ``lowess`` joins by straight lines: x, ascending, and the smoothed y there."""
    x_, y_ = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x_.shape != y_.shape or x_.ndim != 1 or len(x_) == 0:
        raise AnalysisError(f"lowess needs two vectors of one length, not shapes {x_.shape} and {y_.shape}")
    if not (np.isfinite(x_).all() and np.isfinite(y_).all()):
        raise AnalysisError("lowess needs finite values")
    order = np.argsort(x_, kind="stable")
    return _lowess_sorted(x_[order], y_[order], span, iterations, delta)


def local_quadratic(
    x: npt.ArrayLike, y: npt.ArrayLike, weights: npt.ArrayLike, *, span: float = 0.7, cut: float = 0.8
) -> Callable[[Floats], Floats]:
    """A curve through ``y`` over ``x``: at each place the quadratic of the share ``span`` of points nearest to it.

    A cell is halved until it is no longer than ``cut`` times the smaller bandwidth of its ends. Beyond the ends
    the curve goes on with the slope there and the bend of one quadratic through all points.
    """
    x_, y_, w_ = (np.asarray(values, dtype=np.float64) for values in (x, y, weights))
    n_near = int(span * len(x_))
    if n_near < 4 or x_.min() == x_.max():
        raise AnalysisError(f"a local quadratic needs 6 points at different x at least, not {len(x_)}")
    fitted: dict[float, tuple[float, float, float]] = {}

    def bandwidth(at: float) -> float:
        if at not in fitted:
            fitted[at] = _quadratic_at(at, x_, y_, w_, n_near)
        return fitted[at][0]

    places = _cell_ends(float(x_.min()), float(x_.max()), bandwidth, cut)
    values, slopes = (np.array([fitted[at][i] for at in places]) for i in (1, 2))
    inside = CubicHermiteSpline(places, values, slopes)
    root = np.sqrt(w_)
    bend = float(np.linalg.lstsq(np.vander(x_, 3) * root[:, None], y_ * root, rcond=None)[0][0])

    def curve(at: Floats) -> Floats:
        nearest = np.clip(at, places[0], places[-1])
        beyond = at - nearest
        return np.asarray(inside(nearest) + inside(nearest, 1) * beyond + bend * beyond**2)

    return curve


def local_means(x: npt.ArrayLike, y: npt.ArrayLike, *, span: float, cut: float = 0.8) -> Floats:
    """Averages of each column of ``y`` (points × columns) over the share ``span`` of points nearest to each ``x``.

    The nearer weigh more, by Loader's tricube. They are taken where cells that are halved become short beside the
    bandwidth, as for ``local_quadratic``, and joined by straight lines.
    """
    x_, y_ = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n_near = max(int(span * len(x_)), 1)
    if x_.min() == x_.max():
        return np.broadcast_to(y_.mean(axis=0), y_.shape).copy()
    weights: dict[float, tuple[float, Floats]] = {}

    def bandwidth(at: float) -> float:
        if at not in weights:
            weights[at] = _tricube(np.abs(x_ - at), n_near)
        return weights[at][0]

    places = _cell_ends(float(x_.min()), float(x_.max()), bandwidth, cut)
    means = np.stack([weights[at][1] @ y_ / weights[at][1].sum() for at in places])
    left = np.clip(np.searchsorted(places, x_, side="right") - 1, 0, len(places) - 2)
    share = ((x_ - places[left]) / (places[left + 1] - places[left]))[:, None]
    return np.asarray(means[left] * (1 - share) + means[left + 1] * share)


def _cell_ends(low: float, high: float, bandwidth: Callable[[float], float], cut: float) -> Floats:
    """Ends of the cells that halving leaves: none is longer than ``cut`` times the smaller bandwidth of its ends."""
    cells, ends = [(low, high)], {low, high}
    while cells:
        low, high = cells.pop()
        if high - low > cut * min(bandwidth(low), bandwidth(high)):
            middle = (low + high) / 2
            ends.add(middle)
            cells += [(low, middle), (middle, high)]
    return np.array(sorted(ends))


def _tricube(distance: Floats, n_near: int) -> tuple[float, Floats]:
    """The bandwidth that holds ``n_near`` points, and the weight of each."""
    width = float(np.partition(distance, n_near - 1)[n_near - 1])
    return width, _cube(1 - _cube(np.minimum(distance / width, 1)))


def _quadratic_at(
    at: float, x: Floats, y: Floats, weights: Floats, n_near: int
) -> tuple[float, float, float]:
    """Bandwidth, value and slope of the local quadratic."""
    offset = x - at
    width, near = _tricube(np.abs(offset), n_near)
    root = np.sqrt(weights * near)
    terms = np.column_stack([np.ones_like(x), offset, offset**2])
    value, slope, _ = np.linalg.lstsq(terms * root[:, None], y * root, rcond=None)[0]
    return width, float(value), float(slope)


def _lowess_sorted(
    x: Floats, y: Floats, span: float, iterations: int, delta: float | None
) -> tuple[Floats, Floats]:
    n = len(x)
    if n < 2:
        return x, y
    width = max(2, min(n, int(span * n + 1e-7)))
    spread = float(x[-1] - x[0])
    locals_ = _anchors(x, width, 0.01 * spread if delta is None else delta)
    knots = x[[local.at for local in locals_]]
    heights = _lines_at(x, y, locals_, None, spread)
    for _ in range(iterations):
        residual = np.abs(y - np.interp(x, knots, heights))
        scale = 6 * float(np.median(residual))
        if scale < 1e-7 * float(residual.mean()):
            break
        heights = _lines_at(x, y, locals_, _bisquare(residual, scale), spread)
    return knots, heights


def _anchors(x: Floats, width: int, delta: float) -> list[_Local]:
    n = len(x)
    anchors: list[_Local] = []
    at, left = 0, 0
    while True:
        # The window slides on while the next point on the right is nearer than the first on the left.
        while left + width < n and x[at] - x[left] > x[left + width] - x[at]:
            left += 1
        anchors.append(_local(x, at, left, left + width - 1))
        if at >= n - 1:
            return anchors
        # Next comes the last point within delta, or the next point if there is none; equal x share a fit.
        beyond = int(np.searchsorted(x, x[at] + delta, side="right"))
        after_ties = int(np.searchsorted(x, x[at], side="right"))
        if after_ties >= n:
            return anchors
        at = max(after_ties, min(beyond, n) - 1)


def _local(x: Floats, at: int, left: int, right: int) -> _Local:
    reach = max(float(x[at] - x[left]), float(x[right] - x[at]))
    # Points beyond the window that lie exactly at its edge's distance count as neighbours too.
    stop = max(right + 1, int(np.searchsorted(x, x[at] + 0.999 * reach, side="right")))
    distance = np.abs(x[left:stop] - x[at])
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(distance > 0.001 * reach, _cube(1 - _cube(distance / reach)), 1.0)
    weights[distance > 0.999 * reach] = 0.0
    return _Local(at, left, stop, weights)


def _cube(values: Floats) -> Floats:
    # A general power takes ten times as long.
    return values * values * values


def _lines_at(
    x: Floats, y: Floats, anchors: list[_Local], robustness: Floats | None, spread: float
) -> Floats:
    return np.array([_line_at(x, y, local, robustness, spread) for local in anchors])


def _line_at(x: Floats, y: Floats, local: _Local, robustness: Floats | None, spread: float) -> float:
    part = slice(local.start, local.stop)
    weights = local.weights if robustness is None else local.weights * robustness[part]
    total = float(weights.sum())
    if total <= 0:
        return float(y[local.at])
    # einsum, for a threaded BLAS takes longer to start than to multiply vectors of this length.
    centre = float(np.einsum("i,i->", weights, x[part])) / total
    offset = x[part] - centre
    leaning = weights * offset
    square = float(np.einsum("i,i->", leaning, offset)) / total
    value = float(np.einsum("i,i->", weights, y[part])) / total
    if np.sqrt(square) > 0.001 * spread:
        slope = float(np.einsum("i,i->", leaning, y[part])) / total / square
        value += (float(x[local.at]) - centre) * slope
    return value


def _bisquare(residual: Floats, scale: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(residual > 0.001 * scale, (1 - (residual / scale) ** 2) ** 2, 1.0)
    weights[residual > 0.999 * scale] = 0.0
    return np.asarray(weights)
