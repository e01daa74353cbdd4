"""A panel finds its run in the store, whoever drives it; it steers it, and shows what came of that."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omics_widgets import RunPanel

from omics_nb import flows
from omics_nb.errors import RunNotFoundError
from omics_nb.workflow import Flow, close_store
from tests.widgets.steered import GATED


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A store of the test's own, which other processes find by the environment."""
    place = tmp_path / "data" / "runs.sqlite"
    monkeypatch.setenv("OMICS_DATA", str(place.parent))
    monkeypatch.delenv("OMICS_STORE", raising=False)
    yield place
    close_store(place)


async def until(panel: RunPanel, *states: str) -> None:
    came = asyncio.Event()

    def look(_: Any = None) -> None:
        if panel.state in states:
            came.set()

    panel.observe(look, "state")
    look()
    await came.wait()
    panel.unobserve(look, "state")


def press(panel: RunPanel, action: str, **more: str) -> None:
    panel._handle_custom_msg({"do": action, **more}, [])


def test_a_started_run_belongs_to_another_process_and_ends_on_its_panel(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        ends: list[Any] = []
        panel = RunPanel(on_end=ends.append)
        panel.start(GATED, gate=str(tmp_path / "gate"))
        await until(panel, "running")
        assert panel.run._row().owner_pid != os.getpid()
        (tmp_path / "gate").touch()
        await until(panel, "done")
        assert (await panel.ended()).result() == "OPEN!"
        assert [step["state"] for step in panel.shown["steps"]] == ["done", "done", "done"]
        assert panel.shown["progress"] == 100
        assert panel.lines[0].endswith("started")
        assert [ended.id for ended in ends] == [panel.run_id]

    run(test)


def test_cancel_is_shown_at_once_and_then_true(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        panel = RunPanel()
        panel.start(GATED, gate=str(tmp_path / "never"))
        await until(panel, "running")
        seen: list[str] = []
        panel.observe(lambda change: seen.append(change["new"]), "state")
        began = time.monotonic()
        press(panel, "cancel")
        await until(panel, "cancelling")
        assert time.monotonic() - began < 0.3
        await until(panel, "cancelled")
        assert seen == ["cancelling", "cancelled"]
        assert flows.get_run(panel.run_id).state == "cancelled"
        assert panel.shown["can"] == ["rerun"]

    run(test)


def test_a_paused_run_is_resumed_from_the_panel(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        panel = RunPanel()
        panel.start(GATED, gate=str(tmp_path / "gate"))
        await until(panel, "running")
        press(panel, "pause")
        await until(panel, "pausing")
        (tmp_path / "gate").touch()
        await until(panel, "paused")
        assert panel.shown["can"] == ["resume", "cancel"]
        press(panel, "resume")
        await until(panel, "done")
        assert flows.get_run(panel.run_id)["third"] == "OPEN!"

    run(test)


def test_a_run_can_be_done_again_from_a_step(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "gate").touch()
        panel = RunPanel()
        panel.start(GATED, gate=str(tmp_path / "gate"))
        await until(panel, "done")
        before = panel.run_id
        press(panel, "rerun", **{"from": "second"})
        await until(panel, "starting")
        await until(panel, "done")
        assert panel.run_id != before
        assert panel.run.parent == before
        assert panel.run.steps["first"].state == "reused"
        assert panel.run.steps["second"].state == "done"

    run(test)


def test_a_second_panel_finds_the_run_by_its_id_with_all_that_happened(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "gate").touch()
        panel = RunPanel()
        panel.start(GATED, gate=str(tmp_path / "gate"))
        await until(panel, "done")
        other = RunPanel(panel.run_id)
        await other.ended()
        assert other.state == "done"
        assert other.lines == panel.lines
        assert other.graph == panel.graph

    run(test)


def test_a_failed_step_is_named_and_the_run_can_go_on(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "gate").touch()
        panel = RunPanel()
        panel.start(GATED, gate=str(tmp_path / "gate"), fails=True)
        await until(panel, "failed")
        assert "no <b>third</b> today" in panel.shown["error"]
        assert any("ValueError" in line for line in panel.lines)
        assert panel.shown["can"] == ["resume", "rerun"]

    run(test)


def test_inputs_that_do_not_fit_are_a_card(run: Any) -> None:
    async def test() -> None:
        panel = RunPanel()
        panel.start(GATED, gates="<b>")
        while not panel.trouble:
            await asyncio.sleep(0.01)
        assert "did you mean" in panel.trouble
        assert "<b>" not in panel.trouble
        assert panel.state == ""

    run(test)


def test_a_run_that_is_not_there_says_so(run: Any) -> None:
    async def test() -> None:
        with pytest.raises(RunNotFoundError):
            RunPanel("0123456789ab")

    run(test)


def test_a_flow_made_in_a_notebook_runs_here(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        def only(gate: str) -> str:
            return gate

        panel = RunPanel()
        panel.start(Flow("mine", [only]), gate="x")
        await until(panel, "done")
        assert panel.run["only"] == "x"

    run(test)


def test_the_graph_shows_what_waits_for_what_without_detours(run: Any) -> None:
    async def test() -> None:
        from omics_widgets.run_panel import _graph

        class Stub:
            _flow = flows.FULL_ANALYSIS

        graph = _graph(Stub())  # type: ignore[arg-type]
        names = [node["path"] for node in graph["nodes"]]
        edges = {(names[a], names[b]) for a, b in graph["edges"]}
        assert ("query", "hits") in edges
        assert ("result", "report") in edges
        assert ("query", "report") not in edges

    run(test)


def test_a_run_outlives_the_process_that_asked_for_it(tmp_path: Path) -> None:
    code = (
        "from omics_nb import detached; from tests.widgets.steered import GATED; "
        f"print(detached.start(GATED, gate={str(tmp_path / 'gate')!r}).id, flush=True); input()"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert asker.stdout is not None
    assert asker.stdin is not None
    run_id = asker.stdout.readline().strip()
    os.killpg(asker.pid, signal.SIGKILL)
    asker.wait(30)
    asker.stdout.close()
    asker.stdin.close()
    found = flows.get_run(run_id)
    assert found.state == "running"
    (tmp_path / "gate").touch()
    assert found.result(60) == "OPEN!"
