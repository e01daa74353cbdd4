"""Runs a flow in forked processes that are killed at one chosen moment, and checks what a resumption makes of it.

``python crash_zygote.py FOLDER storm N SEED`` kills at N random times.
``python crash_zygote.py FOLDER begin STEP`` kills before every STEP-th moment; a moment is an SQL statement or a rename
of a value file. Each moment: start and be killed there, resume and be killed at a moment that differs each time, resume
to the end, check. Prints the number of crashes, or the first broken promise. With ``steer`` for ``begin`` the run is
paused, resumed and forked, and its fork is cancelled.
``python crash_zygote.py serve`` runs what each line of standard input asks for, killed at the moment that it names, and
answers with the signal that ended it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from random_flows import Plan, build, history

from omics_nb.errors import RunError
from omics_nb.workflow import Context, Event, Flow, Run, list_runs, open_run, open_store, prune, start, step

moments = 0
die_at = 0


def count_moment() -> None:
    global moments
    moments += 1
    if moments == die_at:
        os.kill(os.getpid(), signal.SIGKILL)


def watch() -> None:
    """Have every statement of every connection and every rename counted."""
    connect, replace = sqlite3.connect, Path.replace

    def watched_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = connect(*args, **kwargs)
        db.set_trace_callback(lambda _: count_moment())
        return db

    def watched_replace(self: Path, target: Path) -> Path:
        count_moment()
        done = replace(self, target)
        count_moment()
        return done

    sqlite3.connect = watched_connect  # type: ignore[assignment]
    Path.replace = watched_replace  # type: ignore[assignment,method-assign]


# --- the flow: every kind of step, each of which writes down that it was called ---------------------------------------


def called(folder: Path, name: str) -> None:
    handle = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{name}\n".encode())
    os.close(handle)


def numbers(x: int, folder: Path) -> list[int]:
    called(folder, "numbers")
    return [x, x + 1, x + 2]


def table(numbers: list[int], folder: Path) -> str:
    called(folder, "table")
    return ",".join(map(str, numbers)) * 9_000


def flaky(x: int, folder: Path, ctx: Context) -> int:
    called(folder, "flaky")
    if not (folder / "flaky").exists():
        (folder / "flaky").touch()
        raise ConnectionError("once")
    return x


def norm(item: int, folder: Path) -> int:
    called(folder, f"qc[{item}]/norm")
    return item * 10


def long(norm: int, folder: Path) -> str:
    called(folder, f"qc[{norm // 10}]/long")
    return f"{norm}" * 20_000


def never(x: int) -> int:
    return x


async def joined(table: str, qc: list[str], flaky: int, folder: Path, never: int = 5) -> list[int]:
    called(folder, "joined")
    return [len(table), *map(len, qc), flaky, never]


FLOW = Flow(
    "crash",
    [
        step(numbers, isolation="inline"),
        table,
        step(flaky, retries=5, backoff_s=0.001),
        step(Flow("qc", [norm, long]), each={"item": "numbers"}, limit=2),
        step(never, when=lambda x: x > 100),
        joined,
    ],
)
EXPECTED = [9_000 * 5, 40_000, 40_000, 40_000, 1, 5]


# --- what each process does -------------------------------------------------------------------------------------------


def acknowledge(folder: Path, name: str, run: Run) -> None:
    """Write down, at once and for good, what a caller was told."""
    (folder / "told").write_text(run.id)
    os.rename(folder / "told", folder / name)  # noqa: PTH104 - Path.replace is watched


def begin(folder: Path) -> None:
    run = start(FLOW, {"x": 1, "folder": folder}, store=folder / "runs.sqlite", key="the only one")
    acknowledge(folder, "acknowledged", run)
    run.result(60)


def steer(folder: Path) -> None:
    run = start(FLOW, {"x": 1, "folder": folder}, store=folder / "runs.sqlite", key="the only one")
    acknowledge(folder, "acknowledged", run)
    with suppress(RunError):  # it is paused
        run.pause()
        acknowledge(folder, "paused", run)
        run.result(60)
    run.resume().result(60)
    fork = run.rerun(from_step="table")
    fork.cancel()
    acknowledge(folder, "cancelled", fork)
    with suppress(RunError):  # it is cancelled
        fork.result(60)


def go_on(folder: Path) -> None:
    for run in list_runs(folder / "runs.sqlite"):
        run._flow = FLOW
        if run.state in ("interrupted", "paused") and run.parent is None:
            run.resume().result(60)


def finish(folder: Path) -> None:
    """Start again by the same key, which must not make a second run, and resume to the end; then check everything."""
    store = folder / "runs.sqlite"
    acknowledged = folder / "acknowledged"
    before = {run.id: run for run in list_runs(store)}
    assert not acknowledged.exists() or acknowledged.read_text() in before, "an acknowledged start was lost"
    done_before = [
        event.step for run in before.values() for event in run.events() if event.kind == "done" and event.step
    ]
    calls_before = _calls(folder)
    run = start(FLOW, {"x": 1, "folder": folder}, store=store, key="the only one")
    if run.state not in ("running", "done"):
        assert run.state == "interrupted" or (folder / "paused").exists(), run.state
        run.resume()
    assert run.result(60) == EXPECTED, run.result()
    forks = [other for other in list_runs(store) if other.id != run.id]
    assert all(fork.parent == run.id for fork in forks), "a start was doubled"
    for fork in forks:
        _check_events(fork)
        may_be = {"cancelled"} if (folder / "cancelled").exists() else {"interrupted", "cancelled", "done"}
        assert fork.state in may_be, fork.state
        if fork.state == "interrupted":
            fork.cancel()
    _check(run, store)
    again = _calls(folder)[len(calls_before) :]
    assert not set(again) & set(done_before), (
        f"finished steps were run again: {set(again) & set(done_before)}"
    )


def _calls(folder: Path) -> list[str]:
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def _check_events(run: Run) -> list[Event]:
    events = run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), "events have gaps"
    accepted = [event.step for event in events if event.kind in ("done", "reused", "skipped") and event.step]
    assert len(accepted) == len(set(accepted)), "a step was accepted twice"
    return events


def _check(run: Run, store: Path) -> None:
    events = _check_events(run)
    assert [event.kind for event in events if not event.step][-1] == "done"
    assert run.progress == 100
    assert run.state == "done"
    prune(store, grace_s=-10)
    assert run.result() == EXPECTED, "pruning removed what is needed"
    opened = open_store(store)
    with opened.read() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        named = {row[0] for row in db.execute("SELECT name FROM file").fetchall()}
    there = {path.parent.name + path.name for path in opened.folder.path.glob("??/*")}
    assert there == named, "files and rows differ"


def fork(function: Callable[[Path], None], folder: Path, kill_at: int = 0) -> tuple[int, int]:
    """Run ``function`` in a process; gives the signal that ended it (0: none) and how many moments it had."""
    global die_at, moments
    pid = os.fork()
    if pid:
        status = os.waitpid(pid, 0)[1]
        count = folder / "moments"
        return status & 0x7F, int(count.read_text()) if count.exists() else 0
    die_at, moments = kill_at, 0
    try:
        watch()
        function(folder)
        (folder / "moments").write_text(str(moments))
    except RunError as error:
        if function is finish:
            (folder / "problem").write_text(f"{error!r}")
    except BaseException:
        (folder / "problem").write_text(traceback.format_exc())
    os._exit(0)


def sweep(base: Path, first: Callable[[Path], None], stride: int) -> dict[str, int]:
    crashes, at = 0, 1
    while True:
        folder = base / str(at)
        folder.mkdir(parents=True)
        ended, _ = fork(first, folder, at)
        crashed = ended == signal.SIGKILL
        crashes += crashed
        if crashed:
            crashes += fork(go_on, folder, 5 + at * 7 % 83)[0] == signal.SIGKILL
        fork(finish, folder)
        problem = folder / "problem"
        if problem.exists():
            raise SystemExit(f"killed at moment {at}: {problem.read_text()}")
        shutil.rmtree(folder)
        if not crashed:
            return {"crashes": crashes, "moments": at}
        at += stride


def storm(base: Path, n: int, seed: int) -> dict[str, int]:
    """Kill at ``n`` random times, as often as it takes, then finish; several runs of the machine's cores at once."""
    chance = random.Random(seed)
    crashes = 0
    while crashes < n:
        folder = base / str(crashes)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for function in (begin, go_on, go_on):
            crashes += _killed_after(function, folder, chance.uniform(0.0, 0.1))
        fork(finish, folder)
        problem = folder / "problem"
        if problem.exists():
            raise SystemExit(f"after {crashes} crashes, seed {seed}: {problem.read_text()}")
        shutil.rmtree(folder)
    return {"crashes": crashes}


def _killed_after(function: Callable[[Path], None], folder: Path, seconds: float) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            function(folder)
        except RunError:
            pass
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] & 0x7F == signal.SIGKILL


def serve() -> None:
    """Asked from outside, by a line of JSON each."""
    global die_at, moments
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            die_at, moments = asked["kill_at"], 0
            watch()
            try:
                obey(asked)
            except RunError:
                pass  # a run that fails was asked to
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def obey(asked: dict[str, Any]) -> None:
    store = Path(asked["store"])
    if "plan" in asked:
        start(build(Plan(*asked["plan"]), asked["constants"]), {"x": 1}, store=store).result(60)
    elif asked["resume"]:
        open_run(store, asked["resume"], flow=history(asked["constant"])).resume().result(60)
    else:
        given = {"x": asked["x"], "fail": False}
        start(history(asked["constant"]), given, store=store).result(60)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
        raise SystemExit
    if sys.argv[2] == "storm":
        print(json.dumps(storm(Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4]))))
        raise SystemExit
    first = {"begin": begin, "steer": steer}[sys.argv[2]]
    print(json.dumps(sweep(Path(sys.argv[1]), first, int(sys.argv[3]))))
