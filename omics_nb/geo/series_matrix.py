"""Series-matrix files: what GEO says of a series and its samples, and the matrix of one platform.

Format: https://www.ncbi.nlm.nih.gov/geo/info/soft.html (end). Cells of the header stand in double quotes, row
names do or do not. A series with several platforms has a file for each, and all of them name every platform
of the series: only the samples say which platform a file is about.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import FormatError, IntegrityError
from . import files
from .tables import Block, read_numbers, repeated_rows, split_row, whole_rows

_BEGIN = b"!series_matrix_table_begin"
_END = b"!series_matrix_table_end"
# Header lines of series with thousands of samples reach megabytes.
_HEAD_LIMIT = 1 << 28


@dataclass(frozen=True, slots=True, eq=False)
class SeriesMatrix:
    """One series-matrix file.

    ``metadata``: series attribute without ``Series_`` → values. ``samples``: accession → attribute without
    ``Sample_`` → values; both in file order. ``platform``: that of its samples. ``values``: features ×
    samples, float64; no rows where the file has none or they were not asked for. ``has_values``: whether the
    file has rows.
    """

    metadata: Mapping[str, tuple[str, ...]]
    samples: Mapping[str, Mapping[str, tuple[str, ...]]]
    platform: str
    values: pd.DataFrame
    has_values: bool
    notes: tuple[str, ...] = ()

    @property
    def accession(self) -> str:
        return next(iter(self.metadata.get("geo_accession", ())), "")


def read_series_matrix(path: Path) -> SeriesMatrix:
    """The whole file. FormatError if it is no series matrix; IntegrityError if damaged or without its end."""
    return _parse(files.text_pieces(path), path.name, values=True, about_bytes=files.about_bytes(path))


def read_series_header(path: Path) -> SeriesMatrix:
    """Without the values, unpacking no more of the file than that takes; the rest is not verified."""
    return _parse(files.text_pieces(path), path.name, values=False)


def parse_series_matrix(data: bytes, origin: str) -> SeriesMatrix:
    """As ``read_series_matrix``, of text whose only line end is ``\\n``; ``origin`` names it in errors and notes."""
    return _parse(iter([data]), origin, values=True, about_bytes=len(data))


def _parse(pieces: Iterator[bytes], origin: str, *, values: bool, about_bytes: int = 0) -> SeriesMatrix:
    above, header, rest = _head(pieces, origin)
    notes: list[str] = []
    metadata, rows = _header(above, origin, notes)
    block = Block(header, b"", origin, above, quoted=True)
    samples = _samples(rows, header[1:], origin, notes)
    if values:
        frame = _values(block, _row_pieces(chain([rest], pieces), block, notes), about_bytes, notes)
        has_values = len(frame) > 0
    else:
        frame = _frame(np.empty((0, len(header[1:]))), [], header[1:])
        has_values = bool(header) and _has_rows(rest, pieces)
    return SeriesMatrix(
        metadata, samples, _platform(samples, metadata, origin), frame, has_values, tuple(notes)
    )


def _head(pieces: Iterator[bytes], origin: str) -> tuple[bytes, tuple[str, ...], bytes]:
    """What stands above the table, the names of its columns, and what was read beyond these."""
    head = bytearray()
    begin = end = -1
    for piece in pieces:
        head += piece
        begin = (
            begin
            if begin >= 0
            else _find_line(head, _BEGIN, max(0, len(head) - len(piece) - len(_BEGIN) - 1))
        )
        start = head.find(b"\n", begin) + 1 if begin >= 0 else 0
        end = head.find(b"\n", start) if start else -1
        if end >= 0 or len(head) > _HEAD_LIMIT:
            break
    data = bytes(head)
    if not data.startswith(b"!"):
        raise FormatError(
            f"{origin} is no series matrix: it should begin with !Series_title and begins with {data[:40]!r}",
            path=origin,
        )
    if end < 0:
        raise IntegrityError(
            f"{origin} has no {_BEGIN.decode()} and table after it: it is no series matrix, or it is cut off",
            path=origin,
        )
    if data[start:end].strip().lower() == _END:
        return data[:start], (), data[start:]
    header = tuple(files.decode(cell)[0].strip() for cell in split_row(data[start:end], quoted=True))
    if header[0].lower() == _BEGIN.decode():
        raise _two_tables(origin)
    return data[:start], header, data[end + 1 :]


def _find_line(data: bytes | bytearray, marker: bytes, start: int) -> int:
    """Where the line that is ``marker`` begins, in any case; -1 if there is none."""
    found = re.compile(rb"^" + re.escape(marker) + rb"[ \t]*$", re.IGNORECASE | re.MULTILINE).search(
        data, start
    )
    return found.start() if found else -1


def _has_rows(rest: bytes, pieces: Iterator[bytes]) -> bool:
    """Whether the table has a first row."""
    for piece in pieces:
        if b"\n" in rest:
            break
        rest += piece
    first = rest.split(b"\n", 1)[0].strip()
    return bool(first) and first.lower() != _END


def _row_pieces(pieces: Iterable[bytes], block: Block, notes: list[str]) -> Iterator[bytes]:
    """Whole rows up to the end marker; IntegrityError if there is none. The file is read to its end."""
    texts = whole_rows(pieces, block.piece_bytes)
    held = b""
    for text in texts:
        if held:
            yield held
        end = _end_of(text)
        if end >= 0:
            if end:
                yield text[:end]
            notes += _stray(chain([text[end:].partition(b"\n")[2]], texts), block.origin)
            return
        held = text
    # In an unusual spelling the marker is looked for only where it must be: it takes longer.
    end = _find_line(held, _END, 0)
    if end < 0:
        raise IntegrityError(
            f"{block.origin} is cut off: its table, which begins in line {block.first_line}, has no "
            f"{_END.decode()}. Fetch it again",
            path=block.origin,
            line=block.first_line,
        )
    if end:
        yield held[:end]
    notes += _stray([held[end:].partition(b"\n")[2]], block.origin)


def _stray(pieces: Iterable[bytes], origin: str) -> Iterator[str]:
    n_bytes = sum(len(piece.strip()) for piece in pieces)
    if n_bytes:
        yield f"{origin}: {n_bytes:,} bytes stand after the end of its table, and were left out"


def _end_of(text: bytes) -> int:
    """Where the end marker stands in its usual spelling, alone in its line; -1 if it does not."""
    at = 0 if text.startswith(_END) else text.find(b"\n" + _END) + 1
    while at > 0 or text.startswith(_END, at):
        stop = text.find(b"\n", at)
        if not text[at + len(_END) : stop if stop >= 0 else len(text)].strip():
            return at
        at = text.find(b"\n" + _END, at + 1) + 1
        if not at:
            break
    return -1


def _header(
    head: bytes, origin: str, notes: list[str]
) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, list[str], int]]]:
    metadata: dict[str, list[str]] = {}
    rows: list[tuple[str, list[str], int]] = []
    for number, line in enumerate(head.split(b"\n"), 1):
        if not line.strip():
            continue
        name, *cells = (_text(cell, origin, number, notes) for cell in split_row(line, quoted=True))
        lower = name.lower()
        if lower.startswith("!series_"):
            metadata.setdefault(lower.removeprefix("!series_"), []).extend(
                cell.strip() for cell in cells or [""]
            )
        elif lower.startswith("!sample_"):
            rows.append((lower.removeprefix("!sample_"), [cell.strip() for cell in cells], number))
        else:
            notes.append(
                f"{origin}, line {number}: not of the series nor of its samples, and left out: {name[:40]!r}"
            )
    return {name: tuple(values) for name, values in metadata.items()}, rows


def _text(cell: bytes, origin: str, number: int, notes: list[str]) -> str:
    text, encoding = files.decode(cell)
    if encoding != "utf-8" and not any("not UTF-8" in note for note in notes):
        notes.append(
            f"{origin}: some lines are not UTF-8 and were read as {encoding}, the first is line {number}"
        )
    return text


def _samples(
    rows: list[tuple[str, list[str], int]], columns: tuple[str, ...], origin: str, notes: list[str]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Attributes by sample; a row that has another number of cells than samples is left out, and said so."""
    named = next((cells for name, cells, _ in rows if name == "geo_accession"), list(columns))
    samples: dict[str, dict[str, list[str]]] = {accession: {} for accession in named if accession}
    if len(samples) != len(named):
        raise FormatError(
            f"{origin}: samples without an accession or with one that occurs twice: {named[:5]}", path=origin
        )
    if len(set(columns)) != len(columns):
        twice = sorted({name for name in columns if columns.count(name) > 1})
        raise FormatError(f"{origin}: its table has more than one column of {', '.join(twice)}", path=origin)
    for name, cells, number in rows:
        if len(cells) != len(named):
            notes.append(
                f"{origin}, line {number}: {name} was left out: {len(cells)} cells for {len(named)} samples"
            )
            continue
        for accession, cell in zip(named, cells, strict=True):
            samples[accession].setdefault(name, []).append(cell)
    for accession in columns:
        if accession not in samples:
            notes.append(f"{origin}: sample {accession} has a column of values and no description")
            samples[accession] = {}
    return {accession: {name: tuple(v) for name, v in found.items()} for accession, found in samples.items()}


