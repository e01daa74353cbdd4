"""A full-text index of studies in a folder, by tantivy (https://github.com/quickwit-oss/tantivy).

One process writes at a time and any number read; what is read is the state of the last commit, also after a writer
was killed. Which studies answer a query is decided by the index, for all of them; the best of these by the index's
own scores are then ranked by the rules of ``search_headers``, with the same reasons.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from ..errors import DataError, IntegrityError, QuestionError, SettingsError, SourceError
from ..records import Hit, Hits, Query, StudyHeader, Term
from ..terms.concepts import word_list
from .clauses import Clauses
from .conditions import Condition, conditions, day
from .headers import MAX_LISTED, nothing_notes, removed_note, shown_note
from .ranking import Corpus, Match, Ranked, by_number, content, matched, own_words, rank, rarity, to_hit
from .recognise import version
from .schema import FACETS, FORMAT, Entry, digest_of, document, entry_of, schema
from .snippets import Snippet, snippet
from .text import build_from, stems_of

if TYPE_CHECKING:
    import tantivy

Sort = Literal["relevance", "date", "samples"]

#: So many studies, or this times the limit, are ranked by the rules of ``search_headers``.
RANKED_AT_LEAST, RANKED_TIMES = 100, 3
_ABOUT = "about.json"
_META = "meta.json"
_BATCH = 1_000
_COMMIT_EVERY = 100_000
_MEMORY = 256_000_000
_TOP_FACETS = 20
_FOOTER_MAGIC = 1337


class Added(NamedTuple):
    """What became of the studies that were given; ``total`` are in the index now."""

    new: int
    changed: int
    unchanged: int
    total: int

    def __str__(self) -> str:
        return f"{self.new:,} new, {self.changed:,} changed, {self.unchanged:,} unchanged; {self.total:,} studies"


@dataclass(frozen=True, slots=True)
class Info:
    """What an index holds: studies by source, by vocabulary, first and last day of publication, bytes on disk."""

    folder: str
    n_studies: int
    n_bytes: int
    committed: str
    sources: Mapping[str, int]
    vocabularies: Mapping[str, int]
    published: tuple[str, ...]


class Score(NamedTuple):
    """A hit's two scores, never mixed unseen: how far it is about the question, and how far it serves a search."""

    relevance: float
    fitness: float


@dataclass(frozen=True, slots=True)
class Found:
    """``hits`` as every search gives them; ``scores`` and ``snippets`` by accession; ``facets`` count all matches.

    ``facets``: organism, type, platform, year, tissue, disease → value → studies, the most frequent first.
    """

    hits: Hits
    scores: Mapping[str, Score]
    snippets: Mapping[str, Snippet]
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def open_index(folder: Path) -> Index:
    """The index in ``folder`` as it was committed last; open it again to see what was added since.

    SettingsError if there is none, IntegrityError if it is damaged or of another version of this package.
    """
    folder = folder.expanduser().resolve()
    try:
        status = (folder / _META).stat()
    except OSError:
        if (folder / _ABOUT).exists():
            raise _damaged(folder, f"{_META} is missing") from None
        raise SettingsError(
            f"there is no index in {folder}; make one: omics-nb index add WHAT --index {folder}",
            folder=str(folder),
        ) from None
    return _opened(folder, (status.st_mtime_ns, status.st_size, status.st_ino))


@lru_cache(maxsize=4)
def _opened(folder: Path, _state: tuple[int, int, int]) -> Index:
    return Index(folder)


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
        with _translated(folder):
            index.reload()  # Another process may have written between opening and locking.
        return _add(index, writer, folder, headers, source, synthetic)
    finally:
        # Lets go of the lock, also where an error is kept with all its frames; what was not committed is dropped.
        with _translated(folder):
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
        entries = {header.accession: Entry(header, source, synthetic) for header in batch}
        digests = {name: digest_of(entry) for name, entry in entries.items()}
        with _translated(folder):
            known, same = _known(before, digests)
            for name, entry in entries.items():
                if name in seen:
                    known.add(name)
                elif digests[name] in same:
                    n_same += 1
                    continue
                if name in known:
                    writer.delete_documents_by_term("accession", name)
                seen.add(name)
                writer.add_document(_documented(entry, digests[name]))
                n_new, n_changed = n_new + (name not in known), n_changed + (name in known)
                n_waiting += 1
            if n_waiting >= _COMMIT_EVERY:
                writer.commit()
                n_waiting = 0
    with _translated(folder):
        if n_waiting:
            writer.commit()
        index.reload()
        return Added(n_new, n_changed, n_same, index.searcher().num_docs)


