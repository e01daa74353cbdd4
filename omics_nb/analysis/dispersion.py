"""Dispersions of negative binomial counts that learn from each other, as in DESeq2.

M. I. Love, W. Huber, S. Anders (2014), "Moderated estimation of fold change and dispersion for RNA-seq data
with DESeq2", Genome Biol. 15:550, https://doi.org/10.1186/s13059-014-0550-8, "Estimation of dispersions": an
estimate for each gene, a trend over the mean count, and a log-normal prior around the trend. What the paper
leaves open (the stopping rules of the search, the grid) follows how DESeq2 1.38 answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.optimize import minimize_scalar

from ..errors import AnalysisError
from .distributions import trigamma
from .negative_binomial import dispersion_likelihood, plain_likelihood, row_blocks
from .smooth import local_quadratic

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEAST = 1e-8
# Genes below it say nothing of the trend: their counts are no more variable than Poisson's.
_LEAST_FOR_TREND = 100 * LEAST
# From a median absolute deviation to a standard deviation, with R's digits.
_MAD = 1.4826
_LEAST_PRIOR = 0.25
_LEAST_GENES = 6
_GAIN = 1e-6
_MAX_STEPS = 100
_GRID = 20
# Log dispersions beyond which no step goes.
_LOWEST, _HIGHEST = -30.0, 10.0


@dataclass(frozen=True, slots=True)
class Trend:
    """The dispersion that is expected ``at`` a mean of normalised counts.

    ``coefficients``: of asymptotic + extra / mean; None where a local regression stands for it.
    """

    at: Callable[[Floats], Floats]
    coefficients: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class DispersionPrior:
    """``variance`` of log dispersions around the trend, and the log residual above which a gene is an outlier."""

    variance: float
    outlier_above: float


def most(n_samples: int) -> float:
    """The largest dispersion that is considered."""
    return max(10.0, float(n_samples))


def moment_dispersions(normalised: Floats, design: Floats, size_factors: Floats) -> Floats:
    """Rough dispersions to start from: the smaller of those from residuals and from variances, within bounds."""
    n_samples, p = design.shape
    q = np.linalg.qr(design)[0]
    fitted = np.maximum((normalised @ q) @ q.T, 1.0)
    from_residuals = (((normalised - fitted) ** 2 - fitted) / fitted**2).sum(axis=1) / (n_samples - p)
    mean = normalised.mean(axis=1)
    from_variance = (normalised.var(axis=1, ddof=1) - (1 / size_factors).mean() * mean) / mean**2
    return np.asarray(np.clip(np.minimum(from_residuals, from_variance), LEAST, most(n_samples)))


def gene_dispersions(counts: Floats, mu: Floats, design: Floats, start: Floats) -> Floats:
    """The dispersion of each gene by its own counts: the mode of the adjusted profile likelihood."""
    log_alpha, gained, n_tried, at_once = _climb(np.log(start), counts, mu, design, None)
    alpha = np.clip(np.where(gained, np.exp(log_alpha), start), LEAST, most(len(design)))
    lost = np.flatnonzero(((n_tried == _MAX_STEPS) | at_once) & (alpha > 10 * LEAST))
    alpha[lost] = _best_on_grid(counts[lost], mu[lost], design, None)
    return alpha


def fit_trend(mean: Floats, alpha: Floats) -> Trend:
    """A curve through the gene-wise dispersions: gamma regression that leaves out what is far from it.

    Where that regression fails it is a local regression of the log dispersions, weighted by the mean.
    AnalysisError where fewer than 6 genes are more variable than Poisson's.
    """
    used = alpha > _LEAST_FOR_TREND
    if used.sum() < _LEAST_GENES:
        raise AnalysisError(
            f"{int(used.sum())} of {len(alpha):,} genes vary more between replicates than Poisson counts do, and "
            f"the trend of their dispersions needs {_LEAST_GENES}; are these counts of real, independent samples? "
            "method='voom' does without"
        )
    found = _parametric(1 / mean[used], alpha[used])
    if found is not None:
        asymptotic, extra = found
        return Trend(lambda at: np.asarray(asymptotic + extra / at), found)
    curve = local_quadratic(np.log(mean[used]), np.log(alpha[used]), mean[used])
    return Trend(lambda at: np.asarray(np.exp(curve(np.log(at)))), None)


def fit_prior(alpha: Floats, trend: Floats, df_residual: int) -> DispersionPrior:
    """Width of the prior: the spread of log residuals (by their MAD) beyond what sampling explains.

    With three or fewer residual degrees of freedom that is too small, and the width is matched to the whole
    distribution of the residuals.
    """
    used = alpha >= _LEAST_FOR_TREND
    residuals = np.log(alpha[used]) - np.log(trend[used])
    spread = float(np.median(np.abs(residuals - np.median(residuals)))) * _MAD
    if df_residual <= 3:
        variance = _matched_variance(residuals, df_residual)
    else:
        variance = spread**2 - float(trigamma(df_residual / 2))
    return DispersionPrior(max(variance, _LEAST_PRIOR), 2 * spread)


def _matched_variance(residuals: Floats, df: int) -> float:
    """The variance of a normal that, added to the logarithm of a scaled chi-squared, comes nearest to the
    residuals: the least Kullback-Leibler divergence of their histogram.

    The smallest share of a bin is added to all, so that a gene far out does not decide. DESeq2 simulates
    what is integrated here, and its width moves by some hundredths with its random numbers.
    """
    edges = np.arange(-10, 10.5, 0.5)
    observed = np.histogram(residuals, edges)[0] / len(residuals)
    least = observed[observed > 0].min()
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)

    def divergence(variance: float) -> float:
        below = special.gammainc(df / 2, df / 2 * np.exp(edges[:, None] - np.sqrt(variance) * nodes))
        expected = np.diff(below @ weights) / weights.sum()
        return float(-((observed + least) * np.log(expected + least)).sum())

    return float(minimize_scalar(divergence, bounds=(0, 8), method="bounded").x)


def posterior_dispersions(
    counts: Floats, mu: Floats, design: Floats, alpha: Floats, trend: Floats, prior: DispersionPrior
) -> Floats:
    """Dispersions drawn towards the trend; a gene far above it keeps its own."""
    start = np.where(alpha > 0.1 * trend, alpha, trend)
    centre = np.log(trend)
    log_alpha, _, n_tried, _ = _climb(np.log(start), counts, mu, design, (centre, prior.variance))
    posterior = np.clip(np.exp(log_alpha), LEAST, most(len(design)))
    lost = np.flatnonzero(n_tried == _MAX_STEPS)
    posterior[lost] = _best_on_grid(counts[lost], mu[lost], design, (centre[lost], prior.variance))
    return np.where(np.log(alpha) > centre + prior.outlier_above, alpha, posterior)


def _climb(
    start: Floats, counts: Floats, mu: Floats, design: Floats, prior: tuple[Floats, float] | None
) -> tuple[Floats, Bools, npt.NDArray[np.int_], Bools]:
    """Steepest ascent of the log dispersion with backtracking: where it ended, whether it gained, steps tried,
    whether the first ended it.

    A step is the slope times a rate, taken when the gain is what Armijo's rule asks for; else the rate is
    halved. After a step it grows by a tenth, up to 1, and is halved after each fifth. The end is a gain
    below 1e-6, which leaves most genes within 1e-3 of their mode; to agree with DESeq2 the path has to be
    the same.
    """
    x = start.copy()
    rate = np.ones_like(x)
    value, slope = _posterior(x, counts, mu, design, prior, np.arange(len(x)))
    first = value.copy()
    n_tried, n_taken = np.zeros(len(x), dtype=int), np.zeros(len(x), dtype=int)
    going = np.arange(len(x))
    for _ in range(_MAX_STEPS):
        if len(going) == 0:
            break
        n_tried[going] += 1
        reach = np.where(slope[going] > 0, _HIGHEST - x[going], _LOWEST - x[going])
        with np.errstate(divide="ignore", invalid="ignore"):
            rate[going] = np.minimum(rate[going], reach / slope[going])
        proposed = x[going] + rate[going] * slope[going]
        new_value, new_slope = _posterior(proposed, counts, mu, design, prior, going)
        gain = new_value - value[going]
        promised = rate[going] * slope[going] ** 2
        enough = gain >= 1e-4 * promised
        rate[going[~enough]] /= 2
        taken = going[enough]
        n_taken[taken] += 1
        x[taken], value[taken], slope[taken] = proposed[enough], new_value[enough], new_slope[enough]
        rate[taken] = np.minimum(rate[taken] * 1.1, 1.0)
        rate[taken[n_taken[taken] % 5 == 0]] /= 2
        # Below a tenth of the least dispersion nothing is left to find, and at the top gains are but rounding.
        done = enough & ((gain < _GAIN) | (proposed < np.log(LEAST / 10)))
        done |= ~enough & (promised < 1e-14 * np.abs(new_value))
        going = going[~done]
    return x, value >= first + 1e-6 * np.abs(first), n_tried, (n_tried == 1) & (n_taken == 1)


def _posterior(
    log_alpha: Floats,
    counts: Floats,
    mu: Floats,
    design: Floats,
    prior: tuple[Floats, float] | None,
    genes: npt.NDArray[np.intp],
) -> tuple[Floats, Floats]:
    """Log posterior (the likelihood, without a prior) and its slope for ``genes``, whose ``log_alpha`` are given."""
    value, slope = np.empty_like(log_alpha), np.empty_like(log_alpha)
    for at in row_blocks(np.arange(len(genes)), counts.shape[1]):
        rows = genes[at]
        value[at], slope[at] = dispersion_likelihood(log_alpha[at], counts[rows], mu[rows], design)
    if prior is not None:
        away = log_alpha - prior[0][genes]
        value -= 0.5 * away**2 / prior[1]
        slope -= away / prior[1]
    return value, slope


def _best_on_grid(counts: Floats, mu: Floats, design: Floats, prior: tuple[Floats, float] | None) -> Floats:
    """The best of 20 log dispersions between the bounds, then of 20 around it."""
    low, high = np.log(LEAST), np.log(most(len(design)))
    coarse = np.linspace(low, high, _GRID)
    centre = _best(np.broadcast_to(coarse, (len(counts), _GRID)), counts, mu, design, prior)
    step = coarse[1] - coarse[0]
    best = _best(centre[:, None] + np.linspace(-step, step, _GRID), counts, mu, design, prior)
    return np.asarray(np.exp(np.clip(best, low, high)))


def _best(
    points: Floats, counts: Floats, mu: Floats, design: Floats, prior: tuple[Floats, float] | None
) -> Floats:
    values = np.empty(points.shape)
    for j, log_alpha in enumerate(points.T):
        values[:, j] = plain_likelihood(log_alpha, counts, mu, design)
        if prior is not None:
            values[:, j] -= 0.5 * (log_alpha - prior[0]) ** 2 / prior[1]
    return np.asarray(points[np.arange(len(points)), values.argmax(axis=1)])


def _parametric(inverse_mean: Floats, alpha: Floats) -> tuple[float, float] | None:
    """Coefficients of the gamma regression, over genes whose ratio to the curve lies in 1e-4 to 15; None if it
    does not settle on positive ones.
    """
    x = np.column_stack([np.ones_like(inverse_mean), inverse_mean])
    beta = np.array([0.1, 1.0])
    for _ in range(11):
        ratio = alpha / (x @ beta)
        near = (ratio > 1e-4) & (ratio < 15)
        if near.sum() < 2:
            return None
        new, settled = _gamma_regression(x[near], alpha[near], beta)
        if not (new > 0).all():
            return None
        moved = float((np.log(new / beta) ** 2).sum())
        beta = new
        if settled and moved < 1e-6:
            return float(beta[0]), float(beta[1])
    return None


def _gamma_regression(x: Floats, y: Floats, start: Floats) -> tuple[Floats, bool]:
    """Gamma GLM with identity link by reweighted least squares, and whether it converged; a step that would
    make a mean negative is halved.
    """
    beta = start
    deviance = _gamma_deviance(y, x @ beta)
    for _ in range(25):
        root_weight = 1 / (x @ beta)
        new = np.asarray(
            np.linalg.lstsq(x * root_weight[:, None], y * root_weight, rcond=None)[0], dtype=np.float64
        )
        for _ in range(25):
            if (x @ new > 0).all():
                break
            new = np.asarray((new + beta) / 2)
        else:
            return new, False
        beta, before = new, deviance
        deviance = _gamma_deviance(y, x @ beta)
        if abs(deviance - before) / (abs(deviance) + 0.1) < 1e-8:
            return beta, True
    return beta, False


def _gamma_deviance(y: Floats, mean: Floats) -> float:
    return float(2 * ((y - mean) / mean - np.log(y / mean)).sum())
