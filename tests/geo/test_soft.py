from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import FormatError, IntegrityError
from omics_nb.geo.soft import Family, parse_family, read_family
from omics_nb.geo.tables import read_numbers, read_texts
from omics_nb.geo.values import family_matrix

FAMILY = """^DATABASE = GeoMiame
!Database_name = Gene Expression Omnibus (GEO)
^SERIES = GSE1
!Series_title = A = B, and more
!Series_sample_id = GSM1
!Series_sample_id = GSM2
^PLATFORM = GPL1
#ID = identifier
#Gene Symbol = the gene
!platform_table_begin
ID\tGene Symbol
001\tMARCH1
1E5\t
!platform_table_end
^SAMPLE = GSM1
!Sample_platform_id = GPL1
!sample_table_begin
ID_REF\tVALUE\tABS_CALL
001\t1.5\tP
1E5\tnull\tA
!sample_table_end
^SAMPLE = GSM2
!Sample_platform_id = GPL1
!sample_table_begin
ID_REF\tVALUE\tABS_CALL
001\t2.5\tP
1E5\t3\tA
!sample_table_end
"""


def parse(text: str) -> Family:
    return parse_family(text.encode(), "made.soft")


def test_entities_attributes_and_tables_are_found() -> None:
    family = parse(FAMILY)
    assert list(family.samples) == ["GSM1", "GSM2"]
    assert family.series["GSE1"].all("sample_id") == ("GSM1", "GSM2")
    assert family.series["GSE1"].first("title") == "A = B, and more"
    assert family.platforms["GPL1"].columns == [("ID", "identifier"), ("Gene Symbol", "the gene")]
    frame, _ = read_texts(family.platforms["GPL1"].table)
    assert frame.to_numpy().tolist() == [["001", "MARCH1"], ["1E5", ""]]
    matrix, notes = family_matrix(list(family.samples.values()))
    assert matrix.index.tolist() == ["001", "1E5"]
    np.testing.assert_array_equal(matrix.to_numpy(), [[1.5, 2.5], [np.nan, 3]])
    assert not notes
    assert not family.notes


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_entity_lines_and_markers_may_be_in_any_case(change) -> None:  # type: ignore[no-untyped-def]
    text = "\n".join(
        change(line.split("=")[0]) + line[len(line.split("=")[0]) :] if line[:1] in "^!" else line
        for line in FAMILY.split("\n")
    )
    family = parse(text)
    assert list(family.samples) == ["GSM1", "GSM2"]
    assert family.samples["GSM2"].first("platform_id") == "GPL1"
    assert family_matrix(list(family.samples.values()))[0].shape == (2, 2)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str) -> None:
    path = tmp_path / "GSE1_family.soft.gz"
    path.write_bytes(gzip.compress(FAMILY.replace("\n", end).encode()))
    family = read_family(path)
    assert family_matrix(list(family.samples.values()))[0].shape == (2, 2)


def test_rows_that_begin_with_a_mark_stay_in_the_table() -> None:
    family = parse(FAMILY.replace("001\t1.5\tP", "!001\t1.5\tP\n#x\t7\tP\n^y\t8\tP"))
    assert read_numbers(family.samples["GSM1"].table, [1]).names() == ["!001", "#x", "^y", "1E5"]
    assert set(family.samples["GSM1"].attributes) == {"platform_id"}


def test_a_table_that_never_ends_is_a_file_cut_off() -> None:
    with pytest.raises(IntegrityError, match=r"table of GSM2, which begins in line 24, has no end") as caught:
        parse(FAMILY[: FAMILY.rindex("1E5")])
    assert caught.value.line == 24
    assert caught.value.accession == "GSM2"


def test_a_table_without_an_end_stops_at_the_next_entity_and_says_so() -> None:
    family = parse(FAMILY.replace("!sample_table_end\n", "", 1))
    assert len(read_numbers(family.samples["GSM1"].table, [1]).names()) == 2
    assert list(family.samples) == ["GSM1", "GSM2"]
    assert "the sample table of GSM1, which begins in line 17, has no end" in family.notes[0]


