"""The embedded store: opened, refused, shared between processes, full, damaged, handed over."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from omics_nb.errors import RunError, RunFailedError, StoreError
from omics_nb.workflow import Flow, close_store, list_runs, open_run, open_store, start, step, tables
from omics_nb.workflow.events import fold, run_state
from omics_nb.workflow.owners import state_of
from omics_nb.workflow.sqlite import SqliteStore, choose_journal, file_system, has_safe_wal

WAIT_S = 20


def add(x: int) -> int:
    return x + 1


FLOW = Flow("f", [add])


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "runs.sqlite"
    assert start(FLOW, {"x": 1}, store=path).result(WAIT_S) == 2
    close_store(path)
    assert path.exists()


def test_a_file_that_is_no_database_is_refused_at_once(store: Path) -> None:
    store.write_bytes(b"this is no database, though it is long enough to look at" * 100)
    with pytest.raises(StoreError, match="not a database .it is no SQLite file"):
        start(FLOW, {"x": 1}, store=store)


def test_another_programs_database_is_refused(store: Path) -> None:
    with sqlite3.connect(store) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(StoreError, match="another program's database"):
        start(FLOW, {"x": 1}, store=store)


READ_ONLY = """
import os, sys
from pathlib import Path
from omics_nb.errors import StoreError
from omics_nb.workflow import Flow, close_store, start
def add(x): return x + 1
flow, folder = Flow("f", [add]), Path(sys.argv[1])
store = folder / "runs.sqlite"
start(flow, {"x": 1}, store=store).result()
close_store(store)
for path in folder.glob("runs.sqlite*"):
    path.chmod(0o444 if path.is_file() else 0o777)
folder.chmod(0o555 if sys.argv[2] == "folder" else 0o777)
if os.geteuid() == 0:
    os.setuid(65534)  # root may write whatever its bits say
try:
    start(flow, {"x": 2}, store=store)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("shut", ["file", "folder"])
def test_a_store_that_may_only_be_read_is_refused_at_once(shut: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        command = [sys.executable, "-c", READ_ONLY, folder, shut]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        Path(folder).chmod(0o755)
    assert re.search("the store .*runs.sqlite cannot be used: .*(readonly|Permission denied)", told)


def test_a_folder_that_cannot_be_made_or_a_folder_as_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be used"):
        start(FLOW, {"x": 1}, store=tmp_path / "file" / "runs.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="unable to open"):
        start(FLOW, {"x": 1}, store=tmp_path / "folder")


def test_a_damaged_database_is_refused(store: Path) -> None:
    start(FLOW, {"x": 1}, store=store).result(WAIT_S)
    close_store(store)
    data = bytearray(store.read_bytes())
    data[100:4096] = b"\xff" * 3996
    store.write_bytes(data)
    with pytest.raises(StoreError, match="malformed|not a database"):
        start(FLOW, {"x": 1}, store=store)


def test_a_store_that_is_removed_while_it_is_open_says_so(store: Path) -> None:
    gate = threading.Event()
    start(Flow("g", [step(lambda x: gate.wait(WAIT_S), name="held")]), {"x": 1}, store=store)
    store.unlink()
    with pytest.raises(StoreError, match="was removed or replaced"):
        start(FLOW, {"x": 1}, store=store)
    gate.set()
    close_store(store)
    assert start(FLOW, {"x": 1}, store=store).result(WAIT_S) == 2


def test_a_store_that_is_open_becomes_as_durable_as_someone_asks(store: Path) -> None:
    opened = open_store(store)
    assert open_store(store, durability="full") is opened is open_store(store)
    with opened.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_durability_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="'normal' or 'full'"):
        SqliteStore(tmp_path / "s", durability="most")


def test_migrations_keep_a_backup_and_happen_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(FLOW, {"x": 1}, store=store).result(WAIT_S)
    close_store(store)
    more = (
        *tables.MIGRATIONS,
        "ALTER TABLE run ADD COLUMN extra TEXT; CREATE INDEX run_extra ON run (extra)",
    )
    monkeypatch.setattr("omics_nb.workflow.tables.MIGRATIONS", more)
    opened = open_store(store)
    with opened.read() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 2
        assert db.execute("SELECT count(*) FROM run WHERE extra IS NULL").fetchone()[0] == 1
    backup = store.with_name("runs.sqlite.version1")
    with sqlite3.connect(backup) as db2:
        assert db2.execute("PRAGMA user_version").fetchone()[0] == 1
    db2.close()
    close_store(store)
    open_store(store)
    assert list_runs(store)[0].result() == 2


def test_a_migration_that_fails_changes_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(store)
    close_store(store)
    broken = (*tables.MIGRATIONS, "ALTER TABLE run ADD COLUMN extra TEXT; NO SUCH STATEMENT")
    monkeypatch.setattr("omics_nb.workflow.tables.MIGRATIONS", broken)
    with pytest.raises(StoreError, match="syntax error"):
        open_store(store)
    monkeypatch.undo()
    assert start(FLOW, {"x": 1}, store=store).result(WAIT_S) == 2


def test_rows_of_runs_say_what_their_events_say(store: Path) -> None:
    def bad(x: int) -> int:
        raise ValueError("no")

    runs = [start(flow, {"x": 1}, store=store) for flow in (FLOW, Flow("bad", [bad]))]
    for run in runs:
        with pytest.raises(Exception, match="no") if run.flow_name == "bad" else threading.Lock():  # type: ignore[attr-defined]
            run.result(WAIT_S)
    with open_store(store).read() as db:
        for run in runs:
            row = tables.run_row(db, run.id)
            events = tables.event_rows(db, row.id)
            assert run_state(events) == row.state == state_of(row)
            assert {path: item.state for path, item in fold(events).items()} == {
                path: info.state for path, info in run.steps.items()
            }


# --- journals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
    ],
)
def test_versions_with_the_wal_reset_bug_are_known(version: tuple[int, ...], safe: bool) -> None:
    assert has_safe_wal(version) == safe


