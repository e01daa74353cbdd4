"""Where runs are kept: one small set of tables, one writer at a time, readers on their own connections.

Tables: ``event`` is the truth, append-only: what happened in a run, numbered without gaps by the transaction that did
it, a finished step with its key and value. ``reuse`` finds such an event by its key; it follows within a tenth of a
second, as an index that every commit touches would make each cost half as much again. ``run`` says what was asked and
how far it is, ``owner`` who runs it and until when, ``file`` which value files it needs, ``code`` what its steps' code
was made of. Steps have no table: their state is the fold of their events (:mod:`.events`). This module holds the SQL;
:mod:`.sqlite` and :mod:`.postgres` open connections.
"""

# ruff: noqa: S608 - SQL is put together from this module's own words; values are parameters
from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from ..errors import RunNotFoundError
from .values import Folder

_T = TypeVar("_T")
ACTIVE = ("running", "pausing", "cancelling")
ENDED = ("done", "failed", "cancelled")

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE owner (
        id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, expires {REAL} NOT NULL
    ) {WITHOUT_ROWID};
    CREATE TABLE run (
        id {ID}, uid TEXT NOT NULL UNIQUE, flow TEXT NOT NULL, version TEXT NOT NULL, module TEXT NOT NULL,
        name TEXT NOT NULL, key TEXT UNIQUE, tags TEXT NOT NULL, person TEXT NOT NULL, environment TEXT NOT NULL,
        inputs TEXT NOT NULL, output TEXT NOT NULL, parent TEXT, parent_seq INTEGER,
        state TEXT NOT NULL, progress {REAL} NOT NULL, epoch INTEGER NOT NULL,
        owner TEXT, wanted TEXT, error TEXT, created {REAL} NOT NULL, finished {REAL}
    );
    CREATE INDEX run_state ON run (state);
    CREATE TABLE event (
        run INTEGER NOT NULL, seq INTEGER NOT NULL, at {REAL} NOT NULL, kind TEXT NOT NULL, step TEXT,
        key {BLOB}, value TEXT, code {BLOB}, data TEXT, PRIMARY KEY (run, seq)
    ) {WITHOUT_ROWID};
    CREATE TABLE reuse (key {BLOB} PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL) {WITHOUT_ROWID};
    CREATE INDEX reuse_run ON reuse (run);
    CREATE TABLE file (
        name TEXT NOT NULL, run INTEGER NOT NULL, n_bytes {BIGINT} NOT NULL, PRIMARY KEY (name, run)
    ) {WITHOUT_ROWID};
    CREATE TABLE code (digest {BLOB} PRIMARY KEY, parts TEXT NOT NULL) {WITHOUT_ROWID}
    """,
)


class RunRow(NamedTuple):
    """A row of ``run``; ``live`` tells whether its owner was alive when it was read."""

    id: int
    uid: str
    flow: str
    version: str
    module: str
    name: str
    key: str | None
    tags: str
    person: str
    environment: str
    inputs: str
    output: str
    parent: str | None
    parent_seq: int | None
    state: str
    progress: float
    epoch: int
    owner: str | None
    wanted: str | None
    error: str | None
    created: float
    finished: float | None
    owner_host: str | None
    owner_pid: int | None
    owner_expires: float | None


class EventRow(NamedTuple):
    """A row of ``event``; ``at`` is UTC in seconds since 1970, for people only."""

    seq: int
    at: float
    kind: str
    step: str | None
    key: bytes | None
    value: str | None
    code: bytes | None
    data: str | None


class Connection(Protocol):
    """What both databases' connections can do; parameters are written ``?``."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Any: ...
    def close(self) -> None: ...


class Fenced(Exception):  # noqa: N818
    """Another owner has taken the run: what this one writes is refused."""


class Store(Protocol):
    """A place for runs. ``address`` opens the same store again; ``journal`` says how it writes, for people."""

    address: str
    journal: str
    folder: Folder
    #: What a SELECT says to keep a run's row for its transaction.
    row_lock: str

    def write(self, *, synced: bool = False) -> AbstractContextManager[Connection]:
        """One transaction, alone; with ``synced`` it is on the disk when the block ends. StoreError."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading that is consistent from its first statement on. StoreError."""
        ...

    def peek(self, query: Callable[[Connection], _T]) -> _T:
        """A query by the thread that writes."""
        ...

    def guard(self, db: Connection, name: str) -> None:
        """Keep others from starting a run with the key ``name`` until the transaction ends."""
        ...

    def check(self) -> None:
        """StoreError if what was opened is no longer what is at the address."""
        ...

    def close(self) -> None: ...


class Pool:
    """Connections for reading, made as they are needed and used again."""

    def __init__(self, connect: Any) -> None:
        self._connect = connect
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()


# --- runs ------------------------------------------------------------------------------------------------------------

