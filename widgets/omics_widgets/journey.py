"""From a question to genes that differ, on one page: ask, choose a study, look, compare, save.

The comparison is a durable run in a process of its own. The page's address holds the question, the study, the groups
and the run, so that a page that is opened again, or elsewhere, comes back to where it was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ipywidgets import HTML, HBox, VBox

import omics_nb as omics
from omics_nb import detached, flows, settings, sources
from omics_nb.display.markup import el, notes
from omics_nb.errors import NoMatrixError, QuestionError, RunNotFoundError
from omics_nb.query import Query
from omics_nb.records import Contrast, DEResult, Hit, Hits, Proposal, Quality, Study
from omics_nb.reporting import file_name
from omics_nb.workflow import Run

from .comparison import ComparisonPicker
from .copylink import LinkButton
from .focus import Focus
from .hits import HitsView
from .links import LONGEST
from .parts import Step, block, marked, style_sheet, switched_off
from .question import EXAMPLES, QuestionBox
from .result import ReportSaver, ResultView
from .run_panel import RunPanel, begin
from .study import StudySheet
from .task import Cancelled, Say, Task


def _verb(name: str) -> Callable[..., Any]:
    """The library's verb, loaded when it is first called: pandas and its like must not delay the form."""
    return lambda *arguments, **options: getattr(omics, name)(*arguments, **options)


_search, _fetch, _quality, _propose = map(_verb, ("search", "fetch", "quality", "propose_contrasts"))


@dataclass(frozen=True)
class Verbs:
    """The functions that the page calls; the library's own unless others are given.

    ``begin(flow, inputs)`` starts a run; ``prepare()`` is told that one will be wanted soon.
    """

    search: Callable[..., Hits] = _search
    fetch: Callable[..., Study] = _fetch
    quality: Callable[..., Quality] = _quality
    propose: Callable[..., Sequence[Proposal]] = _propose
    begin: Callable[[str, dict[str, Any]], Run] = begin
    prepare: Callable[[], object] = detached.prepare


@dataclass(frozen=True)
class Found:
    """What the page holds so far; what a later step found is gone when an earlier one is repeated."""

    hits: Hits | None = None
    study: Study | None = None
    qualities: tuple[Quality, ...] = ()
    report: Any = None
    saved: Any = None

    @property
    def result(self) -> DEResult | None:
        return self.report.result if self.report else None


@dataclass(frozen=True)
class Place:
    """Where on the page a person was: the question asked or not, the study, the comparison, and the id of its run."""

    ask: bool = False
    study: str = ""
    comparison: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""


