"""The process of a run that is started ahead: used once, not for another environment, and gone with its maker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from omics_nb import detached
from tests.widgets.steered import GATED


@pytest.fixture
def prepared() -> Iterator[psutil.Process]:
    detached.prepare()
    ready = detached._ready[0].process
    yield psutil.Process(ready.pid)
    if ready.stdin is not None and not ready.stdin.closed:
        ready.communicate()
    detached._ready.clear()


def test_the_process_that_was_prepared_runs_what_is_asked_for_next(
    prepared: psutil.Process, tmp_path: Path
) -> None:
    (tmp_path / "gate").touch()
    run = detached.start(GATED, gate=str(tmp_path / "gate"))
    assert run.result(60) == "OPEN!"
    prepared.wait(30)  # it was that one, and it ends with its run
    assert detached._ready == []


def test_a_changed_environment_gets_a_process_of_its_own(
    prepared: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMICS_DATA", str(tmp_path / "elsewhere"))
    (tmp_path / "gate").touch()
    run = detached.start(GATED, gate=str(tmp_path / "gate"))
    assert run.result(60) == "OPEN!"
    assert (tmp_path / "elsewhere").is_dir()
    assert not prepared.is_running()


def test_another_folder_gets_a_process_that_is_in_it(
    prepared: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gate").touch()
    assert detached.start(GATED, gate="gate").result(60) == "OPEN!"
    assert not prepared.is_running()


def test_a_process_that_nobody_asks_ends_with_its_maker() -> None:
    code = (
        "from omics_nb import detached; detached.prepare(); print(detached._ready[0].process.pid, flush=True)"
    )
    maker = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(maker.stdout)
    if psutil.pid_exists(pid):
        psutil.Process(pid).wait(30)
