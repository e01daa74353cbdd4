"""Where steps run: inline, thread, process, an executor; timeouts, hard stops, no orphans."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from far_steps import (
    dies,
    exits_once,
    forever,
    make,
    prints,
    raises,
    stays,
    summed,
    tells,
    unpicklable,
    where,
    where_async,
)

from omics_nb.errors import FlowError, RunError, RunFailedError
from omics_nb.workflow import Flow, start, step

WAIT_S = 60


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_gone(*pids: int) -> None:
    pause = threading.Event()
    while not all(map(gone, pids)):
        pause.wait(0.01)


def test_each_isolation_runs_where_it_says(store: Path) -> None:
    def result(function: Any, **options: Any) -> tuple[int, str]:
        flow = Flow("f", [step(function, cache=False, **options)])
        found: tuple[int, str] = start(flow, {"n": 1}, store=store).result(WAIT_S)
        return found

    here = os.getpid()
    assert result(where, isolation="inline") == (here, "workflow-scheduler")
    assert result(where_async) == (here, "workflow-scheduler")
    pid, thread = result(where)
    assert pid == here
    assert thread.startswith("workflow-step")
    pid, _ = result(where, isolation="process")
    assert pid != here


@pytest.mark.parametrize("isolation", ["inline", "thread", "process"])
def test_every_isolation_gives_the_same_values(isolation: str, store: Path) -> None:
    flow = Flow("f", [step(make, isolation=isolation), step(summed, isolation=isolation)])
    run = start(flow, {"n": 5}, store=store)
    assert run.result(WAIT_S) == 10
    assert run["make"].items == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_can_run_the_steps(pool: Any, store: Path) -> None:
    options = (
        {"mp_context": __import__("multiprocessing").get_context("spawn")}
        if pool is ProcessPoolExecutor
        else {}
    )
    with pool(1, **options) as executor:
        run = start(Flow("f", [make, summed]), {"n": 5}, store=store, executor=executor)
        assert run.result(WAIT_S) == 10
        failing = start(Flow("g", [raises]), {"n": 5}, store=store, executor=executor)
        with pytest.raises(RunFailedError, match="LookupError: 'no 5'|LookupError: no 5"):
            failing.result(WAIT_S)


def test_an_executor_that_was_shut_down_fails_its_step_and_no_other_run(store: Path) -> None:
    gate = threading.Event()
    other = start(
        Flow("other", [step(lambda n: gate.wait(WAIT_S), name="held", cache=False)]), {"n": 1}, store=store
    )
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    run = start(Flow("f", [make]), {"n": 5}, store=store, executor=pool)
    with pytest.raises(RunFailedError, match="step 'make' failed: RuntimeError: cannot schedule new futures"):
        run.result(WAIT_S)
    gate.set()
    assert other.result(WAIT_S) is True


def test_as_many_processes_are_at_work_as_there_are_processors(store: Path) -> None:
    n = max(2, os.cpu_count() or 1)
    flow = Flow("f", [step(stays, each={"item": "items"}, isolation="process")])
    times = start(flow, {"items": list(range(n + 3))}, store=store).result(WAIT_S)
    most = max(sum(began <= at < ended for began, ended in times) for at, _ in times)
    assert most <= n


def test_a_function_of_a_notebook_runs_in_a_process_too(store: Path) -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec("K = 3\ndef own(n):\n    import os\n    return n * K, os.getpid()", cells)
    value, pid = start(Flow("f", [step(cells["own"], isolation="process")]), {"n": 2}, store=store).result(
        WAIT_S
    )
    assert value == 6
    assert pid != os.getpid()


def test_a_step_that_cannot_get_into_a_process_is_refused_at_start(store: Path) -> None:
    flow = Flow("f", [step(lambda n: n, name="own", isolation="process")])
    with pytest.raises(FlowError, match="must import its function from a module"):
        start(flow, {"n": 1}, store=store)


def test_errors_and_progress_come_back_from_a_process(store: Path) -> None:
    flow = Flow("f", [step(tells, isolation="process"), step(raises, isolation="process")], output="raises")
    run = start(flow, {"n": 5}, store=store)
    with pytest.raises(RunFailedError, match="step 'raises' failed: LookupError: no 5") as caught:
        run.result(WAIT_S)
    assert isinstance(caught.value.__cause__, LookupError)
    failed = next(event for event in run.events() if event.kind == "failed" and event.step)
    assert "raise LookupError" in failed.data["trace"]
    assert [event.data["message"] for event in run.events() if event.kind == "progress"] == ["all"]


def test_a_timeout_ends_the_process_and_all_that_it_started(store: Path, tmp_path: Path) -> None:
    flow = Flow("f", [step(forever, isolation="process", timeout_s=2.0)])
    run = start(flow, {"n": 1, "folder": tmp_path}, store=store)
    with pytest.raises(RunFailedError, match="TimeoutError: step 'forever' took longer than timeout_s=2.0"):
        run.result(WAIT_S)
    wait_gone(*map(int, (tmp_path / "pids").read_text().split()))


def test_an_error_that_cannot_travel_is_told_in_words(store: Path) -> None:
    run = start(Flow("f", [step(unpicklable, isolation="process")]), {"n": 5}, store=store)
    with pytest.raises(RunFailedError, match="Own: 5 and more"):
        run.result(WAIT_S)


def test_what_a_step_prints_does_not_disturb_its_process(
    store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flow = Flow("f", [step(prints, isolation="process")])
    assert start(flow, {"n": 5}, store=store).result(WAIT_S) == ""
    assert "said 5" in capfd.readouterr().err


def test_a_timeout_ends_an_async_step(store: Path) -> None:
    async def waits(n: int) -> int:
        await asyncio.Event().wait()
        return n

    run = start(Flow("f", [step(waits, timeout_s=0.05)]), {"n": 1}, store=store)
    with pytest.raises(RunFailedError, match="took longer than timeout_s=0.05"):
        run.result(WAIT_S)


def test_a_cancel_ends_the_process_and_all_that_it_started(store: Path, tmp_path: Path) -> None:
    run = start(Flow("f", [step(forever, isolation="process")]), {"n": 1, "folder": tmp_path}, store=store)
    pause = threading.Event()
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        pause.wait(0.01)
    run.cancel()
    with pytest.raises(RunError, match="is cancelled"):
        run.result(WAIT_S)
    wait_gone(*map(int, (tmp_path / "pids").read_text().split()))


def test_a_process_that_dies_is_an_error_that_can_be_tried_again(store: Path) -> None:
    run = start(Flow("f", [step(dies, isolation="process")]), {"n": 1}, store=store)
    with pytest.raises(RunFailedError, match="the process of step 'dies' ended with code -9"):
        run.result(WAIT_S)
    flow = Flow("g", [step(exits_once, isolation="process", retries=1, backoff_s=0)])
    assert start(flow, {"n": 1}, store=store).result(WAIT_S) == 1


@pytest.mark.parametrize("main", [True, False], ids=["forked", "spawned"])
def test_a_kernel_that_is_killed_leaves_no_process(main: bool, tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, subprocess, sys, threading
            from pathlib import Path
            from omics_nb.workflow import Flow, start, step
            sys.path.insert(0, sys.argv[1])
            if __name__ == "__main__":
                if sys.argv[3] == "True":
                    def forever(n, folder):
                        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                        (folder / "pids").write_text(f"{os.getpid()} {child.pid}")
                        threading.Event().wait()
                else:
                    from far_steps import forever
                folder = Path(sys.argv[2])
                start(Flow("f", [step(forever, isolation="process")]), {"n": 1, "folder": folder},
                      store=folder / "runs.sqlite")
                threading.Event().wait()
            """
        )
    )
    kernel = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path), str(main)]
    )
    pause = threading.Event()
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        assert kernel.poll() is None
        pause.wait(0.02)
    kernel.kill()
    kernel.wait()
    wait_gone(*map(int, (tmp_path / "pids").read_text().split()))
