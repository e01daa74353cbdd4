"""The benchmarks' own parts: that they run, and that the judge of readings finds what is wrong."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import compare_files, make_files, side_by_side
from tests.benchmarks.compare_files import Reading, judge, truth_of

ROOT = Path(__file__).resolve().parent.parent
FAMILY = """^SERIES = GSE1
!Series_sample_id = GSM1
!Series_sample_id = GSM2
^PLATFORM = GPL1
!platform_table_begin
ID\tSymbol
001\tA
002\tB
!platform_table_end
^SAMPLE = GSM1
!Sample_platform_id = GPL1
!sample_table_begin
ID_REF\tVALUE
001\t1.5
002\tnull
!sample_table_end
^SAMPLE = GSM2
!Sample_platform_id = GPL2
!sample_table_begin
ID_REF\tVALUE
001\t2.5
002\t3.5
!sample_table_end
"""
GSM1 = [("001", 1.5)]
GSM2 = [("001", 2.5), ("002", 3.5)]
NAMES = {"GPL1": ["001", "002"]}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("bench_geo", marks=pytest.mark.slow),
        pytest.param("bench_dashboard", marks=[pytest.mark.slow, pytest.mark.browser]),
        "bench_download",
    ],
)
def test_the_benchmark_runs_on_small_files_and_ends_with_its_goals(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{script}", "--small"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "**Goals**" in done.stdout
    assert "failed" not in done.stdout


def test_a_work_that_fails_is_a_row_and_spoils_no_other(tmp_path: Path) -> None:
    works = {
        "right": side_by_side.Work(
            make_files.write_matrix(tmp_path / "1_series_matrix.txt.gz", 10, 2),
            "tests.benchmarks.bench_geo.our_matrix",
        ),
        "wrong": side_by_side.Work(tmp_path / "none.gz", "tests.benchmarks.bench_geo.our_matrix"),
    }
    found = side_by_side.measure(works, 2)
    assert len(found["right"].seconds) == 2
    assert found["right"].gave == "10 × 2"
    assert "there is no file" in found["wrong"].failed


@pytest.mark.parametrize("decimals", [3, 6])
def test_made_matrices_hold_what_they_say(tmp_path: Path, decimals: int) -> None:
    path = make_files.write_matrix(tmp_path / "1_series_matrix.txt.gz", 1_234, 3, decimals)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    first = lines[lines.index("!series_matrix_table_begin") + 2].split("\t")
    assert first[0] == '"200000_s_at"'
    assert [len(cell.partition(".")[2]) for cell in first[1:]] == [decimals] * 3
    truth = truth_of(path)
    assert [len(column) for column in truth.values.values()] == [1_234] * 3


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (Reading(["GSM1", "GSM2"], [{"GSM1": GSM1}, {"GSM2": GSM2}], NAMES), "ok"),
        (Reading(["GSM1"], [{"GSM1": GSM1}], NAMES), "fewer samples"),
        (Reading(["GSM1", "GSM2"], [{"GSM1": GSM1}], NAMES, said="one was left out"), "fewer samples"),
        (Reading(["GSM1", "GSM2"], [{"GSM1": GSM1, "GSM2": GSM2}], NAMES), "platforms mixed"),
        (Reading(["GSM1", "GSM2"], [{"GSM1": [("1", 1.5)]}, {"GSM2": GSM2}], NAMES), "values differ"),
        (Reading(["GSM1", "GSM2"], [{"GSM1": [("001", 1.6)]}, {"GSM2": GSM2}], NAMES), "values differ"),
        (
            Reading(["GSM1", "GSM2"], [{"GSM1": [*GSM1, ("002", 0.0)]}, {"GSM2": GSM2}], NAMES),
            "values differ",
        ),
        (
            Reading(["GSM1", "GSM2"], [{"GSM1": GSM1}, {"GSM2": GSM2}], {"GPL1": ["1", "2"]}),
            "values differ",
        ),
    ],
)
def test_the_judge_sees_what_is_wrong(tmp_path: Path, reading: Reading, outcome: str) -> None:
    path = tmp_path / "GSE1_family.soft"
    path.write_text(FAMILY)
    assert judge(truth_of(path), reading)[0] == outcome


def test_every_outcome_of_a_reading_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = tmp_path / "whole.soft", tmp_path / "cut.soft"
    whole.write_text(FAMILY)
    cut.write_text(FAMILY.removesuffix("!sample_table_end\n"))
    assert compare_files.verdict("omics_nb", whole) == ("ok", "")
    outcome, why = compare_files.verdict("omics_nb", cut)
    assert outcome == "typed error"
    assert "cut off" in why

    def hang(path: Path, kind: str) -> Reading:
        while True:
            pass

    monkeypatch.setitem(compare_files.TOOLS, "slow", hang)
    monkeypatch.setattr(compare_files, "SECONDS", 0.1)
    assert compare_files.verdict("slow", whole) == ("crash", "not done in 0.1 s")
