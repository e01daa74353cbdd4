"""Figures as plotly documents: plain dicts and lists that plotly.js draws, https://plotly.com/javascript/reference/.

Nothing here needs plotly to be installed. Crowds of quiet points are thinned to a few thousand that keep their shape,
so that pointing and zooming stay quick; the document says so. Text from files is escaped: plotly.js reads it as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ..display.numbers import p_value
from .colours import INK
from .figure import Axis, Bars, Boxes, Curves, Figure, Grid, Group, Points, Rule, Spans
from .labels import outline, place_names
from .words import clean, short

Trace = dict[str, Any]
#: Most points of one group, and of a quiet one.
MOST_POINTS, MOST_QUIET = 3_000, 2_000
_PIXELS_PER_INCH = 105
_NAME_SIZE = 11
_MARGIN = {"l": 64, "r": 16, "t": 40, "b": 56}
_SCALES = {"one-way": ("Viridis", False), "two-way": ("RdBu", True)}
_P_COLUMNS = frozenset({"P.Value", "adj.P.Val", "pvalue", "padj", "PValue", "FDR", "P"})
# No logo that leads elsewhere, no service to send a figure to, no TeX in names of genes.
_CONFIG = {
    "displaylogo": False, "typesetMath": False, "responsive": True, "showSendToCloud": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}  # fmt: skip


def document(figure: Figure) -> dict[str, Any]:
    """``data``, ``layout`` and ``config`` for plotly.js."""
    traces = [trace for layer in figure.layers for trace in _LAYERS[type(layer)](figure, layer)]
    config = {**_CONFIG, "toImageButtonOptions": {"format": "svg", "filename": figure.name}}
    return {"data": traces, "layout": _layout(figure), "config": config}


def thinned(figure: Figure) -> str:
    """What of the data an interactive figure leaves out, in a sentence; empty where it shows all."""
    left = [
        f"{len(_kept(figure, layer, group)):,} of {n:,} {group.name}"
        for layer in figure.layers
        if isinstance(layer, Points)
        for group in figure.groups
        if (n := int((figure.data[layer.by] == group.name).sum())) > _limit(group)
    ]
    return f"Drawn here: {'; '.join(left)}, which keep the shape of all." if left else ""


def _limit(group: Group) -> int:
    return MOST_QUIET if group.quiet else MOST_POINTS


def _kept(figure: Figure, layer: Points, group: Group) -> pd.DataFrame:
    rows = figure.data[(figure.data[layer.by] == group.name).to_numpy()]
    x, y = (rows[name].to_numpy(dtype=np.float64) for name in (layer.x, layer.y))
    return rows.iloc[outline(x, y, _limit(group))] if len(rows) else rows


def _layout(figure: Figure) -> dict[str, Any]:
    width, height = (round(inches * _PIXELS_PER_INCH) for inches in figure.size)
    margin = {**_MARGIN, "l": 150 if figure.y.names else _MARGIN["l"]}
    return {
        "height": height,
        "margin": margin,
        "font": {"color": INK, "size": 12},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "showlegend": bool(figure.legend),
        # Above the axes, where it takes nothing of the width on a phone.
        "legend": {
            "title": {"text": _safe(figure.legend, 30)},
            "itemsizing": "constant",
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
        },
        "bargap": 0,
        "xaxis": _axis(figure.x, horizontal=True),
        "yaxis": _axis(figure.y, horizontal=False),
        "shapes": [_line(layer) for layer in figure.layers if isinstance(layer, Rule)],
        "annotations": [*_names(figure, width, height), *_strip_names(figure)],
    }


def _axis(axis: Axis, *, horizontal: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": {"text": _safe(axis.label)}, "zeroline": False, "gridcolor": "#E4E4E4", "automargin": True,
        "ticks": "outside", "tickcolor": "#888888", "linecolor": "#888888", "showline": True,
    }  # fmt: skip
    if axis.names:
        shown |= {"tickmode": "array", "tickvals": list(range(len(axis.names))), "showgrid": False}
        shown["ticktext"] = [_safe(name, 28) for name in axis.names]
        if len(axis.names) > 80:
            shown["showticklabels"] = False
    if axis.ends:
        shown["range"] = list(axis.ends)
    if axis.downwards and not horizontal:
        shown |= {"range": list(axis.ends)[::-1]} if axis.ends else {"autorange": "reversed"}
    return shown


def _line(rule: Rule) -> dict[str, Any]:
    along, across = ("x", "y") if rule.axis == "x" else ("y", "x")
    line = {"color": INK, "width": 1, "dash": "dot" if rule.dotted else "solid"}
    return {
        "type": "line", "line": line, "layer": "below", f"{along}0": rule.at, f"{along}1": rule.at,
        f"{across}ref": f"{across} domain", f"{across}0": 0, f"{across}1": 1,
    }  # fmt: skip


def _names(figure: Figure, width: int, height: int) -> Iterator[dict[str, Any]]:
    """The names beside points, placed for the size that the figure has at first."""
    for layer in figure.layers:
        if not isinstance(layer, Points) or not layer.labels:
            continue
        x, y = (figure.data[name].to_numpy(dtype=np.float64) for name in (layer.x, layer.y))
        at = list(layer.labels)
        names = [short(name, 20) for name in figure.data[layer.named].iloc[at]]
        inner = (width - _MARGIN["l"] - _MARGIN["r"], height - _MARGIN["t"] - _MARGIN["b"])
        spots = [(_scaled(x, i, inner[0]), _scaled(y, i, inner[1])) for i in at]
        for place in place_names(spots, names, (0, 0, *inner), size=_NAME_SIZE):
            yield {
                "x": float(x[at[place.which]]), "y": float(y[at[place.which]]), "xref": "x", "yref": "y",
                "text": _safe(names[place.which]), "font": {"size": _NAME_SIZE}, "showarrow": False,
                "bgcolor": "rgba(255,255,255,0.6)",
                "xanchor": "left" if place.right else "right", "xshift": place.dx, "yshift": place.dy,
            }  # fmt: skip


def _scaled(values: np.ndarray[Any, Any], at: int, length: float) -> float:
    """Where plotly puts a value: its own axes leave about a twentieth at either end."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (0.05 + 0.9 * (float(values[at]) - low) / ((high - low) or 1.0)) * length


