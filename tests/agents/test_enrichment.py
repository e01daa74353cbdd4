"""Enrichment of embedded studies, as an agent and in the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from click.testing import CliRunner

import omics_nb as omics
from omics_nb.cli import main
from omics_nb.progress import listening


def test_hypoxia_is_about_hypoxia() -> None:
    result = omics.differential_expression(omics.fetch("GSE9000010"))
    found = omics.invoke("enrichment", result=result, permutations=200)
    assert found.table.index[0] == "Hypoxia"
    assert found.table["NES"].iloc[0] > 2
    assert isinstance(found, omics.Enrichment)


def test_the_shell_writes_all_sets(tmp_path: Path) -> None:
    out = tmp_path / "sets.csv"
    with listening(lambda _: None):
        done = CliRunner().invoke(
            main, ["enrich", "GSE9000010", "--kind", "ora", "--out", str(out), "--json"]
        )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    table = pd.read_csv(out)
    assert [row["set"] for row in told["sets"]] == list(table["set"])
    assert table["set"].iloc[0] == "Hypoxia"
    assert (table["source"] == "demo").all()