def _platform(
    samples: Mapping[str, Mapping[str, tuple[str, ...]]], metadata: Mapping[str, tuple[str, ...]], origin: str
) -> str:
    found = sorted({name for sample in samples.values() for name in sample.get("platform_id", ()) if name})
    if not found:
        found = sorted(set(metadata.get("platform_id", ())))
    if len(found) > 1:
        raise FormatError(
            f"{origin}: a series matrix is of one platform; the samples of this one name {', '.join(found)}",
            path=origin,
        )
    return found[0] if found else ""


def _values(block: Block, pieces: Iterator[bytes], about_bytes: int, notes: list[str]) -> pd.DataFrame:
    if not block.header:
        deque(pieces, maxlen=0)
        return _frame(np.empty((0, 0)), [], ())
    numbers = read_numbers(block, range(1, len(block.header)), pieces=pieces, about_bytes=about_bytes)
    frame = _frame(numbers.values, numbers.names(), block.header[1:])
    if (frame.index == _BEGIN.decode()).any():
        raise _two_tables(block.origin)
    notes += [*numbers.notes, *(f"{block.origin}: {note}" for note in repeated_rows(frame.index))]
    return frame


def _two_tables(origin: str) -> FormatError:
    return FormatError(
        f"{origin}: {_BEGIN.decode()} stands twice before the end of its table; which rows are meant cannot be told",
        path=origin,
    )


def _frame(values: np.ndarray, names: list[str], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        values,
        index=pd.Index(names, dtype=object, name="ID_REF"),
        columns=pd.Index(columns, dtype=object),
        copy=False,
    )
