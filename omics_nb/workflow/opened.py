"""The stores that this process has open, one object for each place, and the scheduler that drives each."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import StoreError
from .store import Store

if TYPE_CHECKING:
    from .runner import Scheduler

Place = str | os.PathLike[str] | Store
_lock = threading.RLock()
_stores: dict[str, Store] = {}
_schedulers: dict[str, Scheduler] = {}
_forked: list[object] = []


def open_store(
    place: Place,
    *,
    durability: Literal["normal", "full"] = "normal",
    values: str | os.PathLike[str] | None = None,
    upgrade: bool = False,
) -> Store:
    """The store at a path or an address; one object for each place in a process. StoreError at once if unusable.

    With "normal" the start, the end and every wish are on the disk when they are acknowledged, and the steps between
    survive a crash of the process; a loss of power may cost the last of them, which then run again. With "full" every
    commit is on the disk, for all runs of the store in this process from then on.

    ``postgresql://…`` needs ``values``, a folder for value files that all machines see; ``upgrade`` lets tables of an
    older version there be changed.
    """
    if not isinstance(place, (str, os.PathLike)):
        return place
    address = _address(place)
    with _lock:
        if address in _stores:
            try:
                _stores[address].check()
            except StoreError:
                if address in _schedulers and _schedulers[address].lives:
                    raise
                close_store(address)
        if address not in _stores:
            _stores[address] = _open(address, durability, values, upgrade=upgrade)
        elif durability == "full":
            _stores[address].sync_every_commit(True)
        return _stores[address]


def _open(address: str, durability: str, values: str | os.PathLike[str] | None, *, upgrade: bool) -> Store:
    if not _is_url(address):
        from .sqlite import SqliteStore

        return SqliteStore(Path(address), durability=durability)
    if values is None:
        raise StoreError("PostgreSQL keeps no value files; say where: open_store(address, values=FOLDER)")
    from .postgres import PostgresStore

    return PostgresStore(address, Path(values), durability=durability, upgrade=upgrade)


def scheduler_of(store: Store) -> Scheduler:
    """The scheduler that drives the runs of a store in this process, begun if there is none."""
    from .runner import Scheduler

    with _lock:
        found = _schedulers.get(store.address)
        if found is None or found.store is not store:
            found = _schedulers[store.address] = Scheduler(store)
            _stores[store.address] = store
        return found


def scheduler_here(store: Store) -> Scheduler | None:
    """The scheduler of a store in this process, if it drives or has driven any run."""
    return _schedulers.get(store.address)


def close_store(place: Place) -> None:
    """Let go of a store in this process; its runs become interrupted and can be resumed, here or elsewhere."""
    address = _address(place) if isinstance(place, (str, os.PathLike)) else place.address
    with _lock:
        scheduler, store = _schedulers.pop(address, None), _stores.pop(address, None)
        if scheduler is not None:
            scheduler.close()
        elif store is not None:
            store.close()


def _address(place: str | os.PathLike[str]) -> str:
    text = os.fspath(place)
    return text if _is_url(text) else str(Path(text).expanduser().absolute())


def _is_url(text: str) -> bool:
    return text.startswith(("postgresql://", "postgres://"))


@atexit.register
def _close_all() -> None:
    for address in list(_stores):
        close_store(address)


def _after_fork() -> None:
    # Connections and threads do not survive a fork; closing them in the child could disturb the parent's locks.
    _forked.extend((dict(_stores), dict(_schedulers)))
    _stores.clear()
    _schedulers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
