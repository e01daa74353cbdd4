"""Linear models and moderated statistics: agreement with R's limma, and with least squares done one by
one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.analysis.least_squares import contrasts_fit, dependent_columns, lm_fit
from omics_nb.analysis.limma import benjamini_hochberg, e_bayes, f_test, top_table, treat
from omics_nb.analysis.scale import to_log2
from omics_nb.errors import AnalysisError, DesignError

from .conftest import assert_agrees, read_matrix, reference

GSE42872 = "geo/series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz"
GSE4107 = "geo/series/GSE4nnn/GSE4107/matrix/GSE4107_series_matrix.txt.gz"


@pytest.mark.parametrize("option", ["plain", "trend", "robust"])
def test_gse42872_agrees_with_r_on_every_probe(shared: Path, option: str) -> None:
    matrix, titles = read_matrix(shared / GSE42872)
    design = np.column_stack([np.ones(6), ["Vemurafenib" in title for title in titles]])
    moderated = e_bayes(lm_fit(matrix, design), trend=option == "trend", robust=option == "robust")
    name = "GSE42872_limma" + ("" if option == "plain" else f"_{option}")
    assert_agrees(top_table(moderated, 1, index=matrix.index), reference(shared, name))


def test_gse4107_agrees_with_r_after_log2(shared: Path) -> None:
    matrix, titles = read_matrix(shared / GSE4107)
    design = np.column_stack([np.ones(22), ["healthy" not in title for title in titles]])
    table = top_table(e_bayes(lm_fit(to_log2(matrix), design)), 1, index=matrix.index)
    assert_agrees(table, reference(shared, "GSE4107_limma"))


def one_by_one(y: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Weighted least squares of one gene over the observations that are there."""
    there = np.isfinite(y) & (w > 0)
    root = np.sqrt(w[there])
    xr, yr = x[there] * root[:, None], y[there] * root
    solution, _, rank, _ = np.linalg.lstsq(xr, yr, rcond=None)
    df = int(there.sum() - rank)
    sigma = float(np.sqrt(((yr - xr @ solution) ** 2).sum() / df))
    return solution, np.sqrt(np.diag(np.linalg.inv(xr.T @ xr))), sigma, df


@given(
    seed=st.integers(0, 10_000), weights=st.sampled_from(["none", "samples", "values"]), missing=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_every_gene_is_fitted_as_if_alone(seed: int, weights: str, missing: bool) -> None:
    rng = np.random.default_rng(seed)
    n_samples, n_coef = int(rng.integers(6, 14)), int(rng.integers(1, 4))
    x = np.column_stack([np.ones(n_samples), rng.normal(size=(n_samples, n_coef - 1))])
    y = rng.normal(8, 2, size=(25, n_samples))
    if missing:
        # At most two a gene, so that each keeps enough for its coefficients.
        y[rng.integers(0, 25, 20), rng.integers(0, n_samples, 20)] = np.nan
        y = y[np.isnan(y).sum(axis=1) <= 2]
    w = {"none": None, "samples": rng.uniform(0.2, 3, n_samples), "values": rng.uniform(0.2, 3, y.shape)}[
        weights
    ]
    fit = lm_fit(y, x, weights=w)
    full = np.ones(y.shape) if w is None else np.broadcast_to(w, y.shape)
    for gene in range(len(y)):
        solution, stdev, sigma, df = one_by_one(y[gene], x, full[gene])
        np.testing.assert_allclose(fit.coefficients[gene], solution, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(fit.stdev_unscaled[gene], stdev, rtol=1e-8)
        assert fit.sigma[gene] == pytest.approx(sigma, rel=1e-7)
        assert fit.df_residual[gene] == df


def test_missing_values_leave_undetermined_coefficients_nan() -> None:
    y = np.random.default_rng(0).normal(size=(20, 6))
    y[0] = np.nan
    y[1, 3:] = np.nan
    y[2, :3] = np.nan
    design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    fit = lm_fit(y, design)
    assert np.isnan(fit.coefficients[0]).all()
    assert fit.coefficients[1, 0] == pytest.approx(y[1, :3].mean())
    assert np.isnan(fit.coefficients[1, 1])
    assert fit.df_residual[1] == 2
    # As in R, the later of two coefficients that cannot be told apart is the one that is lost.
    assert fit.coefficients[2, 0] == pytest.approx(y[2, 3:].mean())
    assert np.isnan(fit.coefficients[2, 1])
    table = top_table(e_bayes(fit), 1)
    assert np.isnan(table["P.Value"].to_numpy()[:3]).all()
    assert table["P.Value"].notna().sum() == 17


def test_a_weight_of_zero_is_a_missing_value() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(5, 7))
    design = np.column_stack([np.ones(7), rng.normal(size=7)])
    weights = np.ones((5, 7))
    weights[:, 2] = 0
    by_weight = lm_fit(y, design, weights=weights)
    without = lm_fit(np.delete(y, 2, axis=1), np.delete(design, 2, axis=0))
    np.testing.assert_allclose(by_weight.coefficients, without.coefficients)
    np.testing.assert_allclose(by_weight.sigma, without.sigma)


def test_weights_of_zero_that_leave_too_few_samples_leave_coefficients_undetermined() -> None:
    design = np.column_stack([np.ones(4), [0, 0, 1, 1]])
    fit = lm_fit(np.arange(8.0).reshape(2, 4), design, weights=[1, 1, 0, 0])
    assert np.isnan(fit.coefficients[:, 1]).all()
    np.testing.assert_allclose(fit.coefficients[:, 0], [0.5, 4.5])


def test_contrasts_of_group_means_equal_the_other_parametrisation() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=(50, 9))
    groups = np.repeat([0, 1, 2], 3)
    means = np.eye(3)[groups]
    differences = np.column_stack([np.ones(9), groups == 1, groups == 2]).astype(float)
    contrasted = e_bayes(contrasts_fit(lm_fit(y, means), [[-1, 0], [1, -1], [0, 1]]))
    direct = e_bayes(lm_fit(y, differences))
    np.testing.assert_allclose(contrasted.t[:, 0], direct.t[:, 1])
    np.testing.assert_allclose(contrasted.p_value[:, 0], direct.p_value[:, 1])


