"""An index of studies as it was committed last, and searching it.

Which studies answer a query is decided by the index, for all of them; the best of these by the index's own scores are
then ranked by the rules of ``search_headers``, with the same reasons.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import IntegrityError, SettingsError
from ..records import Hit, Hits, Query, Removed, Term
from ..terms.concepts import word_list
from .clauses import Clauses
from .conditions import Condition, conditions
from .facets import FACETS, TOP
from .feedback import own_text
from .headers import Choice, Sort, apply_samples, choice, nothing_notes, shown_note, sort_ranked
from .postings import build_from
from .ranking import (
    Corpus,
    Match,
    Ranked,
    by_number,
    content,
    matched,
    own_words,
    rank,
    rarity,
    stems_asked,
    things,
    to_hit,
    weights,
)
from .recognise import version
from .schema import FORMAT, Entry, entry_of
from .snippets import Snippet, snippet

if TYPE_CHECKING:
    import tantivy

#: So many studies, or this times the limit, are ranked by the rules of ``search_headers``: for 97 % of 120
#: questions the first ten are those of ranking all.
RANKED_AT_LEAST, RANKED_TIMES = 80, 3
#: Where a question asks for more things than these, all its conditions are counted in one pass.
FEW_THINGS = 2
#: So many of the studies that a condition removed are named.
MAX_LISTED = 6
ABOUT = "about.json"
META = "meta.json"
_FOOTER_MAGIC = 1337


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


@dataclass(frozen=True, slots=True)
class Found:
    """``hits`` as every search gives them, and ``snippets`` by accession."""

    hits: Hits
    snippets: Mapping[str, Snippet]


def open_index(folder: Path) -> Index:
    """The index in ``folder`` as it was committed last; open it again to see what was added since.

    SettingsError if there is none, IntegrityError if it is damaged or of another version of this package.
    """
    folder = folder.expanduser().resolve()
    try:
        status = (folder / META).stat()
    except OSError:
        if (folder / ABOUT).exists():
            raise damaged(folder, f"{META} is missing") from None
        raise SettingsError(
            f"there is no index in {folder}; make one: omics-nb index add WHAT --index {folder}",
            folder=str(folder),
        ) from None
    return _opened(folder, (status.st_mtime_ns, status.st_size, status.st_ino))


@lru_cache(maxsize=4)
def _opened(folder: Path, _state: tuple[int, int, int]) -> Index:
    return Index(folder)


class Index:
    """The studies of a folder as they were committed when it was opened. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self.folder = folder
        with translated(folder):
            _check_format(folder)
            index = tantivy.Index.open(str(folder))
            index.config_reader("manual")
            self._parsed = index.parse_query
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
        chosen: Choice | None = None,
    ) -> Found:
        """The studies that answer a query, with snippets and, where asked for, facets.

        They are those that ``search_headers`` finds, and those in which a tissue, cell type or disease of the query
        was recognised by a name that the query does not carry. ``within`` are accessions (or hits) to search among.
        By relevance, the order is that of ``search_headers`` among the studies that the index's own scores put first
        (at least 80, three times the limit), and only these are held against what samples tell. By date or samples,
        the largest come first, and equal ones in no order that is promised. A word longer than 65,530 bytes is not
        found. ``chosen`` replaces the four before it.
        """
        chosen = chosen or choice(limit, within, sort, facets)
        with translated(self.folder):
            asked = self._ask(query, chosen.within)
            total, places = self._places(query, asked, chosen)
            ranked, removed = self._ranked(query, asked, places, chosen)
            total -= sum(item.count for item in removed)
            removed = [*asked.removed, *removed]
            notes = [*map(str, removed)]
            n_shown = sum(1 + len(item.merged) for item, _ in ranked)
            if total > n_shown:
                notes.append(shown_note(len(ranked), total))
            if not total:
                notes += self._why_nothing(query, asked)
            counted = self._facets(asked.wanted) if chosen.facets else {}
        shown = asked.stems - word_list("stopwords")
        snippets = {entry.header.accession: snippet(entry.header, entry.stems, shown) for _, entry in ranked}
        hits = tuple(
            to_hit(
                entry.header,
                item,
                entry.source or source,
                entry.synthetic,
                snippets[entry.header.accession].shown,
            )
            for item, entry in ranked
        )
        return Found(
            Hits(
                query,
                hits,
                source,
                total,
                tuple(notes),
                synthetic=any(hit.synthetic for hit in hits),
                removed=tuple(removed),
                facets=counted,
                weights=weights(),
            ),
            snippets,
        )

    def get(self, accession: str) -> Entry | None:
        """The study with this accession; None if it is not in the index."""
        with translated(self.folder):
            _, found = self._first(self._clauses.one_of("accession", [accession]), 1)
            return self._entry(found[0]) if found else None

    def info(self) -> Info:
        """What the index holds."""
        with translated(self.folder):
            told = self._searcher.aggregate(
                self._clauses.everything(), {"sources": {"terms": {"field": "source", "size": 1_000}}}
            )
            dated = self._parsed(self._clauses.passing(Condition("", "published", low=1)))
            ends = self._searcher.aggregate(
                dated, {"first": {"min": {"field": "published"}}, "last": {"max": {"field": "published"}}}
            )
        days = [ends[name]["value"] for name in ("first", "last")]
        files = [path for path in self.folder.iterdir() if path.is_file()]
        return Info(
            folder=str(self.folder),
            n_studies=self.n_studies,
            n_bytes=sum(path.stat().st_size for path in files),
            committed=datetime.fromtimestamp((self.folder / META).stat().st_mtime, UTC).isoformat(),
            sources={item["key"] or "unknown": item["doc_count"] for item in told["sources"]["buckets"]},
            vocabularies=self._versions,
            published=tuple(str(date.fromordinal(int(day))) for day in days) if None not in days else (),
        )

    def check(self) -> None:
        """Read every file and compare its checksum; IntegrityError names the first that is damaged."""
        with translated(self.folder):
            meta = json.loads((self.folder / META).read_text(encoding="utf-8"))
            # A writer that was killed leaves files that no commit names.
            segments = {item["segment_id"].replace("-", "") for item in meta["segments"]}
        for path in sorted(self.folder.iterdir()):
            named = path.name.split(".")[0] in segments
            if named and not _is_whole(path.read_bytes()):
                raise damaged(self.folder, f"{path.name} does not match its checksum")

    def _ask(self, query: Query, within: frozenset[str] | None) -> _Asked:
        terms = content(query)
        n_found = [self._count(self._clauses.naming(term)) for term in terms]
        passing = [] if within is None else [self._clauses.one_of("accession", within)]
        named = self._clauses.both(self._clauses.asked(query, terms), *passing)
        tests = conditions(query)
        # Where half of several things are asked for, each look takes its time, and one that counts all is shorter.
        at_once = len(things(terms)) > FEW_THINGS
        removed = self._removed_at_once(named, tests) if at_once else self._removed(named, tests)
        passing += [
            self._parsed(self._clauses.passing(test))
            for test, gone in zip(tests, removed, strict=True)
            if gone.count
        ]
        own = {stem: self._holding("text", stem) for stem in own_words(terms)}
        gone = tuple(item for item in removed if item.count)
        wanted = self._clauses.both(self._clauses.asked(query, terms), *passing)
        return _Asked(terms, n_found, own, named, tuple(passing), wanted, gone)

    def _removed(self, named: tantivy.Query, tests: Sequence[Condition]) -> list[Removed]:
        """What each condition takes out of what those before it leave."""
        removed = []
        for test in tests:
            gone = self._clauses.both(named, self._parsed(self._clauses.failing(test)))
            count, places = self._first(gone, MAX_LISTED)
            some = tuple(self._entry(place).header.accession for place in places)
            removed.append(Removed(test.name, count, some))
            if count:
                named = self._clauses.both(named, self._parsed(self._clauses.passing(test)))
        return removed

    def _removed_at_once(self, named: tantivy.Query, tests: Sequence[Condition]) -> list[Removed]:
        """The same in one pass over the index."""
        written = [(self._clauses.passing(test), self._clauses.failing(test)) for test in tests]
        left = self._searcher.aggregate(named, _narrowing(written))
        removed = []
        for test in tests:
            gone = left["gone"]
            some = [hit["docvalue_fields"]["accession"][0] for hit in gone["first"]["hits"]]
            removed.append(Removed(test.name, gone["doc_count"], tuple(some)))
            left = left["kept"]
        return removed

    def _places(self, query: Query, asked: _Asked, chosen: Choice) -> tuple[int, list[tantivy.DocAddress]]:
        """How many studies are wanted, and where those are that are ranked."""
        limit = max(RANKED_AT_LEAST, RANKED_TIMES * chosen.limit)
        if chosen.sort != "relevance":
            field = "published" if chosen.sort == "date" else "n_samples"
            return self._first(asked.wanted, limit, field, self._descending)
        if not asked.terms:
            return self._first(asked.wanted, limit)
        rarities = [rarity(self.n_studies, count) for count in asked.n_found]
        scored = self._clauses.scored(query, asked.terms, rarities, asked.own, self._rarity)
        return self._first(self._clauses.filtered(scored, asked.passing), limit, None, self._descending)

    def _ranked(
        self, query: Query, asked: _Asked, places: Sequence[tantivy.DocAddress], chosen: Choice
    ) -> tuple[list[tuple[Ranked, Entry]], list[Removed]]:
        """The best of these, and those whose samples tell otherwise than the query asks."""
        entries = sorted(map(self._entry, places), key=lambda entry: by_number(entry.header.accession))
        headers = [entry.header for entry in entries]
        kept, removed = apply_samples(headers, query, range(len(headers)))
        index = build_from(
            headers,
            [entry.stems for entry in entries],
            only=asked.stems,
            concepts=[asked.concepts.intersection(entry.concepts) for entry in entries],
        )
        matches = [
            Match(term, matched(index, term), count)
            for term, count in zip(asked.terms, asked.n_found, strict=True)
        ]
        corpus = Corpus(self.n_studies, self._mean_length, asked.own, _Stored(entries, self._holding_text))
        limit = chosen.limit if chosen.sort == "relevance" else len(kept)
        ranked = sort_ranked(rank(index, query, matches, kept, corpus, limit), headers, chosen)
        return [(item, entries[item.study]) for item in ranked], removed

    def _why_nothing(self, query: Query, asked: _Asked) -> list[str]:
        tests = {test.name: self._parsed(self._clauses.passing(test)) for test in conditions(query)}
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
            wanted, {name: {"terms": {"field": name, "size": TOP}} for name in FACETS}
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

    def _holding_text(self, stem: str) -> int:
        return self._holding("text", stem)

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


