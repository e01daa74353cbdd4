"""The shell: every command, its exit codes, and JSON that a machine may read."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omics_nb import cli, errors
from tests.conftest import PROJECT


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


def test_understand_says_how_a_question_is_read() -> None:
    said = _run("understand", "flibbertigibbet in human liver, not mouse").output
    assert "Tissue: liver [UBERON:0002107]" in said
    assert "Not: Mus musculus" in said
    assert "Searched as plain words: flibbertigibbet" in said
    assert "Vocabulary: embedded" in said
    assert _json("understand", "human liver")["terms"][0]["id"] == "NCBITaxon:9606"
    assert _run("understand", "?!").exit_code == cli.EXIT_CODES[errors.QuestionError]


def test_search_as_json_has_hits_with_reasons() -> None:
    found = _json("search", "vemurafenib melanoma", "--source", "demo", "--limit", 2)
    assert found["source"] == "demo"
    assert 1 <= len(found["hits"]) <= 2
    assert found["hits"][0]["reasons"]
    assert found["hits"][0]["synthetic"] is True


def test_hits_are_counted_sorted_and_searched_within() -> None:
    found = _json("search", "melanoma", "--source", "demo", "--facets", "--sort", "samples")
    sizes = [hit["n_samples"] for hit in found["hits"]]
    assert sizes == sorted(sizes, reverse=True)
    assert found["facets"]["disease"]["melanoma"] >= 1
    first = found["hits"][0]["accession"]
    again = _json("search", "human", "--source", "demo", "--within", f"{first}, GSE1")
    assert [hit["accession"] for hit in again["hits"]] == [first]
    assert "organism: Homo sapiens" in _run("search", "melanoma", "--facets").output
    assert _run("search", "melanoma", "--save", "x", "--facets").exit_code == 2


def test_a_search_without_hits_explains_itself_and_says_so_by_its_code() -> None:
    done = _run("search", "tardigrade cryptobiosis anhydrobiosis")
    assert done.exit_code == cli.NOTHING_FOUND
    assert done.output.strip()


def test_fetch_writes_its_tables_and_marks_them_as_synthetic(tmp_path: Path, accession: str) -> None:
    found = _json("fetch", accession, "--out", tmp_path / "study", "--h5ad")
    written = [Path(path).name for path in found["written"]]
    assert {Path(name).suffix for name in written} == {".csv", ".h5ad", ".json"}
    assert all("_synthetic" in name for name in written)
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == sorted(written)
    told = json.loads((tmp_path / "study" / f"{accession}_synthetic_study.json").read_text(encoding="utf-8"))
    assert (told["source"], told["synthetic"]) == ("demo", True)
    assert told["files"][0]["sha256"]


def test_a_platform_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    import omics_nb as omics
    from omics_nb.cli.studies import _write_study

    study = omics.fetch("GSE9000003", source="demo")
    (matrix,) = study.matrices.values()
    with pytest.raises(errors.FormatError, match=r"\.\./\.\./x"):
        _write_study(replace(study, matrices={"../../x": matrix}), tmp_path / "out", h5ad=False)
    assert not list(tmp_path.rglob("x_*"))


def test_quality_and_de_agree_between_text_and_json(tmp_path: Path, accession: str) -> None:
    assert _json("quality", accession)["accession"] == accession
    found = _json("de", accession, "--out", tmp_path / "table.csv", "--top", 3)
    assert len(found["top"]) == 3
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert {"symbol", "logFC", "AveExpr", "t", "P.Value", "adj.P.Val", "B", "synthetic"} <= set(rows[0])
    assert {row["source"] for row in rows} == {"demo"}
    smallest = min(rows, key=lambda row: float(row["P.Value"]))
    assert float(smallest["P.Value"]) == found["top"][0]["P.Value"]
    text = _run("de", accession, "--top", 3)
    assert text.exit_code == 0
    assert found["contrast"]["tested"] in text.output


def test_a_table_is_named_for_what_it_is(tmp_path: Path, accession: str) -> None:
    done = _run("de", accession, "--out", tmp_path / "table.csv.gz")
    assert done.exit_code == 2
    assert "should end in .csv" in done.output
    assert not list(tmp_path.iterdir())


def _mirror(folder: Path) -> tuple[Path, bytes]:
    """A mirror with one study of the demo archive, and that study's whole matrix."""
    import omics_nb as omics

    (record, *_) = omics.fetch("GSE9000003", source="demo").files
    target = folder / "geo/series/GSE9000nnn/GSE9000003/matrix" / record.name
    target.parent.mkdir(parents=True)
    whole = Path(record.location).read_bytes()
    target.write_bytes(whole)
    return target, whole


