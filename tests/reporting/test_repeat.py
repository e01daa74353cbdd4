"""What a report prints under "How to repeat it" gives the same table: in a shell, in Python and by the notebook."""

from __future__ import annotations

import html
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import omics_nb as omics
from omics_nb import cli
from omics_nb.reporting import Report, find_notebook, table_csv
from omics_nb.reporting.notebook import declared_parameters

ARRAYS, PAIRED, COUNTS = "GSE9000003", "GSE9000015", "GSE9000011"
AGENT = ("agent", "vemurafenib", "vehicle")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "prior, weights and limits": (
        ARRAYS,
        {"contrast": AGENT, "trend": True, "robust": True, "sample_weights": True, "confidence": 0.9},
    ),
    "a block and a threshold": (ARRAYS, {"contrast": AGENT, "block": "batch", "lfc": 0.25}),
    "the scale as told, normalised": (ARRAYS, {"contrast": AGENT, "log2": False, "quantile": True}),
    "covariates": (ARRAYS, {"contrast": AGENT, "design": "~ batch + agent"}),
    "several contrasts": (PAIRED, {"contrast": "dose", "design": "~ donor + dose"}),
    "one level of another factor": (
        "GSE9000026",
        {"contrast": ("treatment", "LPS", "medium"), "by": ("genotype", "wild type")},
    ),
    "how an effect differs": (
        "GSE9000026",
        {"contrast": ("treatment", "LPS", "medium"), "by": ("genotype", "Myd88 -/-", "wild type")},
    ),
    "deseq2's own": (
        COUNTS,
        {
            "contrast": ("treatment", "dexamethasone", "untreated"), "design": "~ donor + treatment",
            "method": "deseq2", "size_factors": "poscounts", "shrink": True,
        },
    ),
}  # fmt: skip


def _report(accession: str, asked: dict[str, Any]) -> Report:
    study = omics.fetch(accession, source="demo")
    return omics.report(study, omics.differential_expression(study, **asked))


@pytest.mark.parametrize("name", CASES)
def test_the_command_and_the_python_give_the_same_table(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _report(*CASES[name])
    program, *words = shlex.split(report.repeat.command)
    assert program == "omics-nb"
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, [*words, "--format", "csv"])
    assert done.exit_code == 0, done.output
    (made,) = (tmp_path / "reports").glob("*.csv")
    assert made.read_text(encoding="utf-8") == table_csv(report.result)
    again: dict[str, Any] = {}
    exec(report.repeat.python.rpartition("\n")[0], again)
    pd.testing.assert_frame_equal(again["result"].table, report.result.table, check_exact=True)
    assert again["result"].options == report.result.options


def test_a_shell_that_is_given_the_text_as_printed_makes_the_report(tmp_path: Path) -> None:
    study = omics.fetch(ARRAYS, source="demo")
    levels = ["it's drug" if agent == "vemurafenib" else "none, at all" for agent in study.samples["agent"]]
    mine = study.with_factor("my groups", levels)
    result = omics.differential_expression(
        mine, contrast=("my groups", "it's drug", "none, at all"), robust=True
    )
    report = omics.report(mine, result, question="What changes?")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", report.repeat.command],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = (tmp_path / "reports").glob("*.csv")
    assert made.read_text(encoding="utf-8") == table_csv(result)
    (page,) = (tmp_path / "reports").glob("*.html")
    assert "What changes?" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["several contrasts", "how an effect differs"])
def test_the_notebook_has_parameters_for_all_of_it(name: str) -> None:
    report = _report(*CASES[name])
    given = report.repeat.parameters
    assert set(given) <= set(declared_parameters(find_notebook()))
    again = omics.start_report(**json.loads(json.dumps(given))).result()
    assert table_csv(again.result) == table_csv(report.result)


def test_gene_sets_of_ones_own_are_in_the_python() -> None:
    study = omics.fetch(ARRAYS, source="demo")
    result = omics.differential_expression(study, contrast=AGENT)
    found = omics.enrich(result, kind="ora", min_size=2)
    report = omics.report(study, result, enrichment=found)
    assert report.repeat.command.startswith("# The gene sets were asked for apart")
    again: dict[str, Any] = {}
    exec(report.repeat.python.rpartition("\n")[0], again)
    assert again["enrichment"].table.equals(found.table)


def test_a_report_asks_for_gene_sets_by_itself_or_says_why_not() -> None:
    study = omics.fetch(ARRAYS, source="demo")
    result = omics.differential_expression(study, contrast=AGENT)
    report = omics.report(study, result)
    assert report.enrichment is not None
    assert report.enrichment.table.equals(omics.enrich(result).table)
    assert report.no_enrichment == ""
    many = _report(PAIRED, {"contrast": "dose"})
    assert many.enrichment is None
    assert "a test of several comparisons has no direction to rank by" in many.no_enrichment
    assert many.no_enrichment in html.unescape(many.to_html())


def test_the_shell_takes_gene_sets_and_refuses_levels_of_two_factors(tmp_path: Path) -> None:
    sets = tmp_path / "mine.gmt"
    study = omics.fetch(ARRAYS, source="demo")
    genes = [symbol for symbol in study.features["GPL900003"]["symbol"] if symbol][:40]
    sets.write_text("MINE\tof my own\t" + "\t".join(genes) + "\n", encoding="utf-8")
    base = ["report", "--source", "demo", "--study", ARRAYS, "--contrast", *AGENT, "--out", str(tmp_path)]
    done = CliRunner().invoke(cli.main, [*base, "--gene-sets", str(sets), "--format", "html"])
    assert done.exit_code == 0, done.output
    (page,) = tmp_path.glob("*.html")
    assert "mine.gmt" in page.read_text(encoding="utf-8")
    two = CliRunner().invoke(cli.main, [*base, "--by", "batch", "A", "--by", "agent", "vehicle"])
    assert two.exit_code == 2
    assert "--by names one level of a factor" in two.output
