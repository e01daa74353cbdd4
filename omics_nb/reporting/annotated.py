"""A report's data as AnnData: samples × features with the result beside the annotation, in one .h5ad file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .document import Report


def report_anndata(report: Report) -> Any:
    """``X`` the values as the file has them, ``obs`` the samples with their ``group``, ``var`` annotation and result.

    ``uns["report"]`` holds title, question, contrast, design, findings, warnings, methods and versions.
    MissingExtraError where anndata is not installed.
    """
    result = report.result
    data = report.study.to_anndata(result.platform)
    side = {sample: role for role, samples in result.groups.items() for sample in samples}
    data.obs["group"] = [side.get(str(name), "") for name in data.obs_names]
    table = result.table.drop(columns="symbol", errors="ignore")
    for name in table.columns:
        column = table[name]
        data.var[str(name).replace("/", "|")] = (
            column.to_numpy() if column.dtype.kind in "fiu" else column.fillna("").astype(str).to_numpy()
        )
    data.uns["report"] = {
        "title": report.title,
        "question": report.question or "",
        "contrast": list(result.contrast),
        "design": result.design,
        "method": result.method,
        "findings": [statement.text for statement in report.findings],
        "warnings": list(report.warnings),
        "methods": [statement.text for statement in report.methods],
        "versions": dict(report.versions),
        "created": report.created,
    }
    return data


def report_h5ad(report: Report) -> bytes:
    """The same as the bytes of an .h5ad file."""
    data = report_anndata(report)
    with tempfile.TemporaryDirectory(prefix="omics-") as folder:
        path = Path(folder) / "report.h5ad"
        data.write_h5ad(path)
        return path.read_bytes()
