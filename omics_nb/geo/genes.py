"""From features to genes: a step of its own, for it loses something each time, and says what.

Arrays have several probes for a gene, probes for several genes and for none. No way to choose is right for
every question, so the analysis of a matrix never maps by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ..errors import DataError

How = Literal["max-mean", "median", "all"]
_BETWEEN = "///"


@dataclass(frozen=True, slots=True, eq=False)
class GeneMatrix:
    """Genes × samples. ``features``: one row for each of ``values``, the feature or features it was made of.

    ``n_features`` of the matrix before, of which ``n_without_symbol`` had no symbol and ``n_ambiguous`` had
    several; ``n_merged`` is how many more features than genes went into ``values``.
    """

    values: pd.DataFrame
    features: pd.Series[str]
    how: How
    n_features: int
    n_without_symbol: int
    n_ambiguous: int
    n_merged: int

    def __repr__(self) -> str:
        return f"GeneMatrix({self.lost})"

    @property
    def lost(self) -> str:
        """What was lost, in a sentence."""
        return (
            f"{len(self.values):,} rows from {self.n_features:,} features ({self.how}): "
            f"{self.n_without_symbol:,} without a gene symbol and {self.n_ambiguous:,} with several were "
            f"left out, {self.n_merged:,} were merged"
        )


def to_genes(matrix: pd.DataFrame, symbols: pd.Series[str], *, how: How = "max-mean") -> GeneMatrix:
    """The matrix by gene symbol.

    ``symbols``: feature → symbol, as the column ``symbol`` of a study's features; a feature with several (``A
    /// B``) is left out, for its values cannot be told to be of one of them. ``how``: ``max-mean`` keeps the
    feature with the highest mean of each gene (the first of equals), ``median`` takes the median of its
    features in each sample, ``all`` keeps every feature, so that a gene can have several rows. Missing values
    are left out of means and medians. DataError if ``how`` is another word or no feature has a symbol.
    """
    if how not in ("max-mean", "median", "all"):
        raise DataError(f"features are mapped to genes by 'max-mean', 'median' or 'all', not {how!r}")
    named = _cleaned(matrix.index, symbols)
    ambiguous = named.str.contains(_BETWEEN, regex=False)
    usable = (named != "") & ~ambiguous
    if not usable.any():
        raise DataError(
            f"none of the {len(matrix):,} features has a symbol of one gene; a platform annotation is needed"
        )
    genes, values = named[usable], matrix[usable.to_numpy()]
    rows, features = _combined(values, genes, how)
    return GeneMatrix(
        rows,
        features,
        how,
        n_features=len(matrix),
        n_without_symbol=int((named == "").sum()),
        n_ambiguous=int(ambiguous.sum()),
        n_merged=len(values) - len(rows),
    )


def _cleaned(features: pd.Index[str], symbols: pd.Series[str]) -> pd.Series[str]:
    by_feature = symbols[~symbols.index.duplicated()]
    named = by_feature.reindex(features).fillna("").astype(str).str.strip()
    return pd.Series([_once(name) for name in named], index=features, dtype=object)


def _once(symbol: str) -> str:
    """``A /// A`` is one gene written twice."""
    return f" {_BETWEEN} ".join(
        dict.fromkeys(part.strip() for part in symbol.split(_BETWEEN) if part.strip())
    )


def _combined(values: pd.DataFrame, genes: pd.Series[str], how: How) -> tuple[pd.DataFrame, pd.Series[str]]:
    names = pd.Index(genes.to_numpy(), dtype=object, name="symbol")
    features = pd.Series(values.index.astype(str), index=names, dtype=object, name="feature")
    if how == "all":
        return values.set_axis(names), features
    if how == "median":
        joined = features.groupby(level=0, sort=False).agg(_joined)
        return values.set_axis(names).groupby(level=0, sort=False).median(), joined
    means = values.mean(axis=1).to_numpy()
    order = pd.DataFrame({"gene": names, "mean": means, "place": range(len(names))})
    best = order.sort_values("mean", ascending=False, kind="stable", na_position="last").drop_duplicates(
        "gene"
    )
    places = best["place"].sort_values().to_numpy()
    return values.iloc[places].set_axis(names[places]), features.iloc[places]


def _joined(names: Sequence[str]) -> str:
    return f" {_BETWEEN} ".join(names)
