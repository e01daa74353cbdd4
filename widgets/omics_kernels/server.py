"""The process that forks kernels: ``python -m omics_kernels.server FD MODULE …``, started by :mod:`.owner`.

It imports the modules, then takes orders from the socket FD, as JSON, one a datagram:

- ``{"fork": {"arguments", "cwd", "env"}}``, with four descriptors: stdin, stdout, stderr, and the kernel's line,
  on which comes ``{"pid"}`` or ``{"refused"}`` at once, and ``{"exit"}`` when the kernel is over;
- ``{"signal", "pid"}``: for the process group of one of its kernels, on whose line comes ``{"sent"}``.

It has one thread, so that a fork finds no lock held by another, and sends all signals itself: until it has
waited for a kernel, that kernel's number cannot be another's. When its owner is gone it ends, and its kernels with it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib.util
import io
import json
import os
import random
import selectors
import signal
import socket
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 1 << 20  # of an order; Linux allows less
# In the environment while modules are imported, where it says nothing else; forks have that of their kernel.
_WHILE_IMPORTING = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # as ipykernel sets it before anything is imported
    "PLOTLY_RENDERER": "plotly_mimetype",  # what plotly takes where it finds a kernel
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else Arrow's allocator starts a thread when it is loaded
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # a warning of the debugger that is meant for plain kernels
}


class Kernel(NamedTuple):
    """A fork that lives: its number, a descriptor that is readable once it is over, its owner's line."""

    pid: int
    over: int
    line: socket.socket


class Request(NamedTuple):
    """What a fork is to become."""

    arguments: list[str]
    cwd: str
    env: dict[str, str]


def main() -> None:
    """Serve; in a fork, be a kernel."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    try:
        missing = prepare(sys.argv[2:])
    except Exception as error:  # whatever a library raises at its import: the owner must hear of it
        say(orders, failed=str(error))
        raise
    server = Server(orders, dict(watched()))
    say(orders, ready=os.getpid(), missing=missing)
    become(server.serve())
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()
    leave(IPKernelApp.instance())


def leave(kernel: Any) -> NoReturn:
    """End a kernel that was told to: all that is the user's comes to its end, the libraries are not taken apart.

    To take them apart would make the fork's own copy of every page that it shares: three quarters of the time in which
    a fork ends. Threads, what is registered with atexit, the user's objects and open files, and what libraries in C
    have registered are seen to, in Python's own order.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    # This thread may still flush what was printed, by another one that ipykernel ends first: then it waits for 10 s.
    if kernel.control_thread is not None and kernel.control_thread.is_alive():
        kernel.control_thread.stop()
        kernel.control_thread.join()
    atexit._run_exitfuncs()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    gc.collect()  # IPython has let go of the user's names at its exit
    for item in gc.get_objects():  # what was there before the fork is frozen, and not among these
        if type(item) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom) and not item.closed:
            with contextlib.suppress(OSError):
                item.flush()
    ctypes.PyDLL(None).exit(0)
    os._exit(0)


def prepare(modules: list[str]) -> dict[str, str]:
    """Import the modules, as far as they are installed, and get ready to fork; those that are not, with the reason."""
    if Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]  # where this process was started means nothing to a kernel
    os.environ.update(_WHILE_IMPORTING | os.environ)
    os.close(os.pidfd_open(os.getpid()))  # an OSError where the system has none
    missing = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing[name] = str(error)
        except Exception as error:
            raise RuntimeError(f"{name}: {type(error).__name__}: {error}") from error
    _be_alone()
    _lay_names_together()
    gc.collect()
    gc.freeze()  # collections in a fork leave these objects' pages shared
    return missing


def _lay_names_together() -> None:
    """Fresh copies of what ipykernel reads of every module as it starts: its name and its file.

    To read is to count references, which makes a fork's own copy of the page; scattered among thousands of modules
    that was five of the thirty MB that a kernel has for itself.
    """
    modules = list(sys.modules.items())
    sys.modules.clear()
    sys.modules.update({name.encode().decode(): module for name, module in modules})
    for _, module in modules:
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str):
            module.__dict__["__file__"] = file.encode("utf-8", "surrogatepass").decode(
                "utf-8", "surrogatepass"
            )


