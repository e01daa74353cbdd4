"""The whole report of a real study, from a mirror."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.design import propose_contrasts
from omics_nb.reporting import Report, build_report
from omics_nb.sources import open_source
from tests.test_display import Page


@pytest.fixture(scope="module")
def report(shared: Path) -> Report:
    study = open_source(f"mirror:{shared / 'geo'}").fetch("GSE42872")
    (best, *_) = propose_contrasts(study)
    return build_report(study, differential_expression(study, contrast=best.contrast))


def test_the_numbers_of_the_findings_are_those_of_limma_in_r(report: Report, shared: Path) -> None:
    of_r = pd.read_csv(shared / "reference" / "GSE42872_limma.csv.gz")
    called = of_r["adj.P.Val"] <= 0.05
    up, down = int((called & (of_r["logFC"] > 0)).sum()), int((called & (of_r["logFC"] < 0)).sum())
    assert report.findings[0].text.startswith(
        f"{up + down:,} of {len(of_r):,} features tested have adj.P.Val ≤ 0.05: {up:,} higher and {down:,} lower"
    )


def test_the_report_of_a_real_study_is_saved_whole(report: Report, tmp_path: Path) -> None:
    saved = report.save(tmp_path / "GSE42872.html")
    page = Page(saved.html.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
    assert len(page.all("img")) == 7
    assert report.study.files[0].sha256 in page.text
    assert "synthetic" not in page.text
    table = pd.read_csv(saved.csv, index_col="feature", float_precision="round_trip")
    assert len(table) == 33_297
    assert (table["P.Value"].to_numpy() == report.result.table["P.Value"].to_numpy()).all()