_RUN_COLUMNS = ", ".join(f"run.{name}" for name in RunRow._fields[:22])
_SELECT_RUN = (
    f"SELECT {_RUN_COLUMNS}, owner.host, owner.pid, owner.expires "
    "FROM run LEFT JOIN owner ON owner.id = run.owner"
)
_EVENT_COLUMNS = ", ".join(EventRow._fields)


def insert_run(db: Connection, row: Mapping[str, Any]) -> int:
    """Add a run; gives its number."""
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    found = db.execute(
        f"INSERT INTO run ({names}) VALUES ({marks}) RETURNING id", tuple(row.values())
    ).fetchone()
    return int(found[0])


def run_row(db: Connection, uid: str, *, lock: str = "") -> RunRow:
    """The run with this id, or whose id begins so where that is only one. RunNotFoundError."""
    found = db.execute(f"{_SELECT_RUN} WHERE run.uid = ?{lock}", (uid,)).fetchone()
    if found is None and len(uid) >= 4 and uid.isalnum():
        rows = db.execute(f"{_SELECT_RUN} WHERE run.uid LIKE ? LIMIT 2", (uid + "%",)).fetchall()
        found = rows[0] if len(rows) == 1 else None
    if found is None:
        raise RunNotFoundError(f"there is no run {uid!r} in this store", run=uid)
    return RunRow(*found)


def run_by_key(db: Connection, key: str) -> RunRow | None:
    found = db.execute(f"{_SELECT_RUN} WHERE run.key = ?", (key,)).fetchone()
    return None if found is None else RunRow(*found)


def run_rows(
    db: Connection,
    *,
    flow: str | None = None,
    states: Sequence[str] = (),
    tag: str | None = None,
    limit: int = 100,
) -> list[RunRow]:
    """Runs, newest first."""
    terms, values = ["1 = 1"], list[Any]()
    if flow is not None:
        terms.append("run.flow = ?")
        values.append(flow)
    if states:
        terms.append(f"run.state IN ({', '.join('?' * len(states))})")
        values += states
    if tag is not None:
        terms.append("run.tags LIKE ?")
        values.append(f"%{json.dumps(tag)}%")
    sql = f"{_SELECT_RUN} WHERE {' AND '.join(terms)} ORDER BY run.id DESC LIMIT ?"
    return [RunRow(*row) for row in db.execute(sql, (*values, limit)).fetchall()]


def claim(
    db: Connection, uid: str, owner: str | None, *, may_claim: Callable[[RunRow], None], lock: str = ""
) -> RunRow:
    """Make ``owner`` the owner of a run in a new epoch, if ``may_claim(row)`` raises nothing. Gives the new row."""
    row = run_row(db, uid, lock=lock)
    may_claim(row)
    db.execute(
        "UPDATE run SET owner = ?, epoch = epoch + 1, wanted = NULL, error = NULL, finished = NULL WHERE id = ?",
        (owner, row.id),
    )
    return run_row(db, row.uid)


def renew(db: Connection, owner: str, host: str, pid: int, expires: float) -> None:
    """Prolong the lease of an owner on all its runs."""
    db.execute(
        "INSERT INTO owner (id, host, pid, expires) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
        (owner, host, pid, expires),
    )


def disown(db: Connection, owner: str, runs: Sequence[tuple[int, int]]) -> None:
    """Say that nobody drives these runs (number, epoch) any more, unless someone has taken them since."""
    db.executemany(
        "UPDATE run SET owner = NULL WHERE id = ? AND epoch = ? AND owner = ?",
        [(*run, owner) for run in runs],
    )


def forget_owners(db: Connection, before: float) -> None:
    """Remove owners whose lease ended long ago and that own nothing."""
    db.execute(
        "DELETE FROM owner WHERE expires < ? AND id NOT IN (SELECT owner FROM run WHERE owner IS NOT NULL)",
        (before,),
    )


def ask(db: Connection, run: int, wanted: str) -> None:
    """Leave a wish for the owner of a run: "pause" or "cancel"; a cancel is never taken back."""
    db.execute(
        "UPDATE run SET wanted = ? WHERE id = ? AND (wanted IS NULL OR wanted <> 'cancel')", (wanted, run)
    )


def wishes(db: Connection, owner: str) -> list[tuple[int, str]]:
    """Runs of an owner for which someone left a wish."""
    rows = db.execute(
        "SELECT id, wanted FROM run WHERE owner = ? AND wanted IS NOT NULL", (owner,)
    ).fetchall()
    return [(int(run), str(wanted)) for run, wanted in rows]


class Change(NamedTuple):
    """What one transaction adds to a run: events but for their run, and what becomes of the run's own row.

    ``events`` are rows of ``event`` as :func:`event` makes them; ``row`` is (state, progress, owner, error, finished),
    or None where it stays as it is.
    """

    run: int
    epoch: int
    events: list[tuple[Any, ...]]
    row: tuple[str, float, str | None, str | None, float | None] | None
    files: Mapping[str, int]
    codes: Mapping[bytes, str]
    reuse: Sequence[tuple[bytes, int, int]] = ()


