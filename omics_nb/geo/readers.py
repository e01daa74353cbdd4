"""Pieces of a table: whole rows of tab-separated text to the names of the rows and their cells.

Three readers do the same: a compiled one for pieces of numbers whose rows are all as they should be, pyarrow's
where there is none, and a slow one, row by row, for a piece where a row does not fit (ragged rows, stray text in a
column of numbers, bytes that are not UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from .files import BOM, decode
from .rows import compiled, line_ends, read_rows

#: What stands for a missing value in a column of numbers. In other columns these are text like any other.
MISSING = [
    "", "-", "--", ".", "?", "NA", "na", "N/A", "n/a", "#N/A", "#NA", "NaN", "nan", "NAN", "null",
    "Null", "NULL", "None", "none", "ND", "nd", "Undef", "undef", "\\N", "#DIV/0!", "#VALUE!", "#NUM!",
    "#REF!", "#NAME?", "#NULL!",
]  # fmt: skip
_MISSING = frozenset(token.encode() for token in MISSING)
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
# Those that are tried first: the more names there are to look for, the longer each cell takes.
_USUAL_MISSING = ["", "null", "NA"]
_MISSING_NAMES = "\t".join([*dict.fromkeys([*_USUAL_MISSING[1:], *MISSING]), ""]).encode()
Rows = bytes | memoryview


@dataclass(slots=True)
class Part:
    """A piece of a table, read: names and cells of its rows, its number of lines, and what did not fit in them.

    ``cells``: of numbers one array, rows × columns; of texts an array for each column.
    """

    keys: Any
    cells: Any
    n_lines: int
    n_bytes: int
    odd: list[tuple[str, int, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of rows of ``width`` cells: the cell ``key`` and those in ``columns``.

    With ``quoted``, cells may stand in double quotes, which then are not part of them.
    """

    width: int
    columns: Sequence[int]
    key: int = 0
    quoted: bool = False


def number_part(
    rows: Rows, wanted: Wanted, *, room: np.ndarray[Any, Any] | None = None, whole: bool = False
) -> Part:
    """Names and numbers of the rows; with ``whole`` int32 or int64 where all are whole, else float64.

    Numbers of the kind of ``room``, an array of as many rows as the text has lines, may be written there.
    """
    part = (
        _compiled_numbers(rows, wanted, room, whole=whole)
        or _arrow_numbers(rows, wanted, whole=whole)
        or slow_numbers(rows, wanted)
    )
    return replace(part, keys=_unquoted(part.keys)) if wanted.quoted else part


def text_part(rows: Rows, wanted: Wanted) -> Part:
    """The cells of the rows, each column an array of strings; no names."""
    table = _fast(rows, wanted.width, {str(place): pa.string() for place in wanted.columns})
    if table is None:
        return _slow_texts(rows, wanted)
    cells = [table[str(place)].combine_chunks() for place in wanted.columns]
    return Part(
        None, [_unquoted(cell) for cell in cells] if wanted.quoted else cells, _n_lines(rows), len(rows)
    )


def unended(rows: Rows) -> bool:
    """Whether there is a last line without its end."""
    return rows[-1:] != b"\n"


def _compiled_numbers(
    rows: Rows, wanted: Wanted, room: np.ndarray[Any, Any] | None, *, whole: bool
) -> Part | None:
    # A table of one column has rows that are empty cells.
    if not compiled() or wanted.width < 2:
        return None
    key, columns = wanted.key, wanted.columns
    n_lines = line_ends(rows) if room is None else len(room) - unended(rows)
    for kind in (np.int32, np.int64, np.float64) if whole else (np.float64,):
        if room is None or room.dtype != kind:
            cells = np.empty((n_lines + unended(rows), len(columns)), kind, order="F")
        else:
            cells = room
        names = read_rows(
            rows, wanted.width, key, columns, cells, quoted=wanted.quoted, missing=_MISSING_NAMES
        )
        if names is not None:
            return Part(names, cells[: len(names)], n_lines, len(rows))
    return None


def _arrow_numbers(rows: Rows, wanted: Wanted, *, whole: bool) -> Part | None:
    key, columns = wanted.key, wanted.columns
    kinds = [pa.float64()]
    # pyarrow reads 0x10 as a whole number.
    if whole and not any(mark in bytes(rows) for mark in (b"x", b"X")):
        kinds = [pa.int32(), pa.int64(), pa.float64()]
    for kind in kinds:
        table = _fast(rows, wanted.width, {str(place): kind for place in columns} | {str(key): pa.binary()})
        # A whole number cannot be missing.
        if table is not None and not (
            pa.types.is_integer(kind) and any(table[str(place)].null_count for place in columns)
        ):
            return _part(table, key, columns, rows)
    return None


