"""Figures of a result of differential expression: volcano, MA, P-values, heat map."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..analysis.formula import close_to
from ..analysis.groups import with_groups
from ..analysis.values import comparable
from ..display.result import threshold_text
from ..errors import DataError
from ..records import DEResult, Study
from .colours import DOWN, PALETTE, QUIET, UP, groups_of
from .figure import Axis, Bars, Figure, Grid, Group, Points, Rule
from .words import clean, finished

Floats = npt.NDArray[np.float64]
_SMALLEST_P = 1e-300
_BINS = 20


def volcano(
    result: DEResult,
    *,
    adj_p: float = 0.05,
    min_abs_logfc: float = 1.0,
    n_labels: int = 15,
    labels: Iterable[str] = (),
) -> Figure:
    """Fold change against significance.

    The ``n_labels`` smallest P-values beyond both thresholds carry their names, and before them the features or
    symbols in ``labels``. Features without a result are not drawn.
    """
    data = _called(result, adj_p, min_abs_logfc)
    data["-log10 P"] = -np.log10(np.maximum(data[result.columns.p].to_numpy(), _SMALLEST_P))
    significant = data[data[result.columns.adj_p] <= adj_p]
    rules = [Rule("x", edge) for edge in (-min_abs_logfc, min_abs_logfc) if min_abs_logfc]
    if len(significant):
        rules.append(Rule("y", float(significant["-log10 P"].min())))
    change = result.columns.change
    tested, reference = result.contrast[1:]
    return _of_result(
        "volcano",
        "Volcano plot",
        result,
        data,
        text=_direction_text(result, data, adj_p, min_abs_logfc),
        cloud=_cloud(result, data, change, "-log10 P", n_labels, labels),
        rules=tuple(rules),
        x=Axis(f"log2 fold change ({clean(tested)} vs {clean(reference)})"),
        y=Axis("-log10 P"),
    )


def ma(
    result: DEResult,
    *,
    adj_p: float = 0.05,
    min_abs_logfc: float = 1.0,
    n_labels: int = 15,
    labels: Iterable[str] = (),
) -> Figure:
    """Fold change against average expression, with names as in ``volcano``."""
    data = _called(result, adj_p, min_abs_logfc)
    change, average = result.columns.change, result.columns.average
    place = average
    if average == "baseMean":
        # A gene whose only counts were outliers has none left, and no place on a logarithmic axis.
        data = data[data[average] > 0].reset_index(drop=True)
        place = "log2 baseMean"
        data[place] = np.log2(data[average])
    return _of_result(
        "ma",
        "MA plot",
        result,
        data,
        text=_direction_text(result, data, adj_p, min_abs_logfc),
        cloud=_cloud(result, data, place, change, n_labels, labels),
        rules=(Rule("y", 0.0, dotted=False),),
        x=Axis("Average expression (log2)" if average == "AveExpr" else f"{average} (log2)"),
        y=Axis("log2 fold change"),
    )


def p_histogram(result: DEResult) -> Figure:
    """P-values in twenty bins; flat but for a peak at 0 is how it should look."""
    p = result.table[result.columns.p].dropna().to_numpy()
    counts, edges = np.histogram(p, bins=_BINS, range=(0, 1))
    level = float(np.median(counts[_BINS // 2 :]))
    data = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "features": counts})
    text = (
        f"Histogram of {len(p):,} P-values of {result.accession}, {result.contrast}: {counts[0]:,} are below 0.05, "
        f"against {level:,.0f} in a typical bin of the same width above 0.5."
    )
    figure = Figure(
        "p_histogram",
        f"P-values: {result.accession}, {result.contrast}",
        text,
        table=data,
        data=data,
        layers=(Bars("low", "high", "features"), Rule("y", level)),
        x=Axis("P", ends=(0.0, 1.0)),
        y=Axis("Features"),
        groups=(Group("features", PALETTE[0]),),
        size=(5.6, 3.6),
    )
    return finished(figure, synthetic=result.synthetic)


def heat_map(study: Study, result: DEResult, *, n: int = 30, annotate: str | None = None) -> Figure:
    """The ``n`` features with the smallest P over the samples of both groups, each row centred and scaled.

    A strip along the top shows the groups, or the column ``annotate`` of the sample sheet, by which samples are then
    ordered within their group. DataError where no feature has a result.
    """
    top = result.top(n).dropna(subset=[result.columns.p])
    if top.empty:
        raise DataError(f"no feature of {result.accession} has a result to show")
    top = top.sort_values(result.columns.change, ascending=False, kind="stable")
    levels = _strip(study, result, annotate)
    z = _scaled_rows(study, result, top, list(levels))
    names = _names(top)
    samples = [clean(name) for name in levels]
    data = pd.concat(
        [
            pd.DataFrame({"feature": top.index.astype(str), "symbol": names}),
            pd.DataFrame(np.clip(z, -3, 3), columns=samples),
        ],
        axis=1,
    )
    change = top[result.columns.change].to_numpy()
    text = (
        f"Heat map of the {len(top)} features of {result.accession} with the smallest P over {len(samples)} samples, "
        "each row centred and scaled to standard deviations, at most 3 either way. Higher in "
        f"{result.contrast.tested}: {_listed(names, change > 0)}. Lower: {_listed(names, change <= 0)}."
    )
    table = data[["feature", "symbol"]].assign(
        **{name: top[name].to_numpy() for name in (result.columns.change, result.columns.p)}
    )
    figure = Figure(
        "heat_map",
        f"Heat map: {result.accession}, {result.contrast}",
        text,
        table=table,
        data=data,
        layers=(
            Grid(
                tuple(samples),
                "two-way",
                -3.0,
                3.0,
                "Standard deviations from the mean",
                groups=tuple(levels.values()),
            ),
        ),
        x=Axis(names=tuple(samples)),
        y=Axis(names=tuple(names), downwards=True),
        groups=groups_of(dict.fromkeys(levels.values())),
        legend=clean(annotate or result.contrast.factor),
        size=(7.6, 1.9 + 0.19 * len(top)),
    )
    return finished(figure, synthetic=study.synthetic or result.synthetic)


def _strip(study: Study, result: DEResult, annotate: str | None) -> dict[str, str]:
    """Sample → level shown above it, reference group first."""
    sides = ("reference", "tested")
    if annotate is None:
        return {name: clean(getattr(result.contrast, side)) for side in sides for name in result.groups[side]}
    sheet = with_groups(study.samples)
    column = sheet[annotate] if annotate in sheet.columns else study.factor(annotate)
    return {
        name: clean(column[name]) or "(empty)"
        for side in sides
        for name in sorted(result.groups[side], key=lambda sample: str(column[sample]))
    }


def _scaled_rows(study: Study, result: DEResult, top: pd.DataFrame, samples: list[str]) -> Floats:
    """Rows of ``top`` × ``samples`` as standard deviations from the row's mean; 0 where a row does not vary."""
    values = comparable(study, result.platform)
    columns = [values.samples.index(name) for name in samples]
    rows = values.values[values.features.get_indexer(top.index)][:, columns]
    deviations = rows - np.nanmean(rows, axis=1, keepdims=True)
    spread = np.nanstd(rows, axis=1, ddof=1, keepdims=True)
    return np.asarray(deviations / np.where(spread > 0, spread, 1.0))


