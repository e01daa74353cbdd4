"""Thresholds, shrunken fold changes and the likelihood ratio test of DESeq2, against R.

``deseq2/make_more.R`` made the tables. The gene g6 (an outlier alone in its group) does not converge in R, and of g5
and g9 among the twelve an outlier was replaced, which R's lfcShrink takes back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.de import differential_expression
from omics_nb.errors import AnalysisError, DesignError
from omics_nb.records import Study

from .conftest import MakeStudy
from .test_deseq2 import FORMULAS, HERE, SHEETS, of_r

NAMES = ["six", "twelve", "levels", "paired"]


def study_of(make_study: MakeStudy, name: str) -> Study:
    return make_study(of_r(name)[0], SHEETS[name], value_kind="counts", types=("Sequencing",))


EXEMPT = {("twelve", "s"): {"g5", "g9"}}


def assert_like_r(name: str, letter: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    expected = pd.read_csv(HERE / f"{name}_more.csv.gz", index_col=0)
    for column in columns:
        ours, theirs = table[column].to_numpy(), expected[f"{letter}.{column}"].to_numpy()
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        far = ~np.isclose(ours, theirs, rtol=1e-4, atol=1e-8, equal_nan=True)
        assert set(expected.index[far]) <= {"g6"} | EXEMPT.get((name, letter), set()), column


def last_of(name: str) -> tuple[str, str, str]:
    return ("group", "C" if name == "levels" else "B", "A")


@pytest.mark.parametrize("name", NAMES)
def test_a_threshold_of_fold_change_agrees_with_r(make_study: MakeStudy, name: str) -> None:
    result = differential_expression(
        study_of(make_study, name),
        contrast=last_of(name),
        design=FORMULAS.get(name),
        method="deseq2",
        lfc=0.5,
    )
    assert_like_r(name, "t", result.table, ("log2FoldChange", "lfcSE", "stat", "pvalue", "padj"))


@pytest.mark.parametrize("name", NAMES)
def test_shrunken_fold_changes_agree_with_r_and_leave_p_alone(make_study: MakeStudy, name: str) -> None:
    asked: dict[str, Any] = {
        "contrast": last_of(name), "design": FORMULAS.get(name), "method": "deseq2",
    }  # fmt: skip
    result = differential_expression(study_of(make_study, name), shrink=True, **asked)
    assert_like_r(name, "s", result.table, ("baseMean", "log2FoldChange", "lfcSE", "pvalue", "padj"))
    plain = differential_expression(study_of(make_study, name), **asked)
    np.testing.assert_array_equal(result.table["pvalue"], plain.table["pvalue"])
    assert any("drawn towards 0" in note for note in result.notes)


@pytest.mark.parametrize("name", NAMES)
def test_the_likelihood_ratio_test_agrees_with_r(make_study: MakeStudy, name: str) -> None:
    from omics_nb.analysis import deseq2, deseq2_more
    from omics_nb.analysis.design import build_design

    study = study_of(make_study, name)
    design = build_design(study.samples, FORMULAS.get(name, "~ group"), factor="group", reference="A").matrix
    counts = study.matrices["GPL1"].to_numpy()
    fitted = deseq2.fit(counts, design, deseq2.size_factors(counts))
    tested = np.eye(design.shape[1])[:, 1:] if name == "levels" else np.eye(design.shape[1])[:, -1:]
    assert_like_r(
        name, "l", deseq2_more.likelihood_ratio_test(fitted, tested).table, ("stat", "pvalue", "padj")
    )


def test_levels_are_tested_together_by_their_likelihood(make_study: MakeStudy) -> None:
    study = study_of(make_study, "levels")
    result = differential_expression(study, contrast="group", method="deseq2")
    assert_like_r("levels", "l", result.table, ("stat", "pvalue", "padj"))
    b, c = result.each
    np.testing.assert_array_equal(result.table["log2FoldChange C vs A"], c.table["log2FoldChange"])
    assert (b.contrast.tested, c.contrast.tested) == ("B", "C")


def test_only_one_coefficient_is_shrunken(make_study: MakeStudy) -> None:
    study = study_of(make_study, "levels")
    with pytest.raises(DesignError, match="with an intercept"):
        differential_expression(
            study, contrast=("group", "C", "A"), design="~ 0 + group", method="deseq2", shrink=True
        )
    with pytest.raises(AnalysisError, match="one comparison at a time"):
        differential_expression(study, contrast="group", method="deseq2", shrink=True)
