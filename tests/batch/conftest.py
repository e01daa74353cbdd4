"""Notebooks that do what their row says, and batches of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.ncbi.server import LoopbackNcbi

Write = Callable[..., Path]

#: A notebook whose one cell does what the parameter ``do`` says.
ACTS = """\
import os, signal, sys, threading, time
if do == "fail":
    raise ValueError("no such gene: 42")
if do == "hang":
    threading.Event().wait()
if do == "die":
    os._exit(3)
if do == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if do == "eat":
    held = [bytearray(os.urandom(1) * 20_000_000) for _ in range(400) if not time.sleep(0.01)]
if do == "child":
    import subprocess
    child = subprocess.Popen(["sleep", "600"])
    open(mark, "w").write(str(child.pid))
    threading.Event().wait()
if do == "print":
    for _ in range(n):
        print("x" * 99)
if do == "count":
    with open(mark, "a") as file:
        file.write(f"{n}\\n")
if do == "gate":
    with open(mark, "a") as file:
        file.write(f"{n}\\n")
    while not os.path.exists(mark + ".open"):
        time.sleep(0.02)
print("did", do, n)
"""


def write_notebook(path: Path, *cells: str, parameters: str = 'do = "work"\nn = 0\nmark = ""') -> Path:
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
    )
    made.cells = [
        nbformat.v4.new_markdown_cell("# What a row does"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(cell) for cell in cells or (ACTS,)),
    ]
    nbformat.write(made, path)
    return path


@pytest.fixture
def acts(tmp_path: Path) -> Path:
    """A notebook that does what its row says."""
    return write_notebook(tmp_path / "acts.ipynb")


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


@pytest.fixture
def at_ncbi(ncbi_server: LoopbackNcbi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackNcbi:
    """The loopback NCBI as the source of this test, with a cache of its own."""
    for name, value in ncbi_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMICS_CACHE", str(tmp_path / "cache"))
    return ncbi_server
