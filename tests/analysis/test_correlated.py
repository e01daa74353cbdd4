"""Samples of one subject as correlated errors."""

from __future__ import annotations

import numpy as np
import pytest

from omics_nb.analysis.correlated import correlated_fit, duplicate_correlation
from omics_nb.analysis.least_squares import lm_fit
from omics_nb.analysis.limma import e_bayes
from omics_nb.errors import AnalysisError, DesignError

BLOCK = ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f", "f"]
BETWEEN = np.column_stack([np.ones(12), np.repeat([0, 1], 6)])
WITHIN = np.column_stack([np.ones(12), np.tile([0, 1], 6)])


def simulated(correlation: float, n: int = 2000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    subject = rng.normal(0, np.sqrt(correlation), (n, 6))[:, np.repeat(np.arange(6), 2)]
    return np.asarray(subject + rng.normal(0, np.sqrt(1 - correlation), (n, 12)))


@pytest.mark.parametrize("design", [BETWEEN, WITHIN], ids=["between", "within"])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.7])
def test_the_correlation_that_was_put_in_is_found(design: np.ndarray, correlation: float) -> None:
    found, of_genes = duplicate_correlation(simulated(correlation), design, BLOCK)
    assert found == pytest.approx(correlation, abs=0.05)
    assert of_genes.shape == (2000,)


@pytest.mark.parametrize("weighted", [False, True])
def test_genes_that_the_design_explains_wholly_have_no_correlation(*, weighted: bool) -> None:
    values = simulated(0.5, n=40)
    more = np.vstack([np.zeros(12), np.full(12, 2.1), 3.3 - 1.4 * BETWEEN[:, 1], values])
    weights = np.linspace(0.5, 2, 12) if weighted else None

    def found(y: np.ndarray) -> tuple[float, np.ndarray]:
        spread = None if weights is None else np.broadcast_to(weights, y.shape)
        return duplicate_correlation(y, BETWEEN, BLOCK, weights=spread)

    correlation, of_genes = found(more)
    assert np.isnan(of_genes[:3]).all()
    assert correlation == pytest.approx(found(values)[0], rel=1e-12)


def test_missing_values_and_unequal_blocks_are_taken_as_they_are() -> None:
    values = simulated(0.6)
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    found, _ = duplicate_correlation(values, BETWEEN, [*BLOCK[:-1], "g"])
    assert found == pytest.approx(0.6, abs=0.06)


def test_each_gene_is_at_the_optimum_of_its_restricted_likelihood() -> None:
    values = simulated(0.4, n=20, seed=4)
    block = ["a", "a", "a", "b", "b", "c", "c", "c", "d", "d", "e", "f"]
    _, fisher = duplicate_correlation(values, BETWEEN, block)
    member = np.array([[name == other for other in block] for name in block], dtype=float)

    def restricted(y: np.ndarray, correlation: float) -> float:
        v = correlation * member + (1 - correlation) * np.eye(12)
        inverse = np.linalg.inv(v)
        gram = BETWEEN.T @ inverse @ BETWEEN
        rest = y - BETWEEN @ np.linalg.solve(gram, BETWEEN.T @ inverse @ y)
        s2 = rest @ inverse @ rest / 10
        return float(-0.5 * (10 * np.log(s2) + np.linalg.slogdet(v)[1] + np.linalg.slogdet(gram)[1]))

    checked = 0
    for y, z in zip(values, fisher, strict=True):
        best = np.tanh(z)
        if -0.45 < best < 0.95:
            checked += 1
            assert restricted(y, best) >= restricted(y, best + 1e-3) - 1e-9
            assert restricted(y, best) >= restricted(y, best - 1e-3) - 1e-9
    assert checked > 10


def test_pairs_within_blocks_gain_and_comparisons_between_blocks_lose() -> None:
    values = simulated(0.7)
    for design, gains in ((WITHIN, True), (BETWEEN, False)):
        plain, joined = lm_fit(values, design), correlated_fit(values, design, BLOCK, 0.7)
        assert (joined.stdev_unscaled[0, 1] < plain.stdev_unscaled[0, 1]) == gains


def test_p_values_between_blocks_are_right_only_with_the_correlation() -> None:
    values = simulated(0.7)
    correlation, _ = duplicate_correlation(values, BETWEEN, BLOCK)
    naive = e_bayes(lm_fit(values, BETWEEN)).p_value[:, 1]
    joined = e_bayes(correlated_fit(values, BETWEEN, BLOCK, correlation)).p_value[:, 1]
    assert (naive < 0.05).mean() > 0.1
    assert (joined < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_without_correlation_it_is_least_squares_also_with_gaps() -> None:
    values = simulated(0.2, n=30)
    values[0] = np.nan
    values[1, :6] = np.nan
    values[2, 3] = np.nan
    joined, plain = correlated_fit(values, BETWEEN, BLOCK, 0.0), lm_fit(values, BETWEEN)
    for name in ("coefficients", "stdev_unscaled", "sigma", "df_residual", "average"):
        np.testing.assert_allclose(getattr(joined, name), getattr(plain, name), err_msg=name)


def test_blocks_that_cannot_be_used_are_refused() -> None:
    values = simulated(0.3, n=10)
    with pytest.raises(DesignError, match="no block has two samples"):
        duplicate_correlation(values, BETWEEN, list("abcdefghijkl"))
    with pytest.raises(DesignError, match="3 blocks for 12 samples"):
        duplicate_correlation(values, BETWEEN, ["a", "b", "c"])
    blocked = np.column_stack([np.ones(12), *[[float(name == level) for name in BLOCK] for level in "bcdef"]])
    with pytest.raises(DesignError, match="tells every block apart"):
        duplicate_correlation(values, blocked, BLOCK)
    with pytest.raises(AnalysisError, match="positive"):
        correlated_fit(values, BETWEEN, BLOCK, 0.3, weights=np.zeros(12))
