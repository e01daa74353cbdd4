"""RNA-seq counts made ready for linear models: filter, TMM library sizes, log-CPM, voom's weights.

- TMM: M. D. Robinson, A. Oshlack (2010), "A scaling normalization method for differential expression analysis
  of RNA-seq data", Genome Biol. 11:R25, https://doi.org/10.1186/gb-2010-11-3-r25
- voom: C. W. Law et al. (2014), "voom: precision weights unlock linear model analysis tools for RNA-seq read
  counts", Genome Biol. 15:R29, https://doi.org/10.1186/gb-2014-15-2-r29
- filter: Y. Chen, A. T. L. Lun, G. K. Smyth (2016), "From reads to genes to pathways", F1000Research 5:1438,
  https://doi.org/10.12688/f1000research.8987.2, with the thresholds that edgeR's manual gives for
  filterByExpr.

Counts are genes × samples, library sizes in reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError, ScaleError
from .correlated import correlated_fit, duplicate_correlation
from .least_squares import Fit, lm_fit
from .smooth import lowess_knots

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NO_COUNTS: tuple[tuple[Callable[[Floats], Bools], str], ...] = (
    (lambda counts: ~np.isfinite(counts), "missing or infinite"),
    (lambda counts: counts < 0, "negative"),
    (
        lambda counts: counts != np.floor(counts),
        "not whole numbers (FPKM, TPM or normalised values are no counts)",
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Voom:
    """log2 counts per million, the precision weight of each (genes × samples), and the trend they come from.

    ``trend``: average log2 count, ascending, and square root of the residual standard deviation there, joined by
    straight lines.
    """

    log_cpm: Floats
    weights: Floats
    library_sizes: Floats
    trend: tuple[Floats, Floats]
    sample_weights: Floats | None = None


def checked_counts(counts: npt.ArrayLike) -> Floats:
    """Counts as float64; ScaleError where one is negative, missing, infinite or not a whole number."""
    matrix = np.asarray(counts, dtype=np.float64)
    if matrix.ndim != 2:
        raise ScaleError(f"counts must be genes × samples, not {matrix.ndim}-dimensional")
    for is_wrong, what in _NO_COUNTS:
        wrong = int(is_wrong(matrix).sum())
        if wrong:
            raise ScaleError(f"{wrong:,} of {matrix.size:,} counts are {what}; counts are whole numbers ≥ 0")
    return matrix


def filter_by_expression(
    counts: npt.ArrayLike,
    design: npt.ArrayLike,
    *,
    library_sizes: npt.ArrayLike | None = None,
    min_count: float = 10,
    min_total_count: float = 15,
    large_n: float = 10,
    min_prop: float = 0.7,
) -> Bools:
    """Genes with enough counts in as many samples as the smallest group of the design has.

    Enough is ``min_count`` in a library of median size, and ``min_total_count`` over all samples. The
    smallest group is one over the largest leverage; beyond ``large_n`` samples only the share ``min_prop`` of
    the rest is asked for.
    """
    matrix = checked_counts(counts)
    sizes = matrix.sum(axis=0) if library_sizes is None else np.asarray(library_sizes, dtype=float)
    q = np.linalg.qr(np.asarray(design, dtype=float))[0]
    smallest = 1 / float((q**2).sum(axis=1).max())
    if smallest > large_n:
        smallest = large_n + (smallest - large_n) * min_prop
    cutoff = min_count / float(np.median(sizes)) * 1e6
    enough = (matrix / sizes * 1e6 >= cutoff).sum(axis=1) >= smallest - 1e-14
    return np.asarray(enough & (matrix.sum(axis=1) >= min_total_count - 1e-14))


def tmm_factors(
    counts: npt.ArrayLike,
    *,
    library_sizes: npt.ArrayLike | None = None,
    logratio_trim: float = 0.3,
    sum_trim: float = 0.05,
    a_cutoff: float = -1e10,
) -> Floats:
    """Normalisation factors, one a sample, whose product is 1; library size × factor is the effective size.

    The reference is the sample whose upper quartile (of counts over library size) is nearest to the mean of
    all.
    """
    matrix = checked_counts(counts)
    # Sample by sample in memory, as they are compared.
    columns = np.ascontiguousarray(matrix[(matrix > 0).any(axis=1)].T)
    sizes = columns.sum(axis=1) if library_sizes is None else np.asarray(library_sizes, dtype=float)
    if not (sizes > 0).all():
        raise AnalysisError(
            f"samples number {np.flatnonzero(sizes <= 0).tolist()} have no counts at all; leave them out"
        )
    if columns.size == 0 or len(columns) == 1:
        return np.ones(len(columns))
    upper = np.quantile(columns, 0.75, axis=1) / sizes
    if np.median(upper) < 1e-20:
        reference = int(np.argmax(np.sqrt(columns).sum(axis=1)))
    else:
        reference = int(np.argmin(np.abs(upper - upper.mean())))
    trims = (logratio_trim, sum_trim, a_cutoff)
    factors = np.array(
        [
            _tmm_factor(column, columns[reference], size, sizes[reference], trims)
            for column, size in zip(columns, sizes, strict=True)
        ]
    )
    return np.asarray(factors / np.exp(np.log(factors).mean()))


def log_cpm(counts: npt.ArrayLike, library_sizes: npt.ArrayLike, *, prior_count: float = 2.0) -> Floats:
    """log2 counts per million with ``prior_count`` added in proportion to the library, as for limma-trend."""
    matrix = np.asarray(counts, dtype=float)
    sizes = np.asarray(library_sizes, dtype=float)
    prior = prior_count * sizes / sizes.mean()
    return np.asarray(np.log2((matrix + prior) / (sizes + 2 * prior) * 1e6))


def voom(
    counts: npt.ArrayLike,
    design: npt.ArrayLike,
    *,
    library_sizes: npt.ArrayLike | None = None,
    span: float = 0.5,
    sample_weights: npt.ArrayLike | None = None,
    block: Sequence[object] | None = None,
    correlation: float = 0.0,
) -> Voom:
    """log2-CPM with precision weights from the trend of the residual deviation over the average count.

    ``library_sizes`` are effective ones (size × TMM factor); the plain sums otherwise. ``sample_weights`` are
    used in the fit that shows the trend (voomWithQualityWeights), as are a ``block`` for each sample and the
    ``correlation`` within blocks.
    """
    matrix = checked_counts(counts)
    sizes = matrix.sum(axis=0) if library_sizes is None else np.asarray(library_sizes, dtype=float)
    if len(matrix) < 2:
        raise AnalysisError(f"voom needs at least two genes with counts, not {len(matrix)}")
    values = np.log2((matrix + 0.5) / (sizes + 1) * 1e6)
    if block is None:
        fit = lm_fit(values, design, weights=sample_weights)
    else:
        fit = correlated_fit(values, design, block, correlation, weights=sample_weights)
    if not (fit.df_residual > 0).all():
        raise AnalysisError("voom needs residual degrees of freedom: more samples than coefficients")
    level = fit.average + np.log2(sizes + 1).mean() - np.log2(1e6)
    deviation = np.sqrt(fit.sigma)
    counted = matrix.sum(axis=1) > 0
    trend = lowess_knots(level[counted], deviation[counted], span=span)
    expected = fit.coefficients @ np.asarray(design, dtype=float).T
    expected += np.log2(sizes + 1) - np.log2(1e6)
    return Voom(values, precision_weights(expected, trend), sizes, trend)


def precision_weights(expected: Floats, trend: tuple[Floats, Floats]) -> Floats:
    """One over the variance that the trend of square roots of standard deviations has at each ``expected`` level."""
    variance = np.interp(expected.ravel(), *trend).reshape(expected.shape)
    variance **= 2
    variance **= 2
    return np.asarray(np.divide(1.0, variance, out=variance))


def voom_fit(voomed: Voom, design: npt.ArrayLike, *, names: tuple[str, ...] | None = None) -> Fit:
    """The weighted fit of voom's values, ready for contrasts and e_bayes."""
    return lm_fit(voomed.log_cpm, design, weights=voomed.weights, names=names)


