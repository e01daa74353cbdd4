from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import FormatError, IntegrityError
from omics_nb.geo.series_matrix import (
    SeriesMatrix,
    parse_series_matrix,
    read_series_header,
    read_series_matrix,
)

MATRIX = """!Series_title\t"A study"
!Series_geo_accession\t"GSE1"
!Series_sample_id\t"GSM1 GSM2 "
!Series_platform_id\t"GPL1"
!Series_platform_id\t"GPL2"

!Sample_title\t"one"\t"two"
!Sample_geo_accession\t"GSM1"\t"GSM2"
!Sample_characteristics_ch1\t"age: 3"\t"sex: F"
!Sample_characteristics_ch1\t"sex: M"\t""
!Sample_platform_id\t"GPL2"\t"GPL2"
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"
"001"\t1.25\tnull
"1E5"\t\t-3e-5
!series_matrix_table_end
"""


def parse(text: str) -> SeriesMatrix:
    return parse_series_matrix(text.encode(), "GSE1_series_matrix.txt")


def test_header_samples_and_values_are_read() -> None:
    found = parse(MATRIX)
    assert found.accession == "GSE1"
    assert found.metadata["platform_id"] == ("GPL1", "GPL2")
    assert found.metadata["sample_id"] == ("GSM1 GSM2",)
    assert found.samples["GSM1"]["characteristics_ch1"] == ("age: 3", "sex: M")
    assert found.values.index.tolist() == ["001", "1E5"]
    assert found.values.columns.tolist() == ["GSM1", "GSM2"]
    np.testing.assert_array_equal(found.values.to_numpy(), [[1.25, np.nan], [np.nan, -3e-5]])
    assert not found.notes


def test_the_platform_is_that_of_the_samples() -> None:
    assert parse(MATRIX).platform == "GPL2"
    with pytest.raises(FormatError, match="name GPL1, GPL2"):
        parse(MATRIX.replace('"GPL2"\t"GPL2"', '"GPL1"\t"GPL2"'))


@pytest.mark.parametrize("lost", ["!series_matrix_table_end\n", '"1E5"\t\t-3e-5\n!series_matrix_table_end\n'])
def test_a_matrix_without_its_end_is_cut_off(lost: str) -> None:
    with pytest.raises(
        IntegrityError, match=r"its table, which begins in line 13, has no !series_matrix_table_end"
    ) as caught:
        parse(MATRIX.removesuffix(lost))
    assert caught.value.line == 13


def test_a_matrix_cut_off_in_its_header_says_so() -> None:
    with pytest.raises(IntegrityError, match="has no !series_matrix_table_begin"):
        parse(MATRIX[:200])


def test_what_is_no_matrix_says_so() -> None:
    with pytest.raises(FormatError, match="is no series matrix"):
        parse("ID\tGSM1\na\t1\n!series_matrix_table_begin\n")


def test_an_empty_table_is_no_error() -> None:
    found = parse("".join(line for line in MATRIX.splitlines(True) if not line.startswith(('"001', '"1E5'))))
    assert found.values.shape == (0, 2)
    assert not found.has_values
    found = parse(MATRIX[: MATRIX.index('"ID_REF"')] + "!series_matrix_table_end\n")
    assert found.values.shape == (0, 0)
    assert list(found.samples) == ["GSM1", "GSM2"]


def test_a_row_with_too_few_cells_is_left_out_and_said() -> None:
    found = parse(MATRIX.replace('"one"\t"two"', '"one"'))
    assert "title" not in found.samples["GSM1"]
    assert found.notes == ("GSE1_series_matrix.txt, line 7: title was left out: 1 cells for 2 samples",)


def test_a_column_of_an_undescribed_sample_is_kept_and_said() -> None:
    found = parse(MATRIX.replace('"ID_REF"\t"GSM1"\t"GSM2"', '"ID_REF"\t"GSM1"\t"GSM9"'))
    assert list(found.samples) == ["GSM1", "GSM2", "GSM9"]
    assert "sample GSM9 has a column of values and no description" in found.notes[0]


def test_repeated_identifiers_are_kept_and_said() -> None:
    found = parse(MATRIX.replace('"1E5"', '"001"'))
    assert found.values.index.tolist() == ["001", "001"]
    assert found.notes == (
        "GSE1_series_matrix.txt: 1 rows have an identifier that occurred before, the first is '001'",
    )


def test_two_columns_of_one_sample_are_refused() -> None:
    with pytest.raises(FormatError, match="more than one column of GSM1"):
        parse(MATRIX.replace('"ID_REF"\t"GSM1"\t"GSM2"', '"ID_REF"\t"GSM1"\t"GSM1"'))


@pytest.mark.parametrize("place", ['"ID_REF"', '"1E5"', "!series_matrix_table_end"])
def test_a_second_begin_inside_a_table_is_refused(place: str) -> None:
    with pytest.raises(FormatError, match="stands twice before the end of its table"):
        parse(MATRIX.replace(place, f"!series_matrix_table_begin\n{place}"))


