"""A larger vocabulary for one user: the embedded one, and what ontologies, HGNC and MeSH have beyond it.

The embedded concepts keep their labels, names and readings: a name that they have stays theirs, and what is added
can only name what they do not. Every file is recorded with its checksum, release and licence.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import cast

from ..errors import DataError, FormatError, IntegrityError, NotFoundError
from ..query import TermKind
from . import concepts as written
from . import lookup
from .concepts import Concept
from .merge import Additions
from .ontology import Entry, Ontology, read_hgnc, read_mesh, read_obo, read_sssom

# Which kind of thing the identifiers of an ontology name, and its licence where the file does not say.
KINDS: dict[str, tuple[TermKind, str]] = {
    "UBERON": ("tissue", "CC BY 3.0"),
    "CL": ("cell_type", "CC BY 4.0"),
    "DOID": ("disease", "CC0 1.0"),
    "MONDO": ("disease", "CC BY 4.0"),
    "BTO": ("cell_line", "CC BY 4.0"),
    "CVCL": ("cell_line", "CC BY 4.0"),
    "CHEBI": ("drug", "CC BY 4.0"),
    "NCBITaxon": ("organism", "public domain"),
}
_HGNC, _MESH = "CC0 1.0", "U.S. National Library of Medicine, terms of MeSH"


@dataclass(frozen=True, slots=True)
class Input:
    """A file to build from, and where it came from: an address, or its path."""

    path: Path
    location: str

    @property
    def name(self) -> str:
        return self.location.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that a vocabulary was built from; ``n_terms`` are those taken, ``n_obsolete`` those refused."""

    name: str
    location: str
    sha256: str
    n_bytes: int
    release: str
    licence: str
    n_terms: int
    n_obsolete: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """A vocabulary: where its file is ("" for the embedded one), its version, concepts by kind, and its sources."""

    path: str
    version: str
    concepts: dict[str, int]
    sources: tuple[SourceFile, ...] = ()

    def __str__(self) -> str:
        counts = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in self.concepts.items())
        lines = [f"{self.version}", f"{sum(self.concepts.values()):,} concepts: {counts}"]
        if self.path:
            lines.append(self.path)
        for file in self.sources:
            refused = f", {file.n_obsolete:,} obsolete refused" if file.n_obsolete else ""
            lines.append(f"  {file.name}: {file.n_terms:,} terms{refused}; {file.release}; {file.licence}")
            lines.append(f"    sha256 {file.sha256}")
        return "\n".join(lines)


def build(files: Sequence[Input], folder: Path, *, progress: Callable[[str], None] = lambda _: None) -> Built:
    """Compile a vocabulary from these files (plain or gzip) into ``folder``, in one step; it is used from then on.

    FormatError for a file of no known format, IntegrityError for a damaged one, DataError where nothing was given.
    """
    if not files:
        raise DataError("no file to build a vocabulary from; give OBO, HGNC, MeSH or SSSOM files")
    additions = Additions(written.concepts())
    sources = []
    for file in files:
        progress(f"reading {file.name}")
        sources.append(_take(file, additions))
    progress("compiling")
    path = folder / lookup.BUILT
    version = f"built {datetime.now(UTC):%Y-%m-%d} from {_releases(sources)} on {written.version()}"
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, additions.concepts(), version, sources, mendable=additions.n_embedded)
    lookup.forget()
    return read_built(folder)


def read_built(folder: Path) -> Built:
    """The vocabulary that was built in ``folder``; NotFoundError where there is none, DataError for a damaged file."""
    path = folder / lookup.BUILT
    if not path.exists():
        raise NotFoundError(f"no vocabulary was built in {folder}; the embedded one is used")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            meta = dict(connection.execute("select name, value from meta"))
            kinds = dict(connection.execute("select kind, count(*) from concept group by kind"))
        sources = tuple(SourceFile(**item) for item in json.loads(meta["sources"]))
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the vocabulary {path} cannot be read: {error}; build it anew, or remove the file",
            file=str(path),
        ) from error
    return Built(str(path), meta["version"], kinds, sources)


def embedded() -> Built:
    """What the embedded vocabulary holds."""
    counts: dict[str, int] = {}
    for concept in written.concepts():
        counts[concept.kind] = counts.get(concept.kind, 0) + 1
    return Built("", written.version(), counts)


def _take(file: Input, additions: Additions) -> SourceFile:
    with _lines(file.path) as lines:
        first = next(lines, "")
        release, licence, n_terms, n_obsolete = _reader(first, file.name)(
            chain([first], lines), file.name, additions
        )
    size, release = file.path.stat().st_size, release or "no release named"
    return SourceFile(file.name, file.location, file.sha256, size, release, licence, n_terms, n_obsolete)


