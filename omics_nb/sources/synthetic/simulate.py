"""Values with known truth: expression on the log2 scale, and counts.

Expression follows the model that limma fits (Smyth 2004, doi:10.2202/1544-6115.1027): normal around what is
expected, with a variance a feature drawn from a scaled inverse chi-square. Counts are negative binomial,
their dispersion falling with the mean as in Love 2014 (doi:10.1186/s13059-014-0550-8).

Random numbers come from ``RandomState``, whose streams numpy has frozen (NEP 19): a seed gives the same
values everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class TwoGroups(NamedTuple):
    """What is expected of a comparison: ``expected`` features × samples, the tested samples first, on the
    log2 scale; ``effects`` the true log2 fold change of each feature, zero for most.
    """

    expected: Floats
    effects: Floats


def expect_two_groups(
    n_features: int,
    n_tested: int,
    n_reference: int,
    *,
    seed: int,
    share_changed: float = 0.05,
    effect_sd: float = 1.5,
    baseline: tuple[float, float] = (4.0, 13.0),
) -> TwoGroups:
    """Baselines even over the range ``baseline``; the first ``share_changed`` of features change."""
    random = np.random.RandomState(seed)
    base = random.uniform(*baseline, size=n_features)
    effects = np.zeros(n_features)
    n_changed = round(share_changed * n_features)
    effects[:n_changed] = random.normal(0.0, effect_sd, size=n_changed)
    tested = np.r_[np.ones(n_tested), np.zeros(n_reference)]
    return TwoGroups(base[:, None] + effects[:, None] * tested, effects)


def simulate_expression(expected: Floats, *, seed: int, sd: float = 0.25, prior_df: float = 4.0) -> Floats:
    """Log2 expression around ``expected`` (features × samples).

    The variance of each feature is ``sd**2 * prior_df / chi2(prior_df)``: limma's s0² is ``sd**2``, its d0
    ``prior_df``.
    """
    random = np.random.RandomState(seed)
    deviations = sd * np.sqrt(prior_df / random.chisquare(prior_df, size=len(expected)))
    result: Floats = expected + deviations[:, None] * random.standard_normal(expected.shape)
    return result


def simulate_counts(
    expected: Floats,
    *,
    seed: int,
    dispersion: float = 0.05,
    library_factors: Sequence[float] | None = None,
) -> NDArray[np.int64]:
    """Counts whose mean is ``2**expected`` (features × samples) times each sample's library factor.

    The dispersion of a feature is ``dispersion + 2 / mean``, spread log-normally with sd 0.4 among features.
    """
    random = np.random.RandomState(seed)
    mean = np.exp2(expected) * (1.0 if library_factors is None else np.asarray(library_factors, dtype=float))
    typical = dispersion + 2.0 / np.maximum(mean.mean(axis=1), 1e-3)
    dispersions = typical * np.exp(0.4 * random.standard_normal(len(mean)))
    shape = 1.0 / dispersions[:, None]
    counts: NDArray[np.int64] = random.poisson(random.gamma(shape, mean / shape)).astype(np.int64)
    return counts


def degrade(values: Floats, *, seed: int) -> Floats:
    """A spoiled array or library: the profile (log2, one sample) pulled to its mean, with much noise."""
    random = np.random.RandomState(seed)
    spoiled: Floats = (
        values.mean() + 0.55 * (values - values.mean()) + 1.1 * random.standard_normal(len(values))
    )
    return spoiled


def seed_of(*words: str) -> int:
    """A seed that belongs to these words, the same everywhere."""
    return crc32("/".join(words).encode())
