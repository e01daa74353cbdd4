"""From a question to a meta-analysis, on the embedded studies."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import omics_nb as omics
from omics_nb.cli import main
from omics_nb.errors import NotFoundError
from omics_nb.progress import listening

LUPUS = "systemic lupus erythematosus"


@pytest.fixture(scope="module")
def lupus() -> omics.MetaAnalysis:
    return omics.meta_analysis(LUPUS, test="normal")


def test_a_question_finds_its_studies_and_what_they_share(lupus: omics.MetaAnalysis) -> None:
    assert set(lupus.studies.index) == {"GSE9000019", "GSE9000020"}
    assert set(lupus.studies["method"]) == {"limma", "voom"}
    assert lupus.synthetic
    assert lupus.question == LUPUS
    best = set(lupus.table.index[:20])
    assert len(best & {"IFI27", "IFI44L", "IFIT1", "IFIT3", "ISG15", "RSAD2", "MX1", "SIGLEC1", "OAS3"}) >= 6
    assert (lupus.significant(0.01)["same"] == 2).all()


def test_comparisons_can_be_given_and_studies_are_needed() -> None:
    given = {"GSE9000019": ("disease", "healthy control", "systemic lupus erythematosus")}
    turned = omics.meta_analysis(LUPUS, comparisons=given)
    assert turned.concordance["same direction"].iloc[0] < 0.3
    with pytest.raises(NotFoundError, match="asthma vs healthy names nothing of the question"):
        omics.meta_analysis("dexamethasone airway")
    with pytest.raises(NotFoundError, match="GSE9000001, which the search did not find"):
        omics.meta_analysis(LUPUS, comparisons={"GSE9000001": ("a", "b", "c")})


def test_results_at_hand_are_pooled_as_they_are(lupus: omics.MetaAnalysis) -> None:
    results = [
        omics.differential_expression(omics.fetch(accession)) for accession in ("GSE9000019", "GSE9000020")
    ]
    meta = omics.invoke("meta", studies=results, test="normal")
    pd.testing.assert_frame_equal(meta.table, lupus.table)


def test_the_shell_writes_the_table_and_its_source(tmp_path: Path) -> None:
    out = tmp_path / "genes.csv"
    done = CliRunner().invoke(main, ["meta", LUPUS, "--out", str(out), "--test", "normal"])
    assert done.exit_code == 0, done.output
    assert "Do" not in done.output.splitlines()[0]
    assert "GSE9000020" in done.output
    table = pd.read_csv(out)
    assert {"gene", "effect", "I2", "source"} <= set(table)
    with listening(lambda _: None):
        told = json.loads(CliRunner().invoke(main, ["meta", LUPUS, "--json"]).stdout)
    assert len(told["genes"]) == len(table)
    assert {study["study"] for study in told["studies"]} == {"GSE9000019", "GSE9000020"}
