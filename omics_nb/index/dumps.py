"""Study headers from dumps: JSON lines, CSV or TSV, and GEOmetadb's SQLite file.

GEOmetadb: https://www.bioconductor.org/packages/GEOmetadb; its tables ``gse``, ``gse_gsm``, ``gse_gpl`` and ``gpl``.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any, TextIO

from ..errors import DataError, FormatError
from ..records import StudyHeader

#: Column → other names under which dumps have it. ``accession`` and ``title`` must be there.
COLUMNS = {
    "accession": ("gse",),
    "title": (),
    "summary": (),
    "overall_design": ("design",),
    "organisms": ("organism", "taxon"),
    "types": ("type",),
    "platforms": ("platform", "gpl"),
    "published": ("date", "pdat", "submission_date"),
    "n_samples": (),
    "sample_texts": ("samples",),
    "relations": ("relation",),
    "has_values": (),
    "files": ("supplementary_file", "suppfile"),
}
_ACCESSION = re.compile(r"(?:GSE|GDS)\d{1,9}")
_PUBLIC = re.compile(r"Public on (\w{3} \d{1,2} \d{4})")
_LONGEST = 16 * 2**20


def read_dump(path: Path) -> Iterator[StudyHeader]:
    """The headers of a dump, in its order, read as they are asked for; its first bytes tell what it is.

    Lists in a CSV are separated by ``;``. What a dump does not tell is empty, and 0 samples. FormatError names the
    file, the line and what was expected there; DataError if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
        if start.startswith(b"SQLite format 3"):
            yield from _geometadb(path)
            return
        packed = start.startswith(b"\x1f\x8b")
        with gzip.open(path, "rb") if packed else path.open("rb") as binary:
            text = io.TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="")
            is_json = path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json"))
            yield from _json_lines(text, path.name) if is_json else _csv(text, path.name)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", file=str(path)) from error


def _json_lines(text: TextIO, name: str) -> Iterator[StudyHeader]:
    number = 0
    while line := text.readline(_LONGEST):
        number += 1
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise _wrong(name, number, f"no JSON object a line: {error}") from error
        if not isinstance(fields, dict):
            raise _wrong(name, number, f"a {type(fields).__name__}, not a JSON object")
        yield _header(fields, name, number)


def _csv(text: TextIO, name: str) -> Iterator[StudyHeader]:
    csv.field_size_limit(_LONGEST)
    first = text.readline(_LONGEST)
    delimiter = "\t" if "\t" in first else ","
    columns = next(csv.reader([first], delimiter=delimiter), [])
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for values in rows:
            if len(values) != len(columns):
                wrong = f"{len(values)} values for the {len(columns)} columns of its first line"
                raise _wrong(name, rows.line_num + 1, wrong)
            yield _header(dict(zip(columns, values, strict=True)), name, rows.line_num + 1)
    except csv.Error as error:
        raise _wrong(name, rows.line_num + 1, str(error)) from error


def _geometadb(path: Path) -> Iterator[StudyHeader]:
    """The rows of ``gse``; samples, platforms and organisms where the other tables are there.

    The day is that of "Public on …" in the status, else that of the submission.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {row[0] for row in connection.execute("select name from sqlite_master")}
            if "gse" not in tables:
                raise _wrong(path.name, 0, f"no table gse, as GEOmetadb has; tables: {sorted(tables)[:8]}")
            counts = _grouped(
                connection, tables, {"gse_gsm"}, "select gse, count(*) from gse_gsm group by gse"
            )
            platforms = _grouped(
                connection,
                tables,
                {"gse_gpl"},
                "select gse, group_concat(gpl, ';') from gse_gpl group by gse",
            )
            organisms = _grouped(
                connection,
                tables,
                {"gse_gpl", "gpl"},
                "select gse, group_concat(distinct organism) from gse_gpl join gpl using (gpl) group by gse",
            )
            connection.row_factory = sqlite3.Row
            for number, row in enumerate(connection.execute("select * from gse order by rowid"), start=1):
                known = dict(row)
                name = str(known.get("gse"))
                public = _PUBLIC.search(known.get("status") or "")
                more = {
                    "accession": name,
                    "published": public[1] if public else known.get("submission_date"),
                    "n_samples": counts.get(name, 0),
                    "platforms": platforms.get(name, ""),
                    "organisms": str(organisms.get(name) or "").replace(",", ";"),
                }
                yield _header(known | more, path.name, number)
    except sqlite3.DatabaseError as error:
        raise FormatError(f"{path.name} is not a whole SQLite file: {error}", file=str(path)) from error


def _grouped(
    connection: sqlite3.Connection, tables: set[str], needed: set[str], query: str
) -> dict[str, Any]:
    return dict(connection.execute(query)) if needed <= tables else {}


def _header(fields: Mapping[str, Any], name: str, line: int) -> StudyHeader:
    values = {
        column: next((fields[key] for key in (column, *others) if fields.get(key) not in (None, "")), None)
        for column, others in COLUMNS.items()
    }
    accession = str(values["accession"] or "").strip().upper()
    if not _ACCESSION.fullmatch(accession):
        raise _wrong(name, line, f"the accession {accession[:40]!r}, which should be like GSE42872")
    if values["title"] is None:
        raise _wrong(name, line, f"no title of {accession}; columns are {', '.join(map(str, fields))[:200]}")
    try:
        return StudyHeader(
            accession=accession,
            title=_text(values["title"]),
            summary=_text(values["summary"]),
            overall_design=_text(values["overall_design"]),
            organisms=_list(values["organisms"]),
            types=_list(values["types"]),
            platforms=_list(values["platforms"]),
            published=_day(values["published"]),
            n_samples=int(values["n_samples"] or 0),
            sample_texts=_list(values["sample_texts"]),
            relations=_list(values["relations"]),
            files=tuple(name.rpartition("/")[2] for name in _list(values["files"]) if name.upper() != "NONE"),
            has_values=str(values["has_values"]).casefold() not in ("false", "0", "no"),
        )
    except (ValueError, TypeError) as error:
        raise _wrong(name, line, f"{accession} with a value that cannot be read: {error}") from error


def _text(value: object) -> str:
    # JSON can hold halves of surrogate pairs, which no text file can.
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _list(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else re.split(r"[;\t]", _text(value))
    return tuple(text for part in parts if (text := _text(part).strip()))


def _day(value: object) -> date | None:
    text = _text(value).strip()
    if not text:
        return None
    if re.fullmatch(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}.*", text):
        year, month, day = re.split(r"[-/]", text[:10].split(" ")[0].split("T")[0])
        return date(int(year), int(month), int(day))
    return datetime.strptime(text, "%b %d %Y").date()


def _wrong(name: str, line: int, found: str) -> FormatError:
    return FormatError(f"{name} line {line}: {found}", file=name, line=line)
