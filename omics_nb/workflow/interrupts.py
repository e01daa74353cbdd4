"""Ctrl-C and the notebook's stop button while a coroutine waits."""

from __future__ import annotations

import asyncio
import signal
import threading
from types import FrameType


class Interrupts:
    """SIGINT within the block: ``came``, and the future ``first``, which is done then.

    asyncio makes a cancellation of it, which looks like any other; ipykernel too, but may leave its loop asleep.
    """

    def __init__(self) -> None:
        self.came = False
        self._loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = self._loop.create_future()
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Interrupts:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._loop.call_soon_threadsafe(self._end)
        if callable(self._before):
            self._before(number, frame)

    def _end(self) -> None:
        if not self.first.done():
            self.first.set_result(None)

    def __exit__(self, *_: object) -> None:
        # Waits may end in any order: what another one has put on top of this one stays, and passes signals on.
        if self._main and signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, self._before or signal.SIG_DFL)
