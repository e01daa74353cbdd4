"""Rows are held against their source before anything runs: studies, groups, columns of designs; each study once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner

from omics_nb.analysis.formula import check_syntax
from omics_nb.batch import check_batch, look, start_batch
from omics_nb.cli import main
from omics_nb.errors import DesignError, TableError
from omics_nb.sources import open_source
from tests.batch.conftest import write_notebook
from tests.ncbi.server import LoopbackNcbi

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "notebooks" / "report.ipynb"
GOOD = "agent; vemurafenib; vehicle"
#: study, contrast, design → column of its problem, what it says, whether it is told without a look.
BAD = [
    ("GSE9000099", "", "", "study", "demo has no study GSE9000099; near it: GSE90000", False),
    ("hello", "", "", "study", "'hello' is not a GEO accession", True),
    ("../x", "", "", "study", "'../x' is not a GEO accession", True),
    ("GSM9000001", "", "", "study", "'GSM9000001' is not a GEO accession of the kind", True),
    ("GSE9000003", "agent; vemurafenb; vehicle", "", "contrast", "did you mean 'vemurafenib'?", False),
    ("GSE9000003", "agnt; vemurafenib; vehicle", "", "contrast", "did you mean 'agent'?", False),
    ("GSE9000003", "agent; vemurafenib", "", "contrast", "a contrast is three texts", True),
    ("GSE9000003", "agent; vehicle; vehicle", "", "contrast", "tested and reference are both", False),
    ("GSE9000003", GOOD, "~ batch +", "design", "a term is missing in '~ batch +' after '+'", True),
    ("GSE9000003", GOOD, "~ batchh + agent", "design", "did you mean 'batch'?", False),
    ("GSE9000003", GOOD, "~ batch", "design", "does not hold the factor 'agent'", False),
    ("GSE9000005", GOOD, "", "platform", "say which platform", False),
]


def table_of(folder: Path, rows: list[tuple[str, str, str]], header: str = "study,contrast,design") -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def tagged(folder: Path, *tags: str, parameters: str = 'study = ""\ncontrast = None') -> Path:
    path = write_notebook(folder / "own.ipynb", "print(study)", parameters=parameters)
    made = nbformat.read(path, as_version=4)
    made.cells[1].metadata.tags += tags
    nbformat.write(made, path)
    return path


def test_every_row_that_cannot_run_is_told_at_once_with_what_would_be_right(tmp_path: Path) -> None:
    rows = [("GSE9000003", GOOD, "~ batch + agent"), *(bad[:3] for bad in BAD), ("GSE9000001", "", "")]
    checked = check_batch(table_of(tmp_path, rows), REPORT)
    assert [row.row for row in checked.rows] == [1, len(BAD) + 2]
    assert [(problem.row, problem.column) for problem in checked.problems] == [
        (at, bad[3]) for at, bad in enumerate(BAD, 2)
    ]
    for problem, bad in zip(checked.problems, BAD, strict=True):
        assert bad[4] in problem.message


def test_without_a_look_what_is_wrong_in_itself_is_told_all_the_same(tmp_path: Path) -> None:
    checked = check_batch(table_of(tmp_path, [bad[:3] for bad in BAD]), REPORT, look=False)
    assert checked.bad_rows == tuple(at for at, bad in enumerate(BAD, 1) if bad[5])


def test_a_misspelled_column_hides_no_problem_of_its_rows(tmp_path: Path) -> None:
    rows = [("GSE9000099", "agent; vemurafenib", ""), ("GSE9000003", "agent; vemurafenb; vehicle", "")]
    found = check_batch(table_of(tmp_path, rows, "study,contarst,design"), REPORT).problems
    assert [(problem.row, problem.column) for problem in found] == [
        (None, "contarst"),
        (1, "contarst"),
        (1, "study"),
        (2, "contarst"),
    ]
    assert "did you mean 'contrast'?" in found[0].message


def test_a_study_of_many_rows_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    at = look._looked_at

    def counted(accession: str, source: str) -> Any:
        looked.append(accession)
        return at(accession, source)

    monkeypatch.setattr(look, "_looked_at", counted)
    rows = [(study, "", "") for study in ("GSE9000003", "gse9000003", "GSE9000099", "GSE9000001")] * 50
    assert len(check_batch(table_of(tmp_path, rows), REPORT).problems) == 50
    assert looked == ["GSE9000003", "GSE9000099", "GSE9000001"]


def test_a_check_of_given_comparisons_loads_no_statistics(tmp_path: Path) -> None:
    table = table_of(tmp_path, [("GSE9000003", GOOD, "~ batch + agent")])
    code = (
        "import sys; from omics_nb.batch import check_batch; "
        f"print(check_batch({str(table)!r}, 'report.ipynb', source='demo')); "
        "print('scipy.stats' in sys.modules, 'omics_nb.flows' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["t.csv: 1 rows for report.ipynb, all right", "False False"]


def test_a_parameter_of_another_meaning_is_left_alone(tmp_path: Path) -> None:
    rows = [{"study": "my lab book", "contrast": ["high", "low"]}]
    assert not check_batch(rows, tagged(tmp_path)).problems
    (problem,) = check_batch(rows, tagged(tmp_path, "accession:study")).problems
    assert "is not a GEO accession" in problem.message


def test_groups_of_a_row_are_columns_of_its_study(tmp_path: Path) -> None:
    samples = list(open_source("demo").fetch("GSE9000003").samples.index)
    groups = {"treated": {sample: "yes" if at < 3 else "no" for at, sample in enumerate(samples)}}
    row = {"study": "GSE9000003", "groups": groups, "contrast": ["treated", "yes", "no"]}
    assert not check_batch([row], REPORT).problems
    (problem,) = check_batch([{**row, "groups": {"treated": {"GSM1": "yes"}}}], REPORT).problems
    assert problem.column == "groups"


def test_the_batchs_source_is_that_of_its_rows(shared: Path) -> None:
    mirror = f"mirror:{shared / 'geo'}"
    rows = [{"study": "GSE42872"}, {"study": "GSE9000003", "source": "demo"}, {"study": "GSE9000003"}]
    checked = check_batch(rows, REPORT, source=mirror)
    assert [row.parameters["source"] for row in checked.rows] == [mirror, "demo"]
    (problem,) = checked.problems
    assert (problem.row, problem.column) == (3, "study")
    assert "has no study GSE9000003" in problem.message


def test_flows_of_ours_are_held_against_the_source_too() -> None:
    rows = [{"accession": "GSE9000003"}, {"accession": "GSE9000099"}]
    (problem,) = check_batch(rows, flow="quick_report", source="demo").problems
    assert (problem.row, problem.column) == (2, "accession")


def test_a_run_checks_the_same_and_skips_what_it_is_told_to(tmp_path: Path) -> None:
    rows = [{"study": "GSE9000099"}, {"study": "GSE9000003"}]
    notebook = tagged(tmp_path, "accession:study")
    with pytest.raises(TableError, match="has no study GSE9000099"):
        start_batch(rows, notebook, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    left = check_batch(rows, notebook).require(skip_invalid=True)
    assert [row.row for row in left] == [2]


def test_the_shell_checks_against_the_source_that_it_is_given(tmp_path: Path) -> None:
    table = table_of(tmp_path, [("GSE9000003", GOOD, ""), ("GSE9000099", "", "")])
    args = ["batch", "check", str(table), "--notebook", str(REPORT), "--source", "demo"]
    told = CliRunner().invoke(main, args)
    assert told.exit_code == 6
    assert "row 2 (line 3), column 'study'" in told.output
    assert CliRunner().invoke(main, [*args, "--no-look"]).exit_code == 0
    found = json.loads(CliRunner().invoke(main, [*args, "--json"]).output)
    assert (found["rows"], found["right"]) == (2, 1)


def test_ncbi_is_asked_which_files_there_are_and_no_more(at_ncbi: LoopbackNcbi, tmp_path: Path) -> None:
    at_ncbi.enforce_limit = True
    rows = [{"study": "GSE42872"}, {"study": "GSE42872"}, {"study": "GSE8"}]
    (problem,) = check_batch(rows, REPORT, source="ncbi").problems
    assert (problem.row, problem.column) == (3, "study")
    asked = [seen.path for seen in at_ncbi.requests("GSE42872")]
    assert len(asked) == len(set(asked))
    assert not any(path.endswith(".gz") for path in asked)
    assert at_ncbi.refused == 0


def test_a_source_that_does_not_answer_is_no_fault_of_a_row(
    at_ncbi: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMICS_GEO_URL", "http://127.0.0.1:9/geo/")
    (problem,) = check_batch([{"study": "GSE42872"}] * 3, REPORT, source="ncbi").problems
    assert problem.row is None
    assert "could not be asked" in problem.message
    assert "--no-look" in problem.message


@pytest.mark.parametrize(
    "formula",
    [
        *("~ agent", "agent", "~ batch + agent", "~ 0 + agent", "~ -1 + agent", "~ a * b", "~ a:b + a + b"),
        *("~ disease state + age", "~ `disease + state` + age", "~ C(age) + numeric(dose)", "~ (a + b)^2"),
        *("~ CD4+", "~ dose (mg) + agent", "~ cell-type"),
    ],
)
def test_formulas_that_some_sheet_has_columns_for_pass(formula: str) -> None:
    check_syntax(formula)


@pytest.mark.parametrize(
    "formula",
    ["", "~", "~ batch +", "~ + ", "~ a * ", "~ (a + b", "~ a)", "y ~ a", "~ a + : b", "~ `a", "~ C()"],
)
def test_formulas_that_no_sheet_has_columns_for_are_refused(formula: str) -> None:
    with pytest.raises(DesignError):
        check_syntax(formula)
