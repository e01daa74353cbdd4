"""One suite for both stores: whatever is true of runs is true in SQLite and in PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omics_nb.errors import FlowError, RunError, RunFailedError, RunNotFoundError, StoreError
from omics_nb.workflow import Flow, close_store, list_runs, open_run, open_store, prune, start, step, tables
from omics_nb.workflow.sqlite import SqliteStore
from omics_nb.workflow.store import Store
from omics_nb.workflow.tables import Fenced
from tests.postgres_server import new_database

WAIT_S = 30


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = open_store(tmp_path / "runs.sqlite")
    else:
        address = new_database(request.getfixturevalue("server"), f"test{time.time_ns()}")
        opened = open_store(address, values=tmp_path / "values")
    yield opened
    close_store(opened)


def reopen(store: Store) -> Store:
    """The same store as another process would open it."""
    close_store(store)
    if isinstance(store, SqliteStore):
        return open_store(store.path)
    return open_store(store.address, values=store.folder.path)


def add(x: int) -> int:
    return x + 1


def text(add: int) -> str:
    return "y" * add * 10_000


FLOW = Flow("f", [add, text])


def test_values_events_and_rows_outlive_the_process(store: Store) -> None:
    run = start(FLOW, {"x": 2}, store=store, name="n", tags=["t"])
    assert run.result(WAIT_S) == "y" * 30_000
    events = run.events()
    again = open_run(reopen(store), run.id)
    assert again.events() == events
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (again.state, again.progress, again.name, again.tags) == ("done", 100, "n", ("t",))
    assert again.result() == "y" * 30_000
    assert again.at(step="add").steps == {"add": "done"}


def test_unchanged_steps_are_reused(store: Store) -> None:
    start(FLOW, {"x": 1}, store=store).result(WAIT_S)
    run = start(FLOW, {"x": 1}, store=reopen(store))
    run.result(WAIT_S)
    assert {info.state for info in run.steps.values()} == {"reused"}


def test_one_key_is_one_run_whoever_starts_it(store: Store) -> None:
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(start(FLOW, {"x": 1}, store=store, key="k").id))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1
    with pytest.raises(FlowError, match="another flow or other inputs"):
        start(FLOW, {"x": 2}, store=store, key="k")


def test_failed_runs_are_resumed_and_listed(store: Store, tmp_path: Path) -> None:
    def careful(add: int, folder: Path) -> int:
        if not (folder / "mended").exists():
            raise OSError("not yet")
        return add

    flow = Flow("careful", [add, careful])
    run = start(flow, {"x": 1, "folder": tmp_path}, store=store)
    with pytest.raises(RunFailedError):
        run.result(WAIT_S)
    assert [item.id for item in list_runs(store, state="failed")] == [run.id]
    (tmp_path / "mended").touch()
    again = open_run(reopen(store), run.id, flow=flow).resume()
    assert again.result(WAIT_S) == 2
    assert again.steps["add"].attempt == 1
    assert list_runs(again.store, state="failed") == []


def test_interrupted_runs_are_taken_over_and_the_old_owner_is_fenced(store: Store) -> None:
    gate = threading.Event()
    flow = Flow("held", [step(lambda x: gate.wait(WAIT_S), name="held", cache=False)])
    run = start(flow, {"x": 1}, store=store)
    with store.read() as db:
        old = tables.run_row(db, run.id)
    other = reopen(store)
    taken = open_run(other, run.id, flow=flow)
    assert taken.state == "interrupted"
    gate.set()
    assert taken.resume(keep_changed=True).result(WAIT_S) is True
    late = tables.Change(old.id, old.epoch, [tables.event(old.id, 99, "done")], None, {}, {})
    with pytest.raises(Fenced), other.write() as db:
        tables.apply(db, late, lock=other.row_lock)
    assert all(event.seq != 99 for event in taken.events())


def test_a_wish_of_another_process_is_heeded(store: Store) -> None:
    gate = threading.Event()
    run = start(Flow("held", [step(lambda x: gate.wait(WAIT_S), name="held"), end]), {"x": 1}, store=store)
    with store.write(synced=True) as db:
        tables.ask(db, tables.run_row(db, run.id).id, "cancel")
    while run.state == "running":
        threading.Event().wait(0.01)
    gate.set()
    with pytest.raises(RunError, match="is cancelled"):
        run.result(WAIT_S)
    assert "end" not in run.steps or run.steps["end"].state == "waiting"


end = step(lambda held: held, name="end")


def test_forks_and_differences(store: Store) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    fork = run.rerun(with_={"x": 2})
    assert len(fork.result(WAIT_S)) == 30_000
    assert run.diff(fork).inputs == {"x": "1 → 2"}
    assert fork.parent == run.id
    assert not run.explain("text").runs


def test_pruning(store: Store) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    with store.write() as db:
        db.execute("UPDATE run SET finished = ?", (1.0,))
    assert prune(store, grace_s=-1) == (1, 1, 20_000)
    with pytest.raises(RunNotFoundError):
        open_run(store, run.id)


def test_a_transaction_that_fails_writes_nothing(store: Store) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    n_events = len(run.events())
    with store.read() as db:
        row = tables.run_row(db, run.id)
    late = tables.Change(row.id, row.epoch, [tables.event(row.id, 99, "done")], None, {}, {})

    def write_and_fail() -> None:
        with store.write() as db:
            tables.apply(db, late)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert len(run.events()) == n_events
    with pytest.raises(StoreError), store.write() as db:
        db.execute("NO SUCH STATEMENT")
    assert start(FLOW, {"x": 3}, store=store).result(WAIT_S) == "y" * 40_000


def test_a_fan_out_in_one_store(store: Store) -> None:
    flow = Flow(
        "fan", [step(lambda item: item * 2, name="one", each={"item": "items"}, isolation="inline"), total]
    )
    run = start(flow, {"items": list(range(500))}, store=store)
    assert run.result(WAIT_S) == 500 * 499
    assert len(run.events()) == 500 + 6  # start, fan-out laid out and done, total begun and done, end


total = step(lambda one: sum(one), name="total")


def set_version(store: Store, version: int) -> None:
    with store.write() as db:
        sqlite = isinstance(store, SqliteStore)
        db.execute(
            f"PRAGMA user_version = {version}"
            if sqlite
            else f"UPDATE omics_nb_version SET version = {version}"
        )


def test_newer_tables_are_refused(store: Store) -> None:
    set_version(store, 99)
    with pytest.raises(StoreError, match="written by a newer version .its tables are version 99"):
        reopen(store)


@pytest.fixture
def postgres(server: Path, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(new_database(server, f"test{time.time_ns()}"), values=tmp_path / "values")
    yield opened
    close_store(opened)


def test_older_tables_of_a_server_are_changed_only_if_asked(
    postgres: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(FLOW, {"x": 1}, store=postgres)
    run.result(WAIT_S)
    more = (
        *tables.MIGRATIONS,
        "ALTER TABLE run ADD COLUMN extra TEXT; CREATE INDEX run_extra ON run (extra)",
    )
    monkeypatch.setattr("omics_nb.workflow.tables.MIGRATIONS", more)
    with pytest.raises(StoreError, match="version 1 and 2 is needed; make a backup by pg_dump"):
        reopen(postgres)
    opened = open_store(postgres.address, values=postgres.folder.path, upgrade=True)
    with opened.read() as db:
        assert db.execute("SELECT count(*) FROM run WHERE extra IS NULL").fetchone()[0] == 1
    assert open_run(opened, run.id).result() == "y" * 20_000


def test_a_server_that_goes_away_in_the_middle_costs_no_finished_step(postgres: Store, server: Path) -> None:
    import psycopg

    gate = threading.Event()
    flow = Flow("f", [add, step(lambda add: gate.wait(WAIT_S), name="held", cache=False)])
    run = start(flow, {"x": 1}, store=postgres)
    while run.steps["held"].state != "running":
        threading.Event().wait(0.01)
    name = postgres.address.partition("///")[2].partition("?")[0]
    with psycopg.connect(f"postgresql:///postgres?host={server}&user=omics", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        gate.set()
        with pytest.raises(StoreError, match="cannot be used"):
            run.result(WAIT_S)
        with pytest.raises(StoreError, match="cannot be used"):
            _ = run.state
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert run.state == "interrupted"
    assert run.resume(keep_changed=True).result(WAIT_S) is True
    assert run.steps["add"].attempt == 1


def test_postgres_that_cannot_be_reached_says_so_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(StoreError, match="cannot be used") as caught:
        open_store("postgresql://someone:secret@127.0.0.1:1/db", values=tmp_path)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="say where"):
        open_store("postgresql://127.0.0.1:1/db")
