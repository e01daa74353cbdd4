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
from .least_squares import Fit, fit_any_rank, lm_fit

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

_MOST_STEPS = 400
_GAIN = 1e-6
_TRIM = 0.15
_BLOCK = 1024
#: No more than this share of a gene's sum of squares is what rounding leaves where the design explains all of it.
_ROUNDING = 1e-24


def duplicate_correlation(
    values: npt.ArrayLike,
    design: npt.ArrayLike,
    block: Sequence[object],
    *,
    weights: npt.ArrayLike | None = None,
) -> tuple[float, Floats]:
    """The correlation of samples of one block, and Fisher's z of each gene's own (NaN where it has none).

    ``weights``: genes × samples, positive, for values without gaps (voom).

    DesignError where no block has two samples, or every block is told apart by the design already.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    z = _membership(block, y.shape[1])
    size = int(z.sum(axis=0).max())
    if size < 2:
        raise DesignError(
            f"no block has two samples, so there is no correlation within blocks: {sorted(map(str, block))}"
        )
    limits = 1 / (1 - size) + 0.01, 0.99
    if weights is None:
        fisher = _fisher(y, x, z, limits)
    else:
        fisher = _weighted_fisher(y, x, z, np.asarray(weights, dtype=np.float64), limits)
    known = np.sort(fisher[np.isfinite(fisher)])
    if len(known) == 0:
        raise DesignError(
            "the design tells every block apart already, or leaves no gene a variance; take the block out of the "
            "design or out of the call"
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

    ``weights``: one a sample, or genes × samples for values without gaps; a weight divides the variance.
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(design, dtype=np.float64)
    z = _membership(block, y.shape[1])
    covariance = correlation * (z @ z.T)
    np.fill_diagonal(covariance, 1.0)
    labels = tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(x.shape[1]))
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    if w is not None and (w.shape not in {y.shape[1:], y.shape} or not (w > 0).all()):
        raise AnalysisError("weights beside a correlation must be positive, one a sample or one a value")
    if w is not None and w.ndim == 1:
        covariance = covariance / np.sqrt(np.outer(w, w))
    # The empty fit checks the design and holds the covariance of a complete gene.
    white = _whitener(covariance)
    fit = _room_for(lm_fit(np.zeros((0, y.shape[1])), white @ x, names=labels), len(y))
    if w is not None and w.ndim == 2:
        _fit_weighted(fit, y, x, white, w)
        return replace(fit, exact=False)
    for rows, seen in _patterns(y):
        white = _whitener(covariance[np.ix_(seen, seen)])
        some = y[np.ix_(rows, seen)]
        part = fit_any_rank(some @ white.T, white @ x[seen], names=labels)
        fit.coefficients[rows], fit.stdev_unscaled[rows] = part.coefficients, part.stdev_unscaled
        fit.sigma[rows], fit.df_residual[rows] = part.sigma, part.df_residual
        fit.average[rows] = some.mean(axis=1) if seen.any() else np.nan
    return replace(fit, exact=bool(np.isfinite(y).all()))


def _fit_weighted(fit: Fit, y: Floats, x: Floats, white: Floats, weights: Floats) -> None:
    """Coefficients of genes that have a weight for each value; in place."""
    n, p = x.shape
    fit.average[:] = y.mean(axis=1)
    fit.df_residual[:] = n - p
    for rows in _blocks_of(len(y)):
        root = np.sqrt(weights[rows])
        q, r = np.linalg.qr(white @ (root[:, :, None] * x))
        response = (root * y[rows]) @ white.T
        effects = np.einsum("gnp,gn->gp", q, response)
        inverse = np.linalg.inv(r)
        fit.coefficients[rows] = np.einsum("gij,gj->gi", inverse, effects)
        fit.stdev_unscaled[rows] = np.sqrt((inverse**2).sum(axis=2))
        residual = response - np.einsum("gnp,gp->gn", q, effects)
        fit.sigma[rows] = np.sqrt((residual**2).sum(axis=1) / (n - p))


def _fisher(y: Floats, x: Floats, z: Floats, limits: tuple[float, float]) -> Floats:
    fisher = np.full(len(y), np.nan)
    for rows, seen in _patterns(y):
        parts = _components(x[seen], z[seen])
        if parts is None:
            continue
        basis, eigenvalues = parts
        some = y[np.ix_(rows, seen)]
        fisher[rows] = _fisher_of((some @ basis) ** 2, eigenvalues[None], (some**2).sum(axis=1), limits)
    return fisher


def _weighted_fisher(y: Floats, x: Floats, z: Floats, weights: Floats, limits: tuple[float, float]) -> Floats:
    fisher = np.full(len(y), np.nan)
    n, p = x.shape
    if n - p < 2 or _components(x, z) is None:
        return fisher
    for rows in _blocks_of(len(y)):
        root = np.sqrt(weights[rows])
        rest = np.linalg.qr(root[:, :, None] * x, mode="complete")[0][:, :, p:]
        vectors, singular, _ = np.linalg.svd(rest.transpose(0, 2, 1) @ z, full_matrices=True)
        eigenvalues = np.zeros((len(root), n - p))
        eigenvalues[:, : singular.shape[1]] = singular**2
        some = root * y[rows]
        squares = np.einsum("gkj,gk->gj", vectors, np.einsum("gnk,gn->gk", rest, some)) ** 2
        fisher[rows] = _fisher_of(squares, eigenvalues, (some**2).sum(axis=1), limits)
    return fisher


def _fisher_of(squares: Floats, eigenvalues: Floats, total: Floats, limits: tuple[float, float]) -> Floats:
    """Fisher's z of each gene; NaN where nothing is left beside the design, whose rounding would give any number.

    ``total``: the gene's sum of squares.
    """
    varies = squares.sum(axis=1) > _ROUNDING * total
    fisher = np.full(len(squares), np.nan)
    if varies.any():
        eigenvalues = np.broadcast_to(eigenvalues, squares.shape)[varies]
        residual, between = _variance_components(squares[varies], eigenvalues)
        fisher[varies] = np.arctanh(np.clip(between / (between + residual), *limits))
    return fisher


def _blocks_of(n_genes: int) -> Iterator[slice]:
    for start in range(0, n_genes, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_genes))


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
    """Residual and between-block variance of each gene by REML: squares are Gamma with mean θ₁ + θ₂ · eigenvalue.

    ``eigenvalues``: one row a gene, or one for all.

    Fisher scoring with steps damped until the deviance falls, for all genes at once. Start, damping and the end (a gain
    below 1e-6) are those that statmod's answers show, for the last digits of the correlation depend on them.
    """
    floor = 1e-15 * squares.mean(axis=1, keepdims=True) + 1e-300
    squares = np.maximum(squares, floor)
    eigenvalues = np.broadcast_to(eigenvalues, squares.shape)
    residual, between = _least_squares(squares, eigenvalues)
    deviance = _deviance(squares, residual, between, eigenvalues)
    damping, again = np.full(len(squares), np.nan), np.zeros(len(squares), dtype=bool)
    active = np.arange(len(squares))
    for _ in range(_MOST_STEPS):
        steps, gain = _scored(
            squares[active], residual[active], between[active], eigenvalues[active], damping, active
        )
        trial = residual[active] + steps[0], between[active] + steps[1]
        after = _deviance(squares[active], *trial, eigenvalues[active])
        better = after <= deviance[active] + 1e-14 * np.abs(deviance[active])
        taken = active[better]
        residual[taken], between[taken] = trial[0][better], trial[1][better]
        deviance[taken] = after[better]
        damping[active] *= np.where(better, np.where(again[active], 1.0, 0.1), 2.0)
        again[active] = ~better
        active = active[~(better & (gain < _GAIN)) & (damping[active] < 1e300)]
        if len(active) == 0:
            break
    return residual, between


def _least_squares(squares: Floats, eigenvalues: Floats) -> tuple[Floats, Floats]:
    """Where to begin: the line through the squares, or their mean where the line is not above 0 everywhere."""
    offset = eigenvalues - eigenvalues.mean(axis=1, keepdims=True)
    slope = (squares * offset).sum(axis=1) / (offset**2).sum(axis=1)
    level = squares.mean(axis=1) - slope * eigenvalues.mean(axis=1)
    positive = ((level[:, None] + slope[:, None] * eigenvalues) > 0).all(axis=1)
    return np.where(positive, level, squares.mean(axis=1)), np.where(positive, slope, 0.0)


def _scored(
    squares: Floats, residual: Floats, between: Floats, eigenvalues: Floats, damping: Floats, active: Rows
) -> tuple[tuple[Floats, Floats], Floats]:
    """The steps of both variances, and twice the gain of likelihood that they promise; a damping of NaN is begun."""
    mean = residual[:, None] + between[:, None] * eigenvalues
    weight = 1 / mean**2
    excess = weight * (squares - mean)
    tilted = weight * eigenvalues
    a, b, c = weight.sum(axis=1), tilted.sum(axis=1), (tilted * eigenvalues).sum(axis=1)
    damping[active] = np.where(np.isnan(damping[active]), (a + c) / 4, damping[active])
    a, c = a + damping[active], c + damping[active]
    first, second = excess.sum(axis=1), (excess * eigenvalues).sum(axis=1)
    determinant = a * c - b * b
    steps = (c * first - b * second) / determinant, (a * second - b * first) / determinant
    return steps, steps[0] * first + steps[1] * second


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
