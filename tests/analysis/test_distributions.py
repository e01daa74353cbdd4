"""Tails far out, and inverses that undo them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from omics_nb.analysis import distributions as d


@given(t=st.floats(-30, 30), df=st.floats(0.5, 1e6))
def test_t_tails_agree_with_scipy(t: float, df: float) -> None:
    assert float(d.t_two_sided(t, df)) == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-9, abs=1e-300)
    log_p = float(d.log_t_two_sided(t, df))
    assert log_p == pytest.approx(float(np.log(d.t_two_sided(t, df))), rel=1e-9, abs=1e-9)


def test_infinite_degrees_of_freedom_are_normal() -> None:
    assert float(d.t_two_sided(3.0, np.inf)) == pytest.approx(2 * stats.norm.sf(3.0))
    assert float(d.t_from_two_sided(0.05, np.inf)) == pytest.approx(stats.norm.isf(0.025))
    assert float(d.f_upper(2.5, 3, np.inf)) == pytest.approx(stats.chi2.sf(7.5, 3))


@given(p=st.floats(1e-280, 0.999), df=st.one_of(st.floats(3, 1e4), st.just(float("inf"))))
def test_t_from_its_tail_and_back(p: float, df: float) -> None:
    assert float(d.t_two_sided(d.t_from_two_sided(p, df), df)) == pytest.approx(p, rel=1e-7)


@given(log_p=st.floats(-5000, -1), df=st.one_of(st.floats(20, 500), st.just(float("inf"))))
def test_t_from_the_logarithm_of_its_tail_where_the_tail_is_too_small(log_p: float, df: float) -> None:
    t = d.t_from_log_two_sided(np.array([log_p]), df)
    assert float(d.log_t_two_sided(t, df)[0]) == pytest.approx(log_p, rel=1e-6)


@given(f=st.floats(0.01, 1e4), df1=st.floats(1, 50), df2=st.one_of(st.floats(1, 1e4), st.just(float("inf"))))
def test_f_tails_and_quantiles(f: float, df1: float, df2: float) -> None:
    upper = float(d.f_upper(f, df1, df2))
    expected = stats.chi2.sf(f * df1, df1) if np.isinf(df2) else stats.f.sf(f, df1, df2)
    assert upper == pytest.approx(expected, rel=1e-7, abs=1e-290)
    if 1e-250 < upper < 1 - 1e-6:
        assert float(d.f_from_upper(upper, df1, df2)) == pytest.approx(f, rel=1e-6)
    if 1e-6 < upper < 1 - 1e-6:
        assert float(d.f_quantile(1 - upper, df1, df2)) == pytest.approx(f, rel=1e-6)


@given(st.floats(1e-8, 1e9))
def test_trigamma_inverse_undoes_trigamma(y: float) -> None:
    assert float(d.trigamma(d.trigamma_inverse(y))) == pytest.approx(y, rel=1e-6)


@given(st.floats(0.01, 1e9))
def test_log_minus_digamma_keeps_its_digits(a: float) -> None:
    value = float(d.log_minus_digamma(a))
    assert value > 0
    if a < 1e4:
        assert value == pytest.approx(np.log(a) - special.digamma(a), rel=1e-8)
    else:
        assert value == pytest.approx(1 / (2 * a), rel=1e-3)


@pytest.mark.parametrize("df", [1.0, 3.3, 40.7, 2000.0, 1e5])
def test_many_t_at_once_are_as_exact_as_one(df: float) -> None:
    t = np.concatenate([np.geomspace(1e-9, 2e4, 15_000), [0.0, np.nan, np.inf]])
    many = d.t_two_sided(t, df)
    one_by_one = np.concatenate([d.t_two_sided(part, df) for part in np.array_split(t, 10)])
    large = one_by_one > 1e-280
    np.testing.assert_allclose(many[large], one_by_one[large], rtol=1e-10)
    assert np.isnan(many[-2])
    assert many[-1] == 0
    assert many[-3] == 1


def test_an_infinite_f_among_many_has_no_tail() -> None:
    f = np.append(np.geomspace(1e-3, 1e3, 6_000), np.inf)
    many = d.f_log_upper(f, 2.0, 5.0)
    assert many[-1] == -np.inf
    np.testing.assert_allclose(many[:10], d.f_log_upper(f[:10], 2.0, 5.0), rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "df1", "df2", "expected"),
    # By mpmath with 60 digits. R's pf gives -Inf, -175.6880370598293 and -668.78.
    [
        (47, 45, 9271, -854.110827611572206),
        (120, 3, 20000, -175.68803705982932),
        (30, 60, 9000, -699.592758393400696),
    ],
)
def test_tails_far_out_with_many_degrees_of_freedom_are_exact(
    f: float, df1: float, df2: float, expected: float
) -> None:
    assert float(d.f_log_upper(f, df1, df2)) == pytest.approx(expected, rel=2e-14)
