"""Steps on a Dask cluster, https://distributed.dask.org: placement and lost workers are Dask's, the store records.

Workers must see the folder of value files at the same path, and import the modules that hold the steps. What a step
tells of its progress comes back by Dask's events; a cancel, and the end of the process that asked, reach the step by
the state of its task on the worker.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from ..errors import FlowError, MissingExtraError
from .context import Context
from .executors import Job

_POLL_S = 0.2
_TELL_EVERY_S = 0.1


#: Attempts on workers by the key of their task.
_away: dict[str, Context] = {}


class DaskExecutor:
    """The part of ``concurrent.futures.Executor`` that the runner uses, by a Dask client."""

    def __init__(self, client: Any) -> None:
        self.client, self._topic = client, f"workflow-{client.id}"
        client.subscribe_topic(
            self._topic, _hear
        )  # again for the same client: takes the place of the last one

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        """Run ``function`` on some worker; again on another one if its worker is lost."""
        remote = self.client.submit(_on_worker, self._topic, function, *args, pure=False)
        future: Future[Any] = _Held(remote)
        for context in _contexts(args):
            _away[remote.key] = context
            future.add_done_callback(lambda _: _away.pop(remote.key, None))
        remote.add_done_callback(lambda done: _settle(done, future))
        return future


def _hear(event: tuple[float, tuple[str, float, str]]) -> None:
    key, fraction, message = event[1]
    context = _away.get(key)
    if context is not None and context.tell is not None:
        context.tell(fraction, message)


def _contexts(args: tuple[Any, ...]) -> list[Context]:
    return [arg.context for arg in args if isinstance(arg, Job)]


def _on_worker(topic: str, function: Any, *args: Any) -> Any:
    """Call a function on a worker; a job among its arguments can tell its progress and be stopped."""
    worker: Any = import_module("distributed").get_worker()
    key, ended = worker.get_current_task(), threading.Event()
    for context in _contexts(args):
        context.tell = _Teller(worker, topic, key)
        threading.Thread(target=_heed, args=(worker, key, context, ended), daemon=True).start()
    try:
        return function(*args)
    finally:
        ended.set()


class _Teller:
    """Sends progress home, not too often."""

    def __init__(self, worker: Any, topic: str, key: str) -> None:
        self._worker, self._topic, self._key, self._told = worker, topic, key, 0.0

    def __call__(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if fraction >= 1.0 or now - self._told >= _TELL_EVERY_S:
            self._told = now
            self._worker.log_event(self._topic, (self._key, fraction, message))


def _heed(worker: Any, key: str, context: Context, ended: threading.Event) -> None:
    """Stop an attempt whose result nobody wants any more."""
    while not ended.wait(_POLL_S):
        task = worker.state.tasks.get(key)
        if task is None or task.state in ("cancelled", "released", "forgotten"):
            context.stop()
            return


class _Held(Future[Any]):
    """A future that keeps its remote one alive, which Dask would forget otherwise, and cancels it."""

    def __init__(self, remote: Any) -> None:
        super().__init__()
        self.remote = remote

    def cancel(self) -> bool:
        self.remote.cancel(force=True)
        return super().cancel()


def _settle(remote: Any, future: Future[Any]) -> None:
    if future.cancelled():
        return
    error = remote.exception() if remote.status == "error" else None
    if remote.status == "cancelled":
        future.cancel()
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(remote.result())


def open_dask(place: str) -> DaskExecutor:
    """``"dask"`` starts a cluster on this machine, for this machine only; ``"dask:tcp://host:port"`` joins one.

    MissingExtraError without Dask, FlowError for another text.
    """
    kind, _, address = place.partition(":")
    if kind != "dask":
        raise FlowError(
            f"executor is an Executor, a dask Client, 'dask' or 'dask:tcp://host:port', not {place!r}"
        )
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            "Dask is not installed; run: pip install 'omics-nb[dask]'", extra="dask"
        ) from error
    if address:
        return DaskExecutor(distributed.Client(address))
    # Whoever reaches a scheduler can run code on its workers, so neither it nor its dashboard is for the network.
    cluster = distributed.LocalCluster(
        host="127.0.0.1", dashboard_address="127.0.0.1:0", threads_per_worker=1
    )
    return DaskExecutor(distributed.Client(cluster))
