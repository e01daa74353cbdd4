"""What a batch runs for each row: a notebook, or a flow by a notebook that is made for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..errors import DataError, SettingsError
from .declared import Parameter, find_flow, find_notebook, flow_parameters, notebook_parameters
from .meanings import meanings_of

_LIMIT_BYTES = 64 * 2**20


class Target(NamedTuple):
    """``notebook`` is its JSON text, ``folder`` where it lies, as helpers beside it count as its code."""

    kind: Literal["notebook", "flow"]
    name: str
    notebook: str
    parameters: dict[str, Parameter]
    folder: str = ""

    def named(self, meaning: str) -> str | None:
        """The parameter that has this meaning."""
        return next((item.name for item in self.parameters.values() if item.meaning == meaning), None)


def target_of(notebook: str | Path | None, flow: str | None) -> Target:
    """The one that is given. SettingsError for both and for none."""
    if (notebook is None) == (flow is None):
        raise SettingsError("a batch runs a notebook or a flow for each row; give one of both")
    return notebook_target(notebook) if notebook is not None else flow_target(str(flow))


def notebook_target(path: str | Path) -> Target:
    """A notebook by its path, or one of the project's own by its name. DataError if it is none."""
    found = find_notebook(path)
    text = found.read_text(encoding="utf-8")
    if len(text) > _LIMIT_BYTES:
        raise DataError(
            f"{found.name} is {len(text) / 2**20:.0f} MiB; strip its outputs first", path=str(found)
        )
    import nbformat

    try:
        notebook = nbformat.v4.upgrade(nbformat.reads(text, as_version=4))
        nbformat.validate(notebook)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, KeyError) as error:
        raise DataError(f"{found.name} is no notebook: {str(error)[:200]}", path=str(found)) from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    plain = json.dumps(notebook, ensure_ascii=False, sort_keys=True)
    meanings = meanings_of(notebook)
    parameters = {
        name: parameter._replace(meaning=meanings.get(name, ""))
        for name, parameter in notebook_parameters(found).items()
    }
    return Target("notebook", found.name, plain, parameters, str(found.parent))


def flow_target(name: str) -> Target:
    """A flow by its name here, or ``module:FLOW``. FlowError if there is none."""
    parameters = {"out": Parameter("out", "text", None), **flow_parameters(find_flow(name))}
    return Target("flow", name, json.dumps(_flow_notebook(name, parameters)), parameters)


def _flow_notebook(name: str, parameters: dict[str, Parameter]) -> dict[str, Any]:
    inputs = [parameter for parameter in parameters if parameter != "out"]
    given = ", ".join(f"{json.dumps(item)}: {item}" for item in inputs)
    cells = [
        _cell(
            "markdown",
            f"# {name}\n\nOne row of a batch: the flow `{name}`, run durably with the inputs below.",
        ),
        _cell("code", "\n".join(f"{item} = None" for item in parameters), "parameters"),
        _cell(
            "code", f"from omics_nb.batch import kernel\n\nrun = kernel.run_flow({name!r}, {{{given}}})\nrun"
        ),
        _cell("code", "value = run.result()\nvalue"),
        _cell("code", "kernel.keep(value, out)"),
    ]
    for at, cell in enumerate(cells):
        cell["id"] = f"flow-{at}"
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernelspec, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, source: str, *tags: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
    }
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
