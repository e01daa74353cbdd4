"""One study on a page, for those who know which: look at it, compare two of its groups, take the report along."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omics_nb.errors import QuestionError
from omics_nb.records import Study

from .journey import Explore, Place, Verbs
from .parts import Step

EXAMPLES = ("GSE9000001", "GSE9000005", "GSE9000010")
_PLACEHOLDER = "such as GSE9000001; from GEO with the source ncbi"


class StudyPage(Explore):
    """``Explore`` from its third step on: ``await page.open_asked()``, then ``compare()`` and ``save()``."""

    notebook = "study.ipynb"

    def __init__(
        self,
        accession: str = "",
        *,
        source: str | None = None,
        reports: str | Path | None = None,
        verbs: Verbs | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(
            question=accession, source=source, reports=reports, examples=EXAMPLES, verbs=verbs, place=place
        )
        field = self.box.field
        field.label, field.action, field.placeholder = "Accession", "Open", _PLACEHOLDER

    def _make_steps(self) -> tuple[Step, ...]:
        # The page's own steps keep their numbers inside; the second, a list of hits, is never shown.
        return (
            Step(1, "Open a study", self.box, self.tasks["open"]),
            Step(2, "", self.hits),
            Step(3, "Look at the data", self.sheet, shown=2),
            Step(4, "Compare two groups", self.picker, self.tasks["compare"], shown=3),
            Step(5, "Result", self.result, shown=4),
            Step(6, "Take it with you", self.saver, self.tasks["save"], shown=5),
        )

    def _ask(self) -> None:
        self._start("open", self.open_asked)

    async def open_asked(self) -> Study:
        """The study whose accession is in the field, shown; QuestionError where there is none."""
        accession = self.box.question.strip().upper()
        if not accession:
            raise QuestionError("No study is named; type an accession, such as GSE9000001.")
        return await self.open_study(accession)

    def _told(self, place: Place) -> dict[str, Any]:
        told = super()._told(place)
        return {name: told[name] for name in ("study", "source", "comparison", "run") if name in told}

    def __repr__(self) -> str:
        return f"StudyPage({self.box.question!r}, source={self.box.source!r})"


def open_study(
    accession: str = "",
    *,
    source: str | None = None,
    reports: str | Path | None = None,
    verbs: Verbs | None = None,
    comparison: Mapping[str, Any] | None = None,
    run: str = "",
) -> StudyPage:
    """The page of one study, for the last line of a cell; it opens at once where an accession is given.

    ``source`` is ``demo``, ``ncbi``, ``mirror:FOLDER`` or another's name, by default what the settings say. Reports go
    into the folder ``reports``, by default ``reports`` in the data folder. ``verbs`` are the functions that it calls.
    ``comparison`` and ``run`` bring a comparison back, as a link of the page tells it.
    """
    place = Place(study=accession.strip().upper(), comparison=comparison or {}, run=run)
    return StudyPage(accession, source=source, reports=reports, verbs=verbs, place=place)
