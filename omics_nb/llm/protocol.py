"""What a language model must be able to do here, what it used, and what it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from pydantic import BaseModel

    Shape = TypeVar("Shape", bound=BaseModel)

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Usage:
    """What requests took. ``usd`` is None where no price is known, which is so for every model of your own."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            usd,
        )

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __str__(self) -> str:
        cost = "cost unknown" if self.usd is None else f"{self.usd:.6f} USD"
        requests = "1 request" if self.requests == 1 else f"{self.requests} requests"
        return f"{requests}, {self.input_tokens:,} tokens in and {self.output_tokens:,} out, {cost}"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one model, or all within ``spending``, may use; None is no limit.

    ``usd`` refuses models whose price is not known.
    """

    requests: int = 20
    tokens: int | None = 100_000
    usd: float | None = None


class Purse:
    """A budget and what was spent of it. Safe to use from several threads."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._spent = Usage()
        self._lock = Lock()

    @property
    def spent(self) -> Usage:
        return self._spent

    def book(self, used: Usage) -> None:
        with self._lock:
            self._spent += used


_shared: ContextVar[Purse | None] = ContextVar("shared", default=None)


@contextmanager
def spending(budget: Budget) -> Iterator[Purse]:
    """One budget for all that models do within, whichever models and how many objects of them: that of a run.

    Each model keeps its own budget besides. What was spent is in the purse, also where the budget ended the asking.
    """
    purse = Purse(budget)
    token = _shared.set(purse)
    try:
        yield purse
    finally:
        _shared.reset(token)


def shared_purse() -> Purse | None:
    """The purse of the ``spending`` that this code runs within."""
    return _shared.get()


@runtime_checkable
class LLM(Protocol):
    """A language model. Each method may raise ModelError, and nothing else, where the model cannot answer."""

    @property
    def name(self) -> str:
        """How it is called in what it helped to make."""
        ...

    @property
    def spent(self) -> Usage:
        """What it used so far."""
        ...

    def write(self, instructions: str, prompt: str, *, on_text: OnText | None = None) -> str:
        """Text; ``on_text`` is called with each piece as it comes, in the thread that called."""
        ...

    def fill(self, instructions: str, prompt: str, shape: type[Shape]) -> Shape:
        """A value of this pydantic model."""
        ...


def open_llm(
    spec: str, *, base_url: str | None = None, api_key: str | None = None, budget: Budget | None = None
) -> LLM:
    """The model ``PROVIDER:MODEL``: openai (or what speaks as it does, at ``base_url``), anthropic, google, ollama.

    Without ``api_key`` the provider's usual variable of the environment is used (OPENAI_API_KEY …). ModelError for
    another provider; MissingExtraError where the extra ``llm`` is not installed.
    """
    from .client import Client

    return Client(spec, base_url=base_url, api_key=api_key, budget=budget or Budget())
