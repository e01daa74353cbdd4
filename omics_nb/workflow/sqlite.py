"""The embedded store: one SQLite file, https://sqlite.org/wal.html.

Every write is ``BEGIN IMMEDIATE``: a transaction that reads first and writes later fails under load whatever its
timeout. Before 3.51.3 a checkpoint in one connection may race with a commit in another (the "WAL-reset bug"), so with
such a version writers, whose commits also make the checkpoints, take turns by a lock file. WAL needs shared memory,
which network file systems lack: there the journal is ``DELETE``.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import StoreError
from .store import MIGRATIONS, Connection, Pool
from .values import Folder, sync_folder

_T = TypeVar("_T")
APPLICATION_ID = 0x6F6D6E62  # "omnb"
BUSY_TIMEOUT_S = 10.0
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "fuse.sshfs",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
    "9p",
    "ocfs2",
    "gfs2",
)
_WORDS = {
    "REAL": "REAL",
    "BLOB": "BLOB",
    "BIGINT": "INTEGER",
    "ID": "INTEGER PRIMARY KEY",
    "WITHOUT_ROWID": "WITHOUT ROWID",
}


class SqliteStore:
    """Runs in the file ``path``, values in the folder ``<path>.values``. StoreError if it cannot be used."""

    row_lock = ""  # BEGIN IMMEDIATE has locked everything

    def __init__(self, path: Path, *, durability: str = "normal") -> None:
        if durability not in ("normal", "full"):
            raise StoreError(f"durability is 'normal' or 'full', not {durability!r}")
        self.path = Path(path).absolute()
        self.address = str(self.path)
        self.folder = Folder(self.path.with_name(self.path.name + ".values"))
        self.durability = durability
        with _translated(self.path):
            _make_folder(self.path.parent)
            mode, self.journal = choose_journal(self.path.parent)
            self._lock: Any = (
                _FileLock(self.path.with_name(self.path.name + ".lock"))
                if mode == "WAL" and not has_safe_wal()
                else contextlib.nullcontext()
            )
            self._mutex = threading.Lock()
            self._db = self._connect()
            try:
                self._prepare(mode)
            except BaseException:
                self._db.close()
                raise
        self._level = ""
        self._readers = Pool(self._connect_reader)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )

    def _connect_reader(self) -> sqlite3.Connection:
        db = self._connect()
        db.execute("PRAGMA query_only = 1")
        return db

    def _prepare(self, mode: str) -> None:
        """Refuse a file that is not ours or is newer; set the journal; bring the tables up to date."""
        db = self._db
        with self._mutex, self._lock:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            owner = db.execute("PRAGMA application_id").fetchone()[0]
            used = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if used and owner != APPLICATION_ID:
                raise StoreError(
                    f"{self.path} is another program's database; name a file of its own", path=self.path
                )
            if version > len(MIGRATIONS):
                raise StoreError(
                    f"{self.path} was written by a newer version (its tables are version {version}, this one knows "
                    f"{len(MIGRATIONS)}); upgrade omics-nb",
                    path=self.path,
                )

            # A commit writes whole pages: small ones make it cheaper by a third. It takes effect on a new file only.
            db.execute("PRAGMA page_size = 1024")
            if db.execute("PRAGMA journal_mode").fetchone()[0].upper() != mode:
                db.execute(f"PRAGMA journal_mode = {mode}")
            if version < len(MIGRATIONS):
                self._migrate(version)
            self.inode = self.path.stat().st_ino

    def _migrate(self, version: int) -> None:
        if version:
            backup = self.path.with_name(f"{self.path.name}.version{version}")
            backup.unlink(missing_ok=True)
            self._db.execute("VACUUM INTO ?", (str(backup),))
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                # Another process may have done it while this one waited.
                if self._db.execute("PRAGMA user_version").fetchone()[0] < number:
                    for statement in script.format(**_WORDS).split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._db.execute(f"PRAGMA user_version = {number}")
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    def write(self, *, synced: bool = False) -> _Transaction:
        """One transaction, alone in the world; with ``synced`` it is on the disk when the block ends."""
        full = synced or self.durability == "full" or not self.journal.startswith("WAL")
        return _Transaction(self, "FULL" if full else "NORMAL")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _translated(self.path), self._readers.borrow() as db:
            yield db

    def peek(self, query: Callable[[Connection], _T]) -> _T:
        """A query on the writing connection, whose cache is warm; for the thread that writes."""
        with self._mutex:
            try:
                return query(self._db)
            except (sqlite3.Error, OSError) as error:
                raise _translate(error, self.path) from error

    def guard(self, db: Connection, name: str) -> None:
        """Nothing: the transaction is alone."""

    def check(self) -> None:
        """StoreError if the file that was opened is no longer the file at the path."""
        try:
            same = self.path.stat().st_ino == self.inode
        except OSError:
            same = False
        if not same:
            raise StoreError(
                f"the store {self.path} was removed or replaced while it was open", path=self.path
            )

    def close(self) -> None:
        self._readers.close()
        with self._mutex, self._lock:
            self._db.close()


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``. A class, not a generator: it is entered at every step of every run."""

    __slots__ = ("_level", "_store")

    def __init__(self, store: SqliteStore, level: str) -> None:
        self._store, self._level = store, level

    def __enter__(self) -> Connection:
        store = self._store
        store._mutex.acquire()
        try:
            store._lock.__enter__()
            try:
                if self._level != store._level:
                    store._db.execute(f"PRAGMA synchronous = {self._level}")
                    store._level = self._level
                store._db.execute("BEGIN IMMEDIATE")
            except BaseException:
                store._lock.__exit__(None, None, None)
                raise
        except BaseException as error:
            store._mutex.release()
            if isinstance(error, (sqlite3.Error, OSError)):
                raise _translate(error, store.path) from error
            raise
        return store._db

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        store = self._store
        try:
            if kind is None:
                try:
                    store._db.execute("COMMIT")
                except sqlite3.Error as failed:
                    error = failed
            if error is not None:
                with contextlib.suppress(sqlite3.Error):  # the error that led here is the one to tell
                    store._db.execute("ROLLBACK")
        finally:
            store._lock.__exit__(None, None, None)
            store._mutex.release()
        if isinstance(error, (sqlite3.Error, OSError)):
            raise _translate(error, store.path) from error


