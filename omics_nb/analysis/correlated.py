"""Samples that belong together: repeated or paired samples of a subject as correlated errors.

G. K. Smyth, J. Michaud, H. S. Scott (2005), "Use of within-array replicate spots for assessing differential
expression in microarray experiments", Bioinformatics 21:2067, https://doi.org/10.1093/bioinformatics/bti270:
one correlation for all genes, the mean of the genes' REML estimates on the scale of Fisher's z, tails
trimmed; then generalised least squares with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError, DesignError
from .limma import Fit, fit_any_rank, lm_fit

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

_MOST_STEPS = 100
_TRIM = 0.15


def duplicate_correlation(
    values: npt.ArrayLike, design: npt.ArrayLike, block: Sequence[object]
) -> tuple[float, Floats]:
    """The correlation of samples of one block, and Fisher's z of each gene's own (NaN where it has none).

    DesignError where no block has two samples, or every block is told apart by the design already.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    z = _membership(block, y.shape[1])
    size = int(z.sum(axis=0).max())
    if size < 2:
        raise DesignError(
            f"no block has two samples, so there is no correlation within blocks: {sorted(map(str, block))}"
        )
    lowest, highest = 1 / (1 - size) + 0.01, 0.99
    fisher = np.full(len(y), np.nan)
    for rows, seen in _patterns(y):
        parts = _components(x[seen], z[seen])
        if parts is None:
            continue
        basis, eigenvalues = parts
        residual, between = _variance_components((y[np.ix_(rows, seen)] @ basis) ** 2, eigenvalues)
        fisher[rows] = np.arctanh(np.clip(between / (between + residual), lowest, highest))
    known = np.sort(fisher[np.isfinite(fisher)])
    if len(known) == 0:
        raise DesignError(
            "the design tells every block apart already; take the block out of the design or out of the call"
        )
    cut = int(np.floor(len(known) * _TRIM))
    return float(np.tanh(known[cut : len(known) - cut].mean())), fisher


