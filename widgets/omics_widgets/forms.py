"""A form by itself, from whatever is called with typed values: an agent, a flow, a notebook, a function, a model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from ipywidgets import HTML, VBox
from pydantic import BaseModel
from traitlets import Bool, Dict, List, Unicode

import omics_nb as omics
from omics_nb import flows
from omics_nb.display.markup import el
from omics_nb.errors import AgentError, RunFailedError, RunNotFoundError
from omics_nb.workflow import Flow, Run

from .fields import Asked, Field, What, asked
from .parts import PALETTE, block, marked, style_sheet
from .run_panel import RunPanel
from .shown import shown
from .task import Say, Task

_HERE = Path(__file__)
_POLL_S = 0.2


class FieldSet(AnyWidget):
    """Fields and a button; calls ``submit(typed)`` with what each holds, by name. ``errors`` stand beside them."""

    _esm = _HERE.with_name("forms.js")
    _css = PALETTE + _HERE.with_name("forms.css").read_text(encoding="utf-8")
    fields = List(Dict()).tag(sync=True)
    errors = Dict().tag(sync=True)
    disabled = Bool(False).tag(sync=True)
    action = Unicode("Run").tag(sync=True)
    caption = Unicode("").tag(sync=True)

    def __init__(
        self, fields: tuple[Field, ...], submit: Callable[[dict[str, Any]], None], caption: str
    ) -> None:
        super().__init__(fields=[_drawn(item) for item in fields], caption=caption)
        self._submit = submit
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if isinstance(content.get("submit"), dict) and not self.disabled:
            self._submit(content["submit"])

    def __repr__(self) -> str:
        return f"FieldSet({', '.join(item['name'] for item in self.fields)})"


def _drawn(item: Field) -> dict[str, Any]:
    return {
        "name": item.name,
        "label": item.label,
        "kind": item.kind,
        "help": item.help,
        "limits": item.limits,
        "unit": item.unit,
        "required": item.required,
        "options": [label for label, _ in item.options],
        "value": item.shown(),
    }


class Form(VBox):
    """The form of ``what``, what it runs, and what came of it: ``value`` is the last result.

    Agents, functions and models run in a thread of this kernel, flows as runs of the store in processes of their own.
    ``await form.run(name="typed", …)`` does what the button does.
    """

    def __init__(
        self,
        what: What,
        *,
        on_value: Callable[[Any], object] | None = None,
        follow: str = "",
        **defaults: Any,
    ) -> None:
        self._what = flow_named(what)
        self._on_value = on_value
        self._asked = _with_defaults(asked(self._what), defaults)
        self.value: Any = None
        self.fields = FieldSet(self._asked.fields, self._submitted, self._asked.name.replace("_", " "))
        self.task = Task()
        self.panel = RunPanel(on_end=self._run_ended, remember=True) if isinstance(self._what, Flow) else None
        self._output = marked(HTML(), "omics-output")
        title = el("h2", self._asked.name.replace("_", " ").removesuffix(".ipynb").capitalize())
        heading = HTML(block(title, el("p", self._asked.summary, class_="omics-dim")))
        working = [self.task, self.panel] if self.panel is not None else [self.task]
        super().__init__([style_sheet(), heading, self.fields, *working, self._output])
        marked(self, "omics-page", "omics-explore", "omics-one")
        self._follow(follow)

    def __repr__(self) -> str:
        return f"Form({self._asked.name})"

    def _follow(self, run_id: str) -> None:
        """The run that the page's address names, if this form started it; the id may be of another form's."""
        if self.panel is None or not run_id:
            return
        with suppress(RunNotFoundError):  # it may have been removed since
            run = flows.get_run(run_id)
            if run.flow_name == self._asked.name:
                self.panel.follow(run)

    def _submitted(self, typed: dict[str, Any]) -> None:
        self.task.start(lambda: self._take(typed))

    async def run(self, **typed: Any) -> Any:
        """The value for what would be typed into the fields; the others keep their defaults.

        AgentError lists what is wrong with which field; whatever the function itself raises is shown and raised.
        """
        return await self._take(
            {item.name: item.shown() for item in self._asked.fields} | typed, raising=True
        )

    async def _take(self, typed: dict[str, Any], *, raising: bool = False) -> Any:
        values, errors = checked(self._asked, typed)
        self.fields.errors = errors
        self._output.value = ""
        if errors:
            if raising:
                told = "; ".join(f"{name}: {text}" for name, text in errors.items())
                raise AgentError(f"{self._asked.name!r} cannot be run so: {told}", agent=self._asked.name)
            return None
        if self.panel is not None:
            self.panel.start(self._what, **values)  # type: ignore[arg-type]
            return None
        self.fields.disabled = True
        try:
            value = await self.task.run(self._asked.name.capitalize(), lambda say: self._work(values, say))
        finally:
            self.fields.disabled = False
        self._show(value)
        return value

    def _work(self, values: dict[str, Any], say: Say) -> Any:
        if isinstance(self._what, (str, Path)) and str(self._what).endswith(".ipynb"):
            return run_notebook(Path(self._what), values, say)
        for item in self._asked.fields:
            if item.study:
                values[item.name] = omics.fetch(values[item.name], source=values.pop("source", None))
        if isinstance(self._what, str):
            return _finished(omics.invoke(self._what, **values))
        return _finished(self._what(**values))  # type: ignore[operator]

    def _run_ended(self, run: Run) -> None:
        if run.state == "done":
            self._show(run.result())

    def _show(self, value: Any) -> None:
        self.value = value
        self._output.value = shown(value)
        if self._on_value is not None:
            self._on_value(value)


def form(
    what: What, *, on_value: Callable[[Any], object] | None = None, follow: str = "", **defaults: Any
) -> Form:
    """A form for an agent or a flow (or its name), a notebook with parameters, an annotated function or a model.

    ``defaults`` are what its fields begin with. ``on_value`` is called with each result. ``follow`` is the id of a run
    of the flow to find again, as the address of a dashboard has it. AgentError for what needs
    values that cannot be typed, and for a default of a field that is not there.
    """
    return Form(what, on_value=on_value, follow=follow, **defaults)


def flow_named(what: What) -> What:
    """The flow of this name, where there is one; anything else as it is."""
    return next((flow for flow in flows.list_flows() if flow.name == what), what)


def checked(what: Asked, typed: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by field, and what is wrong with which field. Fields that were left as they are are left out."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for item in what.fields:
        try:
            value = item.value(typed.get(item.name, ""))
        except ValueError as error:
            errors[item.name] = str(error)
            continue
        if item.required or value != item.default:
            values[item.name] = value
    return values, errors


def _with_defaults(what: Asked, defaults: dict[str, Any]) -> Asked:
    from dataclasses import replace

    unknown = sorted(set(defaults) - {item.name for item in what.fields})
    if unknown:
        have = ", ".join(item.name for item in what.fields)
        raise AgentError(
            f"the form of {what.name!r} has no field {unknown[0]!r}; it has {have}", field=unknown[0]
        )
    return replace(
        what,
        fields=tuple(replace(f, first=defaults[f.name]) if f.name in defaults else f for f in what.fields),
    )


def _finished(value: Any) -> Any:
    """The value itself, where an async function gave a promise of it; this is a thread without a loop."""
    return asyncio.run(_awaited(value)) if isinstance(value, Awaitable) else value


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


class ExecutedNotebook(BaseModel):
    """A notebook after its run, as its file and as a page."""

    path: Path
    html: str


def run_notebook(path: Path, values: dict[str, Any], say: Say) -> ExecutedNotebook:
    """Execute a notebook with these parameters in a process of its own, which ends if ``say`` raises.

    RunFailedError names the error of the cell that failed.
    """
    from nbconvert import HTMLExporter

    folder = Path(tempfile.mkdtemp(prefix="omics-form-"))
    given, made, complaints = folder / "parameters.json", folder / path.name, folder / "complaints"
    given.write_text(json.dumps(values), encoding="utf-8")
    with complaints.open("wb") as errors:
        command = [
            sys.executable,
            "-m",
            "papermill",
            str(path),
            str(made),
            "-f",
            str(given),
            "--no-progress-bar",
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter on a file that the form was made for
            command, stdout=subprocess.DEVNULL, stderr=errors, cwd=path.parent
        )
        try:
            while process.poll() is None:
                say(f"Running {path.name}")
                _wait(process)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        why = complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RunFailedError(
            f"{path.name} failed: {why[-1] if why else process.returncode}", notebook=str(path)
        )
    exporter = HTMLExporter(exclude_input=True, template_name="lab")
    page, _ = exporter.from_filename(str(made))
    return ExecutedNotebook(path=made, html=page)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return
