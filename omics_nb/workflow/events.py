"""What events mean: the state of every step is the fold of what happened to it, up to any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .tables import ACTIVE, EventRow

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


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as people read them, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


class StepInfo(NamedTuple):
    """What is known of a step: times are UTC, ``source`` is the run that a reused value comes from."""

    path: str
    state: str
    attempt: int
    began: datetime | None
    ended: datetime | None
    source: str | None
    error: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it has not ended."""
        return None if self.began is None or self.ended is None else (self.ended - self.began).total_seconds()


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
    return Event(seq, moment(at), kind, step, json.loads(data) if data else {})


def step_infos(states: Mapping[str, StepState], planned: Iterable[str], run_state: str) -> Iterator[StepInfo]:
    """Steps that have begun, in their order, then those of the flow (``planned``) that have not."""
    for step in states.values():
        yield _step_info(step, run_state)
    for path in planned:
        if path not in states:
            yield StepInfo(path, "waiting", 0, None, None, None, None)


def _step_info(step: StepState, run_state: str) -> StepInfo:
    # A step that was at work when its run was cut off is at work no more, nor is a fan-out whose run is paused.
    state = step.state
    if state == "running" and run_state not in ACTIVE:
        state = "waiting" if run_state == "paused" else "cancelled"
    facts = step.facts
    return StepInfo(
        step.path,
        state,
        step.attempt,
        None if step.began is None else moment(step.began),
        None if step.ended is None else moment(step.ended),
        facts.get("run"),
        f"{facts['type']}: {facts['message']}" if "type" in facts else None,
    )