class _Stored:
    """The texts of entries, and the index's own counts of words. Implements ``Texts``."""

    def __init__(self, entries: Sequence[Entry], holding: Callable[[str], int]) -> None:
        self._entries = entries
        self.holding = holding

    def bag(self, study: int) -> Counter[str]:
        return Counter(own_text(self._entries[study].stems))

    def counts(self, stems: Collection[str]) -> dict[str, dict[int, int]]:
        found: dict[str, dict[int, int]] = {stem: {} for stem in stems}
        for study, entry in enumerate(self._entries):
            here = [stem for stem in own_text(entry.stems) if stem in found]
            for stem in here:
                found[stem][study] = found[stem].get(study, 0) + 1
        return found


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
    removed: tuple[Removed, ...]

    @property
    def stems(self) -> set[str]:
        """The stems of all names of the terms, and of their own words."""
        return stems_asked(self.terms)

    @property
    def concepts(self) -> set[str]:
        """The identifiers of the terms."""
        return {term.id for term in self.terms if term.id}


def _narrowing(written: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """An aggregation of what passes the first condition, of that what passes the next, and so on.

    At each, what fails is counted too, and its first studies are named.
    """
    if not written:
        return {}
    (passing, failing), *others = written
    top = {"size": MAX_LISTED, "sort": [{"number": "asc"}], "docvalue_fields": ["accession"]}
    gone = {"filter": failing, "aggs": {"first": {"top_hits": top}}}
    return {"kept": {"filter": passing, "aggs": _narrowing(others)}, "gone": gone}


def _value(key: object) -> str:
    return str(int(key)) if isinstance(key, float) else str(key)


def _check_format(folder: Path) -> None:
    try:
        found = json.loads((folder / ABOUT).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(folder, f"{ABOUT} cannot be read: {error}") from error
    if found != FORMAT:
        raise damaged(folder, f"it has the format {found!r}, this version of omics_nb reads {FORMAT}")


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Errors of the library below as ours. A panic of its code derives from BaseException alone."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise damaged(folder, str(error)) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise damaged(folder, str(error)) from error
        raise


def damaged(folder: Path, why: str) -> IntegrityError:
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
