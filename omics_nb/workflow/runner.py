"""The scheduler: one thread with its own loop that owns the store's writing connection and drives every run.

It never runs on the caller's loop, so a notebook stays usable. Each turn of it takes what steps came to, decides what
is ready, writes all of that in one transaction, and only then starts what the transaction names: a step begins after
its inputs are safe. Steps that are ready at once share a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..errors import IntegrityError, RunError, StoreError
from . import store as tables
from . import values
from .codehash import is_fresh
from .context import Context
from .events import SETTLED, StepState, fold
from .executors import Job, Outcome, Threads, perform, perform_async, perform_far
from .graph import Flow
from .live import Live, Task
from .processes import Child
from .store import Change, Fenced, RunRow, Store
from .values import SKIPPED_TEXT

LEASE_S = 30.0
_POLL_S = 0.5
#: Inline steps run this long before their results are committed and others have their turn.
_TURN_S = 0.02
_T = TypeVar("_T")


class StartOptions(NamedTuple):
    """How a run begins: values of an earlier run to share, steps to compute anew, where steps run."""

    shared: Callable[[tables.Connection], Mapping[str, StepState]] | None = None
    forced: frozenset[str] = frozenset()
    executor: Any = None


class Scheduler:
    """Drives the runs of one store in this process."""

    def __init__(self, store: Store, *, lease_s: float | None = None) -> None:
        self.store, self.lease_s = store, lease_s or LEASE_S
        self.id = uuid.uuid4().hex
        self.host, self.pid = host_id(), os.getpid()
        self.lives: dict[str, Live] = {}
        self._uids: dict[int, str] = {}
        self._codes: set[bytes] = set()
        self._done: deque[tuple[Live, Task, Context, Outcome]] = deque()
        self._inline: deque[tuple[Live, Task, Job]] = deque()
        self._launching: list[tuple[Live, Task, Job]] = []
        self._awake = False
        self._closed = False
        self._renewed = 0.0
        self._abandoned: list[tuple[int, int]] = []
        self._looking = False
        self.threads = Threads(max(32, (os.cpu_count() or 2) * 4))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="workflow-scheduler", daemon=True)
        self._thread.start()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run ``function`` on the scheduler's thread and give what it gives."""
        if threading.current_thread() is self._thread:
            return function(*args)
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

        if self._closed:
            raise RunError("the store was closed; open the run again")
        self._loop.call_soon_threadsafe(run)
        return future.result()

    def wake(self) -> None:
        """Have a turn soon; from any thread."""
        if not self._awake:
            self._awake = True
            with contextlib.suppress(RuntimeError):  # closed: nobody is left to wake
                self._loop.call_soon_threadsafe(self._turn)

    def deliver(self, live: Live, task: Task, context: Context, outcome: Outcome) -> None:
        """Hand in what an attempt came to; from any thread."""
        self._done.append((live, task, context, outcome))
        self.wake()

    def close(self) -> None:
        """Let go of every run, so that another process can take them at once, and end the thread."""
        if self._closed:
            return
        with contextlib.suppress(StoreError):  # the lease ends by itself
            self.call(self._let_go)
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self.threads.close()
        self.store.close()

    def _let_go(self) -> None:
        for live in list(self.lives.values()):
            self._stop_attempts(live)
            self._drop(live, "interrupted")
        with self.store.write() as db:
            tables.renew(db, self.id, self.host, self.pid, 0.0)

    # --- runs --------------------------------------------------------------------------------------------------------

    def start(
        self, row: Mapping[str, Any], flow: Flow, files: Mapping[str, int], options: StartOptions
    ) -> tuple[RunRow, Live | None]:
        """Record a run and begin it; if its key is known, give the run that has it."""
        self.store.check()
        with self.store.write(synced=True) as db:
            tables.renew(db, self.id, self.host, self.pid, time.time() + self.lease_s)
            if row["key"] is not None:
                self.store.guard(db, str(row["key"]))
                known = tables.run_by_key(db, str(row["key"]))
                if known is not None:
                    return known, self.lives.get(known.uid)
            number = tables.insert_run(db, {**row, "owner": self.id, "state": "running"})
            tables.apply(db, Change(number, 1, [tables.event(number, 1, "started")], None, files, {}))
            started = tables.run_row(db, str(row["uid"]))
            shared = options.shared(db) if options.shared is not None else {}
        live = Live(started, flow, self.store.folder, {}, shared, options.forced, options.executor, 1)
        self._adopt(live)
        return started, live

    def resume(self, uid: str, flow: Flow, options: StartOptions) -> Live:
        """Take a run that has no living owner and go on where its last commit left it."""
        self.store.check()
        with self.store.write(synced=True) as db:
            tables.renew(db, self.id, self.host, self.pid, time.time() + self.lease_s)
            row = tables.claim(
                db, uid, self.id, may_claim=partial(_may_resume, self), lock=self.store.row_lock
            )
            known = fold(tables.event_rows(db, row.id))
            seq = tables.last_seq(db, row.id) + 1
            state = ("running", row.progress, self.id, None, None)
            tables.apply(db, Change(row.id, row.epoch, [tables.event(row.id, seq, "resumed")], state, {}, {}))
            shared = options.shared(db) if options.shared is not None else {}
            row = tables.run_row(db, row.uid)
        live = Live(row, flow, self.store.folder, known, shared, options.forced, options.executor, seq)
        self._adopt(live)
        return live

    def _adopt(self, live: Live) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_later(_POLL_S, self._look_after)
            self._renewed = time.monotonic()
        live.codes_stored = self._codes
        self.lives[live.row.uid] = live
        self.wake()

    def ask(self, uid: str, wanted: str) -> bool:
        """Pause, cancel or interrupt a run that is driven here; False if it is not."""
        live = self.lives.get(uid)
        if live is None or live.over:
            return False
        self._obey(live, wanted)
        self.wake()
        return True

    def _obey(self, live: Live, wanted: str) -> None:
        if wanted == "cancel" and live.state != "cancelling":
            live.state = "cancelling"
            live.note("cancelling")
        elif wanted in ("pause", "interrupt") and live.state == "running":
            live.state = "pausing"
            live.note("pausing")
        if wanted in ("cancel", "interrupt"):
            # The wish is written before anything is stopped, so that a crash in between cannot lose it.
            live.stopping = True
            for task in live.tasks:
                if task.state == "retrying":
                    task.state = "cancelled"
                    live.note("cancelled", task)

    def _look_after(self) -> None:
        """From time to time: renew the lease, see what other processes wish."""
        if self._closed or not (self.lives or self._abandoned):
            self._looking = False
            return
        try:
            if time.monotonic() - self._renewed > self.lease_s / 3:
                self.store.check()
                with self.store.write() as db:
                    tables.renew(db, self.id, self.host, self.pid, time.time() + self.lease_s)
                self._renewed = time.monotonic()
            if self._abandoned:
                with self.store.write() as db:
                    tables.disown(db, self.id, self._abandoned)
                self._abandoned.clear()
            with self.store.read() as db:
                wished = dict(tables.wishes(db, self.id))
        except StoreError as error:
            for live in list(self.lives.values()):
                self._give_up(live, error)
            self._loop.call_later(_POLL_S, self._look_after)
            return
        for live in self.lives.values():
            if live.row.id in wished:
                self._obey(live, wished[live.row.id])
        if wished:
            self.wake()
        self._loop.call_later(_POLL_S, self._look_after)

    # --- a turn ------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """A turn that cannot leave anyone waiting: what should never be raised is told to those that wait."""
        self._awake = False
        try:
            self._take_turn()
        except BaseException as error:
            for live in list(self.lives.values()):
                self._give_up(live, error)

    def _take_turn(self) -> None:
        """Take outcomes, decide, commit, launch; again while inline steps bring new outcomes, for a while."""
        limit = time.monotonic() + _TURN_S
        while True:
            self._take_outcomes()
            for live in list(self.lives.values()):
                if live.ready:
                    self._advance(live)
            self._commit()
            self._launch()
            self._run_inline(limit)
            if not self._done:
                if self._inline:
                    self.wake()
                return
            if time.monotonic() > limit:
                self.wake()
                return

    def _take_outcomes(self) -> None:
        while self._done:
            live, task, context, outcome = self._done.popleft()
            if self.lives.get(live.row.uid) is not live or task.context is not context:
                continue  # the run was let go, or this attempt was given up: its result comes too late
            live.running.pop(task.path, None)
            task.handle = task.context = None
            if live.stopping:
                task.state = "cancelled"
                live.note("cancelled", task)
            elif outcome.error is None:
                if task.fingerprint is not None and not is_fresh(task.fingerprint):
                    # The code was changed while it ran: right for this run, but no value to use again.
                    task.key = None
                live.accept(task, outcome.text, outcome.files, contract=outcome.contract)
            else:
                self._retry_or_fail(live, task, outcome)

    def _retry_or_fail(self, live: Live, task: Task, outcome: Outcome) -> None:
        delay = live.delay_before_retry(task, outcome.error)
        if delay is None or live.is_closed(task):
            live.fail(task, outcome)
            return
        task.state, task.due = "retrying", time.time() + delay
        kind, message = type(outcome.error).__name__, str(outcome.error)
        live.note("retrying", task, due=task.due, type=kind, message=message, attempt=task.attempt)
        self._wait_for_retry(live, task, delay)

    def _wait_for_retry(self, live: Live, task: Task, delay: float) -> None:
        live.n_waiting_retry += 1

        def again() -> None:
            live.n_waiting_retry -= 1
            live.ready.append(task)
            self.wake()

        self._loop.call_later(max(delay, 0.0), again)

    def _advance(self, live: Live) -> None:
        """Go through what is ready: restored, skipped and reused values are taken at once, the rest is to start."""
        while live.ready:
            if live.state != "running" or live.failure is not None:
                live.ready.clear()
                return
            batch, live.ready = live.ready, deque()
            keyed: list[tuple[Task, tuple[tuple[str, str], ...]]] = []
            for task in batch:
                self._consider(live, task, keyed)
            known = self._look_up(live, keyed)
            if live.over:  # the store could not be read
                return
            for task, given in keyed:
                found = known.get(task.key or b"")
                if found is not None:
                    live.accept(task, found[0], found[2], source=found[1])
                else:
                    self._launching.append((live, task, live.start(task, given)))

    def _consider(
        self, live: Live, task: Task, keyed: list[tuple[Task, tuple[tuple[str, str], ...]]]
    ) -> None:
        if live.is_closed(task):
            return
        known = live.known.get(task.path) if task.state == "waiting" else None
        if known is not None and known.state in SETTLED:
            live.restore(task, known)
            return
        if known is not None:
            task.attempt = known.attempt
            wait_s = known.facts["due"] - time.time() if known.state == "retrying" else 0.0
            if wait_s > 0:
                task.state = "retrying"
                self._wait_for_retry(live, task, wait_s)
                return
        given = live.given(task)
        if given is None:
            live.accept(task, SKIPPED_TEXT, {})
            return
        try:
            if task.group:
                live.expand(task, given)
                return
            live.set_key(task, given)
        except Exception as error:  # a step that cannot be laid out or hashed is a step that fails
            live.fail(task, Outcome(error=error))
            return
        keyed.append((task, given))

    def _look_up(
        self, live: Live, keyed: list[tuple[Task, tuple[tuple[str, str], ...]]]
    ) -> dict[bytes, tuple[str, str, dict[str, int]]]:
        """Values that were computed before, whose files are all there: key → text, run, files."""
        free = [task for task, _ in keyed if not (live.forced and self._is_forced(live, task))]
        wanted = [task.key for task in free if task.key and task.step.options.cache]
        found: dict[bytes, tuple[str, str | int]] = {}
        try:
            if wanted:
                found.update(self.store.peek(lambda db: tables.reusable(db, wanted)))
        except StoreError as error:
            self._give_up(live, error)
            return {}
        for task in free if live.shared else ():
            shared = live.shared.get(task.path)
            if shared is not None and task.key and shared.key == task.key:
                found[task.key] = (shared.value or SKIPPED_TEXT, live.row.parent or "")
        if not found:
            return {}
        files = {key: self._files(text) for key, (text, _) in found.items()}
        return {
            key: (text, self._uid(run), has)
            for key, (text, run) in found.items()
            if (has := files[key]) is not None
        }

    def _uid(self, run: str | int) -> str:
        if isinstance(run, str):
            return run
        if run not in self._uids:
            self._uids[run] = self.store.peek(lambda db: tables.uid_of(db, run))
        return self._uids[run]

    def _is_forced(self, live: Live, task: Task) -> bool:
        return bool(live.forced) and any(
            task.path == name or task.path.startswith((name + "/", name + "[")) for name in live.forced
        )

    def _files(self, text: str) -> dict[str, int] | None:
        """The files of a value that was kept earlier; None if one is no longer there."""
        if '"$' not in text:
            return {}
        try:
            names = values.file_names(text, self.store.folder)
        except IntegrityError:
            return None
        if not names:
            return {}
        sizes = self.store.peek(lambda db: tables.file_sizes(db, names))
        if set(sizes) != set(names) or not all(self.store.folder.has(name, sizes[name]) for name in names):
            return None
        return sizes

    def _commit(self) -> None:
        """Write what changed in all runs in one transaction, then tell those that wait."""
        for live in self.lives.values():
            outcome = live.outcome()
            if outcome is not None and live.state != outcome:
                live.state = outcome
                if outcome == "done":
                    live.progress = 100.0
                live.note(outcome)
        changed = [live for live in self.lives.values() if live.events]
        if not changed:
            return
        synced = any(live.state not in ("running", "pausing") for live in changed)
        fenced: list[Live] = []
        wished: dict[Live, str] = {}
        try:
            with self.store.write(synced=synced) as db:
                for live in changed:
                    try:
                        wish = tables.apply(db, live.change(), lock=self.store.row_lock)
                        if wish is not None:
                            wished[live] = wish
                    except Fenced:
                        fenced.append(live)
        except StoreError as error:
            for live in changed:
                self._give_up(live, error)
            return
        for live in fenced:
            self._give_up(
                live, RunError(f"run {live.row.uid} was taken over by another process", run=live.row.uid)
            )
        for live in changed:
            self._codes.update(live.codes)
            live.clear_changes()
            if live in wished and live.state == "running":
                self._obey(live, wished[live])
                self.wake()
            if live.stopping and live.running:
                self._stop_attempts(live)
            if live.state in ("done", "failed", "cancelled", "paused"):
                if live.failure is not None:
                    live.exception = live.failure[1]
                self._drop(live, live.state)

    def _drop(self, live: Live, state: str) -> None:
        self.lives.pop(live.row.uid, None)
        if not live.over:
            live.over = True
            live.ended.set_result(state)

    def _give_up(self, live: Live, error: BaseException) -> None:
        """The run cannot be written any more: stop what is at work and say so to those that wait."""
        self._stop_attempts(live)
        live.ready.clear()
        self._launching = [item for item in self._launching if item[0] is not live]
        # Others must not take it for a run at work; said as soon as the store can be written again.
        self._abandoned.append((live.row.id, live.row.epoch))
        self.lives.pop(live.row.uid, None)
        if not live.over:
            live.over = True
            live.ended.set_exception(error)

    # --- attempts ----------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        launching, self._launching = self._launching, []
        for live, task, job in launching:
            kind = task.step.options.isolation
            if kind == "inline":
                self._inline.append((live, task, job))
                continue
            job.context.tell = partial(self._tell, live, task, job.context)
            if kind == "async":
                task.handle = self._loop.create_task(self._await(live, task, job))
            elif live.executor is not None:
                task.handle = live.executor.submit(perform_far, job, values.importable_types())
                task.handle.add_done_callback(partial(self._take_future, live, task, job.context))
            elif kind == "process":
                self.threads.put(partial(self._run_process, live, task, job))
            else:
                self.threads.put(partial(self._run_thread, live, task, job))

    def _run_inline(self, limit: float) -> None:
        while self._inline:
            live, task, job = self._inline.popleft()
            self._done.append((live, task, job.context, perform(job)))
            if time.monotonic() > limit:
                return

    def _run_thread(self, live: Live, task: Task, job: Job) -> None:
        self.deliver(live, task, job.context, perform(job))

    def _run_process(self, live: Live, task: Task, job: Job) -> None:
        try:
            child = Child(job)
            task.handle = child
            if job.context.stopped:
                child.kill()
            outcome = child.outcome()
        except BaseException as error:
            outcome = Outcome(error=error)
        self.deliver(live, task, job.context, outcome)

    async def _await(self, live: Live, task: Task, job: Job) -> None:
        self.deliver(live, task, job.context, await perform_async(job, self.threads))

    def _take_future(self, live: Live, task: Task, context: Context, future: Any) -> None:
        try:
            outcome = future.result()
        except BaseException as error:
            outcome = Outcome(error=error)
        self.deliver(live, task, context, outcome)

    def _tell(self, live: Live, task: Task, context: Context, fraction: float, message: str) -> None:
        now = time.monotonic()
        if fraction < 1.0 and now - task.told < 0.1:
            return
        task.told = now

        def tell() -> None:
            if task.context is context and self.lives.get(live.row.uid) is live:
                live.tell(task, fraction, message)
                self.wake()

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell)

    def _stop_attempts(self, live: Live) -> None:
        for task in live.running.values():
            if task.context is not None:
                task.context.stopped = True
            handle = task.handle
            if isinstance(handle, Child):
                self.threads.put(handle.kill)
            elif handle is not None:
                handle.cancel()


