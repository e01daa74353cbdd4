"""Widgets on a real event loop, without a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from html import unescape
from typing import Any

import pytest

Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def run() -> Run:
    """Runs a coroutine function to its end, with a limit, so that a hang is a failure."""

    def run(test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(test(), 60)

        return asyncio.run(limited(), debug=True)

    return run


@pytest.fixture
def html() -> Callable[[Any], str]:
    """All HTML that a widget and the widgets inside it hold, one after the other."""
    return lambda widget: "\n".join(_html(widget))


@pytest.fixture
def words(html: Callable[[Any], str]) -> Callable[[Any], str]:
    """What a person reads in a widget's HTML."""

    def words(widget: Any) -> str:
        text = re.sub(r"(?s)<style.*?</style>", "", html(widget))
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())

    return words


def _html(widget: Any) -> Iterator[str]:
    if type(widget).__name__ == "HTML":
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from _html(child)
