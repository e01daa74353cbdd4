"""The same flows on a Dask cluster of two worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from omics_nb.errors import FlowError, RunError, RunFailedError
from omics_nb.workflow import Flow, start, step
from omics_nb.workflow.executors import open_executor

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'omics-nb[dask]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WAIT_S = 60


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def flow(folder: Path) -> Flow:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "import os\n"
        "def items(x): return list(range(x))\n"
        "def one(item, folder):\n"
        "    import time\n"
        "    (folder / f'began{item}').write_text(str(os.getpid()))\n"
        "    while not (folder / 'go').exists(): time.sleep(0.01)\n"
        "    return item, os.getpid()\n"
        "def numbers(one): return [item for item, _ in one]\n",
        cells,
    )
    return Flow(
        "dask",
        [
            step(cells["items"], isolation="inline"),
            step(cells["one"], each={"item": "items"}, cache=False),
            cells["numbers"],
        ],
    )


def test_steps_run_on_workers_and_the_store_records_as_before(
    client: Any, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    run = start(flow(tmp_path), {"x": 6, "folder": tmp_path}, store=store, executor=client)
    assert run.result(WAIT_S) == list(range(6)) == flow(tmp_path)(x=6, folder=tmp_path)
    pids = {pid for _, pid in run["one"]}
    assert os.getpid() not in pids
    events = run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(
    client: Any, store: Path, tmp_path: Path
) -> None:
    run = start(flow(tmp_path), {"x": 4, "folder": tmp_path}, store=store, executor=client)
    pause = threading.Event()
    while not (tmp_path / "began0").exists() or not (tmp_path / "began0").read_text():
        pause.wait(0.01)
    os.kill(int((tmp_path / "began0").read_text()), signal.SIGKILL)
    (tmp_path / "go").touch()
    assert run.result(WAIT_S) == [0, 1, 2, 3]
    done = [event.step for event in run.events() if event.kind == "done" and event.step]
    assert len(done) == len(set(done))


def test_errors_come_back_and_cancels_arrive(client: Any, store: Path, tmp_path: Path) -> None:
    def bad(x: int) -> int:
        raise LookupError(f"no {x}")

    with pytest.raises(RunFailedError, match="LookupError: no 5"):
        start(Flow("bad", [bad]), {"x": 5}, store=store, executor=client).result(WAIT_S)
    run = start(flow(tmp_path), {"x": 2, "folder": tmp_path}, store=store, executor=client)
    pause = threading.Event()
    while not (tmp_path / "began0").exists():
        pause.wait(0.01)
    run.cancel()
    with pytest.raises(RunError, match="is cancelled"):
        run.result(WAIT_S)
    (tmp_path / "go").touch()


def on_worker(name: str, **options: Any) -> Flow:
    """A step that a worker can run by name from the tests' own folder."""
    cells: dict[str, Any] = {"__name__": "__main__", "here": str(Path(__file__).parent)}
    exec(
        "def forever(n, folder):\n"
        "    import sys; sys.path.insert(0, here)\n"
        "    from far_steps import forever\n"
        "    return forever(n, folder)\n"
        "def heeds(n, folder, ctx):\n"
        "    import threading\n"
        "    ctx.progress(0.5, 'half')\n"
        "    (folder / 'pids').write_text('1')\n"
        "    try:\n"
        "        while True: ctx.check(); threading.Event().wait(0.01)\n"
        "    finally: (folder / 'ended').touch()\n",
        cells,
    )
    return Flow(name, [step(cells[name], **options)])


def wait_for(condition: Any) -> None:
    pause = threading.Event()
    while not condition():
        pause.wait(0.01)


def pids(folder: Path) -> list[int]:
    wait_for(lambda: (folder / "pids").exists() and (folder / "pids").read_text())
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_a_timeout_ends_a_process_that_a_worker_has_begun(client: Any, store: Path, tmp_path: Path) -> None:
    flow = on_worker("forever", isolation="process", timeout_s=2.0)
    run = start(flow, {"n": 1, "folder": tmp_path}, store=store, executor=client)
    with pytest.raises(RunFailedError, match="TimeoutError: step 'forever' took longer than timeout_s=2.0"):
        run.result(WAIT_S)
    wait_for(lambda: all(map(gone, pids(tmp_path))))


def test_a_cancel_ends_a_process_that_a_worker_has_begun(client: Any, store: Path, tmp_path: Path) -> None:
    flow = on_worker("forever", isolation="process")
    run = start(flow, {"n": 1, "folder": tmp_path}, store=store, executor=client)
    found = pids(tmp_path)
    run.cancel()
    with pytest.raises(RunError, match="is cancelled"):
        run.result(WAIT_S)
    wait_for(lambda: all(map(gone, found)))


def test_progress_comes_from_a_worker_and_a_cancel_gets_there(
    client: Any, store: Path, tmp_path: Path
) -> None:
    run = start(on_worker("heeds"), {"n": 1, "folder": tmp_path}, store=store, executor=client)
    pids(tmp_path)
    wait_for(lambda: any(event.kind == "progress" for event in run.events()))
    told = next(event for event in run.events() if event.kind == "progress")
    assert (told.step, told.data) == ("heeds", {"fraction": 0.5, "message": "half"})
    run.cancel()
    wait_for((tmp_path / "ended").exists)


def test_a_cluster_of_our_own_listens_to_this_machine_only() -> None:
    executor = open_executor("dask")
    try:
        assert executor.client.scheduler.address.startswith("tcp://127.0.0.1:")
        assert "://127.0.0.1:" in executor.client.dashboard_link
        assert executor.submit(sum, [1, 2]).result(WAIT_S) == 3
    finally:
        executor.client.cluster.close()
        executor.client.close()


KERNEL = """
import os, sys, threading
from pathlib import Path
from omics_nb.workflow import Flow, start
def held(folder):
    import threading
    (folder / "pids").write_text(str(os.getpid()))
    threading.Event().wait()
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    start(Flow("f", [held]), {"folder": folder}, store=folder / "runs.sqlite", executor="dask")
    threading.Event().wait()
"""


def test_a_kernel_that_is_killed_leaves_no_worker_of_its_cluster(tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(KERNEL)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.DEVNULL) as kernel:
        found = pids(tmp_path)
        found += [child.pid for child in psutil.Process(kernel.pid).children(recursive=True)]
        kernel.kill()
    assert len(set(found)) > 1
    wait_for(lambda: all(map(gone, found)))


def test_other_texts_are_no_executor() -> None:
    with pytest.raises(FlowError, match="not 'cloud'"):
        open_executor("cloud")
