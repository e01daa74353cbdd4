"""MINiML: a family of GEO records as XML, its tables as text files beside it in a tar.

Format: https://www.ncbi.nlm.nih.gov/geo/info/MINiML.html. It says what SOFT says, so the same entities come
out of it, under SOFT's names of attributes.
"""

from __future__ import annotations

import io
import re
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import FormatError, IntegrityError
from . import files
from .soft import Entity, Family
from .tables import Block

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CHANNEL = {
    "Source": "source_name",
    "Organism": "organism",
    "Molecule": "molecule",
    "Label": "label",
    "Extract-Protocol": "extract_protocol",
    "Treatment-Protocol": "treatment_protocol",
    "Growth-Protocol": "growth_protocol",
    "Label-Protocol": "label_protocol",
}
_PLAIN = {
    "Accession": "geo_accession",
    "Pubmed-ID": "pubmed_id",
    "Supplementary-Data": "supplementary_file",
    "Manufacture-Protocol": "manufacture_protocol",
}
_REFERENCES = {"Platform-Ref": "platform_id", "Sample-Ref": "sample_id", "Series-Ref": "series_id"}
_PEOPLE = {"Contributor-Ref": "contributor", "Contact-Ref": "contact_name"}


def read_miniml(path: Path, *, tables: bool = True) -> Family:
    """The entities of a ``_family.xml`` or of the ``.xml.tgz`` that holds it with its tables.

    FormatError if it is no MINiML, or has a document type (which could make it read other files or explode);
    IntegrityError if a table that it names is not in the tar.
    """
    data = files.read_bytes(path)
    if data[257:262] == b"ustar":
        return _read_archive(data, path.name, tables=tables)
    return parse_miniml(data, path.name, tables={} if tables else None)


def parse_miniml(data: bytes, origin: str, *, tables: Mapping[str, bytes] | None = None) -> Family:
    """As ``read_miniml``, of the XML; ``tables`` are the text files by name, None to leave all tables out."""
    root, notes = _root(data, origin)
    found: dict[str, dict[str, Entity]] = {"Series": {}, "Platform": {}, "Sample": {}}
    people = {element.get("iid", ""): _name(element) for element in root if _tag(element) == "Contributor"}
    for element in root:
        kind = _tag(element)
        if kind in found:
            entity = _entity(element, kind, people)
            if not entity.name:
                raise FormatError(f"{origin}: a {kind} has neither an iid nor an accession", path=origin)
            if entity.name in found[kind]:
                notes.append(f"{origin}: {kind} {entity.name} is described twice; the first was kept")
                continue
            found[kind][entity.name] = entity
            _describe_table(element, entity)
            if tables is not None:
                entity.table = _table(element, entity, tables, origin, notes)
    if not any(found.values()):
        raise FormatError(f"{origin} is no MINiML: it has no Series, Platform or Sample", path=origin)
    return Family(found["Series"], found["Platform"], found["Sample"], {}, {}, {}, tuple(notes))


def _read_archive(data: bytes, origin: str, *, tables: bool) -> Family:
    texts: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                if member.isfile() and (tables or member.name.endswith(".xml")):
                    content = archive.extractfile(member)
                    texts[member.name.rsplit("/", 1)[-1]] = content.read() if content else b""
    except tarfile.TarError as error:
        raise IntegrityError(f"{origin} is damaged: {error}", path=origin) from error
    documents = [name for name in texts if name.endswith(".xml")]
    if len(documents) != 1:
        raise FormatError(f"{origin} should hold one XML file and holds {documents or 'none'}", path=origin)
    return parse_miniml(texts.pop(documents[0]), origin, tables=texts if tables else None)


