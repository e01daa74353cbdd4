"""A model's text in the cell while it comes."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .protocol import OnText

_AT_MOST_EVERY_S = 0.1


@contextmanager
def in_cell() -> Iterator[OnText | None]:
    """What shows text in the notebook's cell as it comes, and takes it away at the end; None where there is no cell.

    It goes because nobody has checked it yet: what of it is kept, the summary shows.
    """
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):  # a terminal cannot take back what it has shown
        yield None
        return
    handle = import_module("IPython.display").display(_bundle(""), raw=True, display_id=True)
    said: list[str] = []
    shown = 0.0

    def show(piece: str) -> None:
        nonlocal shown
        said.append(piece)
        if time.monotonic() - shown >= _AT_MOST_EVERY_S:
            handle.update(_bundle("".join(said)), raw=True)
            shown = time.monotonic()

    try:
        yield show
    finally:
        handle.update({"text/plain": "", "text/html": ""}, raw=True)


def _bundle(text: str) -> dict[str, str]:
    shown = f"Not yet checked: {text}"
    return {"text/plain": shown, "text/html": f'<p class="omics-draft"><i>{html.escape(shown)}</i></p>'}
