"""Study.with_factor: levels stay with their samples, and what is missing stays missing."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

import omics_nb as omics
from omics_nb.errors import DataError


@pytest.fixture(scope="module")
def study() -> omics.Study:
    return omics.fetch("GSE9000003", source="demo")


def test_a_series_is_taken_by_its_index_whatever_its_order(study: omics.Study) -> None:
    levels = pd.Series(["a", "a", "a", "b", "b", "b"], index=study.samples.index)
    for given in (levels, levels[::-1], levels.to_dict()):
        assert list(study.with_factor("mine", given).samples["mine"]) == ["a", "a", "a", "b", "b", "b"]
    with pytest.raises(DataError, match="has no samples"):
        study.with_factor("mine", levels.set_axis(list("uvwxyz")))


def test_missing_levels_are_empty_and_blanks_do_not_make_levels(study: omics.Study) -> None:
    column = study.with_factor("mine", ["a ", None, math.nan, "b", "", "a"]).samples["mine"]
    assert list(column) == ["a", "", "", "b", "", "a"]


def test_a_column_of_the_files_is_not_replaced_but_one_of_ones_own_is(study: omics.Study) -> None:
    with pytest.raises(DataError, match="'agent' in its own sample sheet"):
        study.with_factor("agent", ["x"] * 6)
    twice = study.with_factor("mine", ["x"] * 6).with_factor("mine", ["y"] * 6)
    assert set(twice.samples["mine"]) == {"y"}
    assert twice.added == ("mine",)


def test_a_wrong_number_of_levels_is_named(study: omics.Study) -> None:
    with pytest.raises(DataError, match="2 levels of 'mine' for the 6 samples"):
        study.with_factor("mine", ["x", "y"])


def test_anndata_is_written_as_h5ad_whatever_a_column_is_called(study: omics.Study, tmp_path: Path) -> None:
    import anndata

    path = tmp_path / "a.h5ad"
    study.with_factor("tumor/normal", list("aaabbb")).to_anndata().write_h5ad(path)
    assert list(anndata.read_h5ad(path).obs["tumor|normal"]) == list("aaabbb")


def test_a_synthetic_study_without_values_sends_nobody_to_ncbi() -> None:
    notes = omics.fetch("GSE9000009", source="demo").notes
    assert any("has no matrix of values" in note for note in notes)
    assert not any("ncbi" in note.lower() for note in notes)
