"""A question as it was understood: ``Query`` and its ``Term``s, plain values that can be edited and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import display
from .errors import QuestionError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TermKind = Literal["organism", "assay", "disease", "tissue", "cell_type", "cell_line", "gene", "drug", "word"]
Intent = Literal["find", "compare", "analyse", "summarise", "validate"]
Span = tuple[int, int]

# Fields that hold a study to something, and that ``without`` takes by name.
FILTERS = (
    "min_samples", "max_samples", "min_per_group", "published_from", "published_to", "compare", "accessions",
    "platforms", "sex", "age", "has_raw", "has_counts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that the question names.

    ``text`` is how it was written, ``span`` its place in the question (start, end; (0, 0) where it was added later),
    ``label`` the preferred name, ``id`` an ontology identifier or a GEO DataSet Type where one is known, ``xrefs``
    identifiers of the same thing elsewhere (MONDO, Entrez Gene), ``synonyms`` other exact names. ``mesh`` is the MeSH
    heading, ``types`` are all DataSet Types under which an assay is filed, ``narrower`` names of parts and kinds (for
    tissues and cell types). Terms with the same ``group`` above 0 are alternatives ("or").
    """

    text: str
    kind: TermKind
    label: str
    id: str | None = None
    synonyms: tuple[str, ...] = ()
    span: Span = (0, 0)
    mesh: str | None = None
    types: tuple[str, ...] = ()
    narrower: tuple[str, ...] = ()
    group: int = 0
    xrefs: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Label, the text as written and synonyms, each once, case ignored."""
        seen: dict[str, str] = {}
        for name in (self.label, self.text, *self.synonyms):
            seen.setdefault(name.casefold(), name)
        return tuple(seen.values())


class Side(NamedTuple):
    """One side of a comparison: its words, their place ((0, 0) where they are not in the text), the terms in it."""

    text: str
    span: Span
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it was understood; ``with_`` and ``without`` give edited copies.

    ``compare`` holds the two sides of a "tested vs reference" phrase, ``compare_spans`` their places in the text.
    ``condition_spans`` are those of dates, sample counts, accessions and the like.
    ``accessions`` are GEO accessions named in the text. ``ignored`` are words that were read and carry no condition.
    ``excluded`` are terms that the question says no to. ``min_per_group`` counts samples in each of the groups.
    ``confidence`` is 0 to 1, with its reasons; ``suggestions`` would make the question better; ``vocabulary`` is the
    version of the words it was read with.
    """

    text: str
    terms: tuple[Term, ...] = ()
    accessions: tuple[str, ...] = ()
    min_samples: int | None = None
    max_samples: int | None = None
    published_from: date | None = None
    published_to: date | None = None
    compare: tuple[str, str] | None = None
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    excluded: tuple[Term, ...] = ()
    intent: Intent = "find"
    platforms: tuple[str, ...] = ()
    sex: Literal["female", "male"] | None = None
    age: str | None = None
    min_per_group: int | None = None
    has_raw: bool = False
    has_counts: bool = False
    confidence: float = 1.0
    confidence_reasons: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    vocabulary: str = ""
    compare_spans: tuple[Span, ...] = ()
    condition_spans: tuple[Span, ...] = ()

    def of(self, *kinds: TermKind) -> tuple[Term, ...]:
        """The terms of these kinds, in the order of the question."""
        return tuple(term for term in self.terms if term.kind in kinds)

    @property
    def not_understood(self) -> tuple[str, ...]:
        """Words that the vocabulary does not know; a search takes them as they are written."""
        return tuple(term.text for term in (*self.terms, *self.excluded) if term.kind == "word")

    @property
    def sides(self) -> tuple[Side, ...]:
        """The two sides of the comparison, the tested one first, with the terms that stand in each; or none."""
        spans = self.compare_spans or ((0, 0), (0, 0))
        return tuple(
            Side(text, span, tuple(term for term in self.terms if _overlap(span, term.span)))
            for text, span in zip(self.compare or (), spans, strict=False)
        )

    def without(self, *what: str | Term) -> Query:
        """A copy without these: terms by text, label or identifier, accessions, platforms, or filters by field name.

        QuestionError says what there is, where something is not there.
        """
        query = self
        for item in what:
            query = _without(query, item)
        return _edited(query, [f"without {_name(item)}" for item in what])

    def with_(self, *terms: Term, **changes: Any) -> Query:
        """A copy with more terms and other values of fields: ``query.with_(sex="female", min_samples=6)``.

        Dates may be texts: ``published_from="2019-01-01"``. Terms may come from another question:
        ``query.with_(*omics.understand("human").terms)``. QuestionError for a field that there is not, and for a
        value that it cannot take.
        """
        known = [item.name for item in fields(self) if item.name != "text"]
        for name in changes:
            if name not in known:
                raise QuestionError(f"a query has no field {name!r} to change; it has {', '.join(known)}")
        gone: dict[str, Any] = {"compare_spans": ()} if "compare" in changes else {}
        query = replace(self, **{**gone, **changes})
        for term in terms:
            query = _with_term(query, term)
        said = [f"with {term.label}" for term in terms] + [_said(*change) for change in changes.items()]
        return _edited(_read(query.to_json(), "this cannot be changed so"), said)

    def to_json(self) -> str:
        """The query as JSON text that ``from_json`` reads back to an equal query."""
        return json.dumps(asdict(self), default=str, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Query:
        """A query that ``to_json`` wrote; QuestionError says what is not as it should be."""
        return _read(text, "this JSON is no query")

    @property
    def explanation(self) -> tuple[str, ...]:
        """How the question was read, one sentence a line."""
        return display.explain_query(self)

    def __repr__(self) -> str:
        return f"Query({self.text!r}, {len(self.terms)} terms)"

    def _repr_html_(self) -> str:
        return display.query_html(self)

    def __str__(self) -> str:
        return "\n".join(self.explanation)


def _overlap(one: Span, other: Span) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def _name(item: str | Term) -> str:
    return item.label if isinstance(item, Term) else item


def _without(query: Query, item: str | Term) -> Query:
    wanted = _name(item).casefold()

    def other(term: Term) -> bool:
        return term != item and wanted not in {name.casefold() for name in (*term.names, term.id or "")}

    less = replace(
        query,
        terms=tuple(filter(other, query.terms)),
        excluded=tuple(filter(other, query.excluded)),
        accessions=tuple(name for name in query.accessions if name.casefold() != wanted),
        platforms=tuple(name for name in query.platforms if name.casefold() != wanted),
    )
    if less == query and wanted in FILTERS:
        less = replace(query, **{name: _default(name) for name in (wanted, *_ALONG.get(wanted, ()))})
    if less == query:
        raise QuestionError(
            f"the query has no {_name(item)!r}; it has {', '.join(_named(query)) or 'nothing'}"
        )
    return less


# What goes with a filter when it goes.
_ALONG = {"compare": ("compare_spans",)}


def _default(name: str) -> Any:
    default = Query.__dataclass_fields__[name].default
    return () if default is MISSING else default


def _named(query: Query) -> Iterator[str]:
    """What ``without`` takes."""
    yield from (term.label for term in (*query.terms, *query.excluded))
    yield from (*query.accessions, *query.platforms)
    yield from (name for name in FILTERS if getattr(query, name) != _default(name))


def _with_term(query: Query, term: Term) -> Query:
    """The query with one more term; one that was excluded is no longer."""
    here = query.text[slice(*term.span)] == term.text
    added = replace(term, span=term.span if here else (0, 0), group=0)

    def other(old: Term) -> bool:
        return (old.kind, old.label) != (term.kind, term.label)

    return replace(
        query,
        terms=(*filter(other, query.terms), added),
        excluded=tuple(filter(other, query.excluded)),
    )


def _said(name: str, value: object) -> str:
    return f"without {name}" if value in (None, (), False) else f"with {name} {value}"


def _edited(query: Query, changes: list[str]) -> Query:
    """The query with a note of what was changed; advice on the question as it was asked no longer holds."""
    if not changes:
        return query
    return replace(query, notes=(*query.notes, f"Edited: {'; '.join(changes)}."), suggestions=())


def _read(text: str | bytes, complaint: str) -> Query:
    try:
        query = _adapter().validate_json(text, strict=True)
        values = json.loads(text)
        _check_names(values, Query)
        for term in (*values.get("terms", ()), *values.get("excluded", ())):
            _check_names(term, Term)
    except ValueError as error:
        raise QuestionError(f"{complaint}: {_first_fault(error)}") from error
    _check_limits(query)
    return query


def _check_names(values: dict[str, Any], kind: type[Query] | type[Term]) -> None:
    unknown = set(values) - {item.name for item in fields(kind)}
    if unknown:
        raise ValueError(f"a {kind.__name__} has no {', '.join(sorted(unknown))}")


@cache
def _adapter() -> TypeAdapter[Query]:
    from pydantic import TypeAdapter

    return TypeAdapter(Query)


def _first_fault(error: ValueError) -> str:
    """Where and what pydantic's first complaint is."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False)
    place = ".".join(str(part) for part in faults[0]["loc"])
    return f"{place}: {faults[0]['msg']}" if place else str(faults[0]["msg"])


def _check_limits(query: Query) -> None:
    for name in ("min_samples", "max_samples", "min_per_group"):
        value = getattr(query, name)
        if value is not None and value < 0:
            raise QuestionError(f"{name} cannot be {value}; give a number of samples from 0 on")
    first, last, low, high = query.published_from, query.published_to, query.min_samples, query.max_samples
    if first and last and first > last:
        raise QuestionError(f"the dates leave nothing: from {first} to {last}; give the earlier date first")
    if low is not None and high is not None and low > high:
        raise QuestionError(f"the sample counts leave nothing: at least {low} and at most {high}")
