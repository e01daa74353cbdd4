"""Meta-analysis: the models against metafor in R, and what becomes of several studies.

``meta/make_reference.R`` made the table beside it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb import display
from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.meta import meta_analysis, standard_errors
from omics_nb.analysis.random_effects import common_effect_p, pool
from omics_nb.errors import AnalysisError, NotFoundError
from omics_nb.records import DEResult

from .conftest import build_study

FIELDS = "effect se low high statistic p_value tau2 i2 q q_p predicted_low predicted_high".split()
DRUG = ("treatment", "drug", "vehicle")


@pytest.mark.parametrize(
    ("name", "between", "test"),
    [("reml", "reml", "knapp-hartung"), ("adhoc", "reml", "adhoc"), ("dl", "dl", "normal")],
)
def test_every_gene_agrees_with_metafor(name: str, between: Any, test: Any) -> None:
    table = pd.read_csv(Path(__file__).parent / "meta" / "metafor.csv.gz", index_col=0)
    effects, variances = table.filter(regex="^y").to_numpy(), table.filter(regex="^v").to_numpy()
    pooled = pool(effects, variances, between=between, test=test)
    for field in FIELDS:
        np.testing.assert_allclose(
            getattr(pooled, field), table[f"{name}.{field}"], rtol=1e-7, atol=1e-7, err_msg=field
        )
    assert list(pooled.k[:3]) == [5, 2, 2]
    np.testing.assert_allclose(np.nansum(pooled.weights, axis=1), 100)


@given(st.floats(-5, 5), st.floats(0.01, 3), st.integers(2, 6))
def test_studies_that_agree_exactly_leave_no_heterogeneity(effect: float, error: float, k: int) -> None:
    pooled = pool(np.full((1, k), effect), np.full((1, k), error**2), test="normal")
    assert pooled.effect[0] == pytest.approx(effect, abs=1e-12)
    assert pooled.se[0] == pytest.approx(error / np.sqrt(k))
    assert (pooled.tau2[0], pooled.i2[0]) == (0, 0)
    common = common_effect_p(np.full((1, k), effect), np.full((1, k), error**2))
    assert pooled.p_value[0] == pytest.approx(common[0])


def result_of(seed: int, accession: str, *, sign: float = 1.0, n: int = 6, **fields: Any) -> DEResult:
    """300 genes, the first 30 higher by about 1 (times ``sign``); the order of features differs between studies."""
    rng = np.random.default_rng(seed)
    values = 8 + rng.normal(0, 2, (300, 1)) + rng.normal(0, 0.5, (300, 2 * n))
    values[:30, n:] += sign * (1 + rng.normal(0, 0.2, (30, 1)))
    order = rng.permutation(300)
    study = build_study(
        values[order],
        {"treatment": ["vehicle"] * n + ["drug"] * n},
        symbols=[f"GENE{i + 1}" for i in order],
        accession=accession,
        **fields,
    )
    return differential_expression(study, contrast=DRUG)


@pytest.fixture(scope="module")
def three() -> list[DEResult]:
    return [result_of(seed, f"GSE{seed}") for seed in (1, 2, 3)]


def test_planted_genes_are_found_over_the_studies(three: list[DEResult]) -> None:
    meta = meta_analysis(three, test="normal")
    planted = {f"GENE{i + 1}" for i in range(30)}
    found = set(meta.significant(0.05).index)
    assert len(found & planted) >= 26
    assert len(found - planted) <= 6
    assert (meta.table.loc[sorted(planted), "same"] == 3).mean() > 0.9
    assert meta.table.loc[sorted(planted), "effect"].mean() == pytest.approx(1, abs=0.15)
    assert (meta.concordance["same direction"] > 0.9).all()
    assert len(meta.concordance) == 3


def test_a_study_the_other_way_round_shows_in_the_concordance(three: list[DEResult]) -> None:
    meta = meta_analysis([*three[:2], result_of(3, "GSE3", sign=-1)])
    pairs = meta.concordance.set_index(["study", "other"])["same direction"]
    assert pairs["GSE1", "GSE2"] > 0.9
    assert pairs["GSE1", "GSE3"] < 0.4
    assert meta.table.loc["GENE1", "same"] == 2
    assert meta.table.loc["GENE1", "I2"] > 80


def test_a_forest_has_a_row_for_each_study_and_the_mean(three: list[DEResult]) -> None:
    meta = meta_analysis(three)
    rows = meta.forest("gene1")
    assert list(rows["study"]) == ["GSE1", "GSE2", "GSE3", "mean", "prediction"]
    assert rows["weight"][:3].sum() == pytest.approx(100)
    own = three[0].table.set_index("symbol").loc["GENE1"]
    assert rows.loc[0, "effect"] == own["logFC"]
    assert rows.loc[0, "SE"] == pytest.approx(own["logFC"] / own["t"])
    assert rows.loc[3, "CI.L"] < rows.loc[3, "effect"] < rows.loc[3, "CI.R"]
    with pytest.raises(NotFoundError, match="no gene 'GENE999'"):
        meta.forest("GENE999")


def test_hedges_g_is_in_standard_deviations(three: list[DEResult]) -> None:
    shrunk = [replace(three[0], table=three[0].table.assign(logFC=three[0].table["logFC"] / 10)), *three[1:]]
    shrunk[0].table["t"] = three[0].table["t"]
    plain, scaled = (meta_analysis(results, measure="g").table.loc["GENE1"] for results in (three, shrunk))
    assert scaled["effect"] == pytest.approx(plain["effect"])
    assert plain["effect"] == pytest.approx(2, abs=0.7)


def test_standard_errors_come_from_what_each_method_gives() -> None:
    rng = np.random.default_rng(5)
    counts = rng.negative_binomial(10, 10 / (10 + np.full((200, 8), 90.0)))
    study = build_study(
        counts, {"treatment": ["vehicle"] * 4 + ["drug"] * 4}, symbols=[f"G{i}" for i in range(200)],
        value_kind="counts",
    )  # fmt: skip
    errors = {
        method: standard_errors(differential_expression(study, contrast=DRUG, method=method))
        for method in ("voom", "edger", "deseq2")
    }
    middle = {name: float(values.median()) for name, values in errors.items()}
    assert middle["voom"] == pytest.approx(middle["deseq2"], rel=0.2)
    assert middle["edger"] == pytest.approx(middle["deseq2"], rel=0.2)


def test_of_several_features_the_one_with_the_highest_average_stands_for_the_gene() -> None:
    result = result_of(1, "GSE1")
    table = result.table.copy()
    low, high = table["AveExpr"].idxmin(), table["AveExpr"].idxmax()
    table.loc[[low, high], "symbol"] = "TWICE"
    table.loc[table["symbol"] == "GENE5", "symbol"] = "GENE5///GENE6"
    meta = meta_analysis([replace(result, table=table), replace(result, table=table, accession="GSE2")])
    assert meta.effects.loc["TWICE", "GSE1"] == table.loc[high, "logFC"]
    assert not meta.table.index.str.contains("/").any()


def test_it_shows_itself(three: list[DEResult]) -> None:
    other = replace(three[2], contrast=three[2].contrast._replace(tested="<b>compound</b>"))
    meta = meta_analysis([*three[:2], other])
    html, text = meta._repr_html_(), str(meta)
    assert "Do the studies agree?" in html
    assert "&lt;b&gt;compound" in html
    assert "little power" in text
    assert "the other way round cancels" in text
    assert "GENE" in display.forest_text(meta.forest("GENE1"), "GENE1")
    assert repr(meta) == "MetaAnalysis(3 studies, 300 genes, logFC)"


def refused(results: list[DEResult], **options: Any) -> None:
    meta_analysis(results, **options)


def test_what_cannot_be_pooled_is_refused(three: list[DEResult]) -> None:
    cases: list[tuple[list[DEResult], dict[str, Any], str]] = [
        (three[:1], {}, "two results at least, not 1"),
        ([three[0], three[0]], {}, "there twice"),
        (three, {"min_studies": 1}, "2 or more, not 1"),
        ([three[0], replace(three[1], each=(three[1],))], {}, "one of its .each"),
        ([three[0], replace(three[1], options={"lfc": 1.0})], {}, "without lfc"),
        ([three[0], replace(three[1], table=three[1].table.assign(symbol=""))], {}, "no gene symbols"),
        ([three[0], replace(three[1], table=three[1].table.assign(symbol="other"))], {}, "one organism"),
    ]
    for results, options, said in cases:
        with pytest.raises(AnalysisError, match=said):
            refused(results, **options)
