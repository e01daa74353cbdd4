"""The report as an executed notebook: the parameterised ``report.ipynb``, run by papermill.

papermill writes parameters into a code cell, names as they are; so names are checked against those that the
notebook declares, and values are taken apart to plain JSON before they get there.
"""

from __future__ import annotations

import json
import keyword
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import DataError, MissingExtraError, OmicsError, RunFailedError, SettingsError
from ..notebooks import declared_parameters as declared_parameters
from ..notebooks import find_notebook
from .document import Report, SavedReport
from .export import write_together

if TYPE_CHECKING:
    from papermill.exceptions import PapermillExecutionError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL_LINE = re.compile(r"Cell In\s*\[\d+\], line (\d+)")
# A Unix socket's path has room for about 104 bytes; the kernel's sockets add a few to the folder's name.
_LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """An executed notebook and the report that it saved."""

    notebook: Path
    report: SavedReport


def run_report_notebook(
    parameters: Mapping[str, Any],
    out_dir: str | Path,
    *,
    notebook: str | Path | None = None,
    name: str | None = None,
) -> NotebookRun:
    """Execute the report notebook; it and its report go to ``out_dir`` as ``name``.ipynb, .html, .json, .csv.

    ``notebook`` is the project's ``report.ipynb`` by default; another must declare a parameter ``out`` and
    save its report there. ``name`` is the study's accession by default, or "report". SettingsError for a
    parameter that the notebook does not declare or a value that is not JSON. A cell that fails raises the
    cell's own error if it is of our tree, RunFailedError otherwise, with the cell in its message; no notebook
    is written then.
    """
    source = Path(notebook) if notebook is not None else find_notebook()
    name = _checked_name(name or parameters.get("study") or "report")
    target = Path(out_dir).resolve() / f"{name}.ipynb"
    page = target.with_suffix(".html")
    given = _checked({**parameters, "out": str(page)}, source)
    text = _execute(source, given)
    write_together({target: text})
    beside = {kind: page.with_suffix(f".{kind}") for kind in ("json", "csv")}
    return NotebookRun(target, SavedReport({"html": page, **beside}))


def report_notebook(report: Report) -> bytes:
    """The report's notebook, executed anew for this report; errors as of ``run_report_notebook``."""
    source = find_notebook()
    with tempfile.TemporaryDirectory(prefix="omics-") as folder:
        out = str(Path(folder) / "report.html")
        done = _execute(source, _checked({**report.repeat.parameters, "out": out}, source))
    nbformat = _needed("nbformat")
    # Who runs it again wants the report beside it, not in a folder that is gone.
    told = _with_parameters(nbformat.reads(done, as_version=4), {"out": "report.html"}, source.name)
    return f"{nbformat.writes(told)}\n".encode()


def _checked_name(name: object) -> str:
    safe = _SAFE_NAME.fullmatch(name) if isinstance(name, str) else None
    if safe is None:
        raise SettingsError(f"{name!r} cannot name a file; letters, digits, '.', '_' and '-' can")
    return safe[0]  # a plain text, even where the name pretends to be another


def _checked(parameters: Mapping[str, Any], notebook: Path) -> dict[str, Any]:
    declared = declared_parameters(notebook)
    for name in parameters:
        usable = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
        if not usable or name not in declared:
            raise SettingsError(
                f"{notebook.name} has no parameter {name!r}; it has {', '.join(declared) or 'none'}",
                parameter=name,
            )
    return {name: _json_value(name, value) for name, value in parameters.items()}


