"""The cache: verified downloads and parsed studies; what is in it, is it still what it was, and what may go.

``<cache>/ncbi/files/<host>/<path>`` holds the files, laid out as on the server, so that ``files/<host>/geo``
is a mirror of its own. ``<cache>/ncbi/index.sqlite`` records each file after it was verified; a file without
a record, or that no longer is what its record says, is not used. Leases there let one process download what
several want. ``<cache>/studies`` holds parsed studies, which ``parsed`` writes and opens, a folder each; the time
of a folder's ``files.json`` is that of its last use. One limit holds for both: what was not used for longest goes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from isal import isal_zlib

from ..errors import SettingsError
from ..settings import Settings

LEASE_S = 30.0
# How long after its last use a file or study is safe from the limit: a study is read from several files.
_FRESH_S = 600.0
#: In the folder of a parsed study: names of its files, with their sizes and checksums.
MANIFEST = "files.json"
_KEEP_LEFTOVERS_S = 7 * 86_400.0
# Nobody takes an hour to write a study: who began one earlier was killed.
_STUDY_BEGUN_S = 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    url TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, n_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL, retrieved TEXT NOT NULL, used REAL
    NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    url TEXT PRIMARY KEY, owner TEXT NOT NULL, expires REAL NOT NULL, partial TEXT NOT NULL, validator TEXT
    NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = "url, path, n_bytes, sha256, mtime_ns, etag, modified, retrieved, used"


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A verified file. ``retrieved`` is an ISO time in UTC, ``used`` seconds of the wall clock."""

    url: str
    path: Path
    n_bytes: int
    sha256: str
    etag: str
    modified: str
    retrieved: str
    used: float


@dataclass(frozen=True, slots=True)
class KeptStudy:
    """The folder of a parsed study. ``used`` is in seconds of the wall clock."""

    accession: str
    path: Path
    n_bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What the cache holds, downloads and parsed studies, and how much it may.

    ``partial_bytes`` belong to downloads that are under way or were killed.
    """

    folder: Path
    files: tuple[CachedFile, ...]
    studies: tuple[KeptStudy, ...]
    partial_bytes: int
    limit_bytes: int

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files) + sum(study.n_bytes for study in self.studies)

    def __str__(self) -> str:
        left = f", {size_text(self.partial_bytes)} of unfinished downloads" if self.partial_bytes else ""
        return (
            f"{len(self.files)} files and {len(self.studies)} parsed studies,"
            f" {size_text(self.n_bytes)} of at most {size_text(self.limit_bytes)}, in {self.folder}{left}"
        )


@dataclass(frozen=True, slots=True)
class CacheCheck:
    """What ``cache_verify`` found: ``damaged`` files and studies were removed with the reason given, ``strays``
    have no record.
    """

    n_checked: int
    damaged: tuple[tuple[Path, str], ...]
    strays: tuple[Path, ...]

    @property
    def ok(self) -> bool:
        return not self.damaged

    def __str__(self) -> str:
        first = f"{self.n_checked} files and studies checked, {len(self.damaged)} damaged and removed"
        strays = f", {len(self.strays)} without a record" if self.strays else ""
        return "\n".join([first + strays, *(f"{path}: {reason}" for path, reason in self.damaged)])


@dataclass(frozen=True, slots=True)
class Pruned:
    """What ``cache_prune`` removed, the least recently used first, and how many bytes are left."""

    removed: tuple[Path, ...]
    freed_bytes: int
    left_bytes: int

    def __str__(self) -> str:
        freed, left = size_text(self.freed_bytes), size_text(self.left_bytes)
        return f"{len(self.removed)} files and studies removed, {freed} freed, {left} left"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to download ``url``. ``leftover`` is what a killed process had of it, with its validator."""

    url: str
    owner: str
    partial: Path
    leftover: Path | None
    validator: str


