"""Fitness of an opened study for a question: from its data, with reasons."""

from __future__ import annotations

import pytest

import omics_nb as omics
from omics_nb.analysis.fitness import Fitness, nearness
from omics_nb.records import Contrast

QUESTION = "vemurafenib in melanoma"


def verdicts(found: Fitness) -> dict[str, str]:
    return {check.name: check.verdict for check in found.checks}


def fit(accession: str, question: str | None = None, **options: object) -> Fitness:
    return omics.fitness(omics.fetch(accession, source="demo"), question, **options)  # type: ignore[arg-type]


def test_a_study_of_what_was_asked_is_fit_and_one_of_something_else_is_warned_of() -> None:
    about, other = fit("GSE9000003", QUESTION), fit("GSE9000010", QUESTION)
    assert verdicts(about)["question"] == "ok"
    assert verdicts(other)["question"] == "warn"
    assert "names nothing of the question" in str(other)
    assert about.score > other.score


def test_three_against_three_are_few_and_twelve_are_enough() -> None:
    assert verdicts(fit("GSE9000003"))["replicates"] == "warn"
    enough = next(check for check in fit("GSE9000019").checks if check.name == "replicates")
    assert enough.verdict == "ok"
    assert enough.value >= 4


def test_outliers_and_batches_of_the_quality_are_among_the_reasons() -> None:
    from omics_nb.analysis.quality import quality

    study = omics.fetch("GSE9000019", source="demo")
    found = omics.fitness(study)
    judged = quality(study, factor="disease")
    shared = [check for check in judged.checks if check.name in verdicts(found)]
    assert {"scale", "outliers"} <= {check.name for check in shared}
    assert all(check in found.checks or check.name == "values" for check in shared)


def test_a_study_without_values_is_unfit_whatever_else_holds() -> None:
    found = fit("GSE9000009")
    assert found.score == 0
    assert verdicts(found)["values"] == "fail"


def test_a_contrast_that_is_given_is_what_is_judged() -> None:
    found = fit("GSE9000006", contrast=("Sex", "male", "female"))
    assert "of male against" in str(found)
    with pytest.raises(omics.OmicsError, match="no level 'dog'"):
        fit("GSE9000006", contrast=("Sex", "male", "dog"))


def test_the_report_tells_it_with_reasons() -> None:
    study = omics.fetch("GSE9000003", source="demo")
    result = omics.differential_expression(study, contrast=("agent", "vemurafenib", "vehicle"))
    report = omics.report(study, result, query=omics.understand(QUESTION))
    assert report.fitness is not None
    assert report.fitness.score == pytest.approx(fit("GSE9000003", QUESTION).score)
    page = report.to_html()
    assert "Fitness for the question" in page
    assert "The comparison is of what was asked for: vemurafenib" in page
    assert "Fitness" in report.fitness._repr_html_()


def test_the_words_of_the_question_choose_between_columns_that_divide_alike() -> None:
    resistance = omics.understand("tamoxifen resistance in breast cancer")
    phenotype = Contrast("phenotype", "tamoxifen-resistant", "tamoxifen-sensitive")
    agent = Contrast("agent", "tamoxifen", "vehicle")
    assert nearness(phenotype, resistance) > nearness(agent, resistance) > nearness(agent, None)
