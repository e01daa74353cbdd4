"""What every command writes: JSON, files that appear whole or not at all, a line while a person waits."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import DataError


def write_atomically(path: Path, write: Any) -> Path:
    """Write under a name of its own beside ``path``, then rename: nothing half-written is left under ``path``.

    DataError where the folder cannot be made or written.
    """
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def jsonable(value: Any) -> Any:
    """A value as JSON can hold it; what is no number becomes null."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, inf_nan_mode="null")


def print_json(value: Any) -> None:
    click.echo(json.dumps(jsonable(value), indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def working(what: str, how_far: Callable[[], str] = lambda: "") -> Iterator[None]:
    """A line on standard error that counts seconds while a person waits; nothing where none is looking."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    began = time.monotonic()

    def count() -> None:
        while not done.wait(0.2):
            sys.stderr.write(f"\r\033[K{what} … {how_far()} {time.monotonic() - began:.0f} s")
            sys.stderr.flush()

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        sys.stderr.write("\r\033[K")
