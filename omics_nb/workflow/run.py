"""A run as people hold it: start it, look at it, wait for it, steer it, fork it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import FlowError, RunError, RunFailedError
from . import tables, values
from .begin import Kept, begin, flow_in
from .events import ACCEPTED, ENDS, SETTLED, Event, StepInfo, StepState, fold, moment, public, step_infos
from .executors import open_executor
from .graph import Flow
from .live import Live, Start
from .opened import Place, open_store, scheduler_here, scheduler_of
from .owners import state_of
from .past import Difference, Explanation, Past, Record, code_changes, compare, explain, step_at
from .runner import Scheduler
from .store import Store
from .tables import Change, RunRow

_POLL_S = 0.1
#: How the parts of a step's code name a package.
_PACKAGE = "package "
_ADVICE = {
    "cancelled": "run.rerun() starts a new one that shares its values",
    "paused": "run.resume() goes on",
    "interrupted": "its process is gone; run.resume() goes on",
}


def _column(name: str, convert: Callable[[Any], Any] = lambda value: value) -> Any:
    """A property of a run that its row in the store tells, None where that is empty."""

    def read(run: Run) -> Any:
        value = getattr(run._row(), name)
        return None if value is None else convert(value)

    return property(read)


class Run:
    """A run in a store. Every attribute is read from the store when it is asked for, so it is true in any process."""

    name: str = _column("name")
    flow_name: str = _column("flow")
    #: The version of the flow that it was started with.
    version: str = _column("version")
    tags: tuple[str, ...] = _column("tags", lambda text: tuple(json.loads(text)))
    #: Who started it.
    owner: str = _column("person")
    #: The run that this one was forked from.
    parent: str | None = _column("parent")
    environment: dict[str, str] = _column("environment", json.loads)
    created: datetime = _column("created", moment)
    finished: datetime | None = _column("finished", moment)
    #: Percent, 0 to 100; never goes down, 100 only once the run is done.
    progress: float = _column("progress")
    #: Why it failed, in a sentence.
    error: str | None = _column("error", lambda text: str(json.loads(text)["message"]))

    def __init__(self, store: Store, uid: str, *, flow: Flow | None = None, live: Live | None = None) -> None:
        self.store, self.id, self._flow, self._live = store, uid, flow, live

    # --- looking -----------------------------------------------------------------------------------------------------

    def _row(self) -> RunRow:
        with self.store.read() as db:
            return tables.run_row(db, self.id)

    @property
    def state(self) -> str:
        """running, pausing, paused, cancelling, cancelled, done, failed; interrupted if its process is gone."""
        scheduler = scheduler_here(self.store)
        state = state_of(self._row(), scheduler)
        # A run that ends between the two looks is no longer driven, and its row says more at the second.
        return state if state != "interrupted" else state_of(self._row(), scheduler)

    @property
    def inputs(self) -> dict[str, Any]:
        given = json.loads(self._row().inputs)
        return {name: values.decode(text, self.store.folder) for name, text in given.items()}

    @property
    def packages(self) -> dict[str, str]:
        """Versions of Python and of the installed packages that the code of its steps uses."""
        parts = [item for some in self._record().parts.values() for item in some.items()]
        return {
            name.removeprefix(_PACKAGE): told for name, told in sorted(parts) if name.startswith(_PACKAGE)
        }

    @property
    def steps(self) -> dict[str, StepInfo]:
        """Steps by path: those that have begun in their order, then those of the flow that have not."""
        _, states = self._states()
        state = self.state
        planned = [node.path for node in self._flow.nodes] if self._flow is not None else []
        return {info.path: info for info in step_infos(states, planned, state)}

    def _states(self) -> tuple[RunRow, dict[str, StepState]]:
        with self.store.read() as db:
            row = tables.run_row(db, self.id)
            return row, fold(tables.event_rows(db, row.id))

    def _record(self) -> Record:
        row, states = self._states()
        with self.store.read() as db:
            parts = tables.code_parts(db, [item.code for item in states.values() if item.code])
        return Record(json.loads(row.inputs), states, parts)

    def __getitem__(self, path: str) -> Any:
        """The value of a step. KeyError if it has none; None if it was skipped."""
        with self.store.read() as db:
            text = tables.value_at(db, tables.run_row(db, self.id).id, path)
        if text is None:
            have = [item.path for item in self._states()[1].values() if item.value is not None]
            raise KeyError(f"step {path!r} of run {self.id} has no value; have {have}")
        return values.plain(values.decode(text, self.store.folder))

    def events(self, after: int = 0) -> list[Event]:
        """What has happened since event number ``after``, in order and without gaps."""
        with self.store.read() as db:
            rows = tables.event_rows(db, tables.run_row(db, self.id).id, after=after)
        return [public(row) for row in rows]

    # --- waiting -----------------------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the run and give its value.

        RunFailedError if a step failed, RunError if the run was cancelled, or is paused or interrupted so that nobody
        will finish it, TimeoutError after ``timeout`` seconds. Interrupting the wait (Ctrl-C, the notebook's stop
        button) stops the run: its attempts are stopped and it can be resumed.
        """
        try:
            self._wait(timeout)
        except KeyboardInterrupt:
            self._ask("interrupt")
            raise
        return self._result()

    def _wait(self, timeout: float | None) -> None:
        late = TimeoutError(f"run {self.id} has not ended after {timeout} s")
        live = self._driven()
        if live is not None:
            if threading.current_thread().name == "workflow-scheduler":
                raise RunError("an inline or async step cannot wait for a run; make it a thread step")
            try:
                live.ended.result(timeout)
            except TimeoutError:
                raise late from None
            return
        limit = time.monotonic() + (threading.TIMEOUT_MAX if timeout is None else timeout)
        while self.state in tables.ACTIVE:
            if time.monotonic() > limit:
                raise late
            time.sleep(_POLL_S)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        import asyncio

        from .interrupts import Interrupts

        live = self._driven()
        with Interrupts() as interrupts:
            try:
                if live is not None:
                    # Only looked at: a caller that no longer waits does not stop the run.
                    ended: asyncio.Future[Any] = asyncio.wrap_future(live.ended)
                    await asyncio.wait([ended, interrupts.first], return_when=asyncio.FIRST_COMPLETED)
                else:
                    while self.state in tables.ACTIVE and not interrupts.first.done():
                        await asyncio.wait([interrupts.first], timeout=_POLL_S)
            finally:
                stops = interrupts.came and self.state in tables.ACTIVE
                if stops:
                    self._ask("interrupt")
            if stops:
                # No KeyboardInterrupt, which would end the loop itself where a task waits.
                raise RunError(f"run {self.id} was interrupted and stops; run.resume() goes on", run=self.id)
        if live is not None:
            live.ended.result()
        return await asyncio.to_thread(self._result)

    def _driven(self) -> Live | None:
        """This run in the scheduler of this process, if it is driven here or was by this very object."""
        scheduler = scheduler_here(self.store)
        live = scheduler.lives.get(self.id) if scheduler is not None else None
        self._live = live or self._live
        return self._live

    def _result(self) -> Any:
        row, state = self._row(), self.state
        if state == "done":
            return self[row.output]
        if state == "failed":
            told = json.loads(row.error or "{}")
            raise RunFailedError(
                f"{told.get('message')} (run {self.id}; mend it, then run.resume())",
                run=self.id,
                step=told.get("step"),
            ) from (self._live.exception if self._live is not None else None)
        advice = _ADVICE.get(state, "wait for it")
        raise RunError(f"run {self.id} is {state}; {advice}", run=self.id, state=state)

    # --- steering ----------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop for good: nothing new starts, what is at work is stopped where it can be and its result refused."""
        self._ask("cancel")

    def pause(self) -> None:
        """Start nothing new; what is at work finishes and is kept. ``resume()`` goes on, in any process."""
        self._ask("pause")

    def _ask(self, wanted: str) -> None:
        scheduler = scheduler_here(self.store)
        if scheduler is not None and scheduler.call(scheduler.ask, self.id, wanted):
            return
        state = self.state
        if state in tables.ENDED:
            raise RunError(f"run {self.id} is {state} already", run=self.id, state=state)
        with self.store.write(synced=True) as db:
            if state in tables.ACTIVE:
                tables.ask(db, tables.run_row(db, self.id).id, "cancel" if wanted == "cancel" else "pause")
            elif wanted == "cancel":  # else it is paused or interrupted: nothing is at work
                self._end_cancelled(db, scheduler)

    def _end_cancelled(self, db: tables.Connection, scheduler: Scheduler | None) -> None:
        def refuse_owned(row: RunRow) -> None:
            state = state_of(row, scheduler)
            if state in (*tables.ACTIVE, *tables.ENDED):
                raise RunError(f"run {row.uid} is {state}", run=row.uid)

        row = tables.claim(db, self.id, None, may_claim=refuse_owned, lock=self.store.row_lock)
        seq = tables.last_seq(db, row.id)
        told = [
            tables.event(row.id, seq + at, kind) for at, kind in enumerate(("cancelling", "cancelled"), 1)
        ]
        ended = ("cancelled", row.progress, None, None, time.time())
        tables.apply(db, Change(row.id, row.epoch, told, ended))

    def resume(self, *, flow: Flow | None = None, executor: Any = None, keep_changed: bool = False) -> Run:
        """Go on with a paused, failed or interrupted run; finished steps are not run again.

        RunError if it is at work or has ended, or if the code of a finished step has changed since: its value would
        be stale. ``rerun()`` makes a new run with the new code, ``keep_changed=True`` keeps the old values.
        """
        flow = self._find_flow(flow)
        if not keep_changed:
            self._refuse_changed(flow)
        scheduler = scheduler_of(self.store)
        self._live = scheduler.call(scheduler.resume, self.id, flow, Start(executor=open_executor(executor)))
        self.store.flush()
        return self

    def _find_flow(self, flow: Flow | None = None) -> Flow:
        row = self._row()
        found = flow or self._flow or flow_in(row.module, row.flow)
        if found is None:
            raise FlowError(
                f"flow {row.flow!r} of run {self.id} is not found in module {row.module!r}; give it: flow=…",
                run=self.id,
            )
        self._flow = found
        return found

    def _refuse_changed(self, flow: Flow) -> None:
        record = self._record()
        for path, known in record.states.items():
            step = step_at(flow, path) if known.state in ACCEPTED else None
            why = code_changes(step, known, record) if step is not None else []
            if why:
                raise RunError(
                    f"step {path!r} of run {self.id} finished with other code ({', '.join(why)}); rerun() makes a "
                    "new run that shares what is unchanged, resume(keep_changed=True) keeps the old value",
                    run=self.id,
                    step=path,
                )

    def rerun(
        self,
        *,
        from_step: str | None = None,
        with_: Mapping[str, object] | None = None,
        flow: Flow | None = None,
        name: str | None = None,
        executor: Any = None,
    ) -> Run:
        """A new run of the same flow that shares every value whose code and inputs are the same.

        ``with_`` replaces inputs. ``from_step`` is computed anew even if nothing changed; what follows it, where its
        value differs.
        """
        flow = self._find_flow(flow)
        row, states = self._states()
        paths = {node.path for node in flow.nodes} | set(flow.by_name)
        if from_step is not None and from_step not in paths:
            raise FlowError(
                f"flow {flow.name!r} has no step {from_step!r}; it has {', '.join(sorted(paths))}"
            )
        kept = {key: Kept(text) for key, text in json.loads(row.inputs).items() if key in flow.inputs}
        shared = {path: item for path, item in states.items() if item.state in SETTLED}
        started, live = begin(
            flow,
            {**kept, **(with_ or {})},
            self.store,
            Start(shared, from_step, open_executor(executor)),
            name=name or row.name,
            tags=row.tags,
            parent=row.uid,
        )
        return Run(self.store, started, flow=flow, live=live)

    # --- comparing ---------------------------------------------------------------------------------------------------

    def at(self, *, step: str | None = None, event: int | None = None) -> Past:
        """The run as it was right after a step ended, or after event number ``event``."""
        if (step is None) == (event is None):
            raise FlowError(
                "at() takes a step or the number of an event: run.at(step='hits'), run.at(event=12)"
            )
        with self.store.read() as db:
            row = tables.run_row(db, self.id)
            if step is not None:
                ends = [seq for seq, _, kind, *_ in tables.event_rows(db, row.id, step=step) if kind in ENDS]
                if not ends:
                    raise FlowError(f"step {step!r} of run {row.uid} has not ended", run=row.uid, step=step)
                event = ends[-1]
            last = tables.last_seq(db, row.id)
            if event is None or not 0 < event <= last:
                raise FlowError(f"run {row.uid} has no event {event}; it has {last}", run=row.uid)
            return Past(self.store, row, event, tables.moment(db, row.id, event))

    def explain(self, step: str, *, flow: Flow | None = None) -> Explanation:
        """Why a step would run or be reused if this run were done again now: "function `norm` changed"."""
        return explain(self._find_flow(flow), step, self._record())

    def diff(self, other: Run) -> Difference:
        """What differs between this run and another: inputs, values, states, code."""
        return compare(self._record(), other._record())

    # --- showing -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        row = self._row()
        return f"Run({row.uid}, {row.flow}, {self.state}, {row.progress:.0f}%)"

    def _repr_html_(self) -> str:
        from .show import View

        return View(self).html()

    def _ipython_display_(self) -> None:
        from .show import display_in_notebook

        display_in_notebook(self)


