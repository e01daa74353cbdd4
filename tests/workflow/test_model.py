"""Random flows, cuts and edits against plain calls; random histories of one run against the run promise."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from random_flows import Plan, build, history

from omics_nb.errors import RunError, RunFailedError, StoreError
from omics_nb.workflow import Flow, Run, close_store, list_runs, open_run, open_store, start
from omics_nb.workflow.events import fold, run_state
from omics_nb.workflow.opened import scheduler_of
from omics_nb.workflow.tables import event_rows, run_row
from tests.workflow.conftest import Kill

WAIT_S = 30


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n = draw(st.integers(1, 7))
    sources = [draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else [] for i in range(n)]
    return Plan(
        sources,
        draw(st.lists(st.sampled_from(["inline", "thread"]), min_size=n, max_size=n)),
        [bool(found) and draw(st.booleans()) for found in sources],
    )


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


def edit_and_compare(plan: Plan, run: Run, data: st.DataObject) -> None:
    """Go on with a run that was cut off, by code that may have been edited, and compare with plain calls."""
    n = len(plan.sources)
    constants = [0] * n
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


ANYWHERE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ANYWHERE
@given(plans(), st.integers(1, 12), st.data())
def test_any_flow_whose_store_fails_anywhere_and_edited_gives_what_plain_calls_give(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, cut: int, data: st.DataObject
) -> None:
    store = tmp_path_factory.mktemp("model") / "runs.sqlite"
    try:
        with cut_at_commit(store, cut):
            run = start(build(plan, [0] * len(plan.sources)), {"x": 1}, store=store)
            with contextlib.suppress(StoreError, RunError):
                run.result(WAIT_S)
        edit_and_compare(plan, run, data)
    finally:
        close_store(store)


@ANYWHERE
@given(plans(), st.integers(20, 150), st.data())
def test_any_flow_killed_anywhere_and_edited_gives_what_plain_calls_give(
    tmp_path_factory: pytest.TempPathFactory, killed: Kill, plan: Plan, kill_at: int, data: st.DataObject
) -> None:
    store = tmp_path_factory.mktemp("killed") / "runs.sqlite"
    constants = [0] * len(plan.sources)
    try:
        was_killed = killed(store=store, plan=plan, constants=constants, kill_at=kill_at)
        for run in list_runs(store):  # none, if it was killed before its start was acknowledged
            assert run.state == "interrupted" if was_killed and run.progress < 100 else run.state == "done"
            check(run)
            run._flow = build(plan, constants)
            edit_and_compare(plan, run, data)
    finally:
        close_store(store)


@settings(ANYWHERE, max_examples=8)
@given(plans(), st.integers(1, 12), st.integers(40, 120))
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_inline_and_threads_and_processes_and_dask_and_resumed_runs_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, killed: Kill, client: Any, plan: Plan, cut: int, kill_at: int
) -> None:
    constants = [0] * len(plan.sources)
    expected = build(plan, constants)(x=1)
    for how in ("inline", "thread", "process", "dask", "cut", "killed"):
        store = tmp_path_factory.mktemp(how) / "runs.sqlite"
        isolation = how if how in ("inline", "process") else "thread"
        same = plan._replace(isolations=[isolation] * len(constants))
        flow = build(same, constants, travels=how == "dask")
        executor = client if how == "dask" else None
        try:
            if how == "cut":
                with cut_at_commit(store, cut), contextlib.suppress(StoreError, RunError):
                    start(flow, {"x": 1}, store=store).result(WAIT_S)
            if how == "killed":
                killed(store=store, plan=same, constants=constants, kill_at=kill_at)
            begun = list_runs(store)
            run = open_run(store, begun[0].id, flow=flow) if begun else None
            if run is None:
                run = start(flow, {"x": 1}, store=store, executor=executor)
            elif run.state != "done":
                run.resume()
            assert run.result(WAIT_S) == expected, how
            assert {info.state for info in run.steps.values()} == {"done"}
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


NUMBERS = st.integers(0, 30)


class Histories(RuleBasedStateMachine):
    """Start, crash, cut off, pause, resume, cancel, fork, edit, in any order; the promise holds after every one."""

    killed: Kill

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = self.folder / "runs.sqlite"
        self.constant = 0
        self.runs: list[str] = []
        self.progress: dict[str, float] = {}
        self.start()

    def flow(self) -> Flow:
        return history(self.constant)

    def expected(self, x: int) -> int:
        return (x + x + 1 + x + 2 + self.constant) * 10 + 1

    def pick(self, number: int) -> Run:
        # What is drawn must not depend on how far a crash had come.
        return open_run(self.store, self.runs[number % len(self.runs)], flow=self.flow())

    @rule()
    def start(self) -> None:
        self.runs.append(start(self.flow(), {"x": len(self.runs), "fail": False}, store=self.store).id)

    @rule()
    def start_one_that_fails(self) -> None:
        run = start(self.flow(), {"x": len(self.runs), "fail": True}, store=self.store)
        self.runs.append(run.id)
        with pytest.raises(RunFailedError, match="asked to"):
            run.result(WAIT_S)

    @rule(kill_at=st.integers(1, 80), number=NUMBERS)
    def crash(self, kill_at: int, number: int) -> None:
        """Another process takes over a run that nobody drives, or starts one, and is killed."""
        run = self.pick(number)
        uid = run.id if run.state in ("interrupted", "paused") else None
        given = {"x": len(self.runs), "constant": self.constant}
        self.killed(store=self.store, kill_at=kill_at, resume=uid, **given)
        self.runs += [run.id for run in list_runs(self.store) if run.id not in self.runs]

    @rule()
    def cut_off(self) -> None:
        close_store(self.store)

    @rule(number=NUMBERS)
    def pause(self, number: int) -> None:
        with contextlib.suppress(RunError):  # it has ended
            self.pick(number).pause()

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        with contextlib.suppress(RunError):
            self.pick(number).cancel()

    @rule(number=NUMBERS)
    def resume(self, number: int) -> None:
        with contextlib.suppress(RunError):  # it is at work, has ended, or its code has changed
            self.pick(number).resume()

    @rule(number=NUMBERS)
    def fork(self, number: int) -> None:
        run = self.pick(number).rerun(with_={"fail": False})
        self.runs.append(run.id)
        assert run.result(WAIT_S) == self.expected(run.inputs["x"])

    @rule()
    def edit(self) -> None:
        self.constant += 1

    @rule(number=NUMBERS)
    def wait(self, number: int) -> None:
        with contextlib.suppress(RunError):
            self.pick(number).result(WAIT_S)

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


@pytest.mark.timeout(300)
def test_any_history_of_runs_keeps_the_promise(killed: Kill) -> None:
    Histories.killed = staticmethod(killed)
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=20, stateful_step_count=15, deadline=None)
    )
