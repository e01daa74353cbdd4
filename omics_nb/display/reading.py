"""How a question was read: in sentences, and as HTML with every name marked where it stands in the question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .markup import Html, card, el, facts, fold, join, link, notes, table

if TYPE_CHECKING:
    from ..query import Query, Term

KINDS = {
    "organism": "Organism",
    "assay": "Assay",
    "disease": "Disease",
    "tissue": "Tissue",
    "cell_type": "Cell type",
    "cell_line": "Cell line",
    "gene": "Gene",
    "drug": "Drug or perturbation",
    "word": "Words",
}
_SYNONYMS_SHOWN = 4
_PREFIXES = ("DOID", "UBERON", "CL", "BTO", "HGNC", "CHEBI", "MONDO")


def explain_query(query: Query) -> tuple[str, ...]:
    """How a question was read, one sentence a line."""
    lines = [*_terms_read(query), *(f"{name}: {text}." for name, text in _conditions(query))]
    if asked := _of_samples(query):
        lines.append(f"Read, and held against what the samples' texts tell: {', '.join(asked)}.")
    if unchecked := _of_files(query):
        lines.append(f"Read, and held against the files that records tell of: {', '.join(unchecked)}.")
    if not lines:
        lines.append("No condition was recognised in the question.")
    if query.ignored:
        lines.append(f"Read past: {', '.join(query.ignored)}.")
    return (*lines, *query.notes, *(f"Suggestion: {text}" for text in query.suggestions))


def query_html(query: Query) -> str:
    return card(el("h3", "Question"), query_body(query))


def query_body(query: Query) -> Html:
    """The question with what was read marked in it, what each name means, conditions, and what is in doubt."""
    named = [("Accession", ", ".join(query.accessions)), ("Platform", ", ".join(query.platforms))]
    to_check = [
        ("Held against the samples' texts", ", ".join(_of_samples(query))),
        ("Held against the records' files", ", ".join(_of_files(query))),
    ]
    conditions = [pair for pair in (*named, *_conditions(query), *to_check) if pair[1]]
    terms = [*query.terms, *query.excluded]
    return join(
        [
            el("p", list(_marked(query)), class_="omics-question"),
            _terms_table(query) if terms else None,
            facts(conditions) if conditions else None,
            el("p", "No condition was recognised in the question.") if not (terms or conditions) else None,
            _not_understood(query),
            notes(query.notes),
            _suggestions(query),
            _background(query),
        ]
    )


class _Mark(NamedTuple):
    start: int
    end: int
    kind: str
    says: str


def _marked(query: Query) -> Iterator[object]:
    """The question as text and marks, in order."""
    at = 0
    for mark in _marks(query):
        yield query.text[at : mark.start]
        label = el("span", f" {mark.kind}", class_="omics-mark-kind")
        yield el(
            "mark",
            query.text[mark.start : mark.end],
            label,
            class_=f"omics-mark omics-mark-{mark.kind}",
            title=mark.says,
        )
        at = mark.end
    yield query.text[at:]


def _marks(query: Query) -> Iterator[_Mark]:
    """Places of terms and conditions that do not overlap, from left to right."""
    marks = [_Mark(*term.span, _mark_kind(term), _says(term)) for term in query.terms if _stands(query, term)]
    marks += [
        _Mark(*term.span, "excluded", f"{KINDS[term.kind].lower()} said no to: {_says(term)}")
        for term in query.excluded
        if _stands(query, term)
    ]
    marks += [_Mark(start, end, "condition", "a condition") for start, end in query.condition_spans]
    at = 0
    for mark in sorted(marks):
        if at <= mark.start < mark.end <= len(query.text):
            yield mark
            at = mark.end


def _stands(query: Query, term: Term) -> bool:
    return query.text[slice(*term.span)] == term.text


def _mark_kind(term: Term) -> str:
    return {"cell_type": "cell", "cell_line": "line", "drug": "agent"}.get(term.kind, term.kind)


def _says(term: Term) -> str:
    if term.kind == "word":
        return "not in the vocabulary, searched as it is written"
    return f"{term.label}{f' ({term.id})' if term.id else ''}"


def _terms_table(query: Query) -> Html:
    headers = ("In the question", "Read as", "Kind", "Identifier", "Also searched as")
    rows = [_term_row(term) for term in query.terms if term.kind != "word"]
    rows += [_term_row(term, excluded=True) for term in query.excluded if term.kind != "word"]
    return table("What the question names", headers, rows) if rows else Html("")


def _term_row(term: Term, *, excluded: bool = False) -> tuple[object, ...]:
    kind = KINDS[term.kind].lower()
    others = [name for name in _others(term) if name != term.text]
    more = f" and {len(others) - _SYNONYMS_SHOWN} more" if len(others) > _SYNONYMS_SHOWN else ""
    group = f", alternative {term.group}" if term.group else ""
    return (
        term.text,
        term.label,
        f"not this {kind}" if excluded else kind + group,
        _identifiers(term),
        ", ".join(others[:_SYNONYMS_SHOWN]) + more,
    )


def _identifiers(term: Term) -> Html:
    shown = [_identifier_link(name) for name in (term.id, *term.xrefs) if name]
    parts = [part for name in shown for part in (", ", name)][1:]
    return join(parts) if parts else el("span", "none known", class_="omics-dim")


def _identifier_link(identifier: str) -> Html:
    """An identifier that leads to its page, where identifiers.org knows its prefix; else the identifier."""
    prefix, _, number = identifier.partition(":")
    if identifier.startswith("CVCL_") and identifier.isidentifier():
        return link(f"https://www.cellosaurus.org/{identifier}", identifier)
    prefix = {"NCBITaxon": "taxonomy", "NCBIGene": "ncbigene"}.get(prefix, prefix)
    if prefix not in (*_PREFIXES, "taxonomy", "ncbigene") or not number.isdigit():
        return join([identifier])
    return link(f"https://identifiers.org/{prefix}:{number}", identifier)


def _not_understood(query: Query) -> Html | None:
    if not query.not_understood:
        return None
    words = ", ".join(f"“{word}”" for word in query.not_understood)
    return notes([f"Not in the vocabulary, searched as plain words: {words}."], kind="warn")


def _suggestions(query: Query) -> Html | None:
    if not query.suggestions:
        return None
    asked = el("ul", [el("li", text) for text in query.suggestions])
    return join([el("p", "To make the question better:", class_="omics-dim"), asked])


def _background(query: Query) -> Html:
    """Intent and confidence in a line, and what stands behind them for who asks."""
    passed = f"Read past: {', '.join(query.ignored)}." if query.ignored else None
    with_words = f"Vocabulary: {query.vocabulary}." if query.vocabulary else None
    texts = [text for text in (*query.confidence_reasons, passed, with_words) if text]
    summary = f"Asked to {query.intent}; confidence {query.confidence:.0%}"
    if not texts:
        return el("p", summary, ".", class_="omics-dim")
    return fold(summary, el("ul", [el("li", text) for text in texts]))


def _terms_read(query: Query) -> Iterator[str]:
    if query.accessions:
        yield f"Accession: {', '.join(query.accessions)}."
    for kind, name in KINDS.items():
        found = [_term_read(term) for term in query.terms if term.kind == kind]
        if found:
            yield f"{name}: {'; '.join(found)}."
    if query.excluded:
        yield f"Not: {', '.join(term.label for term in query.excluded)}."
    if query.platforms:
        yield f"Platform: {', '.join(query.platforms)}."


def _term_read(term: Term) -> str:
    others = _others(term)
    known = f" [{term.id}]" if term.id and term.id != term.label else ""
    written = f" (written “{term.text}”)" if term.text.casefold() != term.label.casefold() else ""
    if not others:
        return term.label + known + written
    more = f" and {len(others) - _SYNONYMS_SHOWN} more" if len(others) > _SYNONYMS_SHOWN else ""
    return f"{term.label}{known}{written}, also searched as {', '.join(others[:_SYNONYMS_SHOWN])}{more}"


def _others(term: Term) -> list[str]:
    return [
        name for name in term.names if name.casefold() not in {term.label.casefold(), term.text.casefold()}
    ]


def _conditions(query: Query) -> Iterator[tuple[str, str]]:
    """Name and value of what holds studies as a whole."""
    if query.min_samples is not None and query.max_samples is not None:
        yield "Samples", f"{query.min_samples} to {query.max_samples}"
    elif query.min_samples is not None:
        yield "Samples", f"at least {query.min_samples}"
    elif query.max_samples is not None:
        yield "Samples", f"at most {query.max_samples}"
    if query.published_from and query.published_to:
        yield "Published", f"{query.published_from.isoformat()} to {query.published_to.isoformat()}"
    elif query.published_from:
        yield "Published", f"{query.published_from.isoformat()} or later"
    elif query.published_to:
        yield "Published", f"{query.published_to.isoformat()} or earlier"
    if query.compare:
        yield "Comparison", f"{query.compare[0]} against {query.compare[1]} (the reference)"


def _of_samples(query: Query) -> list[str]:
    """What the question asks of samples; a study's own text seldom tells it."""
    asked = {"sex": query.sex, "age": query.age, "at least in each group": query.min_per_group}
    return [f"{name} {value}" for name, value in asked.items() if value]


def _of_files(query: Query) -> list[str]:
    """What the question asks of files; not every record tells of them."""
    return [name for name, value in (("raw data", query.has_raw), ("counts", query.has_counts)) if value]
