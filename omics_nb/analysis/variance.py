"""Variances of many genes, drawn towards each other by a scaled F distribution.

The prior is found as in G. K. Smyth (2004), section 6.2, https://doi.org/10.2202/1544-6115.1027; with a
trend, log variances follow a natural cubic spline of the covariate; robustly, from Winsorized moments with
fewer prior degrees of freedom for hypervariable genes: B. Phipson et al. (2016), "Robust hyperparameter
estimation protects against hypervariable genes and improves power to detect differential expression", Ann.
Appl. Stat. 10:946, https://doi.org/10.1214/16-AOAS920.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.interpolate import CubicSpline
from scipy.stats import rankdata

from ..errors import AnalysisError
from .distributions import (
    f_from_upper,
    f_log_upper,
    f_quantile,
    log_minus_digamma,
    trigamma,
    trigamma_inverse,
)
from .smooth import lowess

Floats = npt.NDArray[np.float64]

# Gauss-Legendre nodes for Winsorized moments; as many as make the moments exact to rounding.
_NODES = 128


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Prior of the variance of each gene, and the posterior variance; ``df_prior`` may be infinite."""

    df_prior: Floats
    var_prior: Floats
    var_post: Floats


def squeeze_variance(
    variance: npt.ArrayLike,
    df: npt.ArrayLike,
    *,
    covariate: npt.ArrayLike | None = None,
    robust: bool = False,
    winsor_tail_p: tuple[float, float] = (0.05, 0.1),
) -> Prior:
    """Prior and posterior variances, one a gene; a gene without degrees of freedom gets the prior
    variance.
    """
    s2 = np.asarray(variance, dtype=np.float64)
    d = np.broadcast_to(np.asarray(df, dtype=np.float64), s2.shape)
    along = None if covariate is None else np.asarray(covariate, dtype=np.float64)
    usable = np.isfinite(s2) & (s2 > -1e-15) & np.isfinite(d) & (d > 1e-15)
    if along is not None:
        usable &= np.isfinite(along)
    n = int(usable.sum())
    if n == 0:
        raise AnalysisError("no gene has a residual variance to learn from")
    if n < 3:
        return Prior(np.zeros_like(s2), s2.copy(), s2.copy())
    if robust:
        df_prior, var_prior = _robust_prior(s2, d, along, usable, winsor_tail_p)
    else:
        df_one, var_prior = _moment_prior(s2, d, along, usable)
        df_prior = np.full_like(s2, df_one)
    return Prior(df_prior, var_prior, _posterior(s2, d, df_prior, var_prior))


def _posterior(s2: Floats, df: Floats, df_prior: Floats, var_prior: Floats) -> Floats:
    observed = np.where(df > 0, s2, 0.0)
    finite = np.where(np.isinf(df_prior), 0.0, df_prior)
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = (df * observed + finite * var_prior) / (df + finite)
    return np.asarray(np.where(np.isinf(df_prior), var_prior, mixed))


def _floored(s2: Floats) -> Floats:
    # A few genes with no variance at all must not rule the logarithms.
    x = np.maximum(s2, 0.0)
    middle = float(np.median(x))
    if middle == 0:
        raise AnalysisError(
            "more than half of the residual variances are exactly zero; the values look constant or "
            "heavily rounded"
        )
    return np.maximum(x, 1e-5 * middle)


def _moment_prior(
    s2: Floats, df: Floats, covariate: Floats | None, usable: npt.NDArray[np.bool_]
) -> tuple[float, Floats]:
    """Prior degrees of freedom and prior variances from mean and variance of log s²."""
    x, d = _floored(s2[usable]), df[usable]
    excess = np.log(x) + log_minus_digamma(d / 2)
    var_prior = np.full_like(s2, np.nan)
    n_spline = 0 if covariate is None else _spline_df(covariate[usable])
    if covariate is None or n_spline < 2:
        centre: Floats = np.full(s2.shape, excess.mean())
        spread = float(excess.var(ddof=1))
    else:
        knots = np.unique(np.quantile(covariate[usable], np.linspace(0, 1, n_spline)))
        basis = _natural_spline(covariate[usable], knots)
        solution, _, rank, _ = np.linalg.lstsq(basis, excess, rcond=None)
        spread = float(((excess - basis @ solution) ** 2).sum() / (len(excess) - rank))
        known = np.isfinite(covariate)
        centre = np.full(s2.shape, np.nan)
        centre[known] = _natural_spline(covariate[known], knots) @ solution
    spread -= float(trigamma(d / 2).mean())
    if spread > 0:
        df_prior = 2 * trigamma_inverse(spread)
        var_prior[:] = np.exp(centre - log_minus_digamma(df_prior / 2))
        return df_prior, var_prior
    # All variances are equal: their mean is the best estimate where there is no trend.
    var_prior[:] = x.mean() if covariate is None or n_spline < 2 else np.exp(centre)
    return np.inf, var_prior


