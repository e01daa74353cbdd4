"""How far samples and values can be trusted: array weights, and precision weights for arrays (vooma).

- Array weights: M. E. Ritchie et al. (2006), "Empirical array quality weights in the analysis of microarray
  data", BMC Bioinformatics 7:261, https://doi.org/10.1186/1471-2105-7-261; by REML after G. K. Smyth (2002),
  "An efficient algorithm for REML in heteroscedastic regression", J. Comput. Graph. Stat. 11:836.
- With voom: R. Liu et al. (2015), "Why weight?", Nucleic Acids Res. 43:e97,
  https://doi.org/10.1093/nar/gkv412.
- vooma: C. Law (2013), "Precision weights for gene expression analysis", PhD thesis, University of Melbourne.

The model: the variance of gene g in sample j is σ²_g exp(z_j γ), and the weight of the sample exp(-z_j γ);
weights multiply to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dgeqrf, dorgqr, dposv

from ..errors import AnalysisError
from .counts import Voom, precision_weights, voom
from .least_squares import lm_fit
from .smooth import lowess_knots

Floats = npt.NDArray[np.float64]

_CONVERGED = 1e-5
_MOST_STEPS = 50
#: A gene with no more residual variance than this has its values explained wholly, but for rounding.
_NO_VARIANCE = 1e-15


def array_weights(
    values: npt.ArrayLike,
    design: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    prior_n: float = 10,
    gene_by_gene: bool = False,
) -> Floats:
    """One weight a sample, whose product is 1, from how well each follows the linear models of all genes.

    ``prior_n`` genes' worth of equal weights hold them together. With missing values, with prior ``weights``
    (genes × samples), or when asked, genes update the weights one after another (Ritchie 2006); else all at
    once by REML. Genes without residual variance tell nothing of the samples and are left out, as limma does.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    n_samples = y.shape[1]
    if n_samples - np.linalg.matrix_rank(x) < 2:
        raise AnalysisError(
            "array weights need two residual degrees of freedom at least; use a smaller design"
        )
    complete = np.isfinite(y).all(axis=1)
    if complete.all() and weights is None and not gene_by_gene:
        return _reml_weights(y, x, _sum_to_zero(n_samples), prior_n)
    prior = np.ones_like(y) if weights is None else np.asarray(weights, dtype=np.float64)
    return _sequential_weights(y, x, prior, prior_n)


def vooma(values: npt.ArrayLike, design: npt.ArrayLike, *, span: float | None = None) -> Floats:
    """Precision weights (genes × samples) from the trend of the residual deviation over the average
    expression.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    fit = lm_fit(y, x)
    known = np.isfinite(fit.sigma) & np.isfinite(fit.average)
    n = int(known.sum())
    if n < 2:
        raise AnalysisError(f"vooma needs two genes with residual variance at least, not {n}")
    if span is None:
        span = 1.0 if n <= 10 else 0.3 + 0.7 * float(np.sqrt(10 / n))
    trend = lowess_knots(fit.average[known], np.sqrt(fit.sigma[known]), span=span)
    # Samples with the same row of the design share their expected value.
    rows, of = np.unique(x, axis=0, return_inverse=True)
    return precision_weights(fit.coefficients @ rows.T, trend)[:, of.ravel()]


def voom_with_quality_weights(
    counts: npt.ArrayLike,
    design: npt.ArrayLike,
    *,
    library_sizes: npt.ArrayLike | None = None,
    span: float = 0.5,
    block: Sequence[object] | None = None,
    correlation: float = 0.0,
) -> Voom:
    """voom whose weights are multiplied by those of the samples (Liu 2015), which are in it too.

    Sample weights and the trend inform each other in two rounds. ``block`` and ``correlation`` are of the fit that
    shows the trend, as for ``voom``.
    """
    make = partial(
        voom, counts, design, library_sizes=library_sizes, span=span, block=block, correlation=correlation
    )
    first = make()
    samples = array_weights(first.log_cpm, design, weights=first.weights, gene_by_gene=True)
    second = make(sample_weights=samples)
    samples = array_weights(second.log_cpm, design, weights=second.weights, gene_by_gene=True)
    return replace(second, weights=second.weights * samples, sample_weights=samples)


def _sum_to_zero(n: int) -> Floats:
    """Effects of n samples that sum to zero, as n - 1 columns."""
    return np.vstack([np.eye(n - 1), -np.ones(n - 1)])


def _reml_weights(y: Floats, x: Floats, z: Floats, prior_n: float) -> Floats:
    y = y[lm_fit(y, x).sigma ** 2 > _NO_VARIANCE]
    n_genes = len(y)
    gamma = np.zeros(z.shape[1])
    for _ in range(_MOST_STEPS):
        weights = np.exp(-(z @ gamma))
        excess, information = _reml_derivatives(y, x, z, weights)
        gradient = z.T @ excess + prior_n * z.T @ (weights - 1)
        information = n_genes * information + prior_n * z.T @ z
        step = np.linalg.solve(information, gradient)
        gamma += step
        if float(gradient @ step) / (n_genes + prior_n) / z.shape[1] < _CONVERGED:
            break
    return np.exp(-(z @ gamma))


def _reml_derivatives(y: Floats, x: Floats, z: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Twice the score of γ before z, summed over genes, and twice the information of one gene."""
    n_genes, n_samples = y.shape
    root = np.sqrt(weights)
    q = np.linalg.qr(x * root[:, None])[0]
    leverage = (q**2).sum(axis=1)
    df = n_samples - x.shape[1]
    total = np.zeros(n_samples)
    for start in range(0, n_genes, 4096):
        block = y[start : start + 4096] * root
        block -= (block @ q) @ q.T
        block **= 2
        s2 = block.sum(axis=1) / df
        total += (1 / s2) @ block
    return total - n_genes * (1 - leverage), _information(q, leverage, z, df)


