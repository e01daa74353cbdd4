"""Random flows, cuts and edits against plain calls; random histories of one run against the run promise."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from omics_nb.errors import RunError, RunFailedError, StoreError
from omics_nb.workflow import Flow, Run, close_store, open_run, open_store, start, step
from omics_nb.workflow.events import fold, run_state
from omics_nb.workflow.opened import scheduler_of
from omics_nb.workflow.store import event_rows, run_row

WAIT_S = 30


class Plan(NamedTuple):
    """A random flow: what each step waits for, where it runs, and whether it runs for each item of a list."""

    sources: list[list[int]]
    inline: list[bool]
    each: list[bool]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n = draw(st.integers(1, 7))
    sources = [draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else [] for i in range(n)]
    return Plan(
        sources,
        draw(st.lists(st.booleans(), min_size=n, max_size=n)),
        [bool(found) and draw(st.booleans()) for found in sources],
    )


def build(plan: Plan, constants: list[int], calls: list[str] | None = None) -> Flow:
    """The flow of a plan. Every step gives a list, so that each can be run for each of its items."""
    cells: dict[str, Any] = {"__name__": "__main__", "called": Calls(calls if calls is not None else [])}
    steps = []
    for i, sources in enumerate(plan.sources):
        others = [f"s{j}" for j in sources]
        parameters = ["item", *others[1:]] if plan.each[i] else others
        cells[f"K{i}"] = constants[i]
        exec(
            f"def h{i}(x): return x % 5 + K{i}\n"
            f"def s{i}({', '.join(['x', *parameters])}):\n"
            f"    called('s{i}')\n"
            f"    flat = [x]\n"
            f"    for part in ({''.join(name + ', ' for name in parameters)}):\n"
            f"        flat += part if isinstance(part, list) else [part]\n"
            f"    return h{i}(sum(flat)) if {plan.each[i]} else [h{i}(sum(flat)), len(flat)]\n",
            cells,
        )
        options: dict[str, Any] = {"each": {"item": others[0]}} if plan.each[i] else {}
        steps.append(step(cells[f"s{i}"], isolation="inline" if plan.inline[i] else "thread", **options))
    return Flow("random", steps)


class Calls:
    """Writes down what was called; hashed by name, so that this is no change of code."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __call__(self, name: str) -> None:
        self.seen.append(name)

    def __reduce_ex__(self, _: Any) -> str:
        return "called"


def cone(plan: Plan, changed: set[int]) -> set[int]:
    """The steps that something reaches."""
    reached = set(changed)
    for i, sources in enumerate(plan.sources):
        if reached & set(sources):
            reached.add(i)
    return reached


def cut_at_commit(store: Path, number: int) -> contextlib.AbstractContextManager[None]:
    """Have the scheduler's store refuse its ``number``-th commit and all after it, as a full disk does."""
    opened = open_store(store)
    scheduler_of(opened)

    @contextlib.contextmanager
    def cut() -> Any:
        write, n_commits = opened.write, 0

        def refuse(*, synced: bool = False) -> Any:
            nonlocal n_commits
            n_commits += 1
            if n_commits > number:
                raise StoreError("the store cannot be used: it was cut")
            return write(synced=synced)

        opened.write = refuse  # type: ignore[method-assign]
        try:
            yield
        finally:
            opened.write = write  # type: ignore[method-assign]

    return cut()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans(), st.integers(1, 12), st.data())
def test_any_flow_cut_anywhere_and_edited_gives_what_plain_calls_give(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, cut: int, data: st.DataObject
) -> None:
    store = tmp_path_factory.mktemp("model") / "runs.sqlite"
    n = len(plan.sources)
    constants = [0] * n
    try:
        flow = build(plan, constants)
        with cut_at_commit(store, cut):
            run = start(flow, {"x": 1}, store=store)
            with contextlib.suppress(StoreError, RunError):
                run.result(WAIT_S)
        finished = {path for path, info in run.steps.items() if info.state == "done"}
        edited = data.draw(st.sets(st.integers(0, n - 1), max_size=2))
        for i in edited:
            constants[i] += data.draw(st.sampled_from([1, 5]))
        calls: list[str] = []
        flow = build(plan, constants, calls)
        expected = build(plan, constants)(x=1)
        if run.state == "done" or edited:
            run = run.rerun(flow=flow)
        else:
            run.resume(flow=flow)
        assert run.result(WAIT_S) == expected
        unfinished = {i for i in range(n) if f"s{i}" not in finished}
        assert set(calls) <= {f"s{i}" for i in cone(plan, edited) | cone(plan, unfinished)}
        check(run)
    finally:
        close_store(store)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans())
