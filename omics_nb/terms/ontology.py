"""Readers of the files that vocabularies come as: OBO, HGNC's table, MeSH's ASCII records, SSSOM mappings.

OBO 1.4: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html · HGNC: https://www.genenames.org/download ·
MeSH: https://www.nlm.nih.gov/mesh/filelist.html · SSSOM: https://mapping-commons.github.io/sssom/
Each reader takes lines, so that a file of any compression can be read, and raises FormatError with the line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import FormatError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(\w*)')
_RELATIONSHIP = re.compile(r"(part_of|BFO:0000050|develops_from)\s+(\S+)")
_LICENCE = re.compile(r"property_value: \S*terms[/:]license\s+\"?([^\s\"]+)")
# An xref of Mondo says whether it names the same thing or only something near.
_EQUIVALENT = re.compile(r"MONDO:(?:equivalentTo|equivalentObsolete)")


@dataclass(slots=True)
class Entry:
    """One term as its file has it: exact synonyms only, parents by is_a, part_of and develops_from."""

    id: str
    name: str = ""
    synonyms: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    xrefs: list[str] = field(default_factory=list)
    subsets: list[str] = field(default_factory=list)
    obsolete: bool = False


@dataclass(slots=True)
class Ontology:
    """Terms in the order of the file, obsolete ones included, with the file's own name, release and licence or ""."""

    terms: list[Entry] = field(default_factory=list)
    name: str = ""
    release: str = ""
    licence: str = ""


def read_obo(lines: Iterable[str], name: str) -> Ontology:
    """The terms of an OBO file; stanzas that are no terms are passed over."""
    found = Ontology()
    entry: Entry | None = None
    stanza = "header"
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if number == 1 and not line.startswith("format-version:"):
            raise FormatError(f"{name} is no OBO file: it begins with {line[:40]!r}", file=name, line=1)
        if line.startswith("["):
            stanza, entry = line, None
        elif stanza == "header":
            _read_header(line, found)
        elif stanza == "[Term]" and line:
            tag, colon, value = line.partition(":")
            if not colon:
                raise FormatError(f"{name} line {number}: no tag in {line[:60]!r}", file=name, line=number)
            if tag == "id":
                entry = Entry(value.strip())
                found.terms.append(entry)
            elif entry is not None:
                _read_tag(entry, tag, value.strip())
    if not found.terms:
        raise FormatError(f"{name} holds no [Term]", file=name)
    return found


def _read_header(line: str, found: Ontology) -> None:
    if line.startswith("data-version:"):
        found.release = line.partition(":")[2].strip()
    if line.startswith("ontology:"):
        found.name = line.partition(":")[2].strip()
    licence = _LICENCE.match(line)
    if licence:
        found.licence = licence[1]


def _read_tag(entry: Entry, tag: str, value: str) -> None:
    if tag == "name":
        entry.name = _unescaped(value.partition(" ! ")[0])
    elif tag == "synonym":
        quoted = _QUOTED.match(value)
        if quoted and quoted[2] == "EXACT":
            entry.synonyms.append(_unescaped(quoted[1]))
    elif tag == "is_a":
        entry.parents.append(value.split()[0])
    elif tag == "relationship":
        related = _RELATIONSHIP.match(value)
        if related:
            entry.parents.append(related[2])
    elif tag == "xref":
        if "MONDO:" not in value or _EQUIVALENT.search(value):
            entry.xrefs.append(value.split()[0])
    elif tag == "subset":
        entry.subsets.append(value.split()[0])
    elif tag == "is_obsolete":
        entry.obsolete = value.startswith("true")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.partition(" {")[0] if text.endswith("}") else text)


@dataclass(frozen=True, slots=True)
class Gene:
    """One approved gene: ``symbols`` are its aliases and former symbols."""

    id: str
    symbol: str
    name: str
    symbols: tuple[str, ...]
    entrez: str
    modified: str = ""


def read_hgnc(lines: Iterable[str], name: str) -> Iterator[Gene]:
    """The approved genes of HGNC's complete set (tab-separated)."""
    rows = csv.DictReader(lines, delimiter="\t")
    needed = {"hgnc_id", "symbol", "name", "status", "alias_symbol", "prev_symbol", "entrez_id"}
    missing = needed - set(rows.fieldnames or ())
    if missing:
        raise FormatError(f"{name} lacks HGNC's columns {sorted(missing)}", file=name, line=1)
    for row in rows:
        if row["status"] == "Approved":
            others = f"{row['alias_symbol']}|{row['prev_symbol']}".split("|")
            symbols = tuple(dict.fromkeys(filter(None, others)))
            entrez, modified = row["entrez_id"] or "", row.get("date_modified") or ""
            yield Gene(row["hgnc_id"], row["symbol"], row["name"], symbols, entrez, modified)


@dataclass(frozen=True, slots=True)
class Heading:
    """One descriptor of MeSH: its identifier, heading and entry terms."""

    id: str
    heading: str
    entries: tuple[str, ...]


def read_mesh(lines: Iterable[str], name: str) -> Iterator[Heading]:
    """The descriptors of MeSH's ASCII file (d2026.bin)."""
    values: dict[str, list[str]] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if number == 1 and line != "*NEWRECORD":
            raise FormatError(f"{name} is no ASCII MeSH: it begins with {line[:40]!r}", file=name, line=1)
        if line == "*NEWRECORD" and values:
            yield _heading(values, name, number)
            values = {}
        tag, equals, value = line.partition(" = ")
        if equals:
            values.setdefault(tag, []).append(value.split("|")[0])
    yield _heading(values, name, number)


def _heading(values: dict[str, list[str]], name: str, line: int) -> Heading:
    if "MH" not in values or "UI" not in values:
        raise FormatError(f"{name}: the record before line {line} has no MH or UI", file=name, line=line)
    entries = (*values.get("ENTRY", ()), *values.get("PRINT ENTRY", ()))
    return Heading(values["UI"][0], values["MH"][0], tuple(entries))


@dataclass(slots=True)
class Mapping:
    """Pairs of identifiers of the same thing (subject, object), with the set's own release and licence or ""."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    release: str = ""
    licence: str = ""


def read_sssom(lines: Iterable[str], name: str) -> Mapping:
    """The exact matches of an SSSOM table."""
    found, table = Mapping(), []
    for line in lines:
        if not line.startswith("#"):
            table.append(line)
        elif line.startswith("# mapping_set_version:"):
            found.release = line.partition(":")[2].strip()
        elif line.startswith("# license:"):
            found.licence = line.partition(":")[2].strip()
    rows = csv.DictReader(table, delimiter="\t")
    missing = {"subject_id", "predicate_id", "object_id"} - set(rows.fieldnames or ())
    if missing:
        raise FormatError(f"{name} lacks SSSOM's columns {sorted(missing)}", file=name)
    found.pairs = [(r["subject_id"], r["object_id"]) for r in rows if r["predicate_id"] == "skos:exactMatch"]
    return found
