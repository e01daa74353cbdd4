"""Content-addressed files: whole or not there after a crash, and known by what is in them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from ..errors import IntegrityError, StoreError


class Folder(NamedTuple):
    """Content-addressed files: ``ab/cdef….parquet`` holds bytes whose SHA-256 is ``abcdef…``."""

    path: Path

    def locate(self, name: str) -> Path:
        return self.path / name[:2] / name[2:]

    def put(self, data: bytes | memoryview, suffix: str) -> str:
        """The name of a file with this content, which is on disk when this returns. StoreError if it cannot be."""
        name = hashlib.sha256(data).hexdigest() + suffix
        target = self.locate(name)
        try:
            if target.exists() and target.stat().st_size == len(data):
                os.utime(target)  # young again: pruning leaves it to the step that is about to name it
            else:
                _write(target, data)
        except OSError as error:
            told = f"the value cannot be written to {target.parent}: {error}"
            raise StoreError(told, path=target) from error
        return name

    def get(self, name: str) -> bytes:
        """The content of a file. IntegrityError if it is missing or its SHA-256 is not its name."""
        path = self.locate(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError(f"the value file {path} cannot be read: {error}", path=path) from error
        if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
            raise IntegrityError(
                f"the value file {path} was changed: its SHA-256 is not its name; restore it, or remove it and have a "
                "rerun() compute it again",
                path=path,
            )
        return data

    def has(self, name: str, n_bytes: int) -> bool:
        """Whether a file is there with this size."""
        try:
            return self.locate(name).stat().st_size == n_bytes
        except OSError:
            return False


def _write(target: Path, data: bytes | memoryview) -> None:
    """Temporary name, fsync, rename, fsync of the folder: after a crash the file is whole or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    sync_folder(target.parent.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