@pytest.mark.parametrize("end", ["!series_matrix_table_end", "!Series_Matrix_Table_End "])
def test_what_stands_after_the_end_is_left_out_and_said(end: str) -> None:
    table = MATRIX[MATRIX.index("!series_matrix_table_begin") :]
    found = parse((MATRIX + "\n" + table).replace("!series_matrix_table_end", end))
    assert found.values.index.tolist() == ["001", "1E5"]
    assert "bytes stand after the end of its table, and were left out" in found.notes[0]
    assert not parse(MATRIX + "\n \n").notes


def test_row_names_that_are_not_utf8_are_read_and_noted() -> None:
    found = parse_series_matrix(MATRIX.replace('"001"', '"5µ"').encode("latin-1"), "made.txt")
    assert found.values.index.tolist() == ["5µ", "1E5"]
    assert found.notes == ("made.txt: some row names are not UTF-8 and were read as cp1252",)


def test_rows_that_begin_with_a_mark_stay_in_the_table() -> None:
    found = parse(MATRIX.replace('"001"', "!series_matrix_table_endings").replace('"1E5"', "#1"))
    assert found.values.index.tolist() == ["!series_matrix_table_endings", "#1"]


def test_windows_lines_and_other_bytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "GSE1_series_matrix.txt.gz"
    path.write_bytes(
        gzip.compress(MATRIX.replace("A study", "Étude").replace("\n", "\r\n").encode("latin-1"))
    )
    found = read_series_matrix(path)
    assert found.metadata["title"] == ("Étude",)
    assert found.values.shape == (2, 2)
    assert "not UTF-8 and were read as cp1252, the first is line 1" in found.notes[0]


def test_the_header_alone_says_what_the_whole_does(shared: Path) -> None:
    for path in sorted((shared / "geo/series").rglob("*_series_matrix.txt.gz")):
        head, whole = read_series_header(path), read_series_matrix(path)
        assert head.metadata == whole.metadata
        assert head.samples == whole.samples
        assert head.platform == whole.platform
        assert head.has_values == whole.has_values == bool(len(whole.values))
        assert not len(head.values)


@pytest.mark.parametrize(
    ("name", "platform", "shape"),
    [
        ("GSE42nnn/GSE42872/matrix/GSE42872", "GPL6244", (33297, 6)),
        ("GSE4nnn/GSE4107/matrix/GSE4107", "GPL570", (54675, 22)),
        ("GSE14nnn/GSE14520/matrix/GSE14520-GPL571", "GPL571", (22268, 43)),
        ("GSE99nnn/GSE99709/matrix/GSE99709", "GPL17021", (0, 12)),
    ],
)
def test_real_matrices_are_read_whole(shared: Path, name: str, platform: str, shape: tuple[int, int]) -> None:
    path = shared / f"geo/series/{name}_series_matrix.txt.gz"
    found = read_series_matrix(path)
    assert found.platform == platform
    assert found.values.shape == shape
    assert not found.notes
    rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    rows = [row for row in rows if len(row) == shape[1] + 1 and not row[0].startswith(("!", '"ID_REF"'))]
    assert found.values.index.tolist() == [row[0].strip('"') for row in rows]
    assert found.values.to_numpy().tolist() == [[float(cell) for cell in row[1:]] for row in rows]


name = st.text(
    st.characters(exclude_characters='\t\r\n"', exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8
)
number = st.floats(allow_infinity=False)


@settings(max_examples=100)
@given(st.lists(name, min_size=1, max_size=4, unique=True), st.data())
def test_what_is_written_as_a_matrix_is_read_back(titles: list[str], data: st.DataObject) -> None:
    n = len(titles)
    rows = data.draw(st.lists(st.tuples(name, st.lists(number, min_size=n, max_size=n)), max_size=8))
    accessions = [f"GSM{place}" for place in range(n)]
    lines = ['!Series_title\t"T"', "!Sample_title\t" + "\t".join(f'"{title}"' for title in titles)]
    lines += ["!Sample_geo_accession\t" + "\t".join(f'"{accession}"' for accession in accessions)]
    lines += ["!series_matrix_table_begin", "\t".join(f'"{text}"' for text in ["ID_REF", *accessions])]
    lines += [
        "\t".join([f'"{row}"', *("" if np.isnan(v) else repr(v) for v in values)]) for row, values in rows
    ]
    found = parse("\n".join([*lines, "!series_matrix_table_end", ""]))
    assert [sample["title"][0] for sample in found.samples.values()] == [title.strip() for title in titles]
    assert found.values.index.tolist() == [row for row, _ in rows]
    np.testing.assert_array_equal(
        found.values.to_numpy().reshape(len(rows), n), np.array([v for _, v in rows]).reshape(-1, n)
    )
