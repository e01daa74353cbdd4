from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import FormatError
from omics_nb.geo import tables
from omics_nb.geo.readers import MISSING, Wanted, slow_numbers
from omics_nb.geo.tables import Block, read_numbers, read_texts

IDENTIFIERS = [
    "001",
    "1E5",
    "NA",
    "null",
    "MARCH1",
    "True",
    "nan",
    "1.0",
    "+5",
    "!odd",
    "#odd",
    "a b",
    " x",
    '"q"',
    "10",
]


def block(rows: Sequence[Sequence[str]], *, width: int | None = None, quoted: bool = False) -> Block:
    text = "".join("\t".join(row) + "\n" for row in rows)
    header = tuple(f"c{n}" for n in range(width or len(rows[0])))
    return Block(header, text.encode(), "made.txt", b"!line\n", quoted=quoted)


def test_identifiers_stay_as_they_are() -> None:
    found = read_numbers(block([[name, "1"] for name in IDENTIFIERS]), [1])
    assert found.names() == IDENTIFIERS
    frame, notes = read_texts(block([[name, "NA"] for name in IDENTIFIERS]))
    assert frame["c0"].tolist() == IDENTIFIERS
    assert frame["c1"].tolist() == ["NA"] * len(IDENTIFIERS)
    assert not notes


@pytest.mark.parametrize("token", MISSING)
def test_missing_tokens_are_missing_in_values_and_silent(token: str) -> None:
    found = read_numbers(block([["a", token], ["b", "1"]]), [1])
    assert np.isnan(found.values[0, 0])
    assert found.values[1, 0] == 1
    assert not found.notes


def test_text_among_numbers_is_missing_and_counted_with_its_line() -> None:
    found = read_numbers(block([["a", "1"], ["b", "1,5"], ["c", "low"]]), [1])
    assert np.isnan(found.values[1:, 0]).all()
    assert found.notes == (
        "made.txt: 2 cells hold text where a number should be, and were read as missing, the first in line 4: '1,5'",
    )


@pytest.mark.parametrize("text", ["1_0", "0x10", "1e", "--1", "1 2", "٣", "1d5", "TRUE"])
def test_what_only_some_languages_take_for_a_number_is_none(text: str) -> None:
    assert np.isnan(read_numbers(block([["a", text]]), [1]).values[0, 0])


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2147483648"], "int32"),
        (["1", "9007199254740993"], "int64"),
        (["1", "2.5"], "float64"),
        (["1", "NA"], "float64"),
        (["1", "0x10"], "float64"),
    ],
)
def test_whole_numbers_are_exact_where_all_are_whole(cells: list[str], kind: str) -> None:
    found = read_numbers(block([[str(n), cell] for n, cell in enumerate(cells)]), [1], whole=True)
    assert found.values.dtype == kind
    if kind.startswith("int"):
        assert found.values[:, 0].tolist() == [int(cell) for cell in cells]


def test_infinite_values_are_kept_and_named() -> None:
    found = read_numbers(block([["a", "-Inf"], ["b", "1"]]), [1])
    assert found.values[0, 0] == -np.inf
    assert found.notes == ("made.txt: 1 values are infinite",)


def test_short_rows_end_in_missing_values_and_are_counted() -> None:
    found = read_numbers(block([["a", "1", "2"], ["b", "3"], ["c", "4", "5"]]), [1, 2])
    np.testing.assert_array_equal(found.values, [[1, 2], [3, np.nan], [4, 5]])
    assert found.notes == ("made.txt: 1 rows with fewer than 3 cells, the first in line 4: 'b'",)


def test_long_rows_have_no_values_for_none_can_be_placed() -> None:
    found = read_numbers(block([["a", "1", "2"], ["b", "3", "4", "5"], ["c", "6", "7", ""]]), [1, 2])
    np.testing.assert_array_equal(found.values, [[1, 2], [np.nan, np.nan], [6, 7]])
    assert found.notes == ("made.txt: 1 rows with more than 3 cells, the first in line 4: 'b'",)


def test_empty_lines_are_no_rows() -> None:
    found = read_numbers(Block(("id", "v"), b"\na\t1\n\nb\t2\n\n", "x"), [1])
    assert found.names() == ["a", "b"]


def test_quotes_around_cells_are_no_part_of_them() -> None:
    found = read_numbers(
        block([['"1007_s_at"', '"1.5"'], ['"5"-x"', "2"], ['"a ""b"" c"', "3"]], quoted=True), [1]
    )
    assert found.names() == ["1007_s_at", '5"-x', 'a "b" c']
    assert found.values[:, 0].tolist() == [1.5, 2, 3]


def test_bytes_that_are_not_utf8_are_read_and_named() -> None:
    odd = Block(("id", "text"), b"a\t5 \xb5m\nb\tx\n", "odd.txt")
    frame, notes = read_texts(odd)
    assert frame["text"].tolist() == ["5 µm", "x"]
    assert notes == ("odd.txt: 1 cells are not UTF-8 and were read as cp1252, the first in line 2: '5 µm'",)
    assert read_numbers(Block(("id", "v"), b"5\xb5\t1\n", "odd.txt"), [1]).names() == ["5µ"]


def test_a_name_may_begin_with_a_byte_order_mark() -> None:
    assert read_numbers(block([["\ufeffa", "1"]]), [1]).names() == ["\ufeffa"]