# Release, licence, terms taken, obsolete terms refused.
_Taken = tuple[str, str, int, int]
_Reader = Callable[[Iterable[str], str, Additions], _Taken]


def _reader(first: str, name: str) -> _Reader:
    """What reads a file that begins with this line."""
    if first.startswith("format-version:"):
        return _take_obo
    if first.startswith("hgnc_id\t"):
        return _take_hgnc
    if first.startswith("*NEWRECORD"):
        return _take_mesh
    if first.startswith(("#curie_map", "# curie_map", "#mapping_set", "# mapping_set", "subject_id\t")):
        return _take_sssom
    raise FormatError(
        f"{name} begins with {first[:40]!r}, which is neither OBO (format-version:), HGNC's table (hgnc_id), ASCII "
        "MeSH (*NEWRECORD) nor SSSOM (# curie_map)",
        file=name,
        line=1,
    )


def _take_obo(lines: Iterable[str], name: str, additions: Additions) -> _Taken:
    ontology = read_obo(lines, name)
    prefixes = _own_prefixes(ontology)
    if not prefixes:
        raise FormatError(
            f"{name} has no identifiers of {', '.join(KINDS)}; it begins with {ontology.terms[0].id!r}",
            file=name,
        )
    taken = obsolete = 0
    for prefix in prefixes:
        kind, _ = KINDS[prefix]
        terms = [term for term in ontology.terms if _is_of(term.id, prefix)]
        obsolete += sum(term.obsolete for term in terms)
        terms = _cell_lines(terms) if prefix == "BTO" else terms
        taken += additions.add_terms(kind, [term for term in terms if not term.obsolete and term.name])
    licence = ontology.licence or ", ".join(dict.fromkeys(KINDS[prefix][1] for prefix in prefixes))
    return ontology.release, licence, taken, obsolete


def _own_prefixes(ontology: Ontology) -> list[str]:
    """Prefixes of the terms to take: an ontology brings along terms of others, which are theirs to define."""
    own = [prefix for prefix in KINDS if ontology.name.partition("/")[0].casefold() == prefix.casefold()]
    return [p for p in own or KINDS if any(_is_of(term.id, p) for term in ontology.terms)]


def _is_of(identifier: str, prefix: str) -> bool:
    return identifier.startswith((f"{prefix}:", f"{prefix}_"))


def _cell_lines(terms: Sequence[Entry]) -> list[Entry]:
    """The cell lines of BRENDA's ontology: what stands below a "… cell line", its names without "cell"."""
    names = {term.id: term.name for term in terms}
    below = {term.id for term in terms if any(names.get(p, "").endswith(" cell line") for p in term.parents)}
    lines = []
    for term in terms:
        if term.id in below and term.name.endswith(" cell"):
            short = term.name.removesuffix(" cell")
            lines.append(replace(term, name=short, synonyms=[term.name, *term.synonyms]))
    return lines


def _take_hgnc(lines: Iterable[str], name: str, additions: Additions) -> _Taken:
    genes = list(read_hgnc(lines, name))
    newest = max((gene.modified for gene in genes), default="")
    return f"modified up to {newest}" if newest else "", _HGNC, additions.add_genes(genes), 0


def _take_mesh(lines: Iterable[str], name: str, additions: Additions) -> _Taken:
    return "", _MESH, additions.add_headings(list(read_mesh(lines, name))), 0


def _take_sssom(lines: Iterable[str], name: str, additions: Additions) -> _Taken:
    mapping = read_sssom(lines, name)
    return mapping.release, mapping.licence or "no licence named", additions.add_mapping(mapping.pairs), 0


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a plain or gzip file, with what can be wrong in it told."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if packed else open
    try:
        with opener(path, "rt", encoding="utf-8") as text:
            yield iter(cast("Iterable[str]", text))
    except (EOFError, gzip.BadGzipFile) as error:
        raise IntegrityError(f"{path.name} is damaged: {error}; get it anew", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path.name} is no UTF-8 text: {error}", file=str(path)) from error


def _releases(sources: Sequence[SourceFile]) -> str:
    return ", ".join(f"{file.name} {file.sha256[:8]}" for file in sources)


def _write(
    path: Path, concepts: Iterable[Concept], version: str, sources: Sequence[SourceFile], *, mendable: int
) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript("pragma journal_mode = off; pragma synchronous = off;")
            lookup.compile_into(connection, concepts, version, mendable=mendable)
            listed = json.dumps([asdict(file) for file in sources])
            connection.execute("insert into meta values ('sources', ?)", (listed,))
            connection.commit()
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
