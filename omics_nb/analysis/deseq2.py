"""DESeq2's Wald test for counts, with the answers of DESeq2 1.38 in R, for all genes at once.

Written from M. I. Love, W. Huber, S. Anders (2014), "Moderated estimation of fold change and dispersion for
RNA-seq data with DESeq2", Genome Biol. 15:550, https://doi.org/10.1186/s13059-014-0550-8, and the manual of the
package. Size factors are those of S. Anders, W. Huber (2010), Genome Biol. 11:R106,
https://doi.org/10.1186/gb-2010-11-10-r106. Fold changes are maximum likelihood estimates, not shrunken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from ..errors import AnalysisError, DesignError
from .counts import checked_counts
from .dispersion import (
    DispersionPrior,
    Trend,
    fit_prior,
    fit_trend,
    gene_dispersions,
    moment_dispersions,
    posterior_dispersions,
)
from .distributions import f_quantile
from .least_squares import dependent_columns
from .limma import benjamini_hochberg
from .negative_binomial import covariance_and_leverage, fit_glm
from .smooth import lowess

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

LN2 = float(np.log(2))
# A prior of variance 1e6 on log2 coefficients, which only keeps them finite.
RIDGE = 1e-6 / LN2**2
_LEAST_MU = 0.5
_REPLICATES_TO_FLAG = 3
_REPLICATES_TO_REPLACE = 7
_TRIM = 0.2
_LEAST_ROBUST_DISPERSION = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class Deseq2Fit:
    """A negative binomial GLM of every gene; NaN where a gene has no counts, 0 where none is left after
    replacement.

    ``coefficients`` (log2) and their ``covariance``: genes × coefficients (²). ``base_mean``: mean of counts
    over size factors. ``replaced``: genes in which a count was replaced. ``worst``: the largest Cook's
    distance among samples that can flag a gene and are not replaced (NaN without such samples), and
    ``worst_sample`` its sample. ``used``: the counts after replacement.
    """

    coefficients: Floats
    covariance: Floats
    base_mean: Floats
    dispersions: Floats
    size_factors: Floats
    trend: Trend
    prior: DispersionPrior
    replaced: Bools
    worst: Floats
    worst_sample: Places
    counts: Floats
    used: Floats
    design: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Deseq2Test:
    """``table``: baseMean, log2FoldChange, lfcSE, stat, pvalue, padj, one row a gene; ``reasons``: gene → why
    pvalue or padj is NaN; ``threshold``: the least baseMean that was adjusted for.
    """

    table: pd.DataFrame
    reasons: Mapping[int, str]
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class _Genes:
    """Estimates of genes that have counts."""

    beta: Floats
    covariance: Floats
    leverage: Floats
    dispersions: Floats


def size_factors(counts: npt.ArrayLike, *, positive_only: bool = False) -> Floats:
    """One factor a sample: the median ratio of its counts to the geometric mean of each gene.

    Genes with a zero are left out, or, with ``positive_only`` ("poscounts"), enter with the root of the product
    of their positive counts, and the factors are scaled to a geometric mean of 1. AnalysisError where every
    gene has a zero, or a sample has no positive count to take the median of.
    """
    matrix = checked_counts(counts)
    with np.errstate(divide="ignore"):
        logs = np.log(matrix)
    if positive_only:
        means = np.where(matrix > 0, logs, 0.0).mean(axis=1)
        used = (matrix > 0).any(axis=1)
    else:
        means = logs.mean(axis=1)
        used = np.isfinite(means)
        if not used.any():
            raise AnalysisError(
                "every gene has a sample without a count, so the median of ratios is not defined; use "
                "size_factors='poscounts', which takes the positive counts"
            )
    factors = np.ones(matrix.shape[1])
    for j in range(matrix.shape[1]):
        counted = used & (matrix[:, j] > 0)
        if not counted.any():
            raise AnalysisError(f"sample number {j} has no counts in the genes of its size factor")
        factors[j] = np.exp(np.median(logs[counted, j] - means[counted]))
    return factors / np.exp(np.log(factors).mean()) if positive_only else factors


def fit(counts: npt.ArrayLike, design: npt.ArrayLike, factors: npt.ArrayLike) -> Deseq2Fit:
    """Dispersions, coefficients and Cook's distances; outliers among 7 or more replicates are replaced and
    their genes fitted again.

    ``factors``: size factors, one a sample. DesignError without residual degrees of freedom or of a design
    that is not of full rank; AnalysisError where too few genes have a dispersion to learn from.
    """
    matrix = checked_counts(counts)
    x = np.asarray(design, dtype=np.float64)
    sizes = np.asarray(factors, dtype=np.float64)
    n_samples, p = x.shape
    if n_samples <= p:
        raise DesignError(
            f"{n_samples} samples for {p} coefficients leave no replicate to learn variances from"
        )
    dependent = dependent_columns(x)
    if dependent:
        raise DesignError(
            f"the design is not of full rank: columns {sorted(dependent)} follow from the others"
        )
    base_mean = (matrix / sizes).mean(axis=1)
    counted = np.flatnonzero(base_mean > 0)
    used = matrix[counted]
    alpha, mu = _own_dispersions(used, x, sizes)
    trend = fit_trend(base_mean[counted], alpha)
    prior = fit_prior(alpha, trend.at(base_mean[counted]), n_samples - p)
    genes = _estimates(used, x, sizes, (alpha, mu), trend, prior)
    distances = cooks_distances(used, x, sizes, genes.beta, genes.leverage)
    result = _empty(matrix, x, sizes, base_mean, trend, prior)
    _place(result, counted, genes)
    usable = _replicates(x) >= _REPLICATES_TO_FLAG
    replaceable = _replicates(x) >= _REPLICATES_TO_REPLACE
    outliers = (distances > _cutoff(n_samples, p)) & replaceable
    again = np.flatnonzero(outliers.any(axis=1))
    if len(again):
        new = np.where(outliers[again], _trimmed_counts(used[again], sizes), used[again])
        _fit_again(result, counted[again], new)
        usable &= ~replaceable
    if usable.any():
        shown = np.where(usable, distances, -1.0)
        result.worst_sample[counted] = shown.argmax(axis=1)
        result.worst[counted] = shown.max(axis=1)
    return result


def wald_test(
    fitted: Deseq2Fit,
    weights: npt.ArrayLike,
    *,
    compared: Sequence[int] | None = None,
    lfc: float = 0.0,
    alpha: float = 0.1,
) -> Deseq2Test:
    """The Wald test of ``weights`` · coefficients = 0, with P-values adjusted above a threshold of baseMean.

    With ``lfc`` it is the test that the change (log2) is larger than that in size.

    Genes with an outlier have no P-value; those that nothing is left of once it is replaced have P 1.
    ``compared``: the samples of both groups; a gene that has counts only in others has no change and P 1.
    ``alpha``: the false discovery rate for which the filter on baseMean is chosen.
    """
    c = np.asarray(weights, dtype=np.float64)
    change = fitted.coefficients @ c
    error = np.sqrt(np.einsum("i,gij,j->g", c, fitted.covariance, c))
    if compared is not None:
        change[(fitted.counts[:, compared] == 0).all(axis=1) & ~np.isnan(change)] = 0.0
    beyond = np.sign(change) * np.maximum(np.abs(change) - lfc, 0) if lfc else change
    with np.errstate(invalid="ignore", divide="ignore"):
        stat = np.where(error == 0, 0.0, beyond / error)
        p_value = (
            np.minimum(2 * ndtr((lfc - np.abs(change)) / error), 1.0) if lfc else 2 * ndtr(-np.abs(stat))
        )
    return filtered(fitted, {"log2FoldChange": change, "lfcSE": error, "stat": stat}, p_value, alpha)


def filtered(
    fitted: Deseq2Fit, statistics: Mapping[str, Floats], p_value: Floats, alpha: float
) -> Deseq2Test:
    """The table of a test: no P-value for genes with an outlier, none adjusted below the threshold of baseMean."""
    flagged = flagged_genes(fitted)
    shown = np.where(flagged, np.nan, p_value)
    adjusted, threshold = independent_filter(fitted.base_mean, shown, alpha)
    columns = {"baseMean": fitted.base_mean, **statistics, "pvalue": shown, "padj": adjusted}
    return Deseq2Test(pd.DataFrame(columns), _reasons(fitted, flagged, adjusted, threshold), threshold)


def notes(fitted: Deseq2Fit, tested: Deseq2Test) -> tuple[str, ...]:
    """What was replaced, flagged and left out, and a trend that could not be fitted, in sentences."""
    said = []
    if fitted.trend.coefficients is None:
        said.append(
            "Dispersions do not fall with the mean as the parametric trend wants; a local regression stands for it."
        )
    n_flagged = int(flagged_genes(fitted).sum())
    if n_flagged:
        said.append(f"{n_flagged:,} genes have a count far from its group (Cook's distance) and no P-value.")
    n_replaced = int(fitted.replaced.sum())
    if n_replaced:
        said.append(
            f"In {n_replaced:,} genes an outlying count (Cook's distance, 7 or more replicates) was replaced by the "
            "trimmed mean."
        )
    n_left_out = int((tested.table["pvalue"].notna() & tested.table["padj"].isna()).sum())
    if n_left_out:
        said.append(
            f"{n_left_out:,} genes with a baseMean below {tested.threshold:.3g} have a P-value but none adjusted "
            "(independent filtering)."
        )
    return tuple(said)


def cooks_distances(
    counts: Floats, design: Floats, factors: Floats, beta: Floats, leverage: Floats
) -> Floats:
    """How far each count moves the coefficients of its gene, by a dispersion that outliers do not move."""
    mu = factors * np.exp(beta @ design.T)
    variance = mu + _robust_dispersions(counts / factors, design)[:, None] * mu**2
    squares = (counts - mu) ** 2 / variance
    return np.asarray(squares / design.shape[1] * leverage / (1 - leverage) ** 2)


def flagged_genes(fitted: Deseq2Fit) -> Bools:
    """Genes with a Cook's distance beyond the 0.99 quantile of F.

    In a comparison of two groups a gene is not flagged for a count that three others exceed.
    """
    n_samples, p = fitted.design.shape
    with np.errstate(invalid="ignore"):
        flagged = fitted.worst > _cutoff(n_samples, p)
    if p == 2 and len(np.unique(fitted.design, axis=0)) == 2:
        count = fitted.counts[np.arange(len(flagged)), fitted.worst_sample]
        flagged &= (fitted.counts > count[:, None]).sum(axis=1) < 3
    return np.asarray(flagged)


def independent_filter(base_mean: Floats, p_value: Floats, alpha: float) -> tuple[Floats, float]:
    """Adjusted P-values of genes above a threshold of baseMean (NaN below), and the threshold.

    It is the lowest of 50 quantiles at which the number of rejections comes within one residual deviation of the
    peak of a smooth curve through them; the first where at most 10 genes are rejected anywhere.
    """
    lowest = float((base_mean == 0).mean())
    quantiles = np.linspace(lowest, 0.95 if lowest < 0.95 else 1.0, 50)
    cutoffs = np.quantile(base_mean, quantiles)
    n_rejected = np.array(
        [(_adjusted_above(base_mean, p_value, cutoff) < alpha).sum() for cutoff in cutoffs], dtype=float
    )
    chosen = 0
    if n_rejected.max() > 10:
        smooth = lowess(quantiles, n_rejected, span=1 / 5)
        some = n_rejected > 0
        deviation = np.sqrt(((n_rejected - smooth)[some] ** 2).mean())
        chosen = int(np.argmax(n_rejected > smooth.max() - deviation))
    return _adjusted_above(base_mean, p_value, cutoffs[chosen]), float(cutoffs[chosen])


def _adjusted_above(base_mean: Floats, p_value: Floats, cutoff: float) -> Floats:
    return benjamini_hochberg(np.where(base_mean >= cutoff, p_value, np.nan))


def _own_dispersions(counts: Floats, design: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Gene-wise dispersions and the fitted counts that they are estimated at."""
    start = moment_dispersions(counts / sizes, design, sizes)
    mu = _cell_means(counts, design, sizes)
    if mu is None:
        mu = fit_glm(counts, design, sizes, start, ridge=RIDGE, least_mu=_LEAST_MU).mu
    return gene_dispersions(counts, mu, design, start), mu