def test_of_two_tables_the_first_with_rows_is_kept() -> None:
    second = "!sample_table_begin\nID_REF\tVALUE\nz\t9\n!sample_table_end\n"
    family = parse(FAMILY + second)
    assert read_numbers(family.samples["GSM2"].table, [1]).names() == ["001", "1E5"]
    assert "GSM2 has a second table in line 30; the first, in line 25, was kept" in family.notes[0]
    empty = "!sample_table_begin\nID_REF\tVALUE\n!sample_table_end\n"
    family = parse(FAMILY.replace("!sample_table_begin", empty + "!sample_table_begin", 1))
    assert read_numbers(family.samples["GSM1"].table, [1]).names() == ["001", "1E5"]


def test_a_begin_inside_a_table_ends_the_one_before() -> None:
    family = parse(
        FAMILY.replace("1E5\tnull\tA\n", "!sample_table_begin\nID_REF\tVALUE\tABS_CALL\n1E5\t4\tA\n")
    )
    assert read_numbers(family.samples["GSM1"].table, [1]).names() == ["001"]
    assert len(family.notes) == 2


def test_an_entity_that_comes_twice_is_said() -> None:
    family = parse(FAMILY + "^SAMPLE = GSM1\n!Sample_title = again\n!Sample_platform_id = GPL9\n")
    assert family.samples["GSM1"].all("platform_id") == ("GPL1",)
    assert family.samples["GSM1"].first("title") == "again"
    assert "sample GSM1 is described twice, in lines 15 and 29" in family.notes[0]


def test_a_dataset_in_two_parts_is_one() -> None:
    family = parse(
        "^DATASET = GDS1\n!dataset_title = T\n^SUBSET = GDS1_1\n!subset_sample_id = GSM1\n^DATASET = GDS1\n"
        "#GSM1 = Value for GSM1: a; src: b\n!dataset_table_begin\nID_REF\tIDENTIFIER\tGSM1\nx\tG\t1\n"
        "!dataset_table_end\n"
    )
    assert family.datasets["GDS1"].first("title") == "T"
    assert family.datasets["GDS1"].table is not None
    assert not family.notes


def test_a_table_without_begin_is_read_where_its_columns_were_described() -> None:
    family = parse("^SAMPLE=GSM1\n!Sample_title = T\n#ID_REF =\n#VALUE = v\nID_REF\tVALUE\na\t1\nb\t2\n")
    assert read_numbers(family.samples["GSM1"].table, [1]).names() == ["a", "b"]


def test_a_piece_of_a_line_is_put_to_the_attribute_before_it() -> None:
    family = parse("^SERIES = GSE1\n!Series_summary = first\nand the rest\n!Series_title = T\n")
    assert family.series["GSE1"].first("summary") == "first and the rest"
    assert "line 3: begins with none of ^ ! #" in family.notes[0]


def test_a_table_without_a_beginning_or_columns_is_one_note() -> None:
    rows = "".join(f"p{row}\t1.5\n" for row in range(100_000))
    family = parse(f"^SAMPLE = GSM1\n!Sample_title = T\n{rows}!Sample_title = U\n^SAMPLE = GSM2\n")
    (note,) = family.notes
    assert "line 3: begins with none of ^ ! # and stands in no table, as do 99,999 lines after it" in note
    first, second = family.samples["GSM1"].all("title")
    assert (first[:9], first[-10:], second) == ("T p0\t1.5 ", "p99999\t1.5", "U")


def test_bytes_that_are_not_utf8_are_read_and_noted() -> None:
    family = parse_family(b"^SERIES = GSE1\n!Series_title = 10 \xb5M\n", "made.soft")
    assert family.series["GSE1"].first("title") == "10 µM"
    assert family.notes == (
        "made.soft: some lines are not UTF-8 and were read as cp1252, the first is line 2",
    )


@pytest.mark.parametrize("text", ["hello", "\x00\x01", "{}", "!just = attributes\n", "ID\tVALUE\n"])
def test_what_is_no_soft_says_so(text: str) -> None:
    with pytest.raises(FormatError, match=r"made\.soft is not SOFT"):
        parse(text)


def test_text_before_the_first_entity_has_its_line_in_the_error() -> None:
    with pytest.raises(FormatError, match=r"made\.soft, line 2: expected '\^'"):
        parse("!x = 1\nstray\n^SERIES = GSE1\n")