def start(
    flow: Flow,
    inputs: Mapping[str, object] | None = None,
    *,
    store: Place,
    name: str | None = None,
    key: str | None = None,
    tags: Sequence[str] = (),
    owner: str | None = None,
    parent: str | None = None,
    executor: Any = None,
) -> Run:
    """Begin a run and return at once; when this returns the run is on disk.

    key
        A start with the key of an earlier run gives that run and begins nothing; FlowError if its flow or inputs
        are others.
    executor
        Where thread and process steps run instead: a ``concurrent.futures.Executor``, a dask ``Client``, ``"dask"`` or
        ``"dask:tcp://host:port"``. Inline and async steps stay here.

    FlowError for inputs that are missing, unknown or cannot be kept; StoreError at once for a store that cannot be
    used.
    """
    begun = Start(executor=open_executor(executor))
    told = {"key": key, "tags": json.dumps(list(tags)), "person": owner, "parent": parent}
    opened = open_store(store)
    uid, live = begin(flow, inputs or {}, opened, begun, name=name or flow.name, **told)
    return Run(opened, uid, flow=flow, live=live)


def open_run(store: Place, run_id: str, *, flow: Flow | None = None) -> Run:
    """The run with this id, or with an id that begins so. RunNotFoundError."""
    opened = open_store(store)
    with opened.read() as db:
        row = tables.run_row(db, run_id)
    return Run(opened, row.uid, flow=flow or flow_in(row.module, row.flow, load=False))


def list_runs(
    store: Place,
    *,
    flow: str | None = None,
    state: str | None = None,
    tag: str | None = None,
    limit: int = 100,
) -> list[Run]:
    """Runs, newest first."""
    opened = open_store(store)
    asked: tuple[str, ...] = () if state is None else (state,)
    if state in ("interrupted", "cancelled", *tables.ACTIVE):
        asked = (*tables.ACTIVE, state)
    with opened.read() as db:
        rows = tables.run_rows(db, flow=flow, states=asked, tag=tag, limit=limit)
    scheduler = scheduler_here(opened)
    return [Run(opened, row.uid) for row in rows if state is None or state_of(row, scheduler) == state]
