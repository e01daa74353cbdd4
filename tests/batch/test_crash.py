"""A batch that is killed, resumed, resumed twice at once, and out of room: nothing lost, nothing repeated."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from omics_nb.batch import get_batch, list_batches, places, start_batch
from omics_nb.errors import RunError
from tests.batch.conftest import read, write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies
DRIVE = """
import json, sys
from omics_nb.batch import start_batch
rows, notebook, out = json.loads(sys.argv[1])
start_batch(rows, notebook, out=out, name="{row}", jobs=2).wait()
"""
#: Tells that it began, and goes on once the gate is open.
GATED = """\
import os, time
with open(mark, "a") as file:
    file.write(f"{n} {os.getpid()}\\n")
while n >= gated and not os.path.exists(mark + ".open"):
    time.sleep(0.02)
"""
_pause = threading.Event()


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        _pause.wait(0.02)
    raise AssertionError("it did not come to pass in time")


def begun(mark: Path) -> list[tuple[int, int]]:
    """Row and process of every start of a notebook, in order."""
    lines = mark.read_text().splitlines() if mark.exists() else []
    return [(int(n), int(pid)) for n, pid in (line.split() for line in lines)]


@pytest.fixture
def gated(tmp_path: Path) -> tuple[list[dict[str, Any]], Path, Path]:
    """Four rows, of which the last two wait for a gate; their notebook, and the file that they tell their start in."""
    mark = tmp_path / "mark"
    notebook = write_notebook(
        tmp_path / "gated.ipynb", GATED, parameters=f'n = 0\ngated = 3\nmark = "{mark}"'
    )
    return [{"n": n} for n in range(1, 5)], notebook, mark


def drive(rows: Any, notebook: Path, out: Path) -> subprocess.Popen[bytes]:
    import json

    given = json.dumps([rows, str(notebook), str(out)])
    return subprocess.Popen([sys.executable, "-c", DRIVE, given])


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_batch_whose_process_is_killed_goes_on_where_it_stopped(
    tmp_path: Path, gated: tuple[list[dict[str, Any]], Path, Path]
) -> None:
    rows, notebook, mark = gated
    driver = drive(rows, notebook, tmp_path / "out")
    wait_for(lambda: len(begun(mark)) == 4)  # two rows are done or nearly, two wait at the gate
    wait_for(lambda: list_batches()[0].counts["done"] == 2)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    for _, pid in begun(mark):
        wait_for(lambda pid=pid: gone(pid), 15)  # no kernel outlives its batch

    batch = list_batches()[0]
    assert batch.state == "interrupted"
    assert read(tmp_path / "out" / "4.ipynb").metadata.omics_batch.state == "running"
    Path(f"{mark}.open").touch()
    batch.resume().wait(120)
    assert batch.counts == {"done": 4}
    assert Counter(n for n, _ in begun(mark)) == {1: 1, 2: 1, 3: 2, 4: 2}
    assert read(tmp_path / "out" / "4.ipynb").metadata.omics_batch.state == "done"
    assert batch.rows[3].result["attempts"] == 2


def test_two_processes_resume_one_batch_and_each_row_is_done_by_one(
    tmp_path: Path, gated: tuple[list[dict[str, Any]], Path, Path]
) -> None:
    rows, notebook, mark = gated
    driver = drive([{**row, "gated": 1} for row in rows], notebook, tmp_path / "out")
    wait_for(lambda: len(begun(mark)) == 2)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    mark.unlink()
    Path(f"{mark}.open").touch()
    batch = list_batches()[0]
    command = [sys.executable, "-c", "from omics_nb.cli import main; main()", "batch", "resume", batch.id]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    told = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sum("at work in another process" in errors for _, errors in told) == 1
    assert Counter(n for n, _ in begun(mark)) == dict.fromkeys(range(1, 5), 1)
    assert get_batch(batch.id).counts == {"done": 4}


def test_a_batch_that_is_at_work_cannot_be_resumed(
    tmp_path: Path, gated: tuple[list[dict[str, Any]], Path, Path]
) -> None:
    rows, notebook, _ = gated
    batch = start_batch(rows[2:], notebook, out=tmp_path / "out", jobs=1)
    with pytest.raises(RunError, match="is at work"):
        batch.resume()
    batch.cancel()
    assert batch.wait(60).state == "cancelled"


def test_a_kernel_that_is_killed_from_outside_fails_its_row_alone(
    tmp_path: Path, gated: tuple[list[dict[str, Any]], Path, Path]
) -> None:
    rows, notebook, mark = gated
    batch = start_batch(rows[1:3], notebook, out=tmp_path / "out", jobs=1)
    wait_for(lambda: [n for n, _ in begun(mark)] == [2, 3])
    os.kill(begun(mark)[1][1], signal.SIGKILL)
    batch.wait(60)
    assert [row.state for row in batch.rows] == ["done", "failed"]
    assert "the kernel was killed by SIGKILL" in batch.rows[1].error


def test_a_full_disk_fails_rows_and_leaves_nothing_half_written(
    tmp_path: Path, acts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def full(number: int) -> None:
        path = str(Path(f"/proc/self/fd/{number}").readlink())
        if (
            "/2-work/row.json" not in path
            and Path(path).name.startswith(".2-work")
            and os.fstat(number).st_size > 1_200
        ):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(places.os, "fsync", full)
    batch = start_batch([{"n": 1}, {"n": 2}], acts, out=tmp_path / "out", name="{row}-work").wait(60)
    assert [row.state for row in batch.rows] == ["done", "failed"]
    assert "No space left on device" in batch.rows[1].error
    assert list((tmp_path / "out").rglob(".2-work*.partial")) == []
    monkeypatch.undo()
    monkeypatch.setenv("OMICS_DATA", str(batch.run.store.path.parent))  # type: ignore[attr-defined]
    assert batch.resume(retry_failed=True).wait(60).counts == {"done": 2}
