"""The headers of all studies in a folder, read once and kept while their files are unchanged.

They are kept in this process and, as one JSON file, in the cache, so that a large mirror opens fast the next
time.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from .. import __version__
from ..errors import DataError, OmicsError
from ..geo import layout
from ..geo.files import LocalFile
from ..geo.study import read_header
from ..records import FileRecord, StudyHeader

# Goes up when what is kept of a study changes; another version of the package never trusts it either.
_FORMAT = 3
_TUPLES = ("organisms", "types", "platforms", "sample_texts", "relations", "files")

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A study: path, size and mtime (ns) of its files, and its header or why it cannot be read.

    ``passing`` is a problem that does not lie in the bytes of the files, such as a missing permission: it may be
    gone at the next look although the files are the same.
    """

    stamp: Stamp
    header: StudyHeader | None
    problem: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """All that a folder holds at one moment: headers in order of accession, and what could not be read."""

    headers: tuple[StudyHeader, ...]
    problems: Mapping[str, str]
    notes: tuple[str, ...] = ()


class HeaderShelf:
    """The headers below one folder. Safe to use from several threads."""

    def __init__(self, folder: Path, kept_in: Path) -> None:
        self._folder, self._kept_in = folder, kept_in
        self._lock = Lock()
        self._kept: dict[str, Entry] | None = None
        self._entries: dict[str, Entry] | None = None
        self._look = Look((), {})

    def look(self) -> Look:
        """Everything there is now; only files that are new or changed are read.

        The same object as before if nothing changed.
        """
        with self._lock:
            before = self._before()
            now = {name: self._entry(name, before.get(name)) for name in layout.list_accessions(self._folder)}
            if now != self._entries:
                notes = () if now == before else _save(self._kept_in, now)
                self._entries, self._look = now, _look(now, notes)
            return self._look

    def header(self, accession: str) -> StudyHeader | None:
        """The header of one study, the others not looked at; None if it is not there or cannot be read."""
        with self._lock:
            return self._entry(accession, self._before().get(accession)).header

    def _before(self) -> dict[str, Entry]:
        """What was known at the last look, or else what was kept for us."""
        if self._entries is not None:
            return self._entries
        if self._kept is None:
            self._kept = _load(self._kept_in)
        return self._kept

    def _entry(self, accession: str, before: Entry | None) -> Entry:
        paths = layout.find_series_files(self._folder, accession)
        stamp = tuple(_stamp(path, self._folder) for path in paths)
        if before is not None and before.stamp == stamp and not before.passing:
            return before
        try:
            return Entry(stamp, read_header(accession, [_unhashed(path) for path in paths]))
        except (OmicsError, OSError) as error:
            # One damaged file must not hide the other studies; whoever shows the headers shows this too.
            return Entry(stamp, None, str(error), passing=not _is_damage(error))


@lru_cache(maxsize=16)
def shelf_of(folder: Path, cache: Path) -> HeaderShelf:
    """The shelf of a folder (absolute), the same for everyone in this process."""
    name = sha256(str(folder).encode()).hexdigest()[:16]
    return HeaderShelf(folder, cache / "headers" / f"{name}.json")


def _look(entries: Mapping[str, Entry], notes: tuple[str, ...]) -> Look:
    headers = tuple(entry.header for entry in entries.values() if entry.header is not None)
    problems = {name: entry.problem for name, entry in entries.items() if entry.header is None}
    return Look(headers, problems, notes)


def _is_damage(error: Exception) -> bool:
    """Whether an error tells of the bytes of a file, and not of this machine or of what is installed on it."""
    return isinstance(error, DataError) and getattr(error.__cause__, "errno", None) is None


def _stamp(path: Path, folder: Path) -> tuple[str, int, int]:
    status = path.stat()
    return path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns


def _unhashed(path: Path) -> LocalFile:
    # A header needs no digest, and hashing a large mirror takes longer than reading its headers.
    return LocalFile(path, FileRecord(path.name, str(path), 0, "", ""))


def _load(path: Path) -> dict[str, Entry]:
    """What was kept; nothing where there is no such file or it is not ours: then all is read anew."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != [_FORMAT, __version__]:
            return {}
        return {name: _entry_of(fields) for name, fields in kept["studies"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry_of(fields: dict[str, Any]) -> Entry:
    stamp = tuple((str(name), int(size), int(time)) for name, size, time in fields["stamp"])
    return Entry(stamp, None if fields["header"] is None else _header_of(fields["header"]), fields["problem"])


def _header_of(fields: dict[str, Any]) -> StudyHeader:
    known: dict[str, Any] = {name: tuple(fields[name]) for name in _TUPLES}
    known["published"] = date.fromisoformat(fields["published"]) if fields["published"] else None
    return StudyHeader(**(fields | known))


def _save(path: Path, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Keep them; a note if the cache cannot be written, which costs time but no study."""
    kept = {
        "format": [_FORMAT, __version__],
        "studies": {name: asdict(entry) for name, entry in entries.items() if not entry.passing},
    }
    text = json.dumps(kept, default=date.isoformat)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".headers-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(part).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(part).unlink()
    except OSError as error:
        return (
            f"headers of studies cannot be kept in {path.parent} ({error}); the next search reads them again",
        )
    return ()