def test_inline_and_threads_and_resumed_runs_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    store = tmp_path_factory.mktemp("same") / "runs.sqlite"
    try:
        n = len(plan.sources)
        expected = build(plan, [0] * n)(x=3)
        for inline in (True, False):
            same = plan._replace(inline=[inline] * n)
            run = start(build(same, [0] * n), {"x": 3}, store=store)
            assert run.result(WAIT_S) == expected
            assert {info.state for info in run.steps.values()} <= {"done", "reused"}
            check(run)
    finally:
        close_store(store)


def check(run: Run) -> None:
    """The run promise, at any moment."""
    with run.store.read() as db:
        row = run_row(db, run.id)
        rows = event_rows(db, row.id)
        row = run_row(db, run.id) if run.state == "running" else row
    assert [seq for seq, *_ in rows] == list(range(1, len(rows) + 1))
    accepted = [step for _, _, kind, step, *_ in rows if step and kind in ("done", "reused", "skipped")]
    assert len(accepted) == len(set(accepted))
    assert 0 <= row.progress <= 100
    ends = [kind for _, _, kind, step, *_ in rows if step is None and kind in ("done", "cancelled")]
    assert len(ends) <= 1
    if ends:
        assert run_state(rows) == ends[0]
    assert fold(rows).keys() <= {path for *_, path in ((item[3],) for item in rows) if path}


class Histories(RuleBasedStateMachine):
    """Start, cut off, pause, resume, cancel, fork, edit, in any order; the promise holds after every one."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.folder / "runs.sqlite"
        self.constant = 0
        self.runs: list[str] = []
        self.progress: dict[str, float] = {}
        self.start()

    def flow(self) -> Flow:
        cells: dict[str, Any] = {"__name__": "__main__", "K": self.constant}
        exec(
            "def items(x): return [x, x + 1, x + 2 + K]\n"
            "def one(item): return item * 10\n"
            "def bad(one, fail):\n    if fail: raise ValueError('asked to')\n    return sum(one)\n"
            "def end(bad): return bad + 1\n",
            cells,
        )
        return Flow(
            "history",
            [cells["items"], step(cells["one"], each={"item": "items"}, limit=2), cells["bad"], cells["end"]],
        )

    def expected(self, x: int) -> int:
        return (x + x + 1 + x + 2 + self.constant) * 10 + 1

    def pick(self, data: st.DataObject) -> Run:
        uid = data.draw(st.sampled_from(self.runs))
        return open_run(self.store, uid, flow=self.flow())

    @rule()
    def start(self) -> None:
        self.runs.append(start(self.flow(), {"x": len(self.runs), "fail": False}, store=self.store).id)

    @rule()
    def start_one_that_fails(self) -> None:
        run = start(self.flow(), {"x": len(self.runs), "fail": True}, store=self.store)
        self.runs.append(run.id)
        with pytest.raises(RunFailedError, match="asked to"):
            run.result(WAIT_S)

    @rule()
    def cut_off(self) -> None:
        close_store(self.store)

    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        with contextlib.suppress(RunError):  # it has ended
            self.pick(data).pause()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        with contextlib.suppress(RunError):
            self.pick(data).cancel()

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        with contextlib.suppress(RunError):  # it is at work, has ended, or its code has changed
            self.pick(data).resume()

    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        run = self.pick(data).rerun(with_={"fail": False})
        self.runs.append(run.id)
        assert run.result(WAIT_S) == self.expected(run.inputs["x"])

    @rule()
    def edit(self) -> None:
        self.constant += 1

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        with contextlib.suppress(RunError):
            self.pick(data).result(WAIT_S)

    @invariant()
    def promise(self) -> None:
        for uid in getattr(self, "runs", []):
            run = open_run(self.store, uid)
            check(run)
            progress = run.progress
            assert progress >= self.progress.get(uid, 0.0)
            self.progress[uid] = progress

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            close_store(self.store)
            shutil.rmtree(self.folder)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
