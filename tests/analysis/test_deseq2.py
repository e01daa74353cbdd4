"""DESeq2's Wald test against R, on real counts and on designs with outliers, pairs, covariates and few samples.

``deseq2/make_reference.R`` made the small tables beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omics_nb import display, figures
from omics_nb.analysis import deseq2
from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.dispersion import fit_prior
from omics_nb.analysis.negative_binomial import dispersion_likelihood, fit_glm, plain_likelihood
from omics_nb.errors import AnalysisError, DesignError, ScaleError
from omics_nb.records import DEResult, Study
from omics_nb.reporting import build_report

from .conftest import MakeStudy, reference

HERE = Path(__file__).parent / "deseq2"
COLUMNS = ["baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue", "padj"]
NO_COUNTS = "no counts in any sample"


def groups(*sizes: int) -> list[str]:
    return [name for name, size in zip("ABC", sizes, strict=False) for _ in range(size)]


SHEETS: dict[str, dict[str, list[str]]] = {
    "three": {"group": groups(3, 3)},
    "six": {"group": groups(6, 6)},
    "twelve": {"group": groups(12, 12)},
    "unequal": {"group": groups(9, 4)},
    "paired": {"pair": list("12345" * 2), "group": groups(5, 5)},
    "covariate": {"age": ["-1.4", "-0.1", "0.7", "-0.7", "1.6", "0.2"] * 2, "group": groups(6, 6)},
    "levels": {"group": groups(4, 4, 4)},
    "zeros": {"group": groups(4, 4)},
    "rising": {"group": groups(4, 4)},
}
FORMULAS = {"paired": "~ pair + group", "covariate": "~ age + group"}


def of_r(name: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts and R's results, with a further column maxCooks."""
    table = pd.read_csv(HERE / f"{name}.csv.gz", index_col=0)
    results = [*COLUMNS, "maxCooks"]
    return table.drop(columns=results).to_numpy(), table[results]


def analysed(make_study: MakeStudy, name: str) -> tuple[DEResult, pd.DataFrame]:
    counts, expected = of_r(name)
    study = make_study(counts, SHEETS[name], value_kind="counts", types=("Sequencing",))
    contrast = ("group", "C", "B") if name == "levels" else ("group", "B", "A")
    result = differential_expression(
        study,
        contrast=contrast,
        design=FORMULAS.get(name),
        method="deseq2",
        size_factors="poscounts" if name == "zeros" else "ratio",
    )
    return result, expected


def unlike(table: pd.DataFrame, expected: pd.DataFrame, tolerance: float = 1e-4) -> pd.Series:
    """Genes of which a number differs from R's by more than ``tolerance`` of it; missing ones must be the same."""
    far = pd.Series(False, index=table.index)
    for name in COLUMNS:
        ours, theirs = table[name].to_numpy(), expected[name].to_numpy()
        assert (np.isnan(ours) == np.isnan(theirs)).all(), name
        # Another reference level gives a change near 0 some other last digits.
        near_0 = 1e-5 if name in {"log2FoldChange", "stat"} else 0
        far |= ~np.isclose(ours, theirs, rtol=tolerance, atol=near_0, equal_nan=True)
    return far


# Genes whose reweighted steps diverge: an outlier alone in its group, or beside zeros. R's optimiser stops at some
# 1e-3 of what ours finds.
DIVERGING = {"three": {"F6"}, "six": {"F6"}, "levels": {"F6"}}


@pytest.mark.parametrize("name", list(SHEETS))
def test_each_design_agrees_with_r_gene_by_gene(make_study: MakeStudy, name: str) -> None:
    result, expected = analysed(make_study, name)
    far = unlike(result.table, expected)
    assert set(far.index[far]) <= DIVERGING.get(name, set())


def test_an_interaction_agrees_with_r() -> None:
    counts, expected = of_r("interaction")
    sex, group = np.tile([0.0, 1.0], 8), np.repeat([0.0, 1.0], 8)
    design = np.column_stack([np.ones(16), sex, group, sex * group])
    fitted = deseq2.fit(counts, design, deseq2.size_factors(counts))
    tested = deseq2.wald_test(fitted, [0, 0, 0, 1])
    assert not unlike(tested.table, expected.set_axis(tested.table.index)).any()


@pytest.mark.parametrize(("name", "design"), [("strain", "~ strain"), ("batch_strain", "~ batch + strain")])
def test_bottomly_agrees_with_r(shared: Path, make_study: MakeStudy, name: str, design: str) -> None:
    counts = pd.read_csv(shared / "counts/bottomly_count_table.tsv", sep="\t", index_col=0)
    sheet = pd.read_csv(shared / "counts/bottomly_phenodata.tsv", sep=r"\s+", index_col=0).loc[counts.columns]
    columns = {"strain": list(sheet["strain"]), "batch": [f"b{n}" for n in sheet["experiment.number"]]}
    study = make_study(counts.to_numpy(), columns, value_kind="counts")
    result = differential_expression(
        study, contrast=("strain", "DBA/2J", "C57BL/6J"), design=design, method="deseq2"
    )
    expected = reference(shared, f"bottomly_{name}_deseq2")[COLUMNS].apply(pd.to_numeric, errors="coerce")
    far = unlike(result.table.set_axis(expected.index), expected)
    # One gene of ten counts in all, whose steps diverge.
    assert far.sum() <= 1
    close = unlike(result.table.set_axis(expected.index), expected, tolerance=1e-6)
    assert close.sum() <= 20


