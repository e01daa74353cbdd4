"""Forks, earlier moments, explanations, differences, pruning."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from omics_nb.errors import FlowError, IntegrityError, RunFailedError
from omics_nb.workflow import Flow, Run, open_run, open_store, prune, start, step, tables

WAIT_S = 20


def source(x: int) -> int:
    return x * 2


def left(source: int, gain: int = 1) -> int:
    return source + gain


def right(source: int) -> int:
    return source - 1


def joined(left: int, right: int) -> int:
    return left * right


FLOW = Flow("diamond", [source, left, right, joined])


def states(run: Run) -> dict[str, str]:
    return {path: info.state for path, info in run.steps.items()}


@pytest.fixture
def run(store: Path) -> Run:
    run = start(FLOW, {"x": 3}, store=store)
    run.result(WAIT_S)
    return run


def test_a_fork_shares_what_is_unchanged(run: Run) -> None:
    fork = run.rerun(with_={"gain": 5})
    assert fork.result(WAIT_S) == (6 + 5) * 5
    assert states(fork) == {"source": "reused", "left": "done", "right": "reused", "joined": "done"}
    assert fork.parent == run.id
    assert fork.inputs == {"x": 3, "gain": 5}
    assert run.result() == 7 * 5


def test_a_fork_computes_anew_from_a_step_on_and_stops_where_values_are_equal(run: Run) -> None:
    fork = run.rerun(from_step="left")
    assert fork.result(WAIT_S) == 35
    assert states(fork) == {"source": "reused", "left": "done", "right": "reused", "joined": "reused"}
    with pytest.raises(FlowError, match="no step 'nothing'"):
        run.rerun(from_step="nothing")


def test_a_fork_shares_values_even_of_steps_whose_cache_is_off(store: Path) -> None:
    calls: list[int] = []

    class Log(list[int]):
        def __reduce_ex__(self, _: Any) -> str:
            return "log"

    calls = Log()

    def asks(x: int) -> int:
        calls.append(x)
        return len(calls)

    flow = Flow("f", [step(asks, cache=False), step(lambda asks, k=0: asks + k, name="end")])
    first = start(flow, {"x": 1}, store=store)
    assert first.result(WAIT_S) == 1
    fork = first.rerun(with_={"k": 10})
    assert fork.result(WAIT_S) == 11
    assert fork.rerun(with_={"k": 20}).result(WAIT_S) == 21
    assert start(flow, {"x": 1}, store=store).result(WAIT_S) == 2


def test_a_cancelled_or_failed_run_can_be_forked(store: Path) -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec("def a(x): return x\ndef b(a): raise ValueError('no')", cells)
    failed = start(Flow("f", [cells["a"], cells["b"]]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        failed.result(WAIT_S)
    exec("def b(a): return a + 1", cells)
    fork = failed.rerun(flow=Flow("f", [cells["a"], cells["b"]]))
    assert fork.result(WAIT_S) == 2
    assert states(fork) == {"a": "reused", "b": "done"}


# --- at --------------------------------------------------------------------------------------------------------------


def test_a_run_can_be_seen_as_it_was_after_any_event(run: Run) -> None:
    events = run.events()
    seen = [run.at(event=event.seq) for event in events]
    assert seen[0].steps == {}
    assert seen[0].state == "running"
    assert seen[-1].state == "done"
    assert seen[-1].steps == states(run)
    for event, past in zip(events, seen, strict=True):
        if event.step:
            assert past.steps[event.step] == {"started": "running", "done": "done"}[event.kind]
    after_source = run.at(step="source")
    assert after_source["source"] == 6
    assert "joined" not in after_source.steps
    with pytest.raises(KeyError, match="had no value after event"):
        after_source["joined"]
    assert repr(after_source).startswith(f"Past({run.id}, after event 3, running, 1 steps settled)")


def test_moments_that_never_were_are_refused(run: Run) -> None:
    with pytest.raises(FlowError, match="has no event 999"):
        run.at(event=999)
    with pytest.raises(FlowError, match="has not ended"):
        run.at(step="nothing")
    with pytest.raises(FlowError, match="takes a step or the number"):
        run.at()


def test_a_past_failure_is_seen_after_the_run_was_mended(store: Path, tmp_path: Path) -> None:
    def careful(x: int, folder: Path) -> int:
        if not (folder / "mended").exists():
            raise OSError("no")
        return x

    run = start(Flow("f", [careful]), {"x": 1, "folder": tmp_path}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    n_before = len(run.events())
    (tmp_path / "mended").touch()
    run.resume().result(WAIT_S)
    assert run.at(event=n_before).state == "failed"
    assert run.at(event=n_before).steps == {"careful": "failed"}
    assert run.at(event=len(run.events())).steps == {"careful": "done"}


# --- explain and diff -------------------------------------------------------------------------------------------------


def test_explanations_name_what_changed(store: Path) -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "K = 1\ndef norm(x): return x\ndef a(x): return norm(x)\ndef b(a): return a + K\n"
        "def c(x): return x\ndef d(b, c): return b + c",
        cells,
    )
    flow = Flow("f", [cells[name] for name in "abcd"])
    run = start(flow, {"x": 1}, store=store)
    run.result(WAIT_S)
    assert not run.explain("d").runs
    assert str(run.explain("d")) == "d is reused: code and inputs are the same"
    exec("def norm(x): return -x", cells)
    assert str(run.explain("a")) == "a will run: function `norm` changed"
    assert str(run.explain("b")) == "b will run: `a` will run and may give another value"
    assert not run.explain("c").runs
    exec("K = 2", cells)
    assert run.explain("b").reasons == (
        "value `K` changed from 1 to 2",
        "`a` will run and may give another value",
    )
    fork = run.rerun()
    fork.result(WAIT_S)
    assert states(fork) == {"a": "done", "b": "done", "c": "reused", "d": "done"}
    with pytest.raises(FlowError, match="no step 'nothing'"):
        run.explain("nothing")


def test_explanations_of_failures_and_fan_outs(store: Path) -> None:
    cells: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "def norm(x): return x\ndef one(item): return norm(item)\ndef end(one): raise ValueError('no')", cells
    )
    flow = Flow("f", [step(cells["one"], each={"item": "items"}), cells["end"]])
    run = start(flow, {"items": [1, 2]}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    assert not run.explain("one").runs
    assert run.explain("end").reasons == ("it failed: ValueError: no",)
    exec("def norm(x): return -x", cells)
    assert run.explain("one[1]").reasons == ("function `norm` changed",)


def test_differences_between_runs_name_inputs_values_and_code(run: Run, store: Path) -> None:
    other = run.rerun(with_={"x": 4})
    other.result(WAIT_S)
    told = run.diff(other)
    assert told.inputs == {"x": "3 → 4"}
    assert told.steps["source"] == "value 6 → 8"
    assert set(told.steps) == {"source", "left", "right", "joined"}
    assert str(run.diff(run)) == "no difference"
    assert str(told).splitlines()[0] == "input x: 3 → 4"


def test_differences_of_large_values_are_told_by_kind(store: Path) -> None:
    def table(n: int) -> pd.DataFrame:
        return pd.DataFrame({"a": range(n)})

    flow = Flow("f", [table])
    one, other = (start(flow, {"n": n}, store=store) for n in (1, 2))
    one.result(WAIT_S)
    other.result(WAIT_S)
    assert one.diff(other).steps["table"].startswith("value (frame ")


# --- pruning ---------------------------------------------------------------------------------------------------------


def text(n: int) -> str:
    return "y" * n


def test_pruning_removes_old_runs_and_only_files_that_none_needs(store: Path) -> None:
    flow = Flow("f", [text])
    old = start(flow, {"n": 50_000}, store=store)
    old.result(WAIT_S)
    kept = start(flow, {"n": 50_000}, store=store)
    kept.result(WAIT_S)
    assert kept.steps["text"].state == "reused"
    gone = start(flow, {"n": 60_000}, store=store)
    gone.result(WAIT_S)
    opened = open_store(store)
    with opened.write() as db:
        for run in (old, gone):
            db.execute("UPDATE run SET finished = ? WHERE uid = ?", (time.time() - 90 * 86_400, run.id))
    assert prune(store, grace_s=-1, dry_run=True)[:2] == (2, 1)
    assert prune(store, grace_s=-1) == (2, 1, 60_000)
    assert kept.result() == "y" * 50_000
    with pytest.raises(Exception, match="no run"):
        open_run(store, gone.id)
    assert prune(store, grace_s=-1) == (0, 0, 0)


def test_pruning_forgets_owners_that_are_long_gone(store: Path) -> None:
    opened = open_store(store)
    with opened.write() as db:
        tables.renew(db, "long gone", "host", 1, 1.0)
        tables.renew(db, "of today", "host", 1, time.time())
    prune(store)
    with opened.read() as db:
        left = [name for (name,) in db.execute("SELECT id FROM owner").fetchall()]
    assert left == ["of today"]


def test_pruning_leaves_young_files_that_a_step_may_be_about_to_name(store: Path) -> None:
    opened = open_store(store)
    name = opened.folder.put(b"y" * 100, ".bin")
    assert prune(store).n_files == 0
    os.utime(opened.folder.locate(name), (0, 0))
    assert prune(store).n_files == 1


def test_a_value_whose_file_is_gone_is_computed_again(store: Path) -> None:
    flow = Flow("f", [text])
    first = start(flow, {"n": 50_000}, store=store)
    first.result(WAIT_S)
    for path in open_store(store).folder.path.glob("??/*"):
        path.unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        first.result()
    second = start(flow, {"n": 50_000}, store=store)
    assert second.result(WAIT_S) == "y" * 50_000
    assert second.steps["text"].state == "done"
    assert first.result() == "y" * 50_000
