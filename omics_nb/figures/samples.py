"""Figures of the samples of a study: components, distributions, correlation, one gene over the groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..analysis.de import symbols
from ..analysis.formula import close_to
from ..analysis.groups import with_groups
from ..analysis.values import Comparable, comparable, principal_components, sample_correlation
from ..errors import DataError
from ..records import Study
from .colours import groups_of
from .figure import Axis, Boxes, Curves, Figure, Grid, Points, Spans
from .words import clean, finished, short

Floats = npt.NDArray[np.float64]
_QUANTILES = {"low": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "high": 0.95}
_BINS = 128
_MOST_NAMED = 40
_ALL = "all samples"


class _Groups(NamedTuple):
    """The level of each sample, in the order of the samples, and the levels in order of appearance."""

    of_sample: list[str]
    levels: list[str]


def pca(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """The samples on their first two principal components, coloured and marked by a column of the sample sheet."""
    values = comparable(study, platform)
    parts = principal_components(values.values, n_components=2)
    groups = _grouped(study, values, color_by)
    second = parts.scores[:, 1] if parts.scores.shape[1] > 1 else np.zeros(len(values.samples))
    first_share, second_share = [*parts.explained.tolist(), 0.0][:2]
    data = pd.DataFrame(
        {
            "sample": [clean(name) for name in values.samples],
            "title": _titles(study, values),
            "group": groups.of_sample,
            "PC1": parts.scores[:, 0],
            "PC2": second,
        }
    )
    means = data.groupby("group", sort=False)["PC1"].agg(["mean", "size"]).head(12)
    told = "; ".join(
        f"{short(name)}: PC1 {mean:.3g} on average ({n} samples)" for name, mean, n in means.itertuples()
    )
    text = (
        f"Principal components of {len(data)} samples of {study.accession} over the {parts.n_features:,} most variable "
        f"features: PC1 holds {first_share:.0%} and PC2 {second_share:.0%} of their variance. {told}."
    )
    figure = Figure(
        "pca",
        f"PCA: {study.accession}",
        text,
        table=data,
        data=data,
        layers=(
            Points(
                "PC1",
                "PC2",
                "group",
                "sample",
                told=("title", "group"),
                labels=tuple(range(len(data))) if len(data) <= _MOST_NAMED else (),
            ),
        ),
        x=Axis(f"PC1 ({first_share:.0%} of variance)"),
        y=Axis(f"PC2 ({second_share:.0%} of variance)"),
        groups=groups_of(groups.levels),
        legend=_legend(color_by),
        size=(7.2, 4.8),
    )
    return finished(figure, synthetic=study.synthetic)


def density(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """The distribution of the values of each sample, as smoothed histograms."""
    values = comparable(study, platform)
    groups = _grouped(study, values, color_by)
    centres, heights = _densities(values)
    table = _quantiles(values, groups)
    data = pd.DataFrame(
        {
            "sample": np.repeat([clean(name) for name in values.samples], len(centres)),
            "group": np.repeat(groups.of_sample, len(centres)),
            "value": np.tile(centres, len(values.samples)),
            "density": heights.T.ravel(),
        }
    )
    figure = Figure(
        "density",
        f"Densities: {study.accession}",
        _distribution_text(study, values, table),
        table=table,
        data=data,
        layers=(Curves("value", "density", "sample", "group"),),
        x=Axis(_capital(values.unit)),
        y=Axis("Density"),
        groups=groups_of(groups.levels),
        legend=_legend(color_by),
        size=(7.2, 4.0),
    )
    return finished(figure, synthetic=study.synthetic)


def box(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """The values of each sample as a box: quartiles, whiskers from the 5th to the 95th of a hundred; by group."""
    values = comparable(study, platform)
    groups = _grouped(study, values, color_by)
    data = _quantiles(values, groups)
    rank = {level: i for i, level in enumerate(groups.levels)}
    data = data.sort_values("group", key=lambda column: column.map(rank), kind="stable").reset_index(
        drop=True
    )
    figure = Figure(
        "box",
        f"Distributions: {study.accession}",
        _distribution_text(study, values, data),
        table=data,
        data=data,
        layers=(Boxes("group", "sample"),),
        x=Axis(names=tuple(data["sample"])),
        y=Axis(_capital(values.unit)),
        groups=groups_of(groups.levels),
        legend=_legend(color_by),
        size=(7.6, 4.2),
    )
    return finished(figure, synthetic=study.synthetic)


def correlation(study: Study, *, platform: str | None = None, color_by: str | None = None) -> Figure:
    """Correlation of every sample with every other, ordered by a column of the sample sheet."""
    values = comparable(study, platform)
    groups = _grouped(study, values, color_by)
    order = sorted(range(len(values.samples)), key=lambda i: groups.levels.index(groups.of_sample[i]))
    matrix = sample_correlation(values.values)[np.ix_(order, order)]
    names = [clean(values.samples[i]) for i in order]
    apart = matrix[~np.eye(len(names), dtype=bool)]
    lowest, highest = float(np.nanmin(apart)), float(np.nanmax(apart))
    mean = (np.nansum(matrix, axis=1) - 1) / max(len(names) - 1, 1)
    worst = int(mean.argmin())
    strip = [groups.of_sample[i] for i in order]
    text = (
        f"Correlation of {len(names)} samples of {study.accession}: from {lowest:.3f} to {highest:.3f}; lowest on "
        f"average {names[worst]} ({mean[worst]:.3f})."
    )
    figure = Figure(
        "correlation",
        f"Sample correlation: {study.accession}",
        text,
        table=pd.DataFrame({"sample": names, "group": strip, "mean correlation": mean}),
        data=pd.concat([pd.DataFrame({"sample": names}), pd.DataFrame(matrix, columns=names)], axis=1),
        layers=(
            Grid(
                tuple(names),
                "one-way",
                lowest,
                1.0,
                "Pearson correlation",
                groups=tuple(strip) if color_by else (),
            ),
        ),
        x=Axis(names=tuple(names)),
        y=Axis(names=tuple(names), downwards=True),
        groups=groups_of(groups.levels),
        legend=_legend(color_by),
        size=(7.2, 5.6),
    )
    return finished(figure, synthetic=study.synthetic)


def gene(study: Study, feature: str, factor: str, *, platform: str | None = None) -> Figure:
    """The values of one feature (identifier or gene symbol) in each group: every sample a point, the median a line.

    Of several features with that symbol the one with the highest mean is taken. DataError where there is none,
    DesignError where the sample sheet has no such column.
    """
    values = comparable(study, platform)
    platform = study.choose_platform(platform)
    row = _row_of(study, feature, platform, values.features)
    groups = _grouped(study, values, factor)
    data = _gene_values(study, values, groups, values.values[row])
    table = data.groupby("group", sort=False)["value"].agg(["size", "median", "min", "max"]).reset_index()
    told = "; ".join(
        f"{short(name)}: median {median:.4g} ({n} samples)"
        for name, n, median in table[["group", "size", "median"]].itertuples(index=False)
    )
    name = _name_of(study, platform, values.features, row)
    figure = Figure(
        "gene",
        f"{name}: {study.accession}",
        f"{name} in {study.accession} by {factor} ({values.unit}). {told}.",
        table=table.rename(columns={"size": "samples"}),
        data=data,
        layers=(
            Spans("median", "left", "right", "group"),
            Points("place", "value", "group", "sample", told=("title", "group", "value")),
        ),
        x=Axis(names=tuple(groups.levels), ends=(-0.6, len(groups.levels) - 0.4)),
        y=Axis(f"{name}, {values.unit}"),
        groups=groups_of(groups.levels),
        size=(max(4.2, 1.6 + 0.9 * len(groups.levels)), 4.2),
    )
    return finished(figure, synthetic=study.synthetic)


def _gene_values(study: Study, values: Comparable, groups: _Groups, row: Floats) -> pd.DataFrame:
    """One row a sample that has a value, with its place among those of its group and the group's median."""
    samples = [clean(name) for name in values.samples]
    data = pd.DataFrame(
        {"sample": samples, "title": _titles(study, values), "group": groups.of_sample, "value": row}
    )
    data = data[np.isfinite(row)].reset_index(drop=True)
    centre = data["group"].map({level: float(i) for i, level in enumerate(groups.levels)})
    of_group = data.groupby("group")["value"]
    # Spread sideways by rank, so that the same data give the same picture.
    spread = 0.07 * (of_group.rank(method="first") % 5 - 2)
    return data.assign(
        place=centre + spread, left=centre - 0.28, right=centre + 0.28, median=of_group.transform("median")
    )