def correlated_fit(
    values: npt.ArrayLike,
    design: npt.ArrayLike,
    block: Sequence[object],
    correlation: float,
    *,
    weights: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Fit:
    """Generalised least squares of each gene with one correlation within blocks; NaN are left out.

    ``weights``: one a sample; a weight divides the variance of its sample.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    z = _membership(block, y.shape[1])
    covariance = correlation * (z @ z.T)
    np.fill_diagonal(covariance, 1.0)
    if weights is not None:
        root = np.sqrt(np.asarray(weights, dtype=np.float64))
        if root.shape != (y.shape[1],) or not (root > 0).all():
            raise AnalysisError("weights beside a correlation must be positive, one a sample")
        covariance = covariance / np.outer(root, root)
    labels = tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(x.shape[1]))
    white = _whitener(covariance)
    # The empty fit checks the design and holds the covariance of a complete gene.
    fit = lm_fit(np.zeros((0, y.shape[1])), white @ x, names=labels)
    fit = _room_for(fit, len(y))
    for rows, seen in _patterns(y):
        white = _whitener(covariance[np.ix_(seen, seen)])
        some = y[np.ix_(rows, seen)]
        part = fit_any_rank(some @ white.T, white @ x[seen], names=labels)
        fit.coefficients[rows], fit.stdev_unscaled[rows] = part.coefficients, part.stdev_unscaled
        fit.sigma[rows], fit.df_residual[rows] = part.sigma, part.df_residual
        fit.average[rows] = some.mean(axis=1) if seen.any() else np.nan
    return replace(fit, exact=bool(np.isfinite(y).all()))


def _membership(block: Sequence[object], n_samples: int) -> Floats:
    if len(block) != n_samples:
        raise DesignError(f"{len(block)} blocks for {n_samples} samples; give one for each")
    levels = list(dict.fromkeys(block))
    return np.array([[float(name == level) for level in levels] for name in block])


def _patterns(y: Floats) -> Iterator[tuple[Rows, npt.NDArray[np.bool_]]]:
    """Genes that miss the same samples, with the samples that they have."""
    seen = np.isfinite(y)
    patterns, which = np.unique(seen, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(which.ravel(), minlength=len(patterns)))
    yield from zip(np.split(order, ends[:-1]), patterns, strict=True)


def _components(x: Floats, z: Floats) -> tuple[Floats, Floats] | None:
    """A basis of the residual space in which the block effects are independent, and their eigenvalues."""
    q, size, _ = np.linalg.svd(x, full_matrices=True)
    rank = int((size > 1e-7 * size[0]).sum()) if len(size) else 0
    rest = q[:, rank:]
    if rest.shape[1] < 2:
        return None
    vectors, singular, _ = np.linalg.svd(rest.T @ z, full_matrices=True)
    eigenvalues = np.zeros(rest.shape[1])
    eigenvalues[: len(singular)] = singular**2
    # One distinct eigenvalue cannot tell the two variances apart.
    if np.ptp(eigenvalues) < 1e-10:
        return None
    return rest @ vectors, eigenvalues


def _variance_components(squares: Floats, eigenvalues: Floats) -> tuple[Floats, Floats]:
    """Residual and between-block variance of each gene by REML: squares are Gamma with mean θ₁ + θ₂ ·
    eigenvalue.

    Fisher scoring with steps damped until the deviance falls, for all genes at once.
    """
    floor = 1e-15 * squares.mean(axis=1, keepdims=True) + 1e-300
    squares = np.maximum(squares, floor)
    residual = squares.mean(axis=1)
    between = np.zeros_like(residual)
    deviance = _deviance(squares, residual, between, eigenvalues)
    damping = np.full(len(squares), 1e-6)
    active = np.arange(len(squares))
    for _ in range(_MOST_STEPS):
        trial = _scored(squares[active], residual[active], between[active], eigenvalues, damping[active])
        after = _deviance(squares[active], *trial, eigenvalues)
        better = after <= deviance[active]
        gain = deviance[active] - after
        taken = active[better]
        residual[taken], between[taken] = trial[0][better], trial[1][better]
        deviance[taken] = after[better]
        damping[active] = np.where(better, damping[active] / 10, np.maximum(damping[active], 1e-6) * 10)
        done = (better & (gain < 1e-13 * (np.abs(after) + 1))) | (damping[active] > 1e12)
        active = active[~done]
        if len(active) == 0:
            break
    return residual, between


def _scored(
    squares: Floats, residual: Floats, between: Floats, eigenvalues: Floats, damping: Floats
) -> tuple[Floats, Floats]:
    mean = residual[:, None] + between[:, None] * eigenvalues
    weight = 1 / mean**2
    excess = weight * (squares - mean)
    a, b, c = weight.sum(axis=1), weight @ eigenvalues, weight @ eigenvalues**2
    a, c = a * (1 + damping), c * (1 + damping)
    first, second = excess.sum(axis=1), excess @ eigenvalues
    determinant = a * c - b * b
    return residual + (c * first - b * second) / determinant, between + (a * second - b * first) / determinant


def _deviance(squares: Floats, residual: Floats, between: Floats, eigenvalues: Floats) -> Floats:
    mean = residual[:, None] + between[:, None] * eigenvalues
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (squares / mean - np.log(squares / mean) - 1).sum(axis=1)
    return np.asarray(np.where((mean > 0).all(axis=1), value, np.inf))


def _whitener(covariance: Floats) -> Floats:
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))


def _room_for(fit: Fit, n_genes: int) -> Fit:
    n_coef = len(fit.names)
    return replace(
        fit,
        coefficients=np.full((n_genes, n_coef), np.nan),
        stdev_unscaled=np.full((n_genes, n_coef), np.nan),
        sigma=np.full(n_genes, np.nan),
        df_residual=np.zeros(n_genes),
        average=np.full(n_genes, np.nan),
    )
