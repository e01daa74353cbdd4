"""The vocabulary as it is written: tab-separated files in ``vocabulary/``, one a kind.

Columns: ``id``, ``label``, ``synonyms``, ``mesh``, ``parents``, ``types``, ``xrefs``; several values are
separated by ``|``.
A name that begins with ``=`` is taken only as it is written, capitals included: ``=MET`` is the gene, "met" is not.
``ambiguous.tsv`` names words that mean one thing or another, with the words beside them that decide.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import cast, get_args

from ..errors import FormatError
from ..query import TermKind

# Earlier kinds win where names of equal length compete.
FILES: dict[str, TermKind] = {
    "organisms": "organism",
    "diseases": "disease",
    "cell_lines": "cell_line",
    "cell_types": "cell_type",
    "tissues": "tissue",
    "drugs": "drug",
    "assays": "assay",
    "genes": "gene",
}
COLUMNS = ("id", "label", "synonyms", "mesh", "parents", "types", "xrefs")


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing with its names. ``parents`` are identifiers of the same file, ``types`` GEO DataSet Types,
    ``xrefs`` identifiers of the same thing elsewhere."""

    kind: TermKind
    id: str
    label: str
    synonyms: tuple[str, ...] = ()
    mesh: str = ""
    parents: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """``name`` means ``label`` where one of ``context`` is in the question; without context words, otherwise.

    The label ``-`` is nothing: elsewhere ``name`` is a word like others.
    """

    name: str
    label: str
    context: tuple[str, ...]


def concepts() -> Iterator[Concept]:
    """Every concept of the embedded vocabulary, in the order of the files."""
    for name in FILES:
        yield from read_concepts(_text(f"{name}.tsv"), FILES[name], f"{name}.tsv")


def read_concepts(text: str, kind: TermKind, name: str) -> Iterator[Concept]:
    """The concepts of one file; FormatError says the line."""
    for number, row in _rows(text, COLUMNS, name):
        if not row["label"]:
            raise FormatError(f"{name} line {number}: a concept needs a label", line=number)
        yield Concept(
            kind=kind,
            id=row["id"],
            label=row["label"],
            synonyms=_split(row["synonyms"]),
            mesh=row["mesh"],
            parents=_split(row["parents"]),
            types=_split(row["types"]),
            xrefs=_split(row["xrefs"]),
        )


def ambiguities() -> tuple[Ambiguity, ...]:
    """Names that mean different things in different company; the first whose context is there wins."""
    rows = _rows(_text("ambiguous.tsv"), ("name", "label", "context"), "ambiguous.tsv")
    return tuple(Ambiguity(row["name"], row["label"], _split(row["context"])) for _, row in rows)


@cache
def dataset_types() -> tuple[str, ...]:
    """The 27 DataSet Types of GEO, spelled as GEO's index spells them."""
    return tuple(line for line in _text("dataset_types.tsv").splitlines()[1:] if line)


@cache
def word_list(name: str) -> frozenset[str]:
    """A list of plain words, one a line; lines that begin with # are remarks."""
    lines = _text(f"{name}.txt").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@cache
def version() -> str:
    """The version of the embedded vocabulary: a date from its file, and the checksum of all files."""
    return f"embedded {_text('VERSION').strip()} ({checksum()[:8]})"


@cache
def checksum() -> str:
    """SHA-256 over the files that the look-up is compiled from."""
    names = [*(f"{name}.tsv" for name in FILES), "ambiguous.tsv"]
    return sha256("\0".join(_text(name) for name in names).encode()).hexdigest()


def kinds() -> tuple[TermKind, ...]:
    return cast("tuple[TermKind, ...]", get_args(TermKind))


def _rows(text: str, columns: tuple[str, ...], name: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = tuple(next(reader, ()))
    if header != columns:
        raise FormatError(f"{name} must begin with the columns {columns}, not {header}", line=1)
    for number, values in enumerate(reader, start=2):
        if len(values) > len(columns):
            raise FormatError(
                f"{name} line {number}: {len(values)} values for {len(columns)} columns", line=number
            )
        yield number, dict(zip(columns, [*values, *[""] * len(columns)], strict=False))


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split("|") if part.strip())


@cache
def _text(name: str) -> str:
    return (files(__package__) / "vocabulary" / name).read_text(encoding="utf-8")
