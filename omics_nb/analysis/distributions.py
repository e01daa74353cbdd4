"""Tails of t and F that stay exact far out, their logarithms, and the inverse of trigamma.

All by way of the incomplete beta function: P(T > t) with d degrees of freedom is I_x(d/2, 1/2)/2 at x = d/(d
+ t²).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ..errors import AnalysisError

Floats = npt.NDArray[np.float64]

_SMALLEST_DIRECT = 1e-290
# From so many values on, and up to such a t, a curve through exact values is faster.
_MANY = 5_000
_MOST_T = 1e4
# The distance of its knots on a logarithmic scale: it is within 1e-12 of the logarithm of a tail.
_KNOT = 0.004
_MOST_DF = 1e4


def t_two_sided(t: npt.ArrayLike, df: npt.ArrayLike) -> Floats:
    """P(|T| > |t|); ``df`` may be infinite, NaN stay NaN."""
    t_, df_ = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(df, dtype=float))
    p = np.full(t_.shape, np.nan)
    infinite = np.isinf(df_)
    p[infinite] = 2 * special.ndtr(-np.abs(t_[infinite]))
    rest = ~infinite
    for common in _common(np.asarray(df, dtype=float), t_.size):
        shared = rest & (df_ == common) & (np.abs(t_) < _MOST_T)
        if int(shared.sum()) > _MANY:
            p[shared] = _t_by_curve(np.abs(t_[shared]), common)
            rest &= ~shared
    p[rest] = _t_exactly(t_[rest], df_[rest])
    return p


def _common(df: Floats, n_values: int) -> list[float]:
    """Finite degrees of freedom that many of ``n_values`` share."""
    if n_values <= _MANY:
        return []
    distinct, counts = _distinct_counts(df)
    often = np.isfinite(distinct) & (counts * (n_values / df.size) > _MANY)
    return [float(value) for value in distinct[often]]


def _distinct_counts(values: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    # Often all are equal, which is seen faster than sorted.
    if values.size and (values == values.flat[0]).all():
        return values.ravel()[:1], np.array([values.size], dtype=np.intp)
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, counts.astype(np.intp)


def _t_exactly(t: Floats, df: Floats) -> Floats:
    square = t * t
    # Near t = 0 the complement keeps digits that x = d/(d + t²), close to 1, has lost.
    far = square >= df
    near = ~far
    p = np.empty(t.shape)
    p[far] = special.betainc(df[far] / 2, 0.5, df[far] / (df[far] + square[far]))
    p[near] = special.betaincc(0.5, df[near] / 2, square[near] / (df[near] + square[near]))
    return p


def _t_by_curve(t: Floats, df: float) -> Floats:
    """The same for many t that share their degrees of freedom, where one incomplete beta function each is
    slow.

    log P is a smooth curve of log(1 + t).
    """
    along = np.log1p(t)
    knots = _knots(along)
    at = np.expm1(knots)
    log_p = log_t_two_sided(at, df)
    log_density = _log_t_density_at_0(df) - (df + 1) / 2 * np.log1p(at * at / df)
    slope = -2 * np.exp(log_density - log_p + knots)
    bend = slope * (1 - slope - (df + 1) * at * (at + 1) / (df + at * at))
    return np.asarray(np.exp(_curve(along, knots, log_p, slope, bend)))


def _log_t_density_at_0(df: float) -> float:
    half = df / 2
    if half < 100:
        return float(-special.betaln(half, 0.5) - 0.5 * np.log(df))
    # The logarithms of two gamma functions would cancel: DLMF 5.11.13.
    return float(-0.5 * np.log(2 * np.pi) - 1 / (8 * half) + 1 / (192 * half**3) - 1 / (640 * half**5))


def _knots(along: Floats) -> Floats:
    first = np.floor(float(along.min()) / _KNOT)
    return np.asarray(np.arange(first, float(along.max()) / _KNOT + 2) * _KNOT)


def _curve(along: Floats, knots: Floats, value: Floats, slope: Floats, bend: Floats) -> Floats:
    """Polynomials of degree five between evenly spaced knots, with value, slope and second derivative of both ends."""
    d, c = slope * _KNOT, bend * _KNOT**2
    rise = value[1:] - value[:-1] - d[:-1] - c[:-1] / 2
    turn, twist = d[1:] - d[:-1] - c[:-1], c[1:] - c[:-1]
    terms = (
        6 * rise - 3 * turn + twist / 2,
        -15 * rise + 7 * turn - twist,
        10 * rise - 4 * turn + twist / 2,
        c[:-1] / 2,
        d[:-1],
        value[:-1],
    )
    place = (along - knots[0]) / _KNOT
    left = np.minimum(place.astype(np.intp), len(knots) - 2)
    place -= left
    result = terms[0][left]
    for term in terms[1:]:
        result *= place
        result += term[left]
    return np.asarray(result)


def t_from_two_sided(p: npt.ArrayLike, df: float) -> Floats:
    """The t > 0 with P(|T| > t) = ``p``."""
    p_ = np.asarray(p, dtype=float)
    if np.isinf(df):
        return _float(-special.ndtri(p_ / 2))
    x = special.betaincinv(df / 2, 0.5, p_)
    # For p near 1 solve for 1 - x instead.
    y = special.betaincinv(0.5, df / 2, 1 - p_)
    ratio = np.where(p_ < 0.5, (1 - x) / np.where(x > 0, x, np.nan), y / (1 - np.where(p_ < 0.5, 0, y)))
    return _float(np.sqrt(df * ratio))


def log_t_two_sided(t: npt.ArrayLike, df: npt.ArrayLike) -> Floats:
    """log P(|T| > |t|), also where the probability itself is below the smallest float."""
    p = np.atleast_1d(t_two_sided(t, df))
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    far = p < _SMALLEST_DIRECT
    if far.any():
        t_, df_ = np.broadcast_arrays(np.atleast_1d(np.asarray(t, dtype=float)), np.asarray(df, dtype=float))
        log_p[far] = _log_far_tail(t_[far], df_[far])
    return log_p.reshape(np.broadcast_shapes(np.shape(t), np.shape(df)))


def _log_far_tail(t: Floats, df: Floats) -> Floats:
    finite = np.where(np.isinf(df), 1.0, df)
    with np.errstate(over="ignore"):
        log_p = _log_betainc(finite / 2, np.full_like(finite, 0.5), finite / (finite + t * t))
    return np.where(np.isinf(df), np.log(2) + special.log_ndtr(-np.abs(t)), log_p)


def t_from_log_two_sided(log_p: npt.ArrayLike, df: float) -> Floats:
    """The t > 0 with log P(|T| > t) = ``log_p``."""
    log_p_ = np.asarray(log_p, dtype=float)
    if np.isinf(df):
        return _float(-special.ndtri_exp(log_p_ - np.log(2)))
    direct = log_p_ > np.log(_SMALLEST_DIRECT)
    t = t_from_two_sided(np.where(direct, np.exp(np.where(direct, log_p_, 0)), 0.5), df)
    if not direct.all():
        t = np.where(direct, t, _far_t(log_p_, df))
    return t


def f_log_upper(f: npt.ArrayLike, df1: npt.ArrayLike, df2: npt.ArrayLike) -> Floats:
    """log P(F > f)."""
    f_, d1, d2 = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (f, df1, df2)))
    share_df = np.ndim(df1) == np.ndim(df2) == 0
    if f_.size > _MANY and share_df and d2.flat[0] < _MOST_DF and ((f_ > 0) & np.isfinite(f_)).all():
        return _f_by_curve(f_, float(d1.flat[0]), float(d2.flat[0]))
    infinite = np.isinf(d2)
    d2f = np.where(infinite, 1.0, d2)
    finite = _log_betainc(d2f / 2, d1 / 2, d2f / (d2f + d1 * f_))
    with np.errstate(divide="ignore"):
        chi = np.log(special.gammaincc(d1 / 2, d1 * f_ / 2))
    return _float(np.where(infinite, chi, finite))


def _f_by_curve(f: Floats, df1: float, df2: float) -> Floats:
    """The same for many f > 0 that share their degrees of freedom: a smooth curve of log f."""
    along = np.log(f)
    knots = _knots(along)
    at = np.exp(knots)
    log_p = np.asarray(f_log_upper(at, np.full_like(at, df1), np.full_like(at, df2)))
    odds = df1 * at / df2
    log_density = df1 / 2 * np.log(odds) - (df1 + df2) / 2 * np.log1p(odds) - special.betaln(df1 / 2, df2 / 2)
    slope = -np.exp(log_density - log_p)
    bend = slope * (df1 / 2 - (df1 + df2) / 2 * odds / (1 + odds) - slope)
    return _curve(along, knots, log_p, slope, bend)


def f_upper(f: npt.ArrayLike, df1: npt.ArrayLike, df2: npt.ArrayLike) -> Floats:
    """P(F > f); ``df2`` may be infinite."""
    return _float(np.exp(f_log_upper(f, df1, df2)))


def f_quantile(p: npt.ArrayLike, df1: float, df2: float) -> Floats:
    """The f with P(F <= f) = ``p``; ``df2`` may be infinite."""
    p_ = np.asarray(p, dtype=float)
    if np.isinf(df2):
        return _float(2 * special.gammaincinv(df1 / 2, p_) / df1)
    return _float(
        _odds(special.betaincinv(df1 / 2, df2 / 2, p_), special.betainccinv(df2 / 2, df1 / 2, p_)) * df2 / df1
    )


def f_from_upper(p: npt.ArrayLike, df1: float, df2: float) -> Floats:
    """The f with P(F > f) = ``p``; ``df2`` may be infinite."""
    p_ = np.asarray(p, dtype=float)
    if np.isinf(df2):
        return _float(2 * special.gammainccinv(df1 / 2, p_) / df1)
    return _float(
        _odds(special.betainccinv(df1 / 2, df2 / 2, p_), special.betaincinv(df2 / 2, df1 / 2, p_)) * df2 / df1
    )


def _odds(x: Floats, y: Floats) -> Floats:
    # x + y = 1; whichever is the smaller holds the digits.
    with np.errstate(divide="ignore"):
        return _float(np.where(x < 0.5, x / (1 - np.minimum(x, 0.5)), (1 - np.minimum(y, 0.5)) / y))


def trigamma(x: npt.ArrayLike) -> Floats:
    return _of_distinct(x, lambda distinct: special.polygamma(1, distinct))


def _of_distinct(values: npt.ArrayLike, function: Callable[[Floats], Floats]) -> Floats:
    """``function`` of each value; genes share a few degrees of freedom, and such functions are slow."""
    x = np.asarray(values, dtype=float)
    if x.size and (x == x.flat[0]).all():
        return np.full(x.shape, function(x.ravel()[:1])[0])
    distinct, which = np.unique(x, return_inverse=True)
    return _float(function(distinct)[which].reshape(x.shape))


def trigamma_inverse(y: float) -> float:
    """The x > 0 with trigamma(x) = ``y`` > 0, by the Newton iteration of Smyth (2004), appendix."""
    if y > 1e7:
        return 1 / float(np.sqrt(y))
    if y < 1e-6:
        return 1 / y
    x = 0.5 + 1 / y
    for _ in range(50):
        tri = float(special.polygamma(1, x))
        step = tri * (1 - tri / y) / float(special.polygamma(2, x))
        x += step
        if abs(step) < 1e-14 * x:
            break
    return x


def log_minus_digamma(half_df: npt.ArrayLike) -> Floats:
    """log(a) - digamma(a), without cancellation where a is large: how far E log χ² lies below log E χ²."""
    return _of_distinct(half_df, _log_minus_digamma)


def _log_minus_digamma(a: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        direct = np.log(a) - special.digamma(a)
    big = np.where(a > 1e3, a, 1e3)
    series = 1 / (2 * big) + 1 / (12 * big**2) - 1 / (120 * big**4)
    return np.asarray(np.where(a > 1e3, series, direct))


def _far_t(log_p: Floats, df: float) -> Floats:
    # Far out log P falls as -df log t, so Newton in log t converges in a few steps.
    log_t = np.full(log_p.shape, np.log(1e3))
    for _ in range(200):
        value = log_t_two_sided(np.exp(log_t), df) - log_p
        slope = (log_t_two_sided(np.exp(log_t + 1e-6), df) - log_t_two_sided(np.exp(log_t - 1e-6), df)) / 2e-6
        step = np.clip(value / slope, -2, 2)
        log_t = log_t - step
        if np.nanmax(np.abs(step)) < 1e-13:
            break
    return _float(np.exp(log_t))


def _log_betainc(a: Floats, b: Floats, x: Floats) -> Floats:
    direct = special.betainc(a, b, x)
    tiny = direct < _SMALLEST_DIRECT
    with np.errstate(divide="ignore"):
        result = np.log(direct)
    if tiny.any():
        at, bt, xt = a[tiny], b[tiny], x[tiny]
        # DLMF 8.17.8
        result = np.array(result)
        with np.errstate(divide="ignore"):
            result[tiny] = (
                at * np.log(xt)
                + bt * np.log1p(-xt)
                - np.log(at)
                - special.betaln(at, bt)
                - np.log(_fraction(at, bt, xt))
            )
    return _float(result)


def _fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The continued fraction of the incomplete beta function, DLMF 8.17.22, by Lentz's method; x below the mean.

    scipy's ``hyp2f1``, which is its reciprocal, is wrong or not a number where ``a`` is in the thousands.
    """
    c = np.ones_like(x)
    d = found = 1 / (1 - (a + b) * x / (a + 1))
    moving = np.ones(x.shape, dtype=bool)
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + term * d), 1 + term / c
            found = found * (d * c)
        moving &= np.abs(d * c - 1) > 1e-15
        if not moving.any():
            return 1 / found
    raise AnalysisError(f"the tail of an F or t distribution did not converge for a = {a}, b = {b}, x = {x}")


def _float(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