def _cell_means(counts: Floats, design: Floats, sizes: Floats) -> Floats | None:
    """Fitted counts where each coefficient has its own group of samples; None for other designs."""
    cells = _cells(design)
    if cells.max() + 1 != design.shape[1]:
        return None
    q = np.linalg.qr(design)[0]
    return np.asarray(np.maximum(((counts / sizes) @ q) @ q.T * sizes, _LEAST_MU))


def _estimates(
    counts: Floats,
    design: Floats,
    sizes: Floats,
    own: tuple[Floats, Floats],
    trend: Trend,
    prior: DispersionPrior,
) -> _Genes:
    along = trend.at((counts / sizes).mean(axis=1))
    alpha = posterior_dispersions(counts, own[1], design, own[0], along, prior)
    glm = fit_glm(counts, design, sizes, alpha, ridge=RIDGE, least_mu=_LEAST_MU)
    covariance, leverage = covariance_and_leverage(glm.mu, design, alpha, ridge=RIDGE)
    return _Genes(glm.beta, covariance, leverage, alpha)


def _empty(
    counts: Floats, design: Floats, sizes: Floats, base_mean: Floats, trend: Trend, prior: DispersionPrior
) -> Deseq2Fit:
    n, p = len(counts), design.shape[1]
    return Deseq2Fit(
        coefficients=np.full((n, p), np.nan),
        covariance=np.full((n, p, p), np.nan),
        base_mean=base_mean,
        dispersions=np.full(n, np.nan),
        size_factors=sizes,
        trend=trend,
        prior=prior,
        replaced=np.zeros(n, dtype=bool),
        worst=np.full(n, np.nan),
        worst_sample=np.zeros(n, dtype=np.intp),
        counts=counts,
        used=counts.copy(),
        design=design,
    )


