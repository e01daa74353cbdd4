"""A small table to be typed or pasted, a field for each cell, with what is wrong beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Dict, List, Unicode

from .parts import PALETTE

_HERE = Path(__file__)


class TableEditor(AnyWidget):
    """``value`` is the table as comma- or tab-separated text, its first line the names of the columns.

    ``known`` are columns that may be added. ``problems`` are shown in their place: ``row`` counts from 1 (None for a
    column), ``column`` its name, ``message`` what would be right.
    """

    _esm = _HERE.with_name("table_editor.js")
    _css = PALETTE + _HERE.with_name("table_editor.css").read_text(encoding="utf-8")
    value = Unicode("").tag(sync=True)
    caption = Unicode("").tag(sync=True)
    known = List(Unicode()).tag(sync=True)
    problems = List(Dict()).tag(sync=True)

    def __init__(self, value: str = "", **traits: Any) -> None:
        super().__init__(value=value, **traits)
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if isinstance(content.get("table"), str):
            self.value = content["table"]

    def __repr__(self) -> str:
        return f"TableEditor({max(0, len(self.value.splitlines()) - 1)} rows)"
