"""Tables of tab-separated text, read without guessing.

Identifiers stay the strings that they are (``001``, ``1E5``, ``NA``, ``MARCH1``, ``True``). Numbers are exact
to the last bit. What is missing is an explicit list; anything else that is no number is missing too, but
counted.

Tables are read in pieces, by several threads; ``readers`` reads the pieces.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import FormatError
from .files import decode
from .readers import Part, Rows, Wanted, number_part, text_part, unended, unquote
from .rows import compiled, line_ends

# How much text is parsed at a time: enough to outweigh the start, little enough to share among threads.
PIECE_BYTES = 4 << 20
_WORKERS = min(4, os.cpu_count() or 1)
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
    ValueError for a column that is wanted twice, or as numbers and as names.
    """
    if len({key, *columns}) < 1 + len(columns):
        raise ValueError(
            f"column {key} names the rows, and {list(columns)} are numbers: each may be there once"
        )
    trouble, keys = Trouble(block), []
    matrix = _Matrix(len(columns), about_bytes if pieces is not None else len(block.rows))
    cut = _cut(block) if pieces is None else pieces
    kind = np.dtype(np.int32 if whole else np.float64)
    wanted = Wanted(len(block.header), columns, key, quoted=block.quoted)
    for part in _in_order(
        ((rows, matrix.reserve(rows, kind)) for rows in cut),
        lambda piece: number_part(piece[0], wanted, room=piece[1], whole=whole),
    ):
        trouble.add_piece(part)
        keys.append(part.keys)
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

    def reserve(self, rows: Rows, kind: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
        """Where the rows of the next piece will stand if they are of this kind, or None: they will be moved there."""
        if not compiled():
            return None
        n_rows = line_ends(rows) + unended(rows)
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
    those = Wanted(len(block.header), wanted, quoted=block.quoted)
    for part in _in_order(_cut(block), lambda rows: text_part(rows, those)):
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
class Trouble:
    """What did not fit in a table, counted, with the line and cell of the first of each kind."""

    block: Block
    n_lines: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add_piece(self, part: Part) -> None:
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


def _in_order(pieces: Iterable[_Piece], read: Callable[[_Piece], Part]) -> Iterator[Part]:
    """``read`` of every piece, in order; in threads, a few ahead of the reader, where there are several."""
    rest = iter(pieces)
    start = list(islice(rest, 2))
    if len(start) < 2:
        yield from map(read, start)
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[Part]] = deque()
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
