"""The scheduler: one thread with its own loop that owns the store's writing connection and drives every run.

It never runs on the caller's loop, so a notebook stays usable. Each turn of it takes what steps came to, decides what
is ready, writes all of that in one transaction, and only then starts what the transaction names: a step begins after
its inputs are safe. Steps that are ready at once share a transaction.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import RunError, StoreError
from . import tables
from .attempts import Attempts
from .codehash import is_fresh
from .context import Context
from .events import SETTLED, fold
from .executors import Job, Outcome, perform, promise
from .graph import Flow
from .live import ROW_EVERY_S, Given, Live, Start, Task
from .owners import host_id, state_of
from .reuse import Reuse
from .store import Store
from .tables import Change, Fenced, RunRow
from .values import SKIPPED_TEXT

LEASE_S = 30.0
_POLL_S = 0.5
#: Inline steps run this long before their results are committed and others have their turn.
_TURN_S = 0.02
_T = TypeVar("_T")


class Scheduler:
    """Drives the runs of one store in this process."""

    def __init__(self, store: Store, *, lease_s: float | None = None) -> None:
        import asyncio  # takes as long to load as all the rest

        self.store, self.lease_s = store, lease_s or LEASE_S
        self.id = os.urandom(16).hex()
        self.lives: dict[str, Live] = {}
        self._reuse = Reuse(store)
        self._codes: set[bytes] = set()
        self._done: deque[tuple[Live, Task, Context, Outcome]] = deque()
        self._launching: list[tuple[Live, Task, Job]] = []
        self._awake = self._closed = self._looking = False
        self._renewed = 0.0
        self._abandoned: list[tuple[int, int]] = []
        self._loop = asyncio.new_event_loop()
        self.attempts = Attempts(self._loop, self.deliver, self.wake)
        self._thread = threading.Thread(target=self._serve, name="workflow-scheduler", daemon=True)
        self._thread.start()

    # --- the thread --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def call(self, function: Callable[..., _T], *args: Any) -> _T:
        """Run ``function`` on the scheduler's thread and give what it gives."""
        if threading.current_thread() is self._thread:
            return function(*args)
        if self._closed:
            raise RunError("the store was closed; open the run again")
        found: _T = promise(self._loop.call_soon_threadsafe, function, *args).result()
        return found

    def wake(self) -> None:
        """Have a turn soon; from any thread."""
        if not self._awake:
            self._awake = True
            if threading.get_ident() == self._thread.ident:
                self._loop.call_soon(self._turn)
                return
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
        self.attempts.close()
        self.store.close()

    def _let_go(self) -> None:
        for live in list(self.lives.values()):
            self.attempts.stop(live)
            self._drop(live, "interrupted")
        with self.store.write() as db:
            self._renew(db, 0.0)

    def _renew(self, db: tables.Connection, expires: float | None = None) -> None:
        limit = time.time() + self.lease_s if expires is None else expires
        tables.renew(db, self.id, host_id(), os.getpid(), limit)

    # --- runs --------------------------------------------------------------------------------------------------------

    def start(
        self, row: Mapping[str, Any], flow: Flow, files: Mapping[str, int], begun: Start
    ) -> tuple[RunRow, Live | None]:
        """Record a run and begin it; if its key is known, give the run that has it. The caller flushes the store."""
        self.store.check()
        with self.store.write(synced=not self.store.flushes) as db:
            self._renew(db)
            if row["key"] is not None:
                self.store.guard(db, str(row["key"]))
                known = tables.run_by_key(db, str(row["key"]))
                if known is not None:
                    return known, self.lives.get(known.uid)
            number = tables.insert_run(db, {**row, "owner": self.id, "state": "running"})
            told = {"contracts": begun.contracts} if begun.contracts else {}
            tables.apply(db, Change(number, 1, [tables.event(number, 1, "started", **told)], None, files))
            started = tables.run_row(db, str(row["uid"]))
        return started, self._adopt(Live(started, flow, self.store.folder, begun, {}, 1))

    def resume(self, uid: str, flow: Flow, begun: Start) -> Live:
        """Take a run that has no living owner and go on where its last commit left it. The caller flushes the store."""
        self.store.check()
        with self.store.write(synced=not self.store.flushes) as db:
            self._renew(db)
            row = tables.claim(db, uid, self.id, may_claim=self._may_resume, lock=self.store.row_lock)
            known = fold(tables.event_rows(db, row.id))
            seq = tables.last_seq(db, row.id) + 1
            state = ("running", row.progress, self.id, None, None)
            tables.apply(db, Change(row.id, row.epoch, [tables.event(row.id, seq, "resumed")], state))
            row = tables.run_row(db, row.uid)
        return self._adopt(Live(row, flow, self.store.folder, begun, known, seq))

    def _may_resume(self, row: RunRow) -> None:
        state = state_of(row, self)
        if state not in ("paused", "failed", "interrupted"):
            ended = state in ("done", "cancelled")
            advice = "rerun() makes a new run from its values" if ended else "it is at work"
            raise RunError(
                f"run {row.uid} is {state} and cannot be resumed; {advice}", run=row.uid, state=state
            )

    def _adopt(self, live: Live) -> Live:
        if not self._looking:
            self._looking = True
            self._loop.call_later(_POLL_S, self._look_after)
            self._renewed = time.monotonic()
        live.codes_stored = self._codes
        self.lives[live.row.uid] = live
        self.wake()
        return live

    def ask(self, uid: str, wanted: str) -> bool:
        """Pause, cancel or interrupt a run that is driven here; False if it is not."""
        live = self.lives.get(uid)
        if live is None:
            return False
        self._obey(live, wanted)
        self._commit()  # whoever asked finds it written
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
        self._loop.call_later(_POLL_S, self._look_after)
        try:
            if time.monotonic() - self._renewed > self.lease_s / 3:
                self.store.check()
                with self.store.write() as db:
                    self._renew(db)
                self._renewed = time.monotonic()
            if self._abandoned:
                with self.store.write() as db:
                    tables.disown(db, self.id, self._abandoned)
                self._abandoned.clear()
            with self.store.read() as db:
                wished = dict(tables.wishes(db, self.id))
        except StoreError as error:
            self._give_up_all(error)
            return
        for live in self.lives.values():
            if live.row.id in wished:
                self._obey(live, wished[live.row.id])
                self.wake()

    # --- a turn ------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """A turn that cannot leave anyone waiting: what should never be raised is told to those that wait."""
        self._awake = False
        try:
            self._take_turn()
        except BaseException as error:
            self._give_up_all(error)

    def _take_turn(self) -> None:
        """Take outcomes, decide, commit, launch; again while inline steps bring new outcomes, for a while."""
        limit, inline = time.monotonic() + _TURN_S, self.attempts.inline
        while True:
            self._take_outcomes()
            more = True
            while more:
                more = self.attempts.call_in()
                for live in list(self.lives.values()):
                    if live.ready:
                        self._alone(live, self._advance)
            self._commit()
            launching, self._launching = self._launching, []
            for attempt in launching:
                self.attempts.begin(*attempt)
            while inline:
                live, task, job = inline.popleft()
                self._done.append((live, task, job.context, perform(job)))
                if time.monotonic() > limit:
                    break
            if not self._done or time.monotonic() > limit:
                if self._done or inline:
                    self.wake()
                return

    def _alone(self, live: Live, act: Callable[..., None], *args: Any) -> None:
        """What goes wrong with one run (its disk is full, say) is no matter of the others."""
        try:
            act(live, *args)
        except Exception as error:
            self._give_up(live, error)

    def _take_outcomes(self) -> None:
        fresh: dict[int, bool] = {}
        while self._done:
            live, task, context, outcome = self._done.popleft()
            if live.over or task.context is not context:
                continue  # the run was let go, or this attempt was given up: its result comes too late
            self._alone(live, self._take, task, outcome, fresh)

    def _take(self, live: Live, task: Task, outcome: Outcome, fresh: dict[int, bool]) -> None:
        live.running.pop(task.path, None)
        task.handle = task.context = None
        mark = task.fingerprint
        if live.stopping:
            task.state = "cancelled"
            live.note("cancelled", task)
        elif outcome.error is not None:
            self._retry_or_fail(live, task, outcome)
        else:
            if mark is not None:
                sure = fresh.get(id(mark))
                if sure is None:
                    sure = fresh[id(mark)] = is_fresh(mark)
                if not sure:
                    # The code was changed while it ran: right for this run, but no value to use again.
                    task.key = None
            live.accept(task, outcome.text, outcome.files, None, outcome.contract)

    def _retry_or_fail(self, live: Live, task: Task, outcome: Outcome) -> None:
        error = outcome.error
        delay = live.delay_before_retry(task, error)
        if delay is None:
            live.fail(task, outcome)
            return
        due, kind = time.time() + delay, type(error).__name__
        live.note("retrying", task, due=due, type=kind, message=str(error), attempt=task.attempt)
        self._wait_for_retry(live, task, delay)

    def _wait_for_retry(self, live: Live, task: Task, delay: float) -> None:
        task.state = "retrying"
        live.n_waiting += 1

        def again() -> None:
            live.n_waiting -= 1
            live.ready.append(task)
            self.wake()

        self._loop.call_later(max(delay, 0.0), again)

    def _advance(self, live: Live) -> None:
        """Go through what is ready: restored, skipped and reused values are taken at once, the rest is to start."""
        while live.ready:
            if live.state != "running" or live.failed:
                live.ready.clear()
                return
            batch, live.ready = live.ready, []
            live.sure.clear()
            keyed = [(task, given) for task in batch if (given := self._consider(live, task)) is not None]
            known = self._reuse.look_up(live, [task for task, _ in keyed])
            for task, given in keyed:
                found = known.get(task.key) if known else None
                if found is not None:
                    live.accept(task, *found)
                elif self.attempts.has_room(live, task):
                    self._launching.append((live, task, live.start(task, given)))

    def _consider(self, live: Live, task: Task) -> Given | None:
        """The arguments of a task that has its key now, None if there is nothing more to do for it."""
        if task.parent is not None and live.is_closed(task):
            return None
        known = live.known.get(task.path) if live.known and task.state == "waiting" else None
        if known is not None:
            if known.state in SETTLED:
                live.restore(task, known)
                return None
            task.attempt = known.attempt
            wait_s = known.facts["due"] - time.time() if known.state == "retrying" else 0.0
            if wait_s > 0:
                # A clock that was set back meanwhile must not make it wait for a day.
                wait_s = min(wait_s, task.step.options.max_backoff_s)
                self._wait_for_retry(live, task, wait_s)
                return None
        given = live.given(task)
        if given is None:
            live.accept(task, SKIPPED_TEXT, {})
            return None
        try:
            if not task.group:
                live.set_key(task, given)
                return given
            live.expand(task, given)
        except Exception as error:  # a step that cannot be laid out or hashed is a step that fails
            live.fail(task, Outcome(error=error))
        return None

    def _commit(self) -> None:
        """Write what changed in all runs in one transaction, then tell those that wait."""
        changed = []
        synced = False
        for live in self.lives.values():
            outcome = None if live.running else live.outcome()
            if outcome is not None:
                live.state = outcome
                live.note(outcome)
            if live.events or live.is_behind():
                changed.append(live)
                synced = synced or live.state not in ("running", "pausing")
        if not changed:
            return
        fenced: list[Live] = []
        wished: list[tuple[Live, str]] = []
        try:
            with self.store.write(synced=synced) as db:
                for live in changed:
                    was_behind = live.behind
                    try:
                        wish = tables.apply(db, live.change(), lock=self.store.row_lock)
                        if wish is not None and live.state == "running":
                            wished.append((live, wish))
                    except Fenced:
                        fenced.append(live)
                    if live.behind and not was_behind:
                        self._loop.call_later(ROW_EVERY_S, self.wake)
        except StoreError as error:
            for live in changed:
                self._give_up(live, error)
            return
        for live in fenced:
            taken = f"run {live.row.uid} was taken over by another process"
            self._give_up(live, RunError(taken, run=live.row.uid))
        for live in changed:
            self._codes.update(live.codes)
            live.clear_changes()
            if live.stopping:
                self.attempts.stop(live)
            if live.state not in tables.ACTIVE:
                self._drop(live, live.state)
        for live, wish in wished:
            self._obey(live, wish)
            self.wake()

    def _drop(self, live: Live, state: str) -> None:
        self.lives.pop(live.row.uid, None)
        if not live.over:
            live.over = True
            live.ended.set_result(state)

    def _give_up(self, live: Live, error: BaseException) -> None:
        """The run cannot be written any more: stop what is at work and say so to those that wait."""
        self.attempts.stop(live)
        live.ready.clear()
        for item in [item for item in self._launching if item[0] is live]:
            self._launching.remove(item)
            self.attempts.leave(live, item[1])
        # Others must not take it for a run at work; said as soon as the store can be written again.
        self._abandoned.append((live.row.id, live.row.epoch))
        self.lives.pop(live.row.uid, None)
        if not live.over:
            live.over = True
            live.ended.set_exception(error)

    def _give_up_all(self, error: BaseException) -> None:
        for live in list(self.lives.values()):
            self._give_up(live, error)
