"""Least squares of one design for many genes at once: missing values, weights, contrasts of coefficients.

As G. K. Smyth (2004), section 2, and limma's lmFit and contrasts.fit have it: "Linear models and empirical Bayes
methods for assessing differential expression in microarray experiments", Stat. Appl. Genet. Mol. Biol. 3:3,
https://doi.org/10.2202/1544-6115.1027. Values are genes × samples; a design is samples × coefficients, of full rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..errors import AnalysisError, DesignError

Floats = npt.NDArray[np.float64]

#: A column is a linear combination of earlier ones if this share of its length is left beside them.
RANK_TOLERANCE = 1e-7
_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Least-squares fits of one design to every gene; NaN where a gene leaves a coefficient undetermined.

    ``coefficients``, ``stdev_unscaled``: genes × coefficients; a standard error is ``stdev_unscaled *
    sigma``. ``sigma``: residual standard deviation, NaN without residual degrees of freedom. ``df_residual``,
    ``average`` (mean of a gene's values): one a gene. ``cov_coefficients``: unscaled covariance of the
    coefficients for a gene with all its values and no weights of its own. ``exact``: that matrix holds for
    every gene.
    """

    coefficients: Floats
    stdev_unscaled: Floats
    sigma: Floats
    df_residual: Floats
    average: Floats
    cov_coefficients: Floats
    names: tuple[str, ...]
    exact: bool = True


def lm_fit(
    values: npt.ArrayLike,
    design: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Fit:
    """Fit the design to each row of ``values`` by (weighted) least squares; NaN are left out gene by gene.

    ``weights``: one a sample, or genes × samples; an observation whose weight is 0 or NaN is left out. Where
    missing values leave a coefficient of a gene undetermined, it is NaN for that gene. DesignError if the
    design does not fit the samples or is not of full rank.
    """
    y = np.asarray(values, dtype=np.float64)
    x = _checked_design(y, design)
    labels = tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(x.shape[1]))
    if len(labels) != x.shape[1]:
        raise DesignError(f"{len(labels)} names for {x.shape[1]} coefficients")
    w = _checked_weights(y, weights)
    per_gene = w is not None and w.ndim == 2
    complete = np.zeros(len(y), dtype=bool)
    if not per_gene and (w is None or (w > 0).all()):
        complete |= np.isfinite(y).all(axis=1)
    root = np.ones(y.shape[1]) if w is None or per_gene else np.sqrt(np.where(w > 0, w, 0.0))
    exact = bool(complete.all())
    covariance = _unscaled_covariance(x * root[:, None] if exact else x)
    fit = _empty_fit(y, covariance, labels, exact=exact)
    if complete.any():
        _fit_complete(fit, y, x, root, complete)
    _fit_others(fit, y, x, w, np.flatnonzero(~complete))
    return fit


def fit_any_rank(values: Floats, design: Floats, *, names: tuple[str, ...]) -> Fit:
    """Least squares where the design may not be of full rank; values without NaN.

    Coefficients that follow from earlier ones are NaN, as for the genes of ``lm_fit`` that miss values.
    """
    fit = _empty_fit(values, np.full((len(names), len(names)), np.nan), names, exact=False)
    rows = np.arange(len(values))
    fit.average[:] = values.mean(axis=1) if values.shape[1] else np.nan
    everything = np.ones((1, values.shape[1]))
    which = np.zeros(len(values), dtype=np.intp)
    _fit_block(fit, rows, values.copy(), design, everything, which, np.full(len(values), values.shape[1]))
    return fit


def contrasts_fit(fit: Fit, contrasts: npt.ArrayLike, *, names: Sequence[str] | None = None) -> Fit:
    """Contrasts of the coefficients: ``contrasts`` is coefficients × contrasts, or a vector for one.

    Where genes miss values or have weights of their own, the standard error of a combination of several
    correlated coefficients uses their correlation in a complete gene, as limma does; it is exact for a single
    coefficient and for group-mean designs. A NaN coefficient only matters where its weight is not 0.
    """
    c = np.asarray(contrasts, dtype=np.float64)
    c = c[:, None] if c.ndim == 1 else c
    if c.shape[0] != len(fit.names) or not np.isfinite(c).all():
        raise DesignError(
            f"contrasts must have one finite row for each of {list(fit.names)}, not shape {c.shape}"
        )
    used = c != 0
    undetermined = np.isnan(fit.coefficients) @ used.astype(float) > 0
    beta = np.where(np.isnan(fit.coefficients), 0.0, fit.coefficients)
    su = np.where(np.isnan(fit.stdev_unscaled), 0.0, fit.stdev_unscaled)
    scale = np.sqrt(np.diag(fit.cov_coefficients))
    correlation = fit.cov_coefficients / np.outer(scale, scale)
    stdev = np.empty((len(beta), c.shape[1]))
    for j in range(c.shape[1]):
        weighted = su * c[:, j]
        stdev[:, j] = np.sqrt(
            np.maximum(np.einsum("gi,ij,gj->g", weighted, correlation, weighted, optimize=True), 0)
        )
    stdev[undetermined] = np.nan
    coefficients = beta @ c
    coefficients[undetermined] = np.nan
    return replace(
        fit,
        coefficients=coefficients,
        stdev_unscaled=stdev,
        cov_coefficients=c.T @ fit.cov_coefficients @ c,
        names=tuple(names)
        if names is not None
        else tuple(_contrast_name(column, fit.names) for column in c.T),
    )


