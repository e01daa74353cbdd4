"""Killed at every moment, then resumed: nothing lost, nothing doubled, nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omics_nb.workflow import Flow, close_store, list_runs, open_store, start, step

ZYGOTE = Path(__file__).with_name("crash_zygote.py")


def zygote(*arguments: object) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(ZYGOTE), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_a_run_survives_a_kill_before_every_third_statement_and_rename(tmp_path: Path) -> None:
    assert zygote(tmp_path, "begin", 3)["crashes"] >= 50


def test_a_run_that_is_steered_survives_a_kill_before_every_ninth_statement(tmp_path: Path) -> None:
    assert zygote(tmp_path, "steer", 9)["crashes"] >= 20


@pytest.mark.slow
@pytest.mark.parametrize("how", ["begin", "steer"])
def test_a_run_survives_a_kill_before_every_statement_and_rename(how: str, tmp_path: Path) -> None:
    assert zygote(tmp_path, how, 1)["crashes"] >= 150


@pytest.mark.slow
def test_a_run_survives_200_kills_at_random_times_under_load(tmp_path: Path) -> None:
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        assert zygote(tmp_path, "storm", 200, 1)["crashes"] >= 200
    finally:
        for process in load:
            process.kill()
            process.wait()


def steps_of(n: int) -> Flow:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec("def s0(x): return [x]\n", cells)
    for i in range(1, n):
        exec(f"def s{i}(s{i - 1}): return s{i - 1} + ['y' * {i % 3 * 9000}, {i}]\n", cells)
    return Flow("chain", [step(cells[f"s{i}"]) for i in range(n)])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.777, 0.95, 0.999, 1.0])
def test_a_log_that_a_loss_of_power_cut_short_is_still_a_run(share: float, tmp_path: Path) -> None:
    flow = steps_of(12)
    whole, cut = tmp_path / "whole" / "runs.sqlite", tmp_path / "cut" / "runs.sqlite"
    run = start(flow, {"x": 1}, store=whole)
    expected = run.result(30)
    cut.parent.mkdir()
    shutil.copy(whole, cut)
    shutil.copytree(open_store(whole).folder.path, f"{cut}.values")
    log = Path(f"{whole}-wal").read_bytes()
    Path(f"{cut}-wal").write_bytes(log[: int(len(log) * share)])
    close_store(whole)
    try:
        opened = open_store(cut)
        with opened.write() as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            db.execute("UPDATE owner SET expires = 0")
        for left in list_runs(cut):
            left._flow = flow
            events = left.events()
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            if left.state != "done":
                left.resume()
            assert left.result(30) == expected
        assert start(flow, {"x": 1}, store=cut).result(30) == expected
    finally:
        close_store(cut)