class Explore(VBox):
    """The page. A cell can take its steps too: ``await page.search()``, ``await page.open_study("GSE…")``."""

    notebook = "explore.ipynb"

    def __init__(
        self,
        *,
        question: str = "",
        source: str | None = None,
        limit: int = 20,
        reports: str | Path | None = None,
        examples: Sequence[str] = EXAMPLES,
        verbs: Verbs | None = None,
        place: Place | None = None,
    ) -> None:
        known = settings.load()
        self._verbs = verbs or Verbs()
        self._limit = limit
        self._reports = Path(reports) if reports else known.data / "reports"
        self.found = Found()
        self.tasks = {name: Task() for name in ("search", "open", "compare", "save")}
        self.box = QuestionBox(
            self._ask,
            question=question,
            source=source or known.source,
            sources=sources.names(),
            examples=examples,
        )
        self.hits = HitsView(
            lambda hit: self._start("open", lambda: self.open_study(hit)),
            lambda make: self._start("search", lambda: self.search(make)),
        )
        self.sheet = StudySheet()
        self.picker = ComparisonPicker(lambda: self._start("compare", self.compare))
        self.panel = RunPanel(on_end=self._show_run, brief=True)
        self.result = ResultView()
        self.saver = ReportSaver(lambda: self._start("save", self.save))
        self.steps = self._make_steps()
        self._focus = Focus()
        self._note = HTML()
        self.link = LinkButton(self.notebook, remember=True)
        about = HTML(
            block(el("p", "A link that brings you, or a colleague with the same data, back to here:"))
        )
        end = marked(HBox([about, self.link]), "omics-link-row")
        super().__init__([style_sheet(), self._note, *self.steps, end, self._focus])
        marked(self, "omics-page", "omics-explore")
        self._close_after(1)
        for part, name in ((self.box, "source"), (self.picker, "comparison"), (self.panel, "run_id")):
            part.observe(lambda _: self._remember(), name)
        self._restoring = place is not None and place != Place()
        if place is not None and self._restoring:
            self.link.point_to(**self._told(place))
            self._start("search", lambda: self.restore(place))
        self._remember()

    def _make_steps(self) -> tuple[Step, ...]:
        return (
            Step(1, "Ask", self.box, self.tasks["search"]),
            Step(2, "Choose a study", self.hits, self.tasks["open"]),
            Step(3, "Look at the data", self.sheet),
            Step(4, "Compare two groups", self.picker, self.tasks["compare"], self.panel),
            Step(5, "Result", self.result),
            Step(6, "Take it with you", self.saver, self.tasks["save"]),
        )

    def __repr__(self) -> str:
        return f"Explore({self.box.question!r}, source={self.box.source!r})"

    def _ask(self) -> None:
        self._start("search", self.search)

    async def search(self, edited: Callable[[], Query] | None = None) -> Hits:
        """The hits for the question in the box, shown; QuestionError or SourceError as a card and raised.

        ``edited()`` gives a query in its place; until there are hits for it, those that were shown stay.
        """
        question, source = self.box.question, self.box.source
        if edited is None:
            self._forget(1)

        def work(_: Say) -> Hits:
            if edited is not None:
                return self._verbs.search(edited(), source=source, limit=self._limit)
            if not question.strip():
                raise QuestionError("The question is empty.")
            return self._verbs.search(question, source=source, limit=self._limit)

        hits: Hits = await self._run("search", "Search", work)
        self._show_hits(hits)
        return hits

    def _show_hits(self, hits: Hits) -> None:
        self._forget(1)
        self.found = Found(hits=hits)
        self.hits.show(hits)
        self._reveal(2)
        self._remember()

    async def open_study(self, study: Hit | str) -> Study:
        """A study, shown with the quality of its values and the comparisons that its samples suggest."""
        accession = study if isinstance(study, str) else study.accession
        source = self.box.source if isinstance(study, str) else study.source
        self._forget(2)

        def work(say: Say) -> tuple[Study, tuple[Quality, ...], Sequence[Proposal]]:
            fetched = self._verbs.fetch(accession, source=source)
            say(f"Looking at the quality of {accession}")
            qualities = tuple(
                self._verbs.quality(fetched, platform=platform) for platform in fetched.matrices
            )
            return fetched, qualities, self._verbs.propose(fetched) if fetched.matrices else ()

        found: tuple[Study, tuple[Quality, ...], Sequence[Proposal]]
        found = await self._run("open", f"Reading {accession}", work)
        fetched, qualities, proposals = found
        self.found = replace(self.found, study=fetched, qualities=qualities)
        self.hits.fold(accession)
        self.sheet.show(fetched, qualities)
        self._reveal(3)
        if fetched.matrices:
            self.picker.show(fetched, proposals)
            self._reveal(4)
            self._verbs.prepare()
        self._go_to(3)
        self._remember()
        return fetched

    async def compare(self) -> DEResult:
        """The chosen comparison, as a run that outlives the page; its result, shown with its figures."""
        study, contrast = self.found.study, self.picker.contrast
        if study is None or contrast is None:
            raise NoMatrixError("open a study with values before you compare its groups")
        self._forget(4)
        inputs = self._inputs(study, contrast)
        doing = f"Comparing {contrast.tested} with {contrast.reference}"
        with switched_off(self._controls()):
            run = await self._run("compare", doing, lambda _: self._verbs.begin("quick_report", inputs))
            return await self.follow(run)

    def _inputs(self, study: Study, contrast: Contrast) -> dict[str, Any]:
        """What the run of the comparison is given; the hits belong to the evidence, and bring themselves back."""
        hits = self.found.hits
        given = {
            "design": self.picker.design,
            "groups": self.picker.groups,
            **({"question": hits.query.text, "query": hits.query, "hits": hits} if hits else {}),
        }
        return {
            "name": f"{study.accession}: {contrast.tested} against {contrast.reference}",
            "accession": study.accession,
            "source": study.source,
            "contrast": list(contrast),
            "platform": self.picker.platform.value,
            **{name: value for name, value in given.items() if value},
        }

    async def follow(self, run: Run) -> DEResult:
        """Show a run of a comparison until it ends, and then its result."""
        self.panel.follow(run)
        with switched_off(self._controls()):
            ended = await self.panel.ended()
        if ended.state == "cancelled":
            raise Cancelled
        return ended.result().result  # type: ignore[no-any-return]

    async def _show_run(self, run: Run) -> None:
        """The result of a run that has ended; also of one that was resumed or run again in its panel."""
        if run.state != "done":
            return
        report, chosen = await asyncio.to_thread(lambda: (run.result(), run["chosen"]))
        self.found = replace(self.found, report=report, saved=None)
        self.result.show(report, explored=True)
        self.saver.clear()
        self._reveal(5)
        self._reveal(6)
        self._go_to(5)
        await self.result.explorer.show(report.result, chosen.study)

    async def restore(self, place: Place) -> None:
        """Come back to a place: the hits, the study, its groups, and the run of their comparison."""
        try:
            await self._restore(place)
        finally:
            self._restoring = False
            self._remember()

    async def _restore(self, place: Place) -> None:
        run = await asyncio.to_thread(self._run_of, place)
        given = run.inputs if run else {}
        self.box.question = given.get("question") or self.box.question
        if given.get("hits") is not None:
            self._show_hits(given["hits"])
        elif place.ask:
            await self.search()
        accession = given.get("accession") or place.study
        if accession:
            await self.open_study(self._hit(accession))
        wanted = place.comparison or {name: given.get(name) for name in ("contrast", "platform") if run}
        if wanted and self.found.study is not None and self.found.study.matrices:
            self.picker.choose(wanted)
        if run is not None:
            self._restoring = False
            await self.follow(run)

    def _run_of(self, place: Place) -> Run | None:
        """The run of a place; where this store does not have it, the page says so and goes on without."""
        try:
            return flows.get_run(place.run) if place.run else None
        except RunNotFoundError as error:
            said = f"{error} Its comparison can be made again with the button."
            self._note.value = block(notes([said], kind="warn"), role="alert")
            return None

    def _hit(self, accession: str) -> Hit | str:
        same = [hit for hit in self.found.hits or () if hit.accession == accession]
        return same[0] if same else accession

    async def save(self) -> Any:
        """The report of the result, written into the folder of reports and offered for download."""
        report = self.found.report
        if report is None:
            raise NoMatrixError("compare two groups before you save a report of them")
        path = self._reports / f"{file_name(report.result)}.html"
        saved = await self._run("save", "Saving the report", lambda _: report.save(path))
        self.found = replace(self.found, saved=saved)
        self.saver.show(saved)
        return saved

    async def _run(self, task: str, doing: str, work: Callable[[Say], Any]) -> Any:
        with switched_off(self._controls()):
            return await self.tasks[task].run(doing, work)

    def _controls(self) -> list[Any]:
        parts = (self.box, self.hits, self.picker, self.saver)
        return [control for part in parts for control in part.controls]

    def _remember(self) -> None:
        """The link, and with it the page's address, say where the page is now; not while it is on its way there."""
        if not self._restoring:
            study = self.found.study
            comparison = _short(self.picker.comparison) if study else {}
            accession = study.accession if study else ""
            place = Place(self.found.hits is not None, accession, comparison, self.panel.run_id)
            self.link.point_to(**self._told(place))

    def _told(self, place: Place) -> dict[str, Any]:
        """A place as parameters of the page's notebook."""
        hits = self.found.hits
        question = hits.query.text if hits else self.box.question
        told = {"question": question, "source": self.box.source} | asdict(place)
        return {name: value for name, value in told.items() if value}

    def _start(self, task: str, work: Callable[[], Awaitable[Any]]) -> None:
        self.tasks[task].start(work)

    def _reveal(self, number: int) -> None:
        self.steps[number - 1].reveal()

    def _go_to(self, number: int) -> None:
        """The button that was pressed is switched off or gone; a keyboard goes on from what it brought."""
        self._focus.to(f".omics-step-{number} h2")

    def _forget(self, number: int) -> None:
        """Forget what the steps after ``number`` found, for it belongs to what is being replaced."""
        kept = {1: Found(), 2: Found(hits=self.found.hits)}
        self.found = kept.get(number, replace(self.found, report=None, saved=None))
        self._close_after(number)

    def _close_after(self, number: int) -> None:
        for step in self.steps[number:]:
            step.reveal(False)
        self.saver.clear()
        self.panel.leave()