def test_a_gene_without_a_result_says_why(make_study: MakeStudy) -> None:
    reasons = analysed(make_study, "six")[0].table["reason"]
    assert reasons["F5"].startswith("a count far from its group (Cook's distance ")
    assert reasons["F7"] == NO_COUNTS
    table = analysed(make_study, "twelve")[0].table
    assert table.loc["F6", "reason"] == "no counts once its outlier is replaced"
    assert table.loc["F6", ["log2FoldChange", "pvalue"]].tolist() == [0, 1]
    for name in SHEETS:
        table = analysed(make_study, name)[0].table
        assert (table["padj"].isna() == (table.get("reason", "") != "")).all()


def test_outliers_among_many_replicates_are_replaced_and_said(make_study: MakeStudy) -> None:
    result, _ = analysed(make_study, "twelve")
    assert np.isfinite(result.table.loc["F5", "padj"])
    assert any("was replaced by the trimmed mean" in note for note in result.notes)
    few, _ = analysed(make_study, "six")
    assert not any("replaced" in note for note in few.notes)
    assert any("no P-value" in note for note in few.notes)


@pytest.mark.parametrize("name", ["three", "six", "unequal"])
def test_cooks_distances_agree_with_r(name: str) -> None:
    counts, expected = of_r(name)
    group = [float(level == "B") for level in SHEETS[name]["group"]]
    fitted = deseq2.fit(counts, np.column_stack([np.ones_like(group), group]), deseq2.size_factors(counts))
    steady = np.arange(len(counts)) != 5  # F6, whose steps diverge
    np.testing.assert_allclose(
        fitted.worst[steady], expected["maxCooks"].to_numpy()[steady], rtol=1e-4, atol=1e-8
    )


def test_a_count_that_three_others_exceed_does_not_cost_two_groups_a_gene(make_study: MakeStudy) -> None:
    table = analysed(make_study, "six")[0].table
    counts, _ = of_r("six")
    fitted = deseq2.fit(
        counts, np.column_stack([np.ones(12), np.repeat([0, 1], 6)]), deseq2.size_factors(counts)
    )
    assert fitted.worst[8] > 7.56
    assert np.isfinite(table.loc["F9", "pvalue"])


def test_a_comparison_of_silent_groups_has_no_change(make_study: MakeStudy) -> None:
    table = analysed(make_study, "levels")[0].table
    silent = table.loc[["F20", "F21", "F22"]]
    assert (silent["log2FoldChange"] == 0).all()
    assert (silent["pvalue"] == 1).all()
    assert (silent["lfcSE"] > 0).all()


def test_zeros_in_every_gene_are_refused_with_the_way_out(make_study: MakeStudy) -> None:
    counts, _ = of_r("zeros")
    study = make_study(counts, SHEETS["zeros"], value_kind="counts")
    with pytest.raises(AnalysisError, match="size_factors='poscounts'"):
        differential_expression(study, contrast=("group", "B", "A"), method="deseq2")


def test_the_result_names_its_columns_as_deseq2_does(count_study: Study) -> None:
    result = differential_expression(
        count_study, contrast=("genotype", "mutant", "wild type"), method="deseq2"
    )
    assert list(result.table) == ["symbol", *COLUMNS, "reason"]
    assert result.columns == ("log2FoldChange", "baseMean", "pvalue", "padj")
    assert result.n_tested == result.table["pvalue"].notna().sum()
    found = result.significant(0.05, 1.0)
    assert len(set(found.index) & {f"F{i + 1}" for i in range(30)}) >= 28
    assert (found["padj"] <= 0.05).all()
    assert (found["log2FoldChange"].abs() >= 1).all()
    assert result.top(1).index[0] in found.index
    assert "size factor" in result.scale_decision


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"log2": True}, ScaleError, "leave log2 out"),
        ({"block": "genotype"}, AnalysisError, "pairs and batches go into the design"),
        ({"trend": True, "robust": True}, AnalysisError, "deseq2 has no trend, robust"),
        (
            {"method": "voom", "size_factors": "poscounts"},
            AnalysisError,
            "size factors are an option of deseq2",
        ),
    ],
)
def test_options_of_other_methods_are_refused(
    count_study: Study, options: dict[str, object], error: type[Exception], said: str
) -> None:
    arguments = {"contrast": ("genotype", "mutant", "wild type"), "method": "deseq2"} | options
    with pytest.raises(error, match=said):
        differential_expression(count_study, **arguments)  # type: ignore[arg-type]


