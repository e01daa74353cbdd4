"""Robust locally weighted regression.

W. S. Cleveland (1979), "Robust locally weighted regression and smoothing scatterplots", J. Am. Stat. Assoc.
74:829, https://doi.org/10.1080/01621459.1979.10481038; with the spacing ``delta`` of his routine in the
netlib collection, which R's lowess() follows: local lines are fitted at points at least delta apart and
joined by straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    x_, y_ = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x_.shape != y_.shape or x_.ndim != 1 or len(x_) == 0:
        raise AnalysisError(f"lowess needs two vectors of one length, not shapes {x_.shape} and {y_.shape}")
    if not (np.isfinite(x_).all() and np.isfinite(y_).all()):
        raise AnalysisError("lowess needs finite values")
    order = np.argsort(x_, kind="stable")
    smooth = np.empty_like(y_)
    smooth[order] = _lowess_sorted(x_[order], y_[order], span, iterations, delta)
    return smooth


def _lowess_sorted(x: Floats, y: Floats, span: float, iterations: int, delta: float | None) -> Floats:
    n = len(x)
    if n < 2:
        return y.copy()
    width = max(2, min(n, int(span * n + 1e-7)))
    spread = float(x[-1] - x[0])
    locals_ = _anchors(x, width, 0.01 * spread if delta is None else delta)
    robustness = np.ones(n)
    smooth = y
    for iteration in range(iterations + 1):
        smooth = _through_anchors(x, y, locals_, robustness, spread)
        if iteration == iterations:
            break
        residual = np.abs(y - smooth)
        scale = 6 * float(np.median(residual))
        if scale < 1e-7 * float(residual.mean()):
            break
        robustness = _bisquare(residual, scale)
    return smooth


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
        weights = np.where(distance > 0.001 * reach, (1 - (distance / reach) ** 3) ** 3, 1.0)
    weights[distance > 0.999 * reach] = 0.0
    return _Local(at, left, stop, weights)


def _through_anchors(
    x: Floats, y: Floats, anchors: list[_Local], robustness: Floats, spread: float
) -> Floats:
    xs = np.array([x[local.at] for local in anchors])
    ys = np.array([_line_at(x, y, local, robustness, spread) for local in anchors])
    return np.asarray(np.interp(x, xs, ys))


def _line_at(x: Floats, y: Floats, local: _Local, robustness: Floats, spread: float) -> float:
    part = slice(local.start, local.stop)
    weights = local.weights * robustness[part]
    total = weights.sum()
    if total <= 0:
        return float(y[local.at])
    weights /= total
    # einsum, for a threaded BLAS takes longer to start than to multiply vectors of this length.
    near = x[part]
    centre = float(np.einsum("i,i->", weights, near))
    offset = near - centre
    square = float(np.einsum("i,i,i->", weights, offset, offset))
    value = float(np.einsum("i,i->", weights, y[part]))
    if np.sqrt(square) > 0.001 * spread:
        slope = float(np.einsum("i,i,i->", weights, offset, y[part])) / square
        value += (float(x[local.at]) - centre) * slope
    return value


def _bisquare(residual: Floats, scale: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(residual > 0.001 * scale, (1 - (residual / scale) ** 2) ** 2, 1.0)
    weights[residual > 0.999 * scale] = 0.0
    return np.asarray(weights)
