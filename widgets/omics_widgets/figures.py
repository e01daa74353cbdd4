"""A figure that one can point at and zoom into, with its text form and its files.

plotly's ``FigureWidget`` (https://plotly.com/python/figurewidget/) draws it from the bundle of its package, in Lab and
in Voila, and asks no other host. Where plotly or anywidget is not installed, the figure is a picture.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import Any

from ipywidgets import HTML, Dropdown, VBox

from omics_nb.display.markup import Html, el
from omics_nb.display.numbers import size
from omics_nb.figures import Figure, figure_body, figure_words
from omics_nb.figures.interactive import thinned

from .parts import block, button, marked

_INTERACTIVE = find_spec("plotly") is not None and find_spec("anywidget") is not None
_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv"}


def warm_up() -> None:
    """Begin to import plotly on a thread: it takes a second or more, in which no form would answer."""
    if _INTERACTIVE:
        Thread(target=import_module, args=("plotly.graph_objects",), daemon=True).start()


class FigureView(VBox):
    """One figure, to be looked at and taken away."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._links = HTML()
        self.get_files = button(
            "Get the files",
            self._offer,
            "omics-figure-files",
            tooltip="SVG and PNG pictures, and the data as CSV",
        )
        super().__init__([*_drawn(figure), self.get_files, self._links])
        marked(self, "omics-figure-view", f"omics-figure-{figure.name}")

    def _offer(self) -> None:
        """Links that hold the files; made when they are asked for, since drawing takes a moment."""
        made = {
            "svg": self._figure.to_svg().encode(),
            "png": self._figure.to_png(),
            "csv": self._figure.to_csv().encode(),
        }
        links = [_link(self._figure, kind, data) for kind, data in made.items()]
        self._links.value = block(el("p", links, role="status"))


class FigureChoice(VBox):
    """One of several figures at a time; each is drawn when it is first chosen."""

    def __init__(self, figures: Sequence[Figure], chosen: str = "") -> None:
        self._views: dict[str, FigureView] = {}
        self._figures = {figure.name: figure for figure in figures}
        # What stands before the colon names the kind of figure, what follows the study.
        options = [(figure.title.partition(":")[0], figure.name) for figure in figures]
        first = chosen if chosen in self._figures else next(iter(self._figures), None)
        self.picker = marked(
            Dropdown(description="Other figures", options=options, value=first), "omics-field"
        )
        self.picker.observe(lambda _: self._show(), "value")
        super().__init__([])
        self._show()

    def _show(self) -> None:
        name = self.picker.value
        if name is None:
            self.children = []
            return
        if name not in self._views:
            self._views[name] = FigureView(self._figures[name])
        self.children = [self.picker, self._views[name]]


def _drawn(figure: Figure) -> list[Any]:
    """The figure and its text form; as a picture where nothing else can draw it here."""
    if not _INTERACTIVE:
        return [HTML(block(figure_body(figure)))]
    document = figure.to_plotly()
    draw = import_module("plotly.graph_objects").FigureWidget
    plot = draw(data=document["data"], layout=document["layout"])
    plot._config = {**plot._config, **document["config"]}
    return [plot, HTML(block(figure_words(figure, thinned(figure))))]


def _link(figure: Figure, kind: str, data: bytes) -> Html:
    coded = base64.b64encode(data).decode("ascii")
    return el(
        "a", f"{kind.upper()} ({size(len(data))})", href=f"data:{_TYPES[kind]};base64,{coded}",
        download=f"{figure.name}.{kind}", class_="omics-download",
    )  # fmt: skip