class _FileLock:
    """Writers of all processes, one after the other; given up by the system when a process dies."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def __enter__(self) -> None:
        import fcntl

        limit, wait = time.monotonic() + BUSY_TIMEOUT_S, 0.0005
        while True:
            try:
                return fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise sqlite3.OperationalError("database is locked") from None
                time.sleep(wait)
                wait = min(wait * 1.5, 0.02)

    def __exit__(self, *_: object) -> None:
        import fcntl

        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def __del__(self) -> None:
        os.close(self._handle)


def has_safe_wal(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite has the fix of the WAL-reset bug: 3.51.3, 3.50.7 or 3.44.6 and what follows each."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def choose_journal(folder: Path) -> tuple[str, str]:
    """The journal mode for a folder, and a sentence for people."""
    kind = file_system(folder)
    version = sqlite3.sqlite_version
    if kind.startswith(_NETWORK):
        return "DELETE", f"DELETE (the file system is {kind}, which has no shared memory for WAL)"
    if has_safe_wal():
        return "WAL", f"WAL (SQLite {version}, {kind})"
    if sys.platform == "win32":
        return "DELETE", f"DELETE (SQLite {version} has the WAL-reset bug; 3.51.3 mends it)"
    return (
        "WAL",
        f"WAL with writers taking turns (SQLite {version} has the WAL-reset bug; 3.51.3 mends it), {kind}",
    )


def file_system(folder: Path) -> str:
    """The type of the file system that holds a folder, "unknown" where the system does not say."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    place = str(folder.resolve())
    for line in lines:
        parts = line.split()
        mount = parts[4].replace("\\040", " ")
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, parts[parts.index("-") + 1]
    return kind


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _translate(error, path) from error


_ADVICE = {
    "readonly": "make the file and its folder writable",
    "locked": f"another process has been writing for more than {BUSY_TIMEOUT_S:.0f} s",
    "disk is full": "make room and resume the run",
    "not a database": "it is no SQLite file; name another file or restore a backup",
    "malformed": "it is damaged; restore a backup, or save what can be read: sqlite3 FILE .recover",
    "unable to open": "it must be a file in a folder that can be written to",
}


def _translate(error: BaseException, path: Path) -> StoreError:
    """An error of SQLite or of the file system as one that says what can be done."""
    text = str(error)
    advice = next((f" ({advice})" for word, advice in _ADVICE.items() if word in text), "")
    return StoreError(f"the store {path} cannot be used: {text}{advice}", path=path)
