"""The models that pydantic-ai reaches (https://ai.pydantic.dev), from plain functions that block.

Each call runs on a loop of its own in a thread of its own, so that it works in a notebook too, whose loop is running.
Spans follow OpenTelemetry's GenAI conventions where a tracer provider is set, without prompts and answers in them.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import MissingExtraError, ModelError
from .protocol import Budget, OnText, Purse, Usage, shared_purse

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_ai.models import Model
    from pydantic_ai.usage import UsageLimits

    Shape = TypeVar("Shape", bound=BaseModel)

PROVIDERS = ("openai", "anthropic", "google", "ollama")
_OLLAMA = "http://127.0.0.1:11434/v1"
_TIMEOUT_S = 120.0
_END = object()


class Client:
    """One model with what it has spent. Implements ``LLM``. Threads that share it take turns."""

    def __init__(self, spec: str, *, base_url: str | None, api_key: str | None, budget: Budget) -> None:
        provider, _, model = spec.partition(":")
        if provider not in PROVIDERS or not model:
            raise ModelError(
                f"no language model {spec!r}; write PROVIDER:MODEL with one of {', '.join(PROVIDERS)}",
                model=spec,
            )
        self.name = spec
        self._purse = Purse(budget)
        # A price list is of the provider's own service; what answers elsewhere under the same name has another.
        elsewhere = base_url or os.environ.get(f"{provider.upper()}_BASE_URL")
        self._is_priced = not elsewhere and provider != "ollama"
        self._model = _open(provider, model, base_url, api_key)
        self._turn = threading.Lock()

    @property
    def spent(self) -> Usage:
        return self._purse.spent

    def write(self, instructions: str, prompt: str, *, on_text: OnText | None = None) -> str:
        """Text, streamed. ModelError where it cannot be had whole."""
        purses = self._purses()

        async def ask(put: OnText) -> str:
            async with self._agent(instructions, str).run_stream(
                prompt, usage_limits=self._limits(purses)
            ) as streamed:
                pieces = []
                async for piece in streamed.stream_text(delta=True, debounce_by=None):
                    pieces.append(piece)
                    put(piece)
                response = streamed.response
                self._book(purses, streamed.usage, [response])
                if response.finish_reason is None:
                    raise ModelError("the answer was cut off", model=self.name)
                if response.finish_reason == "length":
                    raise ModelError("the answer was longer than the model may write", model=self.name)
                return "".join(pieces)

        return cast(str, self._call(ask, on_text))

    def fill(self, instructions: str, prompt: str, shape: type[Shape]) -> Shape:
        """A value of this shape; a reply that is none is sent back once. ModelError where it stays none."""
        from pydantic_ai import PromptedOutput

        purses = self._purses()

        async def ask(_: OnText) -> Shape:
            agent = self._agent(instructions, PromptedOutput(shape))
            result = await agent.run(prompt, usage_limits=self._limits(purses))
            responses = [item for item in result.new_messages() if item.kind == "response"]
            self._book(purses, result.usage, responses)
            return cast("Shape", result.output)

        return cast("Shape", self._call(ask, None))

    def _agent(self, instructions: str, output: Any) -> Any:
        from pydantic_ai import Agent, InstrumentationSettings
        from pydantic_ai.capabilities import Instrumentation

        spans = Instrumentation(settings=InstrumentationSettings(include_content=False))
        return Agent(
            self._model,
            name="omics_nb",
            instructions=instructions,
            output_type=output,
            retries=1,
            capabilities=[spans],
            model_settings={"timeout": _TIMEOUT_S},
        )

    def _purses(self) -> tuple[Purse, ...]:
        """Whose budgets a request is held to; asked in the caller's thread, which knows the ``spending`` around it."""
        around = shared_purse()
        return (self._purse, around) if around else (self._purse,)

    def _limits(self, purses: Sequence[Purse]) -> UsageLimits:
        """What is left of the budgets, or ModelError."""
        from pydantic_ai.usage import UsageLimits

        for purse in purses:
            self._check(purse.budget, purse.spent)
        requests = min(purse.budget.requests - purse.spent.requests for purse in purses)
        tokens = [
            purse.budget.tokens - purse.spent.tokens for purse in purses if purse.budget.tokens is not None
        ]
        return UsageLimits(request_limit=requests, total_tokens_limit=min(tokens, default=None))

    def _check(self, budget: Budget, spent: Usage) -> None:
        if spent.requests >= budget.requests:
            raise ModelError(f"the budget of {budget.requests} requests is used up", model=self.name)
        if budget.tokens is not None and spent.tokens >= budget.tokens:
            raise ModelError(f"the budget of {budget.tokens:,} tokens is used up", model=self.name)
        if budget.usd is not None and not self._is_priced:
            raise ModelError(
                f"the price of {self.name} is unknown, so it has no budget in USD; give one in tokens",
                model=self.name,
            )
        if budget.usd is not None and spent.usd is not None and spent.usd >= budget.usd:
            raise ModelError(f"the budget of {budget.usd} USD is used up", model=self.name)

    def _book(self, purses: Sequence[Purse], usage: Any, responses: list[Any]) -> None:
        used = Usage(usage.requests, usage.input_tokens, usage.output_tokens, self._price(responses))
        for purse in purses:
            purse.book(used)

    def _price(self, responses: list[Any]) -> float | None:
        if not self._is_priced:
            return None
        try:
            return float(sum(response.cost().total_price for response in responses))
        except (LookupError, ValueError, AssertionError):
            return None

    def _call(self, ask: Callable[[OnText], Awaitable[Any]], on_text: OnText | None) -> Any:
        """What ``ask`` gives, run on a loop in another thread; pieces of text arrive in this one."""
        pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
        outcome: dict[str, Any] = {}

        async def main() -> None:
            outcome["loop"], outcome["task"] = asyncio.get_running_loop(), asyncio.current_task()
            async with self._model:  # its connections belong to this loop, and end with it
                outcome["value"] = await ask(pieces.put)

        def work() -> None:
            try:
                with self._turn:
                    asyncio.run(main())
            except BaseException as error:
                outcome["error"] = error
            finally:
                pieces.put(_END)

        thread = threading.Thread(target=work, name="omics-llm", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not _END:
                if on_text is not None:
                    on_text(piece)
        except BaseException:
            with suppress(KeyError, RuntimeError):
                outcome["loop"].call_soon_threadsafe(outcome["task"].cancel)
            raise
        thread.join()
        if "error" in outcome:
            raise self._told(outcome["error"])
        return outcome["value"]

    def _told(self, error: BaseException) -> BaseException:
        """The error as ours. Four providers' libraries raise errors of their own, which have nothing in common."""
        if isinstance(error, ModelError) or not isinstance(error, Exception):
            return error
        told = ModelError(
            f"{self.name} did not answer: {type(error).__name__}: {error}"[:500], model=self.name
        )
        told.__cause__ = error
        return told


def _open(provider: str, model: str, base_url: str | None, api_key: str | None) -> Model:
    try:
        return _opened(provider, model, base_url, api_key)
    except ImportError as error:
        extra = "llm-google" if provider == "google" else "llm"
        raise MissingExtraError(
            f"language models need an extra: pip install 'omics-nb[{extra}]' ({error})", extra=extra
        ) from error
    except Exception as error:  # a missing key is told by each library in its own way
        raise ModelError(
            f"{provider}:{model} cannot be opened: {error}", model=f"{provider}:{model}"
        ) from error


def _opened(provider: str, model: str, base_url: str | None, api_key: str | None) -> Model:
    if provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(model, provider=AnthropicProvider(api_key=api_key, base_url=base_url))
    if provider == "google":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleModel(model, provider=GoogleProvider(api_key=api_key, base_url=base_url))
    from pydantic_ai.models.openai import OpenAIChatModel

    if provider == "ollama":
        from pydantic_ai.providers.ollama import OllamaProvider

        url = base_url or os.environ.get("OLLAMA_BASE_URL") or _OLLAMA
        return OpenAIChatModel(model, provider=OllamaProvider(base_url=url, api_key=api_key))
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(model, provider=OpenAIProvider(base_url=base_url, api_key=api_key))
