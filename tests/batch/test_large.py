"""What a night is like: forty reports with three bad rows, and outputs of two hundred megabytes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from omics_nb.batch import check_batch, start_batch
from omics_nb.errors import TableError
from tests.batch.conftest import read, write_notebook

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
STUDIES = [1, 2, 3, 4, 6, 7, 8, 10, 11, 12]


def test_forty_reports_of_which_three_are_bad(tmp_path: Path) -> None:
    table = tmp_path / "night.csv"
    lines = [f"GSE90000{STUDIES[at % 10]:02},report {at}" for at in range(40)]
    lines[7], lines[19], lines[31] = (
        "GSE9000099,no such study",
        "../../etc/passwd,a way out",
        "GSE9000001,a,b",
    )
    table.write_text("study,question\n" + "\n".join(lines) + "\n")
    out = tmp_path / "out"
    with pytest.raises(TableError, match="3 of them cannot run"):
        start_batch(table, "report.ipynb", out=out, name="{row:02}-{study}")
    assert [
        problem.row for problem in check_batch(table, "report.ipynb", name="{row:02}-{study}").problems
    ] == [8, 20, 32]
    options = {"name": "{row:02}-{study}", "skip_invalid": True, "look": False}
    batch = start_batch(table, "report.ipynb", out=out, **options).wait(1200)
    assert batch.counts == {"done": 37, "failed": 1}
    [failed] = [row for row in batch.rows if row.state == "failed"]
    assert (failed.row, "demo has no study GSE9000099" in failed.error) == (8, True)
    assert len(list(out.glob("*/report.html"))) == 37
    assert (batch.table()["up"].dropna() > 0).any()
    assert not batch.genes().empty
    left = [
        process for process in psutil.process_iter(["cmdline"]) if str(out) in str(process.info["cmdline"])
    ]
    assert left == []


def test_two_hundred_megabytes_of_output_are_kept_and_cost_no_memory(tmp_path: Path) -> None:
    code = "for _ in range(2_000_000):\n    print('x' * 99)"
    notebook = write_notebook(tmp_path / "n.ipynb", code, parameters="n = 0")
    before = psutil.Process().memory_info().rss
    batch = start_batch([{}], notebook, out=tmp_path / "out", name="a").wait(600)
    assert batch.counts == {"done": 1}, batch.rows[0].error
    assert (tmp_path / "out" / "a" / "cell-2-stdout.txt").stat().st_size == 200_000_000
    assert (tmp_path / "out" / "a.ipynb").stat().st_size < 1_300_000
    assert len(read(tmp_path / "out" / "a.ipynb").cells) > 2
    if os.name == "posix":
        assert psutil.Process().memory_info().rss - before < 150e6


def test_a_hundred_megabytes_in_one_display_are_a_file(tmp_path: Path) -> None:
    code = "from IPython.display import HTML\nHTML('<p>' + 'y' * 100_000_000 + '</p>')"
    notebook = write_notebook(tmp_path / "n.ipynb", code, parameters="n = 0")
    batch = start_batch([{}], notebook, out=tmp_path / "out", name="a").wait(600)
    assert batch.counts == {"done": 1}, batch.rows[0].error
    [kept] = (tmp_path / "out" / "a").glob("cell-2-*.html")
    assert kept.stat().st_size == 100_000_007
    assert (tmp_path / "out" / "a.ipynb").stat().st_size < 100_000
