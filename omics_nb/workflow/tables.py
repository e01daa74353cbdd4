"""The tables that runs are kept in, and the SQL that reads and writes them.

``event`` is the truth, append-only: what happened in a run, numbered without gaps by the transaction that did
it, a finished step with its key and value. ``reuse`` finds such an event by its key; it follows within a tenth of a
second, as an index that every commit touches would make each cost half as much again. ``run`` says what was asked and
how far it is, ``owner`` who runs it and until when, ``file`` which value files it needs, ``code`` what its steps' code
was made of. Steps have no table: their state is the fold of their events (:mod:`.events`). :mod:`.pruning` has
its own SQL.
"""

# ruff: noqa: S608 - SQL is put together from this module's own words; values are parameters
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..errors import RunNotFoundError, StoreError

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
        inputs TEXT NOT NULL, output TEXT NOT NULL, parent TEXT,
        state TEXT NOT NULL, progress {REAL} NOT NULL, epoch INTEGER NOT NULL,
        owner TEXT, wanted TEXT, error TEXT, created {REAL} NOT NULL, finished {REAL}
    );
    CREATE INDEX run_state ON run (state);
    CREATE TABLE event (
        run INTEGER NOT NULL, seq INTEGER NOT NULL, at {REAL} NOT NULL, kind TEXT NOT NULL, step TEXT,
        key {BLOB}, value TEXT, code {BLOB}, data TEXT, PRIMARY KEY (run, seq)
    ) {WITHOUT_ROWID};
    CREATE TABLE reuse (key {BLOB} PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL) {WITHOUT_ROWID};
    CREATE TABLE file (
        name TEXT NOT NULL, run INTEGER NOT NULL, n_bytes {BIGINT} NOT NULL, PRIMARY KEY (name, run)
    ) {WITHOUT_ROWID};
    CREATE TABLE code (digest {BLOB} PRIMARY KEY, parts TEXT NOT NULL) {WITHOUT_ROWID}
    """,
)


class RunRow(NamedTuple):
    """A row of ``run``, with that of its owner."""

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


def migrations(version: int, words: Mapping[str, str], place: str) -> list[list[str]]:
    """The statements of each step from a version of the tables to today's. StoreError if that version is newer."""
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{place} was written by a newer version (its tables are version {version}, this one knows "
            f"{len(MIGRATIONS)}); upgrade omics-nb"
        )
    return [script.format(**words).split(";") for script in MIGRATIONS[version:]]


# --- runs ------------------------------------------------------------------------------------------------------------

_RUN_COLUMNS = ", ".join(f"run.{name}" for name in RunRow._fields[:21])
_SELECT_RUN = (
    f"SELECT {_RUN_COLUMNS}, owner.host, owner.pid, owner.expires "
    "FROM run LEFT JOIN owner ON owner.id = run.owner"
)
_EVENT_COLUMNS = ", ".join(EventRow._fields)


def insert_run(db: Connection, row: Mapping[str, Any]) -> int:
    """Add a run; gives its number."""
    sql = f"INSERT INTO run ({', '.join(row)}) VALUES ({_marks(row)}) RETURNING id"
    return int(db.execute(sql, tuple(row.values())).fetchone()[0])


def _marks(values: Any) -> str:
    return ", ".join("?" * len(values))


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
    terms: dict[str, Sequence[Any]] = {"1 = 1": ()}
    if flow is not None:
        terms["run.flow = ?"] = (flow,)
    if states:
        terms[f"run.state IN ({_marks(states)})"] = states
    if tag is not None:
        terms["run.tags LIKE ?"] = (f"%{json.dumps(tag)}%",)
    sql = f"{_SELECT_RUN} WHERE {' AND '.join(terms)} ORDER BY run.id DESC LIMIT ?"
    given = [value for values in terms.values() for value in values]
    return [RunRow(*row) for row in db.execute(sql, (*given, limit)).fetchall()]


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


def ask(db: Connection, run: int, wanted: str) -> None:
    """Leave a wish for the owner of a run: "pause" or "cancel"; a cancel is never taken back."""
    db.execute(
        "UPDATE run SET wanted = ? WHERE id = ? AND (wanted IS NULL OR wanted <> 'cancel')", (wanted, run)
    )


def wishes(db: Connection, owner: str) -> list[tuple[int, str]]:
    """Runs of an owner for which someone left a wish."""
    found: list[tuple[int, str]] = db.execute(
        "SELECT id, wanted FROM run WHERE owner = ? AND wanted IS NOT NULL", (owner,)
    ).fetchall()
    return found


class Change(NamedTuple):
    """What one transaction adds to a run: rows of ``event`` as :func:`event` makes them, and what goes with them.

    ``row`` is (state, progress, owner, error, finished) for the run's own row, or None where it stays as it is.
    """

    run: int
    epoch: int
    events: list[tuple[Any, ...]]
    row: tuple[str, float, str | None, str | None, float | None] | None = None
    files: Mapping[str, int] = {}
    codes: Mapping[bytes, str] = {}
    reuse: Sequence[tuple[bytes, int, int]] = ()


