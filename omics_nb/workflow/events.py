"""What events mean: the state of every step is the fold of what happened to it, up to any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .store import EventRow

ACCEPTED = ("done", "reused")
SETTLED = (*ACCEPTED, "skipped")
STATES = {
    "started": "running",
    "expanded": "running",
    "retrying": "retrying",
    "done": "done",
    "reused": "reused",
    "skipped": "skipped",
    "failed": "failed",
    "cancelled": "cancelled",
}
ENDS = (*SETTLED, "failed", "cancelled")


class Event(NamedTuple):
    """Something that happened in a run: its number, when (UTC), what, to which step, and facts."""

    seq: int
    at: datetime
    kind: str
    step: str | None
    data: dict[str, Any]


class StepState(NamedTuple):
    """A step as it was at some moment; times are UTC in seconds since 1970."""

    path: str
    state: str
    attempt: int = 1
    began: float | None = None
    ended: float | None = None
    key: bytes | None = None
    value: str | None = None
    code: bytes | None = None
    data: str | None = None
    seq: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What the last event told besides."""
        return json.loads(self.data) if self.data else {}


def fold(rows: Iterable[EventRow]) -> dict[str, StepState]:
    """The state of every step that something happened to, in the order in which they began."""
    steps: dict[str, StepState] = {}
    for seq, at, kind, path, key, value, code, data in rows:
        state = STATES.get(kind)
        if path is None or state is None:
            continue
        before = steps.get(path)
        began, attempt = (at, 1) if before is None else (before.began, before.attempt)
        if kind == "started" and before is not None:
            began, attempt = at, attempt + 1
        ended = at if kind in ENDS else None
        steps[path] = StepState(path, state, attempt, began, ended, key, value, code, data, seq)
    return steps


def last_by_step(rows: Iterable[EventRow]) -> dict[str, EventRow]:
    """Path → the event that says in which state the step is; all that looking at one moment takes."""
    return {row[3]: row for row in rows if row[3] is not None and row[2] in STATES}


def run_state(rows: Sequence[EventRow]) -> str:
    """The state of the run itself by its events; what its row says, if the store is right."""
    for _, _, kind, step, *_ in reversed(rows):
        if step is None and kind not in ("progress", "warning"):
            return "running" if kind in ("started", "resumed") else kind
    return "running"


def public(row: EventRow) -> Event:
    """An event for people and programs."""
    seq, at, kind, step, *_, data = row
    return Event(seq, datetime.fromtimestamp(at, UTC), kind, step, json.loads(data) if data else {})
