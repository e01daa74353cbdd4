"""Runs notebooks and saves them as the repository keeps them: ``python tests/notebooks/refresh.py [NAME …]``.

Only cells tagged ``nbval-check-output`` keep their output, as text, and their execution count (nbval passes
any cell that lacks one). All else that a run leaves is stripped, so that the same code gives the same file.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
GUARDED = "nbval-check-output"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# Nothing listens there: a notebook that asks the network fails instead of waiting.
OFFLINE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")


def tidy(notebook: Any) -> Any:
    """The notebook with the outputs of guarded cells alone, and no trace of who ran it, when and where."""
    title = notebook.metadata.get("title")
    kept = {"title": title} if title else {}
    notebook.metadata = nbformat.from_dict(
        kept | {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            guarded = GUARDED in tags
            cell.outputs = [plain(output) for output in cell.outputs] if guarded else []
            cell.execution_count = cell.execution_count if guarded else None
    return notebook


def plain(output: Any) -> Any:
    """An output as the text that it shows without a front end."""
    if "data" in output:
        output.data = nbformat.from_dict({"text/plain": output.data["text/plain"]})
        output.metadata = nbformat.from_dict({})
    return output


def run(path: Path) -> Any:
    """The notebook after a run from top to bottom in its own folder; raises what a cell raises."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


def main(names: list[str]) -> None:
    paths = [NOTEBOOKS / name for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= OFFLINE | {"OMICS_DATA": f"{folder}/data", "OMICS_CACHE": f"{folder}/cache"}
        for path in paths:
            nbformat.write(tidy(run(path)), path)


if __name__ == "__main__":
    main(sys.argv[1:])