def event(run: int, seq: int, kind: str, **data: Any) -> tuple[Any, ...]:
    """A row of ``event`` that tells of the run itself."""
    return (run, seq, time.time(), kind, None, None, None, None, json.dumps(data) if data else None)


_INSERT_EVENT = f"INSERT INTO event (run, {_EVENT_COLUMNS}) VALUES ({_marks(range(9))})"


def apply(db: Connection, change: Change, *, lock: str = "") -> str | None:
    """Write a change; gives a wish left for the run's owner. Fenced if another has taken the run."""
    run, epoch, events, row, files, codes, reuse = change
    found = db.execute(f"SELECT epoch, wanted FROM run WHERE id = ?{lock}", (run,)).fetchone()
    if found is None or found[0] != epoch:
        raise Fenced
    if len(events) == 1:
        db.execute(_INSERT_EVENT, events[0])
    else:
        db.executemany(_INSERT_EVENT, events)
    if row is not None:
        sql = "UPDATE run SET state = ?, progress = ?, owner = ?, error = ?, finished = ? WHERE id = ?"
        db.execute(sql, (*row, run))
    if files:
        _add(db, "file (name, run, n_bytes)", [(name, run, size) for name, size in files.items()])
    if reuse:
        _add(db, "reuse (key, run, seq)", reuse)
    if codes:
        _add(db, "code (digest, parts)", codes.items())
    wished: str | None = found[1]
    return wished


def _add(db: Connection, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    marks = _marks(columns.split(","))
    db.executemany(f"INSERT INTO {columns} VALUES ({marks}) ON CONFLICT DO NOTHING", sorted(rows))


def last_seq(db: Connection, run: int) -> int:
    """The number of a run's last event, 0 if it has none."""
    found = db.execute("SELECT max(seq) FROM event WHERE run = ?", (run,)).fetchone()
    return int(found[0] or 0)


# --- events, values, files -------------------------------------------------------------------------------------------


def event_rows(
    db: Connection, run: int, *, after: int = 0, until: int | None = None, step: str | None = None
) -> list[EventRow]:
    """Events with a number above ``after`` and up to ``until``, in order; of one step if asked.

    They are plain tuples in the order of :class:`EventRow`: naming thousands of fields costs more than reading them.
    """
    terms: dict[str, Any] = {"run = ?": run, "seq > ?": after, "seq <= ?": until, "step = ?": step}
    terms = {term: value for term, value in terms.items() if value is not None}
    sql = f"SELECT {_EVENT_COLUMNS} FROM event WHERE {' AND '.join(terms)} ORDER BY seq"
    rows: list[EventRow] = db.execute(sql, (*terms.values(),)).fetchall()
    return rows


def moment(db: Connection, run: int, until: int) -> dict[str | None, str]:
    """Step → the last event that tells its state, up to number ``until``; None stands for the run itself."""
    sql = "SELECT step, kind FROM event WHERE run = ? AND seq <= ? AND kind NOT IN ('progress', 'warning')"
    return dict(db.execute(sql + " ORDER BY seq", (run, until)).fetchall())


def value_at(db: Connection, run: int, step: str, until: int = 2**31 - 1) -> str | None:
    """The last value that a step had given, up to event number ``until``."""
    sql = "SELECT value FROM event WHERE run = ? AND seq <= ? AND step = ? AND value IS NOT NULL"
    found = db.execute(sql + " ORDER BY seq DESC LIMIT 1", (run, until, step)).fetchone()
    return None if found is None else str(found[0])


_REUSABLE = (
    "SELECT reuse.key, event.value, reuse.run FROM reuse "
    "JOIN event ON event.run = reuse.run AND event.seq = reuse.seq WHERE reuse.key"
)
_REUSABLE_ONE = f"{_REUSABLE} = ?"


def reusable(db: Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[str, int]]:
    """Key → value and number of the run that computed it, for the keys that are known."""
    if len(keys) == 1:
        row = db.execute(_REUSABLE_ONE, keys).fetchone()
        return {} if row is None else {keys[0]: row[1:]}
    found: dict[bytes, tuple[str, int]] = {}
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        rows = db.execute(f"{_REUSABLE} IN ({_marks(some)})", some).fetchall()
        found.update({bytes(key): (value, run) for key, value, run in rows})
    return found


def uid_of(db: Connection, run: int) -> str:
    return str(db.execute("SELECT uid FROM run WHERE id = ?", (run,)).fetchone()[0])


def code_parts(db: Connection, digests: Iterable[bytes]) -> dict[bytes, dict[str, str]]:
    """Digest of a step's code → the parts that it was made of."""
    known = list(dict.fromkeys(digests))
    sql = f"SELECT digest, parts FROM code WHERE digest IN ({_marks(known) or 'NULL'})"
    return {bytes(digest): json.loads(parts) for digest, parts in db.execute(sql, known).fetchall()}


def file_sizes(db: Connection, names: Iterable[str]) -> dict[str, int]:
    """Size in bytes of value files, as they were when they were written."""
    known = list(dict.fromkeys(names))
    sql = f"SELECT name, n_bytes FROM file WHERE name IN ({_marks(known) or 'NULL'})"
    return dict(db.execute(sql, known).fetchall())
