"""A batch's results for other programs: CSV, XLSX, JSON, ZIP, RO-Crate."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display.markup import clean
from ..errors import DataError, MissingExtraError
from .places import write_whole
from .summary import columns_of, records_of

if TYPE_CHECKING:
    import pandas as pd

    from .batches import Batch

SUMMARY = "summary.csv"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_summary(batch: Batch) -> None:
    """``summary.csv`` in the batch's folder."""
    write_whole(batch.out / SUMMARY, to_csv(batch))


def write(batch: Batch, path: Path) -> Path:
    """The results as the ending of ``path`` says: .csv, .xlsx, .json, .zip or .crate.zip. DataError for another."""
    path = path.expanduser().resolve()
    kind = next((kind for kind in _WRITERS if path.name.casefold().endswith(kind)), None)
    if kind is None:
        raise DataError(f"results are written as {', '.join(_WRITERS)}, not {path.name!r}", path=str(path))
    _WRITERS[kind](batch, path)
    return path


def to_csv(batch: Batch) -> str:
    """The summary as CSV, faithful: lists and objects are JSON, an empty cell is a missing value."""
    records = records_of(batch.rows)
    names = columns_of(records)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_plain(record.get(name)) for name in names] for record in records])
    return sink.getvalue()


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def to_json(batch: Batch) -> str:
    """Everything that is known of the batch and its rows, and the genes that recur."""
    plan = batch.plan._asdict()
    facts = {
        "format": "omics_nb batch",
        "format_version": 1,
        "id": batch.id,
        "state": batch.state,
        "created": batch.created.isoformat(),
        "finished": batch.finished.isoformat() if batch.finished else None,
        "plan": {name: value for name, value in plan.items() if name != "mail"},
        "rows": [row._asdict() for row in batch.rows],
        "genes": json.loads(batch.genes().to_json(orient="records")),
    }
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"


def to_xlsx(batch: Batch) -> bytes:
    """A workbook of the summary and the genes that recur. Text is typed as text, so that none of it is a formula."""
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise MissingExtraError(
            "a workbook needs openpyxl; run: pip install 'omics-nb[excel]'", extra="excel"
        ) from error
    book = Workbook()
    sheet = book.active
    sheet.title = "summary"
    _fill(sheet, batch.table())
    _fill(book.create_sheet("genes that recur"), batch.genes())
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _fill(sheet: Any, frame: pd.DataFrame) -> None:
    lines = [list(frame.columns), *frame.astype(object).where(frame.notna(), None).to_numpy().tolist()]
    for at, line in enumerate(lines, 1):
        for column, value in enumerate(line, 1):
            if value is None:
                continue
            cell = sheet.cell(at, column)
            plain = _plain(value)
            cell.value = clean(plain)[:32_767] if isinstance(plain, str) else plain
            if isinstance(plain, str):
                cell.data_type = "s"
    sheet.freeze_panes = "A2"


def _files(batch: Batch, without: Path) -> Iterator[Path]:
    """The batch's files in a fixed order: those of its rows, its page and its summary; nobody else's."""
    names = [row.name for row in batch.rows]
    for name in ("index.html", SUMMARY):
        if (batch.out / name).is_file():
            yield batch.out / name
    for name in names:
        found = [
            batch.out / f"{name}.ipynb",
            batch.out / f"{name}.html",
            *sorted((batch.out / name).rglob("*")),
        ]
        yield from (
            path
            for path in found
            if path.is_file() and path != without and not path.name.endswith(".partial")
        )


def _write_zip(batch: Batch, path: Path) -> None:
    _zip(path, batch, {"batch.json": to_json(batch)})


def _write_crate(batch: Batch, path: Path) -> None:
    from .crate import METADATA, metadata_of

    files = list(_files(batch, path))
    extra = {"batch.json": to_json(batch)}
    extra[METADATA] = metadata_of(batch, files, extra["batch.json"])
    _zip(path, batch, extra)


def _zip(path: Path, batch: Batch, texts: dict[str, str]) -> None:
    """One file after the other, so that a batch of any size fits; its name appears once it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, text in texts.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
            for file in _files(batch, path):
                archive.write(file, file.relative_to(batch.out).as_posix())
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", path=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


#: The longest ending first.
_WRITERS: dict[str, Callable[[Batch, Path], None]] = {
    ".crate.zip": _write_crate,
    ".csv": lambda batch, path: write_whole(path, to_csv(batch)),
    ".xlsx": lambda batch, path: write_whole(path, to_xlsx(batch)),
    ".json": lambda batch, path: write_whole(path, to_json(batch)),
    ".zip": _write_zip,
}