def dependent_columns(design: npt.ArrayLike) -> dict[int, tuple[int, ...]]:
    """Columns that are linear combinations of earlier ones → the earlier columns that make them up."""
    x = np.asarray(design, dtype=np.float64)
    kept: list[int] = []
    dependent: dict[int, tuple[int, ...]] = {}
    for j in range(x.shape[1]):
        earlier = x[:, kept]
        solution = np.linalg.lstsq(earlier, x[:, j], rcond=None)[0] if kept else np.zeros(0)
        rest = x[:, j] - earlier @ solution
        if np.linalg.norm(rest) > RANK_TOLERANCE * np.linalg.norm(x[:, j]):
            kept.append(j)
        else:
            dependent[j] = tuple(k for k, share in zip(kept, solution, strict=True) if abs(share) > 1e-6)
    return dependent


def without_contrasts(design: Floats, contrasts: Floats) -> Floats:
    """The design under which all contrasts are 0: its coefficients span what is orthogonal to them."""
    named = (contrasts != 0).any(axis=1)
    if named.sum() == contrasts.shape[1]:
        return np.asarray(design[:, ~named])
    q, _ = np.linalg.qr(contrasts, mode="complete")
    return np.asarray(design @ q[:, contrasts.shape[1] :])


def _checked_design(y: Floats, design: npt.ArrayLike) -> Floats:
    x = np.asarray(design, dtype=np.float64)
    if y.ndim != 2 or x.ndim != 2:
        raise DesignError(f"values and design must be two-dimensional, not {y.ndim} and {x.ndim}")
    if x.shape[0] != y.shape[1]:
        raise DesignError(f"the design has {x.shape[0]} rows for {y.shape[1]} samples; it needs one for each")
    if not np.isfinite(x).all():
        raise DesignError(
            "the design holds values that are missing or infinite; leave those samples out first"
        )
    dependent = dependent_columns(x)
    if dependent or x.shape[1] == 0:
        raise DesignError(
            f"the design is not of full rank: columns {sorted(dependent)} follow from the others"
        )
    return x


def _checked_weights(y: Floats, weights: npt.ArrayLike | None) -> Floats | None:
    if weights is None:
        return None
    w = np.asarray(weights, dtype=np.float64)
    if w.shape not in {(y.shape[1],), y.shape}:
        raise AnalysisError(
            f"weights of shape {w.shape} for values of shape {y.shape}; give one a sample or one a value"
        )
    if (w < 0).any() or np.isinf(w).any():
        raise AnalysisError("weights must be finite and not negative")
    return w


def _unscaled_covariance(x: Floats) -> Floats:
    r = np.linalg.qr(x, mode="r")
    inverse = np.linalg.inv(r)
    return np.asarray(inverse @ inverse.T)


def _empty_fit(y: Floats, covariance: Floats, names: tuple[str, ...], *, exact: bool) -> Fit:
    n_genes, n_coef = len(y), len(names)
    return Fit(
        coefficients=np.full((n_genes, n_coef), np.nan),
        stdev_unscaled=np.full((n_genes, n_coef), np.nan),
        sigma=np.full(n_genes, np.nan),
        df_residual=np.zeros(n_genes),
        average=np.full(n_genes, np.nan),
        cov_coefficients=covariance,
        names=names,
        exact=exact,
    )


def _fit_complete(fit: Fit, y: Floats, x: Floats, root: Floats, complete: npt.NDArray[np.bool_]) -> None:
    q, r = np.linalg.qr(x * root[:, None])
    solve = np.linalg.inv(r)
    stdev = np.sqrt((solve**2).sum(axis=1))
    df = x.shape[0] - x.shape[1]
    for rows in _blocks(np.flatnonzero(complete)):
        block = y[rows]
        fit.average[rows] = block.mean(axis=1)
        block *= root
        effects = block @ q
        block -= effects @ q.T
        fit.coefficients[rows] = effects @ solve.T
        fit.stdev_unscaled[rows] = stdev
        fit.df_residual[rows] = df
        if df > 0:
            fit.sigma[rows] = np.sqrt(np.einsum("gn,gn->g", block, block) / df)


