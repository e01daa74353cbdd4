"""Where attempts run and how many at once: on the scheduler's thread or loop, in threads, in processes, elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from . import values
from .context import Context
from .executors import Job, Outcome, Threads, outcome_of, perform, perform_apart, perform_async, perform_far
from .live import Live, Task

if TYPE_CHECKING:
    import asyncio

_TELL_EVERY_S = 0.1


class Attempts:
    """Attempts of the steps of one scheduler. All but ``_run``, ``_leave`` and ``_tell`` is for its thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[Live, Task, Context, Outcome], None],
        wake: Callable[[], None],
    ) -> None:
        self._loop, self._deliver, self._wake = loop, deliver, wake
        n_cpus = os.cpu_count() or 1
        self.threads, self.processes = Threads(max(32, n_cpus * 4)), Threads(max(2, n_cpus))
        #: Those that the scheduler performs itself, between two commits.
        self.inline: deque[tuple[Live, Task, Job]] = deque()
        #: By isolation: how many more may be at work, and who waits for that.
        self._room = {"thread": self.threads.limit, "process": self.processes.limit}
        self._queues: dict[str, deque[tuple[Live, Task]]] = {kind: deque() for kind in self._room}
        self._left: deque[str] = deque()

    def close(self) -> None:
        self.threads.close()
        self.processes.close()

    def call_in(self) -> bool:
        """Look again at steps that waited for a thread or a process, as many as there is room for; False if none."""
        while self._left:
            self._room[self._left.popleft()] += 1
        called = False
        for kind, queue in self._queues.items():
            for _ in range(min(self._room[kind], len(queue))):
                live, task = queue.popleft()
                live.n_waiting -= 1
                live.ready.append(task)
                called = True
        return called

    def has_room(self, live: Live, task: Task) -> bool:
        """Whether a step can begin now; if not it waits its turn, so that a pause or a cancel finds it not begun."""
        kind = self._place_of(live, task)
        if kind is None:
            return True
        if not self._room[kind]:
            live.n_waiting += 1
            self._queues[kind].append((live, task))
            return False
        self._room[kind] -= 1
        return True

    def _place_of(self, live: Live, task: Task) -> str | None:
        kind = task.step.options.isolation
        return kind if kind in self._room and live.begun.executor is None else None

    def begin(self, live: Live, task: Task, job: Job) -> None:
        """Begin an attempt that was committed."""
        if task.step.options.isolation == "inline":
            self.inline.append((live, task, job))
            return
        try:
            self._place(live, task, job)
        except Exception as error:  # an executor that was shut down, no thread to be had
            self.leave(live, task)
            self._deliver(live, task, job.context, Outcome(error=error))

    def _place(self, live: Live, task: Task, job: Job) -> None:
        """Have an attempt done somewhere else."""
        if task.step.wants_context:
            job.context.tell = partial(self._tell, live, task, job.context)
        kind = task.step.options.isolation
        if kind == "async":
            task.handle = self._loop.create_task(self._await(live, task, job))
        elif live.begun.executor is not None:
            task.handle = live.begun.executor.submit(perform_far, job, values.importable_types())
            task.handle.add_done_callback(partial(self._take_future, live, task, job.context))
        elif kind == "process":
            self.processes.put(partial(self._run, live, task, job, perform_apart))
        else:
            self.threads.put(partial(self._run, live, task, job, perform))

    def _run(self, live: Live, task: Task, job: Job, how: Callable[[Job], Outcome]) -> None:
        outcome = how(job)
        self.leave(live, task)
        self._deliver(live, task, job.context, outcome)

    def leave(self, live: Live, task: Task) -> None:
        """Make room for the next one; from any thread."""
        kind = self._place_of(live, task)
        if kind is not None:
            self._left.append(kind)

    async def _await(self, live: Live, task: Task, job: Job) -> None:
        self._deliver(live, task, job.context, await perform_async(job, self.threads))

    def _take_future(self, live: Live, task: Task, context: Context, future: Any) -> None:
        self._deliver(live, task, context, outcome_of(future.result))

    def _tell(self, live: Live, task: Task, context: Context, fraction: float, message: str) -> None:
        now = time.monotonic()
        if fraction < 1.0 and now - task.told < _TELL_EVERY_S:
            return
        task.told = now

        def tell() -> None:
            if task.context is context and not live.over:
                live.tell(task, fraction, message)
                self._wake()

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell)

    def stop(self, live: Live) -> None:
        """Ask all that is at work for a run to stop."""
        for task in live.running.values():
            if task.context is not None:
                task.context.stop()
            if task.handle is not None:
                task.handle.cancel()
