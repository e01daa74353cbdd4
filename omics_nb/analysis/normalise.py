"""Normalisation between arrays.

Quantile: B. M. Bolstad et al. (2003), "A comparison of normalization methods for high density oligonucleotide
array data based on variance and bias", Bioinformatics 19:185,
https://doi.org/10.1093/bioinformatics/19.2.185.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ..errors import AnalysisError

Floats = npt.NDArray[np.float64]


def quantile_normalise(values: npt.ArrayLike) -> Floats:
    """Values with the same distribution in every sample (features × samples); NaN stay where they are.

    Equal values stay equal: they share the mean of the quantiles of their ranks. A sample with missing values
    gives and takes quantiles by linear interpolation. AnalysisError where a value is infinite or a sample has
    none.
    """
    matrix = np.array(values, dtype=np.float64)
    n_features, n_samples = matrix.shape
    if np.isinf(matrix).any() or (n_features and np.isnan(matrix).all(axis=0).any()):
        raise AnalysisError("quantile normalisation needs finite values, and some in every sample")
    if n_features < 2 or n_samples < 2:
        return matrix
    places = np.linspace(0, 1, n_features)
    columns = np.ascontiguousarray(matrix.T)
    orders = [_order(column) for column in columns]
    common = np.zeros(n_features)
    for column, order in zip(columns, orders, strict=True):
        common += _quantiles(column[order], places) / n_samples
    for column, order in zip(columns, orders, strict=True):
        column[order] = _given(column[order], places, common)
    return np.ascontiguousarray(columns.T)


def _order(column: Floats) -> npt.NDArray[np.intp]:
    """The places of the values that are there, smallest first."""
    order = np.argsort(column)
    # NaN are sorted to the end.
    return order[: int(np.isfinite(column).sum())]


def _given(ordered: Floats, places: Floats, common: Floats) -> Floats:
    """The common quantile of each of the ordered values; equal ones share that of their mean rank."""
    n = len(ordered)
    ties = n > 0 and bool((ordered[1:] == ordered[:-1]).any())
    if n == len(places) and not ties:
        return common
    rank = (rankdata(ordered) if ties else np.arange(1.0, n + 1)) - 1
    return np.asarray(np.interp(rank / max(n - 1, 1), places, common))


def _quantiles(ordered: Floats, places: Floats) -> Floats:
    if len(ordered) == len(places):
        return ordered
    return np.asarray(np.interp(places, np.linspace(0, 1, len(ordered)), ordered))
