"""A kernel of its own for a row: started, asked whether it is ready, measured, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from queue import Empty
from typing import Any

from ..errors import KernelDiedError, MissingExtraError

#: Kernels by these names are this very interpreter, whatever is registered here under them.
_OWN = ("python3", "python", "")
_FORK = "omics-fork"
_START_S = 120.0
_QUIET_S = 0.05
_END_S = 5.0
_LOOK_S = 0.01
_CALL_AGAIN_MS = 5


def manager_of(kernel: str, folder: Path, *, forks: bool = False) -> Any:
    """A manager for one kernel, with its sockets in ``folder``. KernelDiedError if there is no such kernel."""
    from ..reporting.notebook import own_interpreter

    if kernel in _OWN:
        return own_interpreter(folder, provisioner=_forking() if forks else None)()
    try:
        from jupyter_client.kernelspec import NoSuchKernel
        from jupyter_client.manager import AsyncKernelManager
    except ImportError as error:
        raise MissingExtraError(
            "a notebook needs jupyter_client; run: pip install 'omics-nb[notebook]'", extra="notebook"
        ) from error
    manager = AsyncKernelManager(kernel_name=kernel, connection_file=str(folder / "kernel.json"))
    try:
        _ = manager.kernel_spec
    except NoSuchKernel as error:
        raise KernelDiedError(
            f"there is no kernel {kernel!r} here; `jupyter kernelspec list` shows which are", kernel=kernel
        ) from error
    return manager


@lru_cache(1)
def _forking() -> dict[str, Any] | None:
    """How to have kernels forked from a process that has loaded the libraries, where omics_kernels is installed."""
    known = [*entry_points(group="jupyter_client.kernel_provisioners", name=_FORK)]
    if not known:
        return None
    preload = [*import_module(known[0].module).PRELOAD, f"{__package__}.warm"]
    return {"provisioner_name": _FORK, "config": {"preload": preload}}


async def start(manager: Any, *, cwd: str, env: Mapping[str, str]) -> Any:
    """Start the kernel; its client, once both its channels are heard. KernelDiedError."""
    from zmq import RECONNECT_IVL

    client = None
    try:
        # As nbclient does: nobody looks for these cells in the history of what was typed, one database for all kernels.
        memory = ["--HistoryManager.hist_file=:memory:"] if manager.ipykernel else []
        await manager.start_kernel(cwd=cwd, env=dict(env), extra_arguments=memory)
        # It begins to listen after we begin to call, and whoever calls again waits for 0.1 s where nothing is said.
        manager.context.setsockopt(RECONNECT_IVL, _CALL_AGAIN_MS)
        client = manager.client(context=manager.context)
        client.start_channels(hb=False)  # who manages a kernel sees its process; a heartbeat is a thread more
        await asyncio.wait_for(_heard(manager, client), _START_S)
    except (OSError, RuntimeError, TimeoutError) as error:
        await end(manager, client, now=True)
        raise KernelDiedError(f"the kernel did not start: {error or type(error).__name__}") from error
    return client


async def _heard(manager: Any, client: Any) -> None:
    """Wait until a request is answered and what it broadcasts arrives.

    ``wait_for_ready`` does the same and waits for two silences of 0.2 s besides.
    """
    while True:
        asked = client.kernel_info()
        if await _reply(client.shell_channel, asked, 1.0) and await _reply(
            client.iopub_channel, asked, _QUIET_S, "idle"
        ):
            return
        if not await manager.is_alive():
            raise RuntimeError("it ended before it answered")


async def _reply(channel: Any, asked: str, timeout: float, state: str = "") -> bool:
    limit = time.monotonic() + timeout
    while (left := limit - time.monotonic()) > 0:
        try:
            message = await channel.get_msg(timeout=left)
        except Empty:
            return False
        told = message["content"].get("execution_state", "")
        if message["parent_header"].get("msg_id") == asked and told == state:
            return True
    return False


def process_of(manager: Any) -> int | None:
    """The process of a kernel, None where it is not on this machine or has not begun."""
    pid = getattr(manager.provisioner, "pid", None)
    return pid if isinstance(pid, int) and pid > 1 else None


async def exit_code(manager: Any) -> int | None:
    """What the kernel's process ended with; None while it lives."""
    if manager.provisioner is None:
        return 0
    code: int | None = await manager.provisioner.poll()
    return code


def memory_of(pid: int) -> int:
    """Bytes in memory that a process and all that it started hold; what forks share counts once for each."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process = psutil.Process(pid)
        total = process.memory_info().rss
        for child in _children(process):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += child.memory_info().rss
    return total


def peak_of(pid: int) -> int:
    """The most bytes in memory that a process itself has held so far, where the system remembers it; else those now."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return memory_of(pid)


def _children(process: Any) -> list[Any]:
    """Its descendants. Linux tells them at once; elsewhere every process has to be looked at."""
    import psutil

    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        if not path.read_text(encoding="ascii").strip():
            return []  # a kernel's threads start processes rarely; those are ended with its group all the same
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return list(process.children(recursive=True))
    return []


async def kill(manager: Any) -> None:
    """End the kernel and all that it started, now."""
    import psutil

    pid = process_of(manager)
    children = []
    if pid is not None and await exit_code(manager) is None:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            children = psutil.Process(pid).children(recursive=True)
    if manager.provisioner is not None and manager.provisioner.has_process:
        await manager.provisioner.kill()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            child.kill()


async def end(manager: Any, client: Any, *, now: bool = False) -> None:
    """See the kernel gone, and let go of sockets and files; it gets a moment to end by itself unless ``now``."""
    try:
        if manager.has_kernel:
            if now:
                await kill(manager)
            else:
                await manager.request_shutdown()
            # As shutdown_kernel(), which looks whether it is gone ten times less often.
            await manager.finish_shutdown(waittime=_END_S, pollinterval=_LOOK_S)
    except RuntimeError:
        await kill(manager)  # it was gone already, or would not be told
    finally:
        if client is not None:
            client.stop_channels()
        await manager.cleanup_resources()
