"""RNA-seq counts: filter, TMM and voom against R, and what they must refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.analysis.counts import (
    checked_counts,
    filter_by_expression,
    log_cpm,
    tmm_factors,
    voom,
    voom_fit,
)
from omics_nb.analysis.limma import e_bayes, top_table
from omics_nb.errors import AnalysisError, ScaleError

from .conftest import assert_agrees, reference


@pytest.fixture(scope="module")
def bottomly(shared: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Counts, strain (1 for D2) and batch of each sample."""
    counts = pd.read_csv(shared / "counts" / "bottomly_count_table.tsv", sep="\t", index_col=0)
    sheet = pd.read_csv(shared / "counts" / "bottomly_phenodata.tsv", sep="\t", index_col=0).loc[
        counts.columns
    ]
    return counts, (sheet["strain"] != "C57BL/6J").to_numpy(float), sheet["experiment.number"].to_numpy()


def design_of(strain: np.ndarray, batch: np.ndarray | None) -> np.ndarray:
    columns = [np.ones(len(strain))]
    if batch is not None:
        columns += [(batch == level).astype(float) for level in np.unique(batch)[1:]]
    return np.column_stack([*columns, strain])


def test_tmm_factors_agree_with_r(
    shared: Path, bottomly: tuple[pd.DataFrame, np.ndarray, np.ndarray]
) -> None:
    counts, strain, _ = bottomly
    kept = counts[filter_by_expression(counts, design_of(strain, None))]
    expected = reference(shared, "bottomly_TMM")
    np.testing.assert_array_equal(kept.sum(axis=0), expected["lib.size"])
    np.testing.assert_allclose(tmm_factors(kept), expected["norm.factors"], rtol=1e-10)


@pytest.mark.parametrize("design", ["strain", "batch_strain"])
def test_voom_agrees_with_r_on_every_gene(
    shared: Path, bottomly: tuple[pd.DataFrame, np.ndarray, np.ndarray], design: str
) -> None:
    counts, strain, batch = bottomly
    x = design_of(strain, batch if design == "batch_strain" else None)
    kept = counts[filter_by_expression(counts, x)]
    voomed = voom(kept, x, library_sizes=kept.sum(axis=0) * tmm_factors(kept))
    table = top_table(e_bayes(voom_fit(voomed, x)), x.shape[1] - 1, index=kept.index)
    assert_agrees(table, reference(shared, f"bottomly_{design}_voom_limma"))


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_tmm_does_not_mind_deeper_libraries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.negative_binomial(5, 0.01, size=(300, 1)) + 1
    depth = np.array([1, 2, 5, 10])
    np.testing.assert_allclose(tmm_factors(one * depth), 1.0, atol=0.05)


def test_tmm_sees_through_a_change_of_composition() -> None:
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(20, 0.02, size=(1000, 2))
    counts[:100, 1] *= 20
    # A twentyfold tenth leaves the others a smaller share of the second library: its factor is below one.
    factors = tmm_factors(counts)
    assert factors[1] / factors[0] == pytest.approx(
        counts[100:, 1].sum() / counts[:, 1].sum() / (counts[100:, 0].sum() / counts[:, 0].sum()), rel=0.1
    )
    assert np.prod(factors) == pytest.approx(1)


def test_the_filter_asks_for_counts_in_as_many_samples_as_the_smallest_group() -> None:
    design = np.column_stack([np.ones(6), [0, 0, 1, 1, 1, 1]])
    background = np.full((50, 6), 200_000)
    genes = np.array([[12, 12, 0, 0, 0, 0], [12, 0, 0, 0, 0, 0], [7, 7, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    kept = filter_by_expression(np.vstack([genes, background]), design)
    assert list(kept[:4]) == [True, False, False, False]
    assert kept[4:].all()


@pytest.mark.parametrize(
    ("value", "said"), [(-1.0, "negative"), (0.5, "whole"), (np.nan, "missing"), (np.inf, "missing")]
)
def test_what_is_no_count_is_refused(value: float, said: str) -> None:
    with pytest.raises(ScaleError, match=said):
        checked_counts(np.array([[1, 2], [3, value]]))


def test_a_library_without_counts_is_refused() -> None:
    with pytest.raises(AnalysisError, match=r"\[1\]"):
        tmm_factors([[5, 0], [6, 0]])


def test_voom_without_replicates_is_refused() -> None:
    with pytest.raises(AnalysisError, match="residual"):
        voom([[5, 9], [6, 8]], np.eye(2))


def test_log_cpm_of_zero_is_the_same_in_every_library() -> None:
    sizes = np.array([1e6, 5e6])
    values = log_cpm([[0, 0], [100, 500]], sizes)
    assert values[0, 0] == pytest.approx(values[0, 1])
    assert values[1, 0] == pytest.approx(values[1, 1])
