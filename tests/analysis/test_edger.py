"""edgeR's quasi-likelihood test against R, on real counts and on designs with zeros, pairs, covariates and few genes.

``edger/make_reference.R`` made the small tables beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omics_nb import display
from omics_nb.analysis import edger
from omics_nb.analysis.counts import filter_by_expression, tmm_factors
from omics_nb.analysis.de import differential_expression
from omics_nb.errors import AnalysisError, DesignError
from omics_nb.records import Study
from omics_nb.reporting import build_report

from .conftest import reference

HERE = Path(__file__).parent / "edger"


def two(n_first: int, n_second: int) -> np.ndarray:
    return np.repeat([0.0, 1.0], [n_first, n_second])


def dummies(levels: np.ndarray) -> list[np.ndarray]:
    return [(levels == level).astype(float) for level in np.unique(levels)[1:]]


def with_intercept(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(columns[0])), *columns])


SEX = np.tile([0.0, 1.0], 8)
AGE = np.tile([-1.4, -0.1, 0.7, -0.7, 1.6, 0.2], 2)
DESIGNS = {
    "three": with_intercept(two(3, 3)),
    "unequal": with_intercept(two(9, 4)),
    "sparse": with_intercept(two(4, 4)),
    "poisson": with_intercept(two(4, 4)),
    "few": with_intercept(two(4, 4)),
    "paired": with_intercept(*dummies(np.tile(np.arange(5), 2)), two(5, 5)),
    "covariate": with_intercept(AGE, two(6, 6)),
    "levels": with_intercept(*dummies(np.repeat([0, 1, 2], 4))),
    "contrast": with_intercept(*dummies(np.repeat([0, 1, 2], 4))),
    "interaction": with_intercept(SEX, two(8, 8), SEX * two(8, 8)),
}
CONTRASTS = {"levels": np.eye(3)[:, 1:], "contrast": np.array([0.0, -1.0, 1.0])}
ROBUST = {"unequal", "covariate"}
# One group of these is all zeros, and the likelihood gained by the last coefficient is less than where R stops.
NEARLY_NOTHING = {"contrast": {"g6"}, "interaction": {"g6", "g7", "g8", "g9"}}


@pytest.mark.parametrize("name", list(DESIGNS))
def test_each_design_agrees_with_r_gene_by_gene(name: str) -> None:
    table, design = pd.read_csv(HERE / f"{name}.csv.gz", index_col=0), DESIGNS[name]
    counts, expected = table.iloc[:, : len(design)].to_numpy(float), table.iloc[:, len(design) :]
    fitted = edger.ql_fit(counts, design, counts.sum(axis=0) * tmm_factors(counts), robust=name in ROBUST)
    found = edger.ql_test(fitted, CONTRASTS.get(name, np.eye(design.shape[1])[-1]))
    for ours, theirs in zip([c for c in found if c != "FDR"], expected, strict=True):
        far = ~np.isclose(found[ours], expected[theirs], rtol=1e-4, atol=0)
        exempt = NEARLY_NOTHING.get(name, set()) if ours in {"F", "PValue"} else set()
        assert set(table.index[far]) <= exempt
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["strain", "batch_strain"])
def test_bottomly_agrees_with_r(shared: Path, name: str) -> None:
    counts = pd.read_csv(shared / "counts/bottomly_count_table.tsv", sep="\t", index_col=0)
    sheet = pd.read_csv(shared / "counts/bottomly_phenodata.tsv", sep=r"\s+", index_col=0).loc[counts.columns]
    strain = (sheet["strain"] != "C57BL/6J").to_numpy(float)
    batch = dummies(sheet["experiment.number"].to_numpy()) if name == "batch_strain" else []
    design = with_intercept(*batch, strain)
    kept = counts[filter_by_expression(counts, design)].to_numpy(float)
    fitted = edger.ql_fit(kept, design, kept.sum(axis=0) * tmm_factors(kept))
    found = edger.ql_test(fitted, np.eye(design.shape[1])[-1])
    expected = reference(shared, f"bottomly_{name}_edger_ql")
    for column in ("logFC", "logCPM", "F", "PValue", "FDR"):
        far = ~np.isclose(found[column], expected[column], rtol=1e-4, atol=0)
        # Changes next to 0 and their F, of which the last digits are where Newton's steps stop.
        assert (np.abs(found["logFC"][far]) < 1e-3).all()
        assert far.sum() <= 3


def test_a_study_is_tested_and_genes_without_a_result_say_why(count_study: Study) -> None:
    result = differential_expression(
        count_study, contrast=("genotype", "mutant", "wild type"), method="edger"
    )
    assert list(result.table) == ["symbol", "logFC", "logCPM", "F", "PValue", "FDR", "reason"]
    assert len(set(result.significant(0.05, 1.0).index) & {f"F{i + 1}" for i in range(30)}) >= 28
    untested = result.table["PValue"].isna()
    assert set(result.table["reason"][untested]) == {"no counts in any sample", "too few counts to test"}
    assert any("biological coefficient of variation" in note for note in result.notes)
    assert "FDR ≤ 0.05" in display.result_html(result)
    said = " ".join(str(statement) for statement in build_report(count_study, result).methods)
    assert "quasi-likelihood" in said
    assert "Chen 2016" in said


def test_exact_zeros_take_degrees_of_freedom() -> None:
    rng = np.random.default_rng(3)
    counts = rng.negative_binomial(5, 0.05, (60, 8)).astype(float)
    counts[0, :4] = 0
    fitted = edger.ql_fit(counts, DESIGNS["sparse"], counts.sum(axis=0))
    assert fitted.df_residual[0] == 3
    assert (fitted.df_residual[1:] == 6).all()


def test_what_has_no_answer_is_refused() -> None:
    counts = np.random.default_rng(3).poisson(50, (60, 8)).astype(float)
    sizes = counts.sum(axis=0)
    with pytest.raises(DesignError, match="no replicate"):
        edger.ql_fit(counts[:, :2], np.eye(2), sizes[:2])
    with pytest.raises(DesignError, match="full rank"):
        edger.ql_fit(counts, np.ones((8, 2)), sizes)
    with pytest.raises(AnalysisError, match="5 counts or more"):
        edger.ql_fit(np.zeros((3, 8)), DESIGNS["sparse"], sizes)
    fitted = edger.ql_fit(counts, DESIGNS["sparse"], sizes)
    with pytest.raises(DesignError, match="must not follow"):
        edger.ql_test(fitted, np.ones((2, 2)))
