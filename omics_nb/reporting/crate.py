"""A report with all that belongs to it as one RO-Crate 1.1, a ZIP: https://w3id.org/ro/crate/1.1 .

The crate holds the report in every format that can be made here, its figures with their data, and the notebook; each
file with its size and SHA-256. It names the files that the data came from, with their sums, and the program.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display.markup import DISCLAIMER_URL, clean
from ..errors import MissingExtraError
from .export import content, markdown_files

if TYPE_CHECKING:
    from ..figures import Figure
    from .document import Citation, Report

_METADATA = "ro-crate-metadata.json"
_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
#: schema.org's term that the context of 1.1 does not have.
_MORE_TERMS = {"sha256": "https://schema.org/sha256"}
_CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
_OPTIONAL = ("pdf", "xlsx", "h5ad")
_TYPES = {
    ".html": "text/html", ".pdf": "application/pdf", ".md": "text/markdown", ".json": "application/json",
    ".csv": "text/csv", ".svg": "image/svg+xml", ".ipynb": "application/x-ipynb+json", ".h5ad": "application/x-hdf5",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
_SAID = {
    "html": "The report as a page that opens offline",
    "json": "Everything that the report holds, for programs",
    "csv": "The whole table of results, faithful",
    "pdf": "The report as PDF",
    "xlsx": "The report as a workbook; text stays text",
    "h5ad": "Values, samples, annotation and results as AnnData",
}
# The earliest time that a ZIP can hold: the same report gives the same archive.
_TIME = (1980, 1, 1, 0, 0, 0)

Entity = dict[str, Any]


def report_crate(report: Report, name: str, *, notebook: bytes | None = None) -> bytes:
    """The crate as a ZIP; its files are called ``name`` with the suffix of their format.

    A format whose package is not installed is left out, and the crate's description says so.
    """
    files, missing = _files(report, name, notebook)
    metadata = {"@context": [_CONTEXT, _MORE_TERMS], "@graph": list(_graph(report, files, missing))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        _write(archive, _METADATA, json.dumps(metadata, indent=1, ensure_ascii=True).encode())
        for path, (_, data) in files.items():
            _write(archive, path, data)
    return out.getvalue()


def _write(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, date_time=_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


Files = dict[str, tuple[str, bytes]]


def _files(report: Report, name: str, notebook: bytes | None) -> tuple[Files, list[str]]:
    """Path → description and content; and why a format is not among them."""
    files: Files = {}
    missing = []
    for kind, said in _SAID.items():
        try:
            files[f"{name}.{kind}"] = said, _bytes(content(report, kind))
        except MissingExtraError as error:
            if kind not in _OPTIONAL:
                raise
            missing.append(f"without {kind}: {error}")
    for path, text in markdown_files(report, Path(f"{name}.md")).items():
        said = "The report in Markdown" if path.suffix == ".md" else _pictured(report, path)
        files[str(path)] = said, _bytes(text)
    for figure in report.figures:
        files[f"figures/{figure.name}.csv"] = f"What is drawn in: {figure.title}", figure.to_csv().encode()
    files["repeat.py"] = "How to make this report again, in Python", _bytes(report.repeat.python + "\n")
    if notebook is not None:
        files[f"{name}.ipynb"] = "The executed notebook that made the report", notebook
    return files, missing


def _pictured(report: Report, path: Path) -> str:
    found: list[Figure] = [figure for figure in report.figures if path.stem.endswith(f"-{figure.name}")]
    return found[0].title if found else path.stem


def _bytes(made: str | bytes) -> bytes:
    return made.encode("utf-8", "backslashreplace") if isinstance(made, str) else made


def _graph(report: Report, files: Files, missing: list[str]) -> Iterator[Entity]:
    """The metadata descriptor, the crate itself, its files, and what they rest on."""
    sources = [_source(file.name, file) for file in report.study.files]
    works = [_work(citation) for citation in report.citations]
    yield {
        "@id": _METADATA, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    yield {
        "@id": "./", "@type": "Dataset", "name": clean(report.title), "datePublished": report.created,
        "description": clean(" ".join([*(found.text for found in report.findings), *missing])),
        "license": {"@id": _licence(report)["@id"]},
        "hasPart": [{"@id": path} for path in files],
        "mentions": [{"@id": "#analysis"}],
        "citation": [{"@id": work["@id"]} for work in works],
    }  # fmt: skip
    for path, (said, data) in files.items():
        yield _file(path, clean(said), data)
    yield _licence(report)
    yield from _analysis(report, sources, list(files))
    yield from sources
    yield from works


def _file(path: str, said: str, data: bytes) -> Entity:
    return {
        "@id": path, "@type": "File", "name": Path(path).name, "description": said,
        "encodingFormat": _TYPES.get(Path(path).suffix, "text/plain"),
        "contentSize": str(len(data)), "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip


def _source(name: str, file: Any) -> Entity:
    return {
        "@id": f"#source-{file.sha256[:16]}", "@type": "CreativeWork", "name": clean(name),
        "url": clean(file.location), "contentSize": str(file.n_bytes), "sha256": file.sha256,
        "dateCreated": file.retrieved,
    }  # fmt: skip


def _work(citation: Citation) -> Entity:
    return {"@id": citation.url, "@type": "ScholarlyArticle", "name": citation.text}


def _licence(report: Report) -> Entity:
    if report.synthetic:
        return {"@id": _CC0, "@type": "CreativeWork", "name": "CC0 1.0: synthetic data"}
    return {"@id": DISCLAIMER_URL, "@type": "CreativeWork", "name": "NCBI's disclaimer and copyright notice"}


def _analysis(report: Report, sources: list[Entity], files: list[str]) -> Iterator[Entity]:
    """What was done, by which program, from what, to what."""
    programs = [_program(name, version) for name, version in report.versions.items()]
    yield {
        "@id": "#analysis", "@type": "CreateAction", "name": clean(f"Comparison: {report.result.contrast}"),
        "description": clean(" ".join(said.text for said in report.methods)), "endTime": report.created,
        "instrument": [{"@id": program["@id"]} for program in programs],
        "object": [{"@id": source["@id"]} for source in sources],
        "result": [{"@id": path} for path in files],
    }  # fmt: skip
    yield from programs


def _program(name: str, version: str) -> Entity:
    return {
        "@id": f"#software-{name}",
        "@type": "SoftwareApplication",
        "name": name,
        "softwareVersion": version,
    }
