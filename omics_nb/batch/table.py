"""A batch's table as it was written: CSV, TSV, XLSX, JSON lines or a DataFrame, one row of parameters each.

Nothing is guessed here: cells of a text file stay text, cells of a workbook, of JSON and of a frame keep their type.
A cell that is empty says nothing, so that the notebook's own default holds. A column whose name begins with ``#`` is a
remark for people.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FormatError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    #: What a table may be given as.
    Source = str | Path | pd.DataFrame | Iterable[Mapping[str, Any]]

_LIMIT_BYTES = 256 * 2**20
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".jsonl", ".ndjson")


class Fault(NamedTuple):
    """A cell that holds no value, with a sentence that says why."""

    message: str
    shown: str = ""


class Row(NamedTuple):
    """``number`` counts from 1; ``line`` is where it is in its file. ``cells`` are those that are not empty."""

    number: int
    line: int
    cells: Mapping[str, Any]
    fault: str = ""


class Table(NamedTuple):
    """Rows under the names of their columns. In a ``loose`` table numbers and texts stand for each other."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    loose: bool


def read_table(source: Source) -> Table:
    """The table in a file, a frame or a list of mappings. FormatError with file and line where it is none."""
    if hasattr(source, "columns") and hasattr(source, "itertuples"):
        return _from_frame(source)
    if not isinstance(source, (str, Path)):
        return _from_mappings("rows", [(at, dict(row)) for at, row in enumerate(source, 1)])
    path = Path(source)
    kind = path.suffix.casefold()
    if kind not in SUFFIXES:
        raise FormatError(f"{path.name}: a table is one of {', '.join(SUFFIXES)}, not {path.suffix!r}")
    if kind == ".xlsx":
        return _from_workbook(path)
    from ..geo import files

    text = files.decode(files.read_text(path, limit=_LIMIT_BYTES))[0]
    return _from_lines(path, text) if kind in (".jsonl", ".ndjson") else _from_text(path, text)


def _from_text(path: Path, text: str) -> Table:
    head = text.partition("\n")[0]
    mark = "\t" if path.suffix.casefold() == ".tsv" else next((m for m in "\t;" if m in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    csv.field_size_limit(_LIMIT_BYTES)
    rows: list[tuple[int, Sequence[Any]]] = []
    try:
        header = next(reader, [])
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell if cell.strip() else None for cell in cells]))
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"cannot be read as a table: {error}") from error
    return _grid(path, header, rows)


def _from_workbook(path: Path) -> Table:
    """The first sheet; a formula counts by the value that was saved with it."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingExtraError(
            "a workbook needs openpyxl; run: pip install 'omics-nb[excel]'", extra="excel"
        ) from error
    from zipfile import BadZipFile

    try:
        values, formulas = (load_workbook(path, read_only=True, data_only=only) for only in (True, False))
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise FormatError(f"{path.name} is no workbook that can be read: {error}", path=str(path)) from error
    pairs = zip(
        values.worksheets[0].iter_rows(values_only=True),
        formulas.worksheets[0].iter_rows(values_only=True),
        strict=False,
    )
    header: list[str] = []
    rows: list[tuple[int, Sequence[Any]]] = []
    for line, (cells, written) in enumerate(pairs, 1):
        found = [_saved(*pair) for pair in zip(cells, written, strict=False)]
        if line == 1:
            header = ["" if cell is None else str(cell) for cell in found]
        elif any(cell is not None for cell in found):
            rows.append((line, found))
    values.close()
    formulas.close()
    return _grid(path, header, rows)


def _saved(value: Any, written: Any) -> Any:
    if value is None and isinstance(written, str) and written.startswith("="):
        return Fault(
            "is a formula without a saved value; open and save the workbook, or write the value", written
        )
    if isinstance(value, str) and not value.strip():
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _grid(path: Path, header: Sequence[str], lines: Sequence[tuple[int, Sequence[Any]]]) -> Table:
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names or "" in names:
        raise _wrong(path, 1, f"expected names of columns, not {list(header)}")
    _refuse_double(path, names)
    rows = []
    for number, (line, cells) in enumerate(lines, 1):
        extra = [cell for cell in cells[len(names) :] if cell is not None]
        fault = f"has {len(cells)} cells, and the header names {len(names)}; quote a cell that holds the separator"
        given = {name: cell for name, cell in zip(names, cells, strict=False) if cell is not None}
        rows.append(Row(number, line, given, fault if extra or len(cells) < len(names) else ""))
    return Table(path.name, tuple(names), tuple(rows), loose=True)


def _refuse_double(path: Path, names: Sequence[str]) -> None:
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise _wrong(path, 1, f"two columns are named {double!r}")


def _from_lines(path: Path, text: str) -> Table:
    found: list[tuple[int, dict[str, Any]]] = []
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
        except ValueError as error:
            raise _wrong(path, line, f"expected one JSON object a line: {error}") from error
        if not isinstance(row, dict):
            raise _wrong(path, line, f"expected a JSON object, not {written.strip()[:60]}")
        found.append((line, row))
    return _from_mappings(path.name, found)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} is there twice")
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON value; leave it out or write null")


def _from_mappings(name: str, found: Sequence[tuple[int, Mapping[str, Any]]]) -> Table:
    columns = tuple(dict.fromkeys(str(key) for _, row in found for key in row))
    rows = [
        Row(number, line, {str(key): value for key, value in row.items() if value is not None})
        for number, (line, row) in enumerate(found, 1)
    ]
    return Table(name, columns, tuple(rows), loose=False)


def _from_frame(frame: Any) -> Table:
    import pandas as pd

    columns = [str(name) for name in frame.columns]
    _refuse_double(Path("frame"), columns)
    rows = []
    for number, cells in enumerate(frame.itertuples(index=False, name=None), 1):
        given = {}
        for name, cell in zip(columns, cells, strict=True):
            plain = cell.item() if hasattr(cell, "item") and getattr(cell, "shape", ()) == () else cell
            if not (pd.api.types.is_scalar(plain) and pd.isna(plain)):
                given[name] = plain
        rows.append(Row(number, number, given))
    return Table("frame", tuple(columns), tuple(rows), loose=False)


def _wrong(path: Path, line: int, what: str) -> FormatError:
    return FormatError(f"{path.name}, line {line}: {what}", path=str(path), line=line)
