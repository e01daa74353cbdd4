"""Simulated values follow the model that they name, and are the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from omics_nb.sources.synthetic import expect_two_groups, simulate_counts, simulate_expression
from omics_nb.sources.synthetic.simulate import seed_of


def test_effects_are_the_difference_of_what_is_expected() -> None:
    plan = expect_two_groups(1000, 4, 6, seed=1, share_changed=0.1)
    assert plan.expected.shape == (1000, 10)
    assert (plan.effects != 0).sum() == 100
    np.testing.assert_allclose(
        plan.expected[:, :4].mean(axis=1) - plan.expected[:, 4:].mean(axis=1), plan.effects, atol=1e-12
    )


def test_a_seed_gives_the_same_values_and_another_seed_others() -> None:
    plan = expect_two_groups(50, 3, 3, seed=1)
    first = simulate_expression(plan.expected, seed=2)
    assert np.array_equal(first, simulate_expression(plan.expected, seed=2))
    assert not np.array_equal(first, simulate_expression(plan.expected, seed=3))
    # A frozen stream: these digits are of no meaning, but must never change.
    assert first[0].round(6).tolist() == [6.157846, 7.060561, 6.846039, 7.68266, 8.134431, 6.991856]
    assert seed_of("GSE9000001", "GPL900001", "values") == 3006059618


def test_expression_variances_are_scaled_inverse_chi_square() -> None:
    values = simulate_expression(np.zeros((20_000, 8)), seed=5, sd=0.5, prior_df=10.0)
    # The mean of an inverse chi-square with d degrees of freedom is 1 / (d - 2).
    assert values.var(axis=1, ddof=1).mean() == pytest.approx(0.25 * 10 / 8, rel=0.02)


def test_counts_have_the_mean_and_the_dispersion_asked_for() -> None:
    counts = simulate_counts(np.full((3000, 40), 10.0), seed=7, dispersion=0.1)
    assert counts.dtype == np.int64
    assert (counts >= 0).all()
    assert counts.mean() == pytest.approx(1024, rel=0.02)
    dispersions = (counts.var(axis=1, ddof=1) - 1024) / 1024**2
    assert np.median(dispersions) == pytest.approx(0.1 + 2 / 1024, rel=0.06)


def test_counts_follow_the_library_factors() -> None:
    counts = simulate_counts(np.full((2000, 2), 8.0), seed=7, library_factors=[0.5, 2.0])
    assert counts[:, 1].sum() / counts[:, 0].sum() == pytest.approx(4.0, rel=0.03)
