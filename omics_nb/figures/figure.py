"""A figure as a value: the data that it shows, how they are to be drawn, and what it says in words.

The layers say what is drawn and not how: ``static`` makes SVG and PNG of them by matplotlib, ``interactive`` a plotly
document, ``card`` HTML. Layers name columns of ``Figure.data``; everything that is drawn is in that frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Marker = Literal["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "x"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis measures; where it holds categories, their ``names`` stand at 0, 1, 2 …

    ``downwards``: the first category of a vertical axis is at the top. ``ends``: where the axis begins and ends, by
    default where its data do.
    """

    label: str = ""
    names: tuple[str, ...] = ()
    downwards: bool = False
    ends: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that look alike. ``quiet`` ones are the background: drawn below the others, small and grey."""

    name: str
    colour: str
    marker: Marker = "circle"
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """A mark for each row, at columns ``x`` and ``y``; the column ``by`` says its group, ``named`` its name.

    ``labels`` are positions of rows whose name is written beside the mark, the one that matters most first. ``told``
    are the columns that are told when one points at a mark.
    """

    x: str
    y: str
    by: str
    named: str
    labels: tuple[int, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """A line through the rows of each value of the column ``line``, in their order; ``by`` says its group."""

    x: str
    y: str
    line: str
    by: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each row from column ``low`` to ``high``, as tall as column ``height``."""

    low: str
    high: str
    height: str


@dataclass(frozen=True, slots=True)
class Boxes:
    """A box for each row, in their order, from the columns low, q1, median, q3, high; ``by`` says its group."""

    by: str
    named: str


@dataclass(frozen=True, slots=True)
class Spans:
    """A horizontal line for each row at column ``y``, from column ``low`` to ``high``."""

    y: str
    low: str
    high: str
    by: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A coloured cell for each row and each of ``columns``, from ``low`` to ``high`` on the scale ``palette``.

    ``groups`` names the group of each column, shown as a strip along the top.
    """

    columns: tuple[str, ...]
    palette: Literal["one-way", "two-way"]
    low: float
    high: float
    unit: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the whole figure, at ``at`` of the axis ``axis``."""

    axis: Literal["x", "y"]
    at: float
    dotted: bool = True


Layer = Points | Curves | Bars | Boxes | Spans | Grid | Rule


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """What is shown (``data``: one row a mark, curve point or row of cells), how, and its text form.

    ``text`` says in sentences what the figure shows, ``table`` in a few dozen rows. ``groups`` are in the order of the
    legend, whose heading is ``legend``; without one there is none. ``size`` is width and height in inches.

    A cell shows a figure that can be zoomed and pointed at, where plotly's extension for JupyterLab is installed (Voila
    takes it too), and a picture elsewhere; the text form stands below.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    data: pd.DataFrame
    layers: tuple[Layer, ...]
    x: Axis
    y: Axis
    groups: tuple[Group, ...] = ()
    legend: str = ""
    size: tuple[float, float] = (6.4, 4.8)

    def group(self, name: str) -> Group:
        """The group of this name."""
        return next(group for group in self.groups if group.name == name)

    def to_svg(self) -> str:
        """One SVG element without scripts; the same figure gives the same text."""
        return _svg(self)

    def to_png(self, *, dpi: int = 200) -> bytes:
        """A PNG picture on white."""
        from .static import png

        return png(self, dpi=dpi)

    def to_csv(self) -> str:
        """The data that are drawn, as CSV with all digits."""
        from .files import csv_text

        return csv_text(self)

    def to_plotly(self) -> dict[str, Any]:
        """The figure as a plotly document of plain values: ``plotly.graph_objects.Figure(**figure.to_plotly())``."""
        from .interactive import document

        return document(self)

    def save(self, path: str | Path) -> Path:
        """Write the figure by its suffix: .svg, .png, or .csv for the data. DataError for others."""
        from .files import save

        return save(self, Path(path))

    def __repr__(self) -> str:
        return f"Figure({self.name!r}, {self.text!r})"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from .card import figure_html

        return figure_html(self)

    def _ipython_display_(self) -> None:
        from .card import display_figure

        display_figure(self)


# A report shows the same figures in its cells, in its card and on its page.
@lru_cache(16)
def _svg(figure: Figure) -> str:
    from .static import svg

    return svg(figure)
