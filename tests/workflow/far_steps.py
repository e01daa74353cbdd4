"""Steps that a process of its own can import; this module imports little, so that the process begins soon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from omics_nb.workflow import Context, register


class Made(NamedTuple):
    items: tuple[int, ...]
    note: str


register(Made)


def make(n: int) -> Made:
    return Made(tuple(range(n)), "µ")


def summed(make: Made) -> int:
    return sum(make.items)


def where(n: int) -> tuple[int, str]:
    return os.getpid(), threading.current_thread().name


async def where_async(n: int) -> tuple[int, str]:
    await asyncio.sleep(0)
    return os.getpid(), threading.current_thread().name


def forever(n: int, folder: Path) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "pids").write_text(f"{os.getpid()} {child.pid}")
    while True:
        child.poll()


def stays(item: int) -> tuple[float, float]:
    began = time.monotonic()
    while time.monotonic() < began + 0.05:
        pass
    return began, time.monotonic()


def dies(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def exits_once(n: int, ctx: Context) -> int:
    if ctx.attempt == 1:
        os._exit(3)
    return n


def tells(n: int, ctx: Context) -> int:
    ctx.progress(1.0, "all")
    return n


def raises(n: int) -> int:
    raise LookupError(f"no {n}")


class Own(Exception):  # noqa: N818
    def __init__(self, number: int, more: str) -> None:
        super().__init__(f"{number} and {more}")


def unpicklable(n: int) -> int:
    raise Own(n, "more")


def prints(n: int) -> str:
    print(f"said {n}")
    return sys.stdin.read()
