"""The understood question as chips: each condition can be taken away, others added, and the search is done anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from anywidget import AnyWidget
from traitlets import Bool, Dict, List, Unicode

from omics_nb.display.markup import clean
from omics_nb.query import FILTERS, Query, Term

from .parts import PALETTE

_HERE = Path(__file__)
_ORGANISMS = ("Homo sapiens", "Mus musculus", "Rattus norvegicus")
_SAID = {
    "min_samples": ("samples", "at least {}"),
    "max_samples": ("samples", "at most {}"),
    "min_per_group": ("samples", "at least {} in each group"),
    "published_from": ("published", "from {}"),
    "published_to": ("published", "until {}"),
    "sex": ("sex", "{}"),
    "age": ("age", "{}"),
    "has_raw": ("files", "raw data"),
    "has_counts": ("files", "counts"),
}


class Chip(NamedTuple):
    """A condition as it is shown, and what ``Query.without`` takes it away by."""

    kind: str
    text: str
    by: str | Term
    excluded: bool = False


class QueryChips(AnyWidget):
    """Shows a query; calls ``edit(make)`` for a change, where ``make()`` gives the edited query or QuestionError."""

    _esm = _HERE.with_name("chips.js")
    _css = PALETTE + _HERE.with_name("chips.css").read_text(encoding="utf-8")
    chips = List(Dict()).tag(sync=True)
    organisms = List(Unicode()).tag(sync=True)
    organism = Unicode("").tag(sync=True)
    disabled = Bool(False).tag(sync=True)

    def __init__(self, edit: Callable[[Callable[[], Query]], None]) -> None:
        super().__init__()
        self._edit = edit
        self._query = Query("")
        self._items: tuple[Chip, ...] = ()
        self.on_msg(self._on_message)

    def show(self, query: Query) -> None:
        """The chips of this query in place of those before."""
        self._query, self._items = query, tuple(chips_of(query))
        named = [term.label for term in query.of("organism")]
        with self.hold_sync():
            self.organisms = list(dict.fromkeys([*_ORGANISMS, *named]))
            self.organism = named[0] if len(named) == 1 else ""
            self.chips = [
                {"kind": chip.kind, "text": clean(chip.text), "excluded": chip.excluded}
                for chip in self._items
            ]

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        query = self._query
        if self.disabled:
            return
        at = content.get("remove")
        if isinstance(at, int) and 0 <= at < len(self._items):
            chip = self._items[at]
            self._edit(lambda: query.without(chip.by))
        elif isinstance(content.get("add"), str):
            self._edit(lambda: added(query, content["add"]))
        elif content.get("organism") in ("", *self.organisms):
            self._edit(lambda: of_organism(query, content["organism"]))

    def __repr__(self) -> str:
        return f"QueryChips({', '.join(chip.text for chip in self._items)})"


def chips_of(query: Query) -> Iterator[Chip]:
    """What the question named, then what it holds a study to."""
    for terms, excluded in ((query.terms, False), (query.excluded, True)):
        yield from (Chip(term.kind.replace("_", " "), term.label, term, excluded) for term in terms)
    yield from (Chip("accession", name, name) for name in query.accessions)
    yield from (Chip("platform", name, name) for name in query.platforms)
    if query.compare:
        yield Chip("compare", " vs ".join(query.compare), "compare")
    for name, (kind, words) in _SAID.items():
        value = getattr(query, name)
        if value:
            yield Chip(kind, words.format(value), name)


def added(query: Query, text: str) -> Query:
    """The query with what ``text`` names and the conditions that it sets. QuestionError if it cannot be read."""
    from omics_nb import understand

    more = understand(text)
    defaults = {item.name: getattr(Query(""), item.name) for item in fields(Query)}
    changes = {name: getattr(more, name) for name in FILTERS if getattr(more, name) != defaults[name]}
    for name in ("accessions", "platforms"):
        if name in changes:
            changes[name] = tuple(dict.fromkeys([*getattr(query, name), *changes[name]]))
    if more.excluded:
        changes["excluded"] = tuple(dict.fromkeys([*query.excluded, *more.excluded]))
    return query.with_(*more.terms, **changes)


def of_organism(query: Query, name: str) -> Query:
    """The query for this organism alone; for any, where the name is empty."""
    others = query.without(*query.of("organism")) if query.of("organism") else query
    return added(others, name) if name else others
