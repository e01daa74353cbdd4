"""A table is looked at as a whole: each problem by its row, and nothing that a table says can run as code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.batch import check_batch, start_batch
from omics_nb.batch.coerce import plain
from omics_nb.batch.names import check_template, fill
from omics_nb.batch.secrets import secret
from omics_nb.errors import FlowError, SettingsError, TableError
from tests.batch.conftest import write_notebook

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
study = None  # an accession
limit = 20
share: float = 0.5
exact = False
contrast: list = None
options = {}
note = "x"
api_key = None
out = "reports/report.html"
"""


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "typed.ipynb", "print(study)", parameters=PARAMETERS)


def problems(rows: Any, notebook: Path, **options: Any) -> list[str]:
    return [str(problem) for problem in check_batch(rows, notebook, **options).problems]


def test_the_readmes_table_is_read_as_the_report_takes_it(tmp_path: Path) -> None:
    table = tmp_path / "studies.csv"
    table.write_text("study,contrast,#for\nGSE9000003,agent; vemurafenib; vehicle,ana\nGSE9000001,,bo\n")
    checked = check_batch(table, ROOT / "notebooks" / "report.ipynb")
    assert [dict(row.parameters).get("contrast") for row in checked.rows] == [
        ["agent", "vemurafenib", "vehicle"],
        None,
    ]


def test_cells_become_what_the_notebook_declares(tmp_path: Path, notebook: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "study,limit,share,exact,contrast,options,note\n"
        'GSE1, 7,0.25,yes,agent; drug; vehicle,"{""a"": 1}",007\n'
        '001,,1,no,"[""a"", ""b""]",,\n'
        "1E5,,,,,,\n12,,,,,,\n"
    )
    checked = check_batch(table, notebook)
    assert checked.problems == ()
    first, second, third, fourth = (dict(row.parameters) for row in checked.rows)
    assert first == {
        "study": "GSE1",
        "limit": 7,
        "share": 0.25,
        "exact": True,
        "contrast": ["agent", "drug", "vehicle"],
        "options": {"a": 1},
        "note": "007",
    }
    assert second == {"study": "001", "share": 1, "exact": False, "contrast": ["a", "b"]}
    # Nothing says the type of `study`: what is not written as a number is written is a name.
    assert (third, fourth) == ({"study": "1E5"}, {"study": 12})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"sudy": "GSE1"}, "column 'sudy': is no parameter of typed.ipynb; did you mean 'study'?"),
        ({"limit": "many"}, "row 1, column 'limit': 'many' is text; a whole number would be right"),
        ({"limit": True}, "is true or false; a whole number would be right"),
        ({"exact": 1}, "column 'exact': 1 is a whole number; true or false would be right"),
        ({"share": float("inf")}, "is no number that JSON can hold"),
        ({"study": {1, 2}}, "is a set, which JSON cannot hold"),
        ({"study": Path("x")}, "Path, which JSON cannot hold"),
        ({"options": {1: 2}}, "has the key 1; the keys of an object are texts"),
        ({"study": "\ud800"}, "half of a surrogate pair"),
        ({"study": pd.Timestamp("2024-01-01")}, "Timestamp, which JSON cannot hold"),
        ({"study": np.zeros(3)}, "is a ndarray, which JSON cannot hold"),
        ({"out": "/etc/passwd"}, "is given by the batch, which has a folder for each row"),
        ({"api_key": "abc123"}, "column 'api_key': holds a secret as it is"),
        (
            {"study": "secret:NOT_SET_ANYWHERE"},
            "there is no secret 'NOT_SET_ANYWHERE': set the environment variable",
        ),
    ],
)
def test_each_problem_names_row_column_value_and_what_would_be_right(
    row: dict[str, Any], said: str, notebook: Path
) -> None:
    told = problems([row], notebook)
    assert len(told) == 1
    assert said in told[0]


def test_a_secret_is_never_part_of_the_problem_it_makes(notebook: Path) -> None:
    assert "abc123" not in problems([{"api_key": "abc123"}], notebook)[0]


