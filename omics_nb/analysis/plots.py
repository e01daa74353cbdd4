"""Figures as SVG with a text form, drawn by matplotlib without pyplot.

Dark ink on a white card, which reads the same on a light and a dark page; the colours of Okabe and Ito
(2008), which the colour-blind can tell apart; many points as one embedded picture, so that 50,000 of them
stay small. The same input gives the same bytes. Text from files is drawn as text, never as mathematics or
markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError
from ..records import DEResult, Figure, Study
from .de import symbols
from .groups import with_groups
from .values import comparable, principal_components, sample_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Floats = npt.NDArray[np.float64]

UP, DOWN, QUIET = "#D55E00", "#0072B2", "#9A9A9A"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_MARKERS = "osD^vP*X"
_INK = "#222222"
_DPI = 144


def volcano(
    result: DEResult, *, adj_p: float = 0.05, min_abs_logfc: float = 1.0, n_labels: int = 12
) -> Figure:
    """Fold change against significance; the smallest P-values beyond both thresholds carry their names."""
    change, _, p, adjusted = result.columns
    table = result.table[result.table[p].notna()]
    up, down = _directions(result, table, adj_p, min_abs_logfc)
    height = _minus_log10(table[p])
    drawing, axes = _canvas(6.4, 5.0)
    _cloud(axes, table[change].to_numpy(), height, up, down)
    for edge in (-min_abs_logfc, min_abs_logfc):
        axes.axvline(edge, color=_INK, linewidth=0.6, linestyle=":")
    significant = table[adjusted] <= adj_p
    if significant.any():
        axes.axhline(float(height[significant.to_numpy()].min()), color=_INK, linewidth=0.6, linestyle=":")
    axes.set_xlabel(
        f"log2 fold change ({_clean(result.contrast.tested)} vs {_clean(result.contrast.reference)})"
    )
    axes.set_ylabel("-log10 P")
    best = table[(up | down)].sort_values(p, kind="stable").head(n_labels)
    spots = list(zip(best[change].tolist(), _minus_log10(best[p]).tolist(), strict=True))
    _label_points(drawing, axes, spots, _names(best))
    text = _direction_text(result, table, up, down, adj_p, min_abs_logfc)
    return _figure(
        "volcano", f"Volcano plot: {result.accession}, {result.contrast}", drawing, text, result.synthetic
    )


def ma(result: DEResult, *, adj_p: float = 0.05, min_abs_logfc: float = 1.0, n_labels: int = 12) -> Figure:
    """Fold change against average expression."""
    change, average, p, _ = result.columns
    table = result.table[result.table[p].notna()]
    if average == "baseMean":
        # A gene whose only counts were outliers has none left, and no place on a logarithmic axis.
        table = table[table[average] > 0]
        table = table.assign(**{average: np.log2(table[average])})
    up, down = _directions(result, table, adj_p, min_abs_logfc)
    drawing, axes = _canvas(6.4, 4.4)
    _cloud(axes, table[average].to_numpy(), table[change].to_numpy(), up, down)
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("Average expression (log2)" if average == "AveExpr" else f"{average} (log2)")
    axes.set_ylabel("log2 fold change")
    best = table[(up | down)].sort_values(p, kind="stable").head(n_labels)
    spots = list(zip(best[average].tolist(), best[change].tolist(), strict=True))
    _label_points(drawing, axes, spots, _names(best))
    text = _direction_text(result, table, up, down, adj_p, min_abs_logfc)
    return _figure("ma", f"MA plot: {result.accession}, {result.contrast}", drawing, text, result.synthetic)


def p_histogram(result: DEResult) -> Figure:
    """P-values in twenty bins; flat but for a peak at 0 is how it should look."""
    p = result.table[result.columns.p].dropna().to_numpy()
    counts, edges = np.histogram(p, bins=20, range=(0, 1))
    drawing, axes = _canvas(5.2, 3.4)
    axes.bar(edges[:-1], counts, width=0.05, align="edge", color=PALETTE[0], edgecolor="white", linewidth=0.5)
    level = float(np.median(counts[10:]))
    axes.axhline(level, color=_INK, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_xlabel("P")
    axes.set_ylabel("Features")
    text = (
        f"Histogram of {len(p):,} P-values of {result.accession}, {result.contrast}: {counts[0]:,} are "
        "below 0.05, "
        f"against {level:,.0f} in a typical bin of the same width above 0.5."
    )
    return _figure("p_histogram", f"P-values: {result.accession}", drawing, text, result.synthetic)


def pca(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """The samples on their first two principal components, coloured and marked by a factor."""
    values = comparable(study, platform)
    parts = principal_components(values.values, n_components=2)
    x = parts.scores[:, 0]
    y = parts.scores[:, 1] if parts.scores.shape[1] > 1 else np.zeros_like(x)
    shares = [*parts.explained.tolist(), 0.0][:2]
    levels, of_sample = _levels(study, values.samples, color_by)
    drawing, axes = _canvas(6.0, 4.6)
    for i, level in enumerate(levels):
        at = of_sample == i
        axes.scatter(
            x[at], y[at], s=34, color=_colour(i), marker=_MARKERS[i % 8], label=_short(level), alpha=0.9
        )
    axes.set_xlabel(f"PC1 ({shares[0]:.0%} of variance)")
    axes.set_ylabel(f"PC2 ({shares[1]:.0%} of variance)")
    if len(values.samples) <= 40:
        _label_points(
            drawing, axes, list(zip(x.tolist(), y.tolist(), strict=True)), list(values.samples), size=6.5
        )
    _legend(axes, levels, color_by)
    told = [
        f"{_short(level)}: PC1 {x[of_sample == i].mean():.3g} on average ({int((of_sample == i).sum())} "
        "samples)"
        for i, level in enumerate(levels[:12])
    ]
    text = (
        f"Principal components of {len(values.samples)} samples of {study.accession} over the "
        f"{parts.n_features:,} most "
        f"variable features: PC1 holds {shares[0]:.0%} and PC2 {shares[1]:.0%} of their variance. "
        f"{'; '.join(told)}."
    )
    return _figure("pca", f"PCA: {study.accession}", drawing, text, study.synthetic)


def density(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """The distribution of the values of each sample, as smoothed histograms."""
    values = comparable(study, platform)
    finite = values.values[np.isfinite(values.values)]
    low, high = np.quantile(finite, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1, 129)
    centres = (edges[:-1] + edges[1:]) / 2
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    levels, of_sample = _levels(study, values.samples, color_by)
    drawing, axes = _canvas(6.0, 3.8)
    for j in range(len(values.samples)):
        heights = np.histogram(values.values[:, j], bins=edges, density=True)[0]
        smooth = np.convolve(np.pad(heights, 6, mode="edge"), kernel / kernel.sum(), mode="valid")
        axes.plot(centres, smooth, color=_colour(int(of_sample[j])), linewidth=0.9, alpha=0.8)
    for i, level in enumerate(levels):
        axes.plot([], [], color=_colour(i), label=_short(level))
    axes.set_xlabel(_capital(values.unit))
    axes.set_ylabel("Density")
    _legend(axes, levels, color_by)
    medians = np.nanmedian(values.values, axis=0)
    text = (
        f"Distributions of the values of {len(values.samples)} samples of {study.accession} "
        f"({values.unit}): medians "
        f"from {medians.min():.4g} ({values.samples[int(medians.argmin())]}) to {medians.max():.4g} "
        f"({values.samples[int(medians.argmax())]})."
    )
    return _figure("density", f"Densities: {study.accession}", drawing, text, study.synthetic)


def correlation(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """Correlation of every sample with every other, ordered by the factor."""
    values = comparable(study, platform)
    _, of_sample = _levels(study, values.samples, color_by)
    order = np.argsort(of_sample, kind="stable")
    matrix = sample_correlation(values.values)[np.ix_(order, order)]
    names = [values.samples[i] for i in order]
    drawing, axes = _canvas(5.6, 5.0)
    picture = axes.imshow(matrix, cmap="viridis", interpolation="nearest", aspect="auto")
    drawing.colorbar(picture, ax=axes, label="Pearson correlation", shrink=0.8)
    _tick_names(axes, names, names)
    away = matrix[~np.eye(len(names), dtype=bool)]
    mean = (matrix.sum(axis=1) - 1) / max(len(names) - 1, 1)
    text = (
        f"Correlation of {len(names)} samples of {study.accession}: from {away.min():.3f} to "
        f"{away.max():.3f}; lowest "
        f"on average {names[int(mean.argmin())]} ({mean.min():.3f})."
    )
    return _figure("correlation", f"Sample correlation: {study.accession}", drawing, text, study.synthetic)


def heat_map(study: Study, result: DEResult, *, n: int = 30) -> Figure:
    """The ``n`` features with the smallest P over the samples of both groups, each row centred and scaled."""
    values = comparable(study, result.platform)
    top = result.top(n).dropna(subset=[result.columns.p])
    if top.empty:
        raise DataError(f"no feature of {result.accession} has a result to show")
    samples = [*result.groups["reference"], *result.groups["tested"]]
    columns = [values.samples.index(name) for name in samples]
    rows = values.values[values.features.get_indexer(top.index)][:, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = rows - np.nanmean(rows, axis=1, keepdims=True)
        z = centred / np.nanstd(rows, axis=1, ddof=1, keepdims=True)
    change = top[result.columns.change]
    order = np.argsort(change.to_numpy(), kind="stable")[::-1]
    drawing, axes = _canvas(6.6, 1.6 + 0.19 * len(top))
    picture = axes.imshow(
        np.clip(z[order], -3, 3), cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="nearest"
    )
    drawing.colorbar(picture, ax=axes, label="Standard deviations from the mean", shrink=0.6)
    names = _names(top)
    _tick_names(axes, samples, [names[i] for i in order])
    edge = len(result.groups["reference"])
    axes.axvline(edge - 0.5, color=_INK, linewidth=1.2)
    for role, centre in (("reference", (edge - 1) / 2), ("tested", edge + (len(samples) - edge - 1) / 2)):
        axes.text(
            centre, -0.8, _short(getattr(result.contrast, role), 28), ha="center", va="bottom", fontsize=8
        )
    higher = [names[i] for i in order if change.iloc[i] > 0]
    lower = [names[i] for i in order if change.iloc[i] <= 0]
    text = (
        f"Heat map of the {len(top)} features of {result.accession} with the smallest P over "
        f"{len(samples)} samples. "
        f"Higher in {result.contrast.tested}: {', '.join(higher) or 'none'}. Lower: "
        f"{', '.join(lower) or 'none'}."
    )
    return _figure(
        "heat_map", f"Heat map: {result.accession}, {result.contrast}", drawing, text, result.synthetic
    )


def gene(study: Study, feature: str, factor: str, *, platform: str | None = None) -> Figure:
    """The values of one feature (identifier or gene symbol) in each group, every sample a point, medians as
    bars.
    """
    values = comparable(study, platform)
    row = _row_of(study, feature, study.choose_platform(platform), values.features)
    levels, of_sample = _levels(study, values.samples, factor)
    drawing, axes = _canvas(max(3.6, 1.2 + 0.9 * len(levels)), 3.8)
    told = []
    for i, level in enumerate(levels):
        y = values.values[row, of_sample == i]
        y = y[np.isfinite(y)]
        # Spread sideways by rank, so that the same data give the same picture.
        x = i + 0.12 * ((np.argsort(np.argsort(y)) % 5) - 2) / 2
        axes.scatter(x, y, s=26, color=_colour(i), marker=_MARKERS[i % 8], alpha=0.85)
        if len(y):
            axes.hlines(float(np.median(y)), i - 0.28, i + 0.28, color=_INK, linewidth=1.4)
            told.append(f"{_short(level)}: median {np.median(y):.4g} ({len(y)} samples)")
    axes.set_xticks(
        range(len(levels)), [_short(level, 22) for level in levels], rotation=20 if len(levels) > 2 else 0
    )
    axes.set_ylabel(_capital(values.unit))
    axes.set_title(_clean(feature), fontsize=10)
    text = f"{feature} in {study.accession} by {factor} ({values.unit}). {'; '.join(told)}."
    return _figure("gene", f"{feature}: {study.accession}", drawing, text, study.synthetic)


def _row_of(study: Study, feature: str, platform: str, features: pd.Index) -> int:
    """The row of an identifier; of a symbol the row with the highest mean."""
    at = np.flatnonzero(features.astype(str) == feature)
    if len(at) == 0:
        named = np.array([name.casefold() for name in symbols(study, platform, features)])
        at = np.flatnonzero(named == feature.casefold())
    if len(at) == 0:
        raise DataError(
            f"{study.accession} has no feature or symbol {feature!r} on {platform}", feature=feature
        )
    if len(at) == 1:
        return int(at[0])
    means = study.matrices[platform].iloc[at].mean(axis=1).to_numpy()
    return int(at[int(np.nanargmax(means))])


def _directions(
    result: DEResult, table: pd.DataFrame, adj_p: float, min_abs_logfc: float
) -> tuple[pd.Series[bool], pd.Series[bool]]:
    significant = table[result.columns.adj_p] <= adj_p
    change = table[result.columns.change]
    return significant & (change >= min_abs_logfc), significant & (change <= -min_abs_logfc)


def _minus_log10(p: pd.Series[float]) -> Floats:
    return np.asarray(-np.log10(np.maximum(p.to_numpy(), 1e-300)))


def _cloud(axes: Axes, x: Floats, y: Floats, up: pd.Series[bool], down: pd.Series[bool]) -> None:
    """All features as one embedded picture: quiet ones below, then what is lower and higher."""
    higher, lower = up.to_numpy(), down.to_numpy()
    for at, colour, size in ((~(higher | lower), QUIET, 2.0), (lower, DOWN, 3.0), (higher, UP, 3.0)):
        axes.plot(
            x[at], y[at], "o", color=colour, markersize=size, markeredgewidth=0, alpha=0.7, rasterized=True
        )


def _direction_text(
    result: DEResult,
    table: pd.DataFrame,
    up: pd.Series[bool],
    down: pd.Series[bool],
    adj_p: float,
    min_abs_logfc: float,
) -> str:
    change, _, p, _ = result.columns
    best = table.sort_values(p, kind="stable").head(5)
    named = [
        f"{name} (log2 fold change {row[change]:.2f}, P {row[p]:.2g})"
        for name, (_, row) in zip(_names(best), best.iterrows(), strict=True)
    ]
    return (
        f"{len(table):,} features of {result.accession} tested, {result.contrast}. At adjusted P ≤ "
        f"{adj_p:g} and "
        f"|log2 fold change| ≥ {min_abs_logfc:g}, {int(up.sum()):,} are higher and {int(down.sum()):,} "
        "lower in "
        f"{result.contrast.tested}. Smallest P: {'; '.join(named) or 'none'}."
    )


def _names(table: pd.DataFrame) -> list[str]:
    """Symbol where there is one, identifier otherwise."""
    return [_short(str(row["symbol"]) or str(name), 20) for name, row in table.iterrows()]


def _levels(
    study: Study, samples: Sequence[str], factor: str | None
) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The levels of a factor in order of appearance, and each sample's number among them."""
    if factor is None:
        return ["all samples"], np.zeros(len(samples), dtype=np.intp)
    sheet = with_groups(study.samples)
    column = sheet[factor] if factor in sheet.columns else study.factor(factor)
    values = [str(column[name]) or "(empty)" for name in samples]
    levels = list(dict.fromkeys(values))
    return levels, np.array([levels.index(value) for value in values])


