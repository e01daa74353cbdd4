"""A study as a sheet: what it is, its samples, its files, and the quality of its values."""

from __future__ import annotations

from collections.abc import Sequence

from ipywidgets import HTML, VBox

from omics_nb.display.markup import accession_link, el, fold, notes
from omics_nb.display.numbers import counted
from omics_nb.display.study import files_table, quality_body, samples_table, study_body
from omics_nb.records import Quality, Study

from .parts import block


class StudySheet(VBox):
    """Shows a ``Study`` and the ``Quality`` of each of its matrices."""

    def __init__(self) -> None:
        self._sheet = HTML()
        self._quality = HTML()
        super().__init__([self._sheet, self._quality])

    def show(self, study: Study, qualities: Sequence[Quality]) -> None:
        self._sheet.value = block(
            el("h3", accession_link(study.accession, synthetic=study.synthetic), " ", study.title),
            study_body(study),
            fold(
                f"Sample sheet ({counted(study.n_samples, 'sample')})",
                samples_table(study, limit=study.n_samples),
            ),
            fold("Where the files came from", files_table(study.files)),
        )
        self._quality.value = "".join(quality_card(quality) for quality in qualities)


def quality_card(quality: Quality) -> str:
    """The score as a bar and in figures, what needs a look, and every check folded."""
    title = f"Quality of the values on {quality.platform}" if quality.platform else "Quality of the values"
    percent = round(100 * quality.score)
    concerns = [f"{check.name}: {check.sentence}" for check in quality.checks if check.verdict != "ok"]
    n_ok = len(quality.checks) - len(concerns)
    return block(
        el("h3", title),
        el(
            "p",
            el("meter", min=0, max=1, value=f"{quality.score:.3f}", aria_label=title),
            el("strong", f" {percent} of 100"),
            f" – {n_ok} of {counted(len(quality.checks), 'check')} passed; values are {quality.scale}",
        ),
        notes(concerns, kind="warn"),
        fold("All checks", quality_body(quality), shown=not quality.checks),
        kind="omics-quality",
    )