def _index_to_write(folder: Path) -> tantivy.Index:
    import tantivy

    if (folder / _META).exists():
        open_index(folder)
        with _translated(folder):
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
        (folder / _ABOUT).write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"no index can be made in {folder}: {error}", folder=str(folder)) from error
    return index


def _writer(index: tantivy.Index, folder: Path) -> tantivy.IndexWriter:
    try:
        return index.writer(_MEMORY, 1)
    except ValueError as error:
        if "LockBusy" not in str(error):
            raise _damaged(folder, str(error)) from error
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


def _documented(entry: Entry, digest: int) -> tantivy.Document:
    try:
        return document(entry, digest)
    except ValueError as error:
        raise DataError(
            f"{entry.header.accession} cannot be indexed: {error}", accession=entry.header.accession
        ) from error


class Index:
    """The studies of a folder as they were committed when it was opened. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self.folder = folder
        with _translated(folder):
            _check_format(folder)
            index = tantivy.Index.open(str(folder))
            index.config_reader("manual")
            self._searcher = index.searcher()
            self._descending = tantivy.Order.Desc
            self._ascending = tantivy.Order.Asc
            self.n_studies = self._searcher.num_docs
            everything = tantivy.Query.all_query()
            told = self._searcher.aggregate(
                everything,
                {"words": {"avg": {"field": "n_words"}}, "versions": {"terms": {"field": "vocabulary"}}},
            )
        self._has_deleted = any(path.suffix == ".del" for path in folder.iterdir())
        self._mean_length = max(told["words"]["value"] or 0.0, 1.0)
        self._versions = {item["key"]: item["doc_count"] for item in told["versions"]["buckets"]}
        self._clauses = Clauses(joined=set(self._versions) <= {version()})

    def search(
        self,
        query: Query,
        *,
        limit: int = 20,
        facets: bool = False,
        within: Iterable[str | Hit] | None = None,
        sort: Sort = "relevance",
        source: str = "index",
    ) -> Found:
        """The studies that answer a query, with two scores, snippets and, where asked for, facets.

        They are those that ``search_headers`` finds, and those in which a tissue, cell type or disease of the query
        was recognised by a name that the query does not carry. ``within`` are accessions (or hits) to search among.
        By relevance, the order is that of ``search_headers`` among the studies that the index's own scores put first
        (at least 100, three times the limit). By date or samples, the largest come first, and equal ones in no
        order that is promised. A word longer than 65,530 bytes is not found.
        """
        if limit < 1:
            raise QuestionError(f"limit must be at least 1, not {limit}")
        if sort not in get_args(Sort):
            raise QuestionError(f"sort must be one of {', '.join(get_args(Sort))}, not {sort!r}")
        with _translated(self.folder):
            asked = self._ask(query, within)
            total, places = self._places(query, asked, limit, sort)
            ranked = self._ranked(query, asked, places, limit, sort)
            notes = [*asked.notes]
            if total > len(ranked):
                notes.append(shown_note(len(ranked), total))
            if not total:
                notes += self._why_nothing(query, asked)
            counted = self._facets(asked.wanted) if facets else {}
        shown = asked.stems - word_list("stopwords")
        hits = tuple(
            to_hit(entry.header, item, entry.source or source, entry.synthetic) for item, entry in ranked
        )
        return Found(
            Hits(query, hits, source, total, tuple(notes), synthetic=any(hit.synthetic for hit in hits)),
            {entry.header.accession: Score(item.relevance, item.fitness) for item, entry in ranked},
            {entry.header.accession: snippet(entry, shown) for _, entry in ranked},
            counted,
        )

    def get(self, accession: str) -> Entry | None:
        """The study with this accession; None if it is not in the index."""
        with _translated(self.folder):
            _, found = self._first(self._clauses.one_of("accession", [accession]), 1)
            return self._entry(found[0]) if found else None

    def info(self) -> Info:
        """What the index holds."""
        with _translated(self.folder):
            told = self._searcher.aggregate(
                self._clauses.everything(), {"sources": {"terms": {"field": "source", "size": 1_000}}}
            )
            dated = self._clauses.passing(Condition("", "published", low=1))
            ends = self._searcher.aggregate(
                dated, {"first": {"min": {"field": "published"}}, "last": {"max": {"field": "published"}}}
            )
        days = [ends[name]["value"] for name in ("first", "last")]
        files = [path for path in self.folder.iterdir() if path.is_file()]
        return Info(
            folder=str(self.folder),
            n_studies=self.n_studies,
            n_bytes=sum(path.stat().st_size for path in files),
            committed=datetime.fromtimestamp((self.folder / _META).stat().st_mtime, UTC).isoformat(),
            sources={item["key"] or "unknown": item["doc_count"] for item in told["sources"]["buckets"]},
            vocabularies=self._versions,
            published=tuple(str(date.fromordinal(int(day))) for day in days) if None not in days else (),
        )

    def check(self) -> None:
        """Read every file and compare its checksum; IntegrityError names the first that is damaged."""
        with _translated(self.folder):
            meta = json.loads((self.folder / _META).read_text(encoding="utf-8"))
            # A writer that was killed leaves files that no commit names.
            segments = {item["segment_id"].replace("-", "") for item in meta["segments"]}
        for path in sorted(self.folder.iterdir()):
            named = path.name.split(".")[0] in segments
            if named and not _is_whole(path.read_bytes()):
                raise _damaged(self.folder, f"{path.name} does not match its checksum")

    def _ask(self, query: Query, within: Iterable[str | Hit] | None) -> _Asked:
        terms = content(query)
        n_found = [self._count(self._clauses.naming(term)) for term in terms]
        passing = []
        if within is not None:
            among = {item.accession if isinstance(item, Hit) else item.upper() for item in within}
            passing.append(self._clauses.one_of("accession", among))
        named = self._clauses.both(self._clauses.asked(query, terms), *passing)
        wanted, notes = named, []
        for condition in conditions(query):
            having = self._clauses.passing(condition)
            n_removed, places = self._first(self._clauses.without(wanted, having), MAX_LISTED)
            if n_removed:
                some = [self._entry(place).header.accession for place in places]
                notes.append(removed_note(condition, n_removed, some))
                passing.append(having)
                wanted = self._clauses.both(wanted, having)
        own = {stem: self._holding("text", stem) for stem in own_words(terms)}
        return _Asked(terms, n_found, own, named, tuple(passing), wanted, tuple(notes))

    def _places(
        self, query: Query, asked: _Asked, limit: int, sort: Sort
    ) -> tuple[int, list[tantivy.DocAddress]]:
        """How many studies are wanted, and where those are that are ranked."""
        if sort != "relevance":
            field = "published" if sort == "date" else "n_samples"
            return self._first(asked.wanted, limit, field, self._descending)
        limit = max(RANKED_AT_LEAST, RANKED_TIMES * limit)
        if not asked.terms:
            return self._first(asked.wanted, limit)
        rarities = [rarity(self.n_studies, count) for count in asked.n_found]
        scored = self._clauses.scored(query, asked.terms, rarities, asked.own, self._rarity)
        return self._first(self._clauses.filtered(scored, asked.passing), limit, None, self._descending)

    def _ranked(
        self, query: Query, asked: _Asked, places: Sequence[tantivy.DocAddress], limit: int, sort: Sort
    ) -> list[tuple[Ranked, Entry]]:
        # In the order in which headers mostly come: superseries of superseries are placed one after the other.
        entries = sorted(map(self._entry, places), key=lambda entry: by_number(entry.header.accession))
        index = build_from(
            [entry.header for entry in entries],
            [entry.stems for entry in entries],
            only=asked.stems,
            concepts=[entry.concepts for entry in entries],
        )
        matches = [
            Match(term, matched(index, term), count)
            for term, count in zip(asked.terms, asked.n_found, strict=True)
        ]
        corpus = Corpus(self.n_studies, self._mean_length, asked.own)
        ranked = rank(index, query, matches, range(len(entries)), corpus, limit)
        if sort == "date":
            ranked.sort(key=lambda item: -day(entries[item.study].header))
        elif sort == "samples":
            ranked.sort(key=lambda item: -entries[item.study].header.n_samples)
        return [(item, entries[item.study]) for item in ranked]

    def _why_nothing(self, query: Query, asked: _Asked) -> list[str]:
        tests = {condition.name: self._clauses.passing(condition) for condition in conditions(query)}
        left = {
            name: self._count(
                self._clauses.both(asked.named, *(test for other, test in tests.items() if other != name))
            )
            for name in tests
        }
        missing = [name for name in query.accessions if self.get(name) is None]
        matches = [Match(term, {}, count) for term, count in zip(asked.terms, asked.n_found, strict=True)]
        return nothing_notes(matches, self.n_studies, missing, left, n_named=self._count(asked.named))

    def _facets(self, wanted: tantivy.Query) -> dict[str, dict[str, int]]:
        told = self._searcher.aggregate(
            wanted, {name: {"terms": {"field": name, "size": _TOP_FACETS}} for name in FACETS}
        )
        return {
            name: {_value(item["key"]): item["doc_count"] for item in told[name]["buckets"]}
            for name in FACETS
        }

    def _count(self, query: tantivy.Query) -> int:
        told = self._searcher.aggregate(query, {"n": {"value_count": {"field": "number"}}})
        return int(told["n"]["value"])

    def _holding(self, field: str, value: str) -> int:
        """How many studies have this value; the index's own count has those in it that were replaced since."""
        if self._has_deleted:
            return self._count(self._clauses.value(field, value))
        return self._searcher.doc_freq(field, value)

    def _rarity(self, field: str, value: str) -> float:
        # The index's own count has studies in it that were replaced since.
        return rarity(self.n_studies, min(self._searcher.doc_freq(field, value), self.n_studies))

    def _first(
        self,
        query: tantivy.Query,
        limit: int,
        field: str | None = "number",
        order: tantivy.Order | None = None,
    ) -> tuple[int, list[tantivy.DocAddress]]:
        """How many studies answer, and the first by a field's value, or by score where ``field`` is None."""
        limit = min(limit, max(self.n_studies, 1))
        order = order or self._ascending
        found = self._searcher.search(query, limit=limit, order_by_field=field, order=order)
        return found.count, [place for _, place in found.hits]  # type: ignore[attr-defined]  # not in its stubs

    def _entry(self, place: tantivy.DocAddress) -> Entry:
        return entry_of(self._searcher.doc(place))


