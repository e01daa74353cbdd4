"""Robust locally weighted regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.analysis.smooth import lowess
from omics_nb.errors import AnalysisError


def plain_lowess(x: np.ndarray, y: np.ndarray, span: float) -> np.ndarray:
    """A local line at every point, without robustness: Cleveland (1979), equation by equation."""
    n = len(x)
    width = max(2, int(span * n + 1e-7))
    result = np.empty(n)
    for i in range(n):
        distance = np.abs(x - x[i])
        reach = np.sort(distance)[width - 1]
        weights = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
        weights[distance > 0.999 * reach] = 0
        weights[distance <= 0.001 * reach] = 1
        root = np.sqrt(weights)
        design = np.column_stack([np.ones(n), x - x[i]])
        result[i] = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0][0]
    return result


@given(seed=st.integers(0, 1000), span=st.floats(0.3, 0.9))
@settings(max_examples=30, deadline=None)
def test_without_robustness_it_is_a_local_line_at_every_point(seed: int, span: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, 40))
    y = np.sin(x) + rng.normal(0, 0.2, 40)
    np.testing.assert_allclose(
        lowess(x, y, span=span, iterations=0, delta=0.0), plain_lowess(x, y, span), rtol=1e-6, atol=1e-8
    )


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_straight_line_is_kept_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, 60)
    np.testing.assert_allclose(lowess(x, 3 - 2 * x), 3 - 2 * x, atol=1e-9)


def test_a_wild_point_does_not_bend_the_line() -> None:
    x = np.linspace(0, 1, 50)
    y = x.copy()
    y[25] = 100
    assert abs(lowess(x, y, iterations=3)[25] - x[25]) < 0.02
    assert abs(lowess(x, y, iterations=0)[25] - x[25]) > 0.5


def test_equal_x_share_their_value() -> None:
    smooth = lowess([1, 1, 2, 2, 3, 3], [0, 2, 1, 3, 2, 4], span=0.9)
    assert smooth[0] == smooth[1]
    assert smooth[4] == smooth[5]


def test_what_cannot_be_smoothed_is_refused() -> None:
    with pytest.raises(AnalysisError, match="one length"):
        lowess([1, 2], [1])
    with pytest.raises(AnalysisError, match="finite"):
        lowess([1, np.nan], [1, 2])
