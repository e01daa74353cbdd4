"""Figures as SVG and PNG, drawn by matplotlib without pyplot.

Dark ink on white; many points as one embedded picture, so that 50,000 of them stay small. The same figure gives the
same bytes. Text from files is drawn as text, never as mathematics or markup.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .colours import INK
from .figure import Axis, Bars, Boxes, Curves, Figure, Grid, Group, Points, Rule, Spans
from .labels import place_names
from .words import clean, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

_DPI = 144
_MARKERS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v",
    "cross": "P", "star": "*", "x": "X",
}  # fmt: skip
_SCALES = {"one-way": "viridis", "two-way": "RdBu_r"}
#: From so many points on they are one embedded picture.
_MANY = 1_000
_MOST_IN_LEGEND = 24
_NAME_SIZE = 7.0
_BEHIND_NAME = {"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 0.4}


def svg(figure: Figure) -> str:
    """One SVG element whose identifiers stay apart from those of other figures on a page."""
    import matplotlib as mpl

    drawing = _draw(figure)
    out = StringIO()
    # The only way to tell the SVG writer; both settings are put back at once and harm nobody meanwhile.
    with mpl.rc_context({"svg.hashsalt": figure.name, "svg.fonttype": "none"}), _any_script():
        nothing: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
        drawing.savefig(out, format="svg", dpi=_DPI, metadata=nothing)
    text = _own_ids(out.getvalue(), figure.name)
    opening = f'<svg role="img" aria-label="{escape(clean(figure.title))}" '
    return text[text.index("<svg") :].strip().replace("<svg ", opening, 1)


def png(figure: Figure, *, dpi: int) -> bytes:
    """A PNG picture with so many dots an inch."""
    out = BytesIO()
    with _any_script():
        _draw(figure).savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def _any_script() -> warnings.catch_warnings[None]:
    """Letters that matplotlib's font lacks are left to the reader's fonts; no warning of each."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def _own_ids(text: str, name: str) -> str:
    own = f"{re.sub('[^A-Za-z0-9_]', '-', name)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    text = re.sub(r'\bid="', f'id="{own}', text)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{own}", text)


def _draw(figure: Figure) -> Drawing:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing
    from matplotlib.text import Text

    drawing = Drawing(figsize=figure.size, dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=INK)
    for layer in figure.layers:
        _LAYERS[type(layer)](figure, layer, axes)
    _set_axis(axes, figure.x, horizontal=True)
    _set_axis(axes, figure.y, horizontal=False)
    _legend(axes, figure)
    for item in drawing.findobj(Text):
        item.set_parse_math(False)
    _write_names(drawing, axes, figure)
    return drawing


def _set_axis(axes: Axes, axis: Axis, *, horizontal: bool) -> None:
    (axes.set_xlabel if horizontal else axes.set_ylabel)(clean(axis.label), fontsize=9)
    if axis.ends:
        (axes.set_xlim if horizontal else axes.set_ylim)(*axis.ends)
    if axis.names:
        _set_names(axes, axis, horizontal=horizontal)
    if axis.downwards:
        low, high = sorted(axes.get_ylim())
        axes.set_ylim(high, low)


def _set_names(axes: Axes, axis: Axis, *, horizontal: bool) -> None:
    """Names where there is room for them; none where 80 or more would be a grey bar."""
    count = len(axis.names)
    shown = [short(name, 28) for name in axis.names] if count <= 80 else []
    size = 8 if count <= 20 else 6.5 if count <= 45 else 4.5
    if horizontal:
        turned = max(map(len, shown), default=0) * count > 60
        axes.set_xticks(range(len(shown)), shown, fontsize=size, rotation=90 if turned else 0)
    else:
        axes.set_yticks(range(len(shown)), shown, fontsize=size)


def _legend(axes: Axes, figure: Figure) -> None:
    if not figure.legend:
        return
    axes.legend(
        handles=[_handle(figure, group) for group in figure.groups[:_MOST_IN_LEGEND]],
        title=short(figure.legend, 30),
        fontsize=7.5,
        title_fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
    )


def _handle(figure: Figure, group: Group) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    name = short(group.name, 34)
    if any(isinstance(layer, Points) for layer in figure.layers):
        marker = _MARKERS[group.marker]
        return Line2D([], [], linestyle="", marker=marker, markersize=5, color=group.colour, label=name)
    return Patch(color=group.colour, label=name)


def _points(figure: Figure, layer: Points, axes: Axes) -> None:
    x, y, by = (figure.data[name].to_numpy() for name in (layer.x, layer.y, layer.by))
    many = len(x) > _MANY
    for group in sorted(figure.groups, key=lambda group: not group.quiet):
        at = by == group.name
        size = 2.2 if group.quiet else 3.2 if many else 6.0
        axes.plot(
            x[at], y[at], _MARKERS[group.marker], color=group.colour, markersize=size,
            markeredgewidth=0, alpha=0.7 if many else 0.9, rasterized=many,
        )  # fmt: skip


