"""The embedded store: one SQLite file, https://sqlite.org/wal.html.

Every write is ``BEGIN IMMEDIATE``: a transaction that reads first and writes later fails under load whatever its
timeout. Before 3.51.3 a checkpoint in one connection may race with a commit in another (the "WAL-reset bug"), so with
such a version writers, whose commits also make the checkpoints, take turns by a lock file. WAL needs shared memory,
which network file systems lack: there the journal is ``DELETE``.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from pathlib import Path

from ..errors import StoreError
from .files import Folder, sync_folder
from .store import Store
from .tables import migrations

APPLICATION_ID = 0x6F6D6E62  # "omnb"
BUSY_TIMEOUT_S = 10.0
#: LOCK_EX | LOCK_NB and LOCK_UN of fcntl, which Windows lacks.
_LOCK_NOW, _UNLOCK = 2 | 4, 8
#: Others than on one machine's own disk; of "fuse." one cannot know.
_NETWORK = tuple(
    "nfs cifs smb fuse. lustre gpfs beegfs ceph afs 9p ocfs2 gfs2 virtiofs vboxsf prl_fs".split()
)
_WORDS = {
    "REAL": "REAL",
    "BLOB": "BLOB",
    "BIGINT": "INTEGER",
    "ID": "INTEGER PRIMARY KEY",
    "WITHOUT_ROWID": "WITHOUT ROWID",
}
_ADVICE = {
    "readonly": "make the file and its folder writable",
    "locked": f"another process has been writing for more than {BUSY_TIMEOUT_S:.0f} s",
    "disk is full": "make room and resume the run",
    "not a database": "it is no SQLite file; name another file or restore a backup",
    "malformed": "it is damaged; restore a backup, or save what can be read: sqlite3 FILE .recover",
    "unable to open": "it must be a file in a folder that can be written to",
}


class SqliteStore(Store):
    """Runs in the file ``path``, values in the folder ``<path>.values``. StoreError if it cannot be used."""

    _errors = (sqlite3.Error, OSError)

    def __init__(self, path: Path, *, durability: str = "normal") -> None:
        self.path = Path(path).absolute()
        super().__init__(str(self.path), Folder(self._beside("values")), durability)
        self._lock: int | None = None
        self._level = ""
        with self._told():
            if not self.path.parent.is_dir():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                sync_folder(self.path.parent.parent)
            self._mode, self.journal = choose_journal(self.path.parent)
            if self._mode == "WAL" and not has_safe_wal():
                from fcntl import flock

                self._flock = flock
                self._lock = os.open(self._beside("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._db = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
            self._inode = self.path.stat().st_ino
        self.flushes = self._mode == "WAL"
        self._log_is_named = False

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def _connect(self, *, reader: bool = False) -> sqlite3.Connection:
        # Without a level of its own, sqlite3 leaves transactions to us; ours are used by one thread at a time.
        db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        if reader:
            db.execute("PRAGMA query_only = 1")
        return db

    def _prepare(self) -> None:
        """Refuse a file that is not ours or is newer; set the journal; bring the tables up to date."""
        self._take_turn()
        try:
            version, owner, used = (
                self._db.execute(sql).fetchone()[0]
                for sql in (
                    "PRAGMA user_version",
                    "PRAGMA application_id",
                    "SELECT count(*) FROM sqlite_master",
                )
            )
            if used and owner != APPLICATION_ID:
                raise StoreError(
                    f"{self.path} is another program's database; name a file of its own", path=self.path
                )
            steps = migrations(version, _WORDS, str(self.path))
            # A commit writes whole pages: small ones make it cheaper by a third. It takes effect on a new file only.
            self._db.execute("PRAGMA page_size = 1024")
            # Checkpoints are counted in pages: as many bytes as with pages of the usual size.
            self._db.execute("PRAGMA wal_autocheckpoint = 4000")
            if self._db.execute("PRAGMA journal_mode").fetchone()[0].upper() != self._mode:
                self._db.execute(f"PRAGMA journal_mode = {self._mode}")
            if version and steps:
                backup = self._beside(f"version{version}")
                backup.unlink(missing_ok=True)
                self._db.execute("VACUUM INTO ?", (str(backup),))
        finally:
            self._end()
        for number, statements in enumerate(steps, version + 1):
            with self.write(synced=True) as db:
                # Another process may have done it while this one waited.
                if db.execute("PRAGMA user_version").fetchone()[0] < number:
                    for statement in statements:
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {number}")

    def _begin(self, *, synced: bool) -> None:
        self._take_turn()
        level = "FULL" if synced or self._mode != "WAL" else "NORMAL"
        try:
            if level != self._level:
                self._db.execute(f"PRAGMA synchronous = {level}")
                self._level = level
            self._db.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._end()
            raise

    def _take_turn(self) -> None:
        """Wait for the lock file, which the system gives up when a process dies."""
        limit = 0.0
        while self._lock is not None:
            try:
                self._flock(self._lock, _LOCK_NOW)
            except BlockingIOError:
                limit = limit or time.monotonic() + BUSY_TIMEOUT_S
                if time.monotonic() > limit:
                    raise sqlite3.OperationalError("database is locked") from None
                time.sleep(0.002)
            else:
                return

    def _end(self) -> None:
        if self._lock is not None:
            self._flock(self._lock, _UNLOCK)

    def _refusal(self, error: Exception) -> StoreError:
        """An error of SQLite or of the file system as one that says what can be done."""
        advice = next((f" ({advice})" for word, advice in _ADVICE.items() if word in str(error)), "")
        return StoreError(f"the store {self.path} cannot be used: {error}{advice}", path=self.path)

    def flush(self) -> None:
        """As a synced commit would, but for any number of commits at once and without keeping the writer waiting.

        The log has no locks of SQLite's, which closing a file of one's own would drop.
        """
        if self.durability == "full" or not self.flushes:
            return
        with self._told():
            log = os.open(f"{self.path}-wal", os.O_RDWR)
            try:
                os.fsync(log)
            finally:
                os.close(log)
            if not self._log_is_named:
                sync_folder(self.path.parent)
                self._log_is_named = True

    def check(self) -> None:
        try:
            same = self.path.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            raise StoreError(
                f"the store {self.path} was removed or replaced while it was open", path=self.path
            )

    def close(self) -> None:
        with self._told():
            self._take_turn()  # the last connection makes a checkpoint
            try:
                super().close()
            finally:
                self._end()

    def __del__(self) -> None:
        if getattr(self, "_lock", None) is not None:
            os.close(self._lock)  # type: ignore[arg-type]


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
    bug = f"SQLite {version} has the WAL-reset bug; 3.51.3 mends it"
    if sys.platform == "win32":
        return "DELETE", f"DELETE ({bug})"
    return "WAL", f"WAL with writers taking turns ({bug}), {kind}"


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
