"""A run as people look at it: in a notebook that a real kernel runs, in a terminal, as text."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from omics_nb.errors import RunFailedError
from omics_nb.workflow import Context, Flow, open_run, start, step
from omics_nb.workflow.show import View

WAIT_S = 30
TITLE = "<script>alert(1)</script>\x1b[2J"


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < limit
        threading.Event().wait(0.01)


class Held:
    """A flow whose middle step tells how far it is and waits to be let go."""

    def __init__(self) -> None:
        self.gate, self.told = threading.Event(), threading.Event()

    def flow(self) -> Flow:
        held = self

        def first(x: int) -> int:
            return x

        def middle(first: int, ctx: Context) -> int:
            ctx.progress(0.5, TITLE)
            held.told.set()
            held.gate.wait(WAIT_S)
            return first

        def last(middle: int) -> int:
            return middle

        return Flow("held", [first, step(middle, weight=2.0), last])


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.gate.set()


def test_a_run_at_work_shows_its_step_its_share_and_what_happened(store: Path, held: Held) -> None:
    run = start(held.flow(), {"x": 1}, store=store)
    held.told.wait(WAIT_S)
    until(lambda: run.progress == 50)
    view = View(run)
    assert view.progress == 50
    assert view.doing == f"middle ({TITLE})"
    states = {line.path: line.state for line in view.lines()}
    assert states == {"first": "done", "middle": "running", "last": "waiting"}
    assert re.search(r" s  started middle</pre>", view.html())
    assert re.match(r"held █████░░░░░ 50 % · \d+ s · (about \d+ s left · )?middle \(", view.line(120))
    held.gate.set()
    run.result(WAIT_S)
    view.look()
    assert not view.active
    assert {line.state for line in view.lines()} == {"done"}
    assert "100 %" in view.text()
    assert "<pre>" not in view.html()


def test_what_strangers_wrote_is_escaped_and_cannot_steer_a_terminal(store: Path, held: Held) -> None:
    run = start(held.flow(), {"x": 1}, store=store)
    held.told.wait(WAIT_S)
    until(lambda: run.progress == 50)
    view = View(run)
    assert "<script>" not in view.html()
    assert "&lt;script&gt;" in view.html()
    for text in (view.text(), view.line(200)):
        assert "<script>" in text
        assert "\x1b" not in text
    assert len(view.line(30)) < 30


def test_names_and_errors_are_escaped_too(store: Path) -> None:
    def bad(x: int) -> int:
        raise LookupError("<i>no</i>")

    run = start(Flow("<u>flow</u>", [step(bad, name="<b>bad<b>")]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    html = View(run).html()
    assert not re.search("<[iub]>(?!&lt;)", html)
    assert html.count("&lt;i&gt;no") == 2  # in the sentence of the run and in the row of the step


def test_time_left_comes_from_the_pace_by_weight_and_reused_steps_say_nothing(
    store: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(held.flow(), {"x": 1}, store=store)
    held.told.wait(WAIT_S)
    until(lambda: run.progress == 50)
    view = View(run)
    began = view._began
    monkeypatch.setattr("omics_nb.workflow.show.time.time", lambda: began + 0.5)
    assert view.left_s is None  # too early to say
    monkeypatch.setattr("omics_nb.workflow.show.time.time", lambda: began + 30)
    assert view.left_s == pytest.approx(30)
    assert "about 30 s left" in view.line()
    held.gate.set()
    run.result(WAIT_S)
    held.gate.clear()
    held.told.clear()
    fork = run.rerun(from_step="middle")
    held.told.wait(WAIT_S)
    until(lambda: fork.progress == 50)
    view = View(fork)
    assert [line.state for line in view.lines()] == ["reused", "running", "waiting"]
    began = view._began
    monkeypatch.setattr("omics_nb.workflow.show.time.time", lambda: began + 30)
    assert view.left_s == pytest.approx(60)  # 25 % of the work in 30 s, 50 % to do


def test_a_fan_out_is_one_line_with_its_failures(store: Path) -> None:
    def one(item: int) -> int:
        return 10 // (item - 7)

    flow = Flow(
        "fan", [step(one, each={"item": "items"}, isolation="inline", on_failure="skip_branch"), sum_of]
    )
    run = start(flow, {"items": list(range(500))}, store=store)
    run.result(WAIT_S)
    lines = {line.path: line for line in View(run).lines()}
    assert list(lines) == ["one", "one[7]", "sum_of"]
    assert lines["one"].remark == "499 done, 1 failed"
    assert "ZeroDivisionError" in lines["one[7]"].remark


def sum_of(one: list[int]) -> int:
    return sum(one)


def test_a_long_flow_shows_what_is_not_over_and_counts_the_rest(store: Path) -> None:
    cells: dict[str, Any] = {"__name__": "cells"}
    names = [f"s{i}" for i in range(100)]
    for name, before in zip(names, ["x", *names], strict=False):
        exec(f"def {name}({before}): return 1 // {0 if name == 's60' else before}", cells)
    flow = Flow("long", [step(cells[name], isolation="inline") for name in names])
    run = start(flow, {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    assert [line.path for line in View(run).lines()] == ["s60", "99 more"]
    assert View(run).lines()[-1].remark == "60 done, 39 waiting"


def test_the_view_of_another_process_reads_on_from_where_it_was(store: Path, held: Held) -> None:
    run = start(held.flow(), {"x": 1}, store=store)
    held.told.wait(WAIT_S)
    view = View(open_run(run.store, run.id))
    held.gate.set()
    run.result(WAIT_S)
    view.look()
    assert {line.path: line.state for line in view.lines()} == dict.fromkeys(
        ["first", "middle", "last"], "done"
    )


# --- in a kernel ------------------------------------------------------------------------------------------------------


CELLS = """
import threading, time
from pathlib import Path
from omics_nb.workflow import Flow, start, step