def _called(result: DEResult, adj_p: float, min_abs_logfc: float) -> pd.DataFrame:
    """The features that have a result, with ``feature``, ``name`` and the group that each is ``called``."""
    table = result.table[result.table[result.columns.p].notna()].drop(columns="reason", errors="ignore")
    significant = table[result.columns.adj_p] <= adj_p
    change = table[result.columns.change]
    up, down, quiet = (group.name for group in _directions(result))
    called = np.where(
        significant & (change >= min_abs_logfc), up,
        np.where(significant & (change <= -min_abs_logfc), down, quiet),
    )  # fmt: skip
    data = table.reset_index(names="feature")
    data["feature"] = data["feature"].astype(str)
    return data.assign(name=_names(table), called=called)


def _directions(result: DEResult) -> tuple[Group, Group, Group]:
    tested = clean(result.contrast.tested)
    return (
        Group(f"higher in {tested}", UP, "triangle-up"),
        Group(f"lower in {tested}", DOWN, "triangle-down"),
        Group("below the thresholds", QUIET, quiet=True),
    )


def _cloud(
    result: DEResult, data: pd.DataFrame, x: str, y: str, n_labels: int, labels: Iterable[str]
) -> Points:
    quiet = _directions(result)[2].name
    best = data[data["called"] != quiet].sort_values(result.columns.p, kind="stable").head(n_labels)
    asked = _asked(result, data, labels)
    told = (result.columns.change, result.columns.average, result.columns.p, result.columns.adj_p)
    return Points(
        x, y, "called", "name",
        labels=tuple(dict.fromkeys([*asked, *(int(i) for i in best.index)])), told=("feature", *told),
    )  # fmt: skip