def _short(comparison: dict[str, Any]) -> dict[str, Any]:
    """The comparison without its lists of samples where they would be too long for an address."""
    if len(json.dumps(comparison)) <= LONGEST:
        return comparison
    return {name: value for name, value in comparison.items() if name != "groups"}


def explore(
    question: str = "",
    *,
    source: str | None = None,
    limit: int = 20,
    reports: str | Path | None = None,
    examples: Sequence[str] = EXAMPLES,
    verbs: Verbs | None = None,
    ask: bool = False,
    study: str = "",
    comparison: Mapping[str, Any] | None = None,
    run: str = "",
) -> Explore:
    """The page from a question to a report, for the last line of a cell.

    ``question`` fills the box; nothing runs before the person asks, unless ``ask``, ``study``, ``comparison`` or
    ``run`` bring back a place that a link of the page has told. ``source`` is ``demo``, ``ncbi``, ``mirror:FOLDER`` or
    another's name, by default what the settings say; at most ``limit`` studies are shown. Reports go into the folder
    ``reports``, by default ``reports`` in the data folder of the settings. ``verbs`` replaces the functions that the
    page calls.
    """
    place = Place(ask, study, comparison or {}, run)
    return Explore(
        question=question,
        source=source,
        limit=limit,
        reports=reports,
        examples=examples,
        verbs=verbs,
        place=place,
    )
