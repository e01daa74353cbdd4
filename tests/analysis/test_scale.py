"""GEO2R's rule, and what looks like counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.analysis.scale import decide_scale, to_log2
from omics_nb.errors import ScaleError


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.linspace(2, 15, 500), "log2"),
        (np.linspace(-4, 4, 500), "log2"),
        (np.geomspace(1, 60_000, 500), "raw"),
        # Values below 0 too, but a 99th percentile that no logarithm reaches.
        (np.linspace(-100, 300, 500), "raw"),
        # 99 % of the values low, but a wide range above 0.
        (np.append(np.linspace(1, 12, 999), 70), "raw"),
        # The same range, but a quarter of the values at or below 0: ratios, not intensities.
        (np.append(np.linspace(-12, 12, 999), 70), "log2"),
    ],
)
def test_scale_follows_the_quantile_rule(values: np.ndarray, scale: str) -> None:
    decision = decide_scale(values.reshape(-1, 1))
    assert decision.scale == scale
    assert decision.log_transform == (scale == "raw")
    assert ("are log2-transformed" in decision.sentence) == decision.log_transform


def test_the_sentence_names_the_value_that_decided() -> None:
    decision = decide_scale(np.geomspace(1, 60_000, 500).reshape(-1, 5))
    assert f"{decision.quantiles[4]:,.6g}" in decision.sentence


def test_declared_counts_must_be_counts() -> None:
    assert decide_scale([[0, 5], [7, 1000]], counts=True).scale == "counts"
    with pytest.raises(ScaleError, match="FPKM"):
        decide_scale(np.array([[0.5, 5], [7, 1000]]), counts=True)
    with pytest.raises(ScaleError, match="-3"):
        decide_scale([[-3, 5], [7, 1000]], counts=True)


def test_whole_numbers_on_a_raw_scale_look_like_counts() -> None:
    whole = np.arange(1000).reshape(-1, 4)
    assert decide_scale(whole).counts_like
    assert decide_scale(whole.astype(float)).counts_like
    assert not decide_scale(whole + 0.5).counts_like
    assert not decide_scale(whole % 10).counts_like


@pytest.mark.parametrize("values", [np.full((3, 2), np.nan), np.empty((0, 3)), np.array([["a"]])])
def test_nothing_to_judge_is_an_error(values: np.ndarray) -> None:
    with pytest.raises(ScaleError, match="no values"):
        decide_scale(values)


def test_infinite_values_are_an_error() -> None:
    with pytest.raises(ScaleError, match="1 values are infinite"):
        decide_scale(np.array([[1.0, np.inf]]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_log2_undoes_itself_and_loses_only_what_has_no_logarithm(values: list[float]) -> None:
    given_values = np.array(values)
    logged = to_log2(given_values)
    assert (np.isnan(logged) == (given_values <= 0)).all()
    positive = given_values > 0
    np.testing.assert_allclose(2 ** logged[positive], given_values[positive], rtol=1e-9)