def held(folder, ctx):
    (Path(folder) / 'began').touch()
    while not (Path(folder) / 'go').exists():
        ctx.check()
        time.sleep(0.01)
    return 7

def after(held):
    return held + 1

flow = Flow('held', [held, after])
"""


class Kernel:
    """A real kernel and what it publishes."""

    def __init__(self, folder: Path) -> None:
        from jupyter_client.manager import start_new_kernel

        self.folder = folder
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder))
        self.published: list[dict[str, Any]] = []
        self.run(CELLS + f"folder, store = {str(folder)!r}, {str(folder / 'runs.sqlite')!r}")

    def send(self, code: str) -> str:
        return str(self.client.execute(code))

    def read_until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        limit = time.monotonic() + WAIT_S
        while time.monotonic() < limit:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            self.published.append(message)
            if condition(message):
                return message
        raise AssertionError([m["content"] for m in self.published[-5:]])

    def run(self, code: str) -> None:
        self.finish(self.send(code))

    def finish(self, cell: str) -> None:
        self.read_until(
            lambda m: (
                m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
            )
        )

    def shown(self, kind: str) -> list[dict[str, str]]:
        return [m["content"]["data"] for m in self.published if m["msg_type"] == kind]

    def shown_text(self) -> str:
        return "".join(m["content"]["text"] for m in self.published if m["msg_type"] == "stream")

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    pytest.importorskip("ipykernel", reason="no kernel is installed: pip install 'omics-nb[notebook]'")
    made = Kernel(tmp_path)
    yield made
    made.close()


pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning", "default::RuntimeWarning")


def test_the_output_of_a_cell_follows_the_run_while_other_cells_run(kernel: Kernel) -> None:
    kernel.run("run = start(flow, {'folder': folder}, store=store)\nrun")
    (first,) = kernel.shown("display_data")
    assert "running" in first["text/html"]
    assert "<progress" in first["text/html"]
    assert "held" in first["text/plain"]
    kernel.run("free = 40 + 2")  # the display does not hold the kernel
    updates = len(kernel.shown("update_display_data"))
    kernel.read_until(lambda m: m["msg_type"] == "update_display_data")  # the seconds go on by themselves
    assert len(kernel.shown("update_display_data")) > updates
    kernel.run(f"Path(folder, 'go').touch(); assert run.result({WAIT_S}) == 8")
    kernel.run("[t.join(5) for t in threading.enumerate() if t.name == 'workflow-display']")
    last = kernel.shown("update_display_data")[-1]
    assert "done" in last["text/html"]
    assert "100 %" in last["text/plain"]
    assert not [m for m in kernel.published if m["msg_type"] == "error"]


def test_a_finished_run_is_shown_once(kernel: Kernel) -> None:
    kernel.run("Path(folder, 'go').touch(); run = start(flow, {'folder': folder}, store=store); run.result()")
    kernel.run("run")
    assert "100 %" in kernel.shown("display_data")[-1]["text/plain"]
    kernel.run("assert 'workflow-display' not in [t.name for t in threading.enumerate()]")
    assert not [m for m in kernel.published if m["msg_type"] == "error"]


#: Each touches ``waits`` once the cell waits for its run: an interrupt before that would hit something else.
AWAIT = """
asyncio.get_running_loop().call_soon(Path(folder, 'waits').touch)
await run
"""
RESULT = """
def tell_of_the_wait(names=()):
    while names[:1] != ['wait'] or '_wait' not in names:
        frame, names = sys._current_frames()[threading.main_thread().ident], []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
    Path(folder, 'waits').touch()

threading.Thread(target=tell_of_the_wait).start()
run.result()
"""


@pytest.mark.parametrize("wait", [AWAIT, RESULT], ids=["await", "result"])
def test_interrupting_the_kernel_stops_the_run_cleanly(kernel: Kernel, wait: str) -> None:
    cell = kernel.send("import asyncio, sys\nrun = start(flow, {'folder': folder}, store=store)" + wait)
    until(lambda: all((kernel.folder / name).exists() for name in ("began", "waits")))
    kernel.manager.interrupt_kernel()
    kernel.finish(cell)
    assert [m for m in kernel.published if m["msg_type"] == "error"]
    kernel.run("while run.state == 'pausing': time.sleep(0.01)\nprint(run.state, run.steps['held'].state)")
    assert kernel.shown_text() == "paused cancelled\n"
    kernel.run(f"Path(folder, 'go').touch(); print(run.resume().result({WAIT_S}))")
    assert kernel.shown_text().endswith("8\n")