def _be_alone() -> None:
    """RuntimeError if there is a thread that would be missing in a fork."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(1)
    # OpenBLAS ends its threads at a fork, and starts them again when it computes; so one fork for nothing.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if (pid := os.fork()) == 0:
            os._exit(0)
    os.waitpid(pid, 0)
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    if len(names) > 1:
        raise RuntimeError(f"libraries have started threads, which a fork would not have: {sorted(names)}")


def watched() -> Iterator[tuple[str, int]]:
    """Files whose change makes what is loaded old, with the time of their last change.

    Code that is edited in place, one by one; installed packages by the folder that pip puts them into.
    """
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths = {path for path in installed if "-packages" in Path(path).name}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and not path.startswith(tuple(installed)):
            paths.add(path)
    for path in paths:
        with contextlib.suppress(OSError):
            yield path, os.stat(path).st_mtime_ns  # noqa: PTH116


def changed(files: dict[str, int]) -> str | None:
    """The first of these files that is not as it was."""
    for path, time_ns in files.items():
        try:
            if os.stat(path).st_mtime_ns != time_ns:  # noqa: PTH116
                return path
        except OSError:
            return path
    return None


class Server:
    """Its kernels, and the orders of its owner."""

    def __init__(self, orders: socket.socket, files: dict[str, int]) -> None:
        self._orders = orders
        self._files = files
        self._kernels: dict[int, Kernel] = {}
        self._ready = selectors.PollSelector()  # which has no descriptor of its own that forks would share
        self._ready.register(orders, selectors.EVENT_READ)

    def serve(self) -> Request:
        """Fork and signal until the owner is gone. Returns in forks alone: what they are to become."""
        while True:
            for key, _ in self._ready.select():
                if key.data is not None:
                    self._reap(self._kernels.pop(key.data))
                elif (request := self._obey()) is not None:
                    return request

    def _obey(self) -> Request | None:
        data, fds, _, _ = socket.recv_fds(self._orders, _MOST_BYTES, 4)
        if not data:
            self._end()
        order: dict[str, Any] = json.loads(data)
        if "fork" in order:
            return self._fork(Request(**order["fork"]), fds)
        if (kernel := self._kernels.get(order["pid"])) is not None:
            _signal(kernel.pid, order["signal"])
            say(kernel.line, sent=order["signal"])
        return None

    def _fork(self, request: Request, fds: list[int]) -> Request | None:
        *streams, last = fds
        line = socket.socket(fileno=last)
        old = changed(self._files)
        if old is not None:
            say(line, refused=f"{old} has changed since it was loaded")
            line.close()
        elif pid := os.fork():
            self._kernels[pid] = Kernel(pid, os.pidfd_open(pid), line)
            self._ready.register(self._kernels[pid].over, selectors.EVENT_READ, pid)
            say(line, pid=pid)
        else:
            self._leave(line, streams)
            return request
        for stream in streams:
            os.close(stream)
        return None

    def _leave(self, line: socket.socket, streams: list[int]) -> None:
        """In a fork: a session and streams of its own, and nothing of the server's; it dies with the server."""
        server = os.getppid()
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for usual, stream in enumerate(streams):
            os.dup2(stream, usual)
            os.close(stream)
        line.close()
        self._orders.close()
        for kernel in self._kernels.values():
            os.close(kernel.over)
            kernel.line.close()
        if os.getppid() != server:  # it died before the kernel could ask to die with it
            os._exit(1)

    def _reap(self, kernel: Kernel) -> None:
        self._ready.unregister(kernel.over)
        os.close(kernel.over)
        _, status = os.waitpid(kernel.pid, 0)
        say(kernel.line, exit=os.waitstatus_to_exitcode(status))
        kernel.line.close()

    def _end(self) -> NoReturn:
        """The owner is gone: its kernels and what they have started are asked to end; the end of this kills them."""
        for pid in self._kernels:
            _signal(pid, signal.SIGTERM)
        os._exit(0)


def say(line: socket.socket, **message: object) -> None:
    """Tell the other side, if it is there to hear it."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        line.send(json.dumps(message).encode())


def _signal(pid: int, signum: int) -> None:
    try:
        os.killpg(pid, signum)
    except ProcessLookupError:  # so young that it has no group of its own yet
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def become(request: Request) -> None:
    """In a fork: the folder, environment and arguments of the kernel, and no random state that others have too."""
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    time.tzset()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [
        str(launcher and launcher.origin),
        *request.arguments,
        # Read from the environment when ipykernel is imported, which was in the server.
        f"--IPKernelApp.parent_handle={os.getppid()}",
        # ipywidgets does this at its import, where that is in a kernel.
        *(["--ext=ipywidgets"] if "ipywidgets" in sys.modules else []),
    ]


if __name__ == "__main__":
    main()
