"""Searches that are kept, and studies that are like one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import omics_nb as omics
from omics_nb import cli, settings
from omics_nb.agents.saved import saved_names
from omics_nb.errors import DataError, NotFoundError, QuestionError
from omics_nb.index import add_studies
from omics_nb.records import StudyHeader


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def study(accession: str, title: str) -> StudyHeader:
    return StudyHeader(accession, title, "", "", (), (), (), None, 6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add_studies(tmp_path / "index", [study("GSE1", "Glioma"), study("GSE2", "Liver")], source="ncbi")
    return tmp_path / "index"


def test_a_saved_search_tells_what_is_new_since_the_last_time(folder: Path) -> None:
    first = omics.save_search("my gliomas", "glioma", source=f"index:{folder}")
    assert ([hit.accession for hit in first.new], first.gone) == (["GSE1"], ())
    assert omics.saved_search("my gliomas").new == ()
    add_studies(folder, [study("GSE3", "More glioma"), study("GSE1", "Gone elsewhere")], source="ncbi")
    third = omics.saved_search("my gliomas")
    assert ([hit.accession for hit in third.new], third.gone) == (["GSE3"], ("GSE1",))
    assert third.seen["GSE1"].first == first.seen["GSE1"].first
    assert set(third.seen) == {"GSE1", "GSE3"}
    assert omics.saved_search("my gliomas").gone == ()
    assert saved_names() == ("my gliomas",)
    assert "GSE3" in str(third)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 81, "a\0b", "täglich"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(QuestionError, match="saved under"):
        omics.save_search(name, "liver")


def test_a_saved_search_that_is_missing_or_damaged_says_so(folder: Path) -> None:
    omics.save_search("one", "liver", source=f"index:{folder}")
    with pytest.raises(NotFoundError, match="no saved search 'two'; have one"):
        omics.saved_search("two")
    (settings.load().data / "searches" / "one.json").write_text("{")
    with pytest.raises(DataError, match=r"one\.json cannot be read.*save it anew"):
        omics.saved_search("one")


def test_the_shell_saves_and_asks_again(folder: Path) -> None:
    source = f"index:{folder}"
    assert run("search", "glioma", "--source", source, "--save", "gliomas").exit_code == 0
    add_studies(folder, [study("GSE3", "Glioma too")], source="ncbi")
    again = run("search", "--saved", "gliomas", "--json")
    assert [hit["accession"] for hit in json.loads(again.stdout)["new"]] == ["GSE3"]
    assert run("search", "--saved", "gliomas").output.startswith("gliomas: 2 studies, 0 new")
    for words in (
        ["search"],
        ["search", "--saved", "gliomas", "--source", source],
        ["search", "x", "--saved", "y"],
        ["search", "--save", "x"],
    ):
        assert run(*words).exit_code == 2


def test_studies_like_one_name_the_same_things() -> None:
    hits = omics.similar("gse9000003", source="demo", limit=5)
    assert "GSE9000003" not in {hit.accession for hit in hits}
    assert "melanoma" in {term.label for term in hits.query.terms}
    assert any("melanoma" in reason for reason in hits[0].reasons)
    assert hits == omics.similar(omics.search("GSE9000003", source="demo")[0], limit=5)
    with pytest.raises(NotFoundError, match="GSE999"):
        omics.similar("GSE999", source="demo")


def test_a_study_unlike_all_others_says_so_and_where_more_are(shared: Path) -> None:
    spec = f"mirror:{shared / 'geo'}"
    hits = omics.similar("GSE42872", source=spec)
    assert len(hits) == 0
    assert hits.notes[-1] == (
        f"No other study of {spec} names any of what GSE42872 names; more studies are in the source ncbi."
    )
    shown = run("similar", "GSE9000003", "--source", "demo", "--json")
    assert json.loads(shown.stdout)["hits"]