def voom_in_blocks(
    counts: npt.ArrayLike,
    design: npt.ArrayLike,
    block: Sequence[object],
    *,
    library_sizes: npt.ArrayLike | None = None,
    names: tuple[str, ...] | None = None,
    by: Callable[..., Voom] = voom,
) -> tuple[Fit, float, Voom]:
    """The weighted fit of voom's values where samples of a block are correlated, the correlation, and the values.

    Weights and correlation inform each other in two rounds, as limma's authors advise. ``by`` may be another that takes
    what ``voom`` takes, such as that with quality weights.
    """
    voomed = by(counts, design, library_sizes=library_sizes)
    correlation, _ = duplicate_correlation(voomed.log_cpm, design, block, weights=voomed.weights)
    voomed = by(counts, design, library_sizes=library_sizes, block=block, correlation=correlation)
    correlation, _ = duplicate_correlation(voomed.log_cpm, design, block, weights=voomed.weights)
    fit = correlated_fit(voomed.log_cpm, design, block, correlation, weights=voomed.weights, names=names)
    return fit, correlation, voomed


def _tmm_factor(
    observed: Floats,
    reference: Floats,
    n_observed: float,
    n_reference: float,
    trims: tuple[float, float, float],
) -> float:
    """2 to the trimmed, weighted mean of the log ratios (Robinson and Oshlack 2010, "TMM normalization
    details").
    """
    logratio_trim, sum_trim, a_cutoff = trims
    both = (observed > 0) & (reference > 0)
    p, q = observed[both] / n_observed, reference[both] / n_reference
    log_ratio = np.log2(p / q)
    level = (np.log2(p) + np.log2(q)) / 2
    variance = (n_observed - observed[both]) / n_observed / observed[both]
    variance += (n_reference - reference[both]) / n_reference / reference[both]
    used = level > a_cutoff
    log_ratio, level, variance = log_ratio[used], level[used], variance[used]
    if len(log_ratio) == 0 or np.abs(log_ratio).max() < 1e-6:
        return 1.0
    n = len(log_ratio)
    kept = _between(log_ratio, n, logratio_trim) & _between(level, n, sum_trim)
    factor = (
        float((log_ratio[kept] / variance[kept]).sum() / (1 / variance[kept]).sum()) if kept.any() else 0.0
    )
    return float(2**factor) if np.isfinite(factor) else 1.0


def _between(values: Floats, n: int, trim: float) -> Bools:
    """Values whose rank is not among the share ``trim`` at either end; equal ones share their mean rank."""
    low = int(np.floor(n * trim)) + 1
    high = n + 1 - low
    ordered = np.partition(values, sorted({low - 1, high - 1}))
    least, most = ordered[low - 1], ordered[high - 1]
    kept = (values > least) & (values < most)
    for end in {float(least), float(most)}:
        equal = values == end
        rank = int((values < end).sum()) + (int(equal.sum()) + 1) / 2
        if low <= rank <= high:
            kept |= equal
    return np.asarray(kept)
