"""A question, how it was read, and what a search found for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, fold, join, notes, source_line, table
from .numbers import counted
from .plain import source_text, table_text, wrap

if TYPE_CHECKING:
    from ..records import Hit, Hits, Query, Term

_KINDS = {
    "organism": "Organism",
    "assay": "Assay",
    "disease": "Disease",
    "tissue": "Tissue",
    "cell_type": "Cell type",
    "cell_line": "Cell line",
    "gene": "Gene",
    "drug": "Drug",
    "word": "Words",
}
_SYNONYMS_SHOWN = 4


def explain_query(query: Query) -> tuple[str, ...]:
    """How a question was read, one sentence a line."""
    lines = [*_terms_read(query), *_limits_read(query), *_samples_read(query)]
    if not lines:
        lines.append("No condition was recognised in the question.")
    if query.ignored:
        lines.append(f"Read past: {', '.join(query.ignored)}.")
    return (*lines, *query.notes, *(f"Suggestion: {text}" for text in query.suggestions))


def _terms_read(query: Query) -> Iterator[str]:
    if query.accessions:
        yield f"Accession: {', '.join(query.accessions)}."
    for kind, name in _KINDS.items():
        found = [_term_read(term) for term in query.terms if term.kind == kind]
        if found:
            yield f"{name}: {'; '.join(found)}."
    if query.excluded:
        yield f"Not: {', '.join(term.label for term in query.excluded)}."
    if query.platforms:
        yield f"Platform: {', '.join(query.platforms)}."


def _samples_read(query: Query) -> Iterator[str]:
    """What the question asks of samples and files; a search by study texts alone cannot hold studies to it."""
    asked = {
        "sex": query.sex,
        "age": query.age,
        "at least in each group": query.min_per_group,
        "raw data": query.has_raw,
        "counts": query.has_counts,
    }
    named = [name if value is True else f"{name} {value}" for name, value in asked.items() if value]
    if named:
        yield f"Read, and left for you to check in the study: {', '.join(named)}."


def _term_read(term: Term) -> str:
    others = [
        name for name in term.names if name.casefold() not in {term.label.casefold(), term.text.casefold()}
    ]
    written = f" (written “{term.text}”)" if term.text.casefold() != term.label.casefold() else ""
    if not others:
        return term.label + written
    more = f" and {len(others) - _SYNONYMS_SHOWN} more" if len(others) > _SYNONYMS_SHOWN else ""
    return f"{term.label}{written}, also searched as {', '.join(others[:_SYNONYMS_SHOWN])}{more}"


def _limits_read(query: Query) -> Iterator[str]:
    if query.min_samples is not None and query.max_samples is not None:
        yield f"Samples: {query.min_samples} to {query.max_samples}."
    elif query.min_samples is not None:
        yield f"Samples: at least {query.min_samples}."
    elif query.max_samples is not None:
        yield f"Samples: at most {query.max_samples}."
    if query.published_from and query.published_to:
        yield f"Published: {query.published_from.isoformat()} to {query.published_to.isoformat()}."
    elif query.published_from:
        yield f"Published: {query.published_from.isoformat()} or later."
    elif query.published_to:
        yield f"Published: {query.published_to.isoformat()} or earlier."
    if query.compare:
        yield f"Comparison: {query.compare[0]} against {query.compare[1]} (the reference)."


def query_html(query: Query) -> str:
    return card(el("h3", "Question"), query_body(query))


def query_body(query: Query) -> Html:
    """The question and how it was read."""
    lines = explain_query(query)
    return join(
        [
            el("p", el("q", query.text)),
            el("p", "It was read as:", class_="omics-dim"),
            el("ul", [el("li", line) for line in lines]),
        ]
    )


def hits_html(hits: Hits) -> str:
    found = _found(hits)
    reading = fold("How the question was read", query_body(hits.query), _backend(hits), shown=not hits.hits)
    return card(el("h3", found), hits_body(hits), reading)


def hits_body(hits: Hits) -> Html:
    """Source, notes and the table of what was found, with the reasons."""
    return join(
        [
            source_line(hits.source, synthetic=is_synthetic(hits)),
            notes(hits.notes),
            _hits_table(hits) if hits.hits else None,
        ]
    )


def is_synthetic(hits: Hits) -> bool:
    """Whether the source or any of its hits says so: a source of another package may mark its hits alone."""
    return hits.synthetic or any(hit.synthetic for hit in hits)


def _found(hits: Hits) -> str:
    if not hits.hits:
        return "No study was found"
    studies = counted(hits.total, "study", "studies")
    return f"{studies} found" if hits.total <= len(hits) else f"{studies} found, the first {len(hits)} shown"


def _backend(hits: Hits) -> Html | None:
    return el("p", "Sent to the source: ", el("code", hits.backend_query)) if hits.backend_query else None


def _hits_table(hits: Hits) -> Html:
    headers = (
        "Accession",
        "Title and why it was found",
        "Organism",
        "Samples",
        "Type",
        "Platforms",
        "Published",
    )
    return table("Studies, best first", headers, [_hit_row(hit) for hit in hits], numeric={3})


def _hit_row(hit: Hit) -> tuple[object, ...]:
    why = el("div", "; ".join(hit.reasons), class_="omics-dim") if hit.reasons else None
    return (
        accession_link(hit.accession, synthetic=hit.synthetic),
        join([hit.title, why]),
        ", ".join(hit.organisms),
        f"{hit.n_samples:,}",
        ", ".join(hit.types),
        ", ".join(hit.platforms),
        el("span", hit.published.isoformat() if hit.published else "unknown", class_="omics-nowrap"),
    )


def hits_text(hits: Hits) -> str:
    """The question as it was read, the hits as aligned columns with the reason below each, and notes."""
    lines = [wrap(f"“{hits.query.text}”"), *(wrap(line, indent="  ") for line in explain_query(hits.query))]
    lines += ["", f"{_found(hits)}; {source_text(hits.source, synthetic=is_synthetic(hits))}"]
    if hits.hits:
        lines += _hit_lines(hits)
    return "\n".join([*lines, *(wrap(note) for note in hits.notes)])


def _hit_lines(hits: Hits) -> list[str]:
    headers = ("accession", "samples", "year", "organism", "title")
    rows = [(h.accession, h.n_samples, _year(h), ", ".join(h.organisms), h.title) for h in hits]
    heading, *lines = table_text(headers, rows, numeric={1}, flexible=4).split("\n")
    return [heading, *(_with_reasons(line, hit) for line, hit in zip(lines, hits, strict=True))]


def _with_reasons(line: str, hit: Hit) -> str:
    return f"{line}\n{wrap('; '.join(hit.reasons), indent='    ')}" if hit.reasons else line


def _year(hit: Hit) -> str:
    return str(hit.published.year) if hit.published else ""
