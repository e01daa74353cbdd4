"""The embedded studies, whose truth is known: planted genes, outliers, swapped samples and batches are found."""

from __future__ import annotations

import numpy as np
import pytest

from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.formula import quoted
from omics_nb.analysis.quality import quality
from omics_nb.records import Study
from omics_nb.sources import open_source
from omics_nb.sources.synthetic import truth
from omics_nb.sources.synthetic.catalogue import STUDIES

KNOWN = {accession: truth(accession) for accession in STUDIES}
FLAWED = [accession for accession, known in KNOWN.items() if known.outliers or known.swaps]
BATCHES = [accession for accession, known in KNOWN.items() if known.batch_column]


def study_of(accession: str) -> Study:
    return open_source("demo").fetch(accession)


@pytest.mark.parametrize("accession", FLAWED)
def test_outliers_and_swapped_samples_are_found_and_no_others(accession: str) -> None:
    study, known = study_of(accession), KNOWN[accession]
    [platform] = study.matrices
    found = quality(study, platform=platform)
    assert set(found.outliers) == set(known.outliers)
    named = {check.name: check for check in found.checks}
    if "sex" in named:
        assert set(named["sex"].value) == {sample for pair in known.swaps for sample in pair}


@pytest.mark.parametrize("accession", BATCHES)
def test_a_batch_that_the_sheet_tells_is_warned_of_with_the_design_to_take(accession: str) -> None:
    study, known = study_of(accession), KNOWN[accession]
    assert known.contrast is not None
    check = quality(study, factor=known.contrast.factor).check("batch")
    assert check.verdict == "warn"
    assert known.batch_column is not None
    assert f"~ {quoted(known.batch_column)} + " in check.sentence


def test_a_batch_that_the_sheet_does_not_tell_is_seen_in_the_values() -> None:
    hidden = [accession for accession, known in KNOWN.items() if known.batches and not known.batch_column]
    assert hidden
    for accession in hidden:
        check = quality(study_of(accession)).check("hidden groups")
        assert check.verdict == "warn"
        batches = [KNOWN[accession].batches[sample] for sample in check.value]
        assert len(set(batches)) == 1
        assert "a batch that nobody wrote down" in check.sentence


def test_sex_that_the_sheet_does_not_tell_is_named() -> None:
    assert "it is the sex" in quality(study_of("GSE9000030")).check("hidden groups").sentence


def test_few_studies_look_as_if_something_were_hidden() -> None:
    told = [accession for accession, known in KNOWN.items() if not known.batches and not known.swaps]
    warned = []
    for accession in told:
        study = study_of(accession)
        for platform in study.matrices:
            checks = {check.name: check for check in quality(study, platform=platform).checks}
            if "hidden groups" in checks and checks["hidden groups"].verdict != "ok":
                warned.append(accession)
    assert warned == ["GSE9000030"]


def test_false_discoveries_are_held_over_all_embedded_studies() -> None:
    shares, power = [], []
    for accession, known in KNOWN.items():
        study = study_of(accession)
        if known.contrast is None:
            continue
        for platform in study.matrices:
            result = differential_expression(
                study, contrast=known.contrast, design=known.design, platform=platform
            )
            found = set(result.significant(0.05).index)
            effects = known.effects[platform]
            large = {feature for feature, change in effects.items() if abs(change) > 1}
            shares.append(len(found - set(effects)) / max(len(found), 1))
            power.append(len(found & large) / len(large))
    assert len(shares) >= 28
    assert np.mean(shares) <= 0.05
    assert np.mean(power) >= 0.85
