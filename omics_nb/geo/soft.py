"""SOFT: series, platforms, samples and datasets as GEO writes them for each other.

Format: https://www.ncbi.nlm.nih.gov/geo/info/soft.html. A line begins with ``^`` (an entity), ``!`` (an
attribute of it), ``#`` (what a column of its table holds) or is a row of the table. GEO's files differ from
that text: entity lines come in any case, tables without begin or end, entities twice, rows that begin with
``!`` or ``#``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FormatError, IntegrityError
from . import files
from .tables import Block, split_row

_ENTITY = re.compile(
    rb"\^\s*(DATABASE|SERIES|PLATFORM|SAMPLE|DATASET|SUBSET|ANNOTATION)\s*(?:=\s*(.*?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TABLE = re.compile(rb"!\s*([a-z]+_table_)(begin|end)\s*", re.IGNORECASE)
_FIRST_COLUMNS = frozenset({"id", "id_ref", "tag"})


@dataclass(slots=True)
class Entity:
    """One series, platform, sample, dataset, subset or annotation.

    ``attributes``: name in lower case without the entity's own prefix (``title``, ``platform_id``) → values
    in file order. ``columns``: name and description of the columns of its table, in file order.
    """

    kind: str
    name: str
    at: int
    attributes: dict[str, list[str]] = field(default_factory=dict)
    columns: list[tuple[str, str]] = field(default_factory=list)
    table: Block | None = None

    def all(self, attribute: str) -> tuple[str, ...]:
        return tuple(self.attributes.get(attribute, ()))

    def first(self, attribute: str, default: str = "") -> str:
        return next(iter(self.attributes.get(attribute, ())), default)


@dataclass(frozen=True, slots=True)
class Family:
    """The entities of a file by kind, each by name in file order, and what was odd."""

    series: Mapping[str, Entity]
    platforms: Mapping[str, Entity]
    samples: Mapping[str, Entity]
    datasets: Mapping[str, Entity]
    subsets: Mapping[str, Entity]
    annotations: Mapping[str, Entity]
    notes: tuple[str, ...] = ()


def read_family(path: Path, *, tables: bool = True) -> Family:
    """Everything in a SOFT file: family, GDS, annotation, a single sample or platform.

    Tables are found, not parsed: ``tables.read_numbers`` and ``tables.read_texts`` do that. Without
    ``tables`` they are stepped over, and entities have none. FormatError if the file is no SOFT;
    IntegrityError if it is damaged or its last table has no end.
    """
    return parse_family(files.read_text(path), path.name, tables=tables)


def parse_family(data: bytes, origin: str, *, tables: bool = True) -> Family:
    """As ``read_family``, of text whose only line end is ``\\n``; ``origin`` names it in errors and notes."""
    if not data.lstrip().startswith((b"^", b"!")):
        raise FormatError(
            f"{origin} is not SOFT: it should begin with '^' and an entity, and begins with {data[:40]!r}",
            path=origin,
        )
    parser = _Parser(data, origin, tables=tables)
    entities = list(parser.entities())
    if not entities:
        raise FormatError(
            f"{origin} is not SOFT: no line begins an entity such as '^SERIES = GSE1'", path=origin
        )
    found: dict[str, dict[str, Entity]] = {kind: {} for kind in _KINDS}
    for entity in entities:
        parser.merge(found[entity.kind], entity)
    return Family(
        **{_KINDS[kind]: named for kind, named in found.items() if kind != "DATABASE"},
        notes=tuple(parser.notes),
    )


_KINDS = {
    "DATABASE": "databases",
    "SERIES": "series",
    "PLATFORM": "platforms",
    "SAMPLE": "samples",
    "DATASET": "datasets",
    "SUBSET": "subsets",
    "ANNOTATION": "annotations",
}


class _Parser:
    """One pass over the lines; tables are stepped over by looking for their end."""

    def __init__(self, data: bytes, origin: str, *, tables: bool) -> None:
        self.data, self.origin, self.tables = data, origin, tables
        self.at = 0
        self.notes: list[str] = []
        # Lines without a mark by the attribute that they follow: entity, where the first is, and their texts.
        self._stray: dict[tuple[int, str, int], tuple[Entity, int, list[str]]] = {}

    def entities(self) -> Iterator[Entity]:
        entity: Entity | None = None
        last = ""
        data = self.data
        while self.at < len(data):
            start = self.at
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            mark = data[start : start + 1]
            self.at = end + 1
            if mark == b"^" and (found := _ENTITY.fullmatch(data[start:end])):
                if entity is not None:
                    yield entity
                name = self._text(found[2] or b"", start).strip()
                entity = Entity(found[1].decode().upper(), name, start)
            elif entity is None:
                self._before(data[start:end], start)
            elif mark == b"!" and (found := _TABLE.fullmatch(data[start:end])):
                if found[2].lower() == b"begin":
                    self._table(entity, found[1])
            elif mark == b"!":
                last = self._attribute(entity, start, end)
            elif mark == b"#":
                name, _, text = self._text(data[start + 1 : end], start).partition("=")
                entity.columns.append((name.strip(), text.strip()))
            elif end > start:
                self._other(entity, start, end, last)
        self._join_stray()
        if entity is not None:
            yield entity

    def merge(self, found: dict[str, Entity], entity: Entity) -> None:
        """GEO writes a dataset in two parts; any other entity that comes twice is an oddity."""
        first = found.setdefault(entity.name, entity)
        if first is entity:
            return
        if entity.kind not in ("DATASET", "DATABASE"):
            self.notes.append(
                f"{self.origin}: {entity.kind.lower()} {entity.name} is described twice, in lines "
                f"{self.line(first.at)} and {self.line(entity.at)}; what the first says was kept"
            )
        for name, values in entity.attributes.items():
            first.attributes.setdefault(name, values)
        first.columns = first.columns or entity.columns
        first.table = first.table if first.table is not None and not first.table.empty else entity.table

    def line(self, at: int) -> int:
        """The line number of a place in the file. Counted when asked for: only errors and notes do."""
        return self.data.count(b"\n", 0, at) + 1

    def _before(self, line: bytes, start: int) -> None:
        if line.strip() and not line.startswith((b"!", b"#")):
            raise FormatError(
                f"{self.origin}, line {self.line(start)}: expected '^' and an entity, found {line[:40]!r}",
                path=self.origin,
                line=self.line(start),
            )

    def _text(self, raw: bytes, start: int) -> str:
        text, encoding = files.decode(raw)
        if encoding != "utf-8" and not any("not UTF-8" in note for note in self.notes):
            self.notes.append(
                f"{self.origin}: some lines are not UTF-8 and were read as {encoding}, the first is line "
                f"{self.line(start)}"
            )
        return text

    def _attribute(self, entity: Entity, start: int, end: int) -> str:
        name, _, value = self._text(self.data[start + 1 : end], start).partition("=")
        name = name.strip().lower().removeprefix(entity.kind.lower() + "_")
        entity.attributes.setdefault(name, []).append(value.strip())
        return name

    def _other(self, entity: Entity, start: int, end: int, last: str) -> None:
        """A line without a mark: the header of a table without begin, or a piece of an attribute."""
        first = self.data[start:end].split(b"\t", 1)[0].strip().lower()
        columns = {name.lower() for name, _ in entity.columns} | _FIRST_COLUMNS
        if entity.table is None and entity.columns and files.decode(first)[0] in columns:
            self._bare_table(entity, start)
        elif text := self._text(self.data[start:end], start).strip():
            n_values = len(entity.attributes.get(last, ())) if last else 0
            self._stray.setdefault((entity.at, last, n_values), (entity, start, []))[2].append(text)

    def _join_stray(self) -> None:
        """In the end and at once: a table without a beginning is a million such lines."""
        for (_, last, n_values), (entity, start, texts) in self._stray.items():
            note = f"{self.origin}, line {self.line(start)}: begins with none of ^ ! # and stands in no table"
            if len(texts) > 1:
                note += f", as do {len(texts) - 1:,} lines after it"
            if n_values:
                values = entity.attributes[last]
                values[n_values - 1] = " ".join([values[n_values - 1], *texts]).strip()
                note += f"; read as part of {last} of {entity.name}"
            self.notes.append(note)

    def _table(self, entity: Entity, word: bytes) -> None:
        begin = self.at
        stop, self.at, ended = self._find_end(begin, word)
        if not ended:
            line = self.line(begin) - 1
            where = f"the {entity.kind.lower()} table of {entity.name}, which begins in line {line},"
            if self.at >= len(self.data):
                raise IntegrityError(
                    f"{self.origin} is cut off: {where} has no end. Fetch the file again",
                    path=self.origin,
                    line=line,
                    accession=entity.name,
                )
            self.notes.append(
                f"{self.origin}: {where} has no end; it was ended where the next entity or table begins"
            )
        self._keep(entity, begin, stop)

    def _find_end(self, begin: int, word: bytes) -> tuple[int, int, bool]:
        """End of the rows, where to go on, and whether the end marker was there."""
        data = self.data
        found = _search(rb"^!\s*" + re.escape(word) + rb"end[ \t]*$", b"\n!" + word + b"end", data, begin)
        bound = found[0] if found else len(data)
        # One rare byte is found ten times as fast as a line end and it.
        for mark in (b"^", b"!" + word + b"begin"):
            at = data.find(mark, begin, bound)
            while at >= 0:
                end = data.find(b"\n", at)
                line = data[at : end if end >= 0 else len(data)]
                if data[at - 1 : at] == b"\n" and (_ENTITY.fullmatch(line) or _TABLE.fullmatch(line)):
                    bound, found = at, None
                    break
                at = data.find(mark, at + 1, bound)
        return (found[0], found[1], True) if found else (bound, bound, False)

    def _bare_table(self, entity: Entity, begin: int) -> None:
        data = self.data
        stops = [at for at in (data.find(b"\n^", begin), data.find(b"\n!", begin)) if at >= 0]
        self.at = min(stops) + 1 if stops else len(data)
        self._keep(entity, begin, self.at)

    def _keep(self, entity: Entity, begin: int, stop: int) -> None:
        if not self.tables or begin >= stop:
            return
        header_end = self.data.find(b"\n", begin, stop)
        header_end = stop if header_end < 0 else header_end
        header = tuple(
            self._text(cell, begin) for cell in split_row(self.data[begin:header_end], quoted=False)
        )
        rows = memoryview(self.data)[min(header_end + 1, stop) : stop]
        block = Block(header, rows, self.origin, memoryview(self.data)[:begin])
        if entity.table is None or entity.table.empty:
            entity.table = block
        elif not block.empty:
            self.notes.append(
                f"{self.origin}: {entity.kind.lower()} {entity.name} has a second table in line "
                f"{block.first_line}; "
                f"the first, in line {entity.table.first_line}, was kept"
            )


def _search(pattern: bytes, exact: bytes, data: bytes, begin: int) -> tuple[int, int] | None:
    """Start of the line with the end marker and of the line after it; in any case if not as usual."""
    at = data.find(exact, begin - 1)
    while at >= 0:
        end = at + len(exact)
        stop = data.find(b"\n", end)
        stop = len(data) if stop < 0 else stop
        if not data[end:stop].strip():
            return at + 1, stop + 1
        at = data.find(exact, end)
    found = re.compile(pattern, re.IGNORECASE | re.MULTILINE).search(data, begin)
    return (found.start(), found.end() + 1) if found else None
