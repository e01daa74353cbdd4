"""One notebook, run from top to bottom in a kernel of its own, within limits of time and memory.

The cells are sent by nbclient, https://nbclient.readthedocs.io. What goes wrong is no exception here but the outcome: a
batch's rows fail all the time, and their notebooks are kept as far as they came.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from ..errors import KernelDiedError
from . import kernels
from .outputs import Overflow

_LOOK_S = 0.2
_INTERRUPT_S = 2.0


class Limits(NamedTuple):
    """How long the whole notebook and each cell may take, and how much memory its kernel may hold; None: no limit."""

    row_s: float | None = None
    cell_s: float | None = None
    memory_mb: float | None = None


class Ended(NamedTuple):
    """How a notebook ended: ``error`` names the kind of error, ``cell`` is the place of the one that was at work."""

    state: str
    error: str = ""
    message: str = ""
    cell: int | None = None
    seconds: float = 0.0
    cell_seconds: float = 0.0
    peak_mb: float = 0.0
    extra: Any = None


class _Client(NotebookClient):
    """nbclient, whose outputs have limits."""

    overflow: Overflow
    #: Place in the notebook → number among its code cells, from 1.
    numbers: Mapping[int, int]

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        content = msg["content"]
        number = self.numbers[cell_index]
        if not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            if msg["msg_type"] == "stream":
                content["text"] = self.overflow.stream(number, content["name"], content["text"], outs)
                if not content["text"]:
                    return None
            elif "data" in content:
                content["data"] = self.overflow.data(number, len(outs), content["data"])
        return super().output(outs, msg, display_id, cell_index)


class Execution:
    """A notebook on its way. ``stopped`` is asked often whether it shall end; ``tell`` hears of each cell."""

    def __init__(
        self,
        notebook: Any,
        *,
        kernel: str,
        cwd: str,
        env: Mapping[str, str],
        limits: Limits,
        folder: Path,
        stopped: Callable[[], bool],
        tell: Callable[[int, int], object],
        last: str = "",
        forks: bool = False,
    ) -> None:
        self.notebook, self.kernel, self.cwd, self.env, self.limits = notebook, kernel, cwd, env, limits
        self.overflow = Overflow(folder)
        self.peak_bytes = 0
        self._stopped, self._tell, self._last, self._forks = stopped, tell, last, forks
        self._verdict: tuple[str, str, str] | None = None
        self._cell: int | None = None
        self._cell_began = 0.0
        self._cell_seconds = 0.0
        self._began = self._ready = time.monotonic()
        self._manager: Any = None
        self._client: Any = None

    def run(self, sockets: Path, after: Callable[[Ended], None]) -> Ended:
        """Run it to its end. ``sockets`` is a folder for the kernel; ``after`` is called while the kernel ends."""
        try:
            return asyncio.run(self._run(sockets, after))
        finally:
            self.overflow.close()

    async def _run(self, sockets: Path, after: Callable[[Ended], None]) -> Ended:
        try:
            manager = kernels.manager_of(self.kernel, sockets, forks=self._forks)
            talk = await kernels.start(manager, cwd=self.cwd, env=self.env)
        except KernelDiedError as error:
            ended = self._ended("failed", "KernelDiedError", str(error))
            after(ended)
            return ended
        self._manager, self._ready = manager, time.monotonic()
        extra, whole = None, False
        watch = asyncio.create_task(self._watch())
        try:
            ended = await self._cells(manager, talk)
            whole = ended.state == "done"
            if whole and self._last:
                extra = await self._ask(manager, talk)
        finally:
            watch.cancel()
            self._measure()
            closing = asyncio.create_task(kernels.end(manager, talk, now=not whole))
        ended = ended._replace(extra=extra, peak_mb=self.peak_bytes / 2**20)
        self.overflow.close()
        try:
            await asyncio.to_thread(after, ended)
        finally:
            await closing
        return ended

    async def _cells(self, manager: Any, talk: Any) -> Ended:
        self._client = client = _Client(
            self.notebook, km=manager, timeout=None, record_timing=True, coalesce_streams=True
        )
        client.kc, client.overflow = talk, self.overflow
        client.reset_execution_trackers()
        cells = [at for at, cell in enumerate(self.notebook.cells) if cell.cell_type == "code"]
        client.numbers = {at: number for number, at in enumerate(cells, 1)}
        try:
            for done, at in enumerate(cells):
                self._tell(done, len(cells))
                self._cell, self._cell_began = at, time.monotonic()
                if self._verdict is not None:
                    raise DeadKernelError("stopped")
                await client.async_execute_cell(self.notebook.cells[at], at, execution_count=done + 1)
                self._cell_seconds += time.monotonic() - self._cell_began
            self._cell = None
        except CellExecutionError as error:
            return self._judged("failed", "RowFailedError", f"{error.ename}: {error.evalue}")
        except (DeadKernelError, CellTimeoutError, RuntimeError):
            return self._judged("failed", "KernelDiedError", await self._death(manager))
        finally:
            client.set_widgets_metadata()
        return self._judged("done", "", "") if self._verdict is None else self._judged("failed", "", "")

    def _judged(self, state: str, error: str, message: str) -> Ended:
        if self._cell is not None:
            self._cell_seconds += time.monotonic() - self._cell_began
        return self._ended(*(self._verdict or (state, error, message)))

    def _ended(self, state: str, error: str, message: str) -> Ended:
        seconds = time.monotonic() - self._began
        return Ended(state, error, message, self._cell, seconds, self._cell_seconds, self.peak_bytes / 2**20)

    async def _ask(self, manager: Any, talk: Any) -> Any:
        """What the last words to the kernel give: the data of a display, or None."""
        import nbformat

        words = nbformat.v4.new_code_cell(self._last)
        scratch = nbformat.v4.new_notebook(cells=[words])
        client = NotebookClient(scratch, km=manager, timeout=60)
        client.kc = talk
        client.reset_execution_trackers()
        with contextlib.suppress(CellExecutionError, DeadKernelError, CellTimeoutError):
            await client.async_execute_cell(words, 0)
        found = [output["data"] for output in words.outputs if "data" in output]
        return json.loads(json.dumps(found[0])) if found else None

    async def _death(self, manager: Any) -> str:
        code = await kernels.exit_code(manager)
        if code is not None and code < 0:
            import signal

            named = signal.Signals(-code).name
            guess = "; the system does so when memory runs out" if named == "SIGKILL" else ""
            return f"the kernel was killed by {named}{guess} (it held {self.peak_bytes / 2**20:,.0f} MiB)"
        return f"the kernel ended by itself, with code {code}"

    # --- limits ------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look after time, memory and whether it shall stop; end the kernel where one of them says so."""
        while True:
            await asyncio.sleep(_LOOK_S)
            verdict = self._look()
            if verdict is not None:
                self._verdict = verdict
                await self._stop(gently=verdict[1] == "RowTimeoutError")
                break
            if await kernels.exit_code(self._manager) is not None:
                break
        await asyncio.sleep(_LOOK_S)  # for what it said last
        waits = getattr(self._client, "task_poll_for_reply", None)
        if waits is not None:
            waits.cancel()  # by which nbclient learns that the kernel is gone; it would look within a second

    def _measure(self) -> None:
        pid = kernels.process_of(self._manager)
        self.peak_bytes = max(self.peak_bytes, kernels.peak_of(pid) if pid is not None else 0)

    def _look(self) -> tuple[str, str, str] | None:
        now = time.monotonic()
        pid = kernels.process_of(self._manager)
        held = kernels.memory_of(pid) if pid is not None else 0
        self.peak_bytes = max(self.peak_bytes, held)
        row_s, cell_s, memory_mb = self.limits
        if self._stopped():
            return "cancelled", "RowCancelledError", "was cancelled"
        if memory_mb is not None and held > memory_mb * 2**20:
            used = f"used {held / 2**20:,.0f} MiB of memory, and may use {memory_mb:,.0f} MiB"
            return "failed", "OutOfMemoryError", used
        # The time that a kernel takes to begin is not the row's.
        if row_s is not None and now - self._ready > row_s:
            return "timed out", "RowTimeoutError", f"took longer than {row_s:g} s"
        if cell_s is not None and self._cell is not None and now - self._cell_began > cell_s:
            return "timed out", "RowTimeoutError", f"one cell took longer than {cell_s:g} s"
        return None

    async def _stop(self, *, gently: bool) -> None:
        """End the kernel; gently is by an interrupt first, so that the notebook shows where it was."""
        if gently:
            limit, cell = time.monotonic() + _INTERRUPT_S, self._cell
            with contextlib.suppress(RuntimeError):
                await self._manager.interrupt_kernel()
            while (
                time.monotonic() < limit
                and self._cell == cell
                and await kernels.exit_code(self._manager) is None
            ):
                await asyncio.sleep(0.05)
        await kernels.kill(self._manager)
