"""What every command writes: JSON, files that appear whole or not at all, a line while a person waits."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError
from ..progress import listening

if TYPE_CHECKING:
    from ..workflow import Run
    from ..workflow.show import View


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
def working(what: str) -> Iterator[None]:
    """A line on standard error while a person waits: what for, and how long by now; nothing where none is looking."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    began = time.monotonic()
    said = [what]

    def count() -> None:
        while not done.wait(0.2):
            line = f"{said[-1]} … {time.monotonic() - began:.0f} s"
            sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        with listening(lambda message: said.append(f"{what}: {message}")):
            yield
    finally:
        done.set()
        thread.join()
        sys.stderr.write("\r\033[K")


def result_of(run: Run) -> Any:
    """The run's value, waited for; meanwhile standard error tells how far it is.

    A terminal has one line that overwrites itself, anything else a line for each step that has ended.
    """
    from ..workflow.show import REFRESH_S, View

    view = View(run)
    told: set[str] = set()
    try:
        while True:
            _tell(view, told)
            try:
                return run.result(timeout=REFRESH_S)
            except TimeoutError:
                view.look()
    except KeyboardInterrupt:
        click.echo(f"\n`omics-nb runs resume {run.id}` goes on from there.", err=True)
        raise
    finally:
        view.look()
        _tell(view, told)
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def _tell(view: View, told: set[str]) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{view.line(shutil.get_terminal_size().columns)}")
        sys.stderr.flush()
        return
    for line in view.lines():
        if line.seconds is not None and line.path not in told:
            told.add(line.path)
            click.echo(f"{line.path} {line.state}, {line.seconds:.2f} s", err=True)
