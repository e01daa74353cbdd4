"""What a language model must be able to do here, what it used, and what it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    """The most that one model may use in all; None is no limit. ``usd`` refuses models whose price is not known."""

    requests: int = 20
    tokens: int | None = 100_000
    usd: float | None = None


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
