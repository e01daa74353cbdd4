"""Values of a matrix on a scale where samples can be compared: log2, or log2 counts per million."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError
from ..records import Study
from .counts import log_cpm
from .scale import ScaleDecision, decide_scale, to_log2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparable:
    """``values``: features × samples, NaN where missing; ``unit``: for an axis; ``decision``: on the file's
    values.
    """

    values: Floats
    features: pd.Index
    samples: tuple[str, ...]
    unit: str
    decision: ScaleDecision


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components: ``scores`` samples × components, ``explained`` share of the variance of each."""

    scores: Floats
    explained: Floats
    n_features: int


def comparable(study: Study, platform: str | None = None) -> Comparable:
    """The matrix of a platform on a log2 scale, by the rule that ``scale`` states; ScaleError as there."""
    matrix = study.matrix(platform)
    counts = study.value_kind == "counts"
    raw = matrix.to_numpy()
    decision = decide_scale(raw, counts=counts)
    if counts:
        numbers = np.asarray(raw, dtype=np.float64)
        sizes = np.maximum(numbers.sum(axis=0), 1.0)
        values, unit = log_cpm(numbers, sizes), "log2 counts per million"
    elif decision.log_transform:
        values, unit = to_log2(raw), "log2 of the value"
    else:
        values, unit = np.asarray(raw, dtype=np.float64), "log2 value"
    return Comparable(values, matrix.index, tuple(str(name) for name in matrix.columns), unit, decision)


def principal_components(values: Floats, *, n_features: int = 1000, n_components: int = 4) -> Components:
    """Components of the ``n_features`` most variable features that have all their values, each centred.

    The sign of a component is such that its score largest in size is positive. DataError with fewer than two
    samples or no feature that varies.
    """
    complete = _complete(values)
    if complete.shape[1] < 2:
        raise DataError(f"components need two samples at least, not {complete.shape[1]}")
    variance = complete.var(axis=1)
    chosen = np.argsort(-variance, kind="stable")[:n_features]
    chosen = chosen[variance[chosen] > 0]
    if len(chosen) == 0:
        raise DataError("no feature has a value in every sample and varies; there are no components to show")
    centred = complete[chosen] - complete[chosen].mean(axis=1, keepdims=True)
    # Samples are few: the eigenvectors of their small inner-product matrix are the scores.
    squares, vectors = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(-squares, kind="stable")[: min(n_components, complete.shape[1] - 1)]
    squares, vectors = np.maximum(squares, 0), vectors[:, order]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(order))])
    scores = vectors * np.where(signs == 0, 1, signs) * np.sqrt(squares[order])
    return Components(scores, squares[order] / squares.sum(), len(chosen))


def sample_correlation(values: Floats) -> Floats:
    """Pearson correlation of the samples over the features that have all their values; NaN without such a
    feature.
    """
    complete = _complete(values)
    if len(complete) < 2:
        return np.full((values.shape[1], values.shape[1]), np.nan)
    centred = complete - complete.mean(axis=0)
    products = centred.T @ centred
    length = np.sqrt(np.diag(products))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.clip(products / np.outer(length, length), -1, 1))


def _complete(values: Floats) -> Floats:
    """The features that have all their values; no copy where all have."""
    whole = np.isfinite(values).all(axis=1)
    return values if whole.all() else values[whole]
