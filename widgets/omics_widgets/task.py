"""Blocking work started from a widget: in a thread, its state in words, a way to stop it, and its errors.

A callback of a widget may run on another thread or loop than the cell that made the widget, for JupyterLab
sends comms to subshells. So callbacks only post to the loop on which the task was made. Widgets are touched
on that loop alone; the thread reports through ``say``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ipywidgets import HTML, Button, HBox, VBox
from traitlets import Unicode

from omics_nb.display.markup import el
from omics_nb.progress import listening

from .parts import button, marked, visible
from .trouble import error_card

Value = TypeVar("Value")
Say = Callable[[str], None]

TICK_S = 1.0  # how often the time that has passed is shown, which also keeps idle kernels from being culled
THROTTLE_S = 0.05  # at most 20 updates a second
GRACE_S = 0.25  # how long work may take to notice that it was cancelled before it is left to itself


class Cancelled(Exception):  # noqa: N818 - a choice of a person, not an error
    """The work was cancelled by the person who started it."""


class _StillBusyError(RuntimeError):
    """A second work was to run on a task whose first is not over."""


class Task(VBox):
    """What is under way, in words. ``state`` is idle, running, cancelling, cancelled, done or failed."""

    state = Unicode("idle")
    doing = Unicode("")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._cancelled = asyncio.Event()
        self._kept: set[asyncio.Task[Any]] = set()
        self._status = marked(HTML(), "omics-status")
        self._cancel: Button = button("Cancel", self.cancel, "omics-cancel")
        self._trouble = HTML()
        super().__init__([HBox([self._status, self._cancel]), self._trouble])
        marked(self, "omics-task")
        visible(self._cancel, False)
        self._show("")

    def start(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run ``work()`` on the task's loop; for callbacks, which may be anywhere. Errors become a card.

        While other work runs, as after a second press, nothing is started and the status says why.
        """
        self._loop.call_soon_threadsafe(self._spawn, work)

    def _spawn(self, work: Callable[[], Awaitable[Any]]) -> None:
        task = asyncio.ensure_future(self._guarded(work), loop=self._loop)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _guarded(self, work: Callable[[], Awaitable[Any]]) -> None:
        if self._busy():
            self._say_busy()
            return
        try:
            await work()
        except Cancelled:
            return
        except _StillBusyError:
            self._say_busy()
        except Exception as error:
            if self.state != "failed":
                self._fail(error)

    def _busy(self) -> bool:
        return self.state in {"running", "cancelling"}

    def _say_busy(self) -> None:
        self._show(
            f"{self.doing} is {'being cancelled' if self.state == 'cancelling' else 'still under way'} …"
        )

    async def run(self, doing: str, work: Callable[[Say], Value]) -> Value:
        """The value of ``work(say)``, computed in a thread; ``say(text)`` shows how far it is.

        Cancelled if the person cancels: work ends at its next ``say``; work that says nothing is left to end
        by itself, its value dropped. RuntimeError if other work is under way, which goes on. Whatever else
        ``work`` raises is shown as a card and raised.
        """
        self._begin(doing)
        try:
            value = await self._waited(work)
        except Cancelled:
            self._end("cancelled", f"{doing} was cancelled.")
            raise
        except Exception as error:
            self._fail(error)
            raise
        self._end("done", "")
        return value

    def cancel(self) -> None:
        """Ask the work to stop; safe from any thread, without effect where nothing runs."""
        self._loop.call_soon_threadsafe(self._ask_to_stop)

    def _ask_to_stop(self) -> None:
        if self.state == "running":
            self._stop.set()
            self.state = "cancelling"
            self._cancel.disabled = True
            self._show("Cancelling …")
            self._cancelled.set()

    async def _waited(self, work: Callable[[Say], Value]) -> Value:
        say = _Reporter(self._loop, self._progress, self._stop)
        thread = asyncio.ensure_future(asyncio.to_thread(_heard, work, say))
        cancelled = asyncio.ensure_future(self._cancelled.wait())
        clock = asyncio.ensure_future(self._clock())
        try:
            await asyncio.wait({thread, cancelled}, return_when=asyncio.FIRST_COMPLETED)
            if not cancelled.done():
                return thread.result()
            await asyncio.wait({thread}, timeout=GRACE_S)
            thread.add_done_callback(_looked_at)
            raise Cancelled
        finally:
            say.closed = True
            clock.cancel()
            cancelled.cancel()

    def _begin(self, doing: str) -> None:
        if self._busy():
            raise _StillBusyError(f"{self.doing} is still under way; {doing} must wait for it")
        self._stop = threading.Event()
        self._cancelled = asyncio.Event()
        self._began = time.monotonic()
        self._trouble.value = ""
        self.doing, self.state = doing, "running"
        self._cancel.disabled = False
        visible(self._cancel, True)
        self._show(f"{doing} …")

    async def _clock(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._show(self._said)

    def _progress(self, text: str) -> None:
        if self.state == "running":
            self._show(f"{text} …")

    def _show(self, text: str) -> None:
        self._said = text
        running = self._busy()
        passed = time.monotonic() - self._began if running else 0
        # The seconds are for the eye: a screen reader would read them out each time.
        clock = (
            el("span", f" {passed:.0f} s", aria_hidden="true", class_="omics-dim")
            if passed >= TICK_S
            else None
        )
        spinner = el("span", class_="omics-spinner", aria_hidden="true") if running else None
        self._status.value = el(
            "div", spinner, text, clock, class_="omics-nb", role="status", aria_live="polite"
        )

    def _fail(self, error: Exception) -> None:
        self._end("failed", "")
        self._trouble.value = error_card(error, self.doing)

    def _end(self, state: str, text: str) -> None:
        self.state = state
        visible(self._cancel, False)
        self._show(text)


class _Reporter:
    """``say`` for the thread: the latest text is shown, not too often and never late; cancelled work ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, show: Say, stop: threading.Event) -> None:
        self._loop, self._show, self._stop = loop, show, stop
        self._latest = ""
        self._posted = False
        self._next = 0.0
        self.closed = False

    def __call__(self, text: str) -> None:
        if self._stop.is_set():
            raise Cancelled
        self._latest = text
        if not self._posted:
            self._posted = True
            self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        self._loop.call_later(max(0.0, self._next - self._loop.time()), self._deliver)

    def _deliver(self) -> None:
        self._posted = False
        self._next = self._loop.time() + THROTTLE_S
        if not self.closed:
            self._show(self._latest)


def _heard(work: Callable[[Say], Value], say: Say) -> Value:
    """Waits and downloads below show as well, and end where they are when the work is cancelled."""
    with listening(say):
        return work(say)


def _looked_at(thread: asyncio.Future[Any]) -> None:
    # Work that was cancelled may fail later; nobody waits for it, and asyncio would complain of that.
    if not thread.cancelled():
        thread.exception()