# --- owners ----------------------------------------------------------------------------------------------------------


@lru_cache
def host_id() -> str:
    """This machine since it was started, and its space of process numbers."""
    parts = [os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def state_of(row: RunRow, scheduler: Scheduler | None = None) -> str:
    """The state of a run as it truly is: without a living owner a run that was at work is interrupted.

    ``scheduler``, that of this process, knows which runs it had to let go of.
    """
    if row.state not in tables.ACTIVE:
        return row.state
    gone = scheduler is not None and row.owner == scheduler.id and row.uid not in scheduler.lives
    if is_owned(row) and not gone:
        return row.state
    return "cancelled" if row.state == "cancelling" else "interrupted"


def is_owned(row: RunRow) -> bool:
    """Whether the owner of a run is alive: its lease holds, and its process is there if that can be seen from here."""
    if row.owner is None or row.owner_expires is None or row.owner_expires < time.time():
        return False
    if row.owner_host != host_id() or row.owner_pid is None:
        return True
    try:
        os.kill(row.owner_pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _may_resume(scheduler: Scheduler, row: RunRow) -> None:
    state = state_of(row, scheduler)
    if state not in ("paused", "failed", "interrupted"):
        advice = (
            "rerun() makes a new run from its values" if state in ("done", "cancelled") else "it is at work"
        )
        raise RunError(f"run {row.uid} is {state} and cannot be resumed; {advice}", run=row.uid, state=state)