def _strip_names(figure: Figure) -> Iterator[dict[str, Any]]:
    """The groups of a grid's columns, each over the middle of its columns."""
    for layer in (layer for layer in figure.layers if isinstance(layer, Grid)):
        for name in dict.fromkeys(layer.groups):
            at = [i for i, group in enumerate(layer.groups) if group == name]
            yield {
                "x": (at[0] + at[-1]) / 2, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False,
                "text": _safe(name, 28), "font": {"size": 11}, "yshift": 6,
            }  # fmt: skip


def _points(figure: Figure, layer: Points) -> Iterator[Trace]:
    many = len(figure.data) > MOST_QUIET
    for group in sorted(figure.groups, key=lambda group: not group.quiet):
        rows = _kept(figure, layer, group)
        size = 4 if group.quiet else 6 if many else 9
        yield {
            "type": "scatter", "mode": "markers", "name": _safe(group.name),
            "x": _numbers(rows[layer.x]), "y": _numbers(rows[layer.y]),
            "text": [_safe(name) for name in rows[layer.named]],
            "customdata": [list(told) for told in zip(*(_told(rows[c]) for c in layer.told), strict=True)],
            "hovertemplate": _hover(layer.told),
            "marker": {
                "color": group.colour, "symbol": group.marker, "size": size,
                "opacity": 0.6 if group.quiet else 0.85,
            },
        }  # fmt: skip


def _hover(told: Iterable[str]) -> str:
    lines = [f"{_safe(name)}: %{{customdata[{i}]}}" for i, name in enumerate(told)]
    return "<br>".join(["<b>%{text}</b>", *lines]) + "<extra></extra>"


def _told(column: pd.Series[Any]) -> list[str]:
    """Values as a person reads them, escaped."""
    if column.dtype.kind != "f":
        return [_safe(value) for value in column]
    say: Callable[[float], str] = p_value if column.name in _P_COLUMNS else lambda v: f"{v:.4g}"
    return [say(float(value)) for value in column]