def cache_info(settings: Settings) -> CacheInfo:
    """Every verified file and every parsed study, the most recently used first."""
    cache = Cache(settings.cache)
    return CacheInfo(
        settings.cache,
        tuple(cache.all()),
        tuple(sorted(kept_studies(settings.cache), key=lambda study: study.used, reverse=True)),
        sum(path.stat().st_size for path in cache.partials()),
        settings.cache_limit,
    )


def cache_verify(settings: Settings) -> CacheCheck:
    """Hash every file anew. What is not what its record says is removed, so that it is fetched or parsed again
    when needed.
    """
    cache = Cache(settings.cache)
    records, studies = list(cache.all()), kept_studies(settings.cache)
    damaged = []
    for record in records:
        if reason := _damage(record):
            cache.drop(record.url)
            damaged.append((record.path, reason))
    for study in studies:
        if reason := _study_damage(study.path):
            remove_study(study.path)
            damaged.append((study.path, reason))
    known = {record.path for record in records}
    strays = [path for path in sorted(cache.files.rglob("*")) if path.is_file() and path not in known]
    return CacheCheck(len(records) + len(studies), tuple(damaged), tuple(strays))


def cache_prune(settings: Settings, max_bytes: int) -> Pruned:
    """Remove the least recently used files and parsed studies until at most ``max_bytes`` are left, and what
    killed downloads left.
    """
    return Cache(settings.cache).prune(max_bytes, fresh_s=-math.inf, grace_s=0.0)


def studies_folder(root: Path) -> Path:
    """Where the cache below ``root`` has its parsed studies."""
    return root / "studies"


def kept_studies(root: Path) -> list[KeptStudy]:
    """The parsed studies of the cache below ``root``, in order of their names."""
    found = []
    for manifest in sorted(studies_folder(root).glob(f"[!.]*/{MANIFEST}")):
        try:
            n_bytes = sum(path.stat().st_size for path in manifest.parent.iterdir())
            used = manifest.stat().st_mtime
        except FileNotFoundError:
            # Another process has just removed it.
            continue
        accession = manifest.parent.name.partition("-")[0]
        found.append(KeptStudy(accession, manifest.parent, n_bytes, used))
    return found


def remove_study(folder: Path) -> bool:
    """Remove a parsed study as a whole; False where that is not allowed, as on Windows while it is open."""
    aside = folder.with_name(f".part-{uuid.uuid4().hex}")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def checksum(path: Path) -> int:
    """CRC-32 of a file: ten times as fast as SHA-256, and good enough against accidents."""
    found = 0
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(2**20), b""):
            found = isal_zlib.crc32(piece, found)
    return found