def test_a_design_that_repeats_itself_is_refused(count_study: Study) -> None:
    counts = count_study.matrix().to_numpy()
    with pytest.raises(DesignError, match=r"columns \[1\] follow from the others"):
        deseq2.fit(counts, np.ones((8, 2)), np.ones(8))


def test_without_replicates_there_is_no_test() -> None:
    counts = np.array([[3, 5], [8, 2], [6, 9]])
    with pytest.raises(DesignError, match="2 samples for 2 coefficients"):
        deseq2.fit(counts, np.array([[1.0, 0], [1, 1]]), np.ones(2))


def test_poisson_counts_have_no_dispersion_to_learn() -> None:
    counts = np.full((20, 6), 100) + np.arange(20)[:, None]
    with pytest.raises(AnalysisError, match="0 of 20 genes vary more"):
        deseq2.fit(counts, np.column_stack([np.ones(6), np.repeat([0, 1], 3)]), np.ones(6))


def test_a_trend_that_rises_with_the_mean_is_local_and_said(make_study: MakeStudy) -> None:
    result, _ = analysed(make_study, "rising")
    assert any("a local regression stands for it" in note for note in result.notes)
    assert not any("local regression" in note for note in analysed(make_study, "six")[0].notes)


def test_the_prior_of_few_degrees_of_freedom_is_found_again() -> None:
    rng = np.random.default_rng(1)
    for df, width in ((1, 1.0), (2, 1.0), (3, 2.0)):
        trend = np.full(200_000, 0.1)
        alpha = trend * rng.chisquare(df, trend.size) / df * np.exp(rng.normal(0, width**0.5, trend.size))
        assert fit_prior(alpha, trend, df).variance == pytest.approx(width, rel=0.05)


def test_the_fast_likelihood_is_the_plain_one_and_its_slope() -> None:
    rng = np.random.default_rng(2)
    mu = np.exp(rng.normal(3, 2, (400, 1))) * np.ones((1, 8))
    counts = rng.poisson(mu * rng.gamma(3, 1 / 3, mu.shape)).astype(float)
    design = np.column_stack([np.ones(8), np.tile([0.0, 1], 4)])
    x = rng.uniform(-9, 2.5, 400)
    value, slope = dispersion_likelihood(x, counts, mu, design)
    np.testing.assert_allclose(value, plain_likelihood(x, counts, mu, design), rtol=1e-10, atol=1e-7)
    step = 1e-4
    higher, lower = (dispersion_likelihood(x + s, counts, mu, design)[0] for s in (step, -step))
    np.testing.assert_allclose(slope, (higher - lower) / (2 * step), rtol=1e-5, atol=1e-5)


def test_a_model_of_one_group_is_its_mean() -> None:
    counts = np.array([[10.0, 20, 30], [4, 0, 2]])
    glm = fit_glm(counts, np.ones((3, 1)), np.ones(3), np.array([0.1, 0.1]), ridge=0.0, least_mu=0.5)
    np.testing.assert_allclose(np.exp(glm.beta[:, 0]), counts.mean(axis=1), rtol=1e-6)
    assert glm.converged.all()


def test_text_figures_and_report_read_deseq2s_columns(count_study: Study) -> None:
    result = differential_expression(
        count_study, contrast=("genotype", "mutant", "wild type"), method="deseq2"
    )
    found = result.significant(0.05, 1.0)
    up = int((found["log2FoldChange"] > 0).sum())
    text = display.result_text(result)
    assert f"padj ≤ 0.05 and |log2FoldChange| ≥ 1: {up} higher, {len(found) - up} lower" in text
    assert f"{up} are higher" in figures.volcano(result).text
    assert "baseMean (log2)" in figures.ma(result).to_svg()
    assert f"Histogram of {result.n_tested} P-values" in figures.p_histogram(result).text
    assert str(found.index[0]) in figures.heat_map(count_study, result).text
    report = build_report(count_study, result)
    assert report.findings[0].evidence == "GSE1, GPL1: padj, log2FoldChange"
    assert "Wald test of DESeq2" in " ".join(statement.text for statement in report.methods)
    assert {"Love 2014", "Anders 2010", "Bourgon 2010"} <= {citation.key for citation in report.citations}
    assert "Smyth 2004" not in {citation.key for citation in report.citations}
    assert "method='deseq2'" in report.repeat.python


def test_genes_of_which_nothing_is_left_may_be_all_that_were_replaced() -> None:
    counts, _ = of_r("twelve")
    counts[[4, 8]] = counts[0]
    fitted = deseq2.fit(
        counts, np.column_stack([np.ones(24), np.repeat([0, 1], 12)]), deseq2.size_factors(counts)
    )
    assert np.flatnonzero(fitted.replaced).tolist() == [5]
    assert fitted.base_mean[5] == 0


def test_a_gene_whose_counts_were_all_replaced_has_no_place_in_an_ma_plot(make_study: MakeStudy) -> None:
    result, _ = analysed(make_study, "twelve")
    assert (result.table["baseMean"] == 0).any()
    assert "higher" in figures.ma(result).text
