"""A report as files, each format by its suffix: the page, everything as JSON, the whole table as CSV, and others."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from ..analysis.enrichment import Enrichment
from ..errors import DataError
from ..records import DEResult
from .document import Report, SavedReport

FORMAT = "omics_nb report"
FORMAT_VERSION = 2
#: What a report can be saved as, and by which suffixes.
FORMATS = {
    "html": (".html", ".htm"),
    "pdf": (".pdf",),
    "markdown": (".md",),
    "notebook": (".ipynb",),
    "json": (".json",),
    "csv": (".csv",),
    "xlsx": (".xlsx",),
    "h5ad": (".h5ad",),
    "crate": (".zip",),
}


def save_report(report: Report, path: Path) -> SavedReport:
    """Write the report in the format of the path's suffix, and JSON and CSV beside a page.

    All files are complete before the first takes its name. DataError for a suffix that is no format's.
    """
    kind = format_of(path)
    return save_formats(report, path, (kind, "json", "csv") if kind == "html" else (kind,))


def save_formats(
    report: Report, path: Path, formats: Sequence[str], *, notebook: bytes | None = None
) -> SavedReport:
    """Write the report in each of ``formats`` (names of ``FORMATS``), under ``path`` with the suffix of each.

    ``notebook`` is an executed notebook of the report, for the crate.
    """
    paths = {
        kind: path if path.suffix in FORMATS[kind] else path.with_suffix(FORMATS[kind][0]) for kind in formats
    }
    made: dict[Path, str | bytes] = {}
    for kind, target in paths.items():
        made |= _made(report, kind, target, notebook)
    write_together(made)
    return SavedReport(paths)


def format_of(path: Path) -> str:
    """The format of a path's suffix; DataError lists those that there are."""
    for kind, suffixes in FORMATS.items():
        if path.suffix.casefold() in suffixes:
            return kind
    known = ", ".join(suffixes[0] for suffixes in FORMATS.values())
    raise DataError(f"a report is saved as {known}, not {path.name!r}", path=str(path))


def _made(report: Report, kind: str, path: Path, notebook: bytes | None) -> dict[Path, str | bytes]:
    """The files of one format; what a format needs is imported when it is asked for."""
    if kind == "markdown":
        return markdown_files(report, path)
    if kind == "crate":
        from .crate import report_crate

        return {path: report_crate(report, path.stem, notebook=notebook)}
    return {path: content(report, kind)}


def content(report: Report, kind: str) -> str | bytes:
    """The report in a format that is one file."""
    if kind == "pdf":
        from .pdf import page_pdf

        return page_pdf(report.to_html())
    if kind == "xlsx":
        from .workbook import report_xlsx

        return report_xlsx(report)
    if kind == "h5ad":
        from .annotated import report_h5ad

        return report_h5ad(report)
    if kind == "notebook":
        from .notebook import report_notebook

        return report_notebook(report)
    texts: dict[str, Callable[[], str]] = {
        "html": report.to_html,
        "json": lambda: report_json(report),
        "csv": lambda: table_csv(report.result),
    }
    return texts[kind]()


def markdown_files(report: Report, path: Path, *, folder: str = "") -> dict[Path, str | bytes]:
    """The report in Markdown, and beside it, or in ``folder``, the pictures that it shows."""
    from .markdown import to_markdown

    names = {figure.title: f"{folder}{path.stem}-{figure.name}.svg" for figure in report.figures}
    pictures = {path.with_name(names[figure.title]): figure.to_svg() for figure in report.figures}
    return {path: to_markdown(report.to_html(), names), **pictures}


def write_together(texts: Mapping[Path, str | bytes]) -> None:
    """Write each content under a name of its own beside its path, then rename all of them.

    DataError names the file that cannot be written; what stood at the paths before stands there again then,
    and no partial file is left.
    """
    mark = uuid.uuid4().hex[:12]
    new = {path: path.with_name(f".{path.name}.{mark}.partial") for path in texts}
    old = {path: path.with_name(f".{path.name}.{mark}.old") for path in texts}
    placed: list[Path] = []
    try:
        for path, text in texts.items():
            with _naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                # Half surrogates, which only a broken terminal or program makes, have no place in UTF-8.
                data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
                new[path].write_bytes(data)
                if path.is_file():
                    shutil.copy2(path, old[path])
        for path in texts:
            with _naming(path):
                new[path].replace(path)
            placed.append(path)
    except BaseException:
        for path in placed:
            _put_back(path, old[path])
        raise
    finally:
        for hidden in (*new.values(), *old.values()):
            if os.path.lexists(hidden):
                hidden.unlink()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Failures as a DataError about ``path``, not about the hidden file beside it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}", path=str(path)) from error


def _put_back(path: Path, old: Path) -> None:
    if old.exists():
        old.replace(path)
    else:
        path.unlink()


def table_csv(result: DEResult) -> str:
    """The whole table, faithful: numbers to the last digit, text as in the file, missing values as NA.

    The first column ``feature`` holds the identifiers. After the table's own columns comes ``source`` and, for
    synthetic data, ``synthetic``, TRUE in each row, so that both stay with the rows wherever they are copied to.
    """
    import csv

    table = result.table.assign(source=result.source)
    if result.synthetic:
        table["synthetic"] = "TRUE"
    # All text is quoted, as R's write.csv does: a carriage return in a name would end its row.
    text: str = table.to_csv(
        index_label="feature", na_rep="NA", quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"
    )
    return text


def report_json(report: Report) -> str:
    """Everything that the report holds as one JSON document, in ASCII; matrices stay in their files.

    Frames are ``{"index": […], "columns": {name: […]}}``. JSON has no NaN and no infinities: a missing number
    is null, infinities are "Infinity" and "-Infinity".
    """
    study = report.study
    matrices = {name: {"features": m.shape[0], "samples": m.shape[1]} for name, m in study.matrices.items()}
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": report.title,
        "created": report.created,
        "source": report.source,
        "synthetic": report.synthetic,
        "question": report.question,
        "reading": list(report.query.explanation) if report.query else None,
        **_fields(report, "query", "hits"),
        "study": {**_fields(study, *_names(study, without=("matrices", "features"))), "matrices": matrices},
        **_fields(report, "quality", "result"),
        "figures": [_fields(figure, "name", "title", "text", "table") for figure in report.figures],
        **_fields(report, "notes", "warnings", "findings", "comparison"),
        **_fields(report, "methods", "citations", "repeat", "versions", "said", "no_enrichment", "fitness"),
        "enrichment": _without_result(report.enrichment),
    }
    return json.dumps(plain(document), allow_nan=False, separators=(",", ":"))


def _without_result(found: Enrichment | None) -> dict[str, Any] | None:
    """The gene sets; the result that they are of is in the document already."""
    return _fields(found, *_names(found, without=("result",))) if found else None


def _names(value: Any, *, without: tuple[str, ...]) -> list[str]:
    return [item.name for item in dataclasses.fields(value) if item.name not in without]


def _fields(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def plain(value: Any) -> Any:
    """A value as dicts, lists, strings, finite numbers, booleans and None."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if hasattr(value, "columns"):
        return {
            "index": plain(list(value.index)),
            "columns": {str(n): plain(value[n].tolist()) for n in value},
        }
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(part) for part in value)
    raise DataError(f"a {type(value).__name__} cannot be written as JSON: {value!r}")


def _finite(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)
