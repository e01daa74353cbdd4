"""What a search found: few studies as cards, each of which opens as a whole, many as a table; several can be ticked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ipywidgets import HTML, Button, Checkbox, Dropdown, HBox, VBox
from traitlets import Unicode

from omics_nb.display.markup import Html, accession_link, el, notes, source_line, synthetic_badge
from omics_nb.display.numbers import counted
from omics_nb.display.question import is_synthetic
from omics_nb.errors import SettingsError
from omics_nb.query import Query
from omics_nb.records import Hit, Hits

from .chips import QueryChips
from .front import link_to
from .parts import block, button, marked, visible
from .question import understood
from .table import Cell, Column, Table

MOST_CARDS = 30
_COLUMNS = (
    Column("Study", width="7.5rem"),
    Column("Title and why it was found", "main", "minmax(0, 4fr)"),
    Column("Found because", "detail"),
    Column("Samples", "number", "5rem"),
    Column("Organism", width="minmax(0, 1.2fr)", facet=True),
    Column("Type", width="minmax(0, 1.6fr)", facet=True),
    Column("Platform", width="minmax(0, 1fr)", facet=True),
    Column("Published", width="6.5rem"),
)


class HitsView(VBox):
    """Shows ``Hits``; calls ``choose(hit)`` when a person does. ``chosen`` is the accession, or empty.

    Few are cards, many a table; a person may have either. ``edit(make)`` is called when the understood question is
    changed: ``make()`` gives the edited query. The accessions in ``ticked`` can be taken on together, to a table of
    reports or a meta-analysis.
    """

    chosen = Unicode("")

    def __init__(
        self,
        choose: Callable[[Hit], None],
        edit: Callable[[Callable[[], Query]], None] | None = None,
    ) -> None:
        self._choose = choose
        self._hits: Hits | None = None
        self.chips = QueryChips(edit or (lambda _: None))
        self._reading = HTML()
        self._found = HTML()
        self.back = button("Show all studies again", self.unfold, "omics-back")
        self.form = marked(
            Dropdown(
                description="Show as", options=["cards", "table"], style={"description_width": "initial"}
            ),
            "omics-field",
            "omics-hits-form",
        )
        self.table = Table(
            _COLUMNS,
            self._choose_row,
            caption="Studies, best first",
            noun=("study", "studies"),
            tickable=True,
        )
        self.clear = button("Choose none", lambda: self.tick(()))
        self._told = HTML()
        self._together = marked(HBox([self._told, self.clear]), "omics-together")
        self._rows = marked(VBox(), "omics-hits")
        self._buttons: dict[str, Button] = {}
        self._boxes: dict[str, Checkbox] = {}
        heads = [self.chips, self._reading, self._found, self.form, self._together, self.back]
        parts = [*heads, self.table, self._rows]
        super().__init__(parts)
        self.form.observe(lambda _: self.unfold(), "value")
        self.table.observe(lambda _: self._show_ticked(), "ticked")
        visible(self.chips, edit is not None)
        for part in (self.back, self.form, self.table, self._together):
            visible(part, False)

    @property
    def controls(self) -> list[Any]:
        own = [self.chips, self.form, self.back, self.table, self.clear]
        return [*own, *self._buttons.values(), *self._boxes.values()]

    @property
    def ticked(self) -> tuple[str, ...]:
        """The accessions of the studies that are ticked, in the order of the hits."""
        on = set(self.table.ticked)
        return tuple(hit.accession for hit in self._hits or () if hit.accession in on)

    def tick(self, accessions: Iterable[str]) -> None:
        """Tick these studies and no others."""
        self.table.ticked = list(accessions)

    def show(self, hits: Hits) -> None:
        """Hits in place of what was shown before; an empty result says why."""
        self.chosen = ""
        self._hits = hits
        self.chips.show(hits.query)
        self._reading.value = understood(hits.query, hits.backend_query)
        self._found.value = block(
            el("p", el("strong", found_text(hits)), role="status"),
            source_line(hits.source, synthetic=is_synthetic(hits)),
            notes(hits.notes),
        )
        self.table.show([_cells(hit) for hit in hits])
        self.table.selected = ""
        self._buttons = {hit.accession: self._button(hit) for hit in hits[:MOST_CARDS]}
        self._boxes = {hit.accession: self._box(hit) for hit in hits[:MOST_CARDS]}
        self._rows.children = [self._row(hit, rank) for rank, hit in enumerate(hits[:MOST_CARDS], start=1)]
        self.form.value = "table" if len(hits) > MOST_CARDS else "cards"
        self.unfold()

    def fold(self, accession: str) -> None:
        """Only the chosen study stays, and a button that brings the others back."""
        self.chosen = self.table.selected = accession
        for known, row in zip(self._buttons, self._rows.children, strict=True):
            visible(row, known == accession)
            (row.add_class if known == accession else row.remove_class)("omics-chosen")
        visible(self._rows, True)
        visible(self.table, accession not in self._buttons and bool(self._hits))
        visible(self.form, False)
        visible(self.back, self._hits is not None and len(self._hits) > 1 and accession in self._buttons)

    def unfold(self) -> None:
        """All studies, in the form that the person wants."""
        many = self._hits is not None and len(self._hits) > 1
        as_table = many and self.form.value == "table"
        for row in self._rows.children:
            visible(row, True)
        visible(self.form, many)
        visible(self.table, as_table)
        visible(self._rows, not as_table)
        visible(self.back, False)

    def _choose_row(self, accession: str) -> None:
        if self._hits is not None:
            self._choose(self._hits.get(accession))

    def _row(self, hit: Hit, rank: int) -> Any:
        deeds = VBox([self._buttons[hit.accession], self._boxes[hit.accession]])
        return marked(HBox([HTML(_card(hit, rank)), marked(deeds, "omics-deeds")]), "omics-hit")

    def _button(self, hit: Hit) -> Button:
        return button(f"Open {hit.accession}", lambda: self._choose(hit), "omics-choose", tooltip=hit.title)

    def _box(self, hit: Hit) -> Checkbox:
        box = Checkbox(description=f"Choose {hit.accession}", indent=False)
        box.observe(lambda change: self._tick_one(hit.accession, change["new"]), "value")
        return marked(box, "omics-tick")

    def _tick_one(self, accession: str, on: bool) -> None:
        others = [other for other in self.table.ticked if other != accession]
        if on != (accession in self.table.ticked):
            self.table.ticked = [*others, accession] if on else others

    def _show_ticked(self) -> None:
        for accession, box in self._boxes.items():
            box.value = accession in self.table.ticked
        self._told.value = _together(self._hits, self.ticked) if self._hits else ""
        visible(self._together, bool(self.ticked))


def _together(hits: Hits, ticked: tuple[str, ...]) -> str:
    """How many studies are ticked, and links to what can be made of all of them."""
    asked = {
        "question": f"{hits.query.text} {', '.join(ticked)}",
        "limit": len(ticked),
        "source": hits.source,
    }
    ways: list[object]
    try:
        ways = [
            link_to("Make reports of these", "batch.ipynb", studies=list(ticked), source=hits.source),
            link_to("Meta-analysis of these", "meta_analysis.ipynb", **asked)
            if len(ticked) > 1
            else "A meta-analysis needs two or more.",
        ]
    except SettingsError:
        ways = ["These are too many for a link; choose fewer, or give a table of them to the batch page."]
    return block(
        el("p", el("strong", counted(len(ticked), "study", "studies"), " chosen"), role="status"),
        el("p", [el("span", way) for way in ways], class_="omics-ways-on"),
    )


def _cells(hit: Hit) -> tuple[Cell, ...]:
    return (
        *(hit.accession, hit.title, "; ".join(hit.reasons), hit.n_samples, "; ".join(hit.organisms)),
        *("; ".join(hit.types), "; ".join(hit.platforms)),
        hit.published.isoformat() if hit.published else None,
    )


def found_text(hits: Hits) -> str:
    """ "12 studies found, the first 10 shown" in words."""
    if not hits.hits:
        return "No study was found."
    studies = counted(hits.total, "study", "studies")
    shown = (
        f", the best {len(hits)} shown" if hits.total > len(hits) else ", best first" if len(hits) > 1 else ""
    )
    return f"{studies} found{shown}."


def _card(hit: Hit, rank: int) -> str:
    known = (
        accession_link(hit.accession, synthetic=hit.synthetic),
        ", ".join(hit.organisms),
        counted(hit.n_samples, "sample"),
        ", ".join(hit.types),
        ", ".join(hit.platforms),
        hit.published.isoformat() if hit.published else None,
    )
    return block(
        el("h3", el("span", f"{rank}. ", class_="omics-dim"), hit.title),
        el("p", el("span", _dotted(known), class_="omics-dotted"), synthetic_badge(hit.synthetic)),
        el("p", "Found because: ", "; ".join(hit.reasons), class_="omics-dim") if hit.reasons else None,
    )


def _dotted(parts: tuple[object, ...]) -> list[Html]:
    shown = [el("span", part) for part in parts if part]
    return [Html(part + " ") for part in shown]
