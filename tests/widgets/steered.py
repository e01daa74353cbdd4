"""Flows for tests of panels: steps that go on when a file appears, and one that fails."""

from __future__ import annotations

import threading
from pathlib import Path

from omics_nb.workflow import Context, Flow


def first(gate: str, ctx: Context) -> str:
    """Waits for the file, telling how far it is; ends early where it is asked to."""
    for number in range(3000):
        if Path(gate).exists():
            return "open"
        ctx.progress(min(0.9, number / 100), f"look {number}")
        threading.Event().wait(0.02)
    raise TimeoutError(f"{gate} never came")


def second(first: str) -> str:
    return first.upper()


def third(second: str, fails: bool = False) -> str:
    if fails:
        raise ValueError("no <b>third</b> today")
    return f"{second}!"


GATED = Flow("gated", [first, second, third])
