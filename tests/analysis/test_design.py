"""Designs by formula, and every refusal before a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.design import Design, build_design, check_contrast, contrast_groups
from omics_nb.errors import DesignError
from omics_nb.records import Contrast


@pytest.fixture
def sheet() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "title": [f"sample {i}" for i in range(8)],
            "disease state": ["normal", "tumor"] * 4,
            "batch": ["1"] * 4 + ["2"] * 4,
            "age": ["31", "45", "52", "38", "60", "41", "47", "55"],
            "time (h)": ["0", "0", "24", "24"] * 2,
            "class": ["a", "a", "b", "b"] * 2,
            "dose": ["0 mg", "5 mg", "10 mg", "20 mg"] * 2,
            "center": ["x"] * 8,
            "gaps": ["u", "v", "", "u", "v", "u", "v", ""],
        },
        index=[f"GSM{i}" for i in range(8)],
    )


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("~ disease state", ["Intercept", "disease state[T.tumor]"]),
        ("~ `disease state`", ["Intercept", "disease state[T.tumor]"]),
        ("~disease state+batch", ["Intercept", "disease state[T.tumor]", "batch[T.2]"]),
        ("DISEASE STATE", ["Intercept", "disease state[T.tumor]"]),
        ("~ 0 + class", ["class[a]", "class[b]"]),
        ("~ age", ["Intercept", "age"]),
        ("~ C(time (h))", ["Intercept", "time (h)[T.24]"]),
        ("~ numeric(dose) + class", ["Intercept", "dose", "class[T.b]"]),
        (
            "~ disease state * class",
            ["Intercept", "disease state[T.tumor]", "class[T.b]", "disease state[T.tumor]:class[T.b]"],
        ),
    ],
)
def test_columns_may_be_named_as_they_are(sheet: pd.DataFrame, formula: str, names: list[str]) -> None:
    design = build_design(sheet, formula)
    assert list(design.names) == names
    assert design.matrix.shape == (8, len(names))


def test_numbers_are_covariates_and_batches_are_not(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ age + batch")
    assert design.covariates == ("age",)
    assert design.levels == {"batch": ("1", "2")}
    assert any("'age' is used as a number (31 to 60)" in note for note in design.notes)
    np.testing.assert_array_equal(design.matrix[:, 1], sheet["age"].astype(float))


def test_the_tested_factor_is_always_levels_with_its_reference_first(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ time (h)", factor="time (h)", reference="24")
    assert design.levels["time (h)"] == ("24", "0")
    assert design.names == ("Intercept", "time (h)[T.0]")


def test_samples_without_a_value_are_left_out_and_said(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ gaps + class")
    assert design.samples == ("GSM0", "GSM1", "GSM3", "GSM4", "GSM5", "GSM6")
    assert dict(design.left_out) == {"GSM2": "no value in 'gaps'", "GSM7": "no value in 'gaps'"}
    assert any("2 samples without a value in 'gaps'" in note for note in design.notes)


def test_a_contrast_is_one_coefficient_in_an_additive_design(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ age + disease state", factor="disease state", reference="normal")
    weights = design.contrast("disease state", "tumor", "normal")
    assert dict(zip(design.names, weights, strict=True)) == {
        "Intercept": 0,
        "disease state[T.tumor]": 1,
        "age": 0,
    }
    np.testing.assert_array_equal(design.contrast("disease state", "normal", "tumor"), -weights)


def test_a_contrast_of_group_means_weighs_both(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ 0 + class")
    np.testing.assert_array_equal(design.contrast("class", "b", "a"), [-1, 1])


def test_an_interaction_is_not_one_number(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ class * disease state")
    with pytest.raises(DesignError, match="interaction"):
        design.contrast("disease state", "tumor", "normal")
    np.testing.assert_array_equal(design.coefficient("class[T.b]:disease state[T.tumor]"), [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("~ dosage", "no factor 'dosage'.*did you mean 'dose'"),
        ("~ center", "'center' has one value only"),
        ("~ class + time (h) + C(dose)", "cannot be estimated"),
        ("~ title", "leaves no residual degrees of freedom"),
        ("~ title + batch", "9 coefficients for 8 samples"),
        ("y ~ class", "begins with ~"),
        ("", "empty"),
        ("~ class +", "cannot be read"),
        ("~ (class", "cannot be read"),
        ("~ age + C(age)", "both as levels and as numbers"),
        ("~ numeric(class)", "not a column of numbers"),
    ],
)
def test_what_cannot_be_estimated_is_refused_with_a_reason(
    sheet: pd.DataFrame, formula: str, said: str
) -> None:
    with pytest.raises(DesignError, match=said):
        build_design(sheet, formula)


def test_confounded_coefficients_are_named(sheet: pd.DataFrame) -> None:
    sheet["run"] = sheet["disease state"].map({"normal": "A", "tumor": "B"})
    with pytest.raises(
        DesignError, match=r"run\[T.B\] cannot be told apart from disease state\[T.tumor\]"
    ) as caught:
        build_design(sheet, "~ disease state + run")
    assert caught.value.confounded == ("run[T.B]",)


@pytest.mark.parametrize(
    "formula",
    [
        "~ __import__('os')",
        "~ np.log(age)",
        "~ {age + 1}",
        "~ I(age)",
        "~ age.__class__",
        "~ 'age'",
        "~ `no such`",
    ],
)
def test_a_formula_cannot_call_anything(sheet: pd.DataFrame, formula: str) -> None:
    with pytest.raises(DesignError):
        build_design(sheet, formula)


def test_odd_level_names_do_not_confuse_the_coefficients(sheet: pd.DataFrame) -> None:
    sheet["odd"] = ["v0[T.L1]", "a:b"] * 4
    design = build_design(sheet, "~ odd + class")
    assert set(design.names) == {"Intercept", "odd[T.v0[T.L1]]", "class[T.b]"}


def test_unknown_levels_and_factors_list_what_there_is(sheet: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match=r"'normal' \(4\), 'tumor' \(4\).*did you mean 'tumor'"):
        check_contrast("GSE1", sheet, Contrast("disease state", "tumour", "normal"))
    with pytest.raises(DesignError, match=r"have .*'disease state'"):
        check_contrast("GSE1", sheet, Contrast("disease", "tumor", "normal"))
    with pytest.raises(DesignError, match="both 'tumor'"):
        check_contrast("GSE1", sheet, Contrast("disease state", "tumor", "tumor"))
    assert check_contrast("GSE1", sheet, Contrast("Disease State", "TUMOR", "normal")) == Contrast(
        "disease state", "tumor", "normal"
    )


def test_a_group_of_one_is_refused(sheet: pd.DataFrame) -> None:
    sheet["arm"] = ["a", "b", "b", "b", "b", "b", "b", "b"]
    with pytest.raises(DesignError, match=r"1 sample of 'a'.*replicates"):
        contrast_groups(sheet, Contrast("arm", "b", "a"), list(sheet.index))


def test_residual_degrees_of_freedom_are_samples_minus_coefficients(sheet: pd.DataFrame) -> None:
    design = build_design(sheet, "~ disease state + batch")
    assert isinstance(design, Design)
    assert design.df_residual == 5