def _curves(figure: Figure, layer: Curves) -> Iterator[Trace]:
    seen: set[str] = set()
    for name, rows in figure.data.groupby(layer.line, sort=False):
        group = figure.group(rows[layer.by].iloc[0])
        yield {
            "type": "scatter", "mode": "lines", "name": _safe(group.name), "legendgroup": _safe(group.name),
            "showlegend": group.name not in seen, "x": _numbers(rows[layer.x]), "y": _numbers(rows[layer.y]),
            "line": {"color": group.colour, "width": 1.2}, "opacity": 0.8,
            "hovertemplate": f"<b>{_safe(name)}</b><br>{_safe(group.name)}<extra></extra>",
        }  # fmt: skip
        seen.add(group.name)


def _bars(figure: Figure, layer: Bars) -> Iterator[Trace]:
    low, high, height = (figure.data[name] for name in (layer.low, layer.high, layer.height))
    yield {
        "type": "bar", "x": _numbers((low + high) / 2), "y": _numbers(height), "width": _numbers(high - low),
        "marker": {"color": figure.groups[0].colour, "line": {"color": "white", "width": 1}},
        "customdata": [[f"{a:.3g}", f"{b:.3g}"] for a, b in zip(low, high, strict=True)],
        "hovertemplate": "%{customdata[0]} to %{customdata[1]}: %{y:,}<extra></extra>",
    }  # fmt: skip


def _boxes(figure: Figure, layer: Boxes) -> Iterator[Trace]:
    place = np.arange(len(figure.data))
    for group in figure.groups:
        at = (figure.data[layer.by] == group.name).to_numpy()
        rows = figure.data[at]
        named = (
            ("lowerfence", "low"),
            ("q1", "q1"),
            ("median", "median"),
            ("q3", "q3"),
            ("upperfence", "high"),
        )
        yield {
            "type": "box", "name": _safe(group.name), "x": place[at].tolist(),
            **{key: _numbers(rows[column]) for key, column in named},
            "text": [_safe(name) for name in rows[layer.named]],
            "marker": {"color": group.colour}, "line": {"width": 1}, "fillcolor": group.colour,
            "opacity": 0.8, "width": 0.7,
        }  # fmt: skip


def _spans(figure: Figure, layer: Spans) -> Iterator[Trace]:
    for group in figure.groups:
        rows = figure.data[(figure.data[layer.by] == group.name).to_numpy()]
        ends = rows[[layer.low, layer.high, layer.y]].drop_duplicates().to_numpy(dtype=np.float64)
        yield {
            "type": "scatter", "mode": "lines", "showlegend": False, "hoverinfo": "skip",
            # A gap after each line, so that all of a group are one trace.
            "x": [x for low, high, _ in ends.tolist() for x in (low, high, None)],
            "y": [y for *_, at in ends.tolist() for y in (at, at, None)],
            "line": {"color": group.colour, "width": 2},
        }  # fmt: skip


def _grid(figure: Figure, layer: Grid) -> Iterator[Trace]:
    cells = figure.data[list(layer.columns)].to_numpy(dtype=np.float64)
    scale, reverse = _SCALES[layer.palette]
    yield {
        "type": "heatmap", "z": [_numbers(row) for row in cells], "zmin": layer.low, "zmax": layer.high,
        "colorscale": scale, "reversescale": reverse,
        "colorbar": {"title": {"text": _safe(layer.unit), "side": "right"}, "thickness": 12},
        "x": _unlike(layer.columns), "y": _unlike(figure.y.names),
        "hovertemplate": "%{y}<br>%{x}: %{z:.3f}<extra></extra>", "hoverongaps": False,
    }  # fmt: skip


def _unlike(names: Iterable[str]) -> list[str]:
    """Names as categories of an axis, where two that are alike would be one."""
    seen: Counter[str] = Counter()
    unlike = []
    for name in map(_safe, names):
        seen[name] += 1
        unlike.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unlike


def _rule(_: Figure, __: Rule) -> Iterator[Trace]:
    """Rules are shapes of the layout."""
    yield from ()


_LAYERS: dict[type, Callable[[Figure, Any], Iterator[Trace]]] = {
    Points: _points, Curves: _curves, Bars: _bars, Boxes: _boxes, Spans: _spans, Grid: _grid, Rule: _rule,
}  # fmt: skip


def _numbers(values: Any) -> list[float | None]:
    """Numbers that JSON can hold, to six digits; None where one is missing."""
    return [
        float(f"{value:.6g}") if np.isfinite(value) else None
        for value in np.asarray(values, dtype=np.float64)
    ]


def _safe(text: object, n: int = 200) -> str:
    return escape(short(clean(text), n), quote=False)