def event(run: int, seq: int, kind: str) -> tuple[Any, ...]:
    """A row of ``event`` that tells of the run itself."""
    return (run, seq, time.time(), kind, None, None, None, None, None)


_INSERT_EVENT = f"INSERT INTO event (run, {_EVENT_COLUMNS}) VALUES ({', '.join('?' * 9)})"


def apply(db: Connection, change: Change, *, lock: str = "") -> str | None:
    """Write a change; gives a wish left for the run's owner. Fenced if another has taken the run."""
    run = change.run
    found = db.execute(f"SELECT epoch, wanted FROM run WHERE id = ?{lock}", (run,)).fetchone()
    if found is None or found[0] != change.epoch:
        raise Fenced
    if len(change.events) == 1:
        db.execute(_INSERT_EVENT, change.events[0])
    else:
        db.executemany(_INSERT_EVENT, change.events)
    if change.row is not None:
        db.execute(
            "UPDATE run SET state = ?, progress = ?, owner = ?, error = ?, finished = ? WHERE id = ?",
            (*change.row, run),
        )
    if change.files:
        db.executemany(
            "INSERT INTO file (name, run, n_bytes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            sorted((name, run, size) for name, size in change.files.items()),
        )
    if change.reuse:
        db.executemany(
            "INSERT INTO reuse (key, run, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sorted(change.reuse)
        )
    if change.codes:
        db.executemany(
            "INSERT INTO code (digest, parts) VALUES (?, ?) ON CONFLICT DO NOTHING",
            sorted(change.codes.items()),
        )
    wished: str | None = found[1]
    return wished


def last_seq(db: Connection, run: int) -> int:
    """The number of a run's last event, 0 if it has none."""
    found = db.execute("SELECT max(seq) FROM event WHERE run = ?", (run,)).fetchone()
    return int(found[0] or 0)


# --- events and files -------------------------------------------------------------------------------------------------


def event_rows(
    db: Connection, run: int, *, after: int = 0, until: int | None = None, step: str | None = None
) -> list[EventRow]:
    """Events with a number above ``after`` and up to ``until``, in order; of one step if asked.

    They are plain tuples in the order of :class:`EventRow`: naming thousands of fields costs more than reading them.
    """
    sql, given = f"SELECT {_EVENT_COLUMNS} FROM event WHERE run = ? AND seq > ?", [run, after]
    if until is not None:
        sql, given = sql + " AND seq <= ?", [*given, until]
    if step is not None:
        sql, given = sql + " AND step = ?", [*given, step]  # type: ignore[list-item]
    rows: list[EventRow] = db.execute(sql + " ORDER BY seq", given).fetchall()
    return rows


def reusable(db: Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[str, int]]:
    """Key → value and number of the run that computed it, for the keys that are known."""
    sql = (
        "SELECT reuse.key, event.value, reuse.run FROM reuse "
        "JOIN event ON event.run = reuse.run AND event.seq = reuse.seq WHERE reuse.key"
    )
    if len(keys) == 1:
        row = db.execute(f"{sql} = ?", keys).fetchone()
        return {} if row is None else {keys[0]: row[1:]}
    found: dict[bytes, tuple[str, int]] = {}
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        rows = db.execute(f"{sql} IN ({', '.join('?' * len(some))})", some).fetchall()
        found.update({bytes(key): (value, run) for key, value, run in rows})
    return found


def uid_of(db: Connection, run: int) -> str:
    return str(db.execute("SELECT uid FROM run WHERE id = ?", (run,)).fetchone()[0])


def code_parts(db: Connection, digests: Iterable[bytes]) -> dict[bytes, dict[str, str]]:
    """Digest of a step's code → the parts that it was made of."""
    known = list(dict.fromkeys(digests))
    if not known:
        return {}
    sql = f"SELECT digest, parts FROM code WHERE digest IN ({', '.join('?' * len(known))})"
    return {bytes(digest): json.loads(parts) for digest, parts in db.execute(sql, known).fetchall()}


def file_sizes(db: Connection, names: Iterable[str]) -> dict[str, int]:
    """Size in bytes of value files, as they were when they were written."""
    known = list(dict.fromkeys(names))
    if not known:
        return {}
    sql = f"SELECT name, n_bytes FROM file WHERE name IN ({', '.join('?' * len(known))})"
    return dict(db.execute(sql, known).fetchall())


def remove_runs(db: Connection, runs: Sequence[int]) -> None:
    """Remove runs with all that belongs to them alone."""
    for table, column in (("reuse", "run"), ("event", "run"), ("file", "run"), ("run", "id")):
        db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run,) for run in runs])


def file_names(db: Connection, *, without: Sequence[int] = ()) -> set[str]:
    """Every value file that some run needs, but for those of some runs."""
    left = set(without)
    rows = db.execute("SELECT name, run FROM file").fetchall()
    return {name for name, run in rows if run not in left}
