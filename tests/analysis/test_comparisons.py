"""Designs of many kinds against limma in R, through the verb: levels together, interactions, pairs, blocks, weights.

``limma/make_reference.R`` made the tables beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.contrasts import read_contrasts
from omics_nb.analysis.de import differential_expression
from omics_nb.errors import AnalysisError, DesignError
from omics_nb.records import Contrast, DEResult, Study

from .conftest import build_study

HERE = Path(__file__).parent / "limma"
AGES = (HERE / "ages.txt").read_text().split()
DOSES = ["none"] * 6 + ["low"] * 5 + ["high"] * 5
SHEET = {
    "sex": ["f", "m"] * 8,
    "dose": DOSES,
    "patient": list("12345678" * 2),
    "drug": ["no"] * 8 + ["yes"] * 8,
    "age": AGES,
}
DRUG = ("drug", "yes", "no")
HIGH = ("dose", "high", "none")


def of_r(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / f"{name}.csv.gz", index_col=0, float_precision="round_trip")


def arrays(n_features: int | None = None) -> Study:
    return build_study(of_r("arrays").to_numpy()[:n_features], SHEET)


def counted() -> Study:
    columns = {"group": ["A"] * 6 + ["B"] * 6, "litter": list("123456" * 2)}
    return build_study(of_r("counts").to_numpy(), columns, value_kind="counts", types=("Sequencing",))


def assert_like_r(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Every column that R gives: logFC, limits and AveExpr to 1e-9, the others to relative 1e-7, B to 1e-6."""
    found = table.loc[expected.index]
    for name in expected:
        absolute = 1e-6 if name == "B" else 1e-9 if name in {"logFC", "AveExpr", "CI.L", "CI.R"} else 0
        np.testing.assert_allclose(
            found[name], expected[name], rtol=0 if absolute else 1e-7, atol=absolute or 1e-12, err_msg=name
        )


def test_levels_are_tested_together_and_each_for_itself() -> None:
    result = differential_expression(arrays(199), contrast="dose", confidence=0.95, design="~ 0 + dose")
    assert_like_r(result.table, of_r("levels_f"))
    assert result.contrast == Contrast("dose", "low or high", "none")
    low, high = result.each
    assert high.contrast == Contrast(*HIGH)
    assert_like_r(high.table, of_r("levels_high"))
    assert high.groups["tested"] == tuple(f"GSM{i}" for i in range(12, 17))
    changes = result.table[["logFC low vs none", "logFC high vs none"]]
    np.testing.assert_array_equal(changes["logFC low vs none"], low.table["logFC"])
    np.testing.assert_array_equal(result.table["logFC"].abs(), changes.abs().max(axis=1))


@pytest.mark.parametrize(("name", "options"), [("", {}), ("_robust", {"trend": True, "robust": True})])
def test_a_threshold_of_fold_change_agrees_with_treat(name: str, options: dict[str, Any]) -> None:
    result = differential_expression(arrays(199), contrast=HIGH, lfc=0.3, design="~ 0 + dose", **options)
    assert_like_r(result.table, of_r(f"levels_treat{name}"))
    assert "B" not in result.table
    assert any("larger than 0.3" in note for note in result.notes)


CASES: dict[str, dict[str, Any]] = {
    "interaction": {"by": ("sex", "m", "f")},
    "within_m": {"by": ("sex", "m")},
    "paired_trend": {"design": "~ patient + drug", "trend": True},
    "covariate_robust": {"design": "~ age + drug", "robust": True},
    "block": {"block": "patient"},
    "weighted_gaps": {"sample_weights": True},
}


@pytest.mark.parametrize("name", list(CASES))
def test_each_design_agrees_with_r_missing_values_and_all(name: str) -> None:
    assert_like_r(differential_expression(arrays(), contrast=DRUG, **CASES[name]).table, of_r(name))


@pytest.mark.parametrize(("name", "options"), [("weighted", {}), ("weighted_block", {"block": "patient"})])
def test_sample_weights_agree_with_r_within_blocks_too(name: str, options: dict[str, Any]) -> None:
    result = differential_expression(arrays(199), contrast=DRUG, sample_weights=True, **options)
    assert_like_r(result.table, of_r(name))


COUNTED: dict[str, dict[str, Any]] = {
    "voom": {},
    "voom_quality": {"sample_weights": True},
    "limma_trend": {"method": "limma-trend"},
    "voom_block": {"block": "litter"},
    "voom_quality_block": {"block": "litter", "sample_weights": True},
}


@pytest.mark.parametrize("name", list(COUNTED))
def test_each_way_of_counts_agrees_with_r(name: str) -> None:
    result = differential_expression(counted(), contrast=("group", "B", "A"), **COUNTED[name])
    assert_like_r(result.table, of_r(name))


def test_contrasts_may_be_listed_and_edger_tests_them_together_too() -> None:
    listed = [("dose", "low", "none"), HIGH]
    by_name = differential_expression(arrays(199), contrast="dose")
    result = differential_expression(arrays(199), contrast=listed)
    pd.testing.assert_frame_equal(result.table, by_name.table)
    rng = np.random.default_rng(5)
    mean = np.full((200, 12), 80.0)
    mean[:20, 8:] *= 4
    counts = rng.negative_binomial(10, 10 / (10 + mean))
    study = build_study(counts, {"dose": ["none", "low", "high"] * 4}, value_kind="counts")
    together = differential_expression(study, contrast=listed, method="edger")
    assert list(together.table) == [
        "symbol", "logFC", "logFC low vs none", "logFC high vs none", "logCPM", "F", "PValue", "FDR",
    ]  # fmt: skip
    assert [len(one.table) for one in together.each] == [200, 200]


def refused(**options: Any) -> DEResult:
    return differential_expression(arrays(199), **({"contrast": DRUG} | options))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"contrast": [DRUG, HIGH]}, DesignError, "of one factor"),
        ({"contrast": [HIGH, ("dose", "none", "high")]}, DesignError, "follow from each other"),
        ({"contrast": []}, DesignError, "a list of such"),
        ({"contrast": "doses"}, DesignError, "no factor 'doses'"),
        ({"contrast": "dose", "lfc": 1.0}, AnalysisError, "one comparison at a time"),
        ({"lfc": -1.0}, AnalysisError, "0 or more, not -1"),
        ({"by": ("sex", "x")}, DesignError, "no samples of 'x' in 'sex'"),
        ({"by": "sex"}, DesignError, "by is"),
        ({"by": ("sex", "m"), "design": "~ drug"}, DesignError, "does not hold the factor 'sex'"),
        ({"design": "~ sex * drug"}, DesignError, "say at which level by="),
        (
            {"by": ("sex", "m"), "design": "~ sex * drug * dose"},
            DesignError,
            "cannot be estimated|depends on more",
        ),
        ({"confidence": 95.0}, AnalysisError, "between 0 and 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_way_out(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        refused(**options)


@pytest.mark.parametrize(
    "asked", ["treatment", {"treatment": 1, "drug": 2, "control": 3}, [], [["a", "b"]], [1, 2, 3]]
)
def test_what_is_no_contrast_is_told_whole(asked: Any) -> None:
    told = asked[0] if isinstance(asked, list) and asked else asked
    with pytest.raises(DesignError, match=re.escape(f"not {told!r}; in a table")):
        read_contrasts(asked)
