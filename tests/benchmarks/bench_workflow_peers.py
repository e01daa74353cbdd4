"""A durable no-op step by us and by the durable runners that people use, side by side in one run.

``python -m tests.benchmarks.bench_workflow_peers [--rounds N]`` in the peers' environment (``make bench``) prints
microseconds a step: medians of fresh processes that take turns. What a peer cannot do is left blank, with the reason.
Slow peers get fewer steps and rounds, so that all takes less than four minutes; nothing asks the network.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import operator
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from tests.benchmarks.bench_workflow import AT_ONCE, N, at_once, bare_commits, chain, fan_out, timed

COLUMNS = ("chain", f"{AT_ONCE} chains at once", "fan-out", "re-run, unchanged", "resume of half")
GOAL = 8.0
_LIMIT_S = 200.0
_QUIET = {
    "DO_NOT_TRACK": "1",
    "HAMILTON_TELEMETRY_ENABLED": "false",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    # Nothing listens there: whatever still asks the network fails.
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "NO_PROXY": "127.0.0.1,localhost",
}
Found = dict[str, float]


class NotYetError(Exception):
    """What stops the half that is resumed later."""


def passing(folder: Path, at: int, half: int) -> None:
    """Fail at step ``half`` until the folder says go."""
    if at == half and not (folder / "go").exists():
        raise NotYetError


# --- ours and the limit -----------------------------------------------------------------------------------------------


def limit(n: int, folder: Path) -> Found:
    """The smallest thing that keeps a step: a transaction of one row."""
    return limits("NORMAL", folder)


def limit_full(n: int, folder: Path) -> Found:
    return limits("FULL", folder)


def limits(level: str, folder: Path) -> Found:
    return {
        "chain": bare_commits(folder, level),
        COLUMNS[1]: bare_commits(folder, level, AT_ONCE),
        "fan-out": bare_commits(folder, level, N),
        "resume of half": bare_commits(folder, level) / 2,
    }


def ours(n: int, folder: Path, durability: Any = "normal") -> Found:
    from omics_nb.errors import RunFailedError
    from omics_nb.workflow import Flow, close_store, open_store, start, step

    store = open_store(folder / "runs.sqlite", durability=durability)
    flow, fan, items = chain(n), fan_out(), list(range(n))
    start(chain(5), {"x": 9}, store=store).result()
    short = chain(n // AT_ONCE)
    found = {
        "chain": timed(lambda: start(flow, {"x": 1}, store=store).result()),
        COLUMNS[1]: timed(lambda: at_once(short, 100, store)),
        "fan-out": timed(lambda: start(fan, {"items": items, "x": 1}, store=store).result()),
        "re-run, unchanged": timed(lambda: start(flow, {"x": 1}, store=store).result()),
    }
    cells: dict[str, Any] = {"__name__": "bench_steps", "passing": passing, "folder": folder}
    for i in range(n):
        before = f"s{i - 1}" if i else "x"
        gate = f"passing(folder, {i}, {n // 2}); " if i == n // 2 else ""
        exec(f"def s{i}({before}: int) -> int: {gate}return {before} + 1\n", cells)
    halved = Flow("halved", [step(cells[f"s{i}"], isolation="inline") for i in range(n)])
    run = start(halved, {"x": 2}, store=store)
    with contextlib.suppress(RunFailedError):
        run.result()
    (folder / "go").touch()
    found["resume of half"] = timed(lambda: run.resume().result())
    close_store(store)
    return found


def ours_full(n: int, folder: Path) -> Found:
    return ours(n, folder, "full")


# --- peers ------------------------------------------------------------------------------------------------------------


def dbos(n: int, folder: Path) -> Found:
    """Its process dies at half; the launch of the next one recovers the workflow, which takes it a poll or two."""
    first = not (folder / "half").exists()
    if first:
        (folder / "half").touch()
        if worker("dbos", n, folder, timeout_s=60).returncode != 3:
            raise AssertionError("the process was to die at half of the workflow")
    from dbos import DBOS

    address = f"sqlite:///{folder}/dbos.sqlite"
    DBOS(
        config={
            "name": "bench",
            "system_database_url": address,
            "run_admin_server": False,
            "log_level": "CRITICAL",
        }
    )
    ended: list[float] = []

    @DBOS.step()
    def add(x: int) -> int:
        return x + 1

    @DBOS.step()
    async def add_soon(x: int) -> int:
        return x + 1

    @DBOS.workflow()
    def in_turn(length: int) -> int:
        x = 0
        for _ in range(length):
            x = add(x)
        return x

    @DBOS.workflow()
    async def all_at_once(length: int) -> int:
        return sum(await asyncio.gather(*[add_soon(i) for i in range(length)]))

    @DBOS.workflow()
    def halved(length: int) -> int:
        x = 0
        for i in range(length):
            if i == length // 2 and not (folder / "go").exists():
                os._exit(3)
            x = add(x)
        ended.append(time.perf_counter())
        return x

    if not first:
        DBOS.launch()
        halved(n)
    (folder / "go").touch()
    began = time.perf_counter()
    DBOS.launch()
    while not ended:
        time.sleep(0.001)
    found = {"resume of half": ended[0] - began}
    in_turn(5)
    found["chain"] = timed(lambda: in_turn(n))

    def many() -> None:
        for handle in [DBOS.start_workflow(in_turn, n // AT_ONCE) for _ in range(AT_ONCE)]:
            handle.get_result()

    found[COLUMNS[1]] = timed(many)
    found["fan-out"] = timed(lambda: asyncio.run(all_at_once(n)))
    DBOS.destroy()
    return found


class Number(TypedDict):
    x: int


class Numbers(TypedDict):
    items: list[int]
    found: Annotated[list[int], operator.add]


def langgraph(n: int, folder: Path) -> Found:
    from langgraph.cache.sqlite import SqliteCache
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import CachePolicy, Send

    def line(length: int, policy: Any, gate: Callable[[int], None] = lambda i: None) -> Any:
        graph = StateGraph(Number)

        def node(i: int) -> Callable[[Number], Number]:
            def add(state: Number) -> Number:
                gate(i)
                return {"x": state["x"] + 1}

            return add

        for i in range(length):
            graph.add_node(f"s{i}", node(i), cache_policy=policy)
            graph.add_edge(f"s{i - 1}" if i else START, f"s{i}")
        return graph.add_edge(f"s{length - 1}", END)

    def one(state: Any) -> Any:
        return {"found": [state["x"] + 1]}

    fan = StateGraph(Numbers)
    fan.add_node("one", one)
    fan.add_conditional_edges(START, lambda state: [Send("one", {"x": i}) for i in state["items"]], ["one"])

    def config(thread: str) -> Any:
        return {"configurable": {"thread_id": thread}, "recursion_limit": n + 10}

    with SqliteSaver.from_conn_string(str(folder / "graph.sqlite")) as saver:

        def run(graph: Any, given: Any, thread: str) -> float:
            return timed(lambda: graph.invoke(given, config(thread), durability="sync"))

        cache = SqliteCache(path=str(folder / "cache.sqlite"))
        plain, again = line(n, None).compile(saver), line(n, CachePolicy()).compile(saver, cache=cache)
        run(line(5, None).compile(saver), {"x": 0}, "warm")
        found = {
            "chain": run(plain, {"x": 0}, "1"),
            "fan-out": run(fan.compile(saver), {"items": list(range(n)), "found": []}, "2"),
        }
        short = line(n // AT_ONCE, None).compile(saver)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            threads = [f"many{i}" for i in range(AT_ONCE)]
            found[COLUMNS[1]] = timed(
                lambda: list(pool.map(lambda name: run(short, {"x": 0}, name), threads))
            )
        run(again, {"x": 0}, "3")
        found["re-run, unchanged"] = run(again, {"x": 0}, "4")
        halved = line(n, None, lambda i: passing(folder, i, n // 2)).compile(saver)
        with contextlib.suppress(NotYetError):
            run(halved, {"x": 0}, "5")
        (folder / "go").touch()
        found["resume of half"] = run(halved, None, "5")
    return found


def hamilton(n: int, folder: Path) -> Found:
    import logging

    from hamilton import driver

    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(100_000)

    def module(name: str, text: str) -> Any:
        path = folder / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
        return made

    def line(length: int, half: int | None = None) -> str:
        gate = "from tests.benchmarks.bench_workflow_peers import passing\nfrom pathlib import Path\n"
        text = gate + "def s0(x: int) -> int:\n    return x\n"
        for i in range(1, length):
            stop = f"    passing(Path({str(folder)!r}), {i}, {i})\n" if i == half else ""
            text += f"def s{i}(s{i - 1}: int) -> int:\n{stop}    return s{i - 1} + 1\n"
        return text

    fan = "".join(f"def p{i}(x: int) -> int:\n    return x + {i}\n" for i in range(n))
    fan += (
        f"def total({', '.join(f'p{i}: int' for i in range(n))}) -> int:\n    return sum(locals().values())\n"
    )

    def run(made: Any, last: str) -> float:
        built = driver.Builder().with_modules(made).with_cache(path=str(folder / "cache")).build()
        return timed(lambda: built.execute([last], inputs={"x": 1}))

    run(module("warm", line(5)), "s4")
    plain, halved = (
        module("plain", line(n)),
        module("halved", line(n, n // 2).replace("(x: int)", "(x: int )")),
    )
    found = {
        "chain": run(plain, f"s{n - 1}"),
        "fan-out": run(module("fan", fan), "total"),
        "re-run, unchanged": run(plain, f"s{n - 1}"),
    }
    for cached in (folder / "cache").glob("*"):
        if cached.is_file():
            cached.unlink()
    with contextlib.suppress(NotYetError):
        run(halved, f"s{n - 1}")
    (folder / "go").touch()
    found["resume of half"] = run(halved, f"s{n - 1}")
    return found


def redun(n: int, folder: Path) -> Found:
    import logging

    from redun import Scheduler
    from redun.config import Config

    from tests.benchmarks import redun_tasks as tasks

    logging.disable(logging.CRITICAL)
    scheduler = Scheduler(config=Config({"backend": {"db_uri": f"sqlite:///{folder}/redun.sqlite"}}))
    scheduler.load()
    scheduler.run(tasks.chain(5, 100_000))
    found = {
        "chain": timed(lambda: scheduler.run(tasks.chain(n, 0))),
        "fan-out": timed(lambda: scheduler.run(tasks.fan(n))),
        "re-run, unchanged": timed(lambda: scheduler.run(tasks.chain(n, 0))),
    }
    with contextlib.suppress(NotYetError):
        scheduler.run(tasks.halved(n, str(folder)))
    (folder / "go").touch()
    found["resume of half"] = timed(lambda: scheduler.run(tasks.halved(n, str(folder))))
    return found


def prefect(n: int, folder: Path) -> Found:
    """Its tasks keep their results, keyed by source and inputs; it starts a server of its own."""
    from prefect import flow, task
    from prefect.cache_policies import INPUTS, TASK_SOURCE

    keep: Any = {"persist_result": True, "cache_policy": INPUTS + TASK_SOURCE}

    @task(**keep)
    def add(x: int) -> int:
        return x + 1

    @task(**keep)
    def add_halved(x: int) -> int:
        passing(folder, x, n // 2)
        return x + 1

    @flow
    def in_turn(length: int, x: int) -> int:
        for _ in range(length):
            x = add(x)
        return x

    @flow
    def at_once(length: int) -> int:
        futures = [add.submit(i + 50_000) for i in range(length)]
        return sum(future.result() for future in futures)

    @flow
    def halved(length: int) -> int:
        x = 0
        for _ in range(length):
            x = add_halved(x)
        return x

    in_turn(2, 100_000)
    found = {
        "chain": timed(lambda: in_turn(n, 0)),
        "fan-out": timed(lambda: at_once(n)),
        "re-run, unchanged": timed(lambda: in_turn(n, 0)),
    }
    with contextlib.suppress(NotYetError):
        halved(n)
    (folder / "go").touch()
    found["resume of half"] = timed(lambda: halved(n))
    return found


def dask(n: int, folder: Path) -> Found:
    from distributed import Client, LocalCluster

    def add(x: int) -> int:
        return x + 1

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):

        def in_turn() -> int:
            x: Any = 0
            for _ in range(n):
                x = client.submit(add, x, pure=False)
            return int(x.result())

        def at_once() -> int:
            return int(client.submit(sum, client.map(add, range(n), pure=False)).result())

        client.submit(add, 1).result()
        return {"chain": timed(in_turn), "fan-out": timed(at_once)}


# --- side by side -----------------------------------------------------------------------------------------------------


class System(NamedTuple):
    """What is measured: its steps and rounds, whether it is a durable peer, why it leaves columns blank."""

    name: str
    function: Callable[[int, Path], Found]
    package: str
    n: int
    rounds: int
    durable_peer: bool = True
    blank: str = ""


SYSTEMS = {
    system.function.__name__: system
    for system in (
        System(
            "limit: bare commit, NORMAL",
            limit,
            "sqlite3",
            N,
            99,
            False,
            "one commit for 1, 16, all of the steps",
        ),
        System("limit: bare commit, FULL", limit_full, "sqlite3", N, 99, False),
        System("omics_nb, NORMAL", ours, "omics_nb", N, 99, False),
        System("omics_nb, FULL", ours_full, "omics_nb", N, 99, False),
        System(
            "DBOS, SQLite",
            dbos,
            "dbos",
            500,
            2,
            True,
            "it knows whole workflows again by their id, not steps by their inputs",
        ),
        System("LangGraph, SqliteSaver", langgraph, "langgraph", 500, 3),
        System("Hamilton, with cache", hamilton, "hamilton", 500, 3),
        System("redun, SQLite", redun, "redun", 100, 1),
        System("Prefect, its own server", prefect, "prefect", 100, 1),
        System(
            "Dask, 2 processes", dask, "dask", 200, 2, False, "it keeps nothing: no peer for a durable step"
        ),
    )
}


def worker(key: str, n: int, folder: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """All columns of one system in a process of its own, which is ended with all its children."""
    # Imported, not run as a script: what peers find by its name must be there under one name.
    code = f"from tests.benchmarks.bench_workflow_peers import work; work({key!r}, {n}, {str(folder)!r})"
    command = [sys.executable, "-c", code]
    own = {"PREFECT_HOME": str(folder / "prefect"), "HOME": str(folder)}
    # Files, not pipes: a server that a peer leaves behind would hold a pipe open.
    out, error = folder / f"out{os.getpid()}", folder / f"error{os.getpid()}"
    with out.open("w") as stdout, error.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, env=os.environ | _QUIET | own, start_new_session=True
        )
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            stderr.write(f"not done after {timeout_s:.0f} s")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out.read_text(), error.read_text())


def work(key: str, n: int, folder: str) -> None:
    print("\n" + json.dumps(SYSTEMS[key].function(n, Path(folder))), flush=True)
    os._exit(0)  # peers' servers and threads would keep the process waiting


def measure(rounds: int) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """Seconds a step by system and column, and why systems failed or are missing."""
    samples: dict[str, dict[str, list[float]]] = {key: {} for key in SYSTEMS}
    failed = {
        key: f"{system.package} is not installed"
        for key, system in SYSTEMS.items()
        if importlib.util.find_spec(system.package) is None
    }
    began = time.monotonic()
    for turn in range(rounds):
        for key, system in SYSTEMS.items():
            left_s = _LIMIT_S - (time.monotonic() - began)
            if turn >= system.rounds or key in failed or (turn and left_s < 20):
                continue
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                done = worker(key, system.n, Path(folder), timeout_s=max(min(90.0, left_s), 20.0))
            if done.returncode or not done.stdout.strip():
                failed[key] = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][
                    :100
                ]
                continue
            for column, seconds in json.loads(done.stdout.splitlines()[-1]).items():
                n = system.n // AT_ONCE * AT_ONCE if column == COLUMNS[1] else system.n
                samples[key].setdefault(column, []).append(seconds / n)
    return samples, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    load = os.getloadavg()
    samples, failed = measure(parser.parse_args().rounds)
    medians = {
        key: {column: statistics.median(found) for column, found in columns.items()}
        for key, columns in samples.items()
    }
    print(f"{os.cpu_count()} cores, load {load[0]:.1f} before and {os.getloadavg()[0]:.1f} after")
    print("µs a step" + " " * 19 + "".join(f"{column:>20}" for column in COLUMNS) + "   steps × rounds")
    for key, system in SYSTEMS.items():
        cells = "".join(
            f"{medians[key][column] * 1e6:20,.1f}" if column in medians[key] else f"{'':20}"
            for column in COLUMNS
        )
        n_rounds = max((len(found) for found in samples[key].values()), default=0)
        why = failed.get(key) or system.blank
        print(f"{system.name:28}{cells}   {system.n:,} × {n_rounds}{'   ' + why if why else ''}")
    for column in COLUMNS:
        peers = {
            key: medians[key][column]
            for key, s in SYSTEMS.items()
            if s.durable_peer and column in medians[key]
        }
        if not peers:
            continue
        best = min(peers, key=lambda key: peers[key])
        for key in ("ours", "ours_full"):
            if column not in medians[key]:
                continue
            ratio = peers[best] / medians[key][column]
            verdict = "met" if ratio >= GOAL else "not met"
            bare = medians[key.replace("ours", "limit")].get(column)
            most = f"; a bare commit would be {peers[best] / bare:.1f} ×" if bare else ""
            print(
                f"{column}: {SYSTEMS[key].name} is {ratio:.1f} × faster than the best durable peer, "
                f"{SYSTEMS[best].name} (goal ≥ {GOAL:.0f} ×: {verdict}{most})"
            )


if __name__ == "__main__":
    main()
