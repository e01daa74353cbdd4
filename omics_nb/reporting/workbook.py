"""A report as an Excel workbook: sheets of typed cells in which text stays text.

A name such as ``=HYPERLINK(…)`` is stored as text and marked as such, so that no spreadsheet takes it for a formula,
not when it is opened and not when its cell is edited; ``SEPT2`` stays a gene and does not become a date.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..display.markup import clean
from ..errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from .document import Report

#: What Excel takes: https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
_MOST_ROWS, _MOST_CHARACTERS = 1_048_576, 32_767
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Rows = Iterable[Sequence[object]]


def report_xlsx(report: Report) -> bytes:
    """The workbook: what was found and done, the whole table, samples, quality, files and methods.

    MissingExtraError where openpyxl is not installed, DataError for more features than a sheet has rows.
    """
    if len(report.result.table) >= _MOST_ROWS:
        raise DataError(
            f"{len(report.result.table):,} features are more than the {_MOST_ROWS:,} rows of a sheet; save as .csv"
        )
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(
            "openpyxl is not installed; run: pip install 'omics-nb[excel]'", extra="excel"
        ) from error
    book = openpyxl.Workbook(write_only=True)
    for title, rows in _sheets(report):
        _fill(book.create_sheet(title), rows)
    book.properties.title = clean(report.title)
    book.properties.creator = "omics_nb"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheets(report: Report) -> Iterator[tuple[str, Rows]]:
    yield "Summary", _summary(report)
    yield "Results", _frame(report.result.table, "feature")
    if report.enrichment:
        yield "Gene sets", _frame(report.enrichment.table, "set")
    yield "Samples", _frame(report.study.samples, "sample")
    yield "Quality", _quality(report)
    if report.hits:
        yield "Studies", _studies(report)
    yield "Files", _files(report)
    yield "Methods", _methods(report)


def _summary(report: Report) -> Rows:
    said = {
        "Warning": report.warnings,
        "Found": [statement.text for statement in report.findings],
        "Comparison": [statement.text for statement in report.comparison],
        "Choice": report.notes,
        "How to repeat it": [report.repeat.command],
        "Version": [f"{name} {version}" for name, version in report.versions.items()],
    }
    return [
        ("Report", report.title),
        ("Study", f"{report.study.accession}: {report.study.title}"),
        ("Source", report.source + (" (synthetic data)" if report.synthetic else "")),
        ("Question", report.question or ""),
        ("Created", report.created),
        *((heading, text) for heading, texts in said.items() for text in texts),
    ]


def _frame(frame: Any, index: str) -> Rows:
    yield (index, *map(str, frame.columns))
    columns = [frame.index.tolist(), *(frame.iloc[:, i].tolist() for i in range(frame.shape[1]))]
    yield from zip(*columns, strict=True)


def _quality(report: Report) -> Rows:
    yield "check", "verdict", "what was found", "weight"
    for check in report.quality.checks:
        yield check.name, check.verdict, check.sentence, report.quality.weights.get(check.name, 0.0)


def _studies(report: Report) -> Rows:
    yield "accession", "title", "score", "samples", "why it was found"
    for hit in report.hits or ():
        yield hit.accession, hit.title, hit.score, hit.n_samples, "; ".join(hit.reasons)


def _files(report: Report) -> Rows:
    yield "file", "location", "bytes", "SHA-256", "retrieved"
    for file in report.study.files:
        yield file.name, file.location, file.n_bytes, file.sha256, file.retrieved


def _methods(report: Report) -> Rows:
    yield "what was done", "evidence", "cites"
    for statement in report.methods:
        yield statement.text, statement.evidence, "; ".join(statement.cites)
    for citation in report.citations:
        yield citation.text, citation.url, citation.key


def _fill(sheet: Any, rows: Rows) -> None:
    """Append rows to a sheet; its first row stays in view."""
    from openpyxl.cell import WriteOnlyCell

    def typed(value: object) -> object:
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float)):
            return value if math.isfinite(value) else None
        text = clean(value)[:_MOST_CHARACTERS]
        if not text.startswith(_FORMULA):
            return text
        cell = WriteOnlyCell(sheet, value=text)
        cell.data_type = "s"
        cell.quotePrefix = True
        return cell

    sheet.freeze_panes = "A2"
    for row in rows:
        sheet.append([typed(value) for value in row])
