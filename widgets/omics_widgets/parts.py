"""What every widget here is made of: HTML that is escaped, buttons, steps, the page's style."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from ipywidgets import HTML, Button, VBox

from omics_nb.display import STYLE as DISPLAY_STYLE
from omics_nb.display.markup import Html, el

_HERE = files(__package__)
PALETTE = _HERE.joinpath("palette.css").read_text(encoding="utf-8")
PAGE_STYLE = PALETTE + _HERE.joinpath("style.css").read_text(encoding="utf-8")


def block(*children: object, kind: str = "", **attributes: object) -> str:
    """Children as escaped HTML that wears the library's style; nothing at all where there are no children."""
    shown = [child for child in children if child is not None]
    return el("div", shown, class_=f"omics-nb {kind}".strip(), **attributes) if shown else ""


def style_sheet() -> HTML:
    """The style of values and of these widgets; a page needs it once."""
    return HTML(el("style", Html(DISPLAY_STYLE + PAGE_STYLE)))


def marked(widget: Any, *classes: str) -> Any:
    """The same widget with CSS classes, by which tests and style sheets find it."""
    for name in classes:
        widget.add_class(name)
    return widget


def button(text: str, press: Any, *classes: str, primary: bool = False, tooltip: str = "") -> Button:
    """A button that calls ``press()``."""
    made = Button(description=text, tooltip=tooltip or text, button_style="primary" if primary else "")
    made.on_click(lambda _: press())
    return marked(made, "omics-button", *classes)


def visible(widget: Any, shown: bool) -> None:
    """Show or hide; what is hidden leaves the focus order too."""
    widget.layout.display = None if shown else "none"


@contextmanager
def switched_off(controls: Iterable[Any]) -> Iterator[None]:
    """While this lasts, no control answers; afterwards each is as it was before."""
    before = [(control, control.disabled) for control in controls]
    for control, _ in before:
        control.disabled = True
    try:
        yield
    finally:
        for control, was in before:
            control.disabled = was


class Step(VBox):
    """One step of a page: a numbered heading and its parts, hidden until ``reveal()``.

    ``shown`` is the number that a person sees, where it is another than that by which the page knows the step.
    """

    def __init__(self, number: int, title: str, *parts: Any, shown: int | None = None) -> None:
        self.number = number
        self._shown = number if shown is None else shown
        self._heading = HTML()
        super().__init__([self._heading, *parts])
        marked(self, "omics-step", f"omics-step-{number}")
        self.entitle(title)

    def entitle(self, title: str) -> None:
        mark = el("span", self._shown, class_="omics-number", aria_hidden="true")
        self._heading.value = block(el("h2", mark, title))

    def reveal(self, shown: bool = True) -> None:
        visible(self, shown)
