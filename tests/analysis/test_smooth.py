"""Locally weighted regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.analysis.smooth import local_quadratic, lowess
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


def test_a_local_quadratic_follows_a_quadratic_within_and_beyond_its_points() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    curve = local_quadratic(x, 1 - 2 * x + 3 * x**2, rng.uniform(1, 2, 200))
    at = np.linspace(-9, 9, 50)
    np.testing.assert_allclose(curve(at), 1 - 2 * at + 3 * at**2, rtol=1e-8)


def test_a_local_quadratic_bends_where_the_points_do_and_trusts_weights() -> None:
    x = np.linspace(0, 6, 400)
    assert np.abs(local_quadratic(x, np.sin(x), np.ones(400), span=0.3)(x) - np.sin(x)).max() < 0.02
    y = np.where(np.arange(400) % 2, 0.0, 5.0)
    weights = np.where(np.arange(400) % 2, 1.0, 1e-9)
    assert np.abs(local_quadratic(x, y, weights)(x)).max() < 1e-6


def test_a_local_quadratic_of_too_few_points_is_refused() -> None:
    with pytest.raises(AnalysisError, match="needs 6 points at different x at least, not 3"):
        local_quadratic([1, 2, 3], [1, 2, 3], [1, 1, 1])
