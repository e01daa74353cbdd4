"""What events mean: the state of every step is the fold of what happened to it, up to any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .store import EventRow

ACCEPTED = ("done", "reused")
SETTLED = (*ACCEPTED, "skipped")
ENDS = (*SETTLED, "failed", "cancelled")
STATES = {
    "started": "running",
    "expanded": "running",
    "retrying": "retrying",
    **{kind: kind for kind in ENDS},
}


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


def fold(rows: Iterable[EventRow], steps: dict[str, StepState] | None = None) -> dict[str, StepState]:
    """The state of every step that something happened to, in the order in which they began.

    ``steps``, the fold of the rows before these, is carried on where it is given.
    """
    steps = {} if steps is None else steps
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


def state_after(kind: str) -> str:
    """The state of a run by the last event that tells of it; what its row says, if the store is right."""
    return "running" if kind in ("started", "resumed") else kind


def run_state(rows: Sequence[EventRow]) -> str:
    """The state of the run itself by its events."""
    told = [kind for _, _, kind, step, *_ in rows if step is None and kind not in ("progress", "warning")]
    return state_after(told[-1])


def public(row: EventRow) -> Event:
    """An event for people and programs."""
    seq, at, kind, step, *_, data = row
    return Event(seq, datetime.fromtimestamp(at, UTC), kind, step, json.loads(data) if data else {})
