"""The shell: every command, its exit codes, and JSON that a machine may read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omics_nb import cli, errors


def _run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def _json(*words: object) -> dict:  # type: ignore[type-arg]
    done = _run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def accession() -> str:
    done = CliRunner().invoke(cli.main, ["search", "vemurafenib melanoma", "--source", "demo", "--json"])
    return str(json.loads(done.stdout)["hits"][0]["accession"])


def test_search_shows_how_the_question_was_read_and_why_each_was_found() -> None:
    done = _run("search", "vemurafenib in melanoma, human, at least 6 samples")
    assert done.exit_code == 0
    assert "Homo sapiens" in done.output
    assert "synthetic" in done.output
    assert "GSE9" in done.output


def test_search_as_json_has_hits_with_reasons() -> None:
    found = _json("search", "vemurafenib melanoma", "--source", "demo", "--limit", 2)
    assert found["source"] == "demo"
    assert 1 <= len(found["hits"]) <= 2
    assert found["hits"][0]["reasons"]
    assert found["hits"][0]["synthetic"] is True


def test_a_search_without_hits_explains_itself_and_says_so_by_its_code() -> None:
    done = _run("search", "tardigrade cryptobiosis anhydrobiosis")
    assert done.exit_code == cli.NOTHING_FOUND
    assert done.output.strip()


def test_fetch_writes_its_tables(tmp_path: Path, accession: str) -> None:
    found = _json("fetch", accession, "--out", tmp_path / "study", "--h5ad")
    assert found["files"][0]["sha256"]
    written = {Path(path).suffix for path in found["written"]}
    assert written == {".csv", ".h5ad"}
    assert not list((tmp_path / "study").glob(".*partial"))


def test_quality_and_de_agree_between_text_and_json(tmp_path: Path, accession: str) -> None:
    assert _json("quality", accession)["accession"] == accession
    found = _json("de", accession, "--out", tmp_path / "table.csv", "--top", 3)
    assert len(found["top"]) == 3
    header = (tmp_path / "table.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert header.split(",")[1:] == ["symbol", "logFC", "AveExpr", "t", "P.Value", "adj.P.Val", "B"]
    text = _run("de", accession, "--top", 3)
    assert text.exit_code == 0
    assert found["contrast"]["tested"] in text.output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["search", "  "], 3, "QuestionError"),
        (["search", "lupus", "--source", "nowhere"], 3, "no source 'nowhere'; have demo, mirror, ncbi"),
        (["fetch", "GSE9999999"], 4, "GSE9999999"),
        (["fetch", "banana"], None, "banana"),
        (["fetch", "GSE1", "--source", "mirror:no-such-folder"], 3, "no-such-folder"),
        (["report"], 3, "give a question, or the accession of a study"),
        (["runs", "show", "nothing"], 4, "nothing"),
        (["de"], 2, "Missing argument"),
    ],
)
def test_a_failure_says_why_and_has_its_own_exit_code(
    words: list[str], code: int | None, message: str
) -> None:
    done = _run(*words)
    assert done.exit_code == code if code else done.exit_code in (3, 4)
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_contrast_with_an_unknown_level_names_the_known(accession: str) -> None:
    found = _json("de", accession)["contrast"]
    done = _run("de", accession, "--contrast", found["factor"], "no such level", found["reference"])
    assert done.exit_code == 7
    assert "no such level" in done.output
    assert found["tested"] in done.output


def test_every_branch_of_the_error_tree_has_an_exit_code() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.OmicsError)
    ]
    leaves = [kind for kind in kinds if kind is not errors.OmicsError]
    assert all(cli.exit_code(kind("x")) > 2 for kind in leaves)


def test_doctor_says_what_works() -> None:
    done = _run("doctor")
    assert done.exit_code == 0, done.output
    assert "questions go to demo" in done.output
    checks = json.loads(_run("doctor", "--json").stdout)
    assert {check["name"] for check in checks} >= {"python", "pandas", "source", "data folder"}


def test_doctor_says_how_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICS_SOURCE", f"mirror:{tmp_path}/nothing")
    done = _run("doctor")
    assert done.exit_code == 1
    assert "Set OMICS_SOURCE" in done.output


def test_the_command_is_installed_and_says_its_version() -> None:
    command = Path(sys.executable).parent / "omics-nb"
    done = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.startswith("omics-nb, version ")
