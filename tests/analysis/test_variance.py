"""Priors of the variance: what was put in is found again."""

from __future__ import annotations

import numpy as np
import pytest

from omics_nb.analysis.variance import squeeze_variance
from omics_nb.errors import AnalysisError


def drawn(n: int, df: float, df_prior: float, var_prior: np.ndarray | float, seed: int = 0) -> np.ndarray:
    """Residual variances of ``n`` genes whose true variances follow the prior."""
    rng = np.random.default_rng(seed)
    true = var_prior * df_prior / rng.chisquare(df_prior, n)
    return np.asarray(true * rng.chisquare(df, n) / df)


def test_the_prior_that_made_the_variances_is_found() -> None:
    prior = squeeze_variance(drawn(50_000, 4, 6, 0.2), 4)
    assert prior.df_prior[0] == pytest.approx(6, rel=0.05)
    assert prior.var_prior[0] == pytest.approx(0.2, rel=0.03)
    np.testing.assert_allclose(prior.var_post, (4 * drawn(50_000, 4, 6, 0.2) + 6.0 * 0.2) / 10, rtol=0.1)


def test_a_trend_of_the_variance_is_followed() -> None:
    level = np.random.default_rng(1).uniform(4, 14, 20_000)
    truth = 0.5 * np.exp(-level / 4)
    prior = squeeze_variance(drawn(20_000, 6, 8, truth), 6, covariate=level)
    np.testing.assert_allclose(prior.var_prior, truth, rtol=0.15)
    flat = squeeze_variance(drawn(20_000, 6, 8, truth), 6)
    assert flat.df_prior[0] < prior.df_prior[0]


@pytest.mark.parametrize("trend", [False, True])
def test_robust_estimation_is_not_misled_by_hypervariable_genes(trend: bool) -> None:
    s2 = drawn(5000, 5, 10, 0.1)
    s2[:150] *= 50
    level = np.random.default_rng(2).uniform(4, 14, 5000) if trend else None
    plain = squeeze_variance(s2, 5, covariate=level)
    robust = squeeze_variance(s2, 5, covariate=level, robust=True)
    assert plain.df_prior[0] < 6
    assert np.median(robust.df_prior) == pytest.approx(10, rel=0.25)
    wild = np.argsort(s2)[-20:]
    assert (robust.df_prior[wild] < 3).all()


def test_equal_variances_have_an_infinite_prior() -> None:
    s2 = np.random.default_rng(3).chisquare(10, 2000) / 10 * 0.3
    prior = squeeze_variance(s2, 10)
    if np.isinf(prior.df_prior[0]):
        np.testing.assert_allclose(prior.var_post, s2.mean())
    else:
        assert prior.df_prior[0] > 100
    np.testing.assert_allclose(prior.var_post, 0.3, rtol=0.1)


def test_a_gene_without_degrees_of_freedom_gets_the_prior() -> None:
    s2 = drawn(1000, 4, 6, 0.2)
    s2[0] = np.nan
    df = np.full(1000, 4.0)
    df[0] = 0
    prior = squeeze_variance(s2, df)
    assert prior.var_post[0] == pytest.approx(prior.var_prior[0])


def test_mostly_constant_genes_are_refused() -> None:
    with pytest.raises(AnalysisError, match="exactly zero"):
        squeeze_variance(np.append(np.zeros(60), np.ones(40)), 4)
    with pytest.raises(AnalysisError, match="no gene"):
        squeeze_variance(np.full(5, np.nan), 4)
