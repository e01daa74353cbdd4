"""Summaries are the studies' own sentences, each where it says it stands."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import omics_nb as omics
from omics_nb import cli
from omics_nb.errors import QuestionError
from omics_nb.index.sentences import sentences
from omics_nb.index.summary import Cited, Summary
from omics_nb.records import Hit, Hits, Study
from tests.test_display import HOSTILE, Page


def hit(accession: str, title: str, summary: str, design: str = "") -> Hit:
    return Hit(
        accession, title, summary, (), (), (), 6, None, 1.0, (), "test", synthetic=True, overall_design=design
    )


LIVER = hit(
    "GSE1",
    "Livers of mice",
    "Mice were fed for 16 weeks, e.g. with lard. We found that steatosis of the liver follows M. musculus strains. "
    "Insulin was measured vs. glucose. See http://example.org for more.",
    "Three livers of each strain.",
)
KIDNEY = hit("GSE2", "Kidneys", "Kidneys were taken. Nothing was found in the liver of these animals.")


@pytest.fixture(scope="module")
def hits() -> Hits:
    return omics.search("tamoxifen resistance in breast cancer", source="demo")


def test_every_sentence_stands_where_it_says(hits: Hits) -> None:
    summary = omics.summarise(hits)
    assert len({item.accession for item in summary.sentences}) > 1
    for item in summary.sentences:
        assert getattr(hits.get(item.accession), item.field)[item.start : item.end] == item.text
    study = omics.fetch(hits[0])
    for question in ("estrogen receptor", None):
        found = omics.summarise(study, question).sentences
        assert found
        assert all(getattr(study, item.field)[item.start : item.end] == item.text for item in found)


def test_the_sentences_are_those_that_answer_the_question() -> None:
    summary = omics.summarise([LIVER, KIDNEY], "steatosis of the liver")
    best = max(summary.sentences, key=lambda item: item.score)
    assert best.text == "We found that steatosis of the liver follows M. musculus strains."
    assert "liver" in best.names
    assert not any("glucose" in item.text or "http" in item.text for item in summary.sentences)
    assert str(best).endswith("[GSE1, summary, characters 44–109]")


def test_what_no_sentence_names_is_said_and_nothing_is_made_up() -> None:
    nothing = omics.summarise([LIVER, KIDNEY], "glioblastoma")
    assert nothing.sentences == ()
    assert nothing.notes == ("No sentence here names “glioblastoma”.",)
    assert omics.summarise([], "liver").notes[0] == "There are no studies to summarise."
    assert "2 studies" not in " ".join(nothing.notes)


def test_a_sentence_that_says_the_same_again_is_left_out() -> None:
    again = replace(KIDNEY, accession="GSE3", summary=LIVER.summary, title="Livers of mice")
    found = [item.text for item in omics.summarise([LIVER, again], "liver steatosis").sentences]
    assert len(found) == len(set(found))


def test_at_most_two_sentences_of_each_of_several_studies() -> None:
    long = replace(LIVER, summary=" ".join(f"Liver number {n} was weighed on day {n}." for n in range(9)))
    found = omics.summarise([long, KIDNEY], "liver").sentences
    assert [item.accession for item in found].count("GSE1") == 2
    assert len(omics.summarise(long, "liver", limit=4).sentences) == 4
    with pytest.raises(QuestionError, match="at least 1"):
        omics.summarise(long, "liver", limit=0)
    with pytest.raises(QuestionError, match=r"omics.fetch\('GSE1'\)"):
        omics.summarise("GSE1")  # type: ignore[arg-type]


def test_a_summary_is_shown_with_its_places_and_marks(hits: Hits) -> None:
    summary = omics.summarise(hits)
    page = Page(summary._repr_html_())
    first = summary.sentences[0]
    for said in (first.text, f"{first.field}, characters {first.start}–{first.end}", "synthetic data"):
        assert said in page.text
    assert f"1. {first.text}" in str(summary)
    assert repr(summary).endswith("source demo, synthetic)")


def test_strangers_texts_are_harmless_in_a_summary() -> None:
    nasty = Summary(
        "x", tuple(Cited(text, "GSE1", "title", 0, 9, 1.0) for text in HOSTILE), "test", notes=HOSTILE
    )
    page = Page(nasty._repr_html_())
    assert not {"script", "img", "iframe"} & {name for name, _ in page.elements}
    assert all(text in page.text for text in HOSTILE[:3])


def test_a_report_has_what_the_study_says_itself(hits: Hits) -> None:
    study: Study = omics.fetch("GSE9000003", source="demo")
    result = omics.differential_expression(study, contrast=("agent", "vemurafenib", "vehicle"))
    report = omics.report(
        study, result, question="vemurafenib in melanoma", query=omics.understand("melanoma")
    )
    assert report.said is not None
    assert report.said.sentences
    assert "What the study says itself" in report.to_html()
    assert report.said.sentences[0].text in Page(report.to_html().removeprefix("<!DOCTYPE html>")).text


def test_the_shell_says_it_too() -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.main, ["summarise", *words])
        return done.exit_code, done.output

    code, said = run("tamoxifen resistance", "--json")
    assert code == 0
    assert json.loads(said)["sentences"][0]["accession"] == "GSE9000001"
    code, said = run("--study", "GSE9000001", "--limit", "2")
    assert (code, said.count("characters")) == (0, 2)
    assert run("tardigrade cryptobiosis")[0] == cli.NOTHING_FOUND
    assert run()[0] == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Cells of M. musculus were used. OK.", ["Cells of M. musculus were used."]),
        (
            "Treated, e.g. With lard (Fig. 2). Then what happened?",
            ["Treated, e.g. With lard (Fig. 2).", "Then what happened?"],
        ),
        ("First thing here\n\nSecond thing here", ["First thing here", "Second thing here"]),
        ("p < 0.05 in all of them. 12 mice died", ["p < 0.05 in all of them.", "12 mice died"]),
        ("", []),
        ("...", []),
    ],
)
def test_texts_are_cut_where_sentences_end(text: str, parts: list[str]) -> None:
    assert [span.text for span in sentences(text)] == parts


@given(st.text(alphabet='aB .!?\n;-1"é', max_size=200))
def test_sentences_are_slices_in_order_that_do_not_overlap(text: str) -> None:
    end = 0
    for span in sentences(text):
        assert text[span.start : span.end] == span.text
        assert end <= span.start < span.end
        end = span.end
