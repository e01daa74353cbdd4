"""Names → concepts: the vocabulary compiled into one SQLite file, found by keys.

The file lies in the cache folder under the checksum of what it was compiled from, so that another vocabulary is
another file; deleting it costs one compilation. Where the folder cannot be written, it is compiled into memory.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from ..errors import DataError
from . import concepts as written
from . import text as words
from .concepts import Ambiguity, Concept

_SCHEMA_VERSION = 3
#: Name of the folder in cache and data folder, and of the file that ``vocab build`` leaves in the latter.
FOLDER, BUILT = "vocabulary", "built.sqlite"
_SCHEMA = """
create table concept (number integer primary key, kind text, id text, label text, synonyms text, mesh text,
    types text, xrefs text);
create table name (key text, concept integer, name text, breaks text, exact integer);
create table parent (child integer, parent text);
create table word (word text primary key) without rowid;
create table meta (name text primary key, value text) without rowid;
"""
_INDEXES = """
create index name_key on name (key);
create index parent_parent on parent (parent);
create index concept_id on concept (id);
"""
_FIND_NAMES = "select key, concept, name, breaks, exact from name where key in "
_FIND_WORDS = "select word from word where word in "
_SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a concept as the vocabulary writes it; ``exact`` names are taken only with these capitals."""

    key: str
    concept: int
    name: str
    breaks: frozenset[int]
    exact: bool


class Vocabulary:
    """Look-ups in a compiled vocabulary; safe to use from several threads. ``notes`` are said with every question."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ambiguities: Iterable[Ambiguity] = (),
        notes: Iterable[str] = (),
    ) -> None:
        self._connection = connection
        self._lock = Lock()
        self._concepts: dict[int, Concept] = {}
        self._below: dict[str, tuple[str, ...]] = {}
        self.version = self._all("select value from meta where name = 'version'")[0][0]
        self.notes = tuple(notes)
        self.ambiguous: dict[str, list[Ambiguity]] = {}
        for item in ambiguities:
            self.ambiguous.setdefault(words.key([t.norm for t in words.tokens(item.name)]), []).append(item)

    def names(self, keys: Iterable[str]) -> dict[str, list[Name]]:
        """The names behind each of these keys."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, list[Name]] = {}
        for start in range(0, len(wanted), 900):
            part = wanted[start : start + 900]
            for row in self._all(_FIND_NAMES + f"({_marks(part)})", part):
                breaks = frozenset(int(number) for number in row[3].split())
                found.setdefault(row[0], []).append(Name(row[0], row[1], row[2], breaks, bool(row[4])))
        return found

    def concept(self, number: int) -> Concept:
        """The concept of a name."""
        if number not in self._concepts:
            query = "select kind, id, label, synonyms, mesh, types, xrefs from concept where number = ?"
            kind, identifier, label, synonyms, mesh, types, xrefs = self._all(query, [number])[0]
            parents = self._all("select parent from parent where child = ?", [number])
            self._concepts[number] = Concept(
                kind=kind,
                id=identifier,
                label=label,
                synonyms=_parts(synonyms),
                mesh=mesh,
                parents=tuple(row[0] for row in parents),
                types=_parts(types),
                xrefs=_parts(xrefs),
            )
        return self._concepts[number]

    def narrower(self, identifier: str) -> tuple[str, ...]:
        """Names of everything below a concept, nearest first: its label, and the first of its other names."""
        if identifier not in self._below:
            rows = self._all(
                "with recursive below(number, depth) as (select child, 1 from parent where parent = ?"
                " union select p.child, depth + 1 from below join concept c on c.number = below.number"
                " join parent p on p.parent = c.id where c.id != '' and depth < 12)"
                " select c.label, c.synonyms, min(depth) from below join concept c on c.number = below.number"
                " where c.id != ? group by c.number order by min(depth), c.label",
                [identifier, identifier],
            )
            self._below[identifier] = tuple(name for row in rows for name in (row[0], *_parts(row[1])[:1]))
        return self._below[identifier]

    def near(self, word: str) -> str | None:
        """A word of the vocabulary that is one letter away from ``word``; None if there is none or more than one."""
        variants = list(_one_letter_away(word))
        found = [row[0] for row in self._all(_FIND_WORDS + f"({_marks(variants)})", variants)]
        # A word that is a name by itself is likelier than one that is only part of names.
        names = self.names(found)
        found = [item for item in found if item in names] or found
        return min(found, key=len) if len({words.singular(item) for item in found}) == 1 else None

    def _all(self, query: str, values: Sequence[str | int] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def vocabulary(cache: Path | None = None) -> Vocabulary:
    """The vocabulary to read questions with: the one built for this user (``vocab build``), else the embedded one.

    The embedded one is compiled in ``cache`` (default: the settings') at its first use; where ``cache`` is given, a
    built one is not looked for.
    """
    if cache is not None:
        return _embedded(cache)
    from .. import settings

    loaded = settings.load()
    built = loaded.data / FOLDER / BUILT
    return _built(built, loaded.cache) if built.exists() else _embedded(loaded.cache)


def forget() -> None:
    """Open files anew at the next use, after one was built or removed."""
    _embedded.cache_clear()
    _built.cache_clear()


@lru_cache(maxsize=4)
def _embedded(cache: Path) -> Vocabulary:
    return Vocabulary(_compiled(cache), written.ambiguities())


@lru_cache(maxsize=4)
def _built(path: Path, cache: Path) -> Vocabulary:
    connection = _open(path)
    try:
        row = connection.execute("select value from meta where name = 'schema'").fetchone()
    except sqlite3.Error as error:
        raise DataError(
            f"the vocabulary {path} cannot be read: {error}; build it anew, or remove the file",
            file=str(path),
        ) from error
    if row == (str(_SCHEMA_VERSION),):
        return Vocabulary(connection, written.ambiguities())
    note = f"The vocabulary {path} is of another version of omics_nb and was not used; run `omics-nb vocab build` anew."
    return Vocabulary(_compiled(cache), written.ambiguities(), [note])


def _compiled(cache: Path) -> sqlite3.Connection:
    path = cache / FOLDER / f"{written.checksum()[:16]}-{_SCHEMA_VERSION}.sqlite"
    if path.exists() or _compile_file(path):
        return _open(path)
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    compile_into(connection, written.concepts(), written.version())
    return connection


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)


