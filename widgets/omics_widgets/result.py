"""A result: in a sentence, as figures, as a table, and as files to take away."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ipywidgets import HTML, HBox, VBox

from omics_nb.display.markup import Html, el, fold, notes
from omics_nb.display.numbers import counted
from omics_nb.display.result import counts_at, groups_table, result_body, threshold_text
from omics_nb.figures import Figure
from omics_nb.records import DEResult

from .explorer import ResultExplorer
from .figures import FigureChoice, FigureView, warm_up
from .parts import block, button, marked, visible

_TOP = 15
_FIRST, _SECOND = "volcano", "heat_map"
_WHAT_IS_IN_IT = (
    "Question, study, quality, design, figures, methods with citations, and where files came from."
)
_TYPES = {".html": "text/html", ".csv": "text/csv", ".json": "application/json"}


class Saved(Protocol):
    """The files of a saved report."""

    @property
    def html(self) -> Path: ...
    @property
    def csv(self) -> Path: ...


class ReportLike(Protocol):
    """What a result is shown from."""

    @property
    def result(self) -> DEResult: ...
    @property
    def figures(self) -> tuple[Figure, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


class ResultView(VBox):
    """Shows a report's warnings, its volcano and table, and the other figures; with its study, to be explored."""

    def __init__(self) -> None:
        warm_up()
        self._summary = HTML()
        self._volcano = marked(VBox(), "omics-volcano")
        self._numbers = marked(HTML(), "omics-numbers")
        self._others = marked(VBox(), "omics-others")
        beside = marked(HBox([self._volcano, self._numbers]), "omics-beside")
        self.explorer = ResultExplorer()
        super().__init__([self._summary, self.explorer, beside, self._others])

    def show(self, report: ReportLike, *, explored: bool = False) -> None:
        """The report; where its result is explored, ``explorer.show(result, study)`` draws the volcano."""
        visible(self.explorer, explored)
        visible(self._volcano, not explored)
        result = report.result
        first = [figure for figure in report.figures if figure.name == _FIRST]
        others = [figure for figure in report.figures if figure.name != _FIRST]
        lead = el("p", _sentence(result), class_="omics-lead", role="status")
        self._summary.value = block(lead, notes(report.warnings, kind="warn"))
        numbers = [result_body(result, n_top=_TOP), fold("Samples in each group", groups_table(result))]
        if explored:  # its own table has all that is in these, and more
            numbers = [fold("Design, thresholds and groups", *numbers)]
        self._numbers.value = block(*numbers)
        # After the numbers beside it, as it measures the room that they leave.
        self._volcano.children = [] if explored else [FigureView(figure) for figure in first]
        self._others.children = [FigureChoice(others, chosen=_SECOND)] if others else []


def _sentence(result: DEResult) -> list[object]:
    up, down = counts_at(result, 0.05, 1.0)
    tested, reference = result.contrast.tested, result.contrast.reference
    return [
        *(el("strong", counted(up, "feature")), f" higher and {down:,} lower in "),
        *(el("strong", tested), " than in ", el("strong", reference)),
        f", of {result.n_tested:,} tested ({threshold_text(result, 0.05, 1.0)}).",
    ]


class ReportSaver(VBox):
    """A button that calls ``save()``, and links to what was saved."""

    def __init__(self, save: Callable[[], None]) -> None:
        self.save = button("Save report", save, "omics-save", primary=True)
        self._links = HTML()
        super().__init__([HTML(block(el("p", _WHAT_IS_IN_IT))), self.save, self._links])
        visible(self._links, False)

    @property
    def controls(self) -> list[Any]:
        return [self.save]

    def clear(self) -> None:
        self._links.value = ""
        visible(self._links, False)

    def show(self, saved: Saved) -> None:
        """Links that hold the files themselves, so that they work wherever the page is served from."""
        self._links.value = block(
            el("p", "Saved in ", el("code", saved.html.parent), ".", role="status"),
            el(
                "p",
                download_link(saved.html, "Download report"),
                download_link(saved.csv, "Download table (CSV)"),
            ),
        )
        visible(self._links, True)


def download_link(path: Path, text: str) -> Html:
    """A link that carries the file."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return el("a", text, href=f"data:{kind};base64,{data}", download=path.name, class_="omics-download")