def _spline_df(covariate: Floats) -> int:
    n = len(covariate)
    return min(1 + (n >= 3) + (n >= 6) + (n >= 30), len(np.unique(covariate)))


def _natural_spline(x: Floats, knots: Floats) -> Floats:
    """A basis of the natural cubic splines with these knots, straight beyond the outer ones."""
    if len(knots) == 1:
        return np.ones((len(x), 1))
    if len(knots) == 2:
        return np.column_stack([np.ones_like(x), x])
    cardinal = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    basis = cardinal(inside)
    outside = x != inside
    basis[outside] += cardinal(inside[outside], 1) * (x - inside)[outside, None]
    return np.asarray(basis)


def _robust_prior(
    s2: Floats,
    df: Floats,
    covariate: Floats | None,
    usable: npt.NDArray[np.bool_],
    tails: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Prior degrees of freedom and variances, one a gene, after Phipson et al. (2016)."""
    start, _ = _moment_prior(s2, df, covariate, usable)
    d1 = float(df[usable].max())
    x = _to_common_df(s2, df, covariate, usable, d1)
    z = np.log(x)
    if covariate is None:
        cut = int(np.floor(len(z) * tails[1]))
        trend: Floats = np.full(z.shape, float(np.sort(z)[cut : len(z) - cut].mean()))
    else:
        trend = lowess(covariate[usable], z, span=0.4, iterations=3)
    low, high = np.quantile(z - trend, [tails[0], 1 - tails[1]])
    winsorized = np.clip(z - trend, low, high)
    centre, spread = float(winsorized.mean()), float(winsorized.var(ddof=1))
    d2 = _match_spread(d1, start, spread, tails)
    mean, _ = _winsorized_moments(d1, d2, tails)
    log_prior = trend + centre - mean
    shrunk = _prior_df_by_gene(np.exp(z - log_prior), d1, d2)
    df_prior = np.full(s2.shape, d2)
    var_prior = np.full(s2.shape, np.exp(log_prior[0]) if covariate is None else np.nan)
    df_prior[usable], var_prior[usable] = shrunk, np.exp(log_prior)
    if covariate is not None and not usable.all():
        known = ~usable & np.isfinite(covariate)
        order = np.argsort(covariate[usable], kind="stable")
        along = covariate[usable][order]
        var_prior[known] = np.exp(np.interp(covariate[known], along, log_prior[order]))
    return df_prior, var_prior


def _to_common_df(
    s2: Floats, df: Floats, covariate: Floats | None, usable: npt.NDArray[np.bool_], d1: float
) -> Floats:
    """Variances as if all genes had ``d1`` residual degrees of freedom: equal tail probabilities of F."""
    x, d = _floored(s2[usable]), df[usable]
    if (d == d1).all():
        return x
    d2, prior = _moment_prior(s2, df, covariate, usable)
    prior = prior[usable]
    f = x / prior
    result = x.copy()
    for value in np.unique(d[d != d1]):
        at = d == value
        upper = np.exp(f_log_upper(f[at], float(value), d2))
        result[at] = prior[at] * f_from_upper(upper, d1, d2)
    return result


def _match_spread(d1: float, start: float, spread: float, tails: tuple[float, float]) -> float:
    """The prior degrees of freedom whose Winsorized log-F has the variance that was seen."""

    def surplus(x: float) -> float:
        d2 = np.inf if x >= 1 else x / (1 - x)
        return float(np.log(spread / _winsorized_moments(d1, d2, tails)[1]))

    if spread <= 0 or surplus(1.0) <= 0 or np.isinf(start):
        return np.inf
    lowest = start / (1 + start)
    if surplus(lowest) >= 0:
        return start
    root = _brent_root(surplus, lowest, 1.0, 1e-8)
    return root / (1 - root)


def _winsorized_moments(d1: float, d2: float, tails: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of log F(d1, d2), Winsorized at both tails, by quadrature over F/(1 + F)."""
    f_low, f_high = f_quantile([tails[0], 1 - tails[1]], d1, d2)
    nodes, weights = _gauss_legendre()
    q_low, q_high = f_low / (1 + f_low), f_high / (1 + f_high)
    at = q_low + (q_high - q_low) * (nodes + 1) / 2
    f = at / (1 - at)
    z = np.log(f)
    mass = weights / 2 * (q_high - q_low) * np.exp(_log_f_density(f, d1, d2)) / (1 - at) ** 2
    ends = np.log([f_low, f_high])
    mean = float(mass @ z + ends @ tails)
    return mean, float(mass @ (z - mean) ** 2 + (ends - mean) ** 2 @ tails)


@cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes, weights


def _log_f_density(f: Floats, d1: float, d2: float) -> Floats:
    if np.isinf(d2):
        return np.asarray(
            d1 / 2 * np.log(d1 / 2) - special.gammaln(d1 / 2) + (d1 / 2 - 1) * np.log(f) - d1 * f / 2
        )
    half = d1 / 2 * np.log(d1 / d2) + (d1 / 2 - 1) * np.log(f) - (d1 + d2) / 2 * np.log1p(d1 / d2 * f)
    return np.asarray(half - special.betaln(d1 / 2, d2 / 2))


def _prior_df_by_gene(f: Floats, d1: float, d2: float) -> Floats:
    """Fewer prior degrees of freedom the likelier a gene is an outlier (Phipson et al. 2016, section 4)."""
    n = len(f)
    log_tail = f_log_upper(f, d1, d2)
    expected = np.log((n - rankdata(f) + 0.5) / n)
    not_outlier = np.exp(np.minimum(log_tail - expected, 0.0))
    if not (not_outlier < 1).any():
        return np.full(n, d2)
    order = np.argsort(log_tail, kind="stable")
    shrunk = np.empty(n)
    if np.isinf(d2):
        pooled = np.where(not_outlier < 1, not_outlier * n * d1, np.inf)
        shrunk[order] = np.maximum.accumulate(pooled[order])
        return shrunk
    # An outlier's prior makes the largest F the median of its distribution.
    d2_outlier = np.log(0.5) / float(log_tail.min()) * d2
    d2_outlier *= np.log(0.5) / float(f_log_upper(f.max(), d1, d2_outlier))
    mixed = not_outlier * d2 + (1 - not_outlier) * d2_outlier
    shrunk[order] = _rising(mixed[order])
    return shrunk


def _rising(ordered: Floats) -> Floats:
    """Never fewer degrees of freedom for a gene that is less of an outlier; the first ones share their
    mean.
    """
    running = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    lowest = int(np.argmin(running))
    raised = ordered.copy()
    raised[: lowest + 1] = running[lowest]
    return np.asarray(np.maximum.accumulate(raised))


def _brent_root(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """A root between ``low`` and ``high`` by the method of R. P. Brent (1973), "Algorithms for minimization
    without derivatives", chapter 4.

    It stops where R's uniroot() stops, whose tolerance is coarse enough to be seen in the P-values.
    """
    a, b = low, high
    fa, fb = function(a), function(b)
    c, fc = a, fa
    while True:
        previous = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        close = 2 * np.finfo(float).eps * abs(b) + tolerance / 2
        step = (c - b) / 2
        if abs(step) <= close or fb == 0:
            return b
        if abs(previous) >= close and abs(fa) > abs(fb):
            step = _interpolated(a, b, c, fa, fb, fc, previous, close, step)
        if abs(step) < close:
            step = close if step > 0 else -close
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0) == (fc > 0):
            c, fc = a, fa


def _interpolated(
    a: float,
    b: float,
    c: float,
    fa: float,
    fb: float,
    fc: float,
    previous: float,
    close: float,
    bisection: float,
) -> float:
    """Brent's step by secant or inverse quadratic interpolation where it is small enough, else the
    bisection.
    """
    wide = c - b
    if a == c:
        ratio = fb / fa
        p, q = wide * ratio, 1 - ratio
    else:
        q, t, ratio = fa / fc, fb / fc, fb / fa
        p = ratio * (wide * q * (q - t) - (b - a) * (t - 1))
        q = (q - 1) * (t - 1) * (ratio - 1)
    if p > 0:
        q = -q
    else:
        p = -p
    if p < 0.75 * wide * q - abs(close * q) / 2 and p < abs(previous * q / 2):
        return p / q
    return bisection
