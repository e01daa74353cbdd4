"""Where a step's function runs: here, in a thread, on a loop, or (:mod:`.processes`) in a process of its own.

Whatever the place, a step gets its arguments as text and gives its value as text: each attempt has its own copies,
so that what a step does to its arguments is seen by no other step and a resumed run computes what a straight one does.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FlowError
from . import values
from .context import Context
from .contracts import check_value
from .files import Folder
from .graph import CONTEXT, Step

if TYPE_CHECKING:
    from concurrent.futures import Future


class Job(NamedTuple):
    """One attempt: the step's function and its arguments as text."""

    step: Step
    given: tuple[tuple[str, str], ...]
    folder: Folder
    context: Context


class Outcome(NamedTuple):
    """What an attempt came to: a value as text with its files, or an error with its traceback."""

    text: str = ""
    files: dict[str, int] = {}  # noqa: RUF012
    contract: str = ""
    error: BaseException | None = None
    trace: str = ""


def _arguments(job: Job) -> dict[str, Any] | None:
    """The arguments of the function, decoded; None if the step's predicate says no."""
    step, texts, folder, context = job
    given = {name: values.decode(text, folder) for name, text in texts}
    if step.options.when is not None:
        if not step.options.when(**{name: given[name] for name in step.predicate if name in given}):
            return None
        given = {name: value for name, value in given.items() if name in step.accepted}
    if step.wants_context:
        given[CONTEXT] = context
    return given


def perform(job: Job) -> Outcome:
    """Run one attempt to its end, here."""
    try:
        given = _arguments(job)
        if given is None:
            return Outcome(values.SKIPPED_TEXT)
        value = job.step.function(**given)
        contract = check_value(job.step, value)
        text, files = values.encode(value, job.folder)
        return Outcome(text, files, contract)
    except BaseException as error:  # the runner's own edge: whatever a step raises is its outcome
        return failed(job, error)


def outcome_of(work: Callable[[], Outcome]) -> Outcome:
    """What a place gives that may fail itself."""
    try:
        return work()
    except BaseException as error:
        return Outcome(error=error)


def perform_apart(job: Job) -> Outcome:
    """Run one attempt to its end in a process of its own, which this thread waits for."""
    from .processes import Child

    return outcome_of(lambda: Child(job).outcome())


def perform_far(job: Job, types: dict[str, tuple[str, str]]) -> Outcome:
    """Run one attempt where an executor has put it, which learns of the registered types first."""
    values.expect_types(types)
    return perform_apart(job) if job.step.options.isolation == "process" else perform(job)


async def perform_async(job: Job, pool: Threads) -> Outcome:
    """Run one attempt of an async step on the loop of the caller; large values are read and written in a thread."""
    step, texts, folder, _ = job
    try:
        small = all(len(text) < 1_000 and '"$' not in text for _, text in texts)
        given = _arguments(job) if small else await _aside(pool, _arguments, job)
        if given is None:
            return Outcome(values.SKIPPED_TEXT)
        waiting = step.function(**given)
        if step.options.timeout_s is not None:
            import asyncio

            waiting = asyncio.wait_for(waiting, step.options.timeout_s)
        value = await waiting
        contract = check_value(step, value)
        plain = isinstance(value, (int, float, str, type(None)))
        text, files = (
            values.encode(value, folder) if plain else await _aside(pool, values.encode, value, folder)
        )
        return Outcome(text, files, contract)
    except BaseException as error:  # as in perform; a cancel of the task is told by its run
        return failed(job, error)


async def _aside(pool: Threads, function: Callable[..., Any], *args: Any) -> Any:
    import asyncio

    return await asyncio.wrap_future(pool.submit(function, *args))


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

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """As ``concurrent.futures.Executor.submit``."""
        return promise(self.put, function, *args)

    def put(self, work: Callable[[], object]) -> None:
        """Run ``work``, which raises nothing, in some thread."""
        with self._lock:
            self._jobs.put(work)
            if self._idle:
                self._idle -= 1
            elif self._n < self.limit:
                self._n += 1
                threading.Thread(target=self._serve, name=f"workflow-step-{self._n}", daemon=True).start()

    def _serve(self) -> None:
        while (work := self._jobs.get()) is not None:
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


def must_fork(step: Step) -> bool:
    """Whether a process cannot import the step's function, which a notebook has defined."""
    return step.function.__module__ == "__main__" and hasattr(os, "fork")


def check_picklable(step: Step) -> None:
    """FlowError if a step that asks for a process cannot get there."""
    import pickle

    try:
        _ = must_fork(step) or pickle.dumps(step)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise FlowError(
            f"step {step.name!r} asks for a process, which must import its function from a module: {error}"
        ) from error


def open_executor(place: Any) -> Any:
    """An executor from what ``start(executor=…)`` takes."""
    if isinstance(place, str) or hasattr(place, "get_executor"):  # a dask Client has this method
        from .dask import DaskExecutor, open_dask

        return open_dask(place) if isinstance(place, str) else DaskExecutor(place)
    return place


def promise(
    put: Callable[[Callable[[], None]], Any], function: Callable[..., Any], /, *args: Any
) -> Future[Any]:
    """The future of a call that ``put`` has someone else make."""
    from concurrent.futures import Future

    future: Future[Any] = Future()

    def work() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    put(work)
    return future
