"""Negative binomial means of many genes at once without any shrinkage: where a group has no counts its mean is 0.

A count has mean mu = library size × exp(design · beta) and variance mu + alpha mu². Designs of groups are solved
group by group, others by Fisher scoring that is damped until the likelihood rises (K. Levenberg 1944; D. Marquardt
1963; for these models D. J. McCarthy, Y. Chen, G. K. Smyth (2012), Nucleic Acids Res. 40:4288,
https://doi.org/10.1093/nar/gks042, supplement). Counts are genes × samples, a design is samples × coefficients of
full rank, library sizes are one a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .negative_binomial import information, row_blocks

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_TOLERANCE = 1e-12
_MOST_STEPS = 250
# Larger than the cache would like, for the last genes of a block take many steps by themselves.
_BLOCK_CELLS = 65_536
_GAIN = 1e-6
#: Dispersions below it are taken by a series.
SERIES_BELOW = 1e-4
# exp of it is 0 for any library, and it keeps sums of coefficients finite.
_NO_COUNTS = -1e8
_LEAST_PIVOT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The groups of samples that a design gives one mean each: ``of`` each sample, and their rows of the design."""

    of: Places
    rows: Floats


def cells_of(design: Floats) -> Cells | None:
    """The groups of a design that has as many as coefficients; None for other designs."""
    rows, of = np.unique(design, axis=0, return_inverse=True)
    return Cells(of.ravel(), rows) if len(rows) == design.shape[1] else None


