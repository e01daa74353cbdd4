"""Differential expression of a whole study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.de import differential_expression
from omics_nb.errors import AnalysisError, DesignError, NoMatrixError, ScaleError
from omics_nb.records import Contrast, Study

from .conftest import MakeStudy, assert_agrees, read_matrix, reference

DRUG = ("treatment", "drug", "vehicle")
COLUMNS = ["symbol", "logFC", "AveExpr", "t", "P.Value", "adj.P.Val", "B"]


def test_planted_genes_are_found_with_their_direction(array_study: Study) -> None:
    result = differential_expression(array_study, contrast=DRUG)
    assert set(result.significant(0.01).index) == {f"F{i + 1}" for i in range(20)}
    assert (result.table["logFC"].to_numpy()[:20] > 1.3).all()
    turned = differential_expression(array_study, contrast=("treatment", "vehicle", "drug"))
    np.testing.assert_allclose(turned.table["logFC"], -result.table["logFC"], atol=1e-12)


def test_the_result_says_how_it_was_made(array_study: Study) -> None:
    result = differential_expression(array_study, contrast=DRUG, design="~ batch + treatment")
    assert result.contrast == Contrast(*DRUG)
    assert (result.method, result.design, result.platform) == ("limma", "~ batch + treatment", "GPL1")
    assert result.groups["tested"] == ("GSM5", "GSM6", "GSM7", "GSM8")
    assert result.groups["reference"] == ("GSM1", "GSM2", "GSM3", "GSM4")
    assert "log2 scale" in result.scale_decision
    assert {"omics-nb", "python", "numpy", "scipy", "pandas", "formulaic"} == set(result.versions)
    assert list(result.table) == COLUMNS
    assert list(result.table["symbol"][:2]) == ["GENE1", "GENE2"]


def test_raw_values_are_logged_and_said(array_study: Study) -> None:
    logged = differential_expression(array_study, contrast=DRUG)
    raw = replace(array_study, matrices={"GPL1": 2 ** array_study.matrices["GPL1"]})
    result = differential_expression(raw, contrast=DRUG)
    assert "raw scale" in result.scale_decision
    np.testing.assert_allclose(result.table["P.Value"], logged.table["P.Value"], rtol=1e-9)
    asked = differential_expression(raw, contrast=DRUG, log2=False)
    assert "as asked" in asked.scale_decision
    assert not np.allclose(asked.table["logFC"], result.table["logFC"])


def test_counts_are_analysed_by_voom_and_rare_genes_say_why_not(count_study: Study) -> None:
    result = differential_expression(count_study, contrast=("genotype", "mutant", "wild type"))
    assert result.method == "voom"
    assert list(result.table) == [*COLUMNS, "reason"]
    assert len(result.table) == 500
    found = set(result.significant(0.05, 1.0).index)
    assert len(found & {f"F{i + 1}" for i in range(30)}) >= 28
    assert result.table["reason"].iloc[-1] == "no counts in any sample"
    assert set(result.table["reason"].iloc[-50:]) == {"no counts in any sample", "too few counts to test"}
    tested = result.table["P.Value"].notna()
    assert (result.table["reason"][tested] == "").all()
    assert (result.table["reason"][~tested] != "").all()


def test_missing_values_carry_their_reason(array_study: Study) -> None:
    values = array_study.matrices["GPL1"].copy()
    values.iloc[30] = np.nan
    values.iloc[31, 4:] = np.nan
    values.iloc[32, 0] = np.nan
    result = differential_expression(replace(array_study, matrices={"GPL1": values}), contrast=DRUG)
    reason = result.table["reason"]
    assert reason.iloc[30] == "no values in any sample"
    assert reason.iloc[31] == "no values in the tested group"
    assert reason.iloc[32] == ""
    assert result.table["P.Value"].notna().sum() == 198


def test_values_without_a_logarithm_are_missing_and_counted(make_study: MakeStudy) -> None:
    values = np.random.default_rng(0).lognormal(6, 1, (50, 6))
    values[0] = -1.5
    values[1, :3] = 0
    study = make_study(values, {"treatment": ["vehicle"] * 3 + ["drug"] * 3})
    result = differential_expression(study, contrast=DRUG)
    assert result.table["reason"].iloc[0] == "no value above 0 to take the logarithm of"
    assert result.table["reason"].iloc[1] == "no values in the reference group"
    assert any(note.startswith("9 values at or below 0") for note in result.notes)


def test_samples_of_other_levels_stay_in_the_fit(make_study: MakeStudy) -> None:
    study = make_study(
        np.random.default_rng(1).normal(8, 1, (40, 9)), {"treatment": ["vehicle", "drug", "other"] * 3}
    )
    result = differential_expression(study, contrast=DRUG)
    assert any("3 samples of other levels" in note for note in result.notes)
    assert sum(len(members) for members in result.groups.values()) == 6


def test_counts_are_refused_by_limma_and_intensities_by_voom(count_study: Study, array_study: Study) -> None:
    with pytest.raises(ScaleError, match="method='voom'"):
        differential_expression(count_study, contrast=("genotype", "mutant", "wild type"), method="limma")
    with pytest.raises(ScaleError, match="whole numbers"):
        differential_expression(array_study, contrast=DRUG, method="voom")


def test_whole_numbers_that_may_be_counts_are_asked_about(count_study: Study) -> None:
    contrast = ("genotype", "mutant", "wild type")
    unsaid = replace(count_study, value_kind="expression")
    with pytest.raises(ScaleError, match="counts, or rounded intensities"):
        differential_expression(unsaid, contrast=contrast)
    said = differential_expression(unsaid, contrast=contrast, method="voom")
    known = differential_expression(count_study, contrast=contrast)
    pd.testing.assert_frame_equal(said.table, known.table)
    arrays = replace(unsaid, types=("Expression profiling by array",))
    assert any("intensities" in note for note in differential_expression(arrays, contrast=contrast).notes)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"contrast": ("treatment", "drugs", "vehicle")}, DesignError, "did you mean 'drug'"),
        ({"contrast": ("dose", "drug", "vehicle")}, DesignError, "no factor 'dose'"),
        ({"contrast": ("treatment", "drug")}, DesignError, "three texts"),
        ({"contrast": DRUG, "design": "~ batch"}, DesignError, "does not hold the factor 'treatment'"),
        ({"contrast": DRUG, "design": "~ treatment * batch"}, DesignError, "interaction"),
        ({"contrast": DRUG, "method": "edgeR2"}, AnalysisError, "no method 'edgeR2'"),
        ({"contrast": DRUG, "platform": "GPL9"}, NoMatrixError, "GPL9"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(
    array_study: Study, options: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        differential_expression(array_study, **options)  # type: ignore[arg-type]


def test_a_study_without_a_matrix_says_where_values_may_be(array_study: Study) -> None:
    empty = replace(array_study, matrices={}, notes=("Counts may be in the supplementary files.",))
    with pytest.raises(NoMatrixError, match="supplementary"):
        differential_expression(empty, contrast=DRUG)


def test_gse42872_agrees_with_r_from_its_proposed_contrast(shared: Path, make_study: MakeStudy) -> None:
    matrix, titles = read_matrix(shared / "geo/series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz")
    study = make_study(matrix.to_numpy(), {"title": titles})
    result = differential_expression(study, contrast=("title group", "Vemurafenib", "Control"))
    expected = reference(shared, "GSE42872_limma")
    assert_agrees(result.table.set_axis(expected.index), expected)


def test_pairs_are_used_through_a_block(make_study: MakeStudy) -> None:
    rng = np.random.default_rng(9)
    patients = rng.normal(0, 1.5, (300, 6))[:, np.repeat(np.arange(6), 2)]
    values = 8 + patients + rng.normal(0, 0.4, (300, 12))
    values[:20, 1::2] += 1
    columns = {"tissue": ["normal", "tumor"] * 6, "patient": [name for name in "abcdef" for _ in range(2)]}
    study = make_study(values, columns)
    contrast = ("tissue", "tumor", "normal")
    blocked = differential_expression(study, contrast=contrast, block="patient")
    plain = differential_expression(study, contrast=contrast)
    assert len(blocked.significant(0.05)) >= 18 > len(plain.significant(0.05))
    assert any("correlated by 0.9" in note for note in blocked.notes)
    fixed = differential_expression(study, contrast=contrast, design="~ patient + tissue")
    np.testing.assert_allclose(blocked.table["logFC"], fixed.table["logFC"], atol=1e-9)
    assert np.corrcoef(np.log(blocked.table["P.Value"]), np.log(fixed.table["P.Value"]))[0, 1] > 0.95
    with pytest.raises(DesignError, match="no factor 'subject'"):
        differential_expression(study, contrast=contrast, block="subject")


@pytest.mark.parametrize("option", ["trend", "robust", "quantile", "sample_weights"])
def test_an_option_changes_the_numbers_and_is_said(array_study: Study, option: str) -> None:
    plain = differential_expression(array_study, contrast=DRUG)
    changed = differential_expression(array_study, contrast=DRUG, **{option: True})  # type: ignore[arg-type]
    assert not np.allclose(plain.table["P.Value"], changed.table["P.Value"])
    assert len(changed.notes) == len(plain.notes) + 1


@pytest.mark.parametrize("options", [{"method": "limma-trend"}, {"sample_weights": True}, {"robust": True}])
def test_counts_have_other_ways_that_find_the_same_genes(
    count_study: Study, options: dict[str, object]
) -> None:
    contrast = ("genotype", "mutant", "wild type")
    result = differential_expression(count_study, contrast=contrast, **options)  # type: ignore[arg-type]
    assert len(set(result.significant(0.05, 1.0).index) & {f"F{i + 1}" for i in range(30)}) >= 28
    assert result.method == options.get("method", "voom")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"log2": True}, "leave log2 out"),
        ({"quantile": True}, "TMM"),
    ],
)
def test_options_that_counts_do_not_take_are_refused(
    count_study: Study, options: dict[str, object], said: str
) -> None:
    with pytest.raises(AnalysisError, match=said):
        differential_expression(
            count_study,
            contrast=("genotype", "mutant", "wild type"),
            **options,  # type: ignore[arg-type]
        )
