"""Where a batch puts things: for each row ``NAME.ipynb``, ``NAME.html`` and a folder ``NAME`` for what goes with them.

``NAME/row.json`` is the row's own record. It is written last and renamed into place, so where it says *done* the row's
files are whole; a row that finished in a process that was killed a moment later is found by it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError

RECORD = "row.json"
FORMAT = 1
INDEX = "index.html"


class Places(NamedTuple):
    """The paths of one row."""

    out: Path
    name: str

    @property
    def notebook(self) -> Path:
        return self.out / f"{self.name}.ipynb"

    @property
    def html(self) -> Path:
        return self.out / f"{self.name}.html"

    @property
    def folder(self) -> Path:
        return self.out / self.name

    @property
    def record(self) -> Path:
        return self.folder / RECORD


def write_whole(path: Path, data: str | bytes) -> None:
    """Write under another name, make it durable, rename. DataError, and nothing half-written, where that fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns():x}.partial")
    raw = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", path=str(path)) from error


def read_record(places: Places) -> dict[str, Any]:
    """A row's record, empty where it has none that can be read."""
    try:
        found = json.loads(places.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def write_record(places: Places, record: Mapping[str, Any]) -> None:
    write_whole(places.record, json.dumps({"format": FORMAT, **record}, ensure_ascii=False, indent=1))


def fingerprint(path: Path) -> list[int]:
    """Size and time of change, by which a file is known to be the one that was written."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def is_whole(places: Places, record: Mapping[str, Any]) -> bool:
    """Whether the files of a finished row are those that it wrote."""
    files = record.get("files")
    if record.get("state") != "done" or not isinstance(files, dict):
        return False
    try:
        return all(fingerprint(places.out / name) == known for name, known in files.items())
    except OSError:
        return False


def stop_marker(out: Path, batch: str) -> Path:
    """The file that tells rows on any machine that shares the folder that their batch was cancelled."""
    return out / f".cancelled-{batch}"


def make_folder(out: Path) -> None:
    """DataError where the folder of a batch cannot be made or written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"the folder {out} cannot be written: {error.strerror or error}", path=str(out)
        ) from error