class Cache:
    """The cache below the folder ``root``. ``clock`` gives seconds of the wall clock, which processes
    share.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self.files = root / "ncbi" / "files"
        self.partial = root / "ncbi" / "partial"
        self.index = root / "ncbi" / "index.sqlite"
        self._clock = clock
        self._sleep = sleep

    def lookup(self, url: str) -> CachedFile | None:
        """The verified file of ``url``, marked as used; None where there is none that can be trusted.

        A file whose length or time of change differ from the record is hashed again; a damaged one is
        removed.
        """
        if not self.index.exists():
            return None
        with self._db() as db:
            row = db.execute(f"SELECT {_COLUMNS} FROM files WHERE url = ?", (url,)).fetchone()  # noqa: S608
        if row is None:
            return None
        found = self._record(row)
        if not _unchanged(found.path, found.n_bytes, row[4]) and _damage(found):
            self.drop(url)
            return None
        mtime_ns = found.path.stat().st_mtime_ns
        with self._db() as db:
            db.execute(
                "UPDATE files SET used = ?, mtime_ns = ? WHERE url = ?", (self._clock(), mtime_ns, url)
            )
        return replace(found, used=self._clock())

    def claim(self, url: str) -> Lease | None:
        """The right to download ``url`` for ``LEASE_S`` seconds; None while somebody else has it."""
        owner = uuid.uuid4().hex
        partial = self.partial / f"{owner}.part"
        with self._db() as db:
            now = self._clock()
            row = db.execute(
                "SELECT expires, partial, validator FROM leases WHERE url = ?", (url,)
            ).fetchone()
            # An expiry too far ahead was written under a clock that has since been set back.
            if row and now < row[0] <= now + 2 * LEASE_S:
                return None
            db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                (url, owner, now + LEASE_S, partial.name, row[2] if row else ""),
            )
        leftover = self.partial / row[1] if row else None
        return Lease(
            url, owner, partial, leftover if leftover and leftover.exists() else None, row[2] if row else ""
        )

    def is_leased(self, url: str) -> bool:
        """True while somebody has the right to download ``url``."""
        with self._db() as db:
            row = db.execute("SELECT expires FROM leases WHERE url = ?", (url,)).fetchone()
        now = self._clock()
        return row is not None and now < row[0] <= now + 2 * LEASE_S

    def renew(self, lease: Lease, validator: str) -> bool:
        """Keep the lease for another ``LEASE_S`` seconds; False if somebody else has taken it over."""
        with self._db() as db:
            changed = db.execute(
                "UPDATE leases SET expires = ?, validator = ? WHERE url = ? AND owner = ?",
                (self._clock() + LEASE_S, validator, lease.url, lease.owner),
            )
            return changed.rowcount == 1

    def release(self, lease: Lease) -> None:
        """Give the lease back and remove what is left of its download."""
        lease.partial.unlink(missing_ok=True)
        with self._db() as db:
            _end_lease(db, lease)

    def store(
        self, lease: Lease, name: str | None, *, sha256: str, n_bytes: int, etag: str, modified: str
    ) -> CachedFile | None:
        """Move a verified, synced partial file to its place, record it and end the lease; None if that was lost.

        Ownership, rename and record are one transaction, so two owners cannot both store.
        """
        path = self.files / place(lease.url, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        now = self._clock()
        retrieved = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        with self._db() as db:
            if not _end_lease(db, lease):
                return None
            lease.partial.replace(path)
            sync_folder(path.parent)
            db.execute("DELETE FROM files WHERE path = ?", (self._relative(path),))
            db.execute(
                f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    *(lease.url, self._relative(path), n_bytes, sha256, path.stat().st_mtime_ns),
                    *(etag, modified, retrieved, now),
                ),
            )
        return CachedFile(lease.url, path, n_bytes, sha256, etag, modified, retrieved, now)

    def drop(self, url: str) -> None:
        """Remove a file and its record."""
        with self._db() as db:
            row = db.execute("SELECT path FROM files WHERE url = ?", (url,)).fetchone()
            if row is not None:
                (self.files / row[0]).unlink(missing_ok=True)
                db.execute("DELETE FROM files WHERE url = ?", (url,))

    def all(self) -> Iterator[CachedFile]:
        """Every record, the most recently used first."""
        if not self.index.exists():
            return iter(())
        with self._db() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM files ORDER BY used DESC, url").fetchall()  # noqa: S608
        return map(self._record, rows)

    def partials(self) -> list[Path]:
        """Files of downloads that are under way or were killed."""
        return sorted(self.partial.glob("*.part"))

    def prune(
        self, max_bytes: int, *, fresh_s: float = _FRESH_S, grace_s: float = _KEEP_LEFTOVERS_S
    ) -> Pruned:
        """As ``cache_prune``; files used in the last ``fresh_s`` seconds stay, for somebody is about to read them.

        What killed downloads left stays for ``grace_s`` seconds, to be resumed.
        """
        self._sweep(grace_s)
        removed: list[CachedFile | KeptStudy] = []
        items: list[CachedFile | KeptStudy] = [*self.all(), *kept_studies(self.root)]
        held = sorted(items, key=lambda item: item.used)
        left = sum(item.n_bytes for item in held)
        for item in held:
            if left <= max_bytes:
                break
            if isinstance(item, CachedFile) and item.used > self._clock() - fresh_s:
                continue
            if self._remove(item):
                removed.append(item)
                left -= item.n_bytes
        return Pruned(tuple(item.path for item in removed), sum(item.n_bytes for item in removed), left)

    def _remove(self, item: CachedFile | KeptStudy) -> bool:
        if isinstance(item, KeptStudy):
            return remove_study(item.path)
        self.drop(item.url)
        return True

    def _sweep(self, grace_s: float) -> None:
        """Remove leases that have run out, partial files that nobody has a lease for, and half-written studies."""
        for path in studies_folder(self.root).glob(".part-*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < self._clock() - _STUDY_BEGUN_S:
                    shutil.rmtree(path, ignore_errors=True)
        if not self.index.exists():
            return
        with self._db() as db:
            db.execute("DELETE FROM leases WHERE expires < ?", (self._clock() - grace_s,))
            alive = {name for (name,) in db.execute("SELECT partial FROM leases")}
            for path in self.partials():
                if path.name not in alive:
                    path.unlink(missing_ok=True)

    def _record(self, row: tuple[str, str, int, str, int, str, str, str, float]) -> CachedFile:
        url, path, n_bytes, sha256, _, etag, modified, retrieved, used = row
        return CachedFile(url, self.files / path, n_bytes, sha256, etag, modified, retrieved, used)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.files).as_posix()

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.index, timeout=60, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";")[:-1]:
                    db.execute(statement)
                yield db
                if db.in_transaction:
                    db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(
                f"the cache {self.index.parent} cannot be used: {error}; name a folder with room that may be"
                " written in OMICS_CACHE",
                path=self.index.parent,
            ) from error


def place(url: str, name: str | None = None) -> Path:
    """Where in the cache a URL's file lies: host, then the path on the server; ``name`` replaces the last
    part.

    Parts that a file system may not take are spelled differently, and then carry a piece of the URL's hash,
    so that two URLs never share a file.
    """
    parsed = urlsplit(url)
    parts = [unquote(part) for part in parsed.path.split("/") if part]
    if name is not None:
        parts = [*(parts if parsed.path.endswith("/") else parts[:-1]), name]
    # On file systems that do not tell cases apart, and for hosts with a port.
    safe = [re.sub(r"[^A-Za-z0-9._+@=,() -]", "_", part)[-150:].strip() for part in [parsed.netloc, *parts]]
    safe = [part if part.strip(".") else "_" for part in safe]
    if safe[1:] != parts or (parsed.query and name is None):
        safe.insert(-1, hashlib.sha256(url.encode()).hexdigest()[:12])
    return Path(*safe)


def _end_lease(db: sqlite3.Connection, lease: Lease) -> bool:
    """False if somebody else has taken it over."""
    ended = db.execute("DELETE FROM leases WHERE url = ? AND owner = ?", (lease.url, lease.owner))
    return ended.rowcount == 1


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unchanged(path: Path, n_bytes: int, mtime_ns: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == n_bytes and found.st_mtime_ns == mtime_ns


def _damage(record: CachedFile) -> str:
    """Why a file is not what its record says; empty if it is."""
    if not record.path.is_file():
        return "it is gone"
    size = record.path.stat().st_size
    if size != record.n_bytes:
        return f"it has {size:,} bytes, not {record.n_bytes:,}"
    found = hash_file(record.path)
    return "" if found == record.sha256 else f"its SHA-256 is {found}, not {record.sha256}"


def _study_damage(folder: Path) -> str:
    """Why a parsed study is not what was written; empty if it is."""
    try:
        for name, (n_bytes, crc) in json.loads((folder / MANIFEST).read_bytes()).items():
            if (folder / name).stat().st_size != n_bytes or checksum(folder / name) != crc:
                return f"{name} has changed since it was written"
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"it cannot be read: {error}"
    return ""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def size_text(n_bytes: int) -> str:
    """A number of bytes as it is shown: ``3.4 KiB``."""
    value = float(n_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
