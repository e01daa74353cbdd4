"""The conditions of a query, said once: tests of a header here, filters of the index in ``clauses.py``."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..records import Query, StudyHeader, Term


class Condition(NamedTuple):
    """``field`` is one of ``values`` or lies between ``low`` and ``high``; for "words", ``term`` is named.

    Values of organism and type are casefolded, days are ordinals, and 0 where a study has no date. ``negated``
    turns it round.
    """

    name: str
    field: Literal["organism", "type", "platform", "n_samples", "published", "words"]
    values: frozenset[str] = frozenset()
    low: int | None = None
    high: int | None = None
    term: Term | None = None
    negated: bool = False


def conditions(query: Query) -> list[Condition]:
    """Every condition of the query, in the words of the question."""
    found = []
    for kind, names in (
        ("organism", {name for term in query.of("organism") for name in term.names}),
        ("type", {name for term in query.of("assay") for name in term.types}),
    ):
        if names:
            of = query.of("organism" if kind == "organism" else "assay")
            label = " or ".join(term.label for term in of)
            found.append(Condition(f"{kind} {label}", kind, _folded(names)))  # type: ignore[arg-type]
    low = max(query.min_samples or 0, 2 * (query.min_per_group or 0))
    if low:
        found.append(Condition(f"at least {low} samples", "n_samples", low=low))
    if query.max_samples is not None:
        found.append(Condition(f"at most {query.max_samples} samples", "n_samples", high=query.max_samples))
    if query.published_from is not None:
        first = query.published_from
        found.append(Condition(f"published from {first}", "published", low=first.toordinal()))
    if query.published_to is not None:
        last = query.published_to
        found.append(Condition(f"published up to {last}", "published", low=1, high=last.toordinal()))
    if query.platforms:
        found.append(
            Condition("platform " + " or ".join(query.platforms), "platform", frozenset(query.platforms))
        )
    found += [_excluded(term) for term in query.excluded]
    return found


def _excluded(term: Term) -> Condition:
    """What a negated term removes.

    An organism: every study of it, also one that has others beside it ("not mouse" removes a study of human and
    mouse). Anything else: every study that names it; an assay that is a type of GEO's, also those of that type.
    """
    if term.kind == "organism":
        return Condition(f"not {term.label}", "organism", _folded(term.names), negated=True)
    types = frozenset(term.types) if term.kind == "assay" and term.id in term.types else frozenset[str]()
    return Condition(f"not {term.label}", "words", _folded(types), term=term, negated=True)


def holds(condition: Condition, header: StudyHeader, *, named: bool = False) -> bool:
    """Whether a study passes; ``named`` says whether it names the term of the condition."""
    if condition.field == "words":
        has = named or bool(_folded(header.types) & condition.values)
    elif condition.field == "platform":
        has = bool(condition.values & set(header.platforms))
    elif condition.field in ("organism", "type"):
        has = bool(
            condition.values & _folded(header.organisms if condition.field == "organism" else header.types)
        )
    else:
        value = header.n_samples if condition.field == "n_samples" else day(header)
        has = (condition.low is None or value >= condition.low) and (
            condition.high is None or value <= condition.high
        )
    return has != condition.negated


def day(header: StudyHeader) -> int:
    """The day of publication as an ordinal, 0 where it is not known."""
    return header.published.toordinal() if header.published else 0


def _folded(names: object) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)  # type: ignore[attr-defined]
