"""What a step may ask for with the parameter ``ctx``: tell progress, heed a cancel, name itself to the outside."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RunError


class StopRequestedError(RunError):
    """The run was cancelled or interrupted; raised by ``ctx.check()`` inside a step."""


class Context:
    """The place of one attempt of a step.

    ``idempotency_key`` is the same for every attempt of this step of this run: give it to an outside system that
    must not do a thing twice.
    """

    __slots__ = ("attempt", "halt", "run", "step", "stopped", "tell")

    def __init__(self, step: str, run: str = "", attempt: int = 1) -> None:
        self.step, self.run, self.attempt = step, run, attempt
        self.stopped = False
        self.tell: Callable[[float, str], None] | None = None
        #: Ends the attempt from outside, where that can be done.
        self.halt: Callable[[], None] | None = None

    @property
    def idempotency_key(self) -> str:
        return f"{self.run}/{self.step}"

    def stop(self) -> None:
        """Ask the attempt to stop; from any thread."""
        self.stopped = True
        if self.halt is not None:
            self.halt()

    def check(self) -> None:
        """Raise if the run was asked to stop; call it between pieces of long work in a thread."""
        if self.stopped:
            raise StopRequestedError(f"step {self.step!r} was asked to stop", step=self.step)

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell how much of this step is done, 0 to 1, and what it is at; also heeds a cancel."""
        self.check()
        if self.tell is not None:
            self.tell(min(max(float(fraction), 0.0), 1.0), message)

    def __reduce__(self) -> tuple[object, ...]:
        return Context, (self.step, self.run, self.attempt)
