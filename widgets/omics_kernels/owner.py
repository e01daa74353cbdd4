"""The side of the process that wants kernels: it starts fork servers and keeps them while they are of use.

A server lives as long as this process holds its socket, and dies with it: even SIGKILL closes a socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

PLATFORM = sys.platform
START_TIMEOUT_S = 60.0
FORK_TIMEOUT_S = 10.0
#: Variables that the interpreter and the libraries read when they start or load. A fork is too late for them, so
#: kernels in whose environment they differ come from different servers.
READ_AT_START = tuple(
    "PYTHON LD_ LC_ LANG MALLOC_ GLIBC_ OMP_ OPENBLAS_ GOTO_ MKL_ BLIS_ "
    "NUMEXPR_ NUMBA_ MPL PLOTLY_ ARROW_ JE_ARROW_ PANDAS_ HOME XDG_".split()
)


class CannotForkError(Exception):
    """Why a kernel cannot be forked, in a sentence."""


class _StaleError(Exception):
    """The server is gone, or has loaded code that has changed since."""


class Start(NamedTuple):
    """What a fork server is started with; kernels that agree in it come from the same one."""

    command: tuple[str, ...]  # the interpreter and its options
    preload: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]


class ForkedKernel:
    """A kernel that the fork server has started; answers what jupyter_client asks of a ``Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, server: ForkServer, line: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._server: ForkServer | None = server

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the kernel lives."""
        with contextlib.suppress(TimeoutError):
            self._hear(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, as soon as there is one; TimeoutExpired if there is none in ``timeout`` seconds."""
        try:
            self._hear(timeout)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0) from error
        assert self.returncode is not None  # noqa: S101 - what follows a signal has been heard with it
        return self.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel and to what it has started in its group; when this returns it is sent."""
        if self.poll() is None and self._server is not None:
            self._server.order({"signal": int(signum), "pid": self.pid})
            self._hear(FORK_TIMEOUT_S)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout: float | None) -> None:
        """The next thing that the server says of this kernel: that it is over, or that a signal is sent."""
        if self.returncode is None:
            said = _receive(self._line, timeout)
            # A server that is gone has taken its kernels along.
            code = -signal.SIGKILL if said is None else said.get("exit")
            if code is not None:
                self.returncode = int(code)
                self._line.close()
                self._server = None


class ForkServer:
    """A fork server of this process. It ends when nobody here refers to it: neither the registry nor a kernel."""

    def __init__(self, start: Start) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter of the kernelspec
                [*start.command, "-m", "omics_kernels.server", str(theirs.fileno()), *start.preload],
                env={**os.environ, **dict(start.variables)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._end = weakref.finalize(self, _end, self._orders, self._process, os.getpid())
        _forget_in_children.add(self)
        try:
            said = _receive(self._orders, START_TIMEOUT_S)
        except TimeoutError:
            said = {"failed": f"it was not ready within {START_TIMEOUT_S:.0f} s"}
        if said is None or "failed" in said:
            self._end()
            why = said["failed"] if said else f"it ended with code {self._process.returncode} while it loaded"
            raise CannotForkError(f"the fork server did not start: {why}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, request: Mapping[str, Any], streams: list[int]) -> ForkedKernel:
        """A new kernel; _StaleError if this server cannot make one and a new server should be asked."""
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.order({"fork": request}, [*streams, theirs.fileno()])
        try:
            said = _receive(line, FORK_TIMEOUT_S)
        except TimeoutError:
            said = None
        if said is None or "pid" not in said:
            line.close()
            raise _StaleError(said["refused"] if said else "it does not answer")
        return ForkedKernel(self, line, said["pid"])

    def order(self, order: Mapping[str, Any], fds: list[int] | None = None) -> None:
        """Tell the server; one that is gone needs no order, and its kernels are gone too."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._orders, [json.dumps(order).encode()], fds or [])

    def abandon(self) -> None:
        """In a process that this one has forked: let go of the socket, which is not its own."""
        self._end.detach()
        self._orders.close()


