"""Whether a finished row would come out the same: one hash of its code, its values and the local data that they name.

Code is the notebook's cells, the modules beside it that they import, and the version of omics_nb. Data are the files
and folders that a value names, and the files of a study in a mirror. What NCBI holds cannot be told without asking,
so a row that asked NCBI is done once it is done; ``--fresh`` runs it again.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import NotFoundError
from ..geo.layout import folder
from .targets import Target

_ACCESSION = re.compile(r"\b(?:GSE|GDS|GPL)[1-9]\d{0,9}\b")
_MIRROR = "mirror:"


def code_hash(target: Target) -> str:
    """The hash of what a target's rows run."""
    notebook = json.loads(target.notebook)
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kernel = notebook["metadata"].get("kernelspec", {}).get("name", "")
    helpers = _helpers("\n".join(sources), Path(target.folder)) if target.folder else {}
    return _hash([__version__, kernel, sources, sorted(helpers.items())])


def _helpers(source: str, beside: Path) -> dict[str, str]:
    """The modules in a folder that code imports, and those that they import: path → hash."""
    found: dict[str, str] = {}
    waiting = [source]
    while waiting:
        for name in _imported(waiting.pop()):
            path = beside / (name.replace(".", "/") + ".py")
            if str(path) not in found and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                found[str(path)] = _hash(text)
                waiting.append(text)
    return found


def _imported(source: str) -> Iterator[str]:
    # A line that only IPython reads, such as %matplotlib, is no Python.
    plain = "\n".join(
        "" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()
    )
    try:
        tree = ast.parse(plain)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{item.name}" for item in node.names)


def row_key(code: str, parameters: Mapping[str, Any], *, source: str, cwd: str) -> str:
    """The key of a row: equal keys mean that a finished row need not run again."""
    given = json.dumps(parameters, sort_keys=True, ensure_ascii=False)
    texts = list(_texts(dict(parameters)))
    asked = str(parameters.get("source") or source)
    data = sorted(mark for text in texts for mark in _marks(text, cwd))
    if asked.startswith(_MIRROR):
        accessions = {found for text in texts for found in _ACCESSION.findall(text)}
        data += [_study_mark(asked.removeprefix(_MIRROR), accession) for accession in sorted(accessions)]
    return _hash([code, given, asked, data])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _marks(text: str, cwd: str) -> Iterator[str]:
    """What is known of a file or folder that a value names."""
    if not text or len(text) > 1_000 or "\0" in text or "\n" in text:
        return
    path = Path(cwd, text)
    try:
        if path.is_file():
            found = path.stat()
            yield f"{path} {found.st_size} {found.st_mtime_ns}"
        elif path.is_dir() and ("/" in text or "\\" in text):
            yield _folder_mark(path)
    except OSError:
        return


def _study_mark(mirror: str, accession: str) -> str:
    try:
        return _folder_mark(Path(mirror).expanduser() / folder(accession))
    except NotFoundError:
        return ""


@lru_cache(4096)
def _folder_mark(path: Path) -> str:
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else []
    marks = [
        f"{item.relative_to(path)} {item.stat().st_size} {item.stat().st_mtime_ns}" for item in files[:10_000]
    ]
    return f"{path} {_hash(marks)}"


def forget_folders() -> None:
    """Look at folders anew: what was seen holds for the planning of one batch."""
    _folder_mark.cache_clear()


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()