def _information(q: Floats, leverage: Floats, z: Floats, df: int) -> Floats:
    squares = (q @ q.T) ** 2
    squares[np.diag_indices_from(squares)] += 1 - 2 * leverage
    across = z.T @ (1 - leverage)
    return np.asarray(z.T @ squares @ z - np.outer(across, across) / df)


def _sequential_weights(y: Floats, x: Floats, prior: Floats, prior_n: float) -> Floats:
    """Ritchie et al. (2006): each gene in turn adds what it tells to the information and moves γ.

    With effects that sum to zero, z'v is v without its last minus its last, and z'diag(v)z adds the last to
    all.
    """
    n_samples = len(x)
    gamma = np.zeros(n_samples)
    information = prior_n * (np.eye(n_samples - 1) + 1)
    diagonal = np.diag_indices(n_samples - 1)
    all_seen = np.isfinite(y) & (prior > 0)
    root_prior = np.sqrt(np.where(all_seen, prior, 0.0))
    values = np.where(all_seen, y, 0.0)
    for gene, n_seen in enumerate(all_seen.sum(axis=1).tolist()):
        root = np.exp(-0.5 * gamma) * root_prior[gene]
        q = _orthogonal(x * root[:, None], full_rank=n_seen == n_samples)
        df = n_seen - q.shape[1]
        if df < 2:
            continue
        scaled = values[gene] * root
        scaled -= q @ (scaled @ q)
        squares = scaled * scaled
        s2 = float(squares.sum()) / df
        if s2 <= _NO_VARIANCE:
            continue
        rest = all_seen[gene] - np.einsum("ij,ij->i", q, q)
        across = rest[:-1] - rest[-1]
        information += rest[-1] - across[:, None] * (across / df)
        information[diagonal] += rest[:-1]
        score = squares / s2 - rest
        _, step, info = dposv(information, score[:-1] - score[-1])
        if info != 0:
            raise AnalysisError(
                f"array weights: the information is not positive definite at gene number {gene + 1}"
            )
        gamma[:-1] += step
        gamma[-1] = -gamma[:-1].sum()
    return np.exp(-gamma)


def _orthogonal(x: Floats, *, full_rank: bool) -> Floats:
    """An orthonormal basis of the columns of x, of which missing values may have made some dependent."""
    if full_rank:
        packed, tau, _, _ = dgeqrf(x)
        return np.asarray(dorgqr(packed, tau)[0])
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(left[:, size > 1e-7 * max(float(size[0]), 1e-300)])