def test_the_journal_is_chosen_and_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_store(store).journal.startswith("WAL")
    assert file_system(store.parent) != "unknown" or not Path("/proc/self/mountinfo").exists()
    monkeypatch.setattr("omics_nb.workflow.sqlite.file_system", lambda folder: "nfs4")
    mode, told = choose_journal(store.parent)
    assert mode == "DELETE"
    assert "nfs4" in told


def test_runs_work_with_the_journal_of_network_homes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omics_nb.workflow.sqlite.file_system", lambda folder: "nfs4")
    assert start(FLOW, {"x": 1}, store=store).result(WAIT_S) == 2
    with open_store(store).read() as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


# --- what reaches the disk -------------------------------------------------------------------------------------------

NEEDS_STRACE = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)

SYNCS = """
import sys
from omics_nb.workflow import Flow, open_store, start, step
made = {"__name__": "steps"}
exec("def s0(x): return x", made)
n = int(sys.argv[3])
for i in range(1, n):
    exec(f"def s{i}(s{i - 1}): return s{i - 1} + 1", made)
flow = Flow("chain", [step(made[f"s{i}"], isolation="inline") for i in range(n)])
store = open_store(sys.argv[1], durability=sys.argv[2])
assert start(flow, {"x": 1}, store=store).result() == n
"""


def n_syncs(folder: Path, durability: str, n_steps: int) -> int:
    """Calls of fsync and fdatasync by a process that runs a chain of steps to its end."""
    told = folder / f"{durability}{n_steps}"
    script = [sys.executable, "-c", SYNCS, f"{told}.sqlite", durability, str(n_steps)]
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", told, *script], check=True)
    return sum("sync(" in line for line in told.read_text().splitlines())


@NEEDS_STRACE
@pytest.mark.parametrize(("durability", "syncs_a_step"), [("full", 1), ("normal", 0)])
def test_a_step_costs_exactly_one_sync_where_all_is_to_survive_a_loss_of_power(
    durability: str, syncs_a_step: int, tmp_path: Path
) -> None:
    assert n_syncs(tmp_path, durability, 60) - n_syncs(tmp_path, durability, 10) == 50 * syncs_a_step


TOGETHER = """
import sys, threading
from omics_nb.workflow import Flow, open_store, start, step
made = {"__name__": "steps"}
go = threading.Event()
for i in range(1, 40):
    exec(f"def s{i}(s{i - 1}): return s{i - 1} + 1", made)
first = step(lambda x: go.wait(30) and x, name="s0", cache=False)
flow = Flow("chain", [first, *[step(made[f"s{i}"], isolation="inline") for i in range(1, 40)]])
store = open_store(sys.argv[1], durability="full")
runs = [start(flow, {"x": 1000 * k}, store=store) for k in range(8)]
go.set()
assert [run.result() for run in runs] == [1000 * k + 39 for k in range(8)]
"""


@NEEDS_STRACE
def test_runs_at_work_at_once_share_their_syncs(tmp_path: Path) -> None:
    told = tmp_path / "trace"
    script = [sys.executable, "-c", TOGETHER, tmp_path / "runs.sqlite"]
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", told, *script], check=True)
    n = sum("sync(" in line for line in told.read_text().splitlines())
    assert 40 <= n < 8 * 40 / 3