def _place(result: Deseq2Fit, at: Places, genes: _Genes) -> None:
    result.coefficients[at] = genes.beta / LN2
    result.covariance[at] = genes.covariance / LN2**2
    result.dispersions[at] = genes.dispersions


def _fit_again(result: Deseq2Fit, at: Places, counts: Floats) -> None:
    """Estimates of genes whose outliers were replaced, by the same trend and prior."""
    x, sizes = result.design, result.size_factors
    result.replaced[at] = True
    result.used[at] = counts
    result.base_mean[at] = (counts / sizes).mean(axis=1)
    result.coefficients[at] = 0.0
    result.covariance[at] = 0.0
    left = np.flatnonzero(counts.any(axis=1))
    some = counts[left]
    genes = _estimates(some, x, sizes, _own_dispersions(some, x, sizes), result.trend, result.prior)
    _place(result, at[left], genes)


def _trimmed_counts(counts: Floats, sizes: Floats) -> Floats:
    """What to replace a count with: the trimmed mean of the gene's normalised counts, in the sample's size."""
    return np.asarray(np.floor(_trimmed_mean(counts / sizes, _TRIM)[:, None] * sizes))


def _robust_dispersions(normalised: Floats, design: Floats) -> Floats:
    """Dispersions from trimmed variances, the largest over the groups of 3 or more samples (over all samples
    where there is no such group).
    """
    cells = _cells(design)
    groups = [np.flatnonzero(cells == cell) for cell in range(cells.max() + 1)]
    groups = [group for group in groups if len(group) >= _REPLICATES_TO_FLAG]
    if groups:
        variance = np.max([_trimmed_variance(normalised[:, group]) for group in groups], axis=0)
    else:
        variance = _trimmed_variance(normalised, trim=1 / 8, scale=1.51)
    mean = normalised.mean(axis=1)
    return np.asarray(np.maximum((variance - mean) / mean**2, _LEAST_ROBUST_DISPERSION))