def _end(orders: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:
        orders.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _receive(line: socket.socket, timeout: float | None) -> dict[str, Any] | None:
    """The next message; None if the other side is gone. TimeoutError if there is none yet."""
    line.settimeout(timeout)
    try:
        data = line.recv(65_536)
    except BlockingIOError:
        raise TimeoutError from None
    except ConnectionResetError:
        return None
    return json.loads(data) if data else None


_servers: dict[Start, ForkServer] = {}
_starting = threading.Lock()
_forget_in_children: weakref.WeakSet[ForkServer] = weakref.WeakSet()


def fork_kernel(
    cmd: list[str],
    preload: tuple[str, ...],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    independent: bool = False,
    **others: Any,
) -> ForkedKernel:
    """Start ``cmd``, a kernelspec's command, as a fork; arguments as of ``jupyter_client.launcher.launch_kernel``.

    Blocks while a server loads its libraries. CannotForkError if ``cmd`` must be started as a process.
    """
    if PLATFORM != "linux":
        raise CannotForkError(f"forks of a process with libraries are safe on Linux, not on {PLATFORM}")
    if independent or others or subprocess.PIPE in (stdin, stdout, stderr):
        asked = ", ".join(sorted(others)) or ("independent" if independent else "a pipe")
        raise CannotForkError(f"{asked} was asked for, which a fork cannot have")
    variables = dict(os.environ if env is None else env)
    folder = Path(cwd or Path.cwd()).absolute()
    if not folder.is_dir():
        raise CannotForkError(f"there is no folder {folder}")
    command, arguments = _taken_apart(cmd)
    start = Start(command, preload, _read_at_start(variables, folder))
    request = {"arguments": arguments, "cwd": str(folder), "env": variables}
    return _forked(start, request, (stdin, stdout, stderr))


def warm(cmd: list[str], preload: tuple[str, ...]) -> None:
    """Start the server for kernels of this environment, so that the first need not wait; CannotForkError as above."""
    if PLATFORM != "linux":
        raise CannotForkError(f"forks of a process with libraries are safe on Linux, not on {PLATFORM}")
    command, _ = _taken_apart(cmd)
    _server(Start(command, preload, _read_at_start(os.environ, Path.cwd())))


def _forked(start: Start, request: Mapping[str, Any], streams: tuple[Any, Any, Any]) -> ForkedKernel:
    why = ""
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123
        fds = [_fd(stream, usual, nothing.fileno()) for usual, stream in enumerate(streams)]
        for _ in range(2):
            server = _server(start)
            try:
                return server.fork(request, fds)
            except _StaleError as error:
                why = str(error)
                _retire(start, server)
            except OSError as error:  # a stream that is closed, an environment beyond what a message may hold
                raise CannotForkError(f"the fork server cannot be told what to start: {error}") from error
    raise CannotForkError(f"the fork server does not fork: {why}")


def _taken_apart(cmd: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The interpreter with its options, and the kernel's arguments, of a command that starts ipykernel."""
    if "-m" in cmd:
        where = cmd.index("-m")
        if cmd[where + 1 : where + 2] == ["ipykernel_launcher"]:
            return (os.path.expanduser(cmd[0]), *cmd[1:where]), cmd[where + 2 :]  # noqa: PTH111
    raise CannotForkError(f"only 'python -m ipykernel_launcher …' can be forked, not {' '.join(cmd[:3])!r}")


def _read_at_start(variables: Mapping[str, str], folder: Path) -> tuple[tuple[str, str], ...]:
    found = {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}
    if found.get("PYTHONPATH"):
        parts = found["PYTHONPATH"].split(os.pathsep)  # relative ones are meant from where the kernel starts
        found["PYTHONPATH"] = os.pathsep.join(str(folder / part) for part in parts)
    return tuple(sorted(found.items()))


def _fd(stream: Any, usual: int, nothing: int) -> int:
    if stream == subprocess.DEVNULL or (stream is None and usual == 0):
        return nothing
    return usual if stream is None else stream if isinstance(stream, int) else int(stream.fileno())


def _server(start: Start) -> ForkServer:
    with _starting:
        if start not in _servers:
            _servers[start] = ForkServer(start)
        return _servers[start]


def _retire(start: Start, server: ForkServer) -> None:
    """Ask this server for no more kernels; it ends with the last that it has."""
    with _starting:
        if _servers.get(start) is server:
            del _servers[start]


def end_servers() -> None:
    """Let go of all servers of this process; each ends with its last kernel. The next kernel starts a new one."""
    with _starting:
        _servers.clear()


def _abandon_all() -> None:
    for server in list(_forget_in_children):
        server.abandon()
    _servers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