def test_f_of_one_contrast_is_t_squared() -> None:
    y = np.random.default_rng(3).normal(size=(40, 8))
    moderated = e_bayes(contrasts_fit(lm_fit(y, np.eye(2)[np.repeat([0, 1], 4)]), [-1, 1]))
    f, df1, p = f_test(moderated)
    assert df1 == 1
    np.testing.assert_allclose(f, moderated.t[:, 0] ** 2)
    np.testing.assert_allclose(p, moderated.p_value[:, 0])


def test_treat_at_zero_is_the_usual_test_and_grows_with_the_threshold() -> None:
    y = np.random.default_rng(4).normal(size=(40, 8))
    y[:5, 4:] += 3
    fit = contrasts_fit(lm_fit(y, np.eye(2)[np.repeat([0, 1], 4)]), [-1, 1])
    at_zero, at_one = treat(fit, 0.0), treat(fit, 1.0)
    np.testing.assert_allclose(at_zero.p_value, e_bayes(fit).p_value)
    assert (at_one.p_value >= at_zero.p_value).all()
    with pytest.raises(AnalysisError, match="-1"):
        treat(fit, -1.0)


def test_confidence_limits_contain_the_estimate_and_exclude_zero_when_significant() -> None:
    y = np.random.default_rng(5).normal(size=(60, 8))
    y[:10, 4:] += 4
    moderated = e_bayes(lm_fit(y, np.column_stack([np.ones(8), np.repeat([0, 1], 4)])))
    table = top_table(moderated, 1, confidence=0.95)
    assert list(table)[:3] == ["logFC", "CI.L", "CI.R"]
    assert ((table["CI.L"] < table["logFC"]) & (table["logFC"] < table["CI.R"])).all()
    excludes = (table["CI.L"] > 0) | (table["CI.R"] < 0)
    assert (excludes == (table["P.Value"] < 0.05)).all()


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=60))
def test_adjusted_p_values_keep_the_order_and_are_never_smaller(p: list[float]) -> None:
    values = np.array(p)
    adjusted = benjamini_hochberg(values)
    there = ~np.isnan(values)
    assert (np.isnan(adjusted) == ~there).all()
    assert (adjusted[there] >= values[there]).all()
    assert (adjusted[there] <= 1).all()
    order = np.argsort(values[there], kind="stable")
    assert (np.diff(adjusted[there][order]) >= 0).all()
    for value, result in zip(values[there], adjusted[there], strict=True):
        smallest = min(
            there.sum() * other / (values[there] <= other).sum() for other in values[there] if other >= value
        )
        assert result == pytest.approx(min(1.0, smallest))


def test_false_discoveries_are_held_where_nothing_changes() -> None:
    rng = np.random.default_rng(6)
    design = np.column_stack([np.ones(6), np.repeat([0, 1], 3)])
    p = np.concatenate(
        [
            e_bayes(
                lm_fit(rng.normal(size=(500, 6)) * np.sqrt(4 / rng.chisquare(4, (500, 1))), design)
            ).p_value[:, 1]
            for _ in range(20)
        ]
    )
    assert abs((p < 0.05).mean() - 0.05) < 0.01


def test_a_design_that_is_not_of_full_rank_is_refused() -> None:
    y = np.zeros((3, 4))
    with pytest.raises(DesignError, match="full rank"):
        lm_fit(y, np.ones((4, 2)))
    with pytest.raises(DesignError, match="3 rows for 4 samples"):
        lm_fit(y, np.ones((3, 1)))


def test_no_residual_degrees_of_freedom_are_refused() -> None:
    fit = lm_fit(np.random.default_rng(0).normal(size=(3, 2)), np.eye(2))
    with pytest.raises(AnalysisError, match="residual degrees of freedom"):
        e_bayes(fit)


def test_dependent_columns_name_what_they_follow_from() -> None:
    design = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=float)
    assert dependent_columns(design) == {2: (0, 1), 3: ()}


def test_values_are_not_changed_by_the_fit() -> None:
    y = np.random.default_rng(8).normal(size=(10, 6))
    y[0, 0] = np.nan
    before = y.copy()
    lm_fit(pd.DataFrame(y), np.column_stack([np.ones(6), np.repeat([0, 1], 3)]))
    np.testing.assert_array_equal(y, before)
