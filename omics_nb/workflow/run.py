"""A run as people hold it: start it, look at it, wait for it, steer it, fork it."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import FlowError, RunError, RunFailedError
from . import store as tables
from . import values
from .codehash import Fingerprint, changes, fingerprint
from .events import ACCEPTED, ENDS, SETTLED, Event, StepState, fold, public
from .graph import Flow, Step
from .live import Live
from .opened import Place, open_store, scheduler_here, scheduler_of
from .past import Difference, Explanation, Past, compare, explain, step_at
from .processes import check_picklable
from .runner import Scheduler, StartOptions, state_of
from .store import Change, RunRow, Store

_POLL_S = 0.1


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


class Run:
    """A run in a store. Every attribute is read from the store when it is asked for, so it is true in any process."""

    def __init__(self, store: Store, uid: str, *, flow: Flow | None = None) -> None:
        self.store, self.id, self._flow = store, uid, flow
        self._live: Live | None = None

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
    def name(self) -> str:
        return self._row().name

    @property
    def flow_name(self) -> str:
        return self._row().flow

    @property
    def progress(self) -> float:
        """Percent, 0 to 100; never goes down, 100 only once the run is done."""
        return self._row().progress

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(json.loads(self._row().tags))

    @property
    def owner(self) -> str:
        """Who started it."""
        return self._row().person

    @property
    def parent(self) -> str | None:
        """The run that this one was forked from."""
        return self._row().parent

    @property
    def version(self) -> str:
        """The version of the flow that it was started with."""
        return self._row().version

    @property
    def environment(self) -> dict[str, str]:
        return dict(json.loads(self._row().environment))

    @property
    def created(self) -> datetime:
        return _moment(self._row().created)

    @property
    def finished(self) -> datetime | None:
        finished = self._row().finished
        return None if finished is None else _moment(finished)

    @property
    def error(self) -> str | None:
        """Why it failed, in a sentence."""
        error = self._row().error
        return None if error is None else str(json.loads(error)["message"])

    @property
    def inputs(self) -> dict[str, Any]:
        given = json.loads(self._row().inputs)
        return {name: values.decode(text, self.store.folder) for name, text in given.items()}

    @property
    def steps(self) -> dict[str, StepInfo]:
        """Steps by path: those that have begun in their order, then those of the flow that have not."""
        _, states = self._states()
        state = self.state
        found = {path: _step_info(item, state) for path, item in states.items()}
        for node in self._flow.nodes if self._flow is not None else ():
            found.setdefault(node.path, StepInfo(node.path, "waiting", 0, None, None, None, None))
        return found

    def _states(self, until: int | None = None) -> tuple[RunRow, dict[str, StepState]]:
        with self.store.read() as db:
            row = tables.run_row(db, self.id)
            return row, fold(tables.event_rows(db, row.id, until=until))

    def __getitem__(self, path: str) -> Any:
        """The value of a step. KeyError if it has none; None if it was skipped."""
        with self.store.read() as db:
            number = tables.run_row(db, self.id).id
            found = fold(tables.event_rows(db, number, step=path)).get(path)
        if found is None or found.value is None:
            have = [item.path for item in self._states()[1].values() if item.value is not None]
            raise KeyError(f"step {path!r} of run {self.id} has no value; have {have}")
        return _plain(values.decode(found.value, self.store.folder))

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
        live = self._driven()
        if live is not None:
            if threading.current_thread().name == "workflow-scheduler":
                raise RunError("an inline or async step cannot wait for a run; make it a thread step")
            try:
                live.ended.result(timeout)
            except FutureTimeoutError:
                raise TimeoutError(f"run {self.id} has not ended after {timeout} s") from None
            return
        limit = None if timeout is None else time.monotonic() + timeout
        while self.state in tables.ACTIVE:
            if limit is not None and time.monotonic() > limit:
                raise TimeoutError(f"run {self.id} has not ended after {timeout} s")
            time.sleep(_POLL_S)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        import asyncio

        live = self._driven()
        if live is not None:
            # Shielded: a caller that no longer waits does not stop the run.
            await asyncio.shield(asyncio.wrap_future(live.ended))
        else:
            while self.state in tables.ACTIVE:
                await asyncio.sleep(_POLL_S)
        return await asyncio.to_thread(self._result)

    def _last_seq(self) -> int:
        with self.store.read() as db:
            return tables.last_seq(db, tables.run_row(db, self.id).id)

    def _driven(self) -> Live | None:
        """This run in the scheduler of this process, if it is driven here or was by this very object."""
        scheduler = scheduler_here(self.store)
        live = scheduler.lives.get(self.id) if scheduler is not None else None
        self._live = live or self._live
        return self._live

    def _result(self) -> Any:
        row = self._row()
        state = self.state
        if state == "done":
            return self[row.output]
        if state == "failed":
            told = json.loads(row.error or "{}")
            cause = self._live.exception if self._live is not None else None
            raise RunFailedError(
                f"{told.get('message')} (run {self.id}; mend it, then run.resume())",
                run=self.id,
                step=told.get("step"),
            ) from cause
        advice = {
            "cancelled": "run.rerun() starts a new one that shares its values",
            "paused": "run.resume() goes on",
            "interrupted": "its process is gone; run.resume() goes on",
        }
        raise RunError(
            f"run {self.id} is {state}; {advice.get(state, 'wait for it')}", run=self.id, state=state
        )

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
        if state in tables.ACTIVE:
            with self.store.write(synced=True) as db:
                tables.ask(db, tables.run_row(db, self.id).id, "cancel" if wanted == "cancel" else "pause")
            return
        if wanted != "cancel":
            return  # paused or interrupted: nothing is at work
        with self.store.write(synced=True) as db:
            refuse = partial(_refuse_owned, scheduler)
            row = tables.claim(db, self.id, None, may_claim=refuse, lock=self.store.row_lock)
            seq = tables.last_seq(db, row.id)
            rows = [
                tables.event(row.id, seq + at, kind) for at, kind in ((1, "cancelling"), (2, "cancelled"))
            ]
            ended = ("cancelled", row.progress, None, None, time.time())
            tables.apply(db, Change(row.id, row.epoch, rows, ended, {}, {}))

    def resume(self, *, flow: Flow | None = None, executor: Any = None, keep_changed: bool = False) -> Run:
        """Go on with a paused, failed or interrupted run; finished steps are not run again.

        RunError if it is at work or has ended, or if the code of a finished step has changed since: its value would
        be stale. ``rerun()`` makes a new run with the new code, ``keep_changed=True`` keeps the old values.
        """
        flow = self._find_flow(flow)
        if not keep_changed:
            self._refuse_changed(flow)
        scheduler = scheduler_of(self.store)
        options = StartOptions(executor=open_executor(executor))
        self._live = scheduler.call(scheduler.resume, self.id, flow, options)
        return self

    def _find_flow(self, flow: Flow | None = None) -> Flow:
        row = self._row()
        found = flow or self._flow or _flow_in(row.module, row.flow)
        if found is None:
            raise FlowError(
                f"flow {row.flow!r} of run {self.id} is not found in module {row.module!r}; give it: flow=…",
                run=self.id,
            )
        self._flow = found
        return found

    def _refuse_changed(self, flow: Flow) -> None:
        now = _fingerprinter()
        _, states = self._states()
        rows = [item for item in states.values() if item.state in ACCEPTED and item.code]
        old = self._parts(states)
        for item in rows:
            step = _step_in(flow, item.path)
            if step is not None and item.code is not None and now(step).digest != item.code:
                why = ", ".join(changes(old.get(item.code, {}), now(step).parts)) or "its code changed"
                raise RunError(
                    f"step {item.path!r} of run {self.id} finished with other code ({why}); rerun() makes a new run "
                    "that shares what is unchanged, resume(keep_changed=True) keeps the old value",
                    run=self.id,
                    step=item.path,
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
        row = self._row()
        paths = {node.path for node in flow.nodes} | {step.name for step in flow.steps}
        if from_step is not None and from_step not in paths:
            raise FlowError(
                f"flow {flow.name!r} has no step {from_step!r}; it has {', '.join(sorted(paths))}"
            )
        given = json.loads(row.inputs)

        def shared(db: tables.Connection) -> Mapping[str, StepState]:
            states = fold(tables.event_rows(db, row.id))
            return {path: item for path, item in states.items() if item.state in SETTLED}

        forced = frozenset() if from_step is None else frozenset([from_step])
        return _start(
            flow,
            {**{key: _Kept(text) for key, text in given.items() if key in flow.inputs}, **(with_ or {})},
            self.store,
            row={
                "name": name or row.name,
                "tags": row.tags,
                "parent": row.uid,
                "parent_seq": self._last_seq(),
            },
            options=StartOptions(shared, forced, open_executor(executor)),
        )

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
            rows = tables.event_rows(db, row.id, until=event)
        if not rows or rows[-1][0] != event:
            raise FlowError(f"run {row.uid} has no event {event}; it has {len(rows)}", run=row.uid)
        return Past(row.uid, rows, self.store.folder)

    def explain(self, step: str, *, flow: Flow | None = None) -> Explanation:
        """Why a step would run or be reused if this run were done again now: "function `norm` changed"."""
        flow = self._find_flow(flow)
        row, states = self._states()
        return explain(flow, step, states, json.loads(row.inputs), _fingerprinter(), self._parts(states))

    def diff(self, other: Run) -> Difference:
        """What differs between this run and another: inputs, values, states, code."""
        (mine, states), (its, others) = self._states(), other._states()
        inputs = (json.loads(mine.inputs), json.loads(its.inputs))
        return compare(inputs, (states, others), {**self._parts(states), **other._parts(others)})

    def _parts(self, states: Mapping[str, StepState]) -> dict[bytes, dict[str, str]]:
        with self.store.read() as db:
            return tables.code_parts(db, [item.code for item in states.values() if item.code])

    # --- showing -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        row = self._row()
        return f"Run({row.uid}, {row.flow}, {self.state}, {row.progress:.0f}%)"

    def _repr_html_(self) -> str:
        from .show import run_html

        return run_html(self)


class _Kept(NamedTuple):
    """An input that is text in the store already."""

    text: str


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
    row = {
        "name": name or flow.name,
        "key": key,
        "tags": json.dumps(list(tags)),
        "person": owner,
        "parent": parent,
    }
    return _start(
        flow, inputs or {}, open_store(store), row=row, options=StartOptions(executor=open_executor(executor))
    )


def _start(
    flow: Flow, inputs: Mapping[str, object], store: Store, *, row: Mapping[str, Any], options: StartOptions
) -> Run:
    flow.check_inputs(inputs)
    for node in flow.nodes:
        if node.step.options.isolation == "process":
            check_picklable(node.step)
    given, files = _keep_inputs(inputs, store)
    full = {
        "uid": uuid.uuid4().hex[:12],
        "flow": flow.name,
        "version": flow.version,
        "module": flow.module,
        "key": None,
        "environment": json.dumps(_environment()),
        "inputs": json.dumps(given),
        "output": flow.nodes[flow.place].path,
        "progress": 0.0,
        "epoch": 1,
        "created": time.time(),
        **row,
        "person": row.get("person") or _person(),
    }
    scheduler = scheduler_of(store)
    started, live = scheduler.call(scheduler.start, full, flow, files, options)
    if started.uid != full["uid"] and (started.flow, json.loads(started.inputs)) != (flow.name, given):
        raise FlowError(
            f"the key {started.key!r} is that of run {started.uid}, which has another flow or other inputs",
            run=started.uid,
        )
    run = Run(store, started.uid, flow=flow)
    run._live = live
    return run


def _keep_inputs(inputs: Mapping[str, object], store: Store) -> tuple[dict[str, str], dict[str, int]]:
    given: dict[str, str] = {}
    files: dict[str, int] = {}
    for name, value in inputs.items():
        if isinstance(value, _Kept):
            given[name] = value.text
            continue
        try:
            encoded = values.encode(value, store.folder)
        except FlowError as error:
            raise FlowError(f"input {name!r}: {error}", input=name) from error
        given[name] = encoded.text
        files.update(encoded.files)
    return given, files


def open_run(store: Place, run_id: str, *, flow: Flow | None = None) -> Run:
    """The run with this id, or with an id that begins so. RunNotFoundError."""
    opened = open_store(store)
    with opened.read() as db:
        uid = tables.run_row(db, run_id).uid
    run = Run(opened, uid, flow=flow)
    if flow is None:
        with contextlib.suppress(ImportError):
            row = run._row()
            run._flow = _flow_in(row.module, row.flow, load=False)
    return run


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


def open_executor(place: Any) -> Any:
    """An executor from what ``start(executor=…)`` takes."""
    if isinstance(place, str) or hasattr(place, "get_executor"):  # a dask Client has this method
        from .dask import DaskExecutor, open_dask

        return open_dask(place) if isinstance(place, str) else DaskExecutor(place)
    return place


def _flow_in(module: str, name: str, *, load: bool = True) -> Flow | None:
    """The flow of this name in a module, which is loaded if need be."""
    if load and module not in sys.modules:
        with contextlib.suppress(ImportError):
            import_module(module)
    found = (value for value in vars(sys.modules.get(module, object)).values() if isinstance(value, Flow))
    return next((flow for flow in found if flow.name == name), None)


def _fingerprinter() -> Callable[[Step], Fingerprint]:
    made: dict[int, Fingerprint] = {}

    def of(step: Step) -> Fingerprint:
        if id(step) not in made:
            more = () if step.options.when is None else (step.options.when,)
            made[id(step)] = fingerprint(step.function, *more)
        return made[id(step)]

    return of


def _step_in(flow: Flow, path: str) -> Step | None:
    """The step of a flow that a path of a run belongs to: ``qc[S1]/norm`` is the step ``norm`` of the flow ``qc``."""
    head, _, rest = path.partition("/")
    found = flow.by_name.get(head.partition("[")[0])
    return None if found is None else step_at(found, rest)


def _refuse_owned(scheduler: Scheduler | None, row: RunRow) -> None:
    state = state_of(row, scheduler)
    if state in (*tables.ACTIVE, *tables.ENDED):
        raise RunError(f"run {row.uid} is {state}", run=row.uid)


def _step_info(step: StepState, run_state: str) -> StepInfo:
    # A step that was at work when its run was cut off is at work no more.
    cut = step.state == "running" and run_state in ("interrupted", *tables.ENDED)
    facts = step.facts
    return StepInfo(
        step.path,
        "cancelled" if cut else step.state,
        step.attempt,
        None if step.began is None else _moment(step.began),
        None if step.ended is None else _moment(step.ended),
        facts.get("run"),
        f"{facts['type']}: {facts['message']}" if "type" in facts else None,
    )


def _plain(value: Any) -> Any:
    return None if value is values.SKIPPED else value


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _environment() -> dict[str, str]:
    return {"python": platform.python_version(), "platform": platform.platform(terse=True)}
