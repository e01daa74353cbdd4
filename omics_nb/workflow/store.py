"""Where runs are kept: one writer at a time, readers on their own connections.

:mod:`.sqlite` and :mod:`.postgres` say what is special to each database; the tables are :mod:`.tables`.
"""

# ruff: noqa: B027 - a database may leave hooks empty
from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ..errors import StoreError
from .files import Folder
from .tables import Connection

_T = TypeVar("_T")


class Store(ABC):
    """A place for runs. ``address`` opens the same store again; ``journal`` says how it writes, for people.

    A database adds how a connection is made, a transaction begun, and an error told.
    """

    journal = ""
    #: Whether :meth:`flush` puts what was committed on the disk, so that a commit itself need not wait for it.
    flushes = False
    #: What a SELECT says to keep a run's row for its transaction.
    row_lock = ""
    #: The database's errors, told as StoreError.
    _errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, address: str, folder: Folder, durability: str) -> None:
        if durability not in ("normal", "full"):
            raise StoreError(f"durability is 'normal' or 'full', not {durability!r}")
        self.address, self.folder = address, folder
        self._mutex = threading.Lock()
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._db: Any = None
        self.sync_every_commit(durability == "full")

    @abstractmethod
    def _connect(self) -> Any:
        """A connection of its own, for a reader or the writer."""

    @abstractmethod
    def _begin(self, *, synced: bool) -> None:
        """Begin a transaction on the writer's connection; with ``synced`` its commit waits for the disk."""

    @abstractmethod
    def _refusal(self, error: Exception) -> StoreError:
        """The database's error as one that says what can be done."""

    def _end(self) -> None:
        """After every transaction that was begun."""

    def guard(self, db: Connection, name: str) -> None:
        """Keep others from starting a run with the key ``name`` until the transaction ends."""

    def check(self) -> None:
        """StoreError if what was opened is no longer what is at the address."""

    def flush(self) -> None:
        """What was committed before is on the disk when this returns, where ``flushes`` says so. StoreError."""

    def sync_every_commit(self, every: bool) -> None:
        """Whether each commit is on the disk when it ends, or only those that ask for it."""
        self.durability = "full" if every else "normal"
        self._transactions = (Transaction(self, every), Transaction(self, True))

    def write(self, *, synced: bool = False) -> Transaction:
        """One transaction, alone; with ``synced`` it is on the disk when the block ends. StoreError."""
        return self._transactions[synced]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading that is consistent from its first statement on. StoreError."""
        with self._told():
            try:
                db = self._idle.get_nowait()
            except queue.Empty:
                db = self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.put(db)

    def peek(self, query: Callable[..., _T], *given: Any) -> _T:
        """A query by the thread that writes, on its connection, whose cache is warm."""
        with self._mutex:
            try:
                return query(self._db, *given)
            except self._errors as error:
                raise self._refusal(error) from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()
        with self._mutex:
            self._db.close()


class Transaction:
    """``BEGIN`` … ``COMMIT``. A class without state of its own, as it is entered at every step of every run."""

    __slots__ = ("_store", "_synced")

    def __init__(self, store: Store, synced: bool) -> None:
        self._store, self._synced = store, synced

    def __enter__(self) -> Connection:
        store = self._store
        store._mutex.acquire()
        try:
            store._begin(synced=self._synced)
        except BaseException as error:
            store._mutex.release()
            if isinstance(error, store._errors):
                raise store._refusal(error) from error
            raise
        db: Connection = store._db
        return db

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        store = self._store
        try:
            if error is None:
                store._db.execute("COMMIT")
        except store._errors as failed:
            error = failed
        finally:
            if error is not None:
                with suppress(*store._errors):  # the error that led here is the one to tell
                    store._db.execute("ROLLBACK")
            store._end()
            store._mutex.release()
        if isinstance(error, store._errors):
            raise store._refusal(error) from error