def test_columns_of_one_name_are_told_apart() -> None:
    assert tables.unique_names(["GO", "GO", "x", "GO", "GO.1"]) == ["GO", "GO.1", "x", "GO.2", "GO.1.1"]
    # Trying every number for every name would take minutes.
    assert tables.unique_names([""] * 100_000)[-1] == ".99999"


@pytest.mark.parametrize("columns", [[0], [0, 1], [1, 1]])
def test_a_column_that_is_wanted_twice_is_refused(columns: list[int]) -> None:
    with pytest.raises(ValueError, match="each may be there once"):
        read_numbers(Block(("A", "B"), b"1\t2\n", "made"), columns)


def test_an_unknown_column_says_which_there_are() -> None:
    with pytest.raises(FormatError, match=r"made\.txt, line 2: no column 'VALUE'; have c0, c1"):
        block([["a", "1"]]).column("VALUE")


def test_pieces_of_a_large_table_keep_their_order_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[f"id{n}", str(n), "x" if n == 700 else str(-n)] for n in range(1000)]
    whole = read_numbers(block(rows), [1, 2])
    monkeypatch.setattr(tables, "PIECE_BYTES", 100)
    cut = read_numbers(block(rows), [1, 2])
    assert cut.names() == whole.names() == [row[0] for row in rows]
    np.testing.assert_array_equal(cut.values, whole.values)
    assert cut.notes == whole.notes
    assert "line 703" in cut.notes[0]


@pytest.mark.parametrize("about_bytes", [0, 1, 20_000, 10**7])
def test_a_wrong_guess_at_the_size_costs_time_and_no_value(
    monkeypatch: pytest.MonkeyPatch, about_bytes: int
) -> None:
    monkeypatch.setattr(tables, "PIECE_BYTES", 100)
    rows = [[f"id{n}", str(n), str(-n)] for n in range(1000)]
    made = block(rows)
    found = read_numbers(
        made,
        [1, 2],
        pieces=tables.whole_rows([bytes(made.rows)[:50], bytes(made.rows)[50:]], 100),
        about_bytes=about_bytes,
    )
    assert found.values.tolist() == [[n, -n] for n in range(1000)]


@pytest.mark.parametrize(
    ("large", "kind"), [("7", "int32"), ("4294967296", "int64"), ("0.5", "float64"), ("", "float64")]
)
def test_a_later_piece_may_need_larger_numbers(
    monkeypatch: pytest.MonkeyPatch, large: str, kind: str
) -> None:
    monkeypatch.setattr(tables, "PIECE_BYTES", 100)
    cells = [str(n) for n in range(300)] + [large] + ["3"] * 50
    found = read_numbers(block([[f"id{n}", cell] for n, cell in enumerate(cells)]), [1], whole=True)
    assert found.values.dtype == kind
    np.testing.assert_array_equal(found.values[:, 0], [float(cell or "nan") for cell in cells])


@given(st.lists(st.text("ab\n", max_size=9)), st.integers(1, 20))
def test_whole_rows_are_the_text_cut_at_line_ends(texts: list[str], size: int) -> None:
    pieces = [text.encode() for text in texts]
    cut = list(tables.whole_rows(pieces, size))
    assert b"".join(cut) == b"".join(pieces)
    assert all(piece.endswith(b"\n") for piece in cut[:-1])
    assert all(cut)


numbers = st.floats(allow_nan=False, allow_infinity=False)
cells = st.one_of(
    numbers.map(repr),
    numbers.map(lambda value: f"{value:.17g}"),
    st.integers().map(str),
    st.sampled_from(
        [*MISSING, "Inf", "-inf", " 1", "2 ", "+3", ".5", "5.", "1e400", "1e-400", "1e5", "x", '"4"']
    ),
)
names = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=150)
@given(st.lists(st.tuples(names, cells, cells), min_size=1, max_size=20), st.booleans())
def test_both_readers_read_the_same(rows: list[tuple[str, str, str]], quoted: bool) -> None:
    made = block(rows, quoted=quoted)
    slow = slow_numbers(made.rows, Wanted(len(made.header), [1, 2], quoted=quoted))
    found = read_numbers(made, [1, 2])
    np.testing.assert_array_equal(found.values, slow.cells)
    if not quoted:
        assert found.names() == [name.decode() for name in slow.keys.to_pylist()]


@settings(max_examples=150)
@given(st.lists(st.tuples(names, st.binary(min_size=8, max_size=8)), min_size=1, max_size=20))
def test_values_are_exact_to_the_last_bit(rows: list[tuple[str, bytes]]) -> None:
    values = [struct.unpack("<d", raw)[0] for _, raw in rows]
    values = [value if np.isfinite(value) else 0.1 for value in values]
    for form in (repr, "{:.17g}".format, "{:.20e}".format):
        made = block([[name, form(value)] for (name, _), value in zip(rows, values, strict=True)])
        assert read_numbers(made, [1]).values[:, 0].tolist() == values


@given(st.lists(st.lists(names | st.just(""), min_size=3, max_size=3), min_size=1, max_size=20))
def test_text_comes_back_as_it_was_written(rows: list[list[str]]) -> None:
    frame, notes = read_texts(block(rows))
    assert frame.to_numpy().tolist() == rows
    assert not notes
