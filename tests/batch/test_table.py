"""Tables as people write them: every format, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omics_nb.batch.table import Fault, read_table
from omics_nb.errors import FormatError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "study,limit,#who\r\nGSE1,20,ana\r\n\r\nGSE2,,bo\r\n"),
        ("t.csv", "study;limit;#who\nGSE1;20;ana\nGSE2;;bo\n"),
        ("t.tsv", "study\tlimit\t#who\nGSE1\t20\tana\nGSE2\t\tbo\n"),
        ("t.csv", "\ufeffstudy,limit,#who\nGSE1,20,ana\nGSE2, ,bo\n"),
    ],
)
def test_text_tables_say_the_same_however_they_are_written(tmp_path: Path, name: str, text: str) -> None:
    table = read_table(write(tmp_path / name, text))
    assert table.columns == ("study", "limit", "#who")
    assert [dict(row.cells) for row in table.rows] == [
        {"study": "GSE1", "limit": "20", "#who": "ana"},
        {"study": "GSE2", "#who": "bo"},
    ]
    assert table.loose


def test_rows_know_their_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", 'q,s\n"two\nlines",a\n\nx,b\n'))
    assert [(row.number, row.line) for row in table.rows] == [(1, 3), (2, 5)]


def test_a_row_with_too_many_cells_has_a_fault(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "q,s\na, b, c\nx,y\n"))
    assert "has 3 cells, and the header names 2" in table.rows[0].fault
    assert table.rows[1].fault == ""


def test_json_lines_keep_types(tmp_path: Path) -> None:
    table = read_table(
        write(
            tmp_path / "t.jsonl", '{"study": "001", "limit": 20, "contrast": ["a", "b"]}\n\n{"limit": null}\n'
        )
    )
    assert dict(table.rows[0].cells) == {"study": "001", "limit": 20, "contrast": ["a", "b"]}
    assert dict(table.rows[1].cells) == {}
    assert not table.loose


def test_a_workbook_keeps_numbers_and_names_formulas_without_values(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["study", "limit", "share"])
    book.active.append(["GSE1", 20, 0.5])
    book.active.append(["GSE2", "=1+1", None])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert dict(table.rows[0].cells) == {"study": "GSE1", "limit": 20, "share": 0.5}
    assert isinstance(table.rows[1].cells["limit"], Fault)


def test_a_frame_gives_plain_values_and_leaves_out_what_is_missing() -> None:
    frame = pd.DataFrame({"study": ["GSE1", None], "limit": np.array([20, 30]), "share": [0.5, np.nan]})
    first, second = read_table(frame).rows
    assert dict(first.cells) == {"study": "GSE1", "limit": 20, "share": 0.5}
    assert type(first.cells["limit"]) is int
    assert dict(second.cells) == {"limit": 30}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "a,a\n1,2\n", "line 1: two columns are named 'a'"),
        ("t.csv", "a,,b\n1,2,3\n", "line 1: expected names of columns"),
        ("t.csv", 'a,b\n"x,1\n', "cannot be read as a table"),
        ("t.jsonl", '{"a": 1}\n[1]\n', "line 2: expected a JSON object"),
        ("t.jsonl", '{"a": NaN}\n', "line 1: .*NaN is no JSON value"),
        ("t.jsonl", '{"a": 1, "a": 2}\n', "the name 'a' is there twice"),
        ("t.xlsx", "no workbook", "is no workbook that can be read"),
        ("t.yaml", "a: 1", "a table is one of .csv"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read_table(write(tmp_path / name, text))
