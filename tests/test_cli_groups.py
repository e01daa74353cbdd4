"""Groups that a person writes down in a file, for a study whose own files tell none, from every command."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from omics_nb import cli, flows
from omics_nb.reporting import run_report_notebook


def _run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def _json(*words: object) -> dict[str, Any]:
    done = _run(*words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def counts(tmp_path: Path) -> list[object]:
    """A study of counts alone, as words for a command: its accession in a mirror that knows nothing of its samples."""
    suppl = tmp_path / "geo/series/GSE1nnn/GSE1500/suppl"
    suppl.mkdir(parents=True)
    levels = np.random.default_rng(7).negative_binomial(5, 0.01, (300, 6))
    levels[:30, 3:] *= 8
    frame = pd.DataFrame(levels, [f"G{n}" for n in range(300)], [f"S{n}" for n in range(6)])
    frame.to_csv(suppl / "GSE1500_raw_counts.csv", index_label="gene")
    return ["GSE1500", "--source", f"mirror:{tmp_path / 'geo'}"]


def _groups(folder: Path, *lines: str) -> Path:
    (folder / "groups.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "groups.csv"


FULL = ("sample,state,batch", *(f"S{n},{'drug' if n > 2 else 'none'},b{n % 2}" for n in range(6)))
CONTRAST = ("--contrast", "state", "drug", "none")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_groups_of_a_file_make_counts_without_a_sheet_analysable(
    counts: list[object], tmp_path: Path, mark: str
) -> None:
    groups = _groups(tmp_path, *(line.replace(",", mark) for line in FULL), "", "")
    found = _json("de", *counts, "--groups", groups, *CONTRAST, "--design", "~ batch + state")
    assert found["groups"] == {"tested": ["S3", "S4", "S5"], "reference": ["S0", "S1", "S2"]}
    assert found["n_significant"] >= 25
    assert {row["gene"] for row in found["top"]} <= {f"G{n}" for n in range(30)}
    judged = _run("quality", *counts, "--groups", groups, "--factor", "state")
    assert judged.exit_code == 0, judged.output


def test_a_sample_that_the_file_leaves_out_is_in_no_group(counts: list[object], tmp_path: Path) -> None:
    found = _json(
        "de",
        *counts,
        "--groups",
        _groups(tmp_path, *FULL[:4], "S4 , drug,b0", "S5,drug,b1", "S3,,b1"),
        *CONTRAST,
    )
    assert found["groups"] == {"tested": ["S4", "S5"], "reference": ["S0", "S1", "S2"]}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((*FULL, "S9,drug,b1"), "line 8: GSE1500 has no samples ['S9']"),
        ((*FULL, "S1,drug,b1"), "line 8: the sample 'S1' is in line 3 already"),
        ((*FULL[:2], "S1,drug"), "line 3: 2 cells, and the header has 3: ['S1', 'drug']"),
        ((*FULL[:2], ",drug,b1"), "line 3: no sample is named beside ['drug', 'b1']"),
        (
            FULL[1:],
            "line 1: expected the header 'sample' and different names of columns, not ['S0', 'none', 'b0']",
        ),
        (("sample,state,state", "S1,a,b"), "line 1: expected the header 'sample' and different names"),
        (("sample", "S1"), "line 1: expected the header"),
        (FULL[:1], "line 2: no sample follows the header"),
        (("sample,state", 'S1,"drug'), "line 2: cannot be read as a table"),
        (("<html><body>",), "is a web page"),
        (("", "sample,state", "S1,drug"), "line 1: expected the header"),
    ],
)
def test_what_is_wrong_with_groups_is_named_by_line_and_value(
    counts: list[object], tmp_path: Path, lines: tuple[str, ...], message: str
) -> None:
    groups = _groups(tmp_path, *lines)
    reported = ("report", "--study", *counts, "--out", tmp_path / "out")
    for words in (("de", *counts), ("quality", *counts), reported):
        done = _run(*words, "--groups", groups, *(CONTRAST if words[0] != "quality" else ()))
        assert done.exit_code == 6, done.output
        assert message in done.output
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_groups_are_of_one_study_and_no_column_of_its_sheet(tmp_path: Path) -> None:
    groups = _groups(tmp_path, "sample,agent", "GSM90000030001,x")
    assert (
        "name it by its accession" in _run("report", "melanoma", "--groups", groups, "--out", tmp_path).output
    )
    done = _run("de", "GSE9000003", "--groups", groups)
    assert "has a column 'agent' in its own sample sheet" in done.output
    assert _run("de", "GSE9000003", "--groups", tmp_path / "none.csv").exit_code == 4
    assert _run("report", "--run", "x", "--groups", groups).exit_code == 2


def test_a_report_keeps_the_groups_and_not_their_file(counts: list[object], tmp_path: Path) -> None:
    groups = _groups(tmp_path, *FULL)
    made = _json("report", "--study", *counts, "--groups", groups, *CONTRAST, "--out", tmp_path / "out")
    groups.unlink()
    levels = {f"S{n}": "drug" if n > 2 else "none" for n in range(6)}
    table = Path(made["csv"]).read_bytes()

    run = flows.get_run(flows.runs().id[0])
    assert run.inputs["groups"]["state"] == levels
    again = run.rerun(from_step="chosen")
    assert again.result().result.groups["tested"] == ("S3", "S4", "S5")

    (cell,) = [c for c in nbformat.read(made["notebook"], as_version=4).cells if c.id == "parameters"]
    (line,) = [line for line in cell.source.splitlines() if line.startswith("groups = ")]
    assert ast.literal_eval(line.partition(" = ")[2])["state"] == levels
    # As where this run is not known: the executed notebook makes the report anew from what it holds itself.
    anew = run_report_notebook({"run_id": None}, tmp_path / "anew", notebook=made["notebook"], name="anew")
    assert anew.report.csv.read_bytes() == table
    assert len(flows.runs()) == 3
