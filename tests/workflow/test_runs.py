"""Runs: started, watched, failed, resumed, paused, cancelled; what the store says of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omics_nb.errors import FlowError, RunError, RunFailedError, RunNotFoundError
from omics_nb.workflow import (
    Context,
    Flow,
    Run,
    close_store,
    list_runs,
    open_run,
    open_store,
    start,
    step,
)
from omics_nb.workflow.opened import scheduler_of

WAIT_S = 20


def add(x: int) -> int:
    return x + 1


def double(add: int) -> int:
    return add * 2


def both(add: int, double: int) -> tuple[int, int]:
    return add, double


FLOW = Flow("sums", [add, double, both])


class Gate:
    """Lets a test hold a step where it wants it."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.open.wait(WAIT_S)

    def __reduce__(self) -> str:
        return "gate"  # a gate is hashed by its name: opening it is no change of code


class Log(list[Any]):
    """A list that a step may write to without that being a change of its code."""

    def __reduce_ex__(self, _: Any) -> str:
        return "log"


@pytest.fixture
def gate() -> Gate:
    return Gate()


def kinds(run: Run, path: str | None = "*") -> list[str]:
    return [event.kind for event in run.events() if path == "*" or event.step == path]


def check_promises(run: Run) -> None:
    """What is true of every run at every moment."""
    events = run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    accepted = [event.step for event in events if event.kind in ("done", "reused") and event.step]
    assert len(accepted) == len(set(accepted))
    assert 0 <= run.progress <= 100
    assert (run.progress == 100) == (run.state == "done")


def test_a_run_gives_the_value_of_its_flow(store: Path) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    assert run.result(WAIT_S) == (2, 4)
    assert run.state == "done"
    assert run.progress == 100
    assert {path: info.state for path, info in run.steps.items()} == {
        "add": "done",
        "double": "done",
        "both": "done",
    }
    assert (run["add"], run["double"], run.inputs) == (2, 4, {"x": 1})
    assert kinds(run) == ["started", *["started", "done"] * 3, "done"]
    check_promises(run)


def test_a_run_can_be_awaited_and_does_not_block_the_loop(store: Path, gate: Gate) -> None:
    def slow(x: int) -> int:
        gate()
        return x

    async def main() -> int:
        run = start(Flow("f", [slow]), {"x": 5}, store=store)
        ticks = 0
        waiting = asyncio.ensure_future(_await(run))
        while not gate.entered.is_set() or ticks < 3:
            await asyncio.sleep(0)
            ticks += 1
        gate.open.set()
        return int(await waiting)

    assert asyncio.run(main()) == 5


async def _await(run: Run) -> Any:
    return await run


def test_no_longer_awaiting_does_not_stop_the_run(store: Path, gate: Gate) -> None:
    def slow(x: int) -> int:
        gate()
        return x

    async def main() -> Run:
        run = start(Flow("f", [slow]), {"x": 5}, store=store)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_await(run), 0.01)
        return run

    run = asyncio.run(main())
    gate.open.set()
    assert run.result(WAIT_S) == 5


def test_another_process_would_see_the_same_run(store: Path) -> None:
    run = start(FLOW, {"x": 1}, store=store, name="first", tags=["demo", "x"])
    run.result(WAIT_S)
    close_store(store)
    again = open_run(store, run.id)
    assert (again.state, again.name, again.tags, again.flow_name) == ("done", "first", ("demo", "x"), "sums")
    assert again.result() == (2, 4)
    assert again.events() == open_run(store, run.id[:6]).events()
    assert again.environment["python"]
    assert again.created <= again.finished  # type: ignore[operator]


def test_an_unknown_run_says_so(store: Path) -> None:
    with pytest.raises(RunNotFoundError, match="no run 'nothing'"):
        open_run(store, "nothing")


def test_events_can_be_read_on_from_any_number(store: Path) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    events = run.events()
    for event in events:
        assert run.events(after=event.seq) == events[event.seq :]


