"""Tables of tab-separated text, read without guessing.

Identifiers stay the strings that they are (``001``, ``1E5``, ``NA``, ``MARCH1``, ``True``). Numbers are exact
to the last bit. What is missing is an explicit list; anything else that is no number is missing too, but
counted.

Three readers do the same: a compiled one for pieces of numbers whose rows are all as they should be, pyarrow's
where there is none, and a slow one, row by row, for a piece where a row does not fit (ragged rows, stray text in a
column of numbers, bytes that are not UTF-8).
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..errors import FormatError
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
# How much text is parsed at a time: enough to outweigh the start, little enough to share among threads.
PIECE_BYTES = 4 << 20
_WORKERS = min(4, os.cpu_count() or 1)
_Rows = bytes | memoryview
_Piece = TypeVar("_Piece")


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of a table as they stand in the file, without the header line and the end marker.

    ``rows`` has ``\\n`` as its only line end. ``origin`` names the file, ``above`` is what stands in it
    before the header. With ``quoted``, cells may stand in double quotes, which then are not part of them.
    """

    header: tuple[str, ...]
    rows: bytes | memoryview
    origin: str
    above: bytes | memoryview = b""
    quoted: bool = False
    has_header: bool = True

    @property
    def first_line(self) -> int:
        """The header's line in the file, from 1. Counted when asked for: most tables never say it."""
        return bytes(self.above).count(b"\n") + 1

    @property
    def piece_bytes(self) -> int:
        """How much of it to parse at a time: wide tables in larger pieces, for each column costs a start."""
        return int(PIECE_BYTES * min(max(len(self.header) / 500, 1), 4))

    @property
    def empty(self) -> bool:
        return not bytes(self.rows[:65536]).strip() and not bytes(self.rows[65536:]).strip()

    def column(self, name: str) -> int:
        """The place of a column, case ignored; FormatError says which there are."""
        names = [column.casefold() for column in self.header]
        if name.casefold() not in names:
            raise FormatError(
                f"{self.origin}, line {self.first_line}: no column {name!r}; have {', '.join(self.header)}",
                path=self.origin,
                line=self.first_line,
            )
        return names.index(name.casefold())


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Columns of numbers beside their row names.

    ``keys``: pyarrow array of bytes, one a row. ``values``: rows × columns, by column in memory, float64 (or, where
    whole numbers were asked for and found, int32, or int64 where one is beyond that).
    """

    keys: Any
    values: np.ndarray[Any, Any]
    notes: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Row names as text."""
        return _texts(self.keys)


def split_row(line: bytes, *, quoted: bool) -> list[bytes]:
    """The cells of a line, blanks around them and, if ``quoted``, their quotes taken off."""
    cells = [cell.strip(b" ") for cell in line.rstrip(b"\n").split(b"\t")]
    return [unquote(cell) for cell in cells] if quoted else cells


def unquote(cell: bytes) -> bytes:
    """A cell without the double quotes around it. GEO does not double quotes inside; others do."""
    if len(cell) < 2 or not (cell.startswith(b'"') and cell.endswith(b'"')):
        return cell
    inner = cell[1:-1]
    return inner.replace(b'""', b'"') if b'"' not in inner.replace(b'""', b"") else inner


def read_numbers(
    block: Block,
    columns: Sequence[int],
    *,
    key: int = 0,
    whole: bool = False,
    pieces: Iterable[bytes] | None = None,
    about_bytes: int = 0,
) -> Numbers:
    """Columns of numbers and the column that names the rows; empty rows are left out.

    Short rows end in missing values. Rows with too many cells have only missing values, for it cannot be told
    which cell belongs where. Both, and text where a number should be, are in ``notes``. With ``whole`` the values
    are int32, or int64, if every cell is a whole number. ``pieces`` of whole rows take the place of the block's
    own, so that a file can be parsed while it is unpacked; how large they are together, ``about_bytes``, saves memory.
    """
    trouble, keys = Trouble(block), []
    matrix = _Matrix(len(columns), about_bytes if pieces is not None else len(block.rows))
    cut = _cut(block) if pieces is None else pieces
    kind = np.dtype(np.int32 if whole else np.float64)
    for part in _in_order(
        ((rows, matrix.reserve(rows, kind)) for rows in cut),
        lambda piece: _numbers(piece[0], piece[1], block, key, columns, whole=whole),
    ):
        trouble.add_piece(part)
        keys.append(_unquoted(part.keys) if block.quoted else part.keys)
        matrix.add(part.cells, part.n_bytes)
    names = pa.chunked_array(keys, type=pa.binary()).combine_chunks()
    notes = (*trouble.notes(), *_odd_names(names, block.origin))
    if matrix.n_infinite:
        notes += (f"{block.origin}: {matrix.n_infinite:,} values are infinite",)
    return Numbers(names, matrix.values, notes)


