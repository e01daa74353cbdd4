"""Putting studies into a full-text index in a folder, by tantivy (https://github.com/quickwit-oss/tantivy).

One process writes at a time and any number read; what is read is the state of the last commit, also after a writer
was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DataError, SettingsError, SourceError
from ..records import StudyHeader
from .clauses import Clauses
from .opened import ABOUT, META, damaged, open_index, translated
from .schema import FORMAT, Given, document, given, schema

if TYPE_CHECKING:
    import tantivy

_BATCH = 1_000
_COMMIT_EVERY = 100_000
_MEMORY = 256_000_000


class Added(NamedTuple):
    """What became of the studies that were given; ``total`` are in the index now."""

    new: int
    changed: int
    unchanged: int
    total: int

    def __str__(self) -> str:
        return f"{self.new:,} new, {self.changed:,} changed, {self.unchanged:,} unchanged; {self.total:,} studies"


def add_studies(
    folder: Path, headers: Iterable[StudyHeader], *, source: str | None, synthetic: bool = False
) -> Added:
    """Put studies into the index in ``folder``, which is made if it is not there.

    A study that is there already, unchanged, costs a look; a changed one takes the place of the former. ``source``
    is the source that can fetch these studies. What was added is safe on disk at every 100,000 studies and at the end;
    a killed process loses what came after. SourceError if another process is writing.
    """
    folder = folder.expanduser().resolve()
    index = _index_to_write(folder)
    writer = _writer(index, folder)
    try:
        with translated(folder):
            index.reload()  # Another process may have written between opening and locking.
        return _add(index, writer, folder, headers, source, synthetic)
    finally:
        # Lets go of the lock, also where an error is kept with all its frames; what was not committed is dropped.
        with translated(folder):
            writer.wait_merging_threads()


def _add(
    index: tantivy.Index,
    writer: tantivy.IndexWriter,
    folder: Path,
    headers: Iterable[StudyHeader],
    source: str | None,
    synthetic: bool,
) -> Added:
    n_new = n_changed = n_same = n_waiting = 0
    seen = set[str]()
    before = index.searcher()  # What is added from here on is in ``seen``.
    for batch in _batches(headers):
        studies = {header.accession: given(header, source, synthetic=synthetic) for header in batch}
        digests = {name: study.digest for name, study in studies.items()}
        with translated(folder):
            known, same = _known(before, digests)
            for name, study in studies.items():
                if name in seen:
                    known.add(name)
                elif digests[name] in same:
                    n_same += 1
                    continue
                if name in known:
                    writer.delete_documents_by_term("accession", name)
                seen.add(name)
                writer.add_document(_documented(study))
                n_new, n_changed = n_new + (name not in known), n_changed + (name in known)
                n_waiting += 1
            if n_waiting >= _COMMIT_EVERY:
                writer.commit()
                n_waiting = 0
    with translated(folder):
        if n_waiting:
            writer.commit()
        index.reload()
        return Added(n_new, n_changed, n_same, index.searcher().num_docs)


def _index_to_write(folder: Path) -> tantivy.Index:
    import tantivy

    if (folder / META).exists():
        open_index(folder)
        with translated(folder):
            return tantivy.Index.open(str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in folder.iterdir()]
        if others:
            raise SettingsError(
                f"{folder} holds no index but {', '.join(sorted(others)[:3])}; name an empty or a new folder",
                folder=str(folder),
            )
        index = tantivy.Index(schema(), path=str(folder), reuse=False)
        (folder / ABOUT).write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"no index can be made in {folder}: {error}", folder=str(folder)) from error
    return index


def _writer(index: tantivy.Index, folder: Path) -> tantivy.IndexWriter:
    try:
        return index.writer(_MEMORY, 1)
    except ValueError as error:
        if "LockBusy" not in str(error):
            raise damaged(folder, str(error)) from error
        raise SourceError(
            f"another process is writing to the index {folder}; wait until it has ended", folder=str(folder)
        ) from error


def _batches(headers: Iterable[StudyHeader]) -> Iterator[list[StudyHeader]]:
    rest = iter(headers)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _known(searcher: tantivy.Searcher, digests: Mapping[str, int]) -> tuple[set[str], set[int]]:
    """Which of these accessions the index has, and which of these digests."""
    if not searcher.num_docs:
        return set(), set()
    query = Clauses(joined=True).one_of("accession", digests)
    places = [place for _, place in searcher.search(query, limit=len(digests), count=False).hits]
    have = set(searcher.fast_field_values("digest", places))
    same = {digest for digest in digests.values() if digest in have}
    changed = {name for name, digest in digests.items() if digest not in have}
    return ({name for name in changed if _has(searcher, name)} if len(have) > len(same) else set()), same


def _has(searcher: tantivy.Searcher, accession: str) -> bool:
    query = Clauses(joined=True).one_of("accession", [accession])
    return bool(searcher.search(query, limit=1, count=False).hits)


def _documented(study: Given) -> tantivy.Document:
    try:
        return document(study)
    except ValueError as error:
        name = study.header.accession
        raise DataError(f"{name} cannot be indexed: {error}", accession=name) from error
