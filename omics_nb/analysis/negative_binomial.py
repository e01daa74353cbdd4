"""Negative binomial models of many genes at once: the likelihood of a dispersion, and the GLM with log link.

A count has mean mu and variance mu + alpha mu², alpha the dispersion. The likelihood of a dispersion is the
profile likelihood with Cox and Reid's adjustment, as in D. J. McCarthy, Y. Chen, G. K. Smyth (2012), Nucleic
Acids Res. 40:4288, https://doi.org/10.1093/nar/gks042. The GLM is fitted by iteratively reweighted least
squares (P. McCullagh, J. A. Nelder (1989), "Generalized Linear Models", section 2.5). Counts are genes ×
samples; a design is samples × coefficients, of full rank. Genes are taken in blocks that stay in the
processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

_BLOCK_CELLS = 16_384
# lgamma by Stirling's series is exact to 1e-12 from here on; smaller arguments are shifted by as many steps.
_STIRLING_FROM = 8
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


@dataclass(frozen=True, slots=True, eq=False)
class GlmFit:
    """``beta``: coefficients, natural logarithms, genes × coefficients; ``mu``: fitted counts, nowhere below
    ``least_mu``; ``converged``: by reweighted least squares, one a gene.
    """

    beta: Floats
    mu: Floats
    converged: Bools


def row_blocks(rows: Places, n_columns: int, *, n_cells: int = _BLOCK_CELLS) -> Iterator[Places]:
    """``rows`` in parts of about ``n_cells`` numbers, which fit in the cache."""
    step = max(64, n_cells // n_columns)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def dispersion_likelihood(
    log_alpha: Floats, counts: Floats, mu: Floats, design: Floats
) -> tuple[Floats, Floats]:
    """Adjusted profile log likelihood of the log dispersion of each gene, and its slope.

    Terms that hold neither dispersion nor mean are left out.
    """
    alpha = np.exp(log_alpha)[:, None]
    size = 1 / alpha
    value, slope = np.empty_like(log_alpha), np.empty_like(log_alpha)
    near_poisson = size[:, 0] >= _STIRLING_FROM
    for rows, terms in ((near_poisson, _terms_of_large_size), (~near_poisson, _terms_of_small_size)):
        if rows.all():
            value, slope = terms(counts, mu, size)
        elif rows.any():
            value[rows], slope[rows] = terms(counts[rows], mu[rows], size[rows])
    weight = mu / (1 + alpha * mu)
    log_det, inverse = sweep(information(weight, design))
    change = information(weight * weight, design)
    slope *= -size[:, 0]
    slope += 0.5 * alpha[:, 0] * np.einsum("ijg,ijg->g", inverse, change)
    return value - 0.5 * log_det, slope


def plain_likelihood(log_alpha: Floats, counts: Floats, mu: Floats, design: Floats) -> Floats:
    """The value of ``dispersion_likelihood`` as the formula stands, which is slower and, for dispersions below
    1e-5, noisy.

    Where a likelihood is flat its rounding chooses among dispersions that mean the same, and whether a gene
    is used for the trend: so that all genes agree with R to 1e-4 the same rounding has to choose.
    """
    alpha = np.exp(log_alpha)[:, None]
    size = 1 / alpha
    value = (
        gammaln(counts + size) - gammaln(size) - counts * np.log(mu + size) - size * np.log(1.0 + mu * alpha)
    )
    log_det, _ = sweep(information(mu / (1 + alpha * mu), design))
    return np.asarray(value.sum(axis=1) - 0.5 * log_det)


def _terms_of_large_size(counts: Floats, mu: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Log likelihood and its derivative by the size 1/alpha, with nothing of the order of the size in it."""
    total = counts + size
    delta = (counts - mu) / (mu + size)
    log = np.log1p(delta)
    value = total * log - 0.5 * np.log(total / size) - counts
    value += _stirling(total) - _stirling(size)
    slope = log - delta + 0.5 * counts / (total * size)
    slope += _stirling_slope(total) - _stirling_slope(size)
    return value.sum(axis=1), slope.sum(axis=1)


def _terms_of_small_size(counts: Floats, mu: Floats, size: Floats) -> tuple[Floats, Floats]:
    total, mean = counts + size, mu + size
    log_mean = np.log(mean)
    log_gamma, digamma = _log_gamma(total)
    log_gamma_size, digamma_size = _log_gamma(size)
    value = log_gamma - log_gamma_size - total * log_mean + size * np.log(size)
    slope = digamma - digamma_size - log_mean - total / mean + np.log(size) + 1
    return value.sum(axis=1), slope.sum(axis=1)


