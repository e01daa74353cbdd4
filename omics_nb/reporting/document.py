"""The report as a value: what it says and what each sentence rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..analysis.enrichment import Enrichment
from ..analysis.fitness import Fitness
from ..display.markup import clean
from ..display.plain import one_line, source_text, wrap
from ..figures import Figure
from ..index.summary import Summary
from ..records import DEResult, Hits, Quality, Query, Study


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence and its evidence: the accession and the fields of its tables that the sentence rests on.

    ``cites`` are keys of the report's citations.
    """

    text: str
    evidence: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A publication that a method comes from; ``key`` is how statements name it ("Smyth 2004")."""

    key: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """How to make this very report again: for the shell, the same in Python and as values for the notebook.

    ``parameters`` are those of ``report.ipynb``.
    """

    command: str
    python: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SavedReport:
    """Where a report was written: format → file."""

    files: Mapping[str, Path]

    @property
    def html(self) -> Path:
        return self.files["html"]

    @property
    def json(self) -> Path:
        return self.files["json"]

    @property
    def csv(self) -> Path:
        return self.files["csv"]

    def __str__(self) -> str:
        return str(next(iter(self.files.values())))


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One comparison in one study, from the question to the numbers.

    ``notes`` say how the study and the comparison were chosen. ``warnings`` come first wherever the report
    is shown. ``findings``, ``comparison`` and ``methods`` are statements whose numbers were taken from the
    tables of ``result``. ``said`` are the study's own sentences for the question, ``enrichment`` the gene sets of
    the result, ``no_enrichment`` why there are none. ``fitness`` is how far the data serve the
    question. ``created`` is an ISO time in UTC.
    """

    title: str
    question: str | None
    query: Query | None
    hits: Hits | None
    study: Study
    quality: Quality
    result: DEResult
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[Statement, ...]
    comparison: tuple[Statement, ...]
    methods: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    repeat: Repeat
    created: str
    versions: Mapping[str, str]
    said: Summary | None = None
    enrichment: Enrichment | None = None
    no_enrichment: str = ""
    fitness: Fitness | None = None

    @property
    def synthetic(self) -> bool:
        return self.study.synthetic or self.result.synthetic

    @property
    def source(self) -> str:
        return self.study.source

    def save(self, path: str | Path) -> SavedReport:
        """Write the report in the format that the suffix of ``path`` names.

        .html (and beside it the same as .json and the whole table as .csv), .pdf, .md (with its pictures beside it),
        .ipynb (executed anew), .json, .csv, .xlsx, .h5ad (values and result as AnnData), or .zip: an RO-Crate that
        holds them all with their hashes. Folders are made, older files of these names replaced; each file appears whole
        or not at all. DataError for another suffix and where a file cannot be written, MissingExtraError where a format
        needs a package that is not installed.
        """
        from .export import save_report

        return save_report(self, Path(path))

    def to_json(self) -> str:
        """Everything that the report holds as one JSON document; matrices stay in their files."""
        from .export import report_json

        return report_json(self)

    def to_html(self) -> str:
        """The report as one page that needs no other file, no network and no script."""
        from .page import report_page

        return report_page(self)

    def __repr__(self) -> str:
        origin = f"source {self.source}" + (", synthetic" if self.synthetic else "")
        return f"Report({self.result.accession}, {self.result.contrast}, {self.created}, {origin})"

    def __str__(self) -> str:
        said = [*(f"! {warning}" for warning in self.warnings), *(found.text for found in self.findings)]
        head = [one_line(self.title), source_text(self.source, synthetic=self.synthetic)]
        return "\n".join([*head, *map(wrap, said), "To repeat it:", clean(self.repeat.command)])

    def _repr_html_(self) -> str:
        from .page import report_card

        return report_card(self)