def _colour(i: int) -> str:
    return PALETTE[i % len(PALETTE)]


def _canvas(width: float, height: float) -> tuple[Drawing, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Drawing

    drawing = Drawing(figsize=(width, height), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasSVG(drawing)
    axes = drawing.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=_INK)
    return drawing, axes


def _legend(axes: Axes, levels: Sequence[str], title: str | None) -> None:
    if title is not None and len(levels) <= 12:
        axes.legend(
            title=_clean(title),
            fontsize=7.5,
            title_fontsize=8,
            loc="upper left",
            bbox_to_anchor=(1, 1),
            frameon=False,
        )


def _tick_names(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    size = 7 if max(len(columns), len(rows)) <= 40 else 4
    few_columns, few_rows = len(columns) <= 80, len(rows) <= 80
    axes.set_xticks(
        range(len(columns)) if few_columns else [], columns if few_columns else [], rotation=90, fontsize=size
    )
    axes.set_yticks(range(len(rows)) if few_rows else [], rows if few_rows else [], fontsize=size)
    axes.spines[:].set_visible(False)


def _label_points(
    drawing: Drawing,
    axes: Axes,
    spots: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    size: float = 7.5,
) -> None:
    """Names beside their points, the first ones first, each only where it covers no other name."""
    if not spots:
        return
    drawing.draw_without_rendering()
    pixels = axes.transData.transform(np.asarray(spots))
    pixel = drawing.dpi / 72
    width, height, gap = 0.66 * size * pixel, 1.25 * size * pixel, 0.6 * size * pixel
    limits = axes.get_window_extent()
    taken = [(x - pixel, y - pixel, x + pixel, y + pixel) for x, y in pixels.tolist()]
    for spot, (x, y), name in zip(spots, pixels, names, strict=True):
        long = width * len(name)
        right = x + long + gap < limits.x1
        left_edge = x + gap if right else x - gap - long
        for lift in (0.0, height, -height, 2 * height):
            box = (left_edge, y + lift - height / 2, left_edge + long, y + lift + height / 2)
            if box[3] < limits.y1 + height and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                label = axes.annotate(
                    _clean(name),
                    spot,
                    xytext=((gap if right else -gap) / pixel, lift / pixel),
                    textcoords="offset points",
                    fontsize=size,
                    color=_INK,
                    ha="left" if right else "right",
                    va="center",
                    annotation_clip=False,
                )
                # A name at the edge must not squeeze the axes, or all others would be out of place.
                label.set_in_layout(False)
                break


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _figure(name: str, title: str, drawing: Drawing, text: str, synthetic: bool) -> Figure:
    if synthetic:
        title = f"{title} (synthetic data)"
        text = f"Synthetic data. {text}"
    title, text = _clean(title), _clean(text)
    return Figure(name=name, title=title, svg=_svg(drawing, name, title), text=text)


def _svg(drawing: Drawing, name: str, title: str) -> str:
    import matplotlib as mpl
    from matplotlib.text import Text

    for item in drawing.findobj(Text):
        item.set_parse_math(False)
    out = StringIO()
    # The only way to tell the SVG writer; both settings are put back at once and harm nobody meanwhile.
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        nothing: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
        drawing.savefig(out, format="svg", dpi=_DPI, metadata=nothing)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = _own_ids(svg, name)
    opening = f'<svg role="img" aria-label="{escape(title)}" style="max-width:100%;height:auto" '
    return svg.replace("<svg ", opening, 1)


def _own_ids(svg: str, name: str) -> str:
    """Identifiers that stay apart from those of other figures on the same page."""
    import hashlib

    own = f"{name}-{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    svg = re.sub(r'\bid="', f'id="{own}', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{own}", svg)


def _clean(text: str) -> str:
    """Text without characters that XML forbids or that hide in a line."""
    return (
        re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "", text)
        .replace("\n", " ")
        .replace("\t", " ")
    )


def _short(text: str, n: int = 40) -> str:
    text = _clean(text)
    return text if len(text) <= n else text[: n - 1] + "…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
