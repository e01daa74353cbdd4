"""Array weights, vooma and voom with quality weights: R's numbers, and samples that deserve less trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.least_squares import lm_fit
from omics_nb.analysis.limma import e_bayes, top_table
from omics_nb.analysis.normalise import quantile_normalise
from omics_nb.analysis.scale import to_log2
from omics_nb.analysis.weights import array_weights, voom_with_quality_weights, vooma
from omics_nb.errors import AnalysisError

from .conftest import assert_agrees, read_matrix, reference

Gse4107 = tuple[np.ndarray, np.ndarray, pd.Index]


@pytest.fixture(scope="module")
def gse4107(shared: Path) -> Gse4107:
    """Quantile-normalised log2 values, design (patients against controls), probes."""
    matrix, titles = read_matrix(shared / "geo/series/GSE4nnn/GSE4107/matrix/GSE4107_series_matrix.txt.gz")
    design = np.column_stack([np.ones(22), ["healthy" not in title for title in titles]])
    return quantile_normalise(to_log2(matrix)), design, matrix.index


def test_quantile_normalisation_agrees_with_r(shared: Path, gse4107: Gse4107) -> None:
    values, design, probes = gse4107
    table = top_table(e_bayes(lm_fit(values, design)), 1, index=probes)
    assert_agrees(table, reference(shared, "GSE4107_quantile_limma"))


def test_array_weights_agree_with_r(shared: Path, gse4107: Gse4107) -> None:
    values, design, probes = gse4107
    weights = array_weights(values, design)
    np.testing.assert_allclose(weights, reference(shared, "GSE4107_array_weights")["weight"], rtol=1e-10)
    table = top_table(e_bayes(lm_fit(values, design, weights=weights)), 1, index=probes)
    assert_agrees(table, reference(shared, "GSE4107_array_weights_limma"))


def test_vooma_agrees_with_r(shared: Path, gse4107: Gse4107) -> None:
    values, design, probes = gse4107
    table = top_table(e_bayes(lm_fit(values, design, weights=vooma(values, design))), 1, index=probes)
    assert_agrees(table, reference(shared, "GSE4107_vooma_limma"))


@pytest.fixture
def noisy() -> tuple[np.ndarray, np.ndarray]:
    """500 genes, 8 samples in two groups; the third sample has three times the deviation of the others."""
    rng = np.random.default_rng(0)
    values = 8 + rng.normal(0, 0.3, (500, 8))
    values[:, 2] = 8 + rng.normal(0, 0.9, 500)
    return values, np.column_stack([np.ones(8), np.repeat([0, 1], 4)])


@pytest.mark.parametrize("gene_by_gene", [False, True])
def test_a_noisy_sample_gets_less_weight(noisy: tuple[np.ndarray, np.ndarray], gene_by_gene: bool) -> None:
    weights = array_weights(*noisy, gene_by_gene=gene_by_gene)
    assert np.prod(weights) == pytest.approx(1)
    assert weights.argmin() == 2
    others = np.delete(weights, 2)
    assert others.mean() / weights[2] == pytest.approx(9, rel=0.25)


def test_missing_values_do_not_hide_a_noisy_sample(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    values, design = noisy
    values = values.copy()
    values[np.random.default_rng(1).random(values.shape) < 0.1] = np.nan
    values[0] = np.nan
    values[1, :4] = np.nan
    weights = array_weights(values, design)
    assert weights.argmin() == 2
    assert np.delete(weights, 2).mean() / weights[2] == pytest.approx(9, rel=0.3)


@pytest.mark.parametrize("level", [0.0, 5.0])
@pytest.mark.parametrize("gene_by_gene", [False, True])
def test_genes_that_do_not_vary_tell_nothing_of_the_samples(
    noisy: tuple[np.ndarray, np.ndarray], level: float, gene_by_gene: bool
) -> None:
    values, design = noisy
    more = np.vstack([values, np.full((3, values.shape[1]), level)])
    weights = array_weights(more, design, gene_by_gene=gene_by_gene)
    np.testing.assert_allclose(weights, array_weights(values, design, gene_by_gene=gene_by_gene), rtol=1e-10)


def test_a_larger_prior_draws_weights_together(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    assert np.ptp(array_weights(*noisy, prior_n=5000)) < np.ptp(array_weights(*noisy, prior_n=10))


def test_too_few_degrees_of_freedom_are_refused() -> None:
    with pytest.raises(AnalysisError, match="two residual degrees"):
        array_weights(np.zeros((5, 3)), np.eye(3)[:, :2])


def test_quality_weights_find_a_poor_library() -> None:
    rng = np.random.default_rng(2)
    mean = np.exp(rng.normal(5, 1, (400, 1))) * np.ones((1, 8))
    mean[:, 5] *= np.exp(rng.normal(0, 0.8, 400))
    counts = rng.negative_binomial(20, 20 / (20 + mean))
    design = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    voomed = voom_with_quality_weights(counts, design)
    samples = voomed.sample_weights
    assert samples is not None
    assert samples.argmin() == 5
    assert voomed.weights.shape == counts.shape
    assert voomed.weights[:, 5].mean() < voomed.weights[:, 6].mean()


def test_quantile_normalisation_gives_one_distribution_and_keeps_ties_and_gaps() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(100, 4)) * [1, 2, 3, 4]
    same = quantile_normalise(values)
    ordered = np.sort(same, axis=0)
    np.testing.assert_allclose(ordered, ordered[:, :1] * np.ones((1, 4)), atol=1e-12)
    np.testing.assert_array_equal(np.argsort(same, axis=0), np.argsort(values, axis=0))
    values[5, 1] = values[6, 1]
    values[7, 2] = np.nan
    result = quantile_normalise(values)
    assert result[5, 1] == result[6, 1]
    assert np.isnan(result).sum() == 1


def test_quantile_normalisation_refuses_what_it_cannot_rank() -> None:
    with pytest.raises(AnalysisError, match="some in every sample"):
        quantile_normalise([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(AnalysisError, match="finite"):
        quantile_normalise([[1.0, 2.0], [2.0, np.inf]])
