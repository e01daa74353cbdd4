"""Choosing groups: proposals first, every field editable, and what the choice means in words."""

from __future__ import annotations

from typing import Any

import pytest
from omics_widgets import ComparisonPicker

import omics_nb as omics
from omics_nb.records import Contrast


@pytest.fixture(scope="module")
def study() -> Any:
    return omics.fetch("GSE9000001", source="demo")


@pytest.fixture
def picker(study: Any) -> ComparisonPicker:
    made = ComparisonPicker(lambda: None)
    made.show(study, omics.propose_contrasts(study))
    return made


def test_the_first_proposal_fills_the_fields(picker: ComparisonPicker) -> None:
    assert picker.proposed.value == 0
    assert picker.contrast == Contrast("agent", "tamoxifen", "vehicle")
    assert (picker.tested.value, picker.reference.value) == ("tamoxifen", "vehicle")


def test_another_proposal_fills_them_anew(picker: ComparisonPicker) -> None:
    picker.proposed.value = 1
    assert picker.contrast == Contrast("phenotype", "tamoxifen-resistant", "tamoxifen-sensitive")


def test_an_own_choice_is_said_to_be_one_and_a_proposed_one_is_recognised(picker: ComparisonPicker) -> None:
    picker.swap.click()
    assert picker.contrast == Contrast("agent", "vehicle", "tamoxifen")
    assert picker.proposed.value == -1
    picker.swap.click()
    assert picker.proposed.value == 0


def test_another_factor_brings_its_own_groups(picker: ComparisonPicker) -> None:
    picker.factor.value = "phenotype"
    assert {level for _, level in picker.tested.options} == {"tamoxifen-resistant", "tamoxifen-sensitive"}
    assert picker.contrast.factor == "phenotype"


def test_columns_that_do_not_group_samples_are_not_offered(picker: ComparisonPicker) -> None:
    offered = {name for _, name in picker.factor.options}
    assert {"agent", "phenotype"} <= offered
    assert not {"title", "organism", "platform", "cell line"} & offered


def test_a_group_against_itself_cannot_be_compared(picker: ComparisonPicker, words: Any) -> None:
    picker.reference.value = picker.tested.value
    assert picker.compare.disabled
    assert "two different groups" in words(picker)
    picker.reference.value = "vehicle"
    assert not picker.compare.disabled


def test_the_meaning_of_the_sign_is_said_in_words(picker: ComparisonPicker, words: Any) -> None:
    assert "higher in tamoxifen (4 samples) than in vehicle (4 samples)" in words(picker)


def test_without_a_proposal_the_person_chooses(study: Any, words: Any) -> None:
    picker = ComparisonPicker(lambda: None)
    picker.show(study, ())
    assert "suggests no comparison" in words(picker)
    assert picker.proposed.layout.display == "none"
    assert picker.contrast is not None


def test_a_study_in_which_nothing_differs_says_so(study: Any, words: Any) -> None:
    from dataclasses import replace

    picker = ComparisonPicker(lambda: None)
    picker.show(replace(study, samples=study.samples[["title", "platform"]]), ())
    assert picker.contrast is None
    assert picker.compare.disabled
    assert "No column of the sample sheet" in words(picker)


def test_a_study_of_two_platforms_counts_the_samples_of_the_chosen_one() -> None:
    two = omics.fetch("GSE9000005", source="demo")
    picker = ComparisonPicker(lambda: None)
    picker.show(two, omics.propose_contrasts(two))
    assert picker.platform.layout.display is None
    labels = [label for label, _ in picker.proposed.options]
    assert len(set(labels)) == len(labels)  # else a browser shows none of them as chosen
    assert picker.adjust.value == ("patient",)
    for platform in two.matrices:
        picker.platform.value = platform
        assert sum(picker.levels(picker.factor.value).values()) <= two.matrix(platform).shape[1]


def test_other_columns_can_be_adjusted_for_and_become_the_design() -> None:
    study = omics.fetch("GSE9000003", source="demo")
    picker = ComparisonPicker(lambda: None)
    picker.show(study, omics.propose_contrasts(study))
    assert picker.factor.value == "agent"
    assert picker.design is None
    offered = picker.adjust.names
    assert "batch" in offered
    assert "agent" not in offered
    picker.adjust.value = ["batch"]
    assert picker.design == "~ batch + agent"
    picker.factor.value = "batch"
    assert picker.design is None


def test_what_pairs_the_groups_is_adjusted_for_with_its_reason_and_can_be_taken_away(words: Any) -> None:
    study = omics.fetch("GSE9000001", source="demo")
    donors = {"tamoxifen": iter("ABCD"), "vehicle": iter("ABCD")}
    paired = study.with_factor("donor id", [next(donors[agent]) for agent in study.factor("agent")])
    picker = ComparisonPicker(lambda: None)
    picker.show(paired, omics.propose_contrasts(paired))
    assert picker.adjust.value == ("donor id",)
    assert picker.design == "~ `donor id` + agent"
    assert "'donor id' pairs the samples of the two groups, so it is adjusted for" in words(picker)
    picker.adjust._boxes["donor id"].value = False
    assert picker.design is None
    assert "would be better" in words(picker)
    assert "adjust" not in picker.comparison
    assert omics.differential_expression(paired, contrast=picker.contrast).n_tested > 0


def test_each_sample_is_in_the_list_of_its_group(picker: ComparisonPicker, study: Any) -> None:
    groups = picker.samples.groups
    agent = study.factor("agent")
    assert {key for key, to in groups.items() if to == "tested"} == set(agent[agent == "tamoxifen"].index)
    assert {key for key, to in groups.items() if to == "reference"} == set(agent[agent == "vehicle"].index)
    assert picker.samples.names["tested"] == "Tested: tamoxifen"
    picker.factor.value = "phenotype"
    assert picker.samples.names["reference"].startswith("Reference: tamoxifen-")


def test_a_sample_left_out_is_left_out_of_the_analysis(picker: ComparisonPicker, words: Any) -> None:
    first = next(key for key, to in picker.samples.groups.items() if to == "tested")
    picker.samples._handle_custom_msg({"move": [first], "to": "out"}, [])
    assert picker.proposed.value == -1
    assert picker.contrast == Contrast("chosen groups", "tamoxifen", "vehicle")
    levels = picker.study.factor("chosen groups")
    assert levels[first] == ""
    assert (levels == "tamoxifen").sum() == 3
    assert "tamoxifen (3 samples)" in words(picker)
    result = omics.differential_expression(picker.study, contrast=picker.contrast)
    assert len(result.groups["tested"]) == 3
    assert first not in result.groups["tested"]


def test_a_side_without_samples_cannot_be_compared(picker: ComparisonPicker, words: Any) -> None:
    tested = [key for key, to in picker.samples.groups.items() if to == "tested"]
    picker.samples._handle_custom_msg({"move": tested, "to": "reference"}, [])
    assert picker.compare.disabled
    assert "Each side needs samples" in words(picker)
    picker.proposed.value = 0
    assert not picker.compare.disabled
    assert picker.contrast == Contrast("agent", "tamoxifen", "vehicle")
    assert "chosen groups" not in picker.study.samples


def test_moves_of_what_is_not_there_are_ignored(picker: ComparisonPicker) -> None:
    before = dict(picker.samples.groups)
    for nonsense in (
        {"move": ["GSM0"], "to": "out"},
        {"move": "all", "to": "out"},
        {"move": [], "to": "elsewhere"},
    ):
        picker.samples._handle_custom_msg(nonsense, [])
    assert picker.samples.groups == before
    assert picker.contrast == Contrast("agent", "tamoxifen", "vehicle")
