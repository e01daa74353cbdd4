"""What a durable step costs, side by side with the limit (bare commits, a graphlib loop) and with peers that import.

``python -m tests.benchmarks.bench_workflow [--rounds N]`` prints the least and the median of some rounds, and whether
the least meets its goal: what else runs on the machine can only add. Ratios to the limit of the same run say more than
the microseconds, which are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import graphlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omics_nb import workflow
from omics_nb.errors import RunFailedError
from omics_nb.workflow import Flow, open_store, start, step

N = 1_000
#: Runs at once, whose steps one commit takes together.
AT_ONCE = 16
#: What a row may cost, in its own unit.
GOALS = {
    "build with contracts": 5.0,
    "in memory, inline": 10.0,
    "durable chain, NORMAL": 60.0,
    "durable chain, NORMAL / bare commit": 4.0,
    "durable chain, FULL / bare commit": 1.3,
    "durable fan-out": 15.0,
    "200 × 10 ms async, in all": 15.0,
    "cache hit": 15.0,
    "resume": 30.0,
    "past state of 1,000 steps, in all": 1.0,
    "store growth": 400.0,
    "import": 60.0,
}


def chain(n: int) -> Flow:
    """``n`` inline steps, each waiting for the one before."""
    namespace: dict[str, Any] = {"__name__": "bench_steps"}
    exec("def s0(x: int) -> int: return x\n", namespace)
    for i in range(1, n):
        exec(f"def s{i}(s{i - 1}: int) -> int: return s{i - 1} + 1\n", namespace)
    return Flow("chain", [step(namespace[f"s{i}"], isolation="inline") for i in range(n)])


def add(item: int, x: int) -> int:
    return item + x


def total(add: list[int]) -> int:
    return sum(add)


def fan_out() -> Flow:
    """One inline step for each item of a list, and one that takes them all."""
    return Flow(
        "fan", [step(add, each={"item": "items"}, isolation="inline"), step(total, isolation="inline")]
    )


async def pause(item: int, x: int) -> int:
    await asyncio.sleep(0.01)
    return item


def timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def bare_commits(folder: Path, synchronous: str, n_rows: int = 1) -> float:
    """Seconds of N small rows in transactions of so many."""
    db = sqlite3.connect(folder / f"bare{synchronous}", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT)")

    def commits() -> None:
        for _ in range(0, N, n_rows):
            db.execute("BEGIN IMMEDIATE")
            for _ in range(n_rows):
                db.execute("INSERT INTO t (b) VALUES ('x')")
            db.execute("COMMIT")

    seconds = timed(commits)
    db.close()
    return seconds


def graphlib_loop() -> float:
    graph = {i: {i - 1} if i else set() for i in range(N)}

    def loop() -> None:
        sorter = graphlib.TopologicalSorter(graph)
        sorter.prepare()
        while sorter.is_active():
            for node in sorter.get_ready():
                sorter.done(node)

    return timed(loop)


def our_times(folder: Path, round_number: int) -> dict[str, float]:
    """Seconds a step of everything that the runner does."""
    flow, fan = chain(N), fan_out()
    items = list(range(N))
    normal = open_store(folder / "normal.sqlite")
    full = open_store(folder / "full.sqlite", durability="full")
    warm = start(flow, {"x": -1 - round_number}, store=normal)
    warm.result()
    start(flow, {"x": -1 - round_number}, store=full).result()
    found = {
        "build with contracts": timed(lambda: Flow("again", flow.steps)) / N,
        "in memory, inline": timed(lambda: flow(x=1)) / N,
        "durable chain, NORMAL": timed(lambda: start(flow, {"x": round_number}, store=normal).result()) / N,
        "durable chain, FULL": timed(lambda: start(flow, {"x": round_number}, store=full).result()) / N,
        "cache hit": timed(lambda: start(flow, {"x": round_number}, store=normal).result()) / N,
        "durable fan-out": timed(
            lambda: start(fan, {"items": items, "x": round_number}, store=normal).result()
        )
        / N,
    }
    short = chain(N // AT_ONCE)
    for level, store in (("NORMAL", normal), ("FULL", full)):
        seconds = timed(lambda store=store: at_once(short, 1_000 + round_number * AT_ONCE, store))  # type: ignore[misc]
        found[f"{AT_ONCE} durable chains at once, {level}"] = seconds / (N // AT_ONCE * AT_ONCE)
    found["durable fan-out, FULL"] = (
        timed(lambda: start(fan, {"items": items, "x": round_number}, store=full).result()) / N
    )
    waits = Flow("waits", [step(pause, each={"item": "items"})])
    few = list(range(200))
    found["200 × 10 ms async, in all"] = timed(
        lambda: start(waits, {"items": few, "x": round_number}, store=normal).result()
    )
    found["past state of 1,000 steps, in all"] = timed(lambda: warm.at(step=f"s{N // 2}"))
    found["resume"] = half_resumed(folder, round_number)
    return found


def at_once(flow: Flow, first: int, store: Any) -> None:
    """Several runs of a flow that share commits."""
    for run in [start(flow, {"x": first + i}, store=store) for i in range(AT_ONCE)]:
        run.result()


def half_resumed(folder: Path, round_number: int) -> float:
    """Seconds a finished step of going on with a run of which all but the last step is done."""
    flag = folder / f"flag{round_number}"
    flow = chain(N)

    def end(s999: int, flag: str) -> int:
        if not Path(flag).exists():
            raise OSError("not yet")
        return s999

    resumable = Flow("resumable", [*flow.steps, step(end, isolation="inline")])
    run = start(resumable, {"x": -round_number - 100, "flag": str(flag)}, store=folder / "normal.sqlite")
    with contextlib.suppress(RunFailedError):
        run.result()
    flag.touch()
    return timed(lambda: run.resume().result()) / N


def bytes_a_step(folder: Path) -> float:
    """Growth of the store by a chain of N steps with values of four bytes, after a checkpoint."""
    path = folder / "size.sqlite"
    flow = chain(N)
    open_store(path)
    workflow.close_store(path)
    before = path.stat().st_size
    start(flow, {"x": 1_000}, store=path).result()
    workflow.close_store(path)
    return (path.stat().st_size - before) / N


def import_time() -> float:
    code = (
        "import time; t = time.perf_counter(); import omics_nb.workflow as w; w.start; "
        "print(time.perf_counter() - t)"
    )
    return min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    )


def bare_waits() -> float:
    """Seconds of 200 waits of 10 ms by asyncio alone."""

    async def waits() -> None:
        await asyncio.gather(*[asyncio.create_task(pause(item, 0)) for item in range(200)])

    return timed(lambda: asyncio.run(waits()))


def measure(rounds: int) -> dict[str, tuple[str, list[float]]]:
    """Row → its unit and what every round found."""
    rows: dict[str, tuple[str, list[float]]] = {}

    def add_row(what: str, unit: str, number: float) -> None:
        rows.setdefault(what, (unit, []))[1].append(number)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(rounds):
            add_row("limit: graphlib loop", "µs", graphlib_loop() / N * 1e6)
            add_row("limit: 200 × 10 ms, asyncio alone", "ms", bare_waits() * 1e3)
            for level in ("NORMAL", "FULL"):
                add_row(f"limit: bare commit, {level}", "µs", bare_commits(folder, level) / N * 1e6)
            grouped = bare_commits(folder, "FULL", AT_ONCE) / N * 1e6
            add_row(f"limit: bare commit of {AT_ONCE} rows, FULL, a row", "µs", grouped)
            for what, seconds in our_times(folder, number).items():
                in_all = what.endswith("in all")
                add_row(what, "ms" if in_all else "µs", seconds * (1e3 if in_all else 1e6))
        for level in ("NORMAL", "FULL"):
            # Of sorted times: one round in which the disk was slow for the one or the other says nothing.
            ours, bare = (
                sorted(rows[f"{what}, {level}"][1]) for what in ("durable chain", "limit: bare commit")
            )
            for step_us, commit_us in zip(ours, bare, strict=True):
                add_row(f"durable chain, {level} / bare commit", "×", step_us / commit_us)
        add_row("store growth", "bytes", bytes_a_step(folder))
        for path in ("normal.sqlite", "full.sqlite"):
            workflow.close_store(folder / path)
    add_row("import", "ms", import_time() * 1e3)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    print(f"{'µs a step, unless it says more':40} {'least':>10} {'median':>10} {'goal':>10}")
    for what, (unit, found) in measure(parser.parse_args().rounds).items():
        least, goal = found[0] if unit == "×" else min(found), GOALS.get(what)
        verdict = "" if goal is None else f"{goal:10,.1f} {'met' if least <= goal else 'not met'}"
        print(f"{what:40} {least:10,.1f} {statistics.median(found):10,.1f} {verdict:18} {unit}")


if __name__ == "__main__":
    main()