def test_metadata_alone_has_no_tables(shared: Path) -> None:
    path = shared / "geo/series/GSE1nnn/GSE1623/soft/GSE1623_family.soft.gz"
    family = read_family(path, tables=False)
    assert len(family.samples) == 8
    assert all(sample.table is None for sample in family.samples.values())


def test_samples_are_matched_by_identifier_and_its_occurrence() -> None:
    text = FAMILY.replace("001\t2.5\tP\n1E5\t3\tA", "1E5\t3\tA\nnew\t4\tP\n001\t2.5\tP\n001\t9\tP")
    matrix, notes = family_matrix(list(parse(text).samples.values()))
    assert matrix.index.tolist() == ["001", "1E5", "new", "001"]
    np.testing.assert_array_equal(matrix["GSM1"], [1.5, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(matrix["GSM2"], [2.5, 3, 4, 9])
    assert any("matched by identifier" in note for note in notes)
    assert any("occurred before, the first is '001'" in note for note in notes)


def test_samples_without_values_are_named() -> None:
    text = FAMILY.replace("001\t2.5\tP\n1E5\t3\tA\n", "")
    _, notes = family_matrix(list(parse(text).samples.values()))
    assert notes == ("1 of 2 samples have an empty table: GSM2",)
    text = FAMILY.replace("ID_REF\tVALUE\tABS_CALL", "ID_REF\tCOUNT\tABS_CALL", 1)
    assert "GSM1 (has ID_REF, COUNT, ABS_CALL)" in family_matrix(list(parse(text).samples.values()))[1][0]


def test_of_two_value_columns_the_first_is_taken_and_that_is_said() -> None:
    text = FAMILY.replace("VALUE\tABS_CALL", "VALUE\tVALUE").replace("\tP", "\t7").replace("\tA", "\t8")
    matrix, notes = family_matrix(list(parse(text).samples.values()))
    assert matrix["GSM2"].tolist() == [2.5, 3]
    assert notes == ("2 of 2 samples have several columns VALUE, of which the first was taken: GSM1, GSM2",)


@pytest.mark.parametrize("header", ["VALUE\tVALUE", "VALUE\tGSM1", "VALUE"])
def test_values_that_nothing_names_are_no_matrix(header: str) -> None:
    """What names the rows would be read as numbers of which no one knows what they are."""
    row = "\t".join("12"[: header.count("\t") + 1])
    text = "^SAMPLE = GSM1\n!sample_table_begin\n" + "\n".join([header, row, row, "!sample_table_end", ""])
    matrix, notes = family_matrix(list(parse(text).samples.values()))
    assert matrix.empty
    assert "a table without identifiers or a column VALUE, and were left out: GSM1" in notes[0]


def test_fewer_rows_than_declared_are_said() -> None:
    text = FAMILY.replace(
        "!Sample_platform_id = GPL1", "!Sample_platform_id = GPL1\n!Sample_data_row_count = 3", 1
    )
    _, notes = family_matrix(list(parse(text).samples.values()))
    assert notes == ("1 of 2 samples have another number of rows than they declare: GSM1 (2 of 3)",)


line = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=15).map(
    str.strip
)
cell = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1, max_size=6)
value = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.lists(line, min_size=1, max_size=3), max_size=4
    ),
    st.lists(st.lists(st.tuples(cell, value), max_size=5), min_size=1, max_size=4),
)
def test_what_is_written_as_soft_is_read_back(
    attributes: dict[str, list[str]], tables: list[list[tuple[str, float]]]
) -> None:
    lines = ["^SERIES = GSE1"] + [
        f"!Series_{name} = {text}" for name, texts in attributes.items() for text in texts
    ]
    for number, rows in enumerate(tables):
        lines += [f"^SAMPLE = GSM{number}", "!sample_table_begin", "ID_REF\tVALUE"]
        lines += [
            f"{name}\t{number!r}"
            for name, number in rows
            if not name.lower().startswith(("!sample_table", "^"))
        ]
        lines += ["!sample_table_end"]
    family = parse_family("\n".join(lines).encode(), "written.soft")
    assert family.series["GSE1"].attributes == attributes
    for number, rows in enumerate(tables):
        kept = [row for row in rows if not row[0].lower().startswith(("!sample_table", "^"))]
        found = read_numbers(family.samples[f"GSM{number}"].table, [1])
        assert list(zip(found.names(), found.values[:, 0].tolist(), strict=True)) == kept
