"""Comparisons that a sample sheet suggests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from omics_nb.analysis.groups import is_nuisance, propose_contrasts, reference_level, text_groups, with_groups
from omics_nb.records import Contrast

from .conftest import MakeStudy

GSE42872_TITLES = [
    f"A375 cells 24h {group} rep{i}" for group in ("Control", "Vemurafenib") for i in (1, 2, 3)
]


@pytest.mark.parametrize(
    ("levels", "reference"),
    [
        (["vemurafenib", "vehicle (0.1% DMSO)"], "vehicle (0.1% DMSO)"),
        (["tumor", "normal"], "normal"),
        (["Liver Tumor Tissue", "Liver Non-Tumor Tissue"], "Liver Non-Tumor Tissue"),
        (["knockout", "wild-type"], "wild-type"),
        (["KO", "WT"], "WT"),
        (["24h", "0h", "6h"], "0h"),
        (["siMYC", "siControl"], "siControl"),
        (["treated", "untreated"], "untreated"),
        (["LPS", "unstimulated"], "unstimulated"),
        (["control + drug", "control", "drug"], "control"),
        (["responder", "non-responder"], "non-responder"),
        (["uncontrolled", "abnormal"], None),
        (["small cell lung cancer", "non-small cell lung cancer"], None),
        (["C57BL/6J", "DBA/2J"], None),
    ],
)
def test_a_reference_is_known_by_the_usual_words(levels: list[str], reference: str | None) -> None:
    for order in (levels, levels[::-1]):
        found = reference_level(order)
        assert (found[0] if found else None) == reference


@pytest.mark.parametrize(
    "name", ["batch", "patient id", "subject_id", "Individual", "experiment.number", "replicate"]
)
def test_where_a_sample_came_from_is_no_condition(name: str) -> None:
    assert is_nuisance(name)


@pytest.mark.parametrize(
    "name", ["treatment", "disease state", "genotype/variation", "tissue", "cell type", "dose"]
)
def test_what_was_done_to_a_sample_is_a_condition(name: str) -> None:
    assert not is_nuisance(name)


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        (GSE42872_TITLES, ["Control"] * 3 + ["Vemurafenib"] * 3),
        (["WT_1", "WT_2", "KO_1", "KO_2"], ["WT", "WT", "KO", "KO"]),
        (
            [
                "2965M patient’s mucosa",
                "3216M patient's mucosa",
                "NM14 healthy control",
                "NM16 healthy control",
            ],
            ["patient's mucosa"] * 2 + ["healthy control"] * 2,
        ),
        (
            ["RNA from Clear Cell Carcinoma tissue"] * 2
            + ["RNA from normal tissue adjacent to Carcinoma"] * 2,
            ["Clear Cell Carcinoma tissue"] * 2 + ["normal tissue adjacent to Carcinoma"] * 2,
        ),
        (["a", "b", "c", "d"], []),
        (["same", "same", "same"], []),
        (["x 1", "x 2", "y 1"], []),
    ],
)
def test_groups_are_read_from_titles(texts: Sequence[str], groups: list[str]) -> None:
    assert text_groups(texts) == groups


def test_characteristics_come_before_titles_and_conditions_before_people(make_study: MakeStudy) -> None:
    study = make_study(
        np.ones((2, 8)),
        {
            "sex": ["male", "female"] * 4,
            "agent": ["vehicle"] * 4 + ["tamoxifen"] * 4,
            "batch": ["1", "1", "2", "2"] * 2,
            "patient": list("abcdabcd"),
        },
    )
    proposals = propose_contrasts(study)
    assert [proposal.contrast for proposal in proposals] == [
        Contrast("agent", "tamoxifen", "vehicle"),
        Contrast("sex", "female", "male"),
    ]
    assert "'vehicle' is a usual word for a reference" in proposals[0].reason
    assert (proposals[0].n_tested, proposals[0].n_reference, proposals[0].platform) == (4, 4, "GPL1")


def test_every_level_is_proposed_against_a_known_reference(make_study: MakeStudy) -> None:
    study = make_study(np.ones((2, 9)), {"treatment": ["DMSO", "A", "B"] * 3})
    assert [proposal.contrast.tested for proposal in propose_contrasts(study)] == ["A", "B"]
    assert {proposal.contrast.reference for proposal in propose_contrasts(study)} == {"DMSO"}


def test_titles_are_used_where_no_characteristic_differs(make_study: MakeStudy) -> None:
    study = make_study(np.ones((2, 6)), {"title": GSE42872_TITLES, "cell line": ["A375"] * 6})
    (proposal,) = propose_contrasts(study)
    assert proposal.contrast == Contrast("title group", "Vemurafenib", "Control")
    assert list(with_groups(study.samples)["title group"]) == ["Control"] * 3 + ["Vemurafenib"] * 3


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"tissue": ["liver"] * 6},
        {"patient": ["a", "a", "b", "b", "c", "c"]},
        {"treatment": ["drug", "drug", "drug", "drug", "drug", "vehicle"]},
        {"grade": ["I", "I", "II", "II", "III", "III"]},
        {"age": ["1", "2", "3", "4", "5", "6"]},
    ],
)
def test_nothing_is_proposed_where_nothing_fits(make_study: MakeStudy, columns: dict[str, list[str]]) -> None:
    assert propose_contrasts(make_study(np.ones((2, 6)), columns)) == ()