def fit_means(
    counts: Floats,
    design: Floats,
    sizes: Floats,
    alpha: Floats | float,
    *,
    start: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Coefficients (natural logarithms, genes × coefficients) and means, by maximum likelihood.

    ``alpha``: dispersion, one a gene or one for all. ``start``: coefficients of a similar model. In a design of
    groups the logarithm of a mean of 0 is -1e8.
    """
    a = np.broadcast_to(np.asarray(alpha, dtype=np.float64), (len(counts),))
    cells = cells_of(design)
    beta, mu = np.empty((len(counts), design.shape[1])), np.empty(counts.shape)
    for rows in row_blocks(np.arange(len(counts)), counts.shape[1], n_cells=_BLOCK_CELLS):
        begin = None if start is None else start[rows]
        if cells is None:
            beta[rows], mu[rows] = _scored(counts[rows], design, sizes, a[rows, None], begin)
        else:
            levels = None if begin is None else begin @ cells.rows.T
            logs, mu[rows] = _cell_means(counts[rows], cells, sizes, a[rows, None], levels)
            beta[rows] = np.linalg.solve(cells.rows, logs.T).T
    return beta, mu


def log_determinant(mu: Floats, design: Floats, alpha: Floats | float) -> Floats:
    """Log determinant of X'WX of each gene, no pivot of which is taken below 1e-10."""
    weight = mu / (1 + np.asarray(alpha) * mu)
    cells = cells_of(design)
    if cells is not None:
        sums = np.stack([weight[:, cells.of == k].sum(axis=1) for k in range(len(cells.rows))])
        return np.asarray(np.log(np.maximum(sums, _LEAST_PIVOT)).sum(axis=0))
    total = np.zeros(len(mu))
    for rows in row_blocks(np.arange(len(mu)), mu.shape[1]):
        total[rows] = _eliminated(information(weight[rows], design))
    return total


def _eliminated(matrices: Floats) -> Floats:
    log_det = np.zeros(matrices.shape[2])
    for k in range(len(matrices)):
        pivot = np.maximum(matrices[k, k], _LEAST_PIVOT)
        log_det += np.log(pivot)
        matrices[k + 1 :, k + 1 :] -= matrices[k + 1 :, None, k] * (matrices[None, k, k + 1 :] / pivot)
    return log_det


def _cell_means(
    counts: Floats, cells: Cells, sizes: Floats, alpha: Floats, start: Floats | None
) -> tuple[Floats, Floats]:
    logs, mu = np.empty((len(counts), len(cells.rows))), np.zeros(counts.shape)
    for k in range(len(cells.rows)):
        members = np.flatnonzero(cells.of == k)
        y, s = counts[:, members], sizes[members]
        some = np.flatnonzero(y.any(axis=1))
        logs[:, k] = _NO_COUNTS
        begin = np.log(y[some].sum(axis=1) / s.sum()) if start is None else start[some, k]
        logs[some, k] = _level(y[some], s, alpha[some], begin)
        mu[np.ix_(some, members)] = np.exp(logs[some, k])[:, None] * s
    return logs, mu


def _level(counts: Floats, sizes: Floats, alpha: Floats, level: Floats) -> Floats:
    """The logarithm of count over size of each gene in one group, by Fisher scoring."""
    level = level.copy()
    at = np.arange(len(counts))
    y, a = counts, alpha
    for _ in range(_MOST_STEPS):
        mu = np.exp(level[at])[:, None] * sizes
        rest = 1 / (1 + a * mu)
        step = ((y - mu) * rest).sum(axis=1) / (mu * rest).sum(axis=1)
        level[at] += np.clip(step, -5, 5)
        going = step * step > _TOLERANCE
        if not going.any():
            break
        if not going.all():
            at, y, a = at[going], y[going], a[going]
    return level


def _scored(
    counts: Floats, design: Floats, sizes: Floats, alpha: Floats, start: Floats | None
) -> tuple[Floats, Floats]:
    """Fisher scoring of a block of genes until a step promises to change the likelihood by less than 1e-6.

    A step that lowers the likelihood is tried again with more damping. edgeR stops here too, a thousandth of a standard
    error from the summit at most; to agree with its small fold changes the path has to be the same.
    """
    log_sizes = np.log(sizes)
    beta = _without_effects(counts, design, sizes, alpha) if start is None else start.copy()
    eta = beta @ design.T + log_sizes
    mu = np.exp(eta)
    value = _likelihood(counts, alpha, eta, mu)
    damping, again = np.full(len(counts), np.nan), np.zeros(len(counts), dtype=bool)
    at = np.arange(len(counts))
    for _ in range(_MOST_STEPS):
        step, gain = _damped_step(counts[at], design, alpha[at], mu[at], damping, at)
        new_eta = eta[at] + step @ design.T
        with np.errstate(over="ignore", invalid="ignore"):
            new_mu = np.exp(new_eta)
            new_value = _likelihood(counts[at], alpha[at], new_eta, new_mu)
            better = new_value >= value[at] - 1e-12 * np.abs(value[at])
        taken = at[better]
        beta[taken] += step[better]
        eta[taken], mu[taken], value[taken] = new_eta[better], new_mu[better], new_value[better]
        # The damping falls only where the first try was good.
        damping[at] *= np.where(better, np.where(again[at], 1.0, 0.1), 2.0)
        again[at] = ~better
        at = at[~(better & (gain < _GAIN)) & (damping[at] < 1e12)]
        if len(at) == 0:
            break
    return beta, mu


def _without_effects(counts: Floats, design: Floats, sizes: Floats, alpha: Floats) -> Floats:
    """Coefficients nearest to one mean for all samples: that of count over size, weighted by its precision."""
    weight = sizes / (1 + alpha * sizes)
    level = np.log((counts / sizes * weight).sum(axis=1) / weight.sum(axis=1))
    return np.asarray(level[:, None] * np.linalg.lstsq(design, np.ones(len(design)), rcond=None)[0])


def _damped_step(
    counts: Floats, design: Floats, alpha: Floats, mu: Floats, damping: Floats, at: Places
) -> tuple[Floats, Floats]:
    """The step, and twice the gain of likelihood that it promises; a damping that is NaN is begun, in place."""
    rest = 1 / (1 + alpha * mu)
    matrices = information(mu * rest, design)
    diagonal = np.arange(len(matrices))
    largest = matrices[diagonal, diagonal].max(axis=0)
    begun = np.where(np.isnan(damping[at]), 1e-6 * largest, damping[at])
    damping[at] = np.maximum(begun, 1e-16 * largest)
    matrices[diagonal, diagonal] += damping[at]
    score = ((counts - mu) * rest) @ design
    step = _solved(matrices, score.T.copy()).T
    return step, np.asarray((step * score).sum(axis=1))


def _solved(matrices: Floats, right: Floats) -> Floats:
    """Solutions (p × genes) of positive definite systems (p × p × genes) by elimination; both are used up."""
    p = len(matrices)
    for k in range(p - 1):
        row = matrices[k, k + 1 :] / matrices[k, k]
        matrices[k + 1 :, k + 1 :] -= matrices[k + 1 :, None, k] * row
        right[k + 1 :] -= row * right[k]
    for k in range(p - 1, -1, -1):
        right[k] -= np.einsum("jg,jg->g", matrices[k, k + 1 :], right[k + 1 :])
        right[k] /= matrices[k, k]
    return right


def _likelihood(counts: Floats, alpha: Floats, eta: Floats, mu: Floats) -> Floats:
    """The part of the log likelihood that depends on the mean.

    Below a dispersion of 1e-4 it is the beginning of a series, with half of its second term, as edgeR answers. For a
    count far from its mean that is wrong, and the steps end early, which shows in the trend of all genes.
    """
    if (alpha >= SERIES_BELOW).all():
        return np.asarray((counts * eta - (counts + 1 / alpha) * np.log1p(alpha * mu)).sum(axis=1))
    rest = counts - mu
    series = counts * eta + rest + alpha / 2 * rest**2 * (1 - alpha * counts)
    size = 1 / np.maximum(alpha, SERIES_BELOW)
    value = counts * eta - (counts + size) * np.log1p(mu / size)
    return np.asarray(np.where(alpha < SERIES_BELOW, series, value).sum(axis=1))