def test_runs_are_listed_newest_first_and_by_what_they_are(store: Path) -> None:
    def bad(x: int) -> int:
        raise ValueError("no")

    done = start(FLOW, {"x": 1}, store=store, tags=["a"])
    done.result(WAIT_S)
    failed = start(Flow("bad", [bad]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        failed.result(WAIT_S)

    def ids(**conditions: Any) -> list[str]:
        return [run.id for run in list_runs(store, **conditions)]

    assert ids() == [failed.id, done.id]
    assert ids(state="done") == [done.id]
    assert ids(state="failed") == [failed.id]
    assert ids(state="interrupted") == []
    assert ids(flow="bad") == [failed.id]
    assert ids(tag="a") == [done.id]
    assert ids(limit=1) == [failed.id]


def test_repr_is_one_line_and_html_is_escaped(store: Path) -> None:
    def bad(x: int) -> int:
        raise ValueError("<script>alert(1)</script>")

    run = start(Flow("<b>flow</b>", [bad]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    assert repr(run) == f"Run({run.id}, <b>flow</b>, failed, 0%)"
    html = run._repr_html_()
    assert "<script>" not in html
    assert "<b>flow</b>" not in html
    assert "&lt;script&gt;" in html


# --- failure and resumption -------------------------------------------------------------------------------------------


def test_a_failed_run_is_resumed_and_finished_steps_are_not_run_again(store: Path, tmp_path: Path) -> None:
    counted = Log()
    mended = tmp_path / "mended"

    def first(x: int) -> int:
        counted.append("first")
        return x

    def second(first: int) -> int:
        counted.append("second")
        if not mended.exists():
            raise OSError("no route")
        return first * 10

    run = start(Flow("f", [first, second]), {"x": 4}, store=store)
    with pytest.raises(RunFailedError, match="step 'second' failed: OSError: no route") as caught:
        run.result(WAIT_S)
    assert caught.value.step == "second"
    assert isinstance(caught.value.__cause__, OSError)
    assert run.state == "failed"
    assert run.error == "step 'second' failed: OSError: no route"
    assert run.steps["second"].error == "OSError: no route"
    mended.touch()
    counted_before = len(counted)
    assert run.resume().result(WAIT_S) == 40
    assert counted[counted_before:] == ["second"]
    assert run.steps["second"].attempt == 2
    assert run.error is None
    check_promises(run)


def test_a_done_run_cannot_be_resumed(store: Path) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    with pytest.raises(RunError, match="is done and cannot be resumed"):
        run.resume()


def test_a_run_of_a_scheduler_that_is_gone_is_interrupted_and_can_be_resumed(store: Path, gate: Gate) -> None:
    def slow(add: int) -> int:
        gate()
        return add

    flow = Flow("f", [add, slow])
    run = start(flow, {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    close_store(store)
    again = open_run(store, run.id, flow=flow)
    assert again.state == "interrupted"
    assert [item.id for item in list_runs(store, state="interrupted")] == [run.id]
    assert again.steps["slow"].state == "cancelled"
    with pytest.raises(RunError, match="is interrupted"):
        again.result(WAIT_S)
    gate.open.set()
    assert again.resume().result(WAIT_S) == 2
    assert kinds(again, None) == ["started", "resumed", "done"]
    check_promises(again)


def test_resume_refuses_values_of_code_that_has_changed_since(store: Path) -> None:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "def helper(x): return x + 1\ndef first(x): return helper(x)\ndef second(first): raise OSError('x')",
        made,
    )
    flow = Flow("f", [made["first"], made["second"]])
    run = start(flow, {"x": 1}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    exec("def helper(x): return x + 2", made)
    with pytest.raises(RunError, match="step 'first' .*function `helper` changed"):
        run.resume()
    made["second"].__code__ = (lambda first: first * 100).__code__
    assert run.resume(keep_changed=True).result(WAIT_S) == 200
    assert run.rerun().result(WAIT_S) == 300


def test_a_step_is_tried_again_on_the_errors_that_it_names(store: Path) -> None:
    tries = Log()

    def flaky(x: int, ctx: Context) -> int:
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ConnectionError("later")
        return x

    run = start(
        Flow("f", [step(flaky, retries=3, retry_on=(ConnectionError,), backoff_s=0.001)]),
        {"x": 1},
        store=store,
    )
    assert run.result(WAIT_S) == 1
    assert tries == [1, 2, 3]
    assert run.steps["flaky"].attempt == 3
    assert kinds(run, "flaky") == ["started", "retrying", "started", "retrying", "started", "done"]


def test_waits_between_attempts_are_drawn_from_a_range_that_doubles_up_to_a_limit(store: Path) -> None:
    def flaky(item: int, ctx: Context) -> int:
        if ctx.attempt <= 4:
            raise ConnectionError
        return item

    options = {"retries": 4, "backoff_s": 0.005, "max_backoff_s": 0.02}
    flow = Flow("f", [step(flaky, each={"item": "items"}, isolation="inline", **options)])
    run = start(flow, {"items": list(range(40))}, store=store)
    assert run.result(WAIT_S) == list(range(40))
    most: dict[int, float] = {}
    for event in run.events():
        if event.kind == "retrying":
            wait_s, attempt = event.data["due"] - event.at.timestamp(), event.data["attempt"]
            limit_s = min(0.005 * 2**attempt, 0.02)
            assert wait_s <= limit_s + 0.001  # its two times are of two clocks
            most[attempt] = max(most.get(attempt, 0.0), wait_s)
            assert event.data["type"] == "ConnectionError"
    assert list(most) == [1, 2, 3, 4]
    # Of forty draws from 0 to 10 and to 20 ms the largest are most unlikely to be below the smaller range's end.
    assert most[1] < 0.0101 < most[3]
    assert len({event.data["due"] for event in run.events() if event.kind == "retrying"}) == 160


def test_other_errors_are_not_tried_again(store: Path) -> None:
    def wrong(x: int) -> int:
        raise KeyError("x")

    run = start(Flow("f", [step(wrong, retries=3, retry_on=(ConnectionError,))]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError, match="KeyError"):
        run.result(WAIT_S)
    assert run.steps["wrong"].attempt == 1


def test_a_wait_for_a_retry_outlives_the_process(store: Path) -> None:
    tries = Log()

    def flaky(x: int, ctx: Context) -> int:
        tries.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ConnectionError("later")
        return x

    flow = Flow("f", [step(flaky, retries=1, backoff_s=0.5)])
    run = start(flow, {"x": 1}, store=store)
    while "retrying" not in kinds(run):
        pass
    close_store(store)
    again = open_run(store, run.id, flow=flow)
    assert again.steps["flaky"].state == "retrying"
    assert again.resume().result(WAIT_S) == 1
    assert tries == [1, 2]
    retry = next(event for event in again.events() if event.kind == "retrying")
    second = [event for event in again.events() if event.kind == "started" and event.step][-1]
    assert second.at.timestamp() >= retry.data["due"] - 0.01


def test_a_clock_that_was_set_back_does_not_prolong_a_wait_for_a_retry(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flaky(x: int, ctx: Context) -> int:
        if ctx.attempt == 1:
            raise ConnectionError("later")
        return x

    def flow(max_backoff_s: float) -> Flow:
        return Flow("f", [step(flaky, retries=1, backoff_s=1e6, max_backoff_s=max_backoff_s)])

    run = start(flow(1e6), {"x": 1}, store=store)
    wait_for(lambda: "retrying" in kinds(run))
    close_store(store)
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() - 86_400)
    assert open_run(store, run.id, flow=flow(0.01)).resume().result(WAIT_S) == 1


def test_values_that_cannot_be_kept_fail_the_step_by_name_and_type(store: Path) -> None:
    class Own:
        pass

    def makes(x: int) -> object:
        return {"deep": [Own()]}

    run = start(Flow("f", [makes]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError, match=r"step 'makes' failed.*Own \(at deep\[0\]\) cannot be kept"):
        run.result(WAIT_S)


def test_inputs_that_cannot_be_kept_are_refused_at_start(store: Path) -> None:
    with pytest.raises(FlowError, match="input 'x': a value of type builtins.object cannot be kept"):
        start(Flow("f", [step(lambda x: x, name="same")]), {"x": object()}, store=store)
    assert list_runs(store) == []


def test_a_promise_that_is_broken_fails_the_step_and_is_never_tried_again(store: Path) -> None:
    def number(x: int) -> int:
        return "text"  # type: ignore[return-value]

    run = start(Flow("f", [step(number, retries=5)]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError, match="promises int and gave a str"):
        run.result(WAIT_S)
    assert run.steps["number"].attempt == 1


def test_contracts_and_sizes_are_recorded(store: Path) -> None:
    def text(x: int) -> str:
        return "y" * 100_000

    run = start(Flow("f", [text]), {"x": 1}, store=store)
    run.result(WAIT_S)
    done = next(event for event in run.events() if event.kind == "done" and event.step)
    assert done.data == {"contract": "str", "n_bytes": 100_000}


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_start_with_a_known_key_gives_the_run_that_has_it(store: Path) -> None:
    one = start(FLOW, {"x": 1}, store=store, key="monday")
    two = start(FLOW, {"x": 1}, store=store, key="monday")
    assert one.id == two.id
    assert two.result(WAIT_S) == (2, 4)
    with pytest.raises(FlowError, match="the key 'monday' is that of run"):
        start(FLOW, {"x": 2}, store=store, key="monday")


def test_many_starts_with_one_key_from_many_threads_make_one_run(store: Path) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(start(FLOW, {"x": 1}, store=store, key="k").id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_an_unchanged_step_is_reused_and_says_from_which_run(store: Path) -> None:
    first = start(FLOW, {"x": 1}, store=store)
    first.result(WAIT_S)
    second = start(FLOW, {"x": 1}, store=store)
    assert second.result(WAIT_S) == (2, 4)
    assert {info.state for info in second.steps.values()} == {"reused"}
    assert {info.source for info in second.steps.values()} == {first.id}
    third = start(FLOW, {"x": 2}, store=store)
    assert third.result(WAIT_S) == (3, 6)
    assert {info.state for info in third.steps.values()} == {"done"}


def test_a_step_with_cache_off_runs_each_time(store: Path) -> None:
    calls = Log()

    def now(x: int) -> int:
        calls.append(x)
        return len(calls)

    flow = Flow("f", [step(now, cache=False)])
    assert start(flow, {"x": 1}, store=store).result(WAIT_S) == 1
    assert start(flow, {"x": 1}, store=store).result(WAIT_S) == 2


def test_an_equal_value_stops_the_rerun(store: Path) -> None:
    def parity(x: int) -> int:
        return x % 2

    def after(parity: int) -> int:
        return parity + 10

    flow = Flow("f", [parity, after])
    start(flow, {"x": 1}, store=store).result(WAIT_S)
    run = start(flow, {"x": 3}, store=store)
    run.result(WAIT_S)
    assert {path: info.state for path, info in run.steps.items()} == {"parity": "done", "after": "reused"}


def test_steps_get_copies_so_that_one_cannot_change_what_another_sees(store: Path) -> None:
    def items(x: int) -> list[int]:
        return [x]

    def spoil(items: list[int]) -> int:
        items.append(99)
        return len(items)

    def after(items: list[int], spoil: int) -> list[int]:
        return items

    run = start(Flow("f", [items, spoil, after]), {"x": 1}, store=store)
    assert run.result(WAIT_S) == [1]


# --- pause, cancel, interrupt -----------------------------------------------------------------------------------------


def held(gate: Gate) -> Flow:
    def slow(add: int) -> int:
        gate()
        return add * 3

    def end(slow: int) -> int:
        return slow + 1

    return Flow("held", [add, slow, end])


def test_a_paused_run_keeps_what_was_at_work_and_goes_on_later(store: Path, gate: Gate) -> None:
    run = start(held(gate), {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    run.pause()
    wait_for(lambda: run.state == "pausing")
    gate.open.set()
    with pytest.raises(RunError, match="is paused; run.resume"):
        run.result(WAIT_S)
    assert run.state == "paused"
    assert {path: info.state for path, info in run.steps.items()} == {
        "add": "done",
        "slow": "done",
        "end": "waiting",
    }
    assert run.resume().result(WAIT_S) == 7
    assert kinds(run, None) == ["started", "pausing", "paused", "resumed", "done"]
    assert kinds(run, "slow") == ["started", "done"]
    check_promises(run)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until something is true that another thread makes true; the timeout of the test is the limit."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.002)


def crowd(store: Path, gate: Gate) -> tuple[Flow, list[int], Log]:
    """A fan-out with more items than there are threads, each of which waits at the gate."""
    n_threads = scheduler_of(open_store(store)).attempts.threads.limit
    entered = Log()

    def held(item: int) -> int:
        entered.append(item)
        gate()
        return item

    return Flow("crowd", [step(held, each={"item": "items"})]), list(range(n_threads + 20)), entered


def test_a_pause_begins_none_of_those_that_wait_for_a_thread(store: Path, gate: Gate) -> None:
    flow, items, entered = crowd(store, gate)
    run = start(flow, {"items": items}, store=store)
    wait_for(lambda: len(entered) == len(items) - 20)
    run.pause()
    gate.open.set()
    with pytest.raises(RunError, match="is paused"):
        run.result(WAIT_S)
    assert len(entered) == len(items) - 20
    assert sum(info.state == "done" for info in run.steps.values()) == len(items) - 20
    assert run.resume().result(WAIT_S) == items
    assert len(entered) == len(items)
    check_promises(run)


def test_a_cancel_begins_none_of_those_that_wait_and_lets_others_in(store: Path, gate: Gate) -> None:
    flow, items, entered = crowd(store, gate)
    run = start(flow, {"items": items}, store=store)
    wait_for(lambda: len(entered) == len(items) - 20)
    other = start(FLOW, {"x": 1}, store=store)
    assert other.steps["add"].state == "waiting"
    run.cancel()
    gate.open.set()
    with pytest.raises(RunError, match="is cancelled"):
        run.result(WAIT_S)
    assert len(entered) == len(items) - 20
    assert other.result(WAIT_S) == (2, 4)


def test_a_cancelled_run_refuses_late_results(store: Path, gate: Gate) -> None:
    run = start(held(gate), {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    run.cancel()
    wait_for(lambda: run.state == "cancelling")
    gate.open.set()
    with pytest.raises(RunError, match="is cancelled; run.rerun"):
        run.result(WAIT_S)
    assert {path: info.state for path, info in run.steps.items()} == {
        "add": "done",
        "slow": "cancelled",
        "end": "waiting",
    }
    assert kinds(run, None) == ["started", "cancelling", "cancelled"]
    with pytest.raises(RunError, match="is cancelled and cannot be resumed"):
        run.resume()
    with pytest.raises(RunError, match="is cancelled already"):
        run.cancel()
    check_promises(run)


def test_a_cancel_stops_async_steps_and_heeding_threads_at_once(store: Path) -> None:
    entered = threading.Event()

    async def forever(x: int) -> int:
        entered.set()
        await asyncio.Event().wait()
        return x

    def heeds(x: int, ctx: Context) -> int:
        while True:
            ctx.check()

    for function in (forever, heeds):
        run = start(Flow("f", [function]), {"x": 1}, store=store)
        wait_for(lambda run=run: run.steps.get("forever", run.steps.get("heeds")).state == "running")  # type: ignore[misc,union-attr]
        run.cancel()
        with pytest.raises(RunError, match="cancelled"):
            run.result(WAIT_S)


def test_a_run_can_be_cancelled_by_another_process_and_when_nobody_drives_it(store: Path, gate: Gate) -> None:
    run = start(held(gate), {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    close_store(store)
    gate.open.set()
    again = open_run(store, run.id)
    again.cancel()
    assert again.state == "cancelled"
    check_promises(again)


def test_interrupting_the_wait_stops_the_run_so_that_it_can_be_resumed(
    store: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = held(gate)
    run = start(flow, {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    live = run._driven()
    assert live is not None
    # What Ctrl-C does: KeyboardInterrupt comes out of the wait.
    monkeypatch.setattr(live.ended, "result", lambda timeout=None: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.result()
    monkeypatch.undo()
    gate.open.set()
    wait_for(lambda: run.state == "paused")
    assert run.steps["slow"].state == "cancelled"
    assert run.resume().result(WAIT_S) == 7
    check_promises(run)


def test_a_result_that_is_not_there_in_time_says_so_and_the_run_goes_on(store: Path, gate: Gate) -> None:
    run = start(held(gate), {"x": 1}, store=store)
    with pytest.raises(TimeoutError, match="has not ended after 0.01 s"):
        run.result(0.01)
    gate.open.set()
    assert run.result(WAIT_S) == 7


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_weighted_and_never_goes_down(store: Path, gate: Gate) -> None:
    def light(x: int) -> int:
        return x

    def heavy(light: int, ctx: Context) -> int:
        ctx.progress(0.5, "half")
        gate()
        ctx.progress(0.25)
        return light

    run = start(Flow("f", [light, step(heavy, weight=3)]), {"x": 1}, store=store)
    assert gate.entered.wait(WAIT_S)
    wait_for(lambda: "progress" in kinds(run))
    assert _progress_of(run) == pytest.approx(25 + 37.5)
    gate.open.set()
    run.result(WAIT_S)
    assert run.progress == 100
    told = next(event for event in run.events() if event.kind == "progress")
    assert (told.step, told.data) == ("heavy", {"fraction": 0.5, "message": "half"})


def _progress_of(run: Run) -> float:
    live = run._driven()
    assert live is not None
    return live.progress


def test_idempotency_keys_are_the_same_for_every_attempt(store: Path) -> None:
    seen = Log()

    def writes(x: int, ctx: Context) -> int:
        seen.append(ctx.idempotency_key)
        if ctx.attempt == 1:
            raise OSError
        return x

    run = start(Flow("f", [step(writes, retries=1, backoff_s=0)]), {"x": 1}, store=store)
    run.result(WAIT_S)
    assert seen == [f"{run.id}/writes"] * 2