def _trimmed_variance(values: Floats, trim: float | None = None, scale: float = 1.0) -> Floats:
    """Trimmed mean of squares around the trimmed mean, scaled to the variance of normal values."""
    if trim is None:
        n = values.shape[1]
        trim, scale = (1 / 3, 2.04) if n == 3 else (1 / 4, 1.86) if n < 24 else (1 / 8, 1.51)
    squares = (values - _trimmed_mean(values, trim)[:, None]) ** 2
    return scale * _trimmed_mean(squares, trim)


def _trimmed_mean(values: Floats, trim: float) -> Floats:
    cut = int(values.shape[1] * trim)
    return np.asarray(np.sort(values, axis=1)[:, cut : values.shape[1] - cut].mean(axis=1))


def _cells(design: Floats) -> Places:
    """The number of each sample's group: samples with one row of the design."""
    return np.asarray(np.unique(design, axis=0, return_inverse=True)[1].ravel())


def _replicates(design: Floats) -> Places:
    """How many samples share each sample's row of the design."""
    cells = _cells(design)
    return np.asarray(np.bincount(cells)[cells])


def _cutoff(n_samples: int, p: int) -> float:
    return float(f_quantile(0.99, p, n_samples - p))


def _reasons(fitted: Deseq2Fit, flagged: Bools, adjusted: Floats, threshold: float) -> dict[int, str]:
    counted = np.asarray(fitted.counts.any(axis=1))
    reasons = {}
    for gene in np.flatnonzero(np.isnan(adjusted)):
        if not counted[gene]:
            why = "no counts in any sample"
        elif fitted.base_mean[gene] == 0:
            why = "no counts once its outlier is replaced"
        elif flagged[gene]:
            why = f"a count far from its group (Cook's distance {fitted.worst[gene]:.3g})"
        else:
            why = f"too few counts to be adjusted for (baseMean below {threshold:.3g})"
        reasons[int(gene)] = why
    return reasons
