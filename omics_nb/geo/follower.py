"""Work on the pieces of a stream in a thread of its own, a little behind whoever reads them.

Hashing and unpacking let go of the interpreter's lock, so that they cost a download no time while a core is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Queue

# How many batches may wait: what is read is never far ahead of what is known to be good.
_MOST_WAITING = 8


class Follower:
    """Calls ``take`` with each piece, in order. Its thread starts with the first batch and ends with ``close``."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._batches: Queue[Sequence[bytes] | None] = Queue(_MOST_WAITING)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def give(self, batch: Sequence[bytes]) -> None:
        """Hand pieces on; waits where too many are not yet taken. Raises what ``take`` has raised meanwhile."""
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="omics_nb follower", daemon=True)
            self._thread.start()
        self._batches.put(batch)

    def catch_up(self) -> None:
        """Wait until everything is taken. Raises what ``take`` has raised."""
        self._batches.join()
        self._raise()

    def finish(self, rest: Sequence[bytes]) -> None:
        """Take what is left; in this thread where nothing came before it, for then it is not worth another."""
        if self._thread is None:
            for piece in rest:
                self._take(piece)
            return
        self.give(rest)
        self.catch_up()

    def close(self) -> None:
        """End the thread, whatever is still waiting."""
        if self._thread is not None:
            self._error = self._error or ValueError("this follower is closed")
            self._batches.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                for piece in batch:
                    if self._error is None:
                        self._take(piece)
            # Whatever it is, it is raised in the thread that waits for it.
            except BaseException as error:
                self._error = error
            finally:
                self._batches.task_done()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