def _log_gamma(x: Floats) -> tuple[Floats, Floats]:
    """lgamma and digamma by Stirling's series at x + 8; lgamma without its constant, which cancels here."""
    product, derivative = x.copy(), np.ones_like(x)
    for k in range(1, _STIRLING_FROM):
        derivative = derivative * (x + k) + product
        product = product * (x + k)
    far = x + _STIRLING_FROM
    log = np.log(far)
    log_gamma = (far - 0.5) * log - far + _stirling(far) - np.log(product)
    return log_gamma, log - 0.5 / far + _stirling_slope(far) - derivative / product


def _stirling(x: Floats) -> Floats:
    inverse = 1 / x
    square = inverse * inverse
    total = np.full_like(x, _STIRLING[-1])
    for term in _STIRLING[-2::-1]:
        total *= square
        total += term
    return np.asarray(total * inverse)


def _stirling_slope(x: Floats) -> Floats:
    square = 1 / (x * x)
    total = np.full_like(x, -(2 * len(_STIRLING) - 1) * _STIRLING[-1])
    for i in range(len(_STIRLING) - 2, -1, -1):
        total *= square
        total -= (2 * i + 1) * _STIRLING[i]
    return np.asarray(total * square)


def information(weight: Floats, design: Floats) -> Floats:
    """X'WX of each gene, coefficients × coefficients × genes."""
    p = design.shape[1]
    result = np.empty((p, p, len(weight)))
    # Row by row: half the work, in products for which BLAS starts no threads, which on a busy machine wait long.
    for i in range(p):
        result[i, i:] = (design[:, i, None] * design[:, i:]).T @ weight.T
        result[i:, i] = result[i, i:]
    return result


def sweep(matrices: Floats) -> tuple[Floats, Floats]:
    """Log determinant and inverse of positive definite p × p × genes, by the sweep operator; in place."""
    log_det = np.zeros(matrices.shape[2])
    for k in range(len(matrices)):
        pivot = matrices[k, k].copy()
        log_det += np.log(pivot)
        column = matrices[:, k].copy()
        row = matrices[k] / pivot
        matrices -= column[:, None] * row[None]
        matrices[k] = row
        matrices[:, k] = -column / pivot
        matrices[k, k] = 1 / pivot
    return log_det, matrices


def fit_glm(
    counts: Floats,
    design: Floats,
    size_factors: Floats,
    alpha: Floats,
    *,
    ridge: float | Floats,
    least_mu: float,
    tolerance: float = 1e-8,
    max_iterations: int = 100,
    max_beta: float = 30.0,
) -> GlmFit:
    """Coefficients of log(mu / size factor) for every gene.

    ``ridge`` (one for all coefficients, or one for each) is added to the diagonal of X'WX. A gene is done when
    its deviance changes by less than ``tolerance`` of itself. Where that takes more than ``max_iterations``
    steps, or a coefficient grows beyond ``max_beta``, the penalised likelihood is climbed by L-BFGS-B, and
    ``converged`` is False.
    """
    n, m = counts.shape
    q, r = np.linalg.qr(design)
    start = np.linalg.solve(r, q.T)
    beta = np.empty((n, design.shape[1]))
    mu = np.empty((n, m))
    converged = np.zeros(n, dtype=bool)
    for rows in row_blocks(np.arange(n), m):
        y, a = counts[rows], alpha[rows]
        b = np.log(y / size_factors + 0.1) @ start.T
        # Where the steps diverge numbers overflow before the gene is given up.
        with np.errstate(over="ignore", invalid="ignore"):
            beta[rows], mu[rows], converged[rows] = _fit_block(
                y, design, np.log(size_factors), a, b, (ridge, least_mu, tolerance, max_iterations, max_beta)
            )
    for gene in np.flatnonzero(~converged):
        begin = start @ np.log(counts[gene] / size_factors + 0.1)
        beta[gene] = _climbed(counts[gene], design, np.log(size_factors), alpha[gene], begin, ridge)
        mu[gene] = np.maximum(size_factors * np.exp(design @ beta[gene]), least_mu)
    return GlmFit(beta, mu, converged)