def test_a_failed_report_is_mended_resumed_and_written(tmp_path: Path) -> None:
    target, whole = _mirror(tmp_path)
    target.write_bytes(whole[: len(whole) // 2])
    words = (
        "report",
        "vemurafenib melanoma",
        "--source",
        f"mirror:{tmp_path / 'geo'}",
        "--out",
        tmp_path / "out",
    )
    failed = _run(*words)
    assert failed.exit_code in (4, 6), failed.output
    (run,) = [row for row in json.loads(_run("runs", "--json").stdout) if row["state"] == "failed"][:1]
    shown = _json("runs", "show", run["id"])
    assert [step["name"] for step in shown["steps"] if step["state"] == "failed"]

    target.write_bytes(whole)
    resumed = _run("runs", "resume", run["id"])
    assert resumed.exit_code == 0, resumed.output
    assert f"report --run {run['id']}" in resumed.output
    before = {step["name"]: step["attempt"] for step in _json("runs", "show", run["id"])["steps"]}
    assert before["query"] == 1
    made = _json("report", "--run", run["id"], "--out", tmp_path / "out")
    assert Path(made["html"]).stat().st_size > 0
    assert {step["name"]: step["attempt"] for step in _json("runs", "show", run["id"])["steps"]} == before
    assert f"{run['id']}  full_analysis  done  100 %" in _run("runs", "show", run["id"]).output


def test_an_executed_report_says_what_was_asked_and_can_be_run_again(tmp_path: Path) -> None:
    made = _json("report", "--study", "GSE9000003", "--source", "demo", "--out", tmp_path)
    notebook = json.loads(Path(made["notebook"]).read_text(encoding="utf-8"))
    (cell,) = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    text = "".join(cell["source"])
    assert "study = 'GSE9000003'" in text
    assert "source = 'demo'" in text
    assert not [
        cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", ())
    ]


def test_runs_are_asked_for_by_states_that_there_are() -> None:
    assert _run("runs", "--state", "nonsense").exit_code == 2
    assert "No runs in state cancelling" in _run("runs", "--state", "cancelling").output


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


def test_doctor_looks_into_the_store_and_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "runs.sqlite").write_bytes(b"no database at all" * 100)
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("OMICS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OMICS_CACHE", str(tmp_path / "cache"))
    done = _run("doctor")
    assert done.exit_code == 1
    assert "move that file away" in done.output
    assert "is a file; set OMICS_CACHE" in done.output


def test_the_shell_offers_the_states_and_methods_that_there_are() -> None:
    from typing import get_args

    from omics_nb.analysis.de import Method
    from omics_nb.cli.options import method_option
    from omics_nb.cli.runs import STATES
    from omics_nb.workflow import tables

    assert set(STATES) == {*tables.ACTIVE, *tables.ENDED, "paused", "interrupted"}
    command = method_option(cli.main.commands["doctor"])
    (option,) = [p for p in command.params if p.name == "method"]
    command.params.remove(option)
    assert tuple(option.type.choices) == get_args(Method)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("files", "GSE9000018: 3 files"),
        ("publications", "GSE9000018: no paper"),
        ("raw-data", "GSE9000018: no raw data in SRA"),
        ("family", "GSE9000018: SuperSeries of GSE9000016, GSE9000017"),
    ],
)
def test_what_surrounds_a_study_is_told_and_none_is_an_answer(command: str, line: str) -> None:
    done = _run(command, "gse9000018")
    assert done.exit_code == 0
    assert done.output.startswith(line)
    found = _json(command, "GSE9000018")
    assert (found["accession"], found["synthetic"], found["source"]) == ("GSE9000018", True, "demo")
    assert _run(command, "GSE9999999").exit_code == cli.EXIT_CODES[errors.NotFoundError]


def test_the_cache_is_shown_checked_and_pruned(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMICS_CACHE", str(tmp_path / "cache"))
    assert "0 files and 0 parsed studies, 0 bytes of at most 50.0 GiB" in _run("cache", "info").output
    _json("fetch", "GSE42872", "--source", f"mirror:{shared / 'geo'}")
    found = _json("cache", "info")
    (study,) = found["studies"]
    assert (study["accession"], study["n_bytes"], found["files"]) == ("GSE42872", found["n_bytes"], [])
    assert "GSE42872, parsed" in _run("cache", "info").output
    assert _json("cache", "verify")["n_checked"] == 1
    assert _json("cache", "prune")["removed"] == []

    values = next(Path(study["path"]).glob("*.npy"))
    values.write_bytes(b"\0" * values.stat().st_size)
    done = _run("cache", "verify")
    assert done.exit_code == 6
    assert "1 files and studies checked, 1 damaged and removed" in done.output

    _json("fetch", "GSE42872", "--source", f"mirror:{shared / 'geo'}")
    monkeypatch.setenv("OMICS_CACHE_LIMIT", "1 MB")
    assert _json("cache", "prune")["removed"] == [study["path"]]
    assert _json("cache", "info")["n_bytes"] == 0


def test_a_report_is_written_in_the_formats_that_one_asks_for(tmp_path: Path) -> None:
    asked = (
        "report",
        "--study",
        "GSE9000003",
        "--source",
        "demo",
        "--format",
        "markdown",
        "--format",
        "xlsx",
    )
    made = _json(*asked, "--out", tmp_path)
    assert set(made) == {"markdown", "xlsx"}
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".xlsx", ".svg"}
    assert Path(made["markdown"]).read_text(encoding="utf-8").startswith("# vemurafenib against vehicle")
    assert _run(*asked, "--format", "docx").exit_code == 2


def test_a_format_whose_package_is_missing_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omics_nb.cli.reports.find_spec", lambda name: None if name == "weasyprint" else name)
    done = _run("report", "--study", "GSE9000003", "--source", "demo", "--format", "pdf", "--out", tmp_path)
    assert done.exit_code == 9
    assert "omics-nb[pdf]" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [
        sys.executable,
        "-c",
        "from omics_nb.cli import main; main()",
        "search",
        "cancer",
        "--source",
        "demo",
    ]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_readme_shows_groups_that_can_be_used_as_they_are_written(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    made, used = re.search(r"(\(echo sample.*> groups\.csv)\n(omics-nb de .*?)  #", readme).groups()  # type: ignore[union-attr]
    subprocess.run(["sh", "-c", made], cwd=tmp_path, check=True)
    done = _run(*used.replace("groups.csv", str(tmp_path / "groups.csv")).split()[1:], "--source", "demo")
    assert done.exit_code == 0, done.output
    assert "treatment: drug vs control" in done.output