def _part(table: Any, key: int, columns: Sequence[int], rows: Rows) -> Part:
    cells = np.empty((table.num_rows, len(columns)), order="F")
    if cells.size:
        # In Arrow's own code, so that other threads run meanwhile. Asked for NaN, it makes whole numbers float.
        (batch,) = table.select([str(place) for place in columns]).combine_chunks().to_batches()
        floats = pa.types.is_floating(batch.schema.types[0])
        cells = batch.to_tensor(null_to_nan=floats, row_major=False).to_numpy()
    return Part(table[str(key)].combine_chunks(), cells, _n_lines(rows), len(rows))


def _fast(rows: Rows, width: int, types: dict[str, Any]) -> Any:
    """The rows by pyarrow, or None where one does not fit."""
    # pyarrow would take a byte order mark off a name, and an empty cell for no row.
    if bytes(rows[:3]) == BOM or width < 2:
        return None
    names = [str(place) for place in range(width)]
    for missing in (_USUAL_MISSING, MISSING):
        try:
            return pyarrow.csv.read_csv(
                pa.py_buffer(rows),
                read_options=pyarrow.csv.ReadOptions(
                    column_names=names, use_threads=False, block_size=len(rows) + 1
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=missing,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            continue
    return None


def _n_lines(rows: Rows) -> int:
    # numpy lets other threads run meanwhile; bytes.count does not.
    return int(np.count_nonzero(np.frombuffer(rows, dtype=np.uint8) == ord("\n")))


def slow_numbers(rows: Rows, wanted: Wanted) -> Part:
    """As ``number_part``, by the reader that reads everything."""
    columns = wanted.columns
    names: list[bytes] = []
    values: list[list[float]] = []
    odd: list[tuple[str, int, bytes]] = []
    for line, cells, extra in _slow_rows(rows, wanted.width, odd):
        names.append(cells[wanted.key])
        row = (
            [np.nan] * len(columns)
            if extra
            else [_number(cells[place], line, wanted, odd) for place in columns]
        )
        values.append(row)
    table = np.asarray(values, dtype=np.float64, order="F").reshape(len(names), len(columns))
    return Part(pa.array(names, type=pa.binary()), table, _n_lines(rows), len(rows), odd)


def _slow_texts(rows: Rows, wanted: Wanted) -> Part:
    columns = wanted.columns
    texts: list[list[str]] = []
    odd: list[tuple[str, int, bytes]] = []
    for line, cells, _ in _slow_rows(rows, wanted.width, odd):
        row = []
        for place in columns:
            text, encoding = decode(unquote(cells[place]) if wanted.quoted else cells[place])
            if encoding != "utf-8":
                odd.append((f"cells are not UTF-8 and were read as {encoding}", line, cells[place]))
            row.append(text)
        texts.append(row)
    arrays = [pa.array([row[place] for row in texts], type=pa.string()) for place in range(len(columns))]
    return Part(None, arrays, _n_lines(rows), len(rows), odd)


def _slow_rows(
    rows: Rows, width: int, odd: list[tuple[str, int, bytes]]
) -> Iterator[tuple[int, list[bytes], bool]]:
    """Line, ``width`` cells, and whether the row had more of them than that; empty lines are no rows."""
    for line, row in enumerate(bytes(rows).split(b"\n")):
        if not row:
            continue
        cells = row.split(b"\t")
        extra = any(cell.strip() for cell in cells[width:])
        if extra:
            odd.append((f"rows with more than {width} cells", line, cells[0]))
        elif len(cells) < width:
            odd.append((f"rows with fewer than {width} cells", line, cells[0]))
        yield line, cells[:width] + [b""] * (width - len(cells)), extra


def _number(cell: bytes, line: int, wanted: Wanted, odd: list[tuple[str, int, bytes]]) -> float:
    if wanted.quoted:
        cell = unquote(cell.strip())
    if cell in _MISSING:
        return np.nan
    cell = cell.strip(b" ")
    if _NUMBER.fullmatch(cell):
        return float(cell)
    if cell not in _MISSING:
        odd.append(("cells hold text where a number should be, and were read as missing", line, cell))
    return np.nan


def _unquoted(array: Any) -> Any:
    """The cells of an array of text or bytes without the quotes around them."""
    cells = array.cast(pa.binary())
    opens = pc.starts_with(cells, b'"')
    if not pc.any(opens).as_py():
        return array
    usual = pc.and_(pc.and_(opens, pc.ends_with(cells, b'"')), pc.equal(pc.count_substring(cells, b'"'), 2))
    if pc.all(usual).as_py():
        return pc.binary_slice(cells, 1, -1).cast(array.type)
    return pa.array([unquote(cell) for cell in cells.to_pylist()], type=pa.binary()).cast(array.type)


def unquote(cell: bytes) -> bytes:
    """A cell without the double quotes around it. GEO does not double quotes inside; others do."""
    if len(cell) < 2 or not (cell.startswith(b'"') and cell.endswith(b'"')):
        return cell
    inner = cell[1:-1]
    return inner.replace(b'""', b'"') if b'"' not in inner.replace(b'""', b"") else inner
