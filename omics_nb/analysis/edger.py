"""edgeR's quasi-likelihood F-test for counts, with the answers of edgeR 3.40 in R, for all genes at once.

- Quasi-likelihood: S. P. Lund, D. Nettleton, D. J. McCarthy, G. K. Smyth (2012), Stat. Appl. Genet. Mol. Biol. 11:5,
  https://doi.org/10.1515/1544-6115.1826; residual degrees of freedom of genes with zeros: A. T. L. Lun, G. K. Smyth
  (2017), Stat. Appl. Genet. Mol. Biol. 16:83, https://doi.org/10.1515/sagmb-2017-0010
- Dispersion trend: Y. Chen, A. T. L. Lun, G. K. Smyth (2014), in "Statistical Analysis of Next Generation Sequencing
  Data", Springer, chapter 3, https://doi.org/10.1007/978-3-319-07212-8_3: adjusted profile likelihoods on a grid of
  dispersions, averaged over genes of similar abundance (D. J. McCarthy, Y. Chen, G. K. Smyth (2012), Nucleic Acids Res.
  40:4288, https://doi.org/10.1093/nar/gks042)
- The pipeline and its defaults: Y. Chen, A. T. L. Lun, G. K. Smyth (2016), F1000Research 5:1438,
  https://doi.org/10.12688/f1000research.8987.2, and the manual.

Library sizes are effective ones (size × TMM factor).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincc, gammaln, xlogy

from ..errors import AnalysisError, DesignError
from .count_means import SERIES_BELOW, fit_means, log_determinant
from .counts import checked_counts
from .distributions import f_upper
from .least_squares import dependent_columns, without_contrasts
from .limma import benjamini_hochberg
from .smooth import local_means
from .variance import squeeze_variance

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: log2 dispersions relative to 0.1 at which the profile likelihood is looked at.
_GRID = np.linspace(-10, 10, 21)
_LEAST_SUM = 5
_PRIOR_COUNT = 0.125
_PRIOR_COUNT_OF_AVERAGE = 2.0
# Means and counts below it are zeros, which leave nothing to vary.
_ZERO = 1e-4
# At which fits are first looked at for zeros.
_FIRST_DISPERSION = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class QlFit:
    """Negative binomial GLM with quasi-dispersions of every gene.

    ``coefficients``: natural logarithms, drawn a little towards 0 by a prior count; ``trend``: the dispersion that is
    expected at the gene's abundance, with ``common`` that of all genes; ``average``: log2 counts per million;
    ``df_residual``: of the samples that are not fitted by an exact zero; ``var_post``, ``df_prior``: quasi-dispersion
    after moderation, and its prior's degrees of freedom.
    """

    coefficients: Floats
    deviance: Floats
    mu: Floats
    trend: Floats
    common: float
    average: Floats
    df_residual: Floats
    df_prior: Floats
    var_post: Floats
    counts: Floats
    design: Floats
    sizes: Floats


def average_log_cpm(counts: Floats, sizes: Floats, dispersion: float) -> Floats:
    """Abundance of each gene: the log2 of the counts per million that one mean fits best, 2 prior counts added."""
    prior = _PRIOR_COUNT_OF_AVERAGE * sizes / sizes.mean()
    one = np.ones((counts.shape[1], 1))
    beta, _ = fit_means(counts + prior, one, sizes + 2 * prior, dispersion)
    return np.asarray((beta[:, 0] + np.log(1e6)) / np.log(2))


def dispersion_trend(counts: Floats, design: Floats, sizes: Floats) -> tuple[float, Floats, Floats]:
    """The common dispersion, the trended one of each gene, and the abundance of each.

    Genes with fewer than 5 counts in all say nothing; they get the trend at the lowest abundance.
    """
    used = counts.sum(axis=1) >= _LEAST_SUM
    if used.sum() < 2:
        raise AnalysisError(
            f"{int(used.sum())} of {len(counts):,} genes have 5 counts or more; edgeR's trend needs at least two"
        )
    profile = _profile_likelihood(counts[used], design, sizes)
    common = 0.1 * 2 ** float(_highest(profile.sum(axis=0, keepdims=True))[0])
    average = average_log_cpm(counts, sizes, common)
    n = len(profile)
    span = 1.0 if n <= 50 else 0.25 + 0.75 * np.sqrt(50 / n)
    found = 0.1 * 2 ** _highest(local_means(average[used], profile, span=span))
    trend = np.full(len(counts), found[np.argmin(average[used])])
    trend[used] = found
    return common, trend, average


def ql_fit(
    counts: npt.ArrayLike, design: npt.ArrayLike, sizes: npt.ArrayLike, *, robust: bool = False
) -> QlFit:
    """The fit of every gene at the trended dispersion; ``robust``: of the prior of the quasi-dispersion.

    DesignError without residual degrees of freedom or of a design that is not of full rank.
    """
    matrix = checked_counts(counts)
    x, lib = np.asarray(design, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    _check(x)
    common, trend, average = dispersion_trend(matrix, x, lib)
    _, mu = fit_means(matrix, x, lib, trend)
    deviance = _deviance(matrix, mu, trend)
    df = _df_residual(matrix, mu, x)
    variance = np.divide(deviance, df, out=np.zeros_like(deviance), where=df > 0)
    prior = squeeze_variance(variance, df, covariate=average, robust=robust)
    added = _PRIOR_COUNT * lib / lib.mean()
    coefficients, _ = fit_means(matrix + added, x, lib + 2 * added, trend)
    return QlFit(
        coefficients=coefficients,
        deviance=deviance,
        mu=mu,
        trend=trend,
        common=common,
        average=average,
        df_residual=df,
        df_prior=prior.df_prior,
        var_post=prior.var_post,
        counts=matrix,
        design=x,
        sizes=lib,
    )


def ql_test(fitted: QlFit, contrasts: npt.ArrayLike) -> pd.DataFrame:
    """The test that all ``contrasts`` (coefficients × contrasts, or one vector) are 0: logFC, logCPM, F, PValue, FDR.

    With several contrasts there is one column of log2 fold change for each: logFC.1, logFC.2 …
    """
    c = np.asarray(contrasts, dtype=np.float64)
    c = c[:, None] if c.ndim == 1 else c
    if c.shape[0] != fitted.design.shape[1] or not np.linalg.matrix_rank(c) == c.shape[1]:
        raise DesignError(
            f"contrasts need one row for each of {fitted.design.shape[1]} coefficients and must not follow from each "
            f"other, not shape {c.shape}"
        )
    null = without_contrasts(fitted.design, c)
    lost = _null_deviance(fitted, null, fitted.trend) - fitted.deviance
    df = c.shape[1]
    f = np.maximum(lost, 0) / df / fitted.var_post
    n_samples, p = fitted.design.shape
    df_total = np.minimum(fitted.df_prior + fitted.df_residual, len(fitted.counts) * (n_samples - p))
    p_value = f_upper(f, df, df_total)
    _bounded_by_poisson(fitted, null, df, p_value)
    change = fitted.coefficients @ c / np.log(2)
    names = ["logFC"] if df == 1 else [f"logFC.{k + 1}" for k in range(df)]
    columns = dict(zip(names, change.T, strict=True))
    columns |= {"logCPM": fitted.average, "F": f, "PValue": p_value, "FDR": benjamini_hochberg(p_value)}
    return pd.DataFrame(columns)


def notes(fitted: QlFit) -> tuple[str, ...]:
    """What the fit says of all genes, in a sentence."""
    variation = f"{np.sqrt(fitted.common):.2f} (common dispersion {fitted.common:.3g})"
    return (f"The biological coefficient of variation of all genes together is {variation}.",)


def _check(design: Floats) -> None:
    n_samples, p = design.shape
    if n_samples <= p:
        raise DesignError(
            f"{n_samples} samples for {p} coefficients leave no replicate to learn variances from"
        )
    dependent = dependent_columns(design)
    if dependent:
        raise DesignError(
            f"the design is not of full rank: columns {sorted(dependent)} follow from the others"
        )


def _profile_likelihood(counts: Floats, design: Floats, sizes: Floats) -> Floats:
    """Cox and Reid's adjusted profile log likelihood of each gene at each dispersion of the grid, but for a constant.

    Samples that are fitted by an exact zero tell nothing and are left out of the design of their gene; a gene that
    nothing remains of has a likelihood of 0 everywhere.
    """
    _, mu = fit_means(counts, design, sizes, _FIRST_DISPERSION)
    patterns, which = np.unique(_zeros(counts, mu), axis=0, return_inverse=True)
    values = np.zeros((len(counts), len(_GRID)))
    for k, zero in enumerate(patterns):
        rows, kept = np.flatnonzero(which.ravel() == k), ~zero
        x = _independent(design[kept])
        if kept.sum() > x.shape[1] > 0:
            values[rows] = _along_grid(counts[np.ix_(rows, kept)], x, sizes[kept])
    return values


def _along_grid(counts: Floats, design: Floats, sizes: Floats) -> Floats:
    distinct, which = np.unique(counts, return_inverse=True)
    which = which.reshape(counts.shape)
    values = np.empty((len(counts), len(_GRID)))
    beta = None
    for k, alpha in enumerate(0.1 * 2.0**_GRID):
        beta, mu = fit_means(counts, design, sizes, alpha, start=beta)
        size = 1 / alpha
        table = gammaln(distinct + size) - gammaln(size)
        log_mu = xlogy(counts, mu) - (counts + size) * np.log(mu + size) + size * np.log(size)
        values[:, k] = (table[which] + log_mu).sum(axis=1) - 0.5 * log_determinant(mu, design, alpha)
    return values


def _independent(design: Floats) -> Floats:
    """The columns that do not follow from earlier ones."""
    return design[:, [j for j in range(design.shape[1]) if j not in dependent_columns(design)]]


def _highest(values: Floats) -> Floats:
    """Where on the grid the cubic spline through each row of ``values`` is highest, beside the best grid point.

    The spline is that of G. E. Forsythe, M. A. Malcolm, C. B. Moler (1977), "Computer Methods for Mathematical
    Computations", chapter 4, whose ends follow the cubic through the last four points.
    """
    n = values.shape[1]
    system = np.eye(n) * 4 + np.eye(n, k=1) + np.eye(n, k=-1)
    system[0], system[-1] = 0, 0
    system[0, :2], system[-1, -2:] = [-1, 1], [-1, 1]
    step = _GRID[1] - _GRID[0]
    right = np.empty_like(values)
    right[:, 1:-1] = 6 * (values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:])
    third = np.diff(values, n=3, axis=1)
    right[:, 0], right[:, -1] = third[:, 0], third[:, -1]
    bend = np.linalg.solve(system, right.T).T
    rows = np.arange(len(values))
    best = values.argmax(axis=1)
    place, height = best.astype(np.float64), values[rows, best]
    for left in (np.maximum(best - 1, 0), np.minimum(best, n - 2)):
        u, top = _top_of_segment(
            values[rows, left], values[rows, left + 1], bend[rows, left], bend[rows, left + 1]
        )
        higher = top > height
        place, height = np.where(higher, left + u, place), np.where(higher, top, height)
    return np.asarray(_GRID[0] + step * place)


def _top_of_segment(low: Floats, high: Floats, bend_low: Floats, bend_high: Floats) -> tuple[Floats, Floats]:
    """The inner maximum of a cubic on [0, 1] by its ends and second derivatives; minus infinity where there is none."""
    a, b = (bend_high - bend_low) / 6, bend_low / 2
    c = high - low - a - b
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(b * b - 3 * a * c)
        # The root with a negative second derivative, without cancellation.
        u = np.where(b <= 0, c / (root - b), (-b - root) / (3 * a))
        inside = (u > 0) & (u < 1)
        top = np.where(inside, low + u * (c + u * (b + u * a)), -np.inf)
    return u, top


def _deviance(counts: Floats, mu: Floats, alpha: Floats) -> Floats:
    """Negative binomial deviance; below a dispersion of 1e-4 by the series that the fit uses too."""
    a = alpha[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = counts * np.log(np.where(counts > 0, counts / mu, 1.0))
    rest = counts - mu
    size = 1 / np.maximum(a, SERIES_BELOW)
    exact = (counts + size) * np.log1p(rest / (size + mu))
    series = rest + a / 2 * rest**2 * (1 - a * counts)
    unit -= np.where(a < SERIES_BELOW, series, exact)
    return np.asarray(2 * np.maximum(unit, 0).sum(axis=1))


def _zeros(counts: Floats, mu: Floats) -> Bools:
    return np.asarray((counts < _ZERO) & (mu < _ZERO))


def _df_residual(counts: Floats, mu: Floats, design: Floats) -> Floats:
    patterns, which = np.unique(_zeros(counts, mu), axis=0, return_inverse=True)
    df = [(~zero).sum() - _independent(design[~zero]).shape[1] for zero in patterns]
    return np.asarray(df, dtype=np.float64)[which.ravel()]


def _null_deviance(fitted: QlFit, null: Floats, alpha: Floats) -> Floats:
    if null.shape[1] == 0:
        return _deviance(fitted.counts, np.broadcast_to(fitted.sizes, fitted.counts.shape), alpha)
    return _deviance(fitted.counts, fit_means(fitted.counts, null, fitted.sizes, alpha)[1], alpha)


def _bounded_by_poisson(fitted: QlFit, null: Floats, df: int, p_value: Floats) -> None:
    """No P below that of Poisson counts, where the variance was estimated below theirs; in place."""
    variance = fitted.var_post[:, None] * (1 + fitted.mu * fitted.trend[:, None])
    low = np.flatnonzero((variance < 1).any(axis=1))
    if len(low) == 0:
        return
    counts, none = fitted.counts[low], np.zeros(len(low))
    full = _deviance(counts, fit_means(counts, fitted.design, fitted.sizes, 0.0)[1], none)
    if null.shape[1]:
        reduced = _deviance(counts, fit_means(counts, null, fitted.sizes, 0.0)[1], none)
    else:
        reduced = _deviance(counts, np.broadcast_to(fitted.sizes, counts.shape), none)
    chi = np.maximum(reduced - full, 0)
    p_value[low] = np.maximum(p_value[low], gammaincc(df / 2, chi / 2))
