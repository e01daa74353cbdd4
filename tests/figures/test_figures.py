"""Figures: well-formed, safe, small, the same on every run, with numbers from the data in their text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree as Xml

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from omics_nb import figures
from omics_nb.analysis.de import differential_expression
from omics_nb.errors import DataError, DesignError
from omics_nb.figures import Figure
from omics_nb.records import Contrast, DEResult, Study
from tests.analysis.conftest import MakeStudy

Draw = Callable[[Study, DEResult], Figure]
DRAWINGS: dict[str, Draw] = {
    "volcano": lambda study, result: figures.volcano(result),
    "ma": lambda study, result: figures.ma(result),
    "p_histogram": lambda study, result: figures.p_histogram(result),
    "pca": lambda study, result: figures.pca(study, color_by=result.contrast.factor),
    "density": lambda study, result: figures.density(study, color_by=result.contrast.factor),
    "correlation": lambda study, result: figures.correlation(study, color_by=result.contrast.factor),
    "heat_map": lambda study, result: figures.heat_map(study, result),
    "box": lambda study, result: figures.box(study, color_by=result.contrast.factor),
    "gene": lambda study, result: figures.gene(study, "F1", result.contrast.factor),
    "forest": lambda study, result: figures.forest(
        effects(study), title=study.accession, synthetic=study.synthetic
    ),
}


def effects(study: Study) -> pd.DataFrame:
    """An effect for each of three studies and all together; names as strangers write them."""
    names = [study.accession, str(study.samples.iloc[0, -1]), "GSE3", "all"]
    return pd.DataFrame(
        {
            "name": names,
            "estimate": [1.0, 0.4, 1.2, 0.9],
            "low": [0.2, -0.5, 0.9, 0.6],
            "high": [1.8, 1.3, 1.5, 1.2],
        }
    )


@pytest.fixture
def result(array_study: Study) -> DEResult:
    return differential_expression(array_study, contrast=("treatment", "drug", "vehicle"))


@pytest.fixture(params=list(DRAWINGS))
def draw(request: pytest.FixtureRequest) -> Draw:
    return DRAWINGS[request.param]


def words(svg: str) -> list[str]:
    return [
        "".join(element.itertext())
        for element in Xml.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_a_figure_is_one_svg_element_that_has_a_name(
    draw: Draw, array_study: Study, result: DEResult
) -> None:
    figure = draw(array_study, result)
    root = Xml.fromstring(figure.to_svg())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == figure.title
    assert "<script" not in figure.to_svg()
    assert "GSE1" in figure.text or "GSE1" in figure.title


def test_the_same_input_gives_the_same_bytes(draw: Draw, array_study: Study, result: DEResult) -> None:
    first, again = draw(array_study, result), draw(array_study, result)
    assert first.to_svg() == again.to_svg()
    assert first.to_png(dpi=50) == again.to_png(dpi=50)
    assert first.to_plotly() == again.to_plotly()


def test_identifiers_do_not_collide_on_one_page(array_study: Study, result: DEResult) -> None:
    seen: set[str] = set()
    for draw in DRAWINGS.values():
        root = Xml.fromstring(draw(array_study, result).to_svg())
        own = {element.get("id") or "" for element in root.iter() if element.get("id")}
        assert not seen & own
        seen |= own


def test_matplotlib_is_left_as_it_was(draw: Draw, array_study: Study, result: DEResult) -> None:
    before = dict(mpl.rcParams)
    draw(array_study, result)
    assert dict(mpl.rcParams) == before


def test_text_from_strangers_stays_text(make_study: MakeStudy) -> None:
    evil = "<script>alert(1)</script>$\\frac{&\x07"
    values = np.random.default_rng(0).normal(8, 1, (30, 6))
    study = make_study(
        values, {"arm": [evil] * 3 + ["plain $x$"] * 3}, symbols=[evil] * 30, accession="GSE1<b>"
    )
    result = differential_expression(study, contrast=Contrast("arm", evil, "plain $x$"))
    for draw in DRAWINGS.values():
        svg = draw(study, result).to_svg()
        assert "<script" not in svg
        Xml.fromstring(svg)
    drawn = " ".join(words(figures.pca(study, color_by="arm").to_svg()))
    assert "<script>alert(1)</script>$\\frac{&" in drawn
    assert "plain $x$" in drawn


def test_a_volcano_of_fifty_thousand_features_is_small() -> None:
    rng = np.random.default_rng(1)
    n = 54_675
    t = rng.standard_t(8, n) * rng.choice([1, 3], n, p=[0.8, 0.2])
    p = np.clip(np.exp(-np.abs(t) * 1.5), 1e-12, 1)
    table = pd.DataFrame(
        {"symbol": "", "logFC": t / 2, "AveExpr": 8.0, "t": t, "P.Value": p, "adj.P.Val": p, "B": 0.0},
        index=[f"{i}_at" for i in range(n)],
    )
    result = DEResult(table, "GSE1", "GPL1", Contrast("a", "b", "c"), "~ a", "limma", {}, "", "test")
    assert len(figures.volcano(result).to_svg()) < 400_000
    assert len(figures.ma(result).to_svg()) < 400_000


def test_the_text_of_a_volcano_counts_what_the_table_holds(result: DEResult) -> None:
    text = figures.volcano(result, adj_p=0.01, min_abs_logfc=0.5).text
    strong = result.significant(0.01, 0.5)
    assert (
        f"{int((strong['logFC'] > 0).sum())} are higher and {int((strong['logFC'] < 0).sum())} lower in drug"
        in text
    )
    assert "200 features" in text
    assert result.top(1)["symbol"].iloc[0] in text


def test_points_that_matter_carry_their_symbols(result: DEResult) -> None:
    drawn = words(figures.volcano(result).to_svg())
    assert sum(word.startswith("GENE") for word in drawn) >= 5
    assert {word for word in drawn if word.startswith("GENE")} <= set(result.significant(0.05, 1)["symbol"])


def test_nothing_significant_is_a_figure_too(make_study: MakeStudy) -> None:
    study = make_study(np.random.default_rng(5).normal(8, 1, (50, 6)), {"arm": ["x"] * 3 + ["y"] * 3})
    result = differential_expression(study, contrast=("arm", "y", "x"))
    assert "0 are higher and 0 lower" in figures.volcano(result).text
    assert "30 features" in figures.heat_map(study, result).text


def test_features_without_a_result_are_not_drawn(array_study: Study) -> None:
    values = array_study.matrices["GPL1"].copy()
    values.iloc[50:60] = np.nan
    study = replace(array_study, matrices={"GPL1": values})
    result = differential_expression(study, contrast=("treatment", "drug", "vehicle"))
    assert "190 features" in figures.volcano(result).text
    figures.heat_map(study, result, n=200)
    figures.pca(study)
    figures.density(study)


def test_a_gene_is_found_by_symbol_or_identifier(array_study: Study) -> None:
    by_symbol = figures.gene(array_study, "gene5", "treatment")
    median = np.median(array_study.matrices["GPL1"].loc["F5"].to_numpy()[4:])
    assert f"drug: median {median:.4g} (4 samples)" in by_symbol.text
    by_identifier = figures.gene(array_study, "F5", "treatment")
    assert by_identifier.text == by_symbol.text
    assert "gene5 (f5) in" in by_identifier.text.casefold()
    with pytest.raises(DataError, match="'genes5' on GPL1; did you mean 'GENE"):
        figures.gene(array_study, "genes5", "treatment")
    with pytest.raises(DesignError, match="treatment"):
        figures.gene(array_study, "F5", "dose")


def test_synthetic_data_say_so(array_study: Study) -> None:
    study = replace(array_study, synthetic=True)
    result = differential_expression(study, contrast=("treatment", "drug", "vehicle"))
    for draw in DRAWINGS.values():
        figure = draw(study, result)
        assert "synthetic" in figure.title
        assert figure.text.startswith("Synthetic data.")


def test_counts_are_drawn_on_a_log_scale(count_study: Study) -> None:
    assert "log2 counts per million" in figures.density(count_study).text
