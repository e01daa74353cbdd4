"""The report of a meta-analysis: its numbers are the tables', it is made again as it says, in each format."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import omics_nb as omics
from omics_nb.cli import main
from omics_nb.errors import DataError
from omics_nb.reporting import MetaReport

LUPUS = "systemic lupus erythematosus"


@pytest.fixture(scope="module")
def report() -> MetaReport:
    return omics.meta_report(omics.meta_analysis(LUPUS, test="normal"), genes=("IFI27", "MX1"))


def test_the_page_tells_studies_agreement_genes_forests_and_methods(report: MetaReport) -> None:
    page = report.to_html()
    for told in (
        "GSE9000019",
        "GSE9000020",
        "Do they agree?",
        "Forest plot of log2 fold change",
        "(Viechtbauer 2005)",
    ):
        assert told in page
    assert page.count("<figure") == 2
    assert "[synthetic data]" in page
    found = report.meta.significant(0.05)
    assert report.findings[0].text.startswith(f"{len(found):,} of {len(report.meta.table):,} genes")


def test_its_command_and_its_python_make_it_again(
    report: MetaReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report.repeat is not None
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, shlex.split(report.repeat.command)[1:])
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(pd.read_csv("meta-analysis.csv"), read_back(report, tmp_path))
    again: dict[str, Any] = {}
    exec(report.repeat.python.rpartition("\n")[0], again)
    pd.testing.assert_frame_equal(again["meta"].table, report.meta.table, check_exact=True)


def read_back(report: MetaReport, folder: Path) -> pd.DataFrame:
    return pd.read_csv(report.save(folder / "own.csv").files["csv"])


def test_it_is_saved_in_each_format(report: MetaReport, tmp_path: Path) -> None:
    saved = report.save(tmp_path / "lupus.html")
    assert set(saved.files) == {"html", "json", "csv"}
    told = json.loads(saved.json.read_text())
    assert told["table"]["index"] == list(report.meta.table.index)
    assert report.save(tmp_path / "lupus.pdf").files["pdf"].read_bytes().startswith(b"%PDF")
    text = report.save(tmp_path / "lupus.md").files["md"].read_text()
    assert "lupus-forest-1.svg" in text
    assert (tmp_path / "lupus-forest-2.svg").read_text().startswith("<svg")
    with pytest.raises(DataError, match="not 'lupus.docx'"):
        report.save(tmp_path / "lupus.docx")


def test_a_report_of_results_that_were_given_says_where_their_making_is_told() -> None:
    results = [omics.differential_expression(omics.fetch(name)) for name in ("GSE9000019", "GSE9000020")]
    report = omics.meta_report(omics.meta_analysis(results, test="normal"), n_forests=1)
    assert report.repeat is None
    assert "the report of each says how" in report.to_html()
