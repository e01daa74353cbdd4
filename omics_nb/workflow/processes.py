"""A step in a process of its own: it can be killed, with all that it started, and dies with its parent.

A function that can be imported gets a fresh interpreter. One of a notebook (``__main__``) cannot be imported and gets
a fork. Either way the process leads a group of its own, and a pipe from its parent tells it when that is gone.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import IO

from ..errors import RunError
from . import values
from .executors import Job, Outcome, failed, must_fork, perform

_GRACE_S = 5.0
_START = "import sys; sys.path[:] = {path!r}; from omics_nb.workflow.processes import serve; serve()"


class Child:
    """One attempt in a process. ``cancel`` may be called at any time, from any thread."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._timed_out = False
        self._popen: subprocess.Popen[bytes] | None = None
        self._begin(job)
        job.context.halt = self.cancel
        if job.context.stopped:
            self.cancel()

    def _begin(self, job: Job) -> None:
        if must_fork(job.step):
            self.pid, self._reader, self._lifeline = _fork(job)
            return
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and words
            [sys.executable, "-c", _START.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._lifeline, self._reader = self._popen.stdin, self._popen.stdout  # type: ignore[assignment]
        with contextlib.suppress(BrokenPipeError):  # what became of it is read below
            pickle.dump((job, values.importable_types()), self._lifeline)
            self._lifeline.flush()

    def outcome(self) -> Outcome:
        """Wait for what the attempt comes to; past its timeout it is killed."""
        timeout_s = self._job.step.options.timeout_s
        timer = threading.Timer(timeout_s or 0, self._time_out)
        timer.daemon = True
        try:
            while True:
                message = pickle.load(self._reader)  # noqa: S301 - from our own child
                if isinstance(message, Outcome):
                    return message
                if message is not None:
                    self._job.context.progress(*message)
                elif timeout_s is not None:
                    timer.start()  # the time that a process takes to begin is not the step's
        except (EOFError, pickle.UnpicklingError):
            if self._timed_out:
                return failed(self._job, TimeoutError())
            ended = f"the process of step {self._job.step.name!r} ended with code {self._wait()}"
            return failed(self._job, RunError(ended))
        finally:
            timer.cancel()
            self.cancel()
            self._wait()
            self._reader.close()
            with contextlib.suppress(BrokenPipeError):
                self._lifeline.close()

    def _time_out(self) -> None:
        self._timed_out = True
        self.cancel()

    def cancel(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            elif self._popen is not None:
                self._popen.kill()

    def _wait(self) -> int | None:
        if self._popen is not None:
            return self._popen.wait(_GRACE_S)
        with contextlib.suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return None


def _fork(job: Job) -> tuple[int, IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    watched, lifeline = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            os.close(reader)
            os.close(lifeline)  # its own copy would keep the parent's end open for ever
            _work(job, os.fdopen(writer, "wb"), os.fdopen(watched, "rb"))
        finally:
            os._exit(1)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # whichever comes first; afterwards its group can be killed at once
    os.close(writer)
    os.close(watched)
    return pid, os.fdopen(reader, "rb"), os.fdopen(lifeline, "wb")


def serve() -> None:
    """The life of a fresh interpreter: its job comes by standard input, what it comes to goes by standard output."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What the step prints is for people, and it has nothing to read.
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        job, types = pickle.load(source)  # noqa: S301 - from our own parent
        values.expect_types(types)
    except BaseException as error:  # nobody else is there to see it
        _send(sink, Outcome(error=RunError(f"the step could not be started in a process: {error!r}")))
        os._exit(1)
    _work(job, sink, source)


def _work(job: Job, sink: IO[bytes], lifeline: IO[bytes]) -> None:
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    job.context.tell = lambda fraction, message: _send(sink, (fraction, message))
    _send(sink, None)
    outcome = perform(job)
    try:
        pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own, to see whether its error can travel
    except Exception:  # an error of a class that cannot be pickled is told in words
        outcome = outcome._replace(error=RunError(f"{type(outcome.error).__name__}: {outcome.error}"))
    _send(sink, outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _send(sink: IO[bytes], message: object) -> None:
    sink.write(pickle.dumps(message))
    sink.flush()


def _die_with_parent(lifeline: IO[bytes]) -> None:
    lifeline.read()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
