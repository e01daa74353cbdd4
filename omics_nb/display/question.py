"""What a search found for a question, with how the question was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, facts, fold, join, notes, source_line, table
from .numbers import counted
from .plain import source_text, table_text, wrap
from .reading import explain_query as explain_query
from .reading import query_body as query_body
from .reading import query_html as query_html

if TYPE_CHECKING:
    from ..records import Hit, Hits

_FACETS_SHOWN = 8


def hits_html(hits: Hits) -> str:
    found = _found(hits)
    reading = fold("How the question was read", query_body(hits.query), _backend(hits), shown=not hits.hits)
    return card(el("h3", found), hits_body(hits), *_about_hits(hits), reading)


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


def _about_hits(hits: Hits) -> Iterator[Html]:
    """Folds on what was found: counts by facet, what was sent, what was removed, how scores are made."""
    if any(hits.facets.values()):
        shown = [(name, ", ".join(_counts(values))) for name, values in hits.facets.items() if values]
        yield fold("What was found, counted", facts(shown), shown=True)
    if hits.searches:
        headers = ("Search", "Records", "Sent", "As it was read")
        rows = [
            (item.variant, f"{item.count:,}", el("code", item.term), item.translation)
            for item in hits.searches
        ]
        yield fold(
            "Searches at the source", table("What was sent, and its counts", headers, rows, numeric={1})
        )
    if hits.removed:
        gone = [(item.condition, f"{item.count:,}", ", ".join(item.accessions)) for item in hits.removed]
        heads = ("Condition", "Removed", "Studies")
        yield fold("What conditions removed here", table("Removed", heads, gone, numeric={1}))
    if hits.weights and hits.hits:
        yield fold("How scores are made", el("ul", [el("li", line) for line in hits.weights]))


def _counts(values: Mapping[str, int]) -> list[str]:
    shown = [f"{value} {count:,}" for value, count in list(values.items())[:_FACETS_SHOWN]]
    return shown + ([f"and {len(values) - _FACETS_SHOWN} more"] if len(values) > _FACETS_SHOWN else [])


def _backend(hits: Hits) -> Html | None:
    return el("p", "Sent to the source: ", el("code", hits.backend_query)) if hits.backend_query else None


def _hits_table(hits: Hits) -> Html:
    headers = (
        "Accession",
        "Title and why it was found",
        "Score",
        "Organism",
        "Samples",
        "Type",
        "Platforms",
        "Published",
    )
    is_ranked = all(before.score >= after.score for before, after in pairwise(hits))
    caption = "Studies, best first" if is_ranked else "Studies"
    return table(caption, headers, [_hit_row(hit) for hit in hits], numeric={4})


def _hit_row(hit: Hit) -> tuple[object, ...]:
    why = el("div", "; ".join(hit.reasons), class_="omics-dim") if hit.reasons else None
    snippet = el("div", el("q", hit.snippet), class_="omics-dim") if hit.snippet else None
    return (
        accession_link(hit.accession, synthetic=hit.synthetic),
        join([hit.title, why, snippet]),
        join([f"{hit.score:.2f}", el("div", _scores(hit), class_="omics-dim")]),
        ", ".join(hit.organisms),
        f"{hit.n_samples:,}",
        ", ".join(hit.types),
        ", ".join(hit.platforms),
        el("span", hit.published.isoformat() if hit.published else "unknown", class_="omics-nowrap"),
    )


def _scores(hit: Hit) -> str:
    """The two scores of a hit, and that of an embedder where there is one."""
    similar = "" if hit.embedding is None else f", embedding {hit.embedding:.2f}"
    return f"relevance {hit.relevance:.2f} × fitness {hit.fitness:.2f}{similar}"


def hits_text(hits: Hits) -> str:
    """The question as it was read, the hits as aligned columns with the reason below each, and notes."""
    lines = [wrap(f"“{hits.query.text}”"), *(wrap(line, indent="  ") for line in explain_query(hits.query))]
    lines += ["", f"{_found(hits)}; {source_text(hits.source, synthetic=is_synthetic(hits))}"]
    if hits.hits:
        lines += _hit_lines(hits)
    for name, values in hits.facets.items():
        if values:
            lines.append(wrap(f"{name}: {', '.join(_counts(values))}"))
    for item in hits.searches:
        lines.append(wrap(f"{item.variant} search, {counted(item.count, 'record', 'records')}: {item.term}"))
    return "\n".join([*lines, *(wrap(note) for note in hits.notes)])


def _hit_lines(hits: Hits) -> list[str]:
    headers = ("accession", "samples", "year", "organism", "title")
    rows = [(h.accession, h.n_samples, _year(h), ", ".join(h.organisms), h.title) for h in hits]
    heading, *lines = table_text(headers, rows, numeric={1}, flexible=4).split("\n")
    return [heading, *(_with_reasons(line, hit) for line, hit in zip(lines, hits, strict=True))]


def _with_reasons(line: str, hit: Hit) -> str:
    said = [*([_scores(hit)] if hit.relevance else []), *hit.reasons]
    return f"{line}\n{wrap('; '.join(said), indent='    ')}" if said else line


def _year(hit: Hit) -> str:
    return str(hit.published.year) if hit.published else ""