def compile_into(
    connection: sqlite3.Connection, concepts: Iterable[Concept], version: str, *, mendable: int | None = None
) -> None:
    """Write concepts into an empty database. Typing errors are mended to the words of the first ``mendable`` of them.

    Most words of large ontologies are so rare that a plain word is likelier than a mistyped one of them.
    """
    connection.executescript(_SCHEMA)
    seen_words: set[str] = set()
    for number, concept in enumerate(concepts):
        synonyms = _SEPARATOR.join(name.removeprefix("=") for name in concept.synonyms)
        values = (number, concept.kind, concept.id, concept.label.removeprefix("="), synonyms, concept.mesh)
        others = (_SEPARATOR.join(concept.types), _SEPARATOR.join(concept.xrefs))
        connection.execute("insert into concept values (?, ?, ?, ?, ?, ?, ?, ?)", (*values, *others))
        connection.executemany(
            "insert into parent values (?, ?)", [(number, parent) for parent in concept.parents]
        )
        connection.executemany("insert into name values (?, ?, ?, ?, ?)", list(_name_rows(number, concept)))
        if concept.kind != "gene" and (mendable is None or number < mendable):
            seen_words.update(_long_words((concept.label, *concept.synonyms)))
    connection.executemany("insert into word values (?)", [(word,) for word in sorted(seen_words)])
    meta = [("version", version), ("schema", str(_SCHEMA_VERSION))]
    connection.executemany("insert into meta values (?, ?)", meta)
    connection.executescript(_INDEXES)
    connection.commit()


def _name_rows(number: int, concept: Concept) -> Iterable[tuple[str, int, str, str, int]]:
    seen = set()
    # The identifier of an assay is a DataSet Type, which people write out as well.
    own = (concept.id,) if concept.kind == "assay" and concept.id else ()
    # MeSH turns its headings round; those who come from PubMed write them so ("Lupus Erythematosus, Systemic").
    turned = (concept.mesh,) if ", " in concept.mesh else ()
    for marked in (concept.label, *concept.synonyms, *own, *turned):
        name = marked.removeprefix("=")
        norms = [token.norm for token in words.tokens(name)]
        singulars = [*norms[:-1], words.singular(norms[-1])] if norms else []
        for form in (norms, singulars):
            if form and (words.key(form), name) not in seen:
                seen.add((words.key(form), name))
                breaks = " ".join(map(str, sorted(words.breaks(name))))
                yield words.key(form), number, name, breaks, int(marked.startswith("="))


def _compile_file(path: Path) -> bool:
    """Compile beside ``path`` and move it there in one step, so that readers see the whole file or none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    except OSError:
        return False
    os.close(handle)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.executescript("pragma journal_mode = off; pragma synchronous = off;")
            compile_into(connection, written.concepts(), written.version())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return True


def _long_words(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        for token in words.tokens(name):
            if len(token.norm) >= 6 and token.norm.isalpha():
                yield token.norm


def _one_letter_away(word: str) -> Iterable[str]:
    """Words that become ``word`` by one wrong, missing, doubled or swapped letter; the first one is seldom wrong."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(1, len(word) + 1):
        head, tail = word[:i], word[i:]
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in letters if letter != tail[0])
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in letters)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part for part in value.split(_SEPARATOR) if part)
