"""The front page: what one can do here, as cards that lead there, and what was done last.

Plain HTML and no widget, so that it is there at once, and a saved notebook keeps it. In Voila the cards hold forms,
which send what was typed as an address of the next page; in JupyterLab, whose pages have no such addresses, links.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omics_nb import flows, settings
from omics_nb.display.markup import Html, card, clean, el, table
from omics_nb.errors import DataError, OmicsError
from omics_nb.notebooks import find_notebook
from omics_nb.workflow import Run, list_runs

from .links import link, linkable_of

SAMPLE = "tamoxifen resistance in breast cancer, human"
N_RUNS = 5
_STYLE = el("style", Html(Path(__file__).with_name("front.css").read_text(encoding="utf-8")))
_SOURCES = {"demo": "embedded studies with made-up data", "ncbi": "GEO at NCBI, over the network"}
#: Pages that a card may lead to, the best first; the first that is there is taken.
_STUDY_PAGES = ("study.ipynb", "geo.ipynb")


@dataclass(frozen=True)
class Home:
    """Three ways to begin. ``forms`` says whether the page around it has addresses that fill the next one."""

    sample: str = SAMPLE
    forms: bool = False

    def __repr__(self) -> str:
        return f"Home: ask a question, open a study, run a batch; to try: {self.sample!r}"

    def _repr_html_(self) -> str:
        ways = [self._ask(), self._open(), _batch()]
        return card(
            _STYLE, el("ul", [el("li", way, class_="omics-way") for way in ways], class_="omics-ways")
        )

    def _ask(self) -> list[object]:
        return [
            el("h2", "Ask a question"),
            el("p", "In your own words. You see how it was read, and which studies answer it, and why."),
            self._form(
                "explore.ipynb",
                "Ask",
                _field("Your question", "question", "such as: asthma, airway, human"),
                el("input", type="hidden", name="ask", value="true"),
            ),
            el(
                "p",
                link_to(
                    "Try with sample data", "explore.ipynb", question=self.sample, source="demo", ask=True
                ),
            ),
        ]

    def _open(self) -> list[object]:
        page = _first(_STUDY_PAGES)
        return [
            el("h2", "Open a study"),
            el("p", "By its accession: its files, samples, values and quality, before any statistics."),
            self._form(page, "Open", _field("Accession", "study", "such as: GSE9000005"), _sources()),
            el("p", link_to("Try with a sample study", page, study="GSE9000005", source="demo")),
        ]

    def _form(self, page: str, deed: str, *fields: Html) -> Html:
        if not self.forms:
            return el("p", _goes(f"{deed} …", page, "omics-go"))
        return el("form", *fields, el("button", deed, type="submit"), action=page, method="get")


def _batch() -> list[object]:
    page = _first(("batch.ipynb", "report.ipynb"))
    many = page != "report.ipynb"
    command = "omics-nb batch run --help" if many else "omics-nb report --help"
    return [
        el("h2", "Run a batch" if many else "Make a report"),
        el("p", "A table of studies and comparisons in, a report for each out, while you do something else.")
        if many
        else el("p", "All steps at once, as a page that opens offline. For many, say it in a shell."),
        el("p", _goes("Open the table …" if many else "Open …", page, "omics-go")),
        el(
            "p",
            "In a shell: ",
            el("code", command),
            class_="omics-dim",
        ),
    ]


def link_to(text: str, page: str, **parameters: Any) -> Html:
    """An HTML link to a notebook's page with its form filled in."""
    return _goes(text, link(page, **parameters))


def _goes(text: str, address: str, kind: str | None = None) -> Html:
    # Voila's renderer would open whatever says no target in another tab.
    return el("a", text, href=address, target="_self", class_=kind)


def _first(pages: tuple[str, ...]) -> str:
    return next((page for page in pages if _there(page)), pages[-1])


def _there(page: str) -> bool:
    try:
        return find_notebook(page).is_file()
    except DataError:
        return False


def _field(label: str, name: str, placeholder: str) -> Html:
    return el(
        "label", label, el("input", name=name, placeholder=placeholder, required=True, autocomplete="off")
    )


def _sources() -> Html:
    usual = settings.load().source
    known = _SOURCES if usual in _SOURCES else {usual: "as your settings say"} | _SOURCES
    options = [
        el("option", f"{name} – {what}", value=name, selected=name == usual) for name, what in known.items()
    ]
    return el("label", "Where to look", el("select", options, name="source"))


@dataclass(frozen=True)
class RecentRuns:
    """The newest runs of the store, or why they cannot be shown."""

    runs: tuple[Run, ...] = ()
    trouble: str = ""

    def __repr__(self) -> str:
        return f"RecentRuns({len(self.runs)})"

    def _repr_html_(self) -> str:
        return card(el("div", el("h2", "What was done last"), self._body(), class_="omics-runs"))

    def _body(self) -> Html:
        if self.trouble:
            return el("p", f"The runs cannot be read: {self.trouble}", role="note")
        if not self.runs:
            return el("p", "Nothing yet. What you start is kept, also when its page is closed.")
        headers = ("Started (UTC)", "What", "About", "State")
        return table("The newest runs", headers, [_row(run) for run in self.runs])


def _row(run: Run) -> tuple[object, ...]:
    inputs = run.inputs
    about = inputs.get("question") or inputs.get("study") or inputs.get("accession") or ""
    state = run.state if run.state != "running" else f"running, {run.progress:.0f} %"
    return f"{run.created:%Y-%m-%d %H:%M}", _run_link(run), clean(about)[:120], state


def _run_link(run: Run) -> Html:
    what = run.flow_name.replace("_", " ")
    if _there("runs.ipynb") and "run" in linkable_of("runs.ipynb"):
        return link_to(what, "runs.ipynb", run=run.id)
    return el("span", what, " ", el("code", run.id))


def home(sample: str = SAMPLE) -> Home:
    """The front page, for the last line of a cell; ``sample`` is the question to try things with."""
    return Home(sample, forms=os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"))


def recent_runs(limit: int = N_RUNS) -> RecentRuns:
    """The newest runs, at most ``limit``; a store that cannot be read is told and not raised, for the page goes on."""
    try:
        return RecentRuns(tuple(list_runs(flows.run_store(), limit=limit)))
    except OmicsError as error:
        return RecentRuns(trouble=str(error))
