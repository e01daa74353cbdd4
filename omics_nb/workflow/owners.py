"""Who drives a run, and whether that process still lives."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Container
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from . import tables
from .tables import RunRow


class Driver(Protocol):
    """What is asked of the scheduler of this process: its name as an owner, and the runs that it drives."""

    id: str

    @property
    def lives(self) -> Container[str]: ...


@lru_cache
def host_id() -> str:
    """This machine since it was started, and its space of process numbers."""
    parts = [os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def state_of(row: RunRow, scheduler: Driver | None = None) -> str:
    """The state of a run as it truly is: without a living owner a run that was at work is interrupted.

    ``scheduler``, that of this process, knows which runs it had to let go of.
    """
    if row.state not in tables.ACTIVE:
        return row.state
    gone = scheduler is not None and row.owner == scheduler.id and row.uid not in scheduler.lives
    if is_owned(row) and not gone:
        return row.state
    return "cancelled" if row.state == "cancelling" else "interrupted"


def is_owned(row: RunRow) -> bool:
    """Whether the owner of a run is alive: its lease holds, and its process is there if that can be seen from here."""
    if row.owner is None or row.owner_expires is None or row.owner_expires < time.time():
        return False
    if row.owner_host != host_id() or row.owner_pid is None:
        return True
    try:
        os.kill(row.owner_pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
