"""Searching GEO at NCBI: two variants with their counts, what NCBI made of them, and what is removed here.

The strict variant has all words of the question; the broad one only what the vocabulary knows of it, with its parts
and kinds. Negations and
conditions on samples are no part of either: they are applied here to the records that came, and what they removed is
listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import chain
from typing import NamedTuple

from ..errors import QuestionError
from ..geo.entrez import Entrez, Found, Json
from ..index import NCBI_COUNTS, Choice, choice, search_headers
from ..records import Hit, Hits, Query, Sent, StudyHeader
from ..terms.entrez import validate_term, write_term
from ..terms.translation import differences

#: So many of NCBI's records are read and ranked.
CANDIDATES = 200


class _Answer(NamedTuple):
    """A variant, what it found, and the UIDs that were asked for."""

    sent: Sent
    found: Found


def search(entrez: Entrez, query: Query, chosen: Choice, *, source: str) -> Hits:
    """Series that NCBI finds for the query, ordered by how well their own words answer it.

    Where the strict search has fewer than the limit, those of the broad one are added. ``searches`` has both,
    ``removed`` and the notes what was left out and why.
    """
    strict, broad = _ask(entrez, query, chosen)
    widened = broad is not None and bool(broad.found.ids)
    ids = list(dict.fromkeys(chain(strict.found.ids, broad.found.ids if broad else ())))[:CANDIDATES]
    records, notes = _records(entrez, ids)
    only_broad = {uid for uid in ids if uid not in strict.found.ids}
    # What NCBI filtered by, its records do not carry.
    counted = query.has_counts and not any("rnaseq counts" in phrase for phrase in strict.found.dropped)
    headers = [_header(record, (NCBI_COUNTS,) if counted else ()) for record in records.values()]
    found_broadly = {
        header.accession for uid, header in zip(records, headers, strict=True) if uid in only_broad
    }
    ranked = _ranked(query, headers, chosen, found_broadly)
    main = broad if broad is not None and not strict.found.count else strict
    total = broad.found.count if broad is not None and widened else strict.found.count
    notes = [*_widened(strict, broad), *notes, *_dropped(main), *map(str, ranked.removed)]
    notes += _explain(main, total, len(ids), ranked, chosen.limit)
    return replace(
        ranked,
        query=query,
        hits=ranked.hits[: chosen.limit],
        source=source,
        total=total,
        notes=tuple(notes),
        backend_query=main.sent.term,
        searches=(strict.sent, broad.sent) if broad else (strict.sent,),
    )


def _ask(entrez: Entrez, query: Query, chosen: Choice) -> tuple[_Answer, _Answer | None]:
    """Both variants; the broad one with UIDs only where the strict one has too few, else it is counted."""
    term = _term(query, chosen, strict=True)
    found = entrez.search("gds", term, most=max(chosen.limit, CANDIDATES))
    strict = _Answer(_sent("strict", term, found), found)
    try:
        broader = _term(query, chosen, strict=False)
    except QuestionError:
        return strict, None
    if broader == term:
        return strict, None
    most = max(chosen.limit, CANDIDATES) if found.count < chosen.limit else 0
    found = entrez.search("gds", broader, most=most)
    return strict, _Answer(_sent("broad", broader, found), found)


def _term(query: Query, chosen: Choice, *, strict: bool) -> str:
    term = write_term(query, strict=strict)
    if chosen.within is None:
        return term
    if not chosen.within:
        raise QuestionError("there is nothing to search within: no hits were given")
    among = " OR ".join(f"{name}[ACCN]" for name in sorted(chosen.within))
    return validate_term(f"({among}) AND {term}")


def _sent(variant: str, term: str, found: Found) -> Sent:
    changes = differences(term, found.translation, found.dropped)
    return Sent(variant, term, found.count, found.translation, found.dropped, changes)  # type: ignore[arg-type]


def _records(entrez: Entrez, ids: Sequence[str]) -> tuple[dict[str, Json], list[str]]:
    """The records of series by UID, and a note where NCBI could not give some."""
    if not ids:
        return {}, []
    summaries = entrez.summaries("gds", ids)
    notes = []
    if summaries.errors:
        some = "; ".join(f"{uid}: {message}" for uid, message in list(summaries.errors.items())[:3])
        notes.append(f"NCBI could not give {len(summaries.errors)} of the records: {some}")
    return {uid: record for uid, record in summaries.records.items() if _is_series(record)}, notes


def _ranked(query: Query, headers: Sequence[StudyHeader], chosen: Choice, broadly: set[str]) -> Hits:
    """NCBI's hits, first those whose title and summary answer the query, then the others in NCBI's order.

    NCBI also searches what summaries do not carry, such as the samples' characteristics, so these are hits as
    well.
    """
    every = choice(max(len(headers), 1), sort=chosen.sort, facets=chosen.facets)
    plain = replace(query, accessions=(), terms=query.of("organism", "assay"))
    named = search_headers(headers, query, source="ncbi", synthetic=False, chosen=every).hits
    allowed = search_headers(headers, plain, source="ncbi", synthetic=False, chosen=every)
    hits: Sequence[Hit] = allowed.hits
    if chosen.sort == "relevance":
        known = {name for hit in named for name in (hit.accession, *hit.merged)}
        order = {header.accession: place for place, header in enumerate(headers)}
        others = (hit for hit in allowed if hit.accession not in known)
        reason = "found by NCBI's index, which also holds sample texts and MeSH terms"
        hits = [
            *named,
            *(
                replace(hit, score=0.0, relevance=0.0, reasons=(*hit.reasons, reason))
                for hit in sorted(others, key=lambda hit: order[hit.accession])
            ),
        ]
        # What has all words of the question comes first.
        hits = sorted(hits, key=lambda hit: hit.accession in broadly)
    return replace(allowed, hits=tuple(_marked(hit, broadly) for hit in hits))


def _marked(hit: Hit, broadly: set[str]) -> Hit:
    if hit.accession not in broadly:
        return hit
    return replace(hit, reasons=(*hit.reasons, "found by the broad search only"))


def _widened(strict: _Answer, broad: _Answer | None) -> list[str]:
    if broad is None:
        return []
    if not strict.found.count:
        return ["NCBI finds nothing for all words of the question; the plain words were left out."]
    counts = f"NCBI finds {strict.found.count} for all words, and {broad.found.count} in the broad search"
    added = "; the latter were added" if broad.found.ids else ""
    return [f"{counts} (no plain words, parts and kinds included){added}."]


def _dropped(answer: _Answer) -> list[str]:
    notes = [
        f"NCBI knows no record with {part} and searched without it: the result is wider than asked."
        for part in _conditions_dropped(answer.sent.term, answer.found.dropped)
    ]
    notes += answer.sent.changes
    return notes + [message for message in answer.found.messages if message != "No items found."]


def _explain(main: _Answer, total: int, n_asked: int, ranked: Hits, limit: int) -> list[str]:
    notes = []
    if not total:
        notes.append(
            f"NCBI finds no series. It read the question as: {main.found.translation or '(nothing)'}"
        )
    if total > n_asked:
        notes.append(f"NCBI finds {total}; the {n_asked} that it puts first were ranked.")
        if ranked.facets:
            notes.append(f"The counts by facet are of these {n_asked}.")
    if len(ranked) > limit:
        notes.append(f"{limit} of {len(ranked)} are shown.")
    return notes


def _conditions_dropped(term: str, dropped: Sequence[str]) -> list[str]:
    """The conditions of a search of which NCBI knows no name at all.

    One synonym of several that occurs nowhere changes nothing; a condition without any falls away as a whole.
    """
    gone = {_bare(phrase) for phrase in dropped}
    conditions, depth = [""], 0
    for piece in re.split(r"([()]| AND )", term):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == " AND " and depth == 0:
            conditions.append("")
        else:
            conditions[-1] += piece
    return [
        condition
        for condition in conditions
        if (names := re.findall(r'"[^"]*"\s*\[[^\]]*\]|[^\s"()]+\s*\[[^\]]*\]', condition))
        and gone.issuperset(map(_bare, names))
    ]


def _bare(phrase: str) -> str:
    """A phrase without its field and quotes: NCBI's reports spell both in ways of their own."""
    return re.sub(r'\[[^\]]*\]|"', "", phrase).strip().casefold()


def _is_series(record: Json) -> bool:
    return str(record.get("entrytype", "")).upper() == "GSE" and bool(
        re.fullmatch(r"GSE\d+", str(record.get("accession")))
    )


def _header(record: Json, known: tuple[str, ...]) -> StudyHeader:
    samples = record.get("samples") or ()
    relations = record.get("extrelations") or ()
    return StudyHeader(
        accession=str(record["accession"]),
        title=str(record.get("title", "")),
        summary=str(record.get("summary", "")),
        overall_design="",
        organisms=_split(record.get("taxon")),
        types=_split(record.get("gdstype")),
        platforms=tuple(f"GPL{number}" for number in _split(record.get("gpl"))),
        published=_day(str(record.get("pdat", ""))),
        n_samples=int(record.get("n_samples") or len(samples)),
        sample_texts=tuple(str(sample.get("title", "")) for sample in samples),
        relations=tuple(f"{item.get('relationtype')}: {item.get('targetobject')}" for item in relations),
        files=(*known, *filter(None, re.split(r"[,;\s]+", str(record.get("suppfile") or "")))),
    )


def _split(text: object) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(text or "").split(";") if part.strip())


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y/%m/%d").date()
    except ValueError:
        return None
