"""What a sample sheet looks like, and what is said before an analysis runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.design import propose_contrasts
from omics_nb.analysis.factors import role_of, sample_factors
from omics_nb.analysis.precheck import check_design
from omics_nb.errors import AnalysisError
from omics_nb.records import Study

from .conftest import MakeStudy

TUMOUR = ("tissue", "tumor", "normal")


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("treatment", ["drug", "vehicle"] * 3, "condition"),
        ("patient id", list("112233"), "pairing"),
        ("donor", list("123456"), "pairing"),
        ("batch", list("112233"), "batch"),
        ("scan date", ["May", "June"] * 3, "batch"),
        ("time point", ["0 h", "6 h", "24 h"] * 2, "time"),
        ("stage", ["6 h", "24 h", "0 h"] * 2, "time"),
        ("level", ["0", "10 nM", "1 uM"] * 2, "dose"),
        ("concentration", ["low", "high"] * 3, "dose"),
        ("age", list("345678"), "person"),
        ("sex", ["m", "f"] * 3, "person"),
        ("culture", ["mock", "virus"] * 3, "condition"),
        ("colour", ["red", "blue"] * 3, "other"),
        ("cell line", ["A375"] * 6, "constant"),
        ("remark", list("abcdef"), "identifier"),
    ],
)
def test_a_column_looks_like_what_it_is(name: str, values: list[str], role: str) -> None:
    assert role_of(name, values)[0] == role


def paired(make_study: MakeStudy, **columns: list[str]) -> Study:
    rng = np.random.default_rng(2)
    patients = rng.normal(0, 1.5, (200, 6))[:, np.tile(np.arange(6), 2)]
    values = 8 + patients + rng.normal(0, 0.3, (200, 12))
    values[:20, 6:] += 1
    sheet = {"tissue": ["normal"] * 6 + ["tumor"] * 6, "patient": list("123456" * 2)}
    return make_study(values, sheet | columns)


def test_the_factors_of_a_study_are_listed_with_their_levels(make_study: MakeStudy) -> None:
    table = sample_factors(paired(make_study, batch=["a", "b"] * 6))
    assert list(table.index) == ["tissue", "patient", "batch"]
    assert table.loc["tissue", "reference"] == "normal"
    assert table.loc["batch", "example"] == "a (6), b (6)"


def test_pairs_are_proposed_as_a_design_and_find_more(make_study: MakeStudy) -> None:
    study = paired(make_study)
    best = propose_contrasts(study)[0]
    assert best.design == "~ patient + tissue"
    assert "'patient' pairs the groups (6 pairs)" in best.reason
    with_pairs = differential_expression(study, contrast=best.contrast, design=best.design)
    without = differential_expression(study, contrast=best.contrast)
    assert len(with_pairs.significant(0.05)) >= 18 > len(without.significant(0.05))
    assert any("'patient' pairs the groups" in note for note in without.notes)
    assert not any("pairs the groups" in note for note in with_pairs.notes)


def test_patients_on_one_side_only_are_no_pairs(make_study: MakeStudy) -> None:
    study = paired(make_study, patient=[f"p{i}" for i in range(12)])
    assert propose_contrasts(study)[0].design is None


def checks(study: Study, **options: Any) -> dict[str, tuple[str, str]]:
    found = check_design(study, **({"contrast": TUMOUR} | options))
    return {check.name: (check.verdict, check.sentence) for check in found.checks}


def test_what_an_analysis_would_meet_is_said_before_it_runs(make_study: MakeStudy) -> None:
    found = checks(paired(make_study))
    assert found["estimable"] == ("ok", "12 samples for 2 coefficients: Intercept, tissue[T.tumor].")
    assert found["freedom"][0] == "ok"
    assert found["balance"][0] == "ok"
    assert found["pairs"][0] == "warn"
    assert "~ patient + tissue" in found["pairs"][1]
    assert checks(paired(make_study), design="~ patient + tissue")["pairs"][0] == "ok"
    assert checks(paired(make_study), block="patient")["pairs"][0] == "ok"


def test_refusals_are_checks_that_fail_in_the_same_words(make_study: MakeStudy, count_study: Study) -> None:
    study = paired(make_study, site=["x"] * 6 + ["y"] * 6)
    found = check_design(study, contrast=TUMOUR, design="~ site + tissue")
    assert not found.ok
    assert "cannot be told apart" in found.check("estimable").sentence
    assert found.coefficients == ()
    scale = checks(count_study, contrast=("genotype", "mutant", "wild type"), method="limma")["scale"]
    assert scale[0] == "fail"
    assert "use method='voom'" in scale[1]
    with pytest.raises(AnalysisError, match="no check 'x'"):
        found.check("x")


def test_batches_in_the_sheet_are_found(make_study: MakeStudy) -> None:
    same = checks(paired(make_study, batch=["a"] * 6 + ["b"] * 6))["batch"]
    assert same[0] == "warn"
    assert "no design can tell" in same[1]
    uneven = checks(paired(make_study, batch=list("aaaaab") + list("abbbbb")))["batch"]
    assert "~ tissue + batch" in uneven[1]
    assert checks(paired(make_study, batch=["a", "b"] * 6))["batch"][0] == "ok"
    noted = differential_expression(paired(make_study, batch=["a"] * 6 + ["b"] * 6), contrast=TUMOUR)
    assert any("no design can tell" in note for note in noted.notes)


def test_a_column_that_divides_the_samples_as_the_factor_does_is_named(make_study: MakeStudy) -> None:
    columns = {
        "agent": ["vehicle"] * 3 + ["tamoxifen"] * 3,
        "phenotype": ["sensitive"] * 3 + ["resistant"] * 3,
        "treatment": ["vehicle for 24 h"] * 3 + ["tamoxifen for 24 h"] * 3,
        "sex": ["F", "M", "F"] * 2,
        "dose": [""] * 3 + ["1 uM"] * 3,
    }
    study = make_study(np.random.default_rng(1).normal(8, 1, (50, 6)), columns)
    found = check_design(study, contrast=("agent", "tamoxifen", "vehicle"))
    check = found.check("same groups")
    assert check.verdict == "warn"
    assert check.value == ("'phenotype' (resistant, sensitive)",)
    assert "the effect of either" in check.sentence


def test_small_and_unequal_groups_are_warned_of(make_study: MakeStudy) -> None:
    study = make_study(
        np.random.default_rng(0).normal(8, 1, (50, 12)), {"tissue": ["normal"] * 10 + ["tumor"] * 2}
    )
    assert checks(study)["balance"][0] == "warn"


def test_it_shows_itself(make_study: MakeStudy) -> None:
    found = check_design(paired(make_study), contrast=TUMOUR)
    assert "Before an analysis of GSE1" in found._repr_html_()
    assert "! warn  pairs:" in str(found) or "! warn pairs:" in str(found)
    assert repr(found) == "Precheck(GSE1, ~ tissue, pairs warn)"
