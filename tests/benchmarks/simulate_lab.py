"""A lab at work: 1,000 runs of 100 steps on SQLite, on PostgreSQL, and there with two Dask workers; nothing lost.

``python -m tests.benchmarks.simulate_lab [--runs N]``. Two processes own the runs, each sixteen at once; a third
follows events as a dashboard does. One owner is killed at half of its runs, and another process takes them over. Of
the 100 steps of a run ten are fit for a worker (a thread here, Dask there), the others are small and stay with the
owner. Printed are steps a second, latencies of a start (until it is on the disk) and of an event (until another
process has read it), the size of the store, and how many steps were lost or doubled, which must be none.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from omics_nb.workflow import Flow, close_store, list_runs, open_store, start, step
from tests.postgres_server import new_database, running_server, server_programs

STEPS = 100
_AT_ONCE = 16
_POLL_S = 0.005
_ROOT = Path(__file__).resolve().parents[2]


def small(item: int, x: int) -> int:
    return item + x


def large(part: int, x: int) -> int:
    return part * x


def total(small: list[int], large: list[int]) -> int:
    return sum(small) + sum(large)


# A fan-out is a step too: two of them, their 97 branches, and the sum.
FLOW = Flow(
    "lab",
    [
        step(small, each={"item": "items"}, isolation="inline"),
        step(large, each={"part": "parts"}),
        step(total, isolation="inline"),
    ],
)
ITEMS, PARTS = list(range(STEPS - 13)), list(range(10))


def expected(x: int) -> int:
    return sum(item + x for item in ITEMS) + sum(part * x for part in PARTS)


class Place(NamedTuple):
    """A store, where its values are, and the Dask scheduler or nothing."""

    address: str
    values: str
    dask: str = ""

    def open(self) -> Any:
        return open_store(self.address, values=self.values)


# --- the processes ----------------------------------------------------------------------------------------------------


def own(place: Place, first: int, end: int, log: str, dies_after: int | None = None) -> None:
    """Start runs ``first`` … ``end`` by key, take over those that were interrupted, wait for all.

    With ``dies_after`` the process kills itself, in the middle of its work, once it has started so many.
    """
    store = place.open()
    executor: Any = None
    if place.dask:
        from distributed import Client

        executor = Client(place.dask)
    waiting: deque[tuple[int, Any]] = deque()
    with Path(log).open("a") as file:
        for x in [*range(first, end), *[-1] * _AT_ONCE]:
            if x >= 0:
                began = time.perf_counter()
                run = start(
                    FLOW,
                    {"x": x, "items": ITEMS, "parts": PARTS},
                    store=store,
                    key=f"run{x}",
                    executor=executor,
                )
                file.write(f"{time.perf_counter() - began}\n")
                file.flush()
                if dies_after is not None and x + 1 - first >= dies_after:
                    os.kill(os.getpid(), signal.SIGKILL)
                if run.state == "interrupted":
                    run.resume(flow=FLOW, executor=executor)
                waiting.append((x, run))
            if waiting and (x < 0 or len(waiting) == _AT_ONCE):
                asked, run = waiting.popleft()
                if run.result(120) != expected(asked):
                    raise AssertionError(f"run {asked} gave {run.result()}")
    if executor is not None:
        executor.close()
    close_store(store)


def follow(place: Place, log: str, stop: str) -> None:
    """Read the events of one run after another from outside, each as soon as it is there; says when it begins.

    What had happened while it was busy with another run is no measure of latency and left out.
    """
    store = place.open()
    followed, stopped, since = "", False, time.time()
    print("ready", flush=True)
    with Path(log).open("a") as file:
        while not stopped:
            stopped = Path(stop).exists()  # asked first, so that the last look sees all
            looked = time.time()
            for run in [run for run in list_runs(store, limit=1) if run.id != followed]:
                followed, active, after = run.id, True, 0
                while active:
                    active = run.state == "running"
                    events, now = run.events(after), time.time()
                    file.writelines(
                        f"{now - at}\n" for event in events if (at := event.at.timestamp()) >= since
                    )
                    after = events[-1].seq if events else after
                    time.sleep(_POLL_S)
                looked = time.time()
            since = looked
            time.sleep(_POLL_S)
    close_store(store)


@contextlib.contextmanager
def process(function: str, place: Place, *arguments: Any) -> Iterator[subprocess.Popen[bytes]]:
    """One of the functions above in a process of its own, which does not outlive the block."""
    code = f"import tests.benchmarks.simulate_lab as lab; lab.{function}(lab.{place!r}, *{arguments!r})"
    with subprocess.Popen([sys.executable, "-c", code], cwd=_ROOT, stdout=subprocess.PIPE) as made:
        try:
            yield made
        finally:
            made.kill()


# --- the lab ----------------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """What came of it; seconds and bytes."""

    runs: int
    seconds: float
    starts: list[float]
    events: list[float]
    n_bytes: int
    taken_over: int
    lost: int
    doubled: int


def simulate(place: Place, n_runs: int, folder: Path, size: Any) -> Measured:
    """The lab's day on one store. AssertionError if an owner failed."""
    before = size()
    half = n_runs // 2
    starts, events, stop = folder / "starts", folder / "events", folder / "stop"
    with process("follow", place, str(events), str(stop)) as reader:
        if not reader.stdout or not reader.stdout.readline():
            raise AssertionError("the reader could not begin")
        began = time.monotonic()
        with (
            process("own", place, 0, half, str(starts)) as first,
            process("own", place, half, n_runs, str(folder / "killed"), half // 2) as second,
        ):
            if second.wait() != -signal.SIGKILL:
                raise AssertionError(f"the owner that was to be killed ended with {second.returncode}")
            taken_over = len(list_runs(place.open(), state="interrupted", limit=n_runs))
            with process("own", place, half, n_runs, str(starts)) as third:
                codes = [first.wait(), third.wait()]
        seconds = time.monotonic() - began
        stop.touch()
        codes.append(reader.wait())
    if any(codes):
        raise AssertionError(f"owners and reader ended with {codes}")
    lost, doubled = count_wrong(place, n_runs)
    close_store(place.open())
    return Measured(
        n_runs,
        seconds,
        [float(line) for name in ("starts", "killed") for line in (folder / name).read_text().split()],
        [float(line) for line in events.read_text().split()],
        size() - before,
        taken_over,
        lost,
        doubled,
    )


def count_wrong(place: Place, n_runs: int) -> tuple[int, int]:
    """Steps that have no accepted result, and results, runs or event numbers that are there twice."""
    runs = list_runs(place.open(), limit=2 * n_runs)
    lost = STEPS * max(n_runs - len(runs), 0)
    doubled = STEPS * max(len(runs) - n_runs, 0)
    for run in runs:
        events = run.events()
        done = Counter(event.step for event in events if event.kind in ("done", "reused") and event.step)
        lost += STEPS - len(done) + (run.state != "done")
        doubled += sum(n - 1 for n in done.values())
        doubled += [event.seq for event in events] != list(range(1, len(events) + 1))
    return lost, doubled


def in_sqlite(n_runs: int) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "runs.sqlite"

        def size() -> int:
            return sum(file.stat().st_size for file in Path(name).glob("runs.sqlite*") if file.is_file())

        return simulate(Place(str(path), ""), n_runs, Path(name), size)


def in_postgres(n_runs: int, *, dask: bool = True) -> Measured:
    """ImportError where psycopg or Dask is missing, AssertionError where the server is."""
    import psycopg

    programs = server_programs()
    if programs is None:
        raise AssertionError("no PostgreSQL server is installed: apt-get install postgresql")
    with (
        running_server(programs, fsync=True) as folder,
        two_workers() if dask else contextlib.nullcontext("") as scheduler,
        tempfile.TemporaryDirectory() as name,
    ):
        address = new_database(folder, "lab")

        def size() -> int:
            with psycopg.connect(address) as db:
                found = db.execute("SELECT pg_database_size(current_database())").fetchone()
            return int(found[0]) if found else 0

        return simulate(Place(address, f"{name}/values", scheduler), n_runs, Path(name), size)


@contextlib.contextmanager
def two_workers() -> Iterator[str]:
    """The address of a Dask scheduler with two worker processes."""
    from distributed import LocalCluster

    # It complains of the client that is killed, which is the point here.
    logging.getLogger("distributed.scheduler").disabled = True
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


def told(what: str, found: Measured) -> str:
    steps = found.runs * STEPS

    def spread(seconds: list[float]) -> str:
        p99 = statistics.quantiles(seconds, n=100)[-1]
        return (
            f"median {statistics.median(seconds) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, n = {len(seconds):,}"
        )

    pace = f"{steps / found.seconds:,.0f} steps and {found.runs / found.seconds:.1f} runs a second"
    return f"""{what}: {found.runs:,} runs, {steps:,} steps in {found.seconds:.1f} s, {pace}
  start            {spread(found.starts)}
  event            {spread(found.events)}
  store            {found.n_bytes / 1e6:.1f} MB, {found.n_bytes / steps:.0f} bytes a step
  taken over       {found.taken_over} runs of the owner that was killed
  lost, doubled    {found.lost}, {found.doubled}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    n_runs = parser.parse_args().runs
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the beginning")
    wrong = 0
    labs: dict[str, Callable[[int], Measured]] = {
        "SQLite": in_sqlite,
        "PostgreSQL": partial(in_postgres, dask=False),
        "PostgreSQL + Dask, 2 workers": in_postgres,
    }
    for what, lab in labs.items():
        found = lab(n_runs)
        print(told(what, found), flush=True)
        wrong += found.lost + found.doubled
    if wrong:
        raise SystemExit(f"{wrong} steps were lost or doubled")


if __name__ == "__main__":
    main()
