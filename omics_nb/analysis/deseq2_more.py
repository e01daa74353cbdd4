"""More of DESeq2 on a fit that is there: the likelihood ratio test of several coefficients, and shrunken fold changes.

M. I. Love, W. Huber, S. Anders (2014), Genome Biol. 15:550, https://doi.org/10.1186/s13059-014-0550-8, "Empirical Bayes
shrinkage for fold-change estimation" and "Likelihood ratio test".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, ndtri

from ..errors import DesignError
from .deseq2 import LN2, RIDGE, Deseq2Fit, Deseq2Test, filtered
from .least_squares import without_contrasts
from .negative_binomial import covariance_and_leverage, fit_glm

Floats = npt.NDArray[np.float64]

_LEAST_MU = 0.5
_QUANTILE = 0.95
# Larger ones (log2) are of genes with a silent group and say nothing of the width.
_MOST = 10.0
_NO_PRIOR = 1e6


def likelihood_ratio_test(fitted: Deseq2Fit, contrasts: Floats, *, alpha: float = 0.1) -> Deseq2Test:
    """The test that all ``contrasts`` (coefficients × contrasts) are 0, by what the likelihood loses without them."""
    null = without_contrasts(fitted.design, contrasts)
    counted = np.flatnonzero(fitted.used.any(axis=1))
    y, a, sizes = fitted.used[counted], fitted.dispersions[counted], fitted.size_factors
    lost = np.full(len(fitted.used), np.nan)
    lost[fitted.replaced] = 0.0
    full = np.exp(fitted.coefficients[counted] * LN2 @ fitted.design.T) * sizes
    lost[counted] = 2 * (_likelihood(y, full, a) - _likelihood(y, _means(y, null, sizes, a), a))
    p_value = gammaincc(contrasts.shape[1] / 2, np.maximum(lost, 0) / 2)
    return filtered(fitted, {"stat": lost}, p_value, alpha)


def shrunken(fitted: Deseq2Fit, test: Deseq2Test, weights: Floats) -> Deseq2Test:
    """``test`` with its fold change drawn towards 0 by a normal prior, as lfcShrink(type = "normal") does.

    The prior of each coefficient but the intercept has the width that the 95 % quantile of all genes shows.
    P-values stay those of the test. Where an outlying count was replaced it stays so; R goes back to the
    outlier. DesignError where the comparison is not one coefficient of the design.
    """
    picked = np.flatnonzero(weights)
    if len(picked) != 1 or not (fitted.design[:, 0] == 1).all() or picked[0] == 0:
        raise DesignError(
            "fold changes are shrunken for one coefficient of a design with an intercept; write the design as ~ factor"
        )
    variance = _prior_variances(fitted)
    ridge = 1 / (variance * LN2**2)
    counted = np.flatnonzero(fitted.used.any(axis=1))
    y, a, sizes = fitted.used[counted], fitted.dispersions[counted], fitted.size_factors
    glm = fit_glm(y, fitted.design, sizes, a, ridge=ridge, least_mu=_LEAST_MU)
    covariance, _ = covariance_and_leverage(glm.mu, fitted.design, a, ridge=ridge)
    j = int(picked[0])
    table = test.table.copy()
    table.loc[counted, "log2FoldChange"] = glm.beta[:, j] / LN2 * weights[j]
    table.loc[counted, "lfcSE"] = np.sqrt(covariance[:, j, j]) / LN2
    return replace(test, table=table)


def _prior_variances(fitted: Deseq2Fit) -> Floats:
    """Variances of the coefficients (log2): the normal whose 95 % quantile in size is that of the genes.

    A gene weighs by how well its fold change is known: 1 / (1 / mean + dispersion).
    """
    known = np.flatnonzero(fitted.base_mean > 0)
    mean = fitted.base_mean[known]
    weight = 1 / (1 / mean + fitted.trend.at(mean))
    variances = np.full(fitted.design.shape[1], _NO_PRIOR)
    for j in range(1, len(variances)):
        size = np.abs(fitted.coefficients[known, j])
        used = size < _MOST
        if used.any() and size[used].max() > 0:
            variances[j] = (_weighted_quantile(size[used], weight[used]) / ndtri((1 + _QUANTILE) / 2)) ** 2
    return variances


def _weighted_quantile(values: Floats, weights: Floats) -> float:
    """The 95 % quantile between order statistics, as if a value stood there as often as its weight says."""
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(weights[order])
    ends *= len(values) / ends[-1]
    place = 1 + (len(values) - 1) * _QUANTILE
    low = np.floor(place)
    at = np.minimum(np.searchsorted(ends, np.array([low, low + 1]) - 1e-9), len(values) - 1)
    lower, upper = values[order][at]
    return float(lower + (place - low) * (upper - lower))


def _means(counts: Floats, design: Floats, sizes: Floats, alpha: Floats) -> Floats:
    if design.shape[1] == 1 and np.ptp(design) == 0:
        # As in R, where a model of one group is the mean of the normalised counts.
        return np.asarray((counts / sizes).mean(axis=1, keepdims=True) * sizes)
    beta = fit_glm(counts, design, sizes, alpha, ridge=RIDGE, least_mu=_LEAST_MU).beta
    return np.asarray(np.exp(beta @ design.T) * sizes)


def _likelihood(counts: Floats, mu: Floats, alpha: Floats) -> Floats:
    """The part of the log likelihood that depends on the mean."""
    a = alpha[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(counts > 0, counts * np.log(mu), 0.0) - (counts + 1 / a) * np.log1p(a * mu)
    return np.asarray(value.sum(axis=1))