def _json_value(name: str, value: Any) -> Any:
    """``value`` rebuilt from its JSON, so that no object's own ``__str__`` reaches the code cell."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"parameter {name} must be a JSON value, not {value!r}: {error}", parameter=name
        ) from error


def _execute(notebook: Path, parameters: dict[str, Any]) -> str:
    """The executed notebook as JSON text."""
    papermill, nbformat = _needed("papermill"), _needed("nbformat")
    from papermill.exceptions import PapermillExecutionError

    source = _with_parameters(nbformat.read(notebook, as_version=4), parameters, notebook.name)
    with tempfile.TemporaryDirectory(prefix="omics-") as folder:
        try:
            done = papermill.execute_notebook(
                source,
                None,
                kernel_name="python3",
                progress_bar=False,
                kernel_manager_class=own_interpreter(Path(folder)),
            )
        except PapermillExecutionError as error:
            raise _cell_failed(error, notebook.name) from error
        except RuntimeError as error:
            # nbclient's DeadKernelError, and jupyter_client's where a kernel does not come up.
            raise RunFailedError(
                f"{notebook.name}: the kernel died or did not start ({error}); was there enough memory?"
            ) from error
    done.metadata.papermill.update(input_path=notebook.name, output_path="")
    text: str = nbformat.writes(done)
    return text + "\n"


def _with_parameters(notebook: Any, parameters: Mapping[str, Any], name: str) -> Any:
    """The notebook with these values in its own ``parameters`` cell.

    papermill would add a cell and replace that whole cell the next time, so that who runs the executed notebook
    again with one other value would silently get the defaults for all the rest.
    """
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    for parameter, value in parameters.items():
        found = list(re.finditer(rf"^{parameter} = .*?(?P<comment>  #.*)?$", cell.source, re.MULTILINE))
        if len(found) != 1:
            raise DataError(f"{name}: the parameters cell must assign {parameter} once, on a line of its own")
        begin, end = found[0].span()
        line = f"{parameter} = {value!r}{found[0]['comment'] or ''}"
        cell.source = cell.source[:begin] + line + cell.source[end:]
    return notebook


def own_interpreter(folder: Path, *, provisioner: Mapping[str, Any] | None = None) -> type:
    """A kernel manager that starts this very interpreter, whatever kernels are registered here.

    Its sockets are files in ``folder`` where the system has such sockets, so that nothing listens on a port.
    ``provisioner`` is what a kernelspec says under that name of who starts the process.
    """
    from ipykernel.kernelspec import make_ipkernel_cmd
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class OwnKernel(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            # What goes wrong in a cell comes back as our error; the kernel need not tell of it too.
            command = make_ipkernel_cmd(extra_arguments=["--IPKernelApp.log_level=CRITICAL"])
            metadata = {"kernel_provisioner": dict(provisioner)} if provisioner else {}
            return KernelSpec(argv=command, display_name=kernel_name, language="python", metadata=metadata)

    class OwnInterpreter(AsyncKernelManager):
        @default("kernel_spec_manager")
        def _own_kernel(self) -> KernelSpecManager:
            return OwnKernel()

        @default("transport")
        def _own_transport(self) -> str:
            files = os.name == "posix" and len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER
            return "ipc" if files and sys.platform != "cygwin" else "tcp"

        @default("connection_file")
        def _own_connection_file(self) -> str:
            return str(folder / "kernel.json")

    return OwnInterpreter


def _cell_failed(error: PapermillExecutionError, notebook: str) -> OmicsError:
    told = "\n".join(error.traceback)
    message = (
        f"{notebook}, cell {error.exec_count} ({_failing_line(error.source, told)}) failed: "
        f"{error.ename}: {error.evalue}"
    )
    kind = getattr(errors, error.ename, RunFailedError)
    ours = isinstance(kind, type) and issubclass(kind, OmicsError)
    return (kind if ours else RunFailedError)(message, cell=error.exec_count, traceback=told)


def _failing_line(source: str, traceback: str) -> str:
    """The line of the cell that IPython's traceback points at, or the cell's first where it names none."""
    lines = source.splitlines() or [""]
    named = _CELL_LINE.search(_ANSI.sub("", traceback))
    return lines[min(int(named[1]), len(lines)) - 1 if named else 0].strip()


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"{name} is needed to run a notebook; run: pip install 'omics-nb[notebook]'", extra="notebook"
        ) from error
