"""The chains as durable runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import omics_nb as omics
from omics_nb.agents.analysis import best_proposal
from omics_nb.errors import AnalysisError, DesignError, FlowError, RunFailedError, RunNotFoundError
from omics_nb.reporting import Report

QUESTION = "vemurafenib in melanoma, human, at least 6 samples"


def test_full_analysis_goes_from_a_question_to_a_report() -> None:
    run = omics.start("full_analysis", question=QUESTION, source="demo")
    report = run.result(timeout=120)
    assert isinstance(report, Report)
    assert report.question == QUESTION
    assert report.hits is not None
    assert report.study.accession == report.hits[0].accession
    assert run.state == "done"
    assert run.progress == 100
    assert list(run.steps) == ["query", "hits", "chosen", "quality", "result", "report"]
    assert {step.state for step in run.steps.values()} <= {"done", "reused"}


def test_every_value_of_a_run_can_be_looked_at_from_another_handle() -> None:
    run = omics.start("full_analysis", question=QUESTION, source="demo")
    run.result(timeout=120)
    again = omics.get_run(run.id)
    assert again["query"] == omics.understand(QUESTION)
    table = again["result"].table
    assert table.equals(run["result"].table)
    assert again["chosen"].study.samples.equals(run["chosen"].study.samples)


def test_simple_search_gives_hits() -> None:
    hits = omics.start("simple_search", question=QUESTION).result(timeout=60)
    assert hits.source == "demo"
    assert hits[0].reasons


def test_quick_report_takes_a_contrast_or_proposes_one() -> None:
    accession = omics.search(QUESTION, source="demo")[0].accession
    proposed = omics.start("quick_report", accession=accession).result(timeout=60)
    contrast = proposed.result.contrast
    turned = [contrast.factor, contrast.reference, contrast.tested]
    given = omics.start("quick_report", accession=accession, contrast=turned).result(timeout=60)
    assert (given.result.table["logFC"] + proposed.result.table["logFC"]).abs().max() < 1e-9


def test_data_validation_gives_a_row_for_each_study_whatever_is_wrong_with_it() -> None:
    accession = omics.search(QUESTION, source="demo")[0].accession
    table = omics.start("data_validation", accessions=[accession, "GSE9999999"], source="demo").result(
        timeout=60
    )
    assert list(table["accession"]) == [accession, "GSE9999999"]
    assert list(table["readable"]) == [True, False]
    assert "NotFoundError" in table["problem"][1]
    assert list(table["source"]) == ["demo", "demo"]
    assert list(table["synthetic"]) == [True, False]


def test_a_failed_run_is_listed_as_such() -> None:
    run = omics.start("quick_report", accession="GSE9999999", source="demo")
    with pytest.raises(RunFailedError, match="GSE9999999"):
        run.result(timeout=60)
    assert omics.get_run(run.id).state == "failed"
    assert run.id in set(omics.runs(state="failed")["id"])


def test_a_source_that_cannot_be_opened_fails_a_validation_and_is_no_finding() -> None:
    run = omics.start("data_validation", accessions=["GSE1"], source="nowhere")
    with pytest.raises(RunFailedError, match="no source 'nowhere'"):
        run.result(timeout=60)


def test_a_question_chooses_among_comparisons_by_whole_words() -> None:
    study = omics.fetch("GSE9000003", source="demo").with_factor("surgery", ["operated", "sham"] * 3)
    assert {p.contrast.factor for p in omics.propose_contrasts(study)} >= {"agent", "surgery"}

    def chosen(word: str) -> str:
        return best_proposal(
            study, query=omics.Query(word, terms=(omics.Term(word, "word", word),))
        ).contrast.factor

    assert chosen("operated") == "surgery"
    assert chosen("rat") == omics.propose_contrasts(study)[0].contrast.factor == "agent"


def test_platforms_that_were_not_analysed_are_named() -> None:
    accession = next(
        hit for hit in omics.search("several platforms", source="demo", limit=40) if len(hit.platforms) > 1
    )
    study = omics.fetch(accession)
    best = best_proposal(study)
    others = [name for name in study.matrices if name != best.platform]
    assert others
    assert all(name in best.reason for name in others)
    assert "not analysed" not in best_proposal(study, platform=best.platform).reason


def test_runs_are_listed_newest_first() -> None:
    first = omics.start("simple_search", question="lupus")
    first.result(timeout=60)
    second = omics.start("simple_search", question="asthma")
    second.result(timeout=60)
    assert list(omics.runs()["id"])[:2] == [second.id, first.id]


def test_a_key_makes_a_start_happen_once() -> None:
    first = omics.start("simple_search", question="lupus", key="tonight")
    second = omics.start("simple_search", question="lupus", key="tonight")
    assert first.id == second.id


def test_unknown_flows_and_inputs_are_named() -> None:
    with pytest.raises(FlowError, match="no flow 'full'; have full_analysis"):
        omics.start("full")
    with pytest.raises(FlowError, match="question"):
        omics.start("simple_search", questoin="lupus")
    with pytest.raises(RunNotFoundError, match="nothing"):
        omics.get_run("nothing")


def test_a_study_that_shares_one_word_with_the_question_is_not_analysed() -> None:
    run = omics.start("full_analysis", question="does the sky fall", source="demo")
    with pytest.raises(RunFailedError, match="only the word 'fall'"):
        run.result(timeout=60)


def test_a_step_is_the_same_code_in_every_process() -> None:
    """Else a run could only be resumed where it was started."""
    script = (
        "from omics_nb import flows; from omics_nb.workflow.codehash import fingerprint\n"
        "for step in (flows.query, flows.hits, flows.best_study, flows.given_study, flows.validation):\n"
        "    print(step.__name__, fingerprint(step).digest.hex())"
    )
    seen = {
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(seen) == 1


def test_a_search_with_all_that_it_tells_is_kept_by_a_run() -> None:
    run = omics.start("simple_search", question="breast cancer, not mouse, tumor versus normal, 90 per group")
    hits = run.result()
    assert hits.removed
    assert run["hits"] == hits


@pytest.mark.parametrize("wrong", ["agent; vemurafenib; vehicle", ["agent", "vemurafenib"], "abc"])
def test_a_report_of_a_contrast_that_is_not_three_texts_is_refused_before_it_starts(wrong: object) -> None:
    before = len(omics.runs())
    with pytest.raises(DesignError, match=r"three texts, \[factor, tested, reference\], not .*a; b; c"):
        omics.start_report(study="GSE9000003", source="demo", contrast=wrong)  # type: ignore[arg-type]
    assert len(omics.runs()) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rebust": True}, "no option rebust; it has log2"),
        ({"robust": "false"}, "robust of the fit is true or false, not 'false'"),
        ({"log2": 1}, "log2 of the fit is true or false, not 1"),
        ({"lfc": "0.5"}, "lfc of the fit is a number, not '0.5'"),
    ],
)
def test_options_that_the_fit_does_not_take_are_refused_before_it_starts(
    options: dict[str, object], told: str
) -> None:
    before = len(omics.runs())
    with pytest.raises(AnalysisError, match=told):
        omics.start_report(study="GSE9000003", source="demo", options=options)
    assert len(omics.runs()) == before