class _Asked(NamedTuple):
    """``named`` is what names enough of the question, ``wanted`` what passes the conditions, ``passing``, too.

    ``n_found``: how many studies name each of the terms; ``own``: how many have each of their own words.
    """

    terms: list[Term]
    n_found: list[int]
    own: dict[str, int]
    named: tantivy.Query
    passing: tuple[tantivy.Query, ...]
    wanted: tantivy.Query
    notes: tuple[str, ...]

    @property
    def stems(self) -> set[str]:
        """The stems of all names of the terms, and of their own words."""
        names = (name for term in self.terms for name in (*term.names, *term.narrower))
        return {stem for name in names for stem in stems_of(name)} | set(self.own)


def _value(key: object) -> str:
    return str(int(key)) if isinstance(key, float) else str(key)


def _check_format(folder: Path) -> None:
    try:
        found = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{_ABOUT} cannot be read: {error}") from error
    if found != FORMAT:
        raise _damaged(folder, f"it has the format {found!r}, this version of omics_nb reads {FORMAT}")


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Errors of the library below as ours. A panic of its code derives from BaseException alone."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise _damaged(folder, str(error)) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise _damaged(folder, str(error)) from error
        raise


def _damaged(folder: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"the index {folder} cannot be used: {why}. If the disk is neither full nor read-only, delete the folder and"
        f" build it anew: omics-nb index add WHAT --index {folder}",
        folder=str(folder),
    )


def _is_whole(content: bytes) -> bool:
    """Whether a file of tantivy's has the checksum that its footer tells: JSON, its length, a magic number."""
    length, magic = struct.unpack("<II", content[-8:]) if len(content) > 8 else (0, 0)
    if magic != _FOOTER_MAGIC or length + 8 > len(content):
        return False
    footer = json.loads(content[-8 - length : -8])
    return bool(zlib.crc32(memoryview(content)[: -8 - length]) == footer["crc"])