def _root(data: bytes, origin: str) -> tuple[ET.Element, list[str]]:
    notes: list[str] = []
    if b"<!DOCTYPE" in data:
        raise FormatError(f"{origin} has a document type, which MINiML has not; it is not read", path=origin)
    # XML would take a lone carriage return in a cell for the end of its row.
    data = files.plain_lines(data)
    text, encoding = files.decode(data)
    if encoding != "utf-8":
        # Line by line, so that one odd byte changes no other line.
        lines = [files.decode(line) for line in data.split(b"\n")]
        text = "\n".join(line for line, _ in lines)
        odd = [number for number, (_, encoding) in enumerate(lines, 1) if encoding != "utf-8"]
        encoding = lines[odd[0] - 1][1]
        notes.append(
            f"{origin}: some lines are not UTF-8 and were read as {encoding}, the first is line {odd[0]}"
        )
    # Control characters that XML forbids come from texts that submitters pasted.
    clean, n_odd = re.subn("[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    if n_odd:
        notes.append(f"{origin}: {n_odd:,} control characters, which XML forbids, were read as blanks")
    try:
        root = ET.fromstring(clean)  # noqa: S314 - a document with a DTD was refused above
    except ET.ParseError as error:
        raise FormatError(
            f"{origin}, line {error.position[0]}: not well-formed XML: {error}",
            path=origin,
            line=error.position[0],
        ) from error
    if _tag(root) != "MINiML":
        raise FormatError(f"{origin} is no MINiML: its root is <{_tag(root)}>", path=origin)
    return root, notes


def _entity(element: ET.Element, kind: str, people: Mapping[str, str]) -> Entity:
    entity = Entity(kind.upper(), element.get("iid", ""), 0)
    for name, value in _attributes(element, people):
        entity.attributes.setdefault(name, []).append(value)
    entity.name = entity.name or entity.first("geo_accession")
    if kind == "Platform" and "organism" not in entity.attributes:
        entity.attributes["organism"] = []
    return entity


def _name(contributor: ET.Element) -> str:
    """A person as SOFT writes them, ``First,Middle,Last``; an organisation by its name."""
    parts = {_tag(part): _content(part) for part in contributor.iter()}
    names = ",".join(parts.get(part, "") for part in ("First", "Middle", "Last"))
    return names if names.strip(",") else parts.get("Organization", "")


def _attributes(element: ET.Element, people: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for child in element:
        tag, text = _tag(child), _content(child)
        if tag == "Status":
            yield from _status(child)
        elif tag == "Channel":
            yield from _channel(child, child.get("position", "1"))
        elif tag in _REFERENCES:
            yield _REFERENCES[tag], child.get("ref", "")
        elif tag in _PEOPLE:
            yield _PEOPLE[tag], people.get(child.get("ref", ""), "")
        elif tag == "Relation":
            yield "relation", f"{child.get('type', '')}: {child.get('target', '')}"
        elif tag == "Characteristics":
            yield "characteristics_ch1", _characteristic(child)
        elif tag != "Data-Table":
            for line in text.split("\n") or [""]:
                yield _PLAIN.get(tag, tag.lower().replace("-", "_")), line.strip()


def _channel(element: ET.Element, number: str) -> Iterator[tuple[str, str]]:
    for child in element:
        tag = _tag(child)
        if tag == "Characteristics":
            yield f"characteristics_ch{number}", _characteristic(child)
        else:
            yield f"{_CHANNEL.get(tag, tag.lower().replace('-', '_'))}_ch{number}", _content(child)


def _characteristic(element: ET.Element) -> str:
    tag = element.get("tag", "")
    return f"{tag}: {_content(element)}" if tag else _content(element)


def _status(element: ET.Element) -> Iterator[tuple[str, str]]:
    for child in element:
        name = {"Release-Date": "status", "Last-Update-Date": "last_update_date"}.get(
            _tag(child), "submission_date"
        )
        found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", _content(child))
        if found and 1 <= int(found[2]) <= 12:
            date = f"{_MONTHS[int(found[2]) - 1]} {found[3]} {found[1]}"
            yield name, f"Public on {date}" if name == "status" else date


def _table_parts(element: ET.Element) -> list[ET.Element]:
    return [part for child in element if _tag(child) == "Data-Table" for part in child]


def _describe_table(element: ET.Element, entity: Entity) -> None:
    """Columns of the table and how many rows it has, under SOFT's name for that."""
    parts = _table_parts(element)
    columns = [part for part in parts if _tag(part) == "Column"]
    for part in sorted(columns, key=_position):
        said = {_tag(child): _content(child) for child in part}
        entity.columns.append((said.get("Name", ""), said.get("Description", "")))
    for part in parts:
        if part.get("rows"):
            entity.attributes["data_row_count"] = [part.get("rows", "")]


def _position(column: ET.Element) -> int:
    said = column.get("position", "")
    return int(said) if said.isdecimal() else 0


def _table(
    element: ET.Element, entity: Entity, tables: Mapping[str, bytes], origin: str, notes: list[str]
) -> Block | None:
    header = tuple(name for name, _ in entity.columns)
    for child in _table_parts(element):
        if _tag(child) == "Internal-Data":
            lines = [line for line in (child.text or "").split("\n") if line.strip()]
            return Block(header, "\n".join(lines).encode(), origin, has_header=False)
        if _tag(child) == "External-Data":
            name = _content(child)
            if name in tables:
                return Block(header, files.plain_lines(tables[name]), f"{origin}:{name}", has_header=False)
            if tables:
                raise IntegrityError(
                    f"{origin}: the table {name} of {entity.name} is not in the archive", path=origin
                )
            notes.append(f"{origin}: the table of {entity.name} is in {name}, which is not at hand")
    return None


def _tag(element: ET.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _content(element: ET.Element) -> str:
    return "".join(element.itertext()).strip()