SAFE = """
import os, sys, threading
from omics_nb.workflow import Flow, open_store, start, step
held = threading.Event()
flow = Flow("f", [step(lambda x: held.wait(30), name="held", cache=False)])
store = open_store(sys.argv[1])
os.write(1, b"opened")
run = start(flow, {"x": 1}, store=store)
os.write(1, b"started")
while run.steps["held"].state != "running":
    threading.Event().wait(0.002)
held.set()
run.result()
os.write(1, b"ended")
"""


@NEEDS_STRACE
def test_a_start_and_an_end_are_on_the_disk_before_they_are_acknowledged(tmp_path: Path) -> None:
    told = tmp_path / "trace"
    watched = ["strace", "-f", "-y", "-qq", "-e", "trace=pwrite64,fsync,fdatasync,write", "-o", told]
    subprocess.run(
        [*watched, sys.executable, "-c", SAFE, tmp_path / "runs.sqlite"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    log = told.read_text()
    begun = log[log.index('"opened"') : log.index('"started"')]
    ended = log[log.index('"started"') : log.index('"ended"')]
    for acknowledged in (begun, ended):
        calls = re.findall(r"(pwrite64|fsync|fdatasync)\(\d+<[^>]*-wal>", acknowledged)
        assert "pwrite64" in calls
        assert any("sync" in call for call in calls[calls.index("pwrite64") :])
    assert re.search(rf"fsync\(\d+<{re.escape(str(tmp_path))}>", begun), "the name of the log is not safe"
    assert re.findall(r"(pwrite64|sync)\(\d+<[^>]*-wal>", ended)[-1] == "sync"


# --- other processes -------------------------------------------------------------------------------------------------

CHILD = """
import os, sys, threading
from pathlib import Path
from omics_nb.workflow import Flow, start, step, open_run
import omics_nb.workflow.runner as runner
runner.LEASE_S = float(os.environ.get("LEASE", "30"))
store, folder = Path(sys.argv[1]), Path(sys.argv[2])
def first(x): return x + 1
def held(first, folder):
    (folder / "held").touch()
    pause = threading.Event()
    while not (folder / "go").exists():
        pause.wait(0.01)
    return first * 10
flow = Flow("f", [first, step(held, cache=False)])
"""


def child(store: Path, folder: Path, code: str, **environment: str) -> subprocess.Popen[str]:
    script = folder / f"child{len(list(folder.glob('child*.py')))}.py"
    script.write_text(CHILD + textwrap.dedent(code))
    return subprocess.Popen(
        [sys.executable, str(script), str(store), str(folder)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    pause = threading.Event()
    while not path.exists():
        assert process.poll() is None, "the other process ended too early"
        pause.wait(0.01)


def flow_of_child(folder: Path) -> Flow:
    cells: dict[str, Any] = {"__name__": "__main__"}
    source = CHILD.replace("sys.argv[1]", repr(str(folder))).replace("sys.argv[2]", repr(str(folder)))
    exec(source.replace('runner.LEASE_S = float(os.environ.get("LEASE", "30"))', ""), cells)
    flow: Flow = cells["flow"]
    return flow


START = 'run = start(flow, {"x": 1, "folder": folder}, store=store)\nprint(run.id, flush=True)\n'


def test_a_run_whose_process_was_killed_is_taken_over_at_once(store: Path, tmp_path: Path) -> None:
    process = child(store, tmp_path, START + "run.result()")
    wait_for(tmp_path / "held", process)
    run = list_runs(store)[0]
    assert run.state == "running"
    process.kill()
    process.communicate()
    assert run.state == "interrupted"
    (tmp_path / "go").touch()
    again = open_run(store, run.id, flow=flow_of_child(tmp_path))
    assert again.resume().result(WAIT_S) == 20
    assert again.steps["first"].attempt == 1
    assert again.steps["held"].attempt == 2
    assert [event.seq for event in again.events()] == list(range(1, len(again.events()) + 1))


def test_a_run_that_is_at_work_elsewhere_cannot_be_taken_but_can_be_paused_and_cancelled(
    store: Path, tmp_path: Path
) -> None:
    process = child(
        store, tmp_path, START + "try: run.result()\nexcept Exception as error: print(error, flush=True)"
    )
    wait_for(tmp_path / "held", process)
    run = list_runs(store)[0]
    with pytest.raises(RunError, match="is running and cannot be resumed; it is at work"):
        open_run(store, run.id, flow=flow_of_child(tmp_path)).resume()
    run.cancel()
    pause = threading.Event()
    while run.state == "running":
        pause.wait(0.01)
    assert run.state == "cancelling"
    (tmp_path / "go").touch()
    out, _ = process.communicate(timeout=WAIT_S)
    assert "is cancelled" in out
    assert run.state == "cancelled"


def test_an_owner_that_was_stopped_past_its_lease_cannot_write_any_more(store: Path, tmp_path: Path) -> None:
    process = child(
        store,
        tmp_path,
        START + "try: run.result()\nexcept Exception as error: print(error, flush=True)",
        LEASE="1",
    )
    wait_for(tmp_path / "held", process)
    run = open_run(store, list_runs(store)[0].id, flow=flow_of_child(tmp_path))
    process.send_signal(signal.SIGSTOP)
    pause = threading.Event()
    while run.state == "running":
        pause.wait(0.02)
    assert run.state == "interrupted"
    (tmp_path / "go").touch()
    assert run.resume().result(WAIT_S) == 20
    before = run.events()
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=WAIT_S)
    assert "was taken over by another process" in out
    assert run.events() == before
    assert [event.kind for event in before if event.step == "held"].count("done") == 1


def test_many_processes_write_to_one_store(store: Path, tmp_path: Path) -> None:
    code = """
    def quick(x, i): return x + i
    many = Flow("many", [step(quick, each={"i": "items"}, isolation="inline", cache=False)])
    for k in range(5):
        assert start(many, {"x": k, "items": list(range(40))}, store=store).result(60) == [k + i for i in range(40)]
    """
    open_store(store)
    processes = [child(store, tmp_path, code) for _ in range(4)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    runs = list_runs(store)
    assert len(runs) == 20
    for run in runs:
        events = run.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert run.state == "done"
    with open_store(store).read() as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


# --- a full disk -----------------------------------------------------------------------------------------------------


def test_a_full_disk_fails_the_run_cleanly_and_work_goes_on_when_there_is_room(store: Path) -> None:
    gate = threading.Event()

    def first(x: int) -> int:
        return x

    def second(first: int) -> str:
        gate.wait(WAIT_S)
        return "y" * 12_000

    flow = Flow("f", [first, step(second, cache=False), step(lambda second: len(second), name="third")])
    run = start(flow, {"x": 1}, store=store)
    while run.steps["first"].state != "done" or run.steps["second"].state != "running":
        threading.Event().wait(0.002)
    opened = open_store(store)
    with opened.write() as db:  # what a full disk does: no page more than there are
        n_pages = db.execute("PRAGMA page_count").fetchone()[0]
    opened._db.execute(f"PRAGMA max_page_count = {n_pages}")  # type: ignore[attr-defined]
    gate.set()
    with pytest.raises(StoreError, match="disk is full .make room and resume"):
        run.result(WAIT_S)
    assert run.state == "interrupted"
    assert run["first"] == 1
    opened._db.execute("PRAGMA max_page_count = 1073741823")  # type: ignore[attr-defined]
    assert run.resume(keep_changed=True).result(WAIT_S) == 12_000
    events = run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert run.steps["first"].attempt == 1


def test_a_list_of_results_that_cannot_be_written_fails_its_run_and_loses_no_result(store: Path) -> None:
    flow = Flow("f", [step(lambda item: str(item) * 10, name="one", each={"item": "items"})])
    folder = open_store(store).folder.path
    folder.write_text("in the way")  # of a folder for the list
    run = start(flow, {"items": list(range(2_000))}, store=store)
    with pytest.raises(RunFailedError, match="step 'one' failed: the value cannot be written"):
        run.result(WAIT_S)
    folder.unlink()
    assert len(run.resume().result(WAIT_S)) == 2_000
    assert {info.attempt for path, info in run.steps.items() if "[" in path} == {1}


def test_a_clock_that_is_set_back_makes_no_step_take_less_than_no_time(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    run = start(Flow("f", [step(lambda x: gate.wait(WAIT_S), name="held")]), {"x": 1}, store=store)
    while run.steps["held"].state != "running":
        threading.Event().wait(0.002)
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() - 3_600)
    gate.set()
    run.result(WAIT_S)
    seconds = run.steps["held"].seconds
    assert seconds is not None
    assert 0 <= seconds < WAIT_S
    times = [event.at for event in run.events()]
    assert times == sorted(times)


def test_clocks_that_jump_do_not_stop_a_run_that_its_owner_still_drives(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    run = start(Flow("f", [step(lambda x: gate.wait(WAIT_S), name="held")]), {"x": 1}, store=store)
    real = time.time
    for jump in (-86_400.0, 86_400.0):
        monkeypatch.setattr("time.time", lambda jump=jump: real() + jump)
        assert run.state in ("running", "interrupted")
    gate.set()
    assert run.result(WAIT_S) is True
    assert run.state == "done"
