"""What the address of a dashboard says: Voila hands its query to the kernel, JupyterLab has none."""

from __future__ import annotations

import os
from typing import TypeVar
from urllib.parse import parse_qs

from omics_nb.display.markup import clean

Value = TypeVar("Value", str, int)
_MOST = 2000


def from_address(name: str, default: Value) -> Value:
    """The parameter ``name`` of the page's address as text or a number, as ``default`` is; without it, ``default``.

    What is no number is taken as not given, and overlong text is cut: an address comes from anywhere.
    """
    found = parse_qs(os.environ.get("QUERY_STRING", "")).get(name)
    if not found:
        return default
    text = clean(found[-1])[:_MOST].strip()
    if isinstance(default, int):
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
    return text
