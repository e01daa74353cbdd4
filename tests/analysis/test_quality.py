"""Quality checks: each finds what was planted and is quiet otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from omics_nb.analysis.quality import WEIGHTS, outlier_samples, quality
from omics_nb.analysis.values import comparable
from omics_nb.errors import DesignError, NoMatrixError
from omics_nb.records import Study

from .conftest import MakeStudy


def arrays(n_samples: int = 12, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 8 + rng.normal(0, 2, (600, 1)) + rng.normal(0, 0.3, (600, n_samples))


def test_a_clean_study_passes_every_check(array_study: Study) -> None:
    found = quality(array_study)
    assert {check.verdict for check in found.checks} == {"ok"}
    assert found.score == 1
    assert found.scale == "log2"
    assert found.outliers == ()
    assert "treatment: vehicle 4, drug 4" in found.check("groups").sentence


def test_the_score_is_the_weighted_share_of_checks_that_hold(array_study: Study) -> None:
    values = array_study.matrices["GPL1"].copy()
    values.iloc[:60] = np.nan
    found = quality(replace(array_study, matrices={"GPL1": values}))
    assert found.check("missing").verdict == "fail"
    total = sum(WEIGHTS[check.name] for check in found.checks)
    assert found.score == pytest.approx((total - WEIGHTS["missing"]) / total)
    assert dict(found.weights) == {check.name: WEIGHTS[check.name] for check in found.checks}


def test_longer_texts_do_not_change_the_score(array_study: Study) -> None:
    wordy = replace(array_study, title="x" * 1000, summary="y" * 10_000, overall_design="z" * 5000)
    assert quality(wordy).score == quality(array_study).score


@pytest.mark.parametrize("n_samples", [6, 12, 40])
def test_an_outlier_is_found_and_only_that(make_study: MakeStudy, n_samples: int) -> None:
    values = arrays(n_samples)
    values[:, 2] += np.random.default_rng(0).normal(0, 1.5, 600)
    study = make_study(values, {"treatment": ["vehicle", "drug"] * (n_samples // 2)})
    assert quality(study).outliers == ("GSM3",)


@pytest.mark.parametrize(("noise", "found"), [(0.45, True), (0.1, False)])
def test_an_outlier_is_a_matter_of_degree(make_study: MakeStudy, noise: float, found: bool) -> None:
    values = arrays(20)
    values[:, 2] += np.random.default_rng(0).normal(0, noise, 600)
    z = outlier_samples(comparable(make_study(values, {})))
    assert set(z) == ({"GSM3"} if found else set())
    assert all(5 < value < 20 for value in z.values())


@pytest.mark.parametrize("seed", range(5))
def test_two_groups_far_apart_are_no_outliers(make_study: MakeStudy, seed: int) -> None:
    values = arrays(12, seed)
    values[:300, 9:] += 3
    study = make_study(values, {"tissue": ["liver"] * 9 + ["brain"] * 3})
    assert outlier_samples(comparable(study)) == {}


def test_the_same_values_under_two_names_are_found(make_study: MakeStudy) -> None:
    values = arrays(6)
    values[:, 4] = values[:, 1]
    found = quality(make_study(values, {"treatment": ["vehicle", "drug"] * 3})).check("duplicates")
    assert found.verdict == "fail"
    assert found.value == (("GSM2", "GSM5"),)


def test_samples_that_are_not_normalised_are_said(make_study: MakeStudy) -> None:
    values = arrays(6)
    values[:, 0] += 2
    assert quality(make_study(values, {})).check("distribution").verdict == "warn"


def test_swapped_sex_is_found_by_xist_and_y_genes(make_study: MakeStudy) -> None:
    values = arrays(8)
    sex = ["female", "male"] * 4
    female = np.array([name == "female" for name in sex])
    female[3] = True
    values[0], values[1] = np.where(female, 11, 4), np.where(female, 3, 10)
    symbols = ["XIST", "RPS4Y1"] + [f"G{i}" for i in range(598)]
    study = make_study(
        values, {"sex": sex, "treatment": ["vehicle", "vehicle", "drug", "drug"] * 2}, symbols=symbols
    )
    found = quality(study).check("sex")
    assert found.verdict == "fail"
    assert found.value == ("GSM4",)
    assert "contradict the stated sex of GSM4" in found.sentence


def test_a_batch_that_rules_the_components_is_warned_of(make_study: MakeStudy) -> None:
    values = arrays(12)
    values[:200, 6:] += 1.5
    columns = {"treatment": ["vehicle", "drug"] * 6, "batch": ["1"] * 6 + ["2"] * 6}
    found = quality(make_study(values, columns)).check("batch")
    assert found.verdict == "warn"
    assert "~ batch + treatment" in found.sentence


def test_a_batch_that_the_design_takes_in_is_not_warned_of(make_study: MakeStudy) -> None:
    values = arrays(12)
    values[:200, 6:] += 1.5
    columns = {"treatment": ["vehicle", "drug"] * 6, "batch": ["1"] * 6 + ["2"] * 6}
    found = quality(make_study(values, columns), design="~ batch + treatment").check("batch")
    assert found.verdict == "ok"
    assert found.sentence.endswith("; it is in the design.")


def test_a_batch_that_is_left_out_is_named_beside_one_that_is_not(make_study: MakeStudy) -> None:
    values = arrays(12)
    values[:200, 6:] += 3.0
    values[200:400, ::4] += 2.0
    values[200:400, 1::4] += 2.0
    columns = {
        "treatment": ["vehicle", "drug"] * 6,
        "batch": ["1"] * 6 + ["2"] * 6,
        "flow cell": ["a", "a", "b", "b"] * 3,
    }
    found = quality(make_study(values, columns), factor="treatment", design="~ batch + treatment").check(
        "batch"
    )
    assert found.verdict == "warn"
    assert "~ `flow cell` + treatment" in found.sentence


def test_the_factor_itself_is_no_batch(make_study: MakeStudy) -> None:
    columns = {"treatment": ["vehicle", "drug"] * 6, "batch": ["1"] * 6 + ["2"] * 6}
    names = [check.name for check in quality(make_study(arrays(12), columns), factor="batch").checks]
    assert "groups" in names
    assert "batch" not in names


def test_a_batch_that_is_the_treatment_fails(make_study: MakeStudy) -> None:
    columns = {"treatment": ["vehicle"] * 6 + ["drug"] * 6, "batch": ["1"] * 6 + ["2"] * 6}
    found = quality(make_study(arrays(12), columns)).check("batch")
    assert found.verdict == "fail"
    assert "cannot be told apart" in found.sentence


def test_counts_have_library_sizes_and_detected_genes(count_study: Study) -> None:
    found = quality(count_study)
    assert found.scale == "counts"
    assert found.check("library size").verdict == "ok"
    matrix = count_study.matrices["GPL1"].copy()
    matrix["GSM1"] //= 200
    poor = quality(replace(count_study, matrices={"GPL1": matrix}))
    assert poor.check("library size").verdict == "fail"
    assert poor.check("library size").value["GSM2"] == matrix["GSM2"].sum()


def test_counts_that_are_none_fail_the_scale(count_study: Study) -> None:
    found = quality(replace(count_study, matrices={"GPL1": count_study.matrices["GPL1"] / 3.0}))
    assert found.check("scale").verdict == "fail"
    assert "FPKM" in found.check("scale").sentence


def test_empty_characteristics_are_counted(array_study: Study) -> None:
    samples = array_study.samples.assign(tissue=["liver"] + [""] * 7, grade=[""] * 8, stage=[""] * 8)
    found = quality(replace(array_study, samples=samples)).check("metadata")
    assert found.value == pytest.approx(25 / 48)
    assert "grade (8 empty)" in found.sentence


def test_groups_that_are_too_small_fail(make_study: MakeStudy) -> None:
    study = make_study(arrays(6), {"treatment": ["drug"] * 5 + ["vehicle"]})
    assert quality(study, factor="treatment").check("groups").verdict == "fail"


def test_a_study_without_values_is_judged_and_says_where_they_may_be(array_study: Study) -> None:
    found = quality(replace(array_study, matrices={}, notes=("Counts lie in the supplement.",)))
    assert found.platform is None
    assert found.check("values").verdict == "fail"
    assert "Counts lie in the supplement." in found.check("values").sentence


def test_unknown_factor_or_platform_says_what_there_is(array_study: Study) -> None:
    with pytest.raises(DesignError, match="treatment"):
        quality(array_study, factor="dose")
    with pytest.raises(NoMatrixError, match="GPL1"):
        quality(array_study, platform="GPL2")


def test_few_samples_cannot_show_an_outlier(make_study: MakeStudy) -> None:
    assert quality(make_study(arrays(3), {})).check("outliers").verdict == "warn"


def test_no_value_of_a_check_is_a_numpy_array(array_study: Study) -> None:
    assert not any(isinstance(check.value, np.ndarray | pd.Series) for check in quality(array_study).checks)
