"""Fan-out and fan-in, conditions, flows in flows, what a failure means for its siblings."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from omics_nb.errors import RunFailedError
from omics_nb.workflow import Context, Flow, Run, close_store, open_run, start, step

WAIT_S = 20


def states(run: Run) -> dict[str, str]:
    return {path: info.state for path, info in run.steps.items()}


def square(item: int, power: int = 2) -> int:
    return int(item**power)


def total(square: list[int]) -> int:
    return sum(square)


def test_a_fan_out_runs_each_item_by_name_and_gives_the_list(store: Path) -> None:
    flow = Flow("f", [step(square, each={"item": "items"}), total])
    run = start(flow, {"items": [3, 1, 2]}, store=store)
    assert run.result(WAIT_S) == 14
    assert run["square"] == [9, 1, 4]
    assert run["square[3]"] == 9
    assert set(states(run)) == {"square", "square[3]", "square[1]", "square[2]", "total"}


def test_items_of_one_name_are_told_apart_and_others_have_a_hash(store: Path) -> None:
    flow = Flow("f", [step(lambda item: item, name="same", each={"item": "items"})])
    run = start(flow, {"items": ["GSM1", "GSM1", [1, 2], "a/b"]}, store=store)
    assert run.result(WAIT_S) == ["GSM1", "GSM1", [1, 2], "a/b"]
    names = sorted(path for path in states(run) if path != "same")
    assert {"same[GSM1]", "same[GSM1#2]"} < set(names)
    assert not any("/" in name for name in names)
    assert len(names) == 4


@pytest.mark.parametrize("items", [[], (1, 2), {1, 2}, range(0)])
def test_a_fan_out_takes_lists_tuples_and_sets(items: Any, store: Path) -> None:
    flow = Flow("f", [step(square, each={"item": "items"}), total])
    given = list(items) if isinstance(items, range) else items
    assert start(flow, {"items": given}, store=store).result(WAIT_S) == sum(i * i for i in items)


def test_a_fan_out_over_what_is_no_list_fails_by_name(store: Path) -> None:
    flow = Flow("f", [step(lambda n: n, name="items"), step(square, each={"item": "items"}), total])
    with pytest.raises(RunFailedError, match="step 'square' runs for each item of 'items', which is no list"):
        start(flow, {"n": 3}, store=store).result(WAIT_S)


def test_a_long_list_goes_through_a_file(store: Path) -> None:
    flow = Flow(
        "f", [step(lambda n: list(range(n)), name="items"), step(square, each={"item": "items"}), total]
    )
    run = start(flow, {"n": 6_000}, store=store)
    assert run.result(60) == sum(i * i for i in range(6_000))


def test_at_most_limit_items_are_at_work_at_once(store: Path) -> None:
    lock, now, most = threading.Lock(), [0], [0]
    third = threading.Barrier(2)

    def held(item: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        third.wait(WAIT_S)  # two at a time, or this breaks
        with lock:
            now[0] -= 1
        return item

    flow = Flow("f", [step(held, each={"item": "items"}, limit=2, cache=False)])
    assert start(flow, {"items": list(range(8))}, store=store).result(WAIT_S) == list(range(8))
    assert most[0] == 2


def fails_on(*bad: int) -> Any:
    def one(item: int, folder: Path) -> int:
        if item in bad and not (folder / f"mended{item}").exists():
            raise ValueError(f"item {item}")
        return item

    return one


def test_fail_fast_starts_no_more_siblings_and_keeps_what_is_done(store: Path, tmp_path: Path) -> None:
    flow = Flow(
        "f",
        [
            step(fails_on(1), name="one", each={"item": "items"}, limit=1),
            step(lambda one: sum(one), name="end"),
        ],
    )
    run = start(flow, {"items": [0, 1, 2], "folder": tmp_path}, store=store)
    with pytest.raises(RunFailedError, match=r"step 'one\[1\]' failed: ValueError: item 1"):
        run.result(WAIT_S)
    assert states(run) == {"one": "failed", "one[0]": "done", "one[1]": "failed", "end": "waiting"}
    (tmp_path / "mended1").touch()
    assert run.resume().result(WAIT_S) == 3
    assert run.steps["one[0]"].attempt == 1
    assert run.steps["one[1]"].attempt == 2


def test_finish_siblings_lets_all_finish_and_only_failed_items_are_tried_again(
    store: Path, tmp_path: Path
) -> None:
    flow = Flow(
        "f",
        [
            step(fails_on(1, 3), name="one", each={"item": "items"}, on_failure="finish_siblings"),
            step(lambda one: sum(one), name="end"),
        ],
    )
    run = start(flow, {"items": [0, 1, 2, 3], "folder": tmp_path}, store=store)
    with pytest.raises(RunFailedError, match="2 of 4 items of step 'one' failed"):
        run.result(WAIT_S)
    assert [states(run)[f"one[{i}]"] for i in range(4)] == ["done", "failed", "done", "failed"]
    for i in (1, 3):
        (tmp_path / f"mended{i}").touch()
    assert run.resume().result(WAIT_S) == 6
    assert [run.steps[f"one[{i}]"].attempt for i in range(4)] == [1, 2, 1, 2]


def test_skip_branch_leaves_failed_items_out_unless_all_fail(store: Path, tmp_path: Path) -> None:
    flow = Flow(
        "f",
        [
            step(fails_on(1, 3), name="one", each={"item": "items"}, on_failure="skip_branch"),
            step(lambda one: one, name="end"),
        ],
    )
    run = start(flow, {"items": [0, 1, 2, 3], "folder": tmp_path}, store=store)
    assert run.result(WAIT_S) == [0, 2]
    assert run.state == "done"
    assert run.progress == 100
    (tmp_path / "mended1").touch()
    again = run.rerun()
    assert again.result(WAIT_S) == [0, 1, 2]
    assert states(again)["one[0]"] == "reused"
    run = start(flow, {"items": [1, 3], "folder": Path("elsewhere")}, store=store)
    with pytest.raises(RunFailedError, match="2 of 2 items of step 'one' failed"):
        run.result(WAIT_S)


def test_a_flow_for_each_item_skips_the_whole_branch(store: Path, tmp_path: Path) -> None:
    inner = Flow(
        "qc",
        [step(fails_on(1), name="norm"), step(lambda norm: norm * 10, name="scaled")],
    )
    flow = Flow(
        "f",
        [step(inner, each={"item": "items"}, on_failure="skip_branch"), step(lambda qc: qc, name="end")],
    )
    run = start(flow, {"items": [0, 1, 2], "folder": tmp_path}, store=store)
    assert run.result(WAIT_S) == [0, 20]
    assert states(run)["qc[2]/scaled"] == "done"
    assert states(run)["qc[1]/norm"] == "failed"
    assert "qc[1]/scaled" not in states(run)


def test_a_flow_in_a_flow_nests_its_steps_events_and_progress(store: Path) -> None:
    inner = Flow("qc", [step(lambda raw: raw + 1, name="a"), step(lambda a: a * 2, name="b")])
    flow = Flow("f", [step(lambda x: x, name="raw"), inner, step(lambda qc, raw: (qc, raw), name="end")])
    run = start(flow, {"x": 1}, store=store)
    assert run.result(WAIT_S) == (4, 1)
    assert list(states(run)) == ["raw", "qc/a", "qc/b", "end"]
    assert run["qc/b"] == 4


def test_flows_nest_through_fan_outs_within_fan_outs(store: Path) -> None:
    leaf = Flow("leaf", [step(lambda part, factor: part * factor, name="scaled")])
    middle = Flow(
        "middle", [step(leaf, each={"part": "row"}), step(lambda leaf: sum(leaf), name="sum")], output="sum"
    )
    flow = Flow("f", [step(middle, each={"row": "rows"}), step(lambda middle: middle, name="end")])
    run = start(flow, {"rows": [[1, 2], [3], []], "factor": 10}, store=store)
    assert run.result(WAIT_S) == [30, 30, 0] == flow(rows=[[1, 2], [3], []], factor=10)
    assert any(path.startswith("middle[") and "/leaf[1]/scaled" in path for path in states(run))


def test_conditions_skip_a_step_and_what_needs_it(store: Path) -> None:
    flow = Flow(
        "f",
        [
            step(lambda x: x * 2, name="maybe", when=lambda x: x > 0),
            step(lambda maybe: maybe + 1, name="needs"),
            step(lambda maybe=None, needs="none": (maybe, needs), name="end"),
        ],
    )
    run = start(flow, {"x": -1}, store=store)
    assert run.result(WAIT_S) == (None, "none")
    assert states(run) == {"maybe": "skipped", "needs": "skipped", "end": "done"}
    assert run["maybe"] is None
    assert run.progress == 100
    assert start(flow, {"x": 1}, store=store).result(WAIT_S) == (2, 3)


def test_a_condition_in_a_fan_out_leaves_items_out(store: Path) -> None:
    flow = Flow("f", [step(square, each={"item": "items"}, when=lambda item: item % 2 == 0), total])
    run = start(flow, {"items": [1, 2, 3, 4]}, store=store)
    assert run.result(WAIT_S) == 20 == flow(items=[1, 2, 3, 4])
    assert states(run)["square[1]"] == "skipped"


def test_a_skipped_output_gives_none(store: Path) -> None:
    flow = Flow("f", [step(lambda x: x, name="only", when=lambda x: x > 0)])
    run = start(flow, {"x": -1}, store=store)
    assert run.result(WAIT_S) is None
    assert run.state == "done"


def test_steps_that_do_not_wait_for_each_other_run_at_once(store: Path) -> None:
    meet = threading.Barrier(2)

    def left(x: int) -> int:
        meet.wait(WAIT_S)
        return x

    def right(x: int) -> int:
        meet.wait(WAIT_S)
        return x

    flow = Flow("f", [left, right, step(lambda left, right: left + right, name="sum")])
    assert start(flow, {"x": 1}, store=store).result(WAIT_S) == 2


def test_a_failure_lets_what_is_at_work_finish_and_starts_nothing_more(store: Path) -> None:
    failed = threading.Event()

    def bad(x: int) -> int:
        failed.set()
        raise ValueError("no")

    def slow(x: int) -> int:
        assert failed.wait(WAIT_S)
        return x

    run = start(Flow("f", [bad, slow, step(lambda slow: slow, name="after")]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError, match="step 'bad' failed"):
        run.result(WAIT_S)
    assert states(run)["slow"] == "done"
    assert states(run)["after"] in ("waiting", "done")


def test_progress_of_a_fan_out_is_its_share_split_among_its_items(store: Path) -> None:
    seen = []

    def one(item: int, ctx: Context) -> int:
        return item

    flow = Flow("f", [step(one, each={"item": "items"}, limit=1, weight=3, cache=False), lambda_end])
    run = start(flow, {"items": [1, 2, 3]}, store=store)
    live = run._driven()
    assert live is not None
    run.result(WAIT_S)
    seen.append(live.progress)
    assert seen == [100.0]


lambda_end = step(lambda one: len(one), name="end")


def test_a_fan_out_is_resumed_where_it_was_cut(store: Path) -> None:
    gate = threading.Event()

    def one(item: int) -> int:
        if item == 2:
            gate.wait(WAIT_S)
        return item

    flow = Flow("f", [step(one, each={"item": "items"}, limit=1, cache=False), lambda_end])
    run = start(flow, {"items": [0, 1, 2, 3]}, store=store)
    while states(run).get("one[2]") != "running":
        pass
    close_store(store)
    gate.set()
    again = open_run(store, run.id, flow=flow)
    assert again.resume(keep_changed=True).result(WAIT_S) == 4
    assert [again.steps[f"one[{i}]"].attempt for i in range(4)] == [1, 1, 2, 1]