class _Matrix:
    """Rows × columns, by column in memory, to which rows are added while others are still being parsed.

    Room for all is made from the first rows and ``about_bytes``, the size of the whole text: to keep the parts and
    join them in the end would take the memory twice. Where rows are compiled, they are written to their place at once.
    """

    def __init__(self, n_columns: int, about_bytes: int) -> None:
        self.n_rows = self.n_infinite = self._n_reserved = 0
        self._about_bytes = about_bytes
        self._room = np.empty((0, n_columns), order="F")

    @property
    def values(self) -> np.ndarray[Any, Any]:
        return self._room[: self.n_rows]

    def reserve(self, rows: _Rows, kind: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
        """Where the rows of the next piece will stand if they are of this kind, or None: they will be moved there."""
        if not compiled():
            return None
        n_rows = line_ends(rows) + _unended(rows)
        if not self._n_reserved:
            expected = int(n_rows / max(len(rows), 1) * self._about_bytes * 1.02)
            self._room = np.empty((max(expected, n_rows), self._room.shape[1]), kind, order="F")
        start = self._n_reserved
        self._n_reserved += n_rows
        fits = self._n_reserved <= len(self._room) and kind == self._room.dtype
        return self._room[start : self._n_reserved] if fits else None

    def add(self, rows: np.ndarray[Any, Any], n_bytes: int) -> None:
        """Add rows that were ``n_bytes`` of text."""
        end = self.n_rows + len(rows)
        kind = np.result_type(rows, self._room) if self.n_rows else rows.dtype
        if end > len(self._room) or kind != self._room.dtype:
            expected = int(len(rows) / n_bytes * self._about_bytes * 1.02) if not self.n_rows else 0
            grown = np.empty((max(expected, end, self.n_rows * 3 // 2), rows.shape[1]), kind, order="F")
            grown[: self.n_rows] = self.values
            self._room = grown
        place = self._room[self.n_rows : end]
        self.n_rows = end
        if rows.ctypes.data == place.ctypes.data:
            return
        place[:] = rows
        if kind.kind == "f":
            self.n_infinite += int(np.isinf(rows).sum())


def whole_rows(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same text in pieces of about ``size`` bytes that end with a line; the last ends as the text does."""
    held: list[bytes] = []
    n_held = 0
    for piece in pieces:
        n_held += len(piece)
        cut = piece.rfind(b"\n") + 1 if n_held >= size else 0
        if cut:
            yield b"".join([*held, piece[:cut]])
            held, n_held, piece = [], len(piece) - cut, piece[cut:]
        held.append(piece)
    if text := b"".join(held):
        yield text


def read_texts(block: Block, columns: Sequence[int] | None = None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns as they are, all strings, and notes. Column names that occur twice get ``.1``, ``.2`` …"""
    wanted = list(range(len(block.header))) if columns is None else list(columns)
    if not wanted:
        # pyarrow takes no columns for all of them.
        frame, notes = read_texts(block, [0])
        return frame.iloc[:, :0], notes
    trouble, parts = Trouble(block), []
    for part in _in_order(_cut(block), lambda rows: _strings(rows, block, wanted)):
        trouble.add_piece(part)
        parts.append(part)
    names = unique_names([block.header[place] for place in wanted])
    arrays = [
        pa.chunked_array([part.cells[place] for part in parts], type=pa.string())
        for place in range(len(wanted))
    ]
    frame = pa.table(arrays, names=[str(place) for place in range(len(wanted))]).to_pandas()
    frame.columns = pd.Index(names, dtype=object)
    return frame, trouble.notes()


def repeated_rows(index: pd.Index[str]) -> tuple[str, ...]:
    """A note if identifiers occur more than once."""
    repeated = index[index.duplicated()]
    if not len(repeated):
        return ()
    return (f"{len(repeated):,} rows have an identifier that occurred before, the first is {repeated[0]!r}",)


def unique_names(names: Sequence[str]) -> list[str]:
    """The names with ``.1``, ``.2`` … after those that came before."""
    # Each name so far, in order, with the last number that was tried after it.
    tried: dict[str, int] = {}
    for name in names:
        candidate = name
        while candidate in tried:
            tried[name] += 1
            candidate = f"{name}.{tried[name]}"
        tried[candidate] = 0
    return list(tried)


@dataclass(slots=True)
class _Part:
    """A piece of a table, read: names and cells of its rows, its number of lines, and what did not fit in them.

    ``cells``: of numbers one array, rows × columns; of texts an array for each column.
    """

    keys: Any
    cells: Any
    n_lines: int
    n_bytes: int
    odd: list[tuple[str, int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Trouble:
    """What did not fit in a table, counted, with the line and cell of the first of each kind."""

    block: Block
    n_lines: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add_piece(self, part: _Part) -> None:
        """Add the next piece; its lines are counted from 0."""
        for what, line, cell in part.odd:
            self.counts[what] = self.counts.get(what, 0) + 1
            self.examples.setdefault(what, (self.n_lines + line, cell))
        self.n_lines += part.n_lines

    def notes(self) -> tuple[str, ...]:
        return tuple(self._note(what, count) for what, count in sorted(self.counts.items()))

    def _note(self, what: str, count: int) -> str:
        line, cell = self.examples[what]
        example = f": {decode(cell)[0][:40]!r}" if cell else ""
        first = self.block.first_line + self.block.has_header
        return f"{self.block.origin}: {count:,} {what}, the first in line {first + line}{example}"


def _in_order(pieces: Iterable[_Piece], read: Callable[[_Piece], _Part]) -> Iterator[_Part]:
    """``read`` of every piece, in order; in threads, a few ahead of the reader, where there are several."""
    rest = iter(pieces)
    start = list(islice(rest, 2))
    if len(start) < 2:
        yield from map(read, start)
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[_Part]] = deque()
        for piece in chain(start, rest):
            waiting.append(pool.submit(read, piece))
            if len(waiting) > 2 * _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cut(block: Block) -> Iterator[memoryview]:
    view = memoryview(block.rows)
    start = 0
    while start < len(view):
        end = _line_end(view, min(start + block.piece_bytes, len(view)))
        yield view[start:end]
        start = end


def _line_end(view: memoryview, at: int) -> int:
    while at < len(view):
        found = bytes(view[at : at + 65536]).find(b"\n")
        if found >= 0:
            return at + found + 1
        at += 65536
    return len(view)


def _numbers(
    rows: _Rows,
    room: np.ndarray[Any, Any] | None,
    block: Block,
    key: int,
    columns: Sequence[int],
    *,
    whole: bool = False,
) -> _Part:
    return (
        _compiled_numbers(rows, room, block, key, columns, whole=whole)
        or _arrow_numbers(rows, block, key, columns, whole=whole)
        or _slow_numbers(rows, block, key, columns)
    )


def _compiled_numbers(
    rows: _Rows,
    room: np.ndarray[Any, Any] | None,
    block: Block,
    key: int,
    columns: Sequence[int],
    *,
    whole: bool,
) -> _Part | None:
    # A table of one column has rows that are empty cells.
    if not compiled() or len(block.header) < 2:
        return None
    n_lines = line_ends(rows) if room is None else len(room) - _unended(rows)
    for kind in (np.int32, np.int64, np.float64) if whole else (np.float64,):
        if room is None or room.dtype != kind:
            cells = np.empty((n_lines + _unended(rows), len(columns)), kind, order="F")
        else:
            cells = room
        names = read_rows(
            rows, len(block.header), key, columns, cells, quoted=block.quoted, missing=_MISSING_NAMES
        )
        if names is not None:
            return _Part(names, cells[: len(names)], n_lines, len(rows))
    return None


def _arrow_numbers(
    rows: _Rows, block: Block, key: int, columns: Sequence[int], *, whole: bool = False
) -> _Part | None:
    width = len(block.header)
    kinds = [pa.float64()]
    # pyarrow reads 0x10 as a whole number.
    if whole and not any(mark in bytes(rows) for mark in (b"x", b"X")):
        kinds = [pa.int32(), pa.int64(), pa.float64()]
    for kind in kinds:
        table = _fast(rows, width, {str(place): kind for place in columns} | {str(key): pa.binary()})
        # A whole number cannot be missing.
        if table is not None and not (
            pa.types.is_integer(kind) and any(table[str(place)].null_count for place in columns)
        ):
            return _part(table, key, columns, rows)
    return None


def _part(table: Any, key: int, columns: Sequence[int], rows: _Rows) -> _Part:
    cells = np.empty((table.num_rows, len(columns)), order="F")
    if cells.size:
        # In Arrow's own code, so that other threads run meanwhile. Asked for NaN, it makes whole numbers float.
        (batch,) = table.select([str(place) for place in columns]).combine_chunks().to_batches()
        floats = pa.types.is_floating(batch.schema.types[0])
        cells = batch.to_tensor(null_to_nan=floats, row_major=False).to_numpy()
    return _Part(table[str(key)].combine_chunks(), cells, _n_lines(rows), len(rows))


def _strings(rows: _Rows, block: Block, columns: Sequence[int]) -> _Part:
    table = _fast(rows, len(block.header), {str(place): pa.string() for place in columns})
    if table is None:
        return _slow_strings(rows, block, columns)
    cells = [table[str(place)].combine_chunks() for place in columns]
    return _Part(
        None, [_unquoted(cell) for cell in cells] if block.quoted else cells, _n_lines(rows), len(rows)
    )


def _fast(rows: _Rows, width: int, types: dict[str, Any]) -> Any:
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


def _unended(rows: _Rows) -> bool:
    """Whether there is a last line without its end."""
    return rows[-1:] != b"\n"


def _n_lines(rows: _Rows) -> int:
    # numpy lets other threads run meanwhile; bytes.count does not.
    return int(np.count_nonzero(np.frombuffer(rows, dtype=np.uint8) == ord("\n")))


def _slow_numbers(rows: _Rows, block: Block, key: int, columns: Sequence[int]) -> _Part:
    names: list[bytes] = []
    values: list[list[float]] = []
    odd: list[tuple[str, int, bytes]] = []
    for line, cells, extra in _slow_rows(rows, len(block.header), odd):
        names.append(cells[key])
        row = (
            [np.nan] * len(columns)
            if extra
            else [_number(cells[place], line, block, odd) for place in columns]
        )
        values.append(row)
    table = np.asarray(values, dtype=np.float64, order="F").reshape(len(names), len(columns))
    return _Part(pa.array(names, type=pa.binary()), table, _n_lines(rows), len(rows), odd)


def _slow_strings(rows: _Rows, block: Block, columns: Sequence[int]) -> _Part:
    texts: list[list[str]] = []
    odd: list[tuple[str, int, bytes]] = []
    for line, cells, _ in _slow_rows(rows, len(block.header), odd):
        row = []
        for place in columns:
            text, encoding = decode(unquote(cells[place]) if block.quoted else cells[place])
            if encoding != "utf-8":
                odd.append((f"cells are not UTF-8 and were read as {encoding}", line, cells[place]))
            row.append(text)
        texts.append(row)
    arrays = [pa.array([row[place] for row in texts], type=pa.string()) for place in range(len(columns))]
    return _Part(None, arrays, _n_lines(rows), len(rows), odd)


def _slow_rows(
    rows: _Rows, width: int, odd: list[tuple[str, int, bytes]]
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


def _number(cell: bytes, line: int, block: Block, odd: list[tuple[str, int, bytes]]) -> float:
    if block.quoted:
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


def _odd_names(keys: Any, origin: str) -> Iterator[str]:
    try:
        keys.cast(pa.string())
    except pa.ArrowInvalid:
        encodings = (decode(name)[1] for name in keys.to_pylist())
        encoding = next(encoding for encoding in encodings if encoding != "utf-8")
        yield f"{origin}: some row names are not UTF-8 and were read as {encoding}"


def _texts(keys: Any) -> list[str]:
    """Bytes as text, each by itself: one odd name must not change how the others are read."""
    try:
        return keys.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    except pa.ArrowInvalid:
        return [decode(name)[0] for name in keys.to_pylist()]
