"""Some of several names, each with a box to tick: nothing to hold down while clicking, as a list would need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ipywidgets import HTML, Checkbox, HBox, VBox
from traitlets import Bool, Tuple

from .parts import block, marked


class Checks(VBox):
    """``offer(names)`` says what can be ticked; ``value`` holds what is, in that order."""

    value = Tuple()
    disabled = Bool(False)

    def __init__(self, label: str) -> None:
        self._boxes: dict[str, Checkbox] = {}
        self._row = marked(HBox(), "omics-checks")
        super().__init__([HTML(block(label, kind="omics-dim")), self._row])
        self.observe(lambda _: self._draw(), "value")
        self.observe(lambda _: self._switch(), "disabled")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._boxes)

    def offer(self, names: Iterable[str], labels: Iterable[str], ticked: Iterable[str] = ()) -> None:
        """These names, shown as their labels; of ``ticked`` those that are among them."""
        pairs = list(zip(names, labels, strict=True))
        self._boxes = {name: self._box(label) for name, label in pairs}
        self._row.children = list(self._boxes.values())
        self._switch()
        wanted = set(ticked)
        self.value = tuple(name for name in self._boxes if name in wanted)
        self._draw()

    def _box(self, label: str) -> Checkbox:
        box = Checkbox(value=False, description=label, indent=False)
        box.observe(self._ticked, "value")
        return box

    def _ticked(self, _: Any) -> None:
        self.value = tuple(name for name, box in self._boxes.items() if box.value)

    def _draw(self) -> None:
        for name, box in self._boxes.items():
            if box.value != (name in self.value):
                box.value = name in self.value

    def _switch(self) -> None:
        for box in self._boxes.values():
            box.disabled = self.disabled
