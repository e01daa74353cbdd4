"""A table of any length in the browser: filter, facets, order, keyboard; the kernel hears which row is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from anywidget import AnyWidget
from traitlets import Bool, Dict, List, Unicode

from omics_nb.display.markup import clean

from .parts import PALETTE

Cell = str | int | float | None
_HERE = Path(__file__)


class Column(NamedTuple):
    """A column. ``main`` is the widest, under which a ``detail`` is shown; ``width`` as CSS has it.

    ``unit`` follows each number, which is written in full, or as a probability (``p``) or a fold change. A ``facet``
    can be narrowed to one of its values, of which a cell may have several, parted by "; ".
    """

    label: str
    kind: Literal["text", "main", "detail", "number", "state"] = "text"
    width: str = "minmax(0, 1fr)"
    facet: bool = False
    unit: str = ""
    format: Literal["", "p", "change"] = ""


class Table(AnyWidget):
    """Rows whose first cell is their key; calls ``choose(key)`` when a person opens one. ``selected`` is its key.

    Where it is ``tickable`` each row has a tick box, and ``ticked`` are the keys of those that are on.
    """

    _esm = _HERE.with_name("table.js")
    _css = PALETTE + _HERE.with_name("table.css").read_text(encoding="utf-8")
    columns = List(Dict()).tag(sync=True)
    rows = List(List()).tag(sync=True)
    selected = Unicode("").tag(sync=True)
    tickable = Bool(False).tag(sync=True)
    ticked = List(Unicode()).tag(sync=True)
    disabled = Bool(False).tag(sync=True)
    caption = Unicode("").tag(sync=True)
    noun = List(Unicode(), default_value=["row", "rows"]).tag(sync=True)

    def __init__(
        self,
        columns: Sequence[Column],
        choose: Callable[[str], object] | None = None,
        *,
        caption: str = "",
        noun: tuple[str, str] = ("row", "rows"),
        tickable: bool = False,
    ) -> None:
        super().__init__(
            columns=[column._asdict() for column in columns],
            caption=caption,
            noun=list(noun),
            tickable=tickable,
        )
        self._choose = choose
        self.on_msg(self._on_message)

    def show(self, rows: Sequence[Sequence[Cell]]) -> None:
        """These rows in place of those before, none of them ticked."""
        self.ticked = []
        self.rows = [[clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        key = content.get("open")
        if self._choose is not None and not self.disabled and any(str(row[0]) == key for row in self.rows):
            self._choose(str(key))

    def __repr__(self) -> str:
        return f"Table({len(self.rows):,} {self.noun[1]})"
