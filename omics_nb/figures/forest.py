"""A forest plot: one effect in several studies, with its confidence limits."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from ..errors import DataError
from .colours import PALETTE, UP
from .figure import Axis, Figure, Group, Points, Rule, Spans
from .words import clean, finished

_NEEDED = ("name", "estimate", "low", "high")
_EACH, _TOGETHER = "single study", "taken together"


def forest(
    effects: pd.DataFrame,
    *,
    title: str,
    unit: str = "log2 fold change",
    pooled: Collection[str] = (),
    synthetic: bool = False,
) -> Figure:
    """Estimates with their limits, one row below the other, in the order of ``effects``.

    ``effects`` has the columns name, estimate, low and high; further ones are told where one points. ``pooled`` are the
    names of rows that take others together. DataError for other columns or for no rows.
    """
    missing = [column for column in _NEEDED if column not in effects.columns]
    if missing or effects.empty:
        have = f"it has {list(effects.columns)} and {len(effects)} rows"
        raise DataError(f"a forest plot needs a row at least, with {', '.join(_NEEDED)}; {have}")
    data = effects.reset_index(drop=True)
    names = [clean(name) for name in data["name"]]
    data = data.assign(
        name=names,
        kind=[_TOGETHER if name in pooled else _EACH for name in data["name"]],
        row=range(len(data)),
    )
    told = "; ".join(
        f"{name} {at:.3g} ({low:.3g} to {high:.3g})"
        for name, at, low, high in data[list(_NEEDED)].itertuples(index=False)
    )
    figure = Figure(
        "forest",
        title,
        f"Forest plot of {clean(unit)}, {len(data)} rows, with confidence limits: {told}.",
        table=effects,
        data=data,
        layers=(
            Rule("x", 0.0),
            Spans("row", "low", "high", "kind"),
            Points(
                "estimate",
                "row",
                "kind",
                "name",
                told=tuple(column for column in effects.columns if column != "name"),
            ),
        ),
        x=Axis(clean(unit)),
        y=Axis(names=tuple(names), downwards=True, ends=(-0.6, len(data) - 0.4)),
        groups=(Group(_EACH, PALETTE[0], "square"), Group(_TOGETHER, UP, "diamond")),
        size=(6.8, 1.4 + 0.34 * len(data)),
    )
    return finished(figure, synthetic=synthetic)
