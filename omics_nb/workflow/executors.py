"""Where a step's function runs: here, in a thread, on a loop, or (:mod:`.processes`) in a process of its own.

Whatever the place, a step gets its arguments as text and gives its value as text: each attempt has its own copies,
so that what a step does to its arguments is seen by no other step and a resumed run computes what a straight one does.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from . import values
from .context import Context
from .contracts import check_value
from .graph import CONTEXT, Step


class Job(NamedTuple):
    """One attempt: the step's function and its arguments as text."""

    step: Step
    given: tuple[tuple[str, str], ...]
    folder: values.Folder
    context: Context


class Outcome(NamedTuple):
    """What an attempt came to: a value as text with its files, or an error with its traceback."""

    text: str = ""
    files: dict[str, int] = {}  # noqa: RUF012
    contract: str = ""
    error: BaseException | None = None
    trace: str = ""


_SKIPPED = Outcome(values.SKIPPED_TEXT)


def arguments(job: Job) -> dict[str, Any] | None:
    """The arguments of the function, decoded; None if the step's predicate says no."""
    step = job.step
    given = {name: values.decode(text, job.folder) for name, text in job.given}
    if step.options.when is not None:
        if not step.options.when(**{name: given[name] for name in step.predicate if name in given}):
            return None
        given = {name: value for name, value in given.items() if name in step.accepted}
    if step.wants_context:
        given[CONTEXT] = job.context
    return given


def perform(job: Job) -> Outcome:
    """Run one attempt to its end, here."""
    try:
        given = arguments(job)
        if given is None:
            return _SKIPPED
        value = job.step.function(**given)
        contract = check_value(job.step, value)
        return Outcome(*values.encode(value, job.folder), contract)
    except BaseException as error:  # the runner's own edge: whatever a step raises is its outcome
        return failed(job, error)


def perform_far(job: Job, types: dict[str, tuple[str, str]]) -> Outcome:
    """:func:`perform` in another process, which learns of the registered types first."""
    values.expect_types(types)
    return perform(job)


async def perform_async(job: Job, pool: Threads) -> Outcome:
    """Run one attempt of an async step on the loop of the caller; large values are read and written in a thread."""
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        here = all(len(text) < 1_000 and ".parquet" not in text for _, text in job.given)
        given = arguments(job) if here else await loop.run_in_executor(pool, arguments, job)  # type: ignore[arg-type]
        if given is None:
            return _SKIPPED
        waiting = job.step.function(**given)
        timeout_s = job.step.options.timeout_s
        value = await (waiting if timeout_s is None else asyncio.wait_for(waiting, timeout_s))
        contract = check_value(job.step, value)
        if isinstance(value, (int, float, str, type(None))):
            return Outcome(*values.encode(value, job.folder), contract)
        return Outcome(*await loop.run_in_executor(pool, values.encode, value, job.folder), contract)  # type: ignore[arg-type]
    except BaseException as error:  # as in perform; a cancel of the task is told by its run
        return failed(job, error)


def failed(job: Job, error: BaseException) -> Outcome:
    """The outcome of an attempt that raised ``error``; the traceback begins in the step."""
    if isinstance(error, TimeoutError) and job.step.options.timeout_s is not None and not error.args:
        error = TimeoutError(
            f"step {job.step.name!r} took longer than timeout_s={job.step.options.timeout_s}"
        )
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename not in (__file__, values.__file__)]
    lines = [*traceback.format_list(own), *traceback.format_exception_only(error)]
    return Outcome(error=error, trace="".join(lines)[-8_000:])


class Threads:
    """Daemon threads that grow with the work up to a limit; none of them keeps a process alive."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = self._n = 0

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """As ``concurrent.futures.Executor.submit``."""
        from concurrent.futures import Future

        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args))
            except BaseException as error:
                future.set_exception(error)

        self.put(run)
        return future

    def put(self, work: Callable[[], None]) -> None:
        """Run ``work``, which raises nothing, in some thread."""
        with self._lock:
            self._jobs.put(work)
            if self._idle:
                self._idle -= 1
            elif self._n < self.limit:
                self._n += 1
                threading.Thread(target=self._serve, name=f"workflow-step-{self._n}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            work = self._jobs.get()
            if work is None:
                return
            work()
            del work  # a finished step must not keep its arguments alive while the thread waits
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        """End the threads that wait; one that is at work ends after it."""
        with self._lock:
            for _ in range(self._n):
                self._jobs.put(None)
            self._n = self._idle = 0
