"""A report as files: the page, everything as JSON, the whole table as CSV."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..records import DEResult
from .document import Report, SavedReport

FORMAT = "omics_nb report"
FORMAT_VERSION = 1


def save_report(report: Report, path: Path) -> SavedReport:
    """Write page, JSON and CSV; all three are complete before the first takes its name."""
    if path.suffix.casefold() not in {".html", ".htm"}:
        raise DataError(f"a report is saved as an .html file (JSON and CSV go beside it), not {path.name!r}")
    saved = SavedReport(html=path, json=path.with_suffix(".json"), csv=path.with_suffix(".csv"))
    write_together(
        {
            saved.csv: table_csv(report.result),
            saved.json: report_json(report),
            saved.html: report.to_html(),
        }
    )
    return saved


def write_together(texts: Mapping[Path, str]) -> None:
    """Write each text under a name of its own beside its path, then rename all of them.

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
                new[path].write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
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
        **_fields(report, "quality", "result", "figures", "notes", "warnings", "findings", "comparison"),
        **_fields(report, "methods", "citations", "repeat", "versions", "said"),
    }
    return json.dumps(plain(document), allow_nan=False, separators=(",", ":"))


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
