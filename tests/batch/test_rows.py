"""One batch of every fate that a row can have, each in a kernel of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from omics_nb.batch import Batch, get_batch, start_batch
from omics_nb.batch.ledger import RowInfo
from omics_nb.errors import DataError, RunError
from tests.batch.conftest import ACTS, printed, read, write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies
FATES = ["work", "fail", "hang", "die", "killed", "eat", "print"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("fates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICS_DATA", str(folder / "data"))
        patch.setenv("OMICS_CONFIG", str(folder / "none.toml"))
        patch.setenv("HUSH", "a-word-to-hide")
        yield folder


@pytest.fixture(scope="module")
def fates(environment: Path) -> Batch:
    notebook = write_notebook(environment / "acts.ipynb", ACTS, "x = n + 1\nx")
    rows = [{"do": do, "n": 30_000 if do == "print" else 1} for do in FATES]
    made = start_batch(
        rows, notebook, out=environment / "out", name="{row}-{do}", jobs=3, row_timeout_s=6, memory_mb=600
    )
    return made.wait(120)


@pytest.fixture(scope="module")
def by_name(fates: Batch) -> dict[str, RowInfo]:
    return {row.name.partition("-")[2]: row for row in fates.rows}


def test_one_rows_failure_touches_no_other(fates: Batch, by_name: dict[str, RowInfo]) -> None:
    assert {name: row.state for name, row in by_name.items()} == {
        "work": "done",
        "fail": "failed",
        "hang": "timed out",
        "die": "failed",
        "killed": "failed",
        "eat": "failed",
        "print": "done",
    }
    assert fates.state == "failed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fail", "cell 3 (import os, signal, sys, threading, time): ValueError: no such gene: 42"),
        ("hang", "took longer than 6 s"),
        ("die", "the kernel ended by itself, with code 3"),
        ("killed", "the kernel was killed by SIGKILL; the system does so when memory runs out"),
        ("eat", "MiB of memory, and may use 600 MiB"),
    ],
)
def test_an_error_says_where_and_why(name: str, said: str, by_name: dict[str, RowInfo]) -> None:
    assert said in by_name[name].error
    assert by_name[name].error.startswith("cell 3 (")


def test_each_notebook_says_how_it_ended(fates: Batch) -> None:
    for row in fates.rows:
        notebook = read(fates.out / f"{row.name}.ipynb")
        assert notebook.metadata.omics_batch.state == row.state
        assert notebook.metadata.omics_batch.batch == fates.id
        if row.state != "done":
            assert notebook.metadata.omics_batch.cell == 3
            assert "stopped here" in notebook.cells[0].source
            assert row.error[:200] in notebook.cells[0].source
        assert (fates.out / f"{row.name}.html").read_text().startswith("<!DOCTYPE html>")


def test_a_finished_notebook_holds_its_values_and_outputs(fates: Batch) -> None:
    notebook = read(fates.out / "1-work.ipynb")
    assert printed(notebook) == "did work 1\n\n2"
    [injected] = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert 'do = "work"' in injected.source
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4]


def test_an_interrupted_cell_shows_where_it_was(fates: Batch) -> None:
    notebook = read(fates.out / "3-hang.ipynb")
    told = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert told[0].ename == "KeyboardInterrupt"
    assert "threading.Event().wait()" in "".join(told[0].traceback)


def test_large_output_is_kept_whole_beside_the_notebook(fates: Batch) -> None:
    notebook = fates.out / "7-print.ipynb"
    assert notebook.stat().st_size < 1_300_000
    assert "all of it is in 7-print/cell-3-stdout.txt" in printed(read(notebook))
    assert (fates.out / "7-print" / "cell-3-stdout.txt").read_text() == (
        "x" * 99 + "\n"
    ) * 30_000 + "did print 30000\n"


def test_nothing_half_written_is_left(fates: Batch) -> None:
    assert [path for path in fates.out.rglob(".*") if not path.name.startswith(".index")] == []


def test_the_batch_is_found_again_by_its_id(
    environment: Path, fates: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMICS_DATA", str(environment / "data"))
    found = get_batch(fates.id[:6])
    assert [row[:5] for row in found.rows] == [row[:5] for row in fates.rows]
    assert found.counts == {"done": 2, "failed": 4, "timed out": 1}


def test_the_summary_has_a_row_each(fates: Batch) -> None:
    table = fates.table()
    assert list(table["state"]) == [row.state for row in fates.rows]
    assert (fates.out / "summary.csv").read_text().splitlines()[
        0
    ] == "row,name,state,seconds,peak_mb,do,n,error"
    assert table["peak_mb"][0] > 20


def test_resume_leaves_failed_rows_alone_and_says_how_to_retry(fates: Batch) -> None:
    with pytest.raises(RunError, match="omics-nb batch retry .* --failed"):
        fates.resume()


def counted(mark: Path) -> list[str]:
    return mark.read_text().split() if mark.exists() else []


def test_finished_rows_are_repeated_only_when_code_values_or_data_change(tmp_path: Path, acts: Path) -> None:
    mark, out = tmp_path / "mark", tmp_path / "out"
    data = tmp_path / "data.csv"
    data.write_text("1")
    notebook = write_notebook(
        tmp_path / "n.ipynb",
        "import helper",
        ACTS,
        parameters=f'do = "count"\nn = 0\nmark = "{mark}"\ndata = ""',
    )
    (tmp_path / "helper.py").write_text("x = 1\n")
    rows: list[dict[str, Any]] = [{"n": 1}, {"n": 2, "data": str(data)}]
    os.chdir(tmp_path)

    def run(**options: Any) -> list[str]:
        mark.unlink(missing_ok=True)
        batch = start_batch(rows, notebook, out=out, name="{row}", **options).wait(60)
        assert batch.counts == {"done": 2}
        return sorted(counted(mark))

    assert run() == ["1", "2"]
    assert run() == []  # nothing changed
    rows[0] = {"n": 3}
    assert run() == ["3"]  # a value
    data.write_text("22")
    assert run() == ["2"]  # the data that a value names
    (tmp_path / "helper.py").write_text("x = 2\n")
    assert run() == ["2", "3"]  # code beside the notebook
    (out / "1.html").unlink()
    assert run() == ["3"]  # a file that is gone
    assert run(fresh=True) == ["2", "3"]


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        os.sched_yield()


def test_a_cancelled_batch_leaves_no_kernel_and_no_child_of_one(tmp_path: Path, acts: Path) -> None:
    mark = tmp_path / "pid"
    batch = start_batch(
        [{"do": "child", "mark": str(mark)}, {"do": "work"}], acts, out=tmp_path / "out", name="{row}", jobs=1
    )
    wait_for(lambda: mark.exists() and mark.read_text())
    child = int(mark.read_text())
    kernel = psutil.Process(child).parent()
    batch.cancel()
    batch.wait(30)
    assert batch.state == "cancelled"
    assert batch.counts == {"cancelled": 2}
    wait_for(
        lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE, 5
    )
    assert kernel is not None
    assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE
    assert read(tmp_path / "out" / "1.ipynb").metadata.omics_batch.state == "cancelled"

    (tmp_path / "out" / "1" / "row.json").unlink()
    again = batch.resume()  # a cancelled batch becomes a new one
    assert again.id != batch.id
    again.cancel()
    again.wait(30)


def test_failing_fast_starts_no_further_row(tmp_path: Path, acts: Path) -> None:
    rows = [{"do": "fail"}, {"do": "work"}, {"do": "work"}]
    batch = start_batch(rows, acts, out=tmp_path / "out", name="{row}", jobs=1, fail_fast=True).wait(60)
    assert batch.counts == {"failed": 1, "waiting": 2}


def test_a_row_whose_kernel_died_is_tried_again_when_asked(tmp_path: Path, acts: Path) -> None:
    mark = tmp_path / "mark"
    once = 'import os\nwith open(mark, "a") as f: f.write("x")\nif len(open(mark).read()) == 1: os._exit(1)'
    notebook = write_notebook(tmp_path / "once.ipynb", once, parameters=f'mark = "{mark}"')
    batch = start_batch([{}], notebook, out=tmp_path / "out", retries=1).wait(60)
    assert batch.counts == {"done": 1}
    assert batch.rows[0].result["attempts"] == 2


def test_failed_rows_alone_run_again_on_retry(tmp_path: Path, acts: Path) -> None:
    mark = tmp_path / "mark"
    code = "import os\nopen(mark, 'a').write(f'{n} ')\nassert n != 2 or os.path.exists(mark + '.mended')"
    notebook = write_notebook(tmp_path / "n.ipynb", code, parameters=f'n = 0\nmark = "{mark}"')
    batch = start_batch([{"n": 1}, {"n": 2}], notebook, out=tmp_path / "out", jobs=1).wait(60)
    assert batch.counts == {"done": 1, "failed": 1}
    Path(f"{mark}.mended").touch()
    batch.resume(retry_failed=True).wait(60)
    assert (batch.counts, counted(mark)) == ({"done": 2}, ["1", "2", "2"])
    assert batch.state == "done"
    with pytest.raises(RunError, match="is done; a batch of the same table runs what has changed"):
        batch.resume()


def test_a_secret_reaches_the_cell_and_no_file(
    tmp_path: Path, acts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "a-word-to-hide")
    code = "from omics_nb import batch\nprint(batch.secret(api_key))\nbatch.tell(length=len(batch.secret(api_key)))"
    notebook = write_notebook(tmp_path / "n.ipynb", code, parameters="api_key = None")
    batch = start_batch([{"api_key": "secret:LAB_KEY"}], notebook, out=tmp_path / "out").wait(60)
    assert batch.table()["length"].tolist() == [14]
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or b"a-word-to-hide" not in path.read_bytes(), path


def test_two_batches_never_write_to_one_folder_at_once(tmp_path: Path, acts: Path) -> None:
    mark = tmp_path / "mark"
    rows = [{"do": "gate", "mark": str(mark)}]
    batch = start_batch(rows, acts, out=tmp_path / "out")
    with pytest.raises(DataError, match=f"batch {batch.id} is writing to"):
        start_batch(rows, acts, out=tmp_path / "out")
    Path(f"{mark}.open").touch()
    assert batch.wait(60).counts == {"done": 1}


def test_a_kernel_that_does_not_exist_is_a_failed_row(tmp_path: Path, acts: Path) -> None:
    batch = start_batch([{}], acts, out=tmp_path / "out", kernel="no-such-kernel").wait(60)
    assert "there is no kernel 'no-such-kernel' here" in batch.rows[0].error


def test_a_record_tells_of_its_row(tmp_path: Path, acts: Path) -> None:
    start_batch([{"do": "work", "#who": "ana"}], acts, out=tmp_path / "out", name="a").wait(60)
    record = json.loads((tmp_path / "out" / "a" / "row.json").read_text())
    assert (record["state"], record["parameters"], record["remarks"]) == (
        "done",
        {"do": "work"},
        {"#who": "ana"},
    )
    assert {"a.ipynb", "a.html"} <= set(record["files"])
