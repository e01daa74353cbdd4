"""Samples in three lists, tested, reference and left out, which a person changes row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from anywidget import AnyWidget
from traitlets import Bool, Dict, List

from omics_nb.display.markup import clean

from .parts import PALETTE

GROUPS = ("tested", "reference", "out")
_HERE = Path(__file__)
_NOTE_COLUMNS = 4


class SampleGroups(AnyWidget):
    """Shows samples by group; calls ``moved(groups)`` with sample → group when a person moved some."""

    _esm = _HERE.with_name("samples.js")
    _css = PALETTE + _HERE.with_name("samples.css").read_text(encoding="utf-8")
    samples = List(Dict()).tag(sync=True)
    groups = Dict().tag(sync=True)
    names = Dict().tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, moved: Callable[[dict[str, str]], None]) -> None:
        super().__init__(names={"tested": "Tested", "reference": "Reference"})
        self._moved = moved
        self.on_msg(self._on_message)

    def show(self, sheet: pd.DataFrame) -> None:
        """The samples of this sheet, each with its title and what sets it apart."""
        telling = [name for name in sheet.columns if name != "title" and sheet[name].nunique() > 1]
        self.samples = [
            {
                "key": str(key),
                "title": clean(row.get("title", "")),
                "note": clean(" · ".join(str(row[name]) for name in telling[:_NOTE_COLUMNS])),
            }
            for key, row in sheet.iterrows()
        ]

    def assign(self, groups: Mapping[str, str], *, tested: str, reference: str) -> None:
        """Put samples into their lists, which are named after the groups; for what a field or a proposal chose."""
        with self.hold_sync():
            self.names = {"tested": clean(f"Tested: {tested}"), "reference": clean(f"Reference: {reference}")}
            self.groups = dict(groups)

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        keys, to = content.get("move"), content.get("to")
        known = {sample["key"] for sample in self.samples}
        if self.disabled or to not in GROUPS or not isinstance(keys, list) or not set(keys) <= known:
            return
        self.groups = {**self.groups, **dict.fromkeys(keys, to)}
        self._moved(dict(self.groups))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{sum(g == name for g in self.groups.values())} {name}" for name in GROUPS)
        return f"SampleGroups({sizes})"
