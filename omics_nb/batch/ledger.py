"""What became of a batch's rows, read off the run's events in the store, on from where the last look ended."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..workflow import Run, tables, values
from ..workflow.events import StepState, fold
from ..workflow.live import item_labels

STEP = "row"
STATES = ("waiting", "running", "done", "failed", "timed out", "cancelled")
ENDED = ("done", "failed", "timed out", "cancelled")
_BY_ERROR = {"RowTimeoutError": "timed out", "RowCancelledError": "cancelled"}


class RowInfo(NamedTuple):
    """A row as it is now: times are UTC in seconds since 1970, ``at`` says which cell it is at."""

    row: int
    name: str
    parameters: Mapping[str, Any]
    remarks: Mapping[str, str]
    state: str
    began: float | None = None
    ended: float | None = None
    at: str = ""
    error: str = ""
    result: Mapping[str, Any] = {}

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken by now."""
        if self.result.get("seconds") is not None:
            return float(self.result["seconds"])
        return None if self.began is None else (self.ended or time.time()) - self.began


class Ledger:
    """The rows of a run, kept up with its events by :meth:`look`."""

    def __init__(self, run: Run) -> None:
        self.run = run
        with run.store.read() as db:
            found = tables.run_row(db, run.id)
        self._number, self.seq = found.id, 0
        text = json.loads(found.inputs)["rows"]
        self._items = values.item_texts(text, run.store.folder) or []
        self._paths = [f"{STEP}[{label}]" for label in item_labels(self._items)]
        self._steps: dict[str, StepState] = {}
        self._at: dict[str, str] = {}
        self.planned: list[dict[str, Any]] = [values.decode(item, run.store.folder) for item in self._items]
        self.state = "running"

    def look(self) -> bool:
        """Read what has happened since the last look; whether there was anything."""
        self.state = (
            self.run.state
        )  # before the events, so that the end of the run is not seen before its rows
        with self.run.store.read() as db:
            events = tables.event_rows(db, self._number, after=self.seq)
        for seq, _, kind, step, _, _, _, data in events:
            self.seq = seq
            if kind == "progress" and step is not None and data:
                self._at[step] = json.loads(data).get("message", "")
        fold(events, self._steps)
        return bool(events)

    def rows(self) -> list[RowInfo]:
        """Every row, in the order of the table."""
        return [self._row(planned, path) for planned, path in zip(self.planned, self._paths, strict=True)]

    def counts(self) -> Counter[str]:
        """How many rows are in each state."""
        states = (self._steps.get(path) for path in self._paths)
        return Counter(self._state(known) for known in states)

    def _row(self, planned: dict[str, Any], path: str) -> RowInfo:
        known = self._steps.get(path)
        state = self._state(known)
        base = (planned["row"], planned["name"], planned["parameters"], planned.get("remarks", {}), state)
        if known is None or state == "waiting":
            return RowInfo(*base)
        result = values.decode(known.value, self.run.store.folder) if known.value and state == "done" else {}
        facts = known.facts if state not in ("done", "running") else {}
        at = self._at.get(path, "") if state == "running" else ""
        return RowInfo(*base, known.began, known.ended, at, str(facts.get("message", "")), result or {})

    def _state(self, known: StepState | None) -> str:
        if known is None:
            return "waiting" if self.state != "cancelled" else "cancelled"
        if known.state in ("done", "reused"):
            return "done"
        if known.state == "failed":
            return _BY_ERROR.get(str(known.facts.get("type")), "failed")
        if known.state in ("running", "retrying"):
            return "running" if self.state in tables.ACTIVE else "waiting"
        return known.state


def seconds_left(ledger: Ledger, jobs: int) -> float | None:
    """About how long the rest takes, by the rows that ended; None while none has, or once nothing runs."""
    rows = ledger.rows()
    ended = [row.seconds for row in rows if row.state in ENDED and row.seconds and not row.result.get("kept")]
    open_rows = [row for row in rows if row.state in ("waiting", "running")]
    if not ended or not open_rows or ledger.state not in tables.ACTIVE:
        return None
    mean = sum(ended) / len(ended)
    work = sum(
        mean if row.state == "waiting" else max(mean - (row.seconds or 0), mean * 0.1) for row in open_rows
    )
    return max(work / min(jobs, len(open_rows)), 1.0)
