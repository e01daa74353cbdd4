"""Steps on a Dask cluster, https://distributed.dask.org: placement and lost workers are Dask's, the store records.

Workers must see the folder of value files at the same path, and import the modules that hold the steps.
"""

from __future__ import annotations

from concurrent.futures import Future
from importlib import import_module
from typing import Any

from ..errors import FlowError, MissingExtraError


class DaskExecutor:
    """The part of ``concurrent.futures.Executor`` that the runner uses, by a Dask client."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        """Run ``function`` on some worker; again on another one if its worker is lost."""
        remote = self.client.submit(function, *args, pure=False)
        future: Future[Any] = _Held(remote)
        remote.add_done_callback(lambda done: _settle(done, future))
        return future


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