def _curves(figure: Figure, layer: Curves, axes: Axes) -> None:
    colours = {group.name: group.colour for group in figure.groups}
    for _, rows in figure.data.groupby(layer.line, sort=False):
        colour = colours[rows[layer.by].iloc[0]]
        axes.plot(rows[layer.x], rows[layer.y], color=colour, linewidth=0.9, alpha=0.8)


def _bars(figure: Figure, layer: Bars, axes: Axes) -> None:
    low, high = figure.data[layer.low], figure.data[layer.high]
    colour = figure.groups[0].colour
    axes.bar(
        low, figure.data[layer.height], width=high - low, align="edge",
        color=colour, edgecolor="white", linewidth=0.5,
    )  # fmt: skip


def _boxes(figure: Figure, layer: Boxes, axes: Axes) -> None:
    """Whiskers, boxes and medians, each as one drawing: a study has hundreds of samples."""
    low, q1, median, q3, high = (
        figure.data[name].to_numpy() for name in ("low", "q1", "median", "q3", "high")
    )
    place = np.arange(len(low))
    colours = [figure.group(name).colour for name in figure.data[layer.by]]
    ends = np.concatenate([low, q3]), np.concatenate([q1, high])
    axes.vlines(np.tile(place, 2), *ends, color=INK, linewidth=0.6)
    axes.bar(place, q3 - q1, bottom=q1, width=0.7, color=colours, edgecolor=INK, linewidth=0.4, alpha=0.75)
    axes.hlines(median, place - 0.35, place + 0.35, color=INK, linewidth=1.2)
    axes.set_xlim(-0.8, len(low) - 0.2)


def _spans(figure: Figure, layer: Spans, axes: Axes) -> None:
    colours = [figure.group(name).colour for name in figure.data[layer.by]]
    data = figure.data
    axes.hlines(data[layer.y], data[layer.low], data[layer.high], colors=colours, linewidth=1.6)


def _grid(figure: Figure, layer: Grid, axes: Axes) -> None:
    from matplotlib.patches import Rectangle

    cells = figure.data[list(layer.columns)].to_numpy(dtype=np.float64)
    picture = axes.imshow(
        np.ma.masked_invalid(cells), cmap=_SCALES[layer.palette], vmin=layer.low, vmax=layer.high,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    beside = axes.inset_axes((1.04, 0.0, 0.035, 0.55))
    beside.tick_params(labelsize=7.5)
    axes.figure.colorbar(picture, cax=beside).set_label(clean(layer.unit), fontsize=8)
    axes.spines[:].set_visible(False)
    thick = max(0.5, 0.03 * len(cells))
    for column, name in enumerate(layer.groups):
        colour = figure.group(name).colour
        strip = Rectangle((column - 0.5, -0.7 - thick), 1, thick, color=colour, clip_on=False, linewidth=0)
        axes.add_patch(strip)
    if layer.groups:
        axes.set_ylim(len(cells) - 0.5, -0.8 - thick)


def _rule(_: Figure, layer: Rule, axes: Axes) -> None:
    draw = axes.axvline if layer.axis == "x" else axes.axhline
    draw(layer.at, color=INK, linewidth=0.7, linestyle=":" if layer.dotted else "-")


_LAYERS: dict[type, Callable[[Figure, Any, Axes], None]] = {
    Points: _points, Curves: _curves, Bars: _bars, Boxes: _boxes, Spans: _spans, Grid: _grid, Rule: _rule,
}  # fmt: skip


def _write_names(drawing: Drawing, axes: Axes, figure: Figure) -> None:
    """The names beside points, once the layout is settled."""
    labelled = [layer for layer in figure.layers if isinstance(layer, Points) and layer.labels]
    if not labelled:
        return
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    pixel = drawing.dpi / 72
    limits = axes.get_window_extent()
    area = (limits.x0, limits.y0, limits.x1, limits.y1 + 8 * pixel)
    for layer in labelled:
        rows = figure.data.iloc[list(layer.labels)]
        spots = rows[[layer.x, layer.y]].to_numpy(dtype=np.float64)
        names = [short(name, 20) for name in rows[layer.named]]
        pixels = [(x, y) for x, y in axes.transData.transform(spots).tolist()]
        for place in place_names(pixels, names, area, size=_NAME_SIZE * pixel):
            axes.annotate(
                names[place.which], tuple(spots[place.which]), xytext=(place.dx / pixel, place.dy / pixel),
                textcoords="offset points", fontsize=_NAME_SIZE, color=INK,
                ha="left" if place.right else "right", va="center", annotation_clip=False, parse_math=False,
                bbox=_BEHIND_NAME,
            )  # fmt: skip
