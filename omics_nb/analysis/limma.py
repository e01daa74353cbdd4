"""Moderated statistics of many linear models, with limma's numbers.

Written from G. K. Smyth (2004), "Linear models and empirical Bayes methods for assessing differential
expression in microarray experiments", Stat. Appl. Genet. Mol. Biol. 3:3,
https://doi.org/10.2202/1544-6115.1027; the fits are in ``least_squares``, the variance priors (trend, robust) in
``variance``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import AnalysisError, DesignError
from .distributions import (
    f_upper,
    log_t_two_sided,
    t_from_log_two_sided,
    t_from_two_sided,
    t_two_sided,
)
from .least_squares import Fit
from .variance import squeeze_variance

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moderated:
    """Moderated statistics of a fit: ``t``, ``p_value``, ``log_odds`` (B) are genes × coefficients.

    ``df_prior``, ``var_prior``: of the variance, one a gene. ``var_post``: posterior variance, ``df_total``:
    its degrees of freedom. ``var_prior_coefficient``: of each coefficient where it is not zero, in units of
    the variance.
    """

    fit: Fit
    t: Floats
    p_value: Floats
    log_odds: Floats
    df_prior: Floats
    var_prior: Floats
    var_post: Floats
    df_total: Floats
    var_prior_coefficient: Floats


def e_bayes(
    fit: Fit,
    *,
    trend: bool = False,
    robust: bool = False,
    proportion: float = 0.01,
    stdev_coef_lim: tuple[float, float] = (0.1, 4.0),
    winsor_tail_p: tuple[float, float] = (0.05, 0.1),
) -> Moderated:
    """Moderated t, P and log-odds (Smyth 2004, sections 4 to 6).

    ``trend``: the prior variance follows the average expression. ``robust``: hypervariable genes do not
    inflate it (Phipson et al. 2016). ``proportion``: genes expected to change, for B only. AnalysisError
    without any residual degrees of freedom.
    """
    if not (fit.df_residual > 0).any():
        raise AnalysisError(
            "no residual degrees of freedom: there are as many coefficients as samples; use replicates or a "
            "smaller design"
        )
    prior = squeeze_variance(
        fit.sigma**2,
        fit.df_residual,
        covariate=fit.average if trend else None,
        robust=robust,
        winsor_tail_p=winsor_tail_p,
    )
    df_total = np.minimum(fit.df_residual + prior.df_prior, np.nansum(fit.df_residual))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = fit.coefficients / fit.stdev_unscaled / np.sqrt(prior.var_post)[:, None]
    limits = (
        stdev_coef_lim[0] ** 2 / float(np.nanmedian(prior.var_prior)),
        stdev_coef_lim[1] ** 2 / float(np.nanmedian(prior.var_prior)),
    )
    p_value = t_two_sided(t, df_total[:, None])
    var_coef = np.array(
        [
            _prior_of_coefficient(t_, p, stdev, df_total, proportion, limits)
            for t_, p, stdev in zip(t.T, p_value.T, fit.stdev_unscaled.T, strict=True)
        ]
    )
    return Moderated(
        fit=fit,
        t=t,
        p_value=p_value,
        log_odds=_log_odds(t, fit.stdev_unscaled, df_total, prior.df_prior, var_coef, proportion),
        df_prior=prior.df_prior,
        var_prior=prior.var_prior,
        var_post=prior.var_post,
        df_total=df_total,
        var_prior_coefficient=var_coef,
    )


def top_table(
    moderated: Moderated,
    coefficient: int | str = 0,
    *,
    index: pd.Index | None = None,
    confidence: float | None = None,
) -> pd.DataFrame:
    """All genes in their order: logFC, AveExpr, t, P.Value, adj.P.Val, B.

    ``confidence``: 0.95 adds CI.L and CI.R after logFC. adj.P.Val is of Benjamini and Hochberg over the
    P-values that are there.
    """
    fit = moderated.fit
    j = _position(fit.names, coefficient)
    columns: dict[str, Floats] = {"logFC": fit.coefficients[:, j]}
    if confidence is not None:
        if not 0 < confidence < 1:
            raise AnalysisError(f"confidence must lie between 0 and 1, not {confidence}")
        margin = (
            fit.stdev_unscaled[:, j]
            * np.sqrt(moderated.var_post)
            * _t_quantiles(1 - confidence, moderated.df_total)
        )
        columns |= {"CI.L": columns["logFC"] - margin, "CI.R": columns["logFC"] + margin}
    columns |= {
        "AveExpr": fit.average,
        "t": moderated.t[:, j],
        "P.Value": moderated.p_value[:, j],
        "adj.P.Val": benjamini_hochberg(moderated.p_value[:, j]),
        "B": moderated.log_odds[:, j],
    }
    return pd.DataFrame(columns, index=index)


def f_test(moderated: Moderated) -> tuple[Floats, int, Floats]:
    """Moderated F over all coefficients (or contrasts) of the fit: F, its first degrees of freedom, P."""
    covariance = moderated.fit.cov_coefficients
    scale = np.sqrt(np.diag(covariance))
    eigenvalues, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    keep = eigenvalues > eigenvalues[-1] * 1e-8
    rank = int(keep.sum())
    projected = moderated.t @ (vectors[:, keep] / np.sqrt(eigenvalues[keep] * rank))
    f = np.asarray((projected**2).sum(axis=1))
    return f, rank, f_upper(f, rank, moderated.df_total)


def treat(fit: Fit, lfc: float, *, trend: bool = False, robust: bool = False) -> Moderated:
    """Moderated t-test of |logFC| > ``lfc`` (log2) in place of ≠ 0; log-odds are NaN, for there are none.

    D. J. McCarthy, G. K. Smyth (2009), Bioinformatics 25:765, https://doi.org/10.1093/bioinformatics/btp053.
    """
    if not lfc >= 0:
        raise AnalysisError(f"lfc must be 0 or more (log2 fold change), not {lfc}")
    moderated = e_bayes(fit, trend=trend, robust=robust)
    error = fit.stdev_unscaled * np.sqrt(moderated.var_post)[:, None]
    size = np.abs(fit.coefficients)
    near, far = (size - lfc) / error, (size + lfc) / error
    df = np.broadcast_to(moderated.df_total[:, None], near.shape)
    p_near = t_two_sided(near, df) / 2
    p = np.where(near < 0, 1 - p_near, p_near) + t_two_sided(far, df) / 2
    t = np.sign(fit.coefficients) * np.maximum(near, 0)
    return replace(moderated, t=t, p_value=p, log_odds=np.full_like(t, np.nan))


def benjamini_hochberg(p_value: npt.ArrayLike) -> Floats:
    """Adjusted P-values; NaN stay NaN and do not count.

    Y. Benjamini, Y. Hochberg (1995), J. R. Stat. Soc. B 57:289.
    """
    p = np.asarray(p_value, dtype=np.float64)
    there = np.flatnonzero(~np.isnan(p))
    adjusted = np.full(p.shape, np.nan)
    order = there[np.argsort(p[there], kind="stable")[::-1]]
    n = len(there)
    ranks = np.arange(n, 0, -1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(n / ranks * p[order]))
    return adjusted


def _position(names: tuple[str, ...], coefficient: int | str) -> int:
    if isinstance(coefficient, str):
        if coefficient not in names:
            raise DesignError(f"no coefficient {coefficient!r}; have {list(names)}")
        return names.index(coefficient)
    if not -len(names) <= coefficient < len(names):
        raise DesignError(f"no coefficient number {coefficient}; there are {len(names)}: {list(names)}")
    return coefficient


def _t_quantiles(tail: float, df: Floats) -> Floats:
    distinct, which = np.unique(df, return_inverse=True)
    return np.array([float(t_from_two_sided(tail, float(d))) for d in distinct])[which]


def _prior_of_coefficient(
    t: Floats, p: Floats, stdev: Floats, df: Floats, proportion: float, limits: tuple[float, float]
) -> float:
    """Variance of the coefficients that are not zero, from the largest t (Smyth 2004, section 6.3)."""
    there = np.flatnonzero(~np.isnan(t))
    n_genes = len(there)
    n_target = int(np.ceil(proportion / 2 * n_genes))
    if n_target < 1:
        return float("nan")
    share = max(n_target / n_genes, proportion)
    # Candidates by P; by its logarithm among those whose P is too small for a float.
    n_candidates = max(n_target, int((p[there] < 1e-290).sum()))
    best = there[np.argpartition(p[there], n_candidates - 1)[:n_candidates]]
    log_tail = log_t_two_sided(t[best], df[best])
    order = np.argsort(log_tail, kind="stable")[:n_target]
    best, log_tail = best[order], log_tail[order]
    df_max = float(df[there].max())
    size = np.abs(t[best]) if (df[best] == df_max).all() else t_from_log_two_sided(log_tail, df_max)
    tail = np.exp(log_tail)
    target = ((np.arange(1, n_target + 1) - 0.5) / n_genes - (1 - share) * tail) / share
    above = target > tail
    variance = np.zeros(n_target)
    expected = t_from_two_sided(target[above], df_max)
    variance[above] = stdev[best[above]] ** 2 * ((size[above] / expected) ** 2 - 1)
    return float(np.clip(variance, *limits).mean())


def _log_odds(
    t: Floats, stdev: Floats, df_total: Floats, df_prior: Floats, var_coef: Floats, proportion: float
) -> Floats:
    """B of Smyth (2004), section 5."""
    ratio = (stdev**2 + var_coef) / stdev**2
    square = t**2
    df = df_total[:, None]
    kernel = (1 + df) / 2 * np.log((square + df) / (square / ratio + df))
    # A prior that is certain of the variance makes t normal, whatever the residual degrees of freedom.
    kernel = np.where(df_prior[:, None] > 1e6, square * (1 - 1 / ratio) / 2, kernel)
    return np.asarray(np.log(proportion / (1 - proportion)) - np.log(ratio) / 2 + kernel)