def _row_of(study: Study, feature: str, platform: str, features: pd.Index) -> int:
    """The row of an identifier; of a symbol the row with the highest mean."""
    at = np.flatnonzero(features.astype(str) == feature)
    if len(at) == 0:
        named = np.array([name.casefold() for name in symbols(study, platform, features)])
        at = np.flatnonzero(named == feature.casefold())
    if len(at) == 0:
        near = close_to(feature.upper(), {*map(str.upper, named), *features.astype(str)})
        raise DataError(
            f"{study.accession} has no feature or symbol {feature!r} on {platform}{near}", feature=feature
        )
    if len(at) == 1:
        return int(at[0])
    means = study.matrices[platform].iloc[at].mean(axis=1).to_numpy()
    return int(at[int(np.nanargmax(means))])


def _name_of(study: Study, platform: str, features: pd.Index, row: int) -> str:
    """The symbol with the identifier, so that a reader of either knows the gene."""
    named, symbol = clean(features[row]), clean(symbols(study, platform, features[row : row + 1])[0])
    return f"{symbol} ({named})" if symbol and symbol != named else named


def _grouped(study: Study, values: Comparable, factor: str | None) -> _Groups:
    if factor is None:
        return _Groups([_ALL] * len(values.samples), [_ALL])
    sheet = with_groups(study.samples)
    column = sheet[factor] if factor in sheet.columns else study.factor(factor)
    of_sample = [clean(column[name]) or "(empty)" for name in values.samples]
    return _Groups(of_sample, list(dict.fromkeys(of_sample)))


