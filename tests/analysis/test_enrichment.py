"""Gene sets: over-representation against the hypergeometric distribution, GSEA on planted sets, and GMT files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.enrichment import EMBEDDED, enrich, read_gene_sets
from omics_nb.errors import AnalysisError, DataError
from omics_nb.records import DEResult, Study

DRUG = ("treatment", "drug", "vehicle")
SETS = {
    "planted": [f"GENE{i}" for i in range(1, 19)],
    "elsewhere": [f"gene{i}" for i in range(60, 80)],
    "partly": [f"GENE{i}" for i in range(16, 40)],
    "unmeasured": [f"OTHER{i}" for i in range(20)],
    "tiny": ["GENE1", "GENE2"],
}


@pytest.fixture
def result(array_study: Study) -> DEResult:
    return differential_expression(array_study, contrast=DRUG)


def test_over_representation_is_the_hypergeometric_test_over_all_sets(result: DEResult) -> None:
    found = enrich(result, gene_sets=SETS, kind="ora", adj_p=0.01)
    assert list(found.table.index) == ["planted", "partly", "elsewhere"]
    n_significant = len(result.significant(0.01))
    for name, row in found.table.iterrows():
        expected = hypergeom.sf(row["found"] - 1, 200, row["size"], n_significant)
        assert row["P.Value"] == pytest.approx(expected), name
        assert row["expected"] == pytest.approx(row["size"] * n_significant / 200)
    assert found.table.loc["planted", "found"] == 18
    assert found.table.loc["elsewhere", ["found", "P.Value", "FDR"]].tolist() == [0, 1, 1]
    assert found.table["FDR"].iloc[0] == pytest.approx(3 * found.table["P.Value"].iloc[0])
    assert set(found.table.loc["planted", "genes"].split("; ")) == set(SETS["planted"])


def test_genes_of_one_direction_can_be_asked_for(result: DEResult) -> None:
    assert enrich(result, gene_sets=SETS, kind="ora", direction="higher").table.loc["planted", "found"] == 18
    with pytest.raises(AnalysisError, match="needs no threshold"):
        enrich(result, gene_sets=SETS, kind="ora", direction="lower", adj_p=1e-9)


def test_a_walk_down_the_ranking_finds_the_planted_set_and_its_side(result: DEResult) -> None:
    found = enrich(result, gene_sets=SETS, permutations=200)
    assert found.table.index[0] == "planted"
    assert found.table.loc["planted", "NES"] > 1.5
    assert found.table.loc["planted", "P.Value"] == pytest.approx(1 / 201)
    assert "elsewhere" not in found.significant(0.05).index
    again = enrich(result, gene_sets=SETS, permutations=200)
    pd.testing.assert_frame_equal(found.table, again.table)
    turned = result.table.assign(t=-result.table["t"])
    assert (
        enrich(replace(result, table=turned), gene_sets=SETS, permutations=200).table.loc["planted", "NES"]
        < -1.5
    )


@pytest.mark.parametrize("method", ["voom", "deseq2", "edger"])
def test_every_method_has_a_ranking(count_study: Study, method: Any) -> None:
    symbols = pd.DataFrame(
        {"symbol": [f"G{i}" for i in range(500)]}, index=count_study.matrices["GPL1"].index
    )
    study = replace(count_study, features={"GPL1": symbols})
    result = differential_expression(study, contrast=("genotype", "mutant", "wild type"), method=method)
    sets = {"planted": [f"G{i}" for i in range(25)], "other": [f"G{i}" for i in range(100, 130)]}
    assert enrich(result, gene_sets=sets, permutations=100).table.loc["planted", "NES"] > 1.5


def test_the_embedded_sets_are_whole_and_said_by_name(result: DEResult) -> None:
    sets = read_gene_sets()
    assert len(sets.genes) >= 60
    assert all(len(set(genes)) == len(genes) >= 9 for genes in sets.genes.values())
    assert all(sets.about.values())
    assert {"IFIT1", "ISG15", "MX1"} <= set(sets.genes["Type I interferon response"])
    assert EMBEDDED.read_text(encoding="utf-8").isascii()
    with pytest.raises(AnalysisError, match="symbols of the same organism"):
        enrich(result)


def test_a_gmt_file_is_read_and_hashed(tmp_path: Path, result: DEResult) -> None:
    path = tmp_path / "mine.gmt"
    path.write_text(
        "".join(f"{name}\tabout {name}\t" + "\t".join(genes) + "\n" for name, genes in SETS.items())
    )
    found = enrich(result, gene_sets=path, kind="ora")
    assert found.collection == "mine.gmt"
    assert len(found.sha256) == 64
    assert found.table.loc["planted", "about"] == "about planted"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\n", "line 1 of bad.gmt has no set, description and genes"),
        ("a\tb\tG1\na\tb\tG2\n", "line 2 of bad.gmt names a set a second time"),
        ("\n", "holds no gene set"),
    ],
)
def test_a_file_that_is_no_gmt_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.gmt"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_gene_sets(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_gene_sets(tmp_path / "missing.gmt")


def test_what_has_no_answer_is_refused(result: DEResult) -> None:
    with pytest.raises(AnalysisError, match=r"have no gene symbols.*/GPL\w+\.annot\.gz"):
        enrich(replace(result, table=result.table.assign(symbol="")), gene_sets=SETS)
    with pytest.raises(AnalysisError, match="'gsea' or 'ora', not 'fisher'"):
        enrich(result, gene_sets=SETS, kind="fisher")  # type: ignore[arg-type]
    with pytest.raises(AnalysisError, match="100 permutations at least"):
        enrich(result, gene_sets=SETS, permutations=10)
    with pytest.raises(AnalysisError, match="no direction to rank by"):
        enrich(replace(result, each=(result, result)), gene_sets=SETS)


def test_it_shows_itself_and_names_of_mice_are_said(result: DEResult) -> None:
    found = enrich(result, gene_sets={**SETS, "<i>odd</i>": SETS["planted"]}, kind="ora")
    html = found._repr_html_()
    assert "&lt;i&gt;odd&lt;/i&gt;" in html
    assert "over-representation" in str(found)
    assert repr(found).startswith("Enrichment(GSE1, ora, 4 sets of sets of your own")
    mouse = result.table.copy()
    genes = [name.capitalize() for members in read_gene_sets().genes.values() for name in members]
    mouse["symbol"] = pd.Series(list(dict.fromkeys(genes))[:200], index=mouse.index)
    told = enrich(replace(result, table=mouse), kind="ora")
    assert any("as if orthologues" in note for note in told.notes)
    assert np.isfinite(told.table["FDR"]).all()
