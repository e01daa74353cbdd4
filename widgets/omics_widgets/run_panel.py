"""A run as a panel: how far it is, what it says, its steps as a graph, and what can be done with it.

The panel only follows: it reads the store, so that it finds a run again by its id, whichever process drives it. A run
that it starts gets a process of its own and outlives the page.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Bool, Dict, Int, List, Unicode

from omics_nb import detached, flows
from omics_nb.errors import OmicsError
from omics_nb.workflow import Event, Flow, Run
from omics_nb.workflow.show import View
from omics_nb.workflow.tables import ACTIVE

from .parts import PALETTE
from .trouble import error_card

FOLLOW_S = 0.1  # at most ten updates a second; the seconds that pass are a heartbeat
MOST_LINES = 400
_ASKED = {"cancel": "cancelling", "pause": "pausing"}
_HERE = Path(__file__)
_KEPT: set[asyncio.Future[Any]] = set()


class RunPanel(AnyWidget):
    """Follows a run of the store. ``run_id`` and ``state`` say which and how it is; ``await panel.ended()`` waits.

    ``on_end`` is called with the run when it comes to its end, and when the panel is opened on one that has ended; what
    it awaits belongs to the following, so that ``ended()`` waits for it too.
    """

    _esm = _HERE.with_name("run_panel.js")
    _css = PALETTE + _HERE.with_name("run_panel.css").read_text(encoding="utf-8")
    run_id = Unicode("").tag(sync=True)
    state = Unicode("").tag(sync=True)
    shown = Dict().tag(sync=True)
    graph = Dict().tag(sync=True)
    lines = List(Unicode()).tag(sync=True)
    first_line = Int(0).tag(sync=True)
    trouble = Unicode("").tag(sync=True)
    remembered = Bool(False).tag(sync=True)
    brief = Bool(False).tag(sync=True)

    def __init__(
        self,
        run: Run | str | None = None,
        *,
        on_end: Callable[[Run], object] | None = None,
        remember: bool = False,
        brief: bool = False,
    ) -> None:
        """``remember`` puts the run's id into the page's address, for a reload; ``brief`` folds the details."""
        super().__init__(remembered=remember, brief=brief)
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._following: asyncio.Future[None] | None = None
        self.on_msg(self._on_message)
        if run is not None:
            self.follow(run)

    # --- which run ---------------------------------------------------------------------------------------------------

    def follow(self, run: Run | str) -> None:
        """Follow this run from its first event on. RunNotFoundError for an id that the store does not have."""
        self.run = flows.get_run(run) if isinstance(run, str) else run
        if self._following is not None:
            self._following.cancel()
        self._asked, self.trouble = "", ""
        with self.hold_sync():
            self.run_id, self.lines, self.first_line = self.run.id, [], 0
            self.graph = _graph(self.run)
        self._following = self._keep(self._follow(self.run))

    def leave(self) -> None:
        """Follow no run any more, and show nothing; the run itself goes on."""
        if self._following is not None:
            self._following.cancel()
            self._following = None
        with self.hold_sync():
            self.run_id = self.state = self.trouble = ""
            self.shown, self.lines, self.first_line = {}, [], 0

    def start(self, flow: str | Flow, **inputs: Any) -> None:
        """Start a flow in a process of its own and follow it; for callbacks too. Errors become a card."""
        self._begin("Starting", lambda: begin(flow, inputs))

    async def ended(self) -> Run:
        """The run, once it is neither running nor about to change its state by itself."""
        while self._following is not None and not self._following.done():
            await asyncio.wait({self._following})
        return self.run

    def _begin(self, doing: str, make: Callable[[], Run]) -> None:
        """Show the run that ``make()`` gives, found in a thread; safe from any thread."""

        async def begin() -> None:
            self.trouble, self.state, self.lines = "", "starting", []
            self.shown = {"summary": "A process is started for the run …", "steps": []}
            try:
                self.follow(await asyncio.to_thread(make))
            except Exception as error:
                self.state, self.shown = "", {}
                self.trouble = error_card(error, doing)

        self._post(begin)

    def _post(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._loop.call_soon_threadsafe(lambda: self._keep(work()))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        _KEPT.add(task)
        task.add_done_callback(_KEPT.discard)
        return task

    # --- following ---------------------------------------------------------------------------------------------------

    async def _follow(self, run: Run) -> None:
        try:
            look = await asyncio.to_thread(_Look, run)
            while True:
                self._show(look)
                if not look.view.active:
                    break
                await asyncio.sleep(FOLLOW_S)
                await asyncio.to_thread(look.again)
            told = None if self._on_end is None else self._on_end(run)
            if inspect.isawaitable(told):
                await told
        except Exception as error:  # the store is gone, or what is done with the result fails: said, not lost
            self.trouble = error_card(error, f"Following run {run.id}")

    def _show(self, look: _Look) -> None:
        view = look.view
        state = view.state
        if state not in ACTIVE or state == self._asked:
            self._asked = ""
        with self.hold_sync():
            self.state = self._asked or state
            self.shown = _shown(view, self.state)
            if look.new:
                told = [*self.lines, *map(log_line, look.new)]
                self.first_line += max(0, len(told) - MOST_LINES)
                self.lines = told[-MOST_LINES:]

    # --- steering ----------------------------------------------------------------------------------------------------

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        wanted = content.get("do")
        if wanted in ("cancel", "pause"):
            self._post(lambda: self._ask(str(wanted)))
        elif wanted == "resume":
            self._begin("Resuming", lambda: resume(self.run))
        elif wanted == "rerun":
            step = content.get("from") or None
            self._begin("Running again", lambda: rerun(self.run, from_step=step))

    async def _ask(self, wanted: str) -> None:
        self.trouble = ""
        self._asked = self.state = _ASKED[wanted]
        self.shown = {**self.shown, "can": []}
        try:
            await asyncio.to_thread(getattr(self.run, wanted))
        except OmicsError as error:
            self._asked = ""
            self.trouble = error_card(error, wanted.capitalize())
        if self._following is None or self._following.done():  # it was paused, and nobody looked any more
            self._following = self._keep(self._follow(self.run))

    def __repr__(self) -> str:
        return f"RunPanel({self.run.flow_name})" if self.run_id else "RunPanel()"


class _Look:
    """A run at the last look, and the events that are new since the one before. Reads the store, so not on the loop."""

    def __init__(self, run: Run) -> None:
        self.view, self.seen = View(run), 0
        self.new: list[Event] = []
        self._read()

    def again(self) -> None:
        self.view.look()
        self._read()

    def _read(self) -> None:
        self.new = self.view.run.events(self.seen)
        self.seen = self.new[-1].seq if self.new else self.seen


def begin(flow: str | Flow, inputs: dict[str, Any]) -> Run:
    """Start in a process of its own; here, if the flow was made here and no other process could find it."""
    if isinstance(flow, str) or detached.can_import(flow):
        return detached.start(flow, **inputs)
    return flows.start(flow, **inputs)


def resume(run: Run) -> Run:
    return detached.resume(run) if _elsewhere(run) else run.resume()


def rerun(run: Run, *, from_step: str | None = None) -> Run:
    return detached.rerun(run, from_step=from_step) if _elsewhere(run) else run.rerun(from_step=from_step)


def _elsewhere(run: Run) -> bool:
    return run._flow is None or detached.can_import(run._flow)


# --- what is shown ---------------------------------------------------------------------------------------------------


def _shown(view: View, state: str) -> dict[str, Any]:
    parts = [_clock(view.elapsed_s)]
    if view.left_s is not None:
        parts.append(f"about {_clock(view.left_s)} left")
    return {
        "flow": view.run.name,
        "progress": round(view.progress, 1),
        "time": " · ".join(parts),
        "doing": view.doing,
        "steps": [
            {"path": line.path, "state": line.state, "time": _took(line.seconds), "remark": line.remark}
            for line in view.lines()
        ],
        "error": view.run.error or "",
        "can": _can(state),
    }


def _can(state: str) -> list[str]:
    """What can be done with a run in this state."""
    if state == "running":
        return ["cancel", "pause"]
    if state in ("paused", "interrupted"):
        return ["resume", "cancel"]
    if state == "failed":
        return ["resume", "rerun"]
    return ["rerun"] if state in ("done", "cancelled") else ["cancel"] if state == "pausing" else []


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def log_line(event: Event) -> str:
    """An event as a line of a log: time of day (UTC), what happened to which step, and what it says."""
    data = event.data
    said = data.get("message") or (f"from run {data['run']}" if "run" in data else "")
    told = ": ".join(filter(None, [data.get("type", ""), said]))
    return "  ".join(filter(None, [f"{event.at:%H:%M:%S}", event.kind, event.step or "", told]))


def _graph(run: Run) -> dict[str, Any]:
    """Steps with their layer and their place in it, and which waits for which; empty where the flow is not known."""
    nodes = () if run._flow is None else tuple(run._flow.nodes)
    layers: list[int] = []
    edges: list[tuple[int, int]] = []
    for at, node in enumerate(nodes):
        before = sorted({place for _, place in node.binds if isinstance(place, int)})
        layers.append(1 + max((layers[place] for place in before), default=-1))
        edges += [(place, at) for place in before]
    rows: dict[int, int] = {}
    placed: list[dict[str, Any]] = []
    for node, layer in zip(nodes, layers, strict=True):
        placed.append({"path": node.path, "layer": layer, "row": rows.setdefault(layer, 0)})
        rows[layer] += 1
    return {"nodes": placed, "edges": _without_detours(edges, len(nodes))}


def _without_detours(edges: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    """Edges without those that a longer way says as well, so that the graph can be read."""
    after: dict[int, set[int]] = {at: set() for at in range(n)}
    for start, end in edges:
        after[start].add(end)
    reach: dict[int, set[int]] = {}
    for at in reversed(range(n)):
        reach[at] = set().union(*({end} | reach[end] for end in after[at]), set())
    return [
        (start, end)
        for start, end in edges
        if not any(end in reach[other] for other in after[start] if other != end)
    ]
