"""Every notebook in notebooks/: one story, kept clean, run from top to bottom without a network, guarded by nbval."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks import refresh

PATHS = sorted(refresh.NOTEBOOKS.glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
NBVAL = "-m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -p no:cacheprovider --color=no".split()


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def tagged(notebook: Any, tag: str) -> list[Any]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def nbval(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook cell by cell and compare guarded outputs, as `pytest --nbval-lax` does, with no network."""
    (path.parent / "pytest.ini").write_text("[pytest]\n")  # not the project's own settings
    return subprocess.run(
        [sys.executable, *NBVAL, path.name],
        cwd=path.parent,
        env=os.environ | refresh.OFFLINE,
        capture_output=True,
        text=True,
    )


def test_the_notebooks_that_people_are_pointed_to_are_there() -> None:
    pointed_to = {"explore", "tutorial", "search", "report", "geo", "workflow", "differential_expression"}
    assert pointed_to <= {path.stem for path in PATHS}


@EACH
def test_a_notebook_opens_with_its_story_and_has_one_cell_of_parameters(path: Path) -> None:
    notebook = read(path)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert [cell.cell_type for cell in tagged(notebook, "parameters")] == ["code"]


@EACH
def test_a_notebook_is_kept_clean(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    guarded = {cell.id for cell in tagged(notebook, refresh.GUARDED)}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id not in guarded:
            assert cell.outputs == [], cell.id
            assert cell.execution_count is None, cell.id
    assert path.stat().st_size < 60_000


@EACH
def test_guarded_cells_hold_what_nbval_needs(path: Path) -> None:
    for cell in tagged(read(path), refresh.GUARDED):
        # nbval passes any cell without a count, whatever it prints.
        assert cell.execution_count, cell.id
        assert cell.outputs, cell.id


@EACH
def test_a_notebook_runs_offline_and_prints_what_it_printed(path: Path, tmp_path: Path) -> None:
    done = nbval(Path(shutil.copy(path, tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_output_that_changed_is_noticed(tmp_path: Path) -> None:
    notebook = read(refresh.NOTEBOOKS / "explore.ipynb")
    [cell] = tagged(notebook, refresh.GUARDED)
    cell.outputs[0]["data"]["text/plain"] = "Explore('something else', source='demo')"
    changed = tmp_path / "changed.ipynb"
    nbformat.write(notebook, changed)
    done = nbval(changed)
    assert done.returncode == 1
    assert "something else" in done.stdout


def papermill(name: str, folder: Path, **parameters: Any) -> Any:
    import papermill

    out = folder / name
    papermill.execute_notebook(
        str(refresh.NOTEBOOKS / name), str(out), parameters=parameters, cwd=str(folder), progress_bar=False
    )
    return read(out)


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.mark.filterwarnings("default")  # papermill and nbclient warn of their own dependencies
def test_papermill_fills_the_form_with_other_parameters(tmp_path: Path) -> None:
    done = papermill("explore.ipynb", tmp_path, question="asthma, human", source="mirror:some/folder")
    assert "Explore('asthma, human', source='mirror:some/folder')" in printed(done)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_papermill_takes_the_tutorial_to_another_study(tmp_path: Path) -> None:
    out = tmp_path / "reports"
    papermill(
        "tutorial.ipynb",
        tmp_path,
        question="hypoxia in hepatoma cells",
        accession="GSE9000010",
        reports=str(out),
    )
    assert {path.name for path in out.iterdir()} == {f"GSE9000010.{kind}" for kind in ("html", "json", "csv")}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("accession", "said"),
    [
        (
            "GSE14520",
            ("declared, and in no file: 445", "no gene symbols of GPL571", "RawData(GSE14520: whether SRA"),
        ),
        ("GSE781", ("with a column of values:  34", "GPL96: 12,632 rows from 22,283 features (max-mean)")),
        ("GSE99709", ("with a column of values:  0", "Family(GSE99709: part of SuperSeries GSE99797")),
    ],
)
def test_papermill_takes_the_anatomy_to_a_real_study(
    accession: str, said: tuple[str, ...], shared: Path, tmp_path: Path
) -> None:
    text = printed(papermill("geo.ipynb", tmp_path, source=f"mirror:{shared / 'geo'}", study=accession))
    assert [part for part in said if part not in text] == []
    assert "was read" not in text


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("accession", "tested"), [("GSE42872", 33_297), ("GSE4107", 54_675)])
def test_papermill_takes_the_differential_expression_to_real_studies(
    accession: str, tested: int, shared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "de.xlsx"
    source = f"mirror:{shared / 'geo'}"
    done = papermill("differential_expression.ipynb", tmp_path, source=source, study=accession, out=str(out))
    assert f"of {tested:,} features tested differ at least twofold" in printed(done)
    assert out.is_file()


@pytest.mark.filterwarnings("default")
def test_the_kernel_is_the_projects_own_interpreter(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("import sys; print(sys.prefix)")]
    path = tmp_path / "where.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": refresh.KERNELSPEC}), path)
    assert printed(refresh.run(path)).strip() == sys.prefix


def test_refreshing_keeps_guarded_text_and_strips_the_rest() -> None:
    code = nbformat.v4.new_code_cell
    shown = nbformat.v4.new_output(
        "execute_result", {"text/html": "<b>x</b>", "text/plain": "x"}, execution_count=4
    )
    guarded = code(
        "x", execution_count=4, outputs=[shown], metadata={"tags": [refresh.GUARDED], "collapsed": True}
    )
    free = code("y", execution_count=5, outputs=[nbformat.v4.new_output("stream", text="y")])
    tidied = refresh.tidy(
        nbformat.v4.new_notebook(cells=[guarded, free], metadata={"title": "T", "widgets": {}})
    )
    assert tidied.cells[0].outputs[0]["data"] == {"text/plain": "x"}
    assert tidied.cells[0].execution_count == 4
    assert tidied.cells[0].metadata == {"tags": [refresh.GUARDED]}
    assert (tidied.cells[1].outputs, tidied.cells[1].execution_count) == ([], None)
    assert set(tidied.metadata) == {"title", "kernelspec", "language_info"}
