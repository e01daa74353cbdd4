"""``--groups FILE``: columns that the sample sheet of a study lacks, from a table of samples and their levels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ..errors import DataError, FormatError, OmicsError

_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class GroupTable:
    """``columns``: name → sample → level. ``lines``: sample → its line in the file, from 1."""

    path: Path
    columns: dict[str, dict[str, str]]
    lines: dict[str, int]


def read_groups(path: Path) -> GroupTable:
    """A table with a header, ``sample`` and names of columns, between commas, semicolons or tabs.

    FormatError says which line is not as it should be, and how.
    """
    from ..geo import files

    text = files.decode(files.read_text(path, limit=_LIMIT_BYTES))[0]
    head = text.partition("\n")[0]
    rows = csv.reader(
        io.StringIO(text), delimiter=next((mark for mark in "\t;" if mark in head), ","), strict=True
    )
    columns: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    try:
        header = [cell.strip() for cell in next(rows, [])]
        names = header[1:]
        if not names or header[0].casefold() != "sample" or "" in names or len(set(names)) < len(names):
            raise _wrong(
                path, 1, f"expected the header 'sample' and different names of columns, not {header}"
            )
        columns = {name: {} for name in names}
        for row in rows:
            sample, *levels = (cell.strip() for cell in row or [""])
            if not sample and not any(levels):
                continue
            if len(levels) != len(names):
                raise _wrong(
                    path, rows.line_num, f"{len(row)} cells, and the header has {len(header)}: {row}"
                )
            if not sample:
                raise _wrong(path, rows.line_num, f"no sample is named beside {levels}")
            if sample in lines:
                raise _wrong(path, rows.line_num, f"the sample {sample!r} is in line {lines[sample]} already")
            lines[sample] = rows.line_num
            for name, level in zip(names, levels, strict=True):
                columns[name][sample] = level
    except csv.Error as error:
        raise _wrong(path, rows.line_num, f"cannot be read as a table: {error}") from error
    if not lines:
        raise _wrong(path, 2, "no sample follows the header")
    return GroupTable(path, columns, lines)


def _wrong(path: Path, line: int, what: str) -> FormatError:
    return FormatError(f"{path.name}, line {line}: {what}", path=str(path), line=line)


@contextmanager
def naming_lines(groups: GroupTable | None) -> Iterator[None]:
    """Where a study has not the samples of the table, say in which line the first of them is."""
    try:
        yield
    except OmicsError as error:
        # A step's own error is the cause of that of its run.
        for own in (error, error.__cause__):
            unknown = own.facts.get("unknown_samples") if isinstance(own, DataError) else None
            if groups and isinstance(unknown, tuple):
                raise _wrong(groups.path, groups.lines[unknown[0]], str(own)) from error
        raise


groups_option = click.option(
    "--groups",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, path: path and read_groups(path),
    help="CSV or TSV with the header sample,COLUMN…: columns that the sample sheet lacks.",
)