def test_text_cells_say_what_would_be_right(tmp_path: Path, notebook: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("limit,share,exact,contrast\n2.5,nan,maybe,[1\n")
    told = " ".join(problems(table, notebook))
    for part in (
        "no whole number; write one, such as 20",
        "no number that JSON can hold",
        "neither true nor false",
    ):
        assert part in told
    assert "begins as JSON and is none" in told


INJECTED = [
    "x=0\nopen('pwned','w')#",
    "study; import os",
    "study = 1",
    "__import__('os')",
    "class",
    "st udy",
    "study\u200b",
    "",
]


@pytest.mark.parametrize("name", INJECTED)
def test_names_that_papermill_would_execute_are_refused(name: str, notebook: Path) -> None:
    checked = check_batch([{name: 1}], notebook)
    assert checked.problems
    with pytest.raises(TableError, match="no name that a parameter can have"):
        checked.require(skip_invalid=True)


class Text(str):
    """Says something else than it is, as a way into a code cell."""

    def __repr__(self) -> str:
        return "__import__('os').system('touch pwned')"


@pytest.mark.parametrize("value", [Text("x"), [Text("x")], {"a": Text("x")}, {Text("x"): 1}])
def test_objects_that_pretend_to_be_text_are_refused(value: Any, notebook: Path) -> None:
    assert (
        "JSON cannot hold" in problems([{"study": value}], notebook)[0]
        or "has the key" in problems([{"study": value}], notebook)[0]
    )


texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(json_values)
def test_values_that_papermill_writes_as_code_read_back_as_themselves(value: Any) -> None:
    import ast

    from papermill.translators import PythonTranslator

    kept = plain(value)
    assert ast.literal_eval(PythonTranslator.translate(kept)) == value


@pytest.mark.parametrize(
    "template",
    [
        "../{study}",
        "{study}/x",
        "{study.__class__}",
        "{study[0]}",
        "{study!r}",
        "{0}",
        "..",
        "",
        "{nothing}",
        "a\\b",
        "/tmp/x",
        ".x",
    ],
)
def test_templates_that_could_lead_elsewhere_are_refused(template: str) -> None:
    with pytest.raises(SettingsError, match="the name"):
        check_template(template, ("study",))


@given(
    st.text(),
    st.integers(1, 99_999),
    st.sampled_from(["{study}", "{row:04}-{label}", "x{study}y", "{study}.{row}"]),
)
def test_a_row_never_writes_outside_its_batchs_folder(value: str, row: int, template: str) -> None:
    try:
        name = fill(template, row, {"study": value})
    except ValueError:
        return  # refused, which is a row's problem
    assert name not in ("", ".", "..")
    assert Path("/batch", name).parent == Path("/batch")
    assert name == Path(name).name
    assert all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in name)


@pytest.mark.parametrize("value", ["../../etc/passwd", "a/b", "c:\\x", "..", "x\0y"])
def test_values_that_could_lead_elsewhere_are_a_rows_problem(value: str, notebook: Path) -> None:
    assert "would lead out of the folder" in problems([{"study": value}], notebook, name="{study}")[0]


def test_two_rows_never_write_the_same_name_even_where_case_does_not_count(notebook: Path) -> None:
    rows = [{"study": "gse1"}, {"study": "GSE1"}]
    told = problems(rows, notebook, name="{study}")
    assert told == ["row 2: would write 'GSE1', which row 1 writes; put {row:04} into the template of names"]


def test_names_of_devices_are_stepped_aside() -> None:
    assert fill("{study}", 1, {"study": "CON"}) == "_CON"


def test_nothing_runs_until_the_table_is_right_or_bad_rows_are_skipped(
    tmp_path: Path, notebook: Path
) -> None:
    rows = [{"study": "GSE1"}, {"limit": "x"}]
    with pytest.raises(TableError, match="2 rows for typed.ipynb, 1 of them cannot run"):
        start_batch(rows, notebook, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [row.row for row in check_batch(rows, notebook).require(skip_invalid=True)] == [1]


def test_an_empty_table_and_no_good_row_are_errors(notebook: Path) -> None:
    with pytest.raises(TableError, match="there is no row below the header"):
        check_batch([], notebook).require(skip_invalid=True)
    with pytest.raises(TableError, match="1 problem"):
        check_batch([{"limit": "x"}], notebook).require(skip_invalid=True)


@pytest.mark.parametrize("name", ["differential_expression", "counts"])
def test_a_contrast_in_a_table_reaches_the_other_notebooks_as_three_texts(tmp_path: Path, name: str) -> None:
    table = tmp_path / "studies.csv"
    table.write_text("contrast,#for\nagent; vemurafenib; vehicle,ana\n")
    checked = check_batch(table, ROOT / "notebooks" / f"{name}.ipynb", look=False)
    assert [row.parameters for row in checked.require()] == [
        {"contrast": ["agent", "vemurafenib", "vehicle"]}
    ]


def test_flows_declare_their_inputs_and_types() -> None:
    checked = check_batch(
        [{"accession": "GSE1", "contrast": ["a", "b", "c"]}, {"platform": "GPL1"}],
        flow="quick_report",
        look=False,
    )
    assert [str(problem) for problem in checked.problems] == [
        "row 2, column 'accession': is missing; quick_report cannot do without"
    ]
    told = check_batch([{"question": "x", "limit": "many"}], flow="full_analysis").problems
    assert "a whole number would be right" in str(told[0])
    with pytest.raises(FlowError, match="no flow 'nothing'"):
        check_batch([{}], flow="nothing")


def test_secrets_are_read_where_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICS_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_KEY", "hush")
    assert secret("secret:LAB_KEY") == "hush"
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "OTHER").write_text("quiet\n")
    (folder / "OTHER").chmod(0o644)
    if os.name == "posix":
        with pytest.raises(SettingsError, match="others may read the secret"):
            secret("secret:OTHER")
    (folder / "OTHER").chmod(0o600)
    assert secret("secret:OTHER") == "quiet"
    with pytest.raises(SettingsError, match="referred to as secret:NAME"):
        secret("secret:../../etc/passwd")


def test_problems_show_as_a_table_whose_text_is_escaped(notebook: Path) -> None:
    html = check_batch([{"<b>": 1, "limit": "<i>"}], notebook)._repr_html_()
    assert "<b>" not in html
    assert "&lt;i&gt;" in html
