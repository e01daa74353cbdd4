"""From a question to genes that differ, on one page: ask, choose a study, look, compare, save."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ipywidgets import VBox

import omics_nb as omics
from omics_nb import settings, sources
from omics_nb.errors import NoMatrixError, QuestionError
from omics_nb.query import Query
from omics_nb.records import DEResult, Hit, Hits, Proposal, Quality, Study
from omics_nb.reporting import file_name

from .comparison import ComparisonPicker
from .focus import Focus
from .hits import HitsView
from .parts import Step, marked, style_sheet, switched_off
from .question import EXAMPLES, QuestionBox
from .result import ReportSaver, ResultView
from .study import StudySheet
from .task import Say, Task


def _verb(name: str) -> Callable[..., Any]:
    """The library's verb, loaded when it is first called: pandas and its like must not delay the form."""
    return lambda *arguments, **options: getattr(omics, name)(*arguments, **options)


_search, _fetch, _quality, _propose, _analyse, _report = map(
    _verb, ("search", "fetch", "quality", "propose_contrasts", "differential_expression", "report")
)


@dataclass(frozen=True)
class Verbs:
    """The functions that the page calls; the library's own unless others are given."""

    search: Callable[..., Hits] = _search
    fetch: Callable[..., Study] = _fetch
    quality: Callable[..., Quality] = _quality
    propose: Callable[..., Sequence[Proposal]] = _propose
    analyse: Callable[..., DEResult] = _analyse
    report: Callable[..., Any] = _report


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


class Explore(VBox):
    """The page. A cell can take its steps too: ``await page.search()``, ``await page.open_study("GSE…")``."""

    def __init__(
        self,
        *,
        question: str = "",
        source: str | None = None,
        limit: int = 20,
        reports: str | Path | None = None,
        examples: Sequence[str] = EXAMPLES,
        verbs: Verbs | None = None,
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
        self.result = ResultView()
        self.saver = ReportSaver(lambda: self._start("save", self.save))
        self.steps = self._make_steps()
        self._focus = Focus()
        super().__init__([style_sheet(), *self.steps, self._focus])
        marked(self, "omics-page", "omics-explore")
        self._close_after(1)

    def _make_steps(self) -> tuple[Step, ...]:
        return (
            Step(1, "Ask", self.box, self.tasks["search"]),
            Step(2, "Choose a study", self.hits, self.tasks["open"]),
            Step(3, "Look at the data", self.sheet),
            Step(4, "Compare two groups", self.picker, self.tasks["compare"]),
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
        self._forget(1)
        self.found = Found(hits=hits)
        self.hits.show(hits)
        self._reveal(2)
        return hits

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
        self._go_to(3)
        return fetched

    async def compare(self) -> DEResult:
        """The chosen comparison, computed and shown with its figures."""
        contrast, platform = self.picker.contrast, self.picker.platform.value
        if self.found.study is None or contrast is None:
            raise NoMatrixError("open a study with values before you compare its groups")
        study = self.picker.study
        self._forget(4)
        hits = self.found.hits
        design = {"design": self.picker.design} if self.picker.design else {}

        def work(say: Say) -> Any:
            result = self._verbs.analyse(study, contrast=contrast, platform=platform, **design)
            say("Drawing the figures")
            question = hits.query.text if hits else None
            return self._verbs.report(study, result, question=question, hits=hits)

        report = await self._run("compare", f"Comparing {contrast.tested} with {contrast.reference}", work)
        self.found = replace(self.found, report=report)
        self.result.show(report, explored=True)
        self._reveal(5)
        self._reveal(6)
        self._go_to(5)
        await self.result.explorer.show(report.result, study)
        return report.result  # type: ignore[no-any-return]

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
        parts = (self.box, self.hits, self.picker, self.saver)
        with switched_off(control for part in parts for control in part.controls):
            return await self.tasks[task].run(doing, work)

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


def explore(
    question: str = "",
    *,
    source: str | None = None,
    limit: int = 20,
    reports: str | Path | None = None,
    examples: Sequence[str] = EXAMPLES,
    verbs: Verbs | None = None,
) -> Explore:
    """The page from a question to a report, for the last line of a cell.

    ``question`` fills the box; nothing runs before the person asks. ``source`` is ``demo``, ``ncbi``,
    ``mirror:FOLDER`` or another's name, by default what the settings say; at most ``limit`` studies are
    shown. Reports go into the folder ``reports``, by default ``reports`` in the data folder of the settings.
    ``verbs`` replaces the functions that the page calls.
    """
    return Explore(
        question=question, source=source, limit=limit, reports=reports, examples=examples, verbs=verbs
    )
