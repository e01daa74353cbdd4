"""The report notebook: parameters go in as JSON, whole files come out, errors name the cell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest

from omics_nb.errors import DataError, NotFoundError, RunFailedError, SettingsError
from omics_nb.reporting import find_notebook, run_report_notebook
from omics_nb.reporting.notebook import NotebookRun, declared_parameters


def notebook(folder: Path, *cells: str, parameters: str = 'study = None\nnumber = 1\nout = "x.html"') -> Path:
    """A small notebook that takes parameters as the report does."""
    made = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *(nbformat.v4.new_code_cell(source) for source in cells),
        ],
        metadata={"kernelspec": {"name": "not-installed-here", "language": "python", "display_name": "x"}},
    )
    path = folder / "small {brace}.ipynb"
    path.write_text(nbformat.writes(made), encoding="utf-8")
    return path


def outputs(path: Path) -> str:
    read = nbformat.read(path, as_version=4)
    return "".join(output.get("text", "") for cell in read.cells for output in cell.get("outputs", []))


STRANGE = "x\"'''\n{0} \\ \u202e ü"


class Disguised(str):
    """A text that shows itself as code; papermill writes what a value shows."""

    def __str__(self) -> str:
        return "0\nopen('pwned', 'w')"

    __repr__ = __str__


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    folder = tmp_path_factory.mktemp("notebooks")
    source = notebook(
        folder, "import sys; print(sys.executable)", "print(out)", "print(ascii([study, number]))"
    )
    given = {"study": Disguised("GSE1"), "number": [1, 2.5, None, {"a": True, "b": STRANGE}]}
    return run_report_notebook(given, folder / "new" / "folder", notebook=source)


def test_it_runs_in_this_very_interpreter_whatever_kernel_the_notebook_names(made: NotebookRun) -> None:
    assert outputs(made.notebook).splitlines()[0] == sys.executable


def test_the_notebook_is_told_where_its_report_goes(made: NotebookRun) -> None:
    assert made.report.html == made.notebook.with_suffix(".html")
    assert outputs(made.notebook).splitlines()[1] == str(made.report.html)


def test_values_arrive_as_plain_json_whatever_they_pretend_to_be(made: NotebookRun) -> None:
    expected = ["GSE1", [1, 2.5, None, {"a": True, "b": STRANGE}]]
    assert outputs(made.notebook).splitlines()[2] == ascii(expected)


def test_only_the_whole_notebook_is_written_and_it_names_no_folder_of_its_source(made: NotebookRun) -> None:
    assert [path.name for path in made.notebook.parent.iterdir()] == ["GSE1.ipynb"]
    read = nbformat.read(made.notebook, as_version=4)
    nbformat.validate(read)
    assert read.metadata.papermill.input_path == "small {brace}.ipynb"


@pytest.mark.parametrize("name", ["unknown", "number=0\nopen('pwned','w')#", "import", "1x", ""])
def test_only_declared_names_are_taken(tmp_path: Path, name: str) -> None:
    source = notebook(tmp_path, "1")
    with pytest.raises(SettingsError, match="it has study, number, out"):
        run_report_notebook({name: 1}, tmp_path / "out", notebook=source)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [Path("x"), {1, 2}, float("nan"), object()])
def test_only_json_values_are_taken(tmp_path: Path, value: object) -> None:
    with pytest.raises(SettingsError, match="parameter number must be a JSON value"):
        run_report_notebook({"number": value}, tmp_path, notebook=notebook(tmp_path, "1"))


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "", "x" * 200])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot name a file"):
        run_report_notebook({"study": name or " "}, tmp_path, notebook=notebook(tmp_path, "1"))


def test_a_failing_cell_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = notebook(tmp_path, "1", "# a comment\nvalue = 1\nvalue / 0")
    with pytest.raises(RunFailedError) as caught:
        run_report_notebook({}, tmp_path / "out", notebook=source)
    assert "(value / 0) failed: ZeroDivisionError: division by zero" in str(caught.value)
    assert caught.value.facts["cell"] == 3
    assert "ZeroDivisionError" in str(caught.value.facts["traceback"])
    assert not (tmp_path / "out").exists()


def test_an_error_of_our_tree_keeps_its_kind(tmp_path: Path) -> None:
    source = notebook(
        tmp_path, "from omics_nb.errors import NotFoundError\nraise NotFoundError('no GSE1 here')"
    )
    with pytest.raises(NotFoundError, match="no GSE1 here"):
        run_report_notebook({}, tmp_path / "out", notebook=source)


def test_a_kernel_that_dies_is_an_error(tmp_path: Path) -> None:
    source = notebook(tmp_path, "import os; os._exit(1)")
    with pytest.raises(RunFailedError, match="the kernel died"):
        run_report_notebook({}, tmp_path / "out", notebook=source)


def test_a_missing_notebook_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no notebook at"):
        run_report_notebook({}, tmp_path, notebook=tmp_path / "none.ipynb")
    with pytest.raises(DataError, match=r"no notebook 'none\.ipynb' in"):
        find_notebook("none.ipynb")


def test_the_project_s_notebook_declares_what_a_report_needs_and_is_stripped() -> None:
    path = find_notebook()
    declared = declared_parameters(path)
    assert list(declared) == [
        "question",
        "source",
        "study",
        "contrast",
        "platform",
        "design",
        "method",
        "options",
        "groups",
        "run_id",
        "out",
    ]
    assert all(parameter["help"] for parameter in declared.values())
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    assert (read.nbformat, read.nbformat_minor) == (4, 5)
    code = [cell for cell in read.cells if cell.cell_type == "code"]
    guarded = [cell.id for cell in code if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert guarded == ["counted"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == guarded


def test_the_project_s_notebook_makes_a_report_offline(tmp_path: Path) -> None:
    made = run_report_notebook({}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.csv",
        "report.html",
        "report.ipynb",
        "report.json",
    ]
    told = json.loads(made.report.json.read_text())
    assert told["synthetic"] is True
    assert told["source"] == "demo"
    assert told["hits"]["hits"][0]["accession"] == told["study"]["accession"]
    assert len(told["figures"]) == 7
    assert "synthetic data" in made.notebook.read_text(encoding="utf-8")