def _fit_others(fit: Fit, y: Floats, x: Floats, w: Floats | None, genes: npt.NDArray[np.intp]) -> None:
    """Genes with missing values or weights of their own, by Gram-Schmidt over many genes at once.

    Genes that miss the same samples share the decomposition of the design.
    """
    for rows in _blocks(genes):
        block = y[rows]
        seen = np.isfinite(block)
        fit.average[rows] = _mean_of_seen(block, seen)
        if w is not None:
            seen &= (w if w.ndim == 1 else w[rows]) > 0
        if w is not None and w.ndim == 2:
            root = np.sqrt(np.where(seen, w[rows], 0.0))
            which = np.arange(len(rows))
        else:
            root, which = _patterns(seen)
            root *= 1.0 if w is None else np.sqrt(np.where(w > 0, w, 0.0))
        block = np.where(seen, block, 0.0) * root[which]
        _fit_block(fit, rows, block, x, root, which, seen.sum(axis=1))


def _patterns(seen: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The distinct rows, as numbers, and which of them each row is."""
    n_samples = seen.shape[1]
    packed = np.packbits(seen, axis=1)
    # One word a row is sorted much faster than a row of bytes.
    padded = np.zeros((len(seen), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    words = padded.view(np.uint64)
    by = words.ravel() if words.shape[1] == 1 else words
    distinct, which = np.unique(by, axis=0, return_inverse=True)
    as_bytes = np.ascontiguousarray(distinct).reshape(-1, words.shape[1]).view(np.uint8)
    return np.unpackbits(as_bytes, axis=1, count=n_samples).astype(float), which.ravel()


def _fit_block(
    fit: Fit,
    rows: npt.NDArray[np.intp],
    residual: Floats,
    x: Floats,
    root: Floats,
    which: npt.NDArray[np.intp],
    n_seen: npt.NDArray[np.intp],
) -> None:
    q, r, estimable = _gram_schmidt(x, root)
    inverse = _inverse_upper(r, estimable)
    effects = np.empty((len(rows), x.shape[1]))
    for j in range(x.shape[1]):
        column = q[j][which]
        effects[:, j] = np.einsum("gn,gn->g", column, residual)
        residual -= effects[:, j, None] * column
    known = estimable[which]
    coefficients = np.einsum("gij,gj->gi", inverse[which], effects)
    fit.coefficients[rows] = np.where(known, coefficients, np.nan)
    fit.stdev_unscaled[rows] = np.where(known, np.sqrt((inverse**2).sum(axis=2))[which], np.nan)
    df = n_seen - known.sum(axis=1)
    fit.df_residual[rows] = df
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.einsum("gn,gn->g", residual, residual) / df)
    fit.sigma[rows] = np.where(df > 0, sigma, np.nan)


def _gram_schmidt(x: Floats, root: Floats) -> tuple[list[Floats], Floats, npt.NDArray[np.bool_]]:
    """QR of ``root[u, :, None] * x`` for every u; columns that follow from earlier ones get a zero q."""
    n_patterns, n_coef = len(root), x.shape[1]
    q = [root * x[:, j] for j in range(n_coef)]
    lengths = [np.sqrt(np.einsum("un,un->u", column, column)) for column in q]
    r = np.zeros((n_patterns, n_coef, n_coef))
    estimable = np.zeros((n_patterns, n_coef), dtype=bool)
    for j in range(n_coef):
        # Twice is enough (Giraud et al. 2005): orthogonal to machine precision.
        for _ in range(2 if j else 0):
            for i in range(j):
                share = np.einsum("un,un->u", q[i], q[j])
                r[:, i, j] += share
                q[j] -= share[:, None] * q[i]
        norm = np.sqrt(np.einsum("un,un->u", q[j], q[j]))
        estimable[:, j] = (norm > RANK_TOLERANCE * lengths[j]) & (norm > 0)
        r[:, j, j] = norm
        q[j] *= np.where(estimable[:, j], 1 / np.where(estimable[:, j], norm, 1.0), 0.0)[:, None]
    return q, r, estimable


def _inverse_upper(r: Floats, estimable: npt.NDArray[np.bool_]) -> Floats:
    """Inverses of upper triangular matrices; rows and columns of undetermined coefficients are zero."""
    n_coef = r.shape[1]
    inverse = np.zeros_like(r)
    for j in range(n_coef):
        diagonal = np.where(estimable[:, j], 1 / np.where(estimable[:, j], r[:, j, j], 1.0), 0.0)
        inverse[:, j, j] = diagonal
        for i in range(j - 1, -1, -1):
            total = np.einsum("uk,uk->u", r[:, i, i + 1 : j + 1], inverse[:, i + 1 : j + 1, j])
            inverse[:, i, j] = -total * inverse[:, i, i]
    return inverse


def _mean_of_seen(block: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    n = seen.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(seen, block, 0.0).sum(axis=1) / np.where(n > 0, n, np.nan))


def _blocks(rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _contrast_name(weights: Floats, names: tuple[str, ...]) -> str:
    parts = []
    for weight, name in zip(weights, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            parts.append(("- " if weight < 0 else "+ ") + size + name)
    return " ".join(parts).removeprefix("+ ")