def _fit_block(
    counts: Floats,
    design: Floats,
    log_sizes: Floats,
    alpha: Floats,
    beta: Floats,
    settings: tuple[float | Floats, float, float, int, float],
) -> tuple[Floats, Floats, Bools]:
    ridge, least_mu, tolerance, max_iterations, max_beta = settings
    least = np.log(least_mu)
    constant = _deviance_constant(counts, alpha)
    log_mu = np.maximum(beta @ design.T + log_sizes, least)
    deviance = np.full(len(counts), np.inf)
    converged = np.zeros(len(counts), dtype=bool)
    at = np.arange(len(counts))
    y, a, current = counts, alpha[:, None], log_mu
    for _ in range(max_iterations):
        mu = np.exp(current)
        step = _weighted_step(y, a, mu, current - log_sizes, design, ridge)
        beta[at] = step
        sane = (np.abs(step) <= max_beta).all(axis=1)
        current = np.maximum(step @ design.T + log_sizes, least)
        log_mu[at] = current
        new = constant[at] - 2 * _log_likelihood(y, a, current)
        done = np.abs(new - deviance[at]) / (np.abs(new) + 0.1) < tolerance
        converged[at] = done & sane
        deviance[at] = new
        going = sane & ~done
        if not going.any():
            break
        if not going.all():
            at, y, a, current = at[going], y[going], a[going], current[going]
    return beta, np.exp(log_mu), converged


def _climbed(
    counts: Floats, design: Floats, log_sizes: Floats, alpha: float, start: Floats, ridge: float | Floats
) -> Floats:
    """Coefficients of one gene where the penalised likelihood is highest, each within ±30 on the log2 scale."""

    def downhill(beta: Floats) -> tuple[float, Floats]:
        log_mu = design @ beta + log_sizes
        mu = np.exp(log_mu)
        value = (counts * log_mu - (counts + 1 / alpha) * np.log1p(alpha * mu)).sum()
        slope = design.T @ ((counts - mu) / (1 + alpha * mu)) - ridge * beta
        return float(0.5 * (ridge * beta**2).sum() - value), -slope

    bounds = [(-30 * np.log(2), 30 * np.log(2))] * len(start)
    found = minimize(
        downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "maxiter": 1000}
    )
    return np.asarray(found.x)


def _weighted_step(
    counts: Floats, alpha: Floats, mu: Floats, eta: Floats, design: Floats, ridge: float | Floats
) -> Floats:
    weight = mu / (1 + alpha * mu)
    response = weight * (eta + (counts - mu) / mu)
    matrices = information(weight, design)
    matrices[np.diag_indices(len(matrices))] += np.reshape(ridge, (-1, 1))
    _, inverse = sweep(matrices)
    return np.asarray(np.einsum("ijg,jg->gi", inverse, design.T @ response.T))


def _log_likelihood(counts: Floats, alpha: Floats, log_mu: Floats) -> Floats:
    """The part of the log likelihood that depends on mu."""
    return np.asarray((counts * log_mu - (counts + 1 / alpha) * np.log1p(alpha * np.exp(log_mu))).sum(axis=1))


def _deviance_constant(counts: Floats, alpha: Floats) -> Floats:
    """-2 × the rest of the log likelihood."""
    size = 1 / alpha[:, None]
    rest = gammaln(counts + size) - gammaln(size) - gammaln(counts + 1) + counts * np.log(alpha[:, None])
    return np.asarray(-2 * rest.sum(axis=1))


def covariance_and_leverage(
    mu: Floats, design: Floats, alpha: Floats, *, ridge: float | Floats
) -> tuple[Floats, Floats]:
    """Covariance of the coefficients (genes × coefficients²) and leverage of each count, with the ridge."""
    n, m = mu.shape
    p = design.shape[1]
    covariance, leverage = np.empty((n, p, p)), np.empty((n, m))
    for rows in row_blocks(np.arange(n), m):
        weight = mu[rows] / (1 + alpha[rows, None] * mu[rows])
        plain = information(weight, design)
        matrices = plain.copy()
        matrices[np.diag_indices(p)] += np.reshape(ridge, (-1, 1))
        inverse = sweep(matrices)[1].transpose(2, 0, 1)
        covariance[rows] = inverse @ plain.transpose(2, 0, 1) @ inverse
        leverage[rows] = weight * ((design @ inverse) * design).sum(axis=2)
    return covariance, leverage