def _asked(result: DEResult, data: pd.DataFrame, labels: Iterable[str]) -> list[int]:
    """Rows of the features or symbols that are to be named; DataError for one that is not there."""
    asked = []
    for label in labels:
        at = data.index[(data["feature"] == label) | (data["name"].str.casefold() == label.casefold())]
        if len(at) == 0:
            near = close_to(label, {*data["name"], *data["feature"]})
            raise DataError(
                f"{result.accession} has no feature or symbol {label!r} with a result{near}", label=label
            )
        asked += [int(i) for i in at]
    return asked


def _direction_text(result: DEResult, data: pd.DataFrame, adj_p: float, min_abs_logfc: float) -> str:
    change, _, p, _ = result.columns
    up, down, _ = ((data["called"] == group.name).sum() for group in _directions(result))
    named = [
        f"{name} (log2 fold change {by:.2f}, P {of:.2g})"
        for name, by, of in data.sort_values(p, kind="stable")
        .head(5)[["name", change, p]]
        .itertuples(index=False)
    ]
    return (
        f"{len(data):,} features of {result.accession} tested, {result.contrast}. At "
        f"{threshold_text(result, adj_p, min_abs_logfc)}, {up:,} are higher and {down:,} lower in "
        f"{result.contrast.tested}. Smallest P: {'; '.join(named) or 'none'}."
    )


def _of_result(
    name: str,
    kind: str,
    result: DEResult,
    data: pd.DataFrame,
    *,
    text: str,
    cloud: Points,
    rules: tuple[Rule, ...],
    x: Axis,
    y: Axis,
) -> Figure:
    """A cloud of features; its table are the ones that are named."""
    figure = Figure(
        name,
        f"{kind}: {result.accession}, {result.contrast}",
        text,
        table=data.iloc[list(cloud.labels)][["feature", "name", *result.columns]],
        data=data,
        layers=(*rules, cloud),
        x=x,
        y=y,
        groups=_directions(result),
        legend=clean(result.contrast.factor),
        size=(7.6, 5.0),
    )
    return finished(figure, synthetic=result.synthetic)


def _names(table: pd.DataFrame) -> list[str]:
    """Symbol where there is one, identifier otherwise."""
    symbols = table["symbol"] if "symbol" in table.columns else [""] * len(table)
    return [clean(symbol) or clean(name) for symbol, name in zip(symbols, table.index, strict=True)]


def _listed(names: list[str], chosen: npt.NDArray[np.bool_]) -> str:
    return ", ".join(name for name, is_one in zip(names, chosen, strict=True) if is_one) or "none"
