"""A run as people look at it: HTML that refreshes itself in a notebook, text, one line for a terminal.

Everything is escaped, for names and errors come from anywhere; the words carry all that the colours do.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from html import escape
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import OmicsError
from . import tables
from .events import SETTLED, StepInfo, StepState, fold, step_infos
from .graph import Node
from .run import Run
from .tables import EventRow

REFRESH_S = 0.25
_N_EVENTS = 5
_N_ROWS = 40
_AT_WORK = ("running", "retrying")
_COLOURS = {
    "done": "#2e7d32",
    "reused": "#00695c",
    "skipped": "#757575",
    "running": "#1565c0",
    "failed": "#c62828",
    "retrying": "#ef6c00",
    "cancelled": "#6d4c41",
    "interrupted": "#ef6c00",
}


class Line(NamedTuple):
    """A row of the table: a step, or all branches of a fan-out together."""

    path: str
    state: str
    seconds: float | None
    remark: str


class View:
    """A run as it was at the last :meth:`look`, which reads only what has happened since the one before."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._seq = 0
        self._steps: dict[str, StepState] = {}
        self._messages: dict[str, str] = {}
        self._last: deque[EventRow] = deque(maxlen=_N_EVENTS)
        self._first_at = self._began = self._last_at = self._worked_s = 0.0
        self.look()

    def look(self) -> None:
        """Read what is new. StoreError where the store cannot be read any more."""
        run = self.run
        self.state = run.state  # before the events: the last look must see them all
        with run.store.read() as db:
            self._row = tables.run_row(db, run.id)
            new = tables.event_rows(db, self._row.id, after=self._seq)
        fold(new, self._steps)
        for row in new:
            self._take(row)

    def _take(self, row: EventRow) -> None:
        self._seq, at, kind, path, *_, data = row
        if path is None and kind in ("started", "resumed"):
            self._worked_s += self._last_at - self._began
            self._began, self._first_at = at, self._first_at or at
        if kind == "progress" and path is not None:
            self._messages[path] = json.loads(data or "{}").get("message", "")
        else:
            self._last.append(row)
        self._last_at = at

    @property
    def active(self) -> bool:
        """Whether anything can still happen without anybody asking for it."""
        return self.state in tables.ACTIVE

    @property
    def progress(self) -> float:
        return self._row.progress

    @property
    def elapsed_s(self) -> float:
        """Seconds that the run was at work, without the time between a stop and a resume."""
        now = time.time() if self.active else self._last_at
        return self._worked_s + max(now - self._began, 0.0)

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes if it goes on at the pace so far by weight; None while that says nothing."""
        nodes = self._nodes
        total = sum(node.step.options.weight for node in nodes) or 1.0
        free = [node for node in nodes if self._state_of(node.path) == "reused"]
        # Reused values came at once: they say nothing about the pace.
        gained = self.progress - 100.0 * sum(node.step.options.weight for node in free) / total
        if not self.active or self.elapsed_s < 1.0 or gained < 2.0:
            return None
        return self.elapsed_s * (100.0 - self.progress) / gained

    @property
    def _nodes(self) -> Sequence[Node]:
        return () if self.run._flow is None else self.run._flow.nodes

    def _infos(self) -> Iterator[StepInfo]:
        """Steps that have begun, in their order, then those of the flow that have not."""
        return step_infos(self._steps, [node.path for node in self._nodes], self.state)

    def _state_of(self, path: str) -> str:
        known = self._steps.get(path)
        return "waiting" if known is None else known.state

    @property
    def doing(self) -> str:
        """The step at work and what it says of itself; how many others are."""
        busy = [path for path, step in self._steps.items() if step.state in _AT_WORK and self.active]
        # A fan-out is at work as long as its branches: they say more.
        busy = [path for path in busy if not any(other.startswith(f"{path}[") for other in busy)] or busy
        if not busy:
            return ""
        message = self._messages.get(busy[0])
        more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
        return busy[0] + (f" ({message})" if message else "") + more

    # --- forms -------------------------------------------------------------------------------------------------------

    def lines(self) -> list[Line]:
        """A row a step; branches of a fan-out told together unless they failed, settled steps too if there are many."""
        found: list[Line] = []
        branches: dict[str, Counter[str]] = {}
        for info in self._infos():
            head, nested, _ = info.path.partition("[")
            if nested:
                branches.setdefault(head, Counter())[info.state] += 1
            if not nested or info.state == "failed":
                found.append(Line(info.path, info.state, info.seconds, _remark(info)))
        found = [
            line._replace(remark="; ".join(filter(None, [_told(branches[line.path]), line.remark])))
            if line.path in branches
            else line
            for line in found
        ]
        if len(found) <= _N_ROWS:
            return found
        kept = [line for line in found if line.state not in (*SETTLED, "waiting")][:_N_ROWS]
        rest = Counter(line.state for line in found) - Counter(line.state for line in kept)
        return [*kept, Line(f"{rest.total():,} more", "", None, _told(rest))]

    def events(self) -> list[str]:
        """The last events, each with its seconds since the start."""
        return [
            f"{at - self._first_at:8.1f} s  {kind}{'' if path is None else ' ' + path}"
            for _, at, kind, path, *_ in self._last
        ]

    def _summary(self) -> Iterator[str]:
        yield _span(self.elapsed_s)
        if self.left_s is not None:
            yield f"about {_span(self.left_s)} left"
        if self.doing:
            yield self.doing

    def line(self, width: int = 80) -> str:
        """All of it in one line of a terminal."""
        done = round(self.progress / 10)
        text = f"{self._row.flow} {'█' * done}{'░' * (10 - done)} {self.progress:.0f} %"
        return _printable(" · ".join([text, *self._summary()]))[: width - 1]

    def text(self) -> str:
        """What the HTML says, for terminals, diffs and screen readers."""
        row, lines = self._row, self.lines()
        wide = max((len(line.path) for line in lines), default=0)
        told = [f"{row.uid}  {row.flow}  {self.state}  {row.progress:.0f} %"]
        if self.active:
            told += [" · ".join(self._summary())]
        for path, state, seconds, remark in lines:
            took = "" if seconds is None else f"{seconds:.2f} s"
            told.append(f"  {path:<{wide}}  {state:<10} {took:>9}  {remark}".rstrip())
        if self.active:
            told += self.events()
        return "\n".join(_printable(line) for line in told)

    def html(self) -> str:
        """A bar, what is at work, a table of steps, and while it runs the last events."""
        row, error = self._row, self.run.error
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(path)}</td><td>{_coloured(state)}</td>"
            f"<td>{'' if seconds is None else f'{seconds:.2f} s'}</td>"
            f"<td style='text-align:left'>{escape(remark)}</td></tr>"
            for path, state, seconds, remark in self.lines()
        )
        events = f"<pre>{escape(chr(10).join(self.events()))}</pre>" if self.active else ""
        return (
            f"<div><b>{escape(row.flow)}</b> run {escape(row.uid)}: {_coloured(self.state)} "
            f"<progress max='100' value='{row.progress:.1f}' aria-label='progress of the run'></progress> "
            f"{row.progress:.0f} % · {escape(' · '.join(self._summary()))}"
            + (f"<div style='color:{_COLOURS['failed']}'>{escape(error)}</div>" if error else "")
            + "<table><thead><tr><th style='text-align:left'>step</th><th>state</th><th>time</th>"
            f"<th style='text-align:left'>remark</th></tr></thead><tbody>{rows}</tbody></table>{events}</div>"
        )

    def bundle(self) -> dict[str, str]:
        """Both forms, as notebooks take them."""
        return {"text/plain": self.text(), "text/html": self.html()}

    def wait(self, seconds: float = REFRESH_S) -> None:
        """Until the run has ended, at most so long; then look."""
        live = self.run._driven()
        if live is not None:
            wait([live.ended], seconds)
        else:
            time.sleep(seconds)
        self.look()


def display_in_notebook(run: Run) -> None:
    """Show a run in IPython; in a notebook the output follows it to its end, from a thread, so that cells go on."""
    shell: Any = import_module("IPython").get_ipython()
    display: Any = import_module("IPython.display").display
    view = View(run)
    if not view.active or not hasattr(shell, "kernel"):  # a terminal cannot take back what it has shown
        display(view.bundle(), raw=True)
        return
    handle = display(view.bundle(), raw=True, display_id=True)
    threading.Thread(target=_refresh, args=(view, handle), name="workflow-display", daemon=True).start()


def _refresh(view: View, handle: Any) -> None:
    shown: dict[str, str] = {}
    while view.active:
        try:
            view.wait()
            bundle = view.bundle()
        except OmicsError as error:  # the store was closed or is gone: said where the person looks
            handle.update(
                {"text/plain": str(error), "text/html": f"<div>{escape(str(error))}</div>"}, raw=True
            )
            return
        if bundle != shown:
            handle.update(bundle, raw=True)
            shown = bundle


def _coloured(state: str) -> str:
    return f"<span style='color:{_COLOURS.get(state, 'inherit')}'>{escape(state)}</span>"


def _remark(info: StepInfo) -> str:
    told = [
        info.error or "",
        f"from run {info.source}" if info.source else "",
        f"attempt {info.attempt}" if info.attempt > 1 else "",
    ]
    return "; ".join(part for part in told if part)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {state}" for state, n in counts.items())


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(mark if mark.isprintable() else "�" for mark in text)
