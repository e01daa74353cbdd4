"""What a long wait is about, told to whoever listens for it: a command line, a form, a step of a run.

Messages go through a logger, ``omics_nb.progress``, so that nothing has to be handed down to where one waits, and
who wants to keep them adds a handler.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger("omics_nb.progress")
_log.setLevel(logging.INFO)
# A program that logs warnings and worse is not to be filled with waits.
_log.propagate = False


def tell(message: str) -> None:
    """Tell what is waited for, in this thread. In a cell where nobody listens, a line that overwrites itself."""
    _log.info("%s", message)
    if _in_kernel() and threading.current_thread() is threading.main_thread():
        here = threading.get_ident()
        if not any(isinstance(handler, _Ear) and handler.thread == here for handler in _log.handlers):
            sys.stdout.write(f"\r{message:<100}")
            sys.stdout.flush()


@contextmanager
def listening(listener: Callable[[str], object]) -> Iterator[None]:
    """Give ``listener`` each message of this thread meanwhile. What it raises ends the wait, as a cancel does."""
    ear = _Ear(listener)
    _log.addHandler(ear)
    try:
        yield
    finally:
        _log.removeHandler(ear)


def _in_kernel() -> bool:
    """Whether this process is a kernel: a shell's test, or a program that starts kernels, has the module too."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and bool(kernel.IPKernelApp.initialized())


class _Ear(logging.Handler):
    def __init__(self, listener: Callable[[str], object]) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self._listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self._listener(record.getMessage())