def _titles(study: Study, values: Comparable) -> list[str]:
    if "title" not in study.samples.columns:
        return [""] * len(values.samples)
    return [clean(study.samples.at[name, "title"]) for name in values.samples]


def _densities(values: Comparable) -> tuple[Floats, Floats]:
    """Places on the axis, and for each sample (column) the density there."""
    finite = values.values[np.isfinite(values.values)]
    low, high = np.quantile(finite, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    heights = np.empty((_BINS, values.values.shape[1]))
    for j, column in enumerate(values.values.T):
        counts = np.histogram(column[np.isfinite(column)], bins=edges, density=True)[0]
        heights[:, j] = np.convolve(np.pad(counts, 6, mode="edge"), kernel / kernel.sum(), mode="valid")
    return (edges[:-1] + edges[1:]) / 2, heights


def _quantiles(values: Comparable, groups: _Groups) -> pd.DataFrame:
    """Each sample with its group and five quantiles of its values."""
    found = np.nanquantile(values.values, list(_QUANTILES.values()), axis=0)
    samples = [clean(name) for name in values.samples]
    return pd.DataFrame(
        {"sample": samples, "group": groups.of_sample, **dict(zip(_QUANTILES, found, strict=True))}
    )


def _distribution_text(study: Study, values: Comparable, quantiles: pd.DataFrame) -> str:
    named = quantiles.set_index("sample")["median"]
    lowest, highest = named.idxmin(), named.idxmax()
    return (
        f"Distributions of the values of {len(named)} samples of {study.accession} ({values.unit}): medians "
        f"from {named.min():.4g} ({lowest}) to {named.max():.4g} ({highest})."
    )


def _legend(color_by: str | None) -> str:
    return clean(color_by) if color_by else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
