"""What is written can be read back: whole, faithful, and only complete files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.errors import DataError
from omics_nb.reporting import table_csv
from omics_nb.reporting.export import plain, report_json, write_together
from tests.example_values import values
from tests.reporting.test_report import report_of
from tests.test_display import HOSTILE

NUMBERS = ["logFC", "AveExpr", "t", "P.Value", "adj.P.Val", "B"]


def read_back(text: str) -> pd.DataFrame:
    """The table as a careful reader reads it: text as text, numbers to the last digit."""
    types = {"feature": str, "symbol": str}
    return pd.read_csv(
        io.StringIO(text), dtype=types, keep_default_na=False, na_values=dict.fromkeys(NUMBERS, "NA"),
        float_precision="round_trip", index_col="feature",
    )  # fmt: skip


def test_csv_gives_the_table_back_to_the_last_bit() -> None:
    result = values(synthetic=False).result
    table = result.table.copy()
    table.iloc[3, 1:] = np.nan
    table.iloc[4, 1] = 0.1 + 0.2
    again = read_back(table_csv(replace(result, table=table)))
    assert list(again.columns) == ["symbol", *NUMBERS, "source"]
    assert list(again.index) == list(table.index)
    assert again["symbol"].tolist() == table["symbol"].tolist()
    np.testing.assert_array_equal(again[NUMBERS].to_numpy(), table[NUMBERS].to_numpy())


@pytest.mark.parametrize(
    "name", [*(text for text in HOSTILE if "\ud800" not in text), "NA", "", "a\rb", 'a"b,c\nd', "1e5"]
)
def test_csv_keeps_names_as_they_are_in_the_file(name: str) -> None:
    result = values(synthetic=False).result
    table = result.table.assign(symbol=name).rename(index={result.table.index[0]: name})
    text = table_csv(replace(result, table=table))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1][0] == name
    assert rows[1][1] == name
    assert len(rows) == len(table) + 1


def test_rows_carry_their_source_and_synthetic_ones_the_mark() -> None:
    result = values(synthetic=True).result
    again = read_back(table_csv(result))
    assert list(again.columns[-2:]) == ["source", "synthetic"]
    assert set(again["source"]) == {"demo"}
    assert set(again["synthetic"].astype(str)) == {"True"}
    assert list(result.table.columns) == ["symbol", *NUMBERS]
    real = table_csv(values(source="mirror:/data, geo", synthetic=False).result)
    assert set(read_back(real)["source"]) == {"mirror:/data, geo"}
    assert "synthetic" not in real


def test_json_holds_everything_and_reads_back_the_same() -> None:
    of = values()
    report = report_of(of, notes=("chosen by hand",))
    read = json.loads(report_json(report), parse_constant=pytest.fail)
    assert read["format"] == "omics_nb report"
    assert read["synthetic"] is True
    assert read["source"] == "demo"
    assert read["question"] == of.query.text
    assert read["reading"] == list(of.query.explanation)
    assert read["notes"] == ["chosen by hand"]
    assert [hit["accession"] for hit in read["hits"]["hits"]] == [hit.accession for hit in of.hits]
    assert read["study"]["files"][0]["sha256"] == "0f" * 32
    assert read["study"]["matrices"] == {"GPL6244": {"features": 60, "samples": 6}}
    assert read["study"]["samples"]["columns"]["agent"] == of.study.samples["agent"].tolist()
    assert read["result"]["contrast"] == {"factor": "agent", "tested": "vemurafenib", "reference": "vehicle"}
    assert read["figures"][0]["text"] == of.figure.text
    table = pd.DataFrame(read["result"]["table"]["columns"], index=read["result"]["table"]["index"])
    pd.testing.assert_frame_equal(table, of.result.table, check_exact=True, check_dtype=False)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_json_keeps_every_text_as_it_is(hostile: str) -> None:
    of = values(lambda _: hostile)
    text = report_json(report_of(of))
    assert text.isascii()
    read = json.loads(text)
    assert read["study"]["title"] == hostile
    assert set(read["result"]["table"]["columns"]["symbol"]) == {hostile}


def test_numbers_that_json_lacks_are_null_or_named() -> None:
    assert plain([float("nan"), float("inf"), -float("inf")]) == [None, "Infinity", "-Infinity"]
    assert plain(np.array([0.5, np.nan])) == [0.5, None]
    assert plain((np.float64(0.5), np.int64(3), np.bool_(True))) == [0.5, 3, True]


ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


@given(st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_values_pass_through_unchanged(value: object) -> None:
    assert json.loads(json.dumps(plain(value))) == value


def test_save_writes_page_json_and_csv_side_by_side(tmp_path: Path) -> None:
    report = report_of(values())
    saved = report.save(tmp_path / "new" / "GSE42872.html")
    assert sorted(path.name for path in saved.html.parent.iterdir()) == [
        "GSE42872.csv",
        "GSE42872.html",
        "GSE42872.json",
    ]
    assert saved.html.read_text(encoding="utf-8") == report.to_html()
    assert json.loads(saved.json.read_text())["title"] == report.title
    assert saved.csv.read_text(encoding="utf-8") == table_csv(report.result)
    assert str(saved) == str(saved.html)


def test_save_replaces_an_older_report(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert report_of(values()).save(str(path)).html.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["report", "report.docx", "report.html.bak", "GSE1.2"])
def test_save_takes_the_names_of_its_formats_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"saved as \.html, \.pdf, \.md, \.ipynb, \.json, \.csv, \.xlsx"):
        report_of(values()).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_study_whose_names_no_file_can_hold_is_still_written(tmp_path: Path) -> None:
    saved = report_of(values(lambda _: "half \ud800")).save(tmp_path / "x.html")
    assert json.loads(saved.json.read_text())["study"]["title"] == "half \ud800"


def test_when_one_file_cannot_be_written_none_is_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_together({tmp_path / "a.csv": "a", tmp_path / "file" / "b.json": "b"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_target_that_is_a_folder_leaves_all_as_it_was_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("before")
    (tmp_path / "c.html").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*/c\.html: ") as caught:
        write_together({tmp_path / "a.csv": "a", tmp_path / "b.json": "b", tmp_path / "c.html": "c"})
    assert caught.value.facts["path"] == str(tmp_path / "c.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "c.html"]
    assert (tmp_path / "a.csv").read_text() == "before"


def test_a_name_too_long_for_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*x\.csv: "):
        write_together({tmp_path / f"{'x' * 300}.csv": "a"})
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_json_is_named() -> None:
    with pytest.raises(DataError, match="a object cannot be written as JSON"):
        plain({"x": object()})
