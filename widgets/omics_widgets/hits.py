"""What a search found, one card a study; the whole card chooses, by click and by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, Button, HBox, VBox
from traitlets import Unicode

from omics_nb.display.markup import Html, accession_link, el, notes, source_line, synthetic_badge
from omics_nb.display.numbers import counted
from omics_nb.display.question import is_synthetic
from omics_nb.records import Hit, Hits

from .parts import block, button, marked, visible
from .question import understood


class HitsView(VBox):
    """Shows ``Hits``; calls ``choose(hit)`` when a person does. ``chosen`` is the accession, or empty."""

    chosen = Unicode("")

    def __init__(self, choose: Callable[[Hit], None]) -> None:
        self._choose = choose
        self._reading = HTML()
        self._found = HTML()
        self.back = button("Show all studies again", self.unfold, "omics-back")
        self._rows = marked(VBox(), "omics-hits")
        self._buttons: dict[str, Button] = {}
        super().__init__([self._reading, self._found, self.back, self._rows])
        visible(self.back, False)

    @property
    def controls(self) -> list[Any]:
        return [self.back, *self._buttons.values()]

    def show(self, hits: Hits) -> None:
        """Hits in place of what was shown before; an empty result says why."""
        self.chosen = ""
        self._reading.value = understood(hits.query, hits.backend_query)
        self._found.value = block(
            el("p", el("strong", found_text(hits)), role="status"),
            source_line(hits.source, synthetic=is_synthetic(hits)),
            notes(hits.notes),
        )
        self._buttons = {hit.accession: self._button(hit) for hit in hits}
        self._rows.children = [
            marked(HBox([HTML(_card(hit, rank)), self._buttons[hit.accession]]), "omics-hit")
            for rank, hit in enumerate(hits, start=1)
        ]
        self.unfold()

    def fold(self, accession: str) -> None:
        """Only the chosen study stays, and a button that brings the others back."""
        self.chosen = accession
        for known, row in zip(self._buttons, self._rows.children, strict=True):
            visible(row, known == accession)
            (row.add_class if known == accession else row.remove_class)("omics-chosen")
        visible(self.back, len(self._buttons) > 1)

    def unfold(self) -> None:
        for row in self._rows.children:
            visible(row, True)
        visible(self.back, False)

    def _button(self, hit: Hit) -> Button:
        return button(f"Open {hit.accession}", lambda: self._choose(hit), "omics-choose", tooltip=hit.title)


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
