"""What a function, an agent, a flow, a pydantic model or a notebook asks for, as fields of a form; no widget in here.

The type of a parameter chooses the kind of its field, and pydantic checks what is typed into it. Help, limits and units
come from ``Annotated[float, Field(ge=0, description="…", json_schema_extra={"unit": "mm"})]``, or, for the parameters
that the library's own verbs share, from the table below. For notebooks they come from the comments of the cell
``parameters``.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from omics_nb.agents import Agent, get_agent
from omics_nb.errors import AgentError
from omics_nb.records import Study
from omics_nb.reporting.notebook import declared_parameters
from omics_nb.workflow import Flow

Kind = Literal["text", "number", "integer", "flag", "choice", "lines", "date"]
What = str | Path | Agent | Flow | type[BaseModel] | Callable[..., Any]
_UNIONS = (Union, types.UnionType)
_MISSING: Any = inspect.Parameter.empty

_HELP = {
    "accession": "of a study, such as GSE9000001",
    "accessions": "of studies, one a line",
    "contrast": "factor, tested group, reference group; empty: the best that the samples suggest",
    "design": "a formula over the sample sheet, such as ~ batch + agent; empty: ~ the factor alone",
    "factor": "the column of the sample sheet whose groups are meant",
    "limit": "the most studies to show",
    "platform": "which matrix, where a study has several",
    "question": "what you look for, in words",
    "source": "demo, ncbi, index or mirror:FOLDER; empty: what the settings say",
    "study": "an accession, such as GSE9000001",
    "text": "a question in words",
}
_UNITS = {"_s": "s", "_bytes": "bytes", "_percent": "%"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. ``type`` is what its value must be; a ``study`` is typed as its accession.

    ``default`` is that of what is called, ``first`` what the field begins with, where that is another value.
    """

    name: str
    kind: Kind
    type: Any
    help: str = ""
    unit: str = ""
    default: Any = _MISSING
    options: tuple[tuple[str, Any], ...] = ()
    study: bool = False
    limits: str = ""
    first: Any = _MISSING

    @property
    def required(self) -> bool:
        return self.default is _MISSING

    @property
    def label(self) -> str:
        words = self.name.removesuffix("_s") if self.unit == "s" else self.name
        return words.replace("_", " ").strip().capitalize()

    def value(self, typed: object) -> Any:
        """What was typed, as the value it stands for. ValueError says what is wrong with it."""
        if self.first is _MISSING and not self.required and typed == self.shown():
            return self.default
        if self.kind == "choice":
            found = dict(self.options)
            if typed not in found:
                raise ValueError(f"Choose one of {', '.join(found)}.")
            return found[str(typed)]
        if self.kind == "flag":
            return bool(typed)
        text = str(typed).strip()
        if not text:
            if self.required:
                raise ValueError("This is needed.")
            return self.default
        given: object = (
            [line.strip() for line in text.splitlines() if line.strip()] if self.kind == "lines" else text
        )
        try:
            return TypeAdapter(self.type, config=None).validate_python(given)
        except ValidationError as error:
            raise ValueError(
                "; ".join(_sentence(problem) for problem in error.errors(include_url=False))
            ) from error

    @property
    def _begins(self) -> Any:
        return self.default if self.first is _MISSING else self.first

    def shown(self) -> Any:
        """What the field begins with, as a person would type it."""
        begins = self._begins
        if self.kind == "flag":
            return begins is True
        if self.kind == "choice":
            return next((label for label, value in self.options if value == begins), self.options[0][0])
        if begins is _MISSING or begins is None:
            return ""
        return "\n".join(map(str, begins)) if self.kind == "lines" else str(begins)


def _sentence(problem: Mapping[str, Any]) -> str:
    text = re.sub(r"^(Value error|Assertion failed), ", "", str(problem["msg"])).removeprefix("Input s")
    text = f"S{text}" if text.startswith("hould") else text
    return text if text.endswith(".") else f"{text}."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form is made from: its name, what it does in a sentence, and its fields."""

    name: str
    summary: str
    fields: tuple[Field, ...]
    left_out: tuple[str, ...] = field(default=())


def asked(what: What) -> Asked:
    """The fields for an agent, a flow, a notebook, a pydantic model or an annotated function.

    AgentError for one that needs what cannot be typed into a form, such as a result.
    """
    if isinstance(what, Flow):
        return Asked(what.name, _summary_of(what), _of_flow(what))
    if isinstance(what, Path) or (isinstance(what, str) and what.endswith(".ipynb")):
        return Asked(Path(what).name, _title(Path(what)), _of_notebook(Path(what)))
    if isinstance(what, type) and issubclass(what, BaseModel):
        return Asked(what.__name__, (inspect.getdoc(what) or "").partition("\n")[0], _of_model(what))
    agent = get_agent(what) if isinstance(what, str) else what if isinstance(what, Agent) else None
    function = agent.function if agent is not None else what
    name = agent.name if agent is not None else getattr(function, "__name__", "form")
    fields, left_out = _of_function(name, function)
    return Asked(name, (inspect.getdoc(function) or "").partition("\n")[0], fields, left_out)


def _of_function(name: str, function: Any) -> tuple[tuple[Field, ...], tuple[str, ...]]:
    hints = get_type_hints(function, include_extras=True)
    found, left_out = [], []
    for parameter in inspect.signature(function).parameters.values():
        made = _field(parameter.name, hints.get(parameter.name, str), parameter.default)
        if made is not None:
            found.append(made)
        elif parameter.default is _MISSING and parameter.kind not in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            bare = _taken_apart(hints[parameter.name])[1]
            kind = getattr(bare, "__name__", bare)
            raise AgentError(
                f"{name!r} needs {parameter.name}: {kind}, which cannot be typed into a form; call it in a cell",
                agent=name,
            )
        else:
            left_out.append(parameter.name)
    names = {item.name for item in found}
    if any(item.study for item in found) and "source" not in names:
        found.insert(1, Field("source", "text", str, _HELP["source"], default=None))
    return tuple(found), tuple(left_out)


def _of_flow(flow: Flow) -> tuple[Field, ...]:
    found = []
    for name, needed in flow.inputs.items():
        step, parameter, many = next(
            (item, wire.parameter, item.options.each is not None and item.options.each[0] == wire.parameter)
            for item in flow.steps
            for wire in item.wires
            if wire.source == name
        )
        function: Any = step.function
        hint = get_type_hints(function, include_extras=True).get(parameter, str)
        default = _MISSING if needed else inspect.signature(function).parameters[parameter].default
        if name == "source":
            default = None
        made = _field(name, list[hint] if many else hint, default)  # type: ignore[valid-type]
        if made is not None:
            found.append(made)
        elif needed:
            raise AgentError(
                f"flow {flow.name!r} needs {name}, which cannot be typed into a form", flow=flow.name
            )
    return tuple(found)


def _of_model(model: type[BaseModel]) -> tuple[Field, ...]:
    found = []
    for name, info in model.model_fields.items():
        default = _MISSING if info.is_required() else info.get_default(call_default_factory=True)
        hint = Annotated[info.annotation, info]  # type: ignore[name-defined]
        made = _field(name, hint, default)
        if made is None:
            raise AgentError(
                f"{model.__name__}.{name} cannot be typed into a form: {info.annotation}", field=name
            )
        found.append(made)
    return tuple(found)


def _of_notebook(path: Path) -> tuple[Field, ...]:
    found = []
    for name, declared in declared_parameters(path).items():
        try:
            default = ast.literal_eval(declared["default"])
        except (ValueError, SyntaxError):
            continue  # computed by its cell: it stays as it is
        hint: Any = (
            str | None if default is None else list[str] if isinstance(default, list) else type(default)
        )
        made = _field(name, hint, default)
        if made is not None:
            found.append(_with_help(made, declared["help"]))
    return tuple(found)


def _with_help(made: Field, text: str) -> Field:
    return replace(made, help=text or made.help)


def _field(name: str, hint: Any, default: Any) -> Field | None:
    """The field of a parameter; None for a type that cannot be typed in."""
    info, bare = _taken_apart(hint)
    kind, inner, options = _kind(bare)
    if kind is None:
        return None
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    unit = str(extra.get("unit") or next((u for end, u in _UNITS.items() if name.endswith(end)), ""))
    marks = list(info.metadata)
    checked = str if inner is Study else Annotated[(inner, *marks)] if marks else inner
    text = info.description or _HELP.get(name, "")
    default = info.default if default is _MISSING and not info.is_required() else default
    return Field(name, kind, checked, text, unit, default, options, inner is Study, _limits(marks))


def _taken_apart(hint: Any) -> tuple[FieldInfo, Any]:
    """What ``Annotated`` says of a type, and the type without it."""
    if get_origin(hint) is not Annotated:
        return FieldInfo(), hint
    info = FieldInfo.from_annotation(hint)
    return info, info.annotation


def _kind(hint: Any) -> tuple[Kind | None, Any, tuple[tuple[str, Any], ...]]:
    """The kind of field for a type, the type that it must give, and what can be chosen from."""
    arms = [arm for arm in _arms(hint) if arm is not type(None)]
    empty: tuple[tuple[str, Any], ...] = (("", None),) if type(None) in _arms(hint) else ()
    if bool in arms and empty:
        return "choice", bool, (*empty, ("yes", True), ("no", False))
    for arm in arms:
        origin = get_origin(arm)
        if origin is Literal:
            return "choice", arm, (*empty, *((str(value), value) for value in get_args(arm)))
        if isinstance(arm, type) and issubclass(arm, enum.Enum):
            return "choice", arm, (*empty, *((str(member.value), member) for member in arm))
    simple: tuple[tuple[type, Kind], ...] = (
        *((str, "text"), (bool, "flag"), (int, "integer"), (float, "number")),
        *((datetime, "date"), (date, "date"), (Path, "text"), (Study, "text")),
    )
    for wanted, kind in simple:
        if wanted in arms:
            return kind, wanted, ()
    for arm in arms:
        if get_origin(arm) in (list, tuple, set, frozenset, Sequence) and set(map(_plain, get_args(arm))) <= {
            True
        }:
            return "lines", arm, ()
    return None, Any, ()


def _plain(kind: Any) -> bool:
    return kind is Ellipsis or _taken_apart(kind)[1] in (str, int, float)


def _arms(hint: Any) -> list[Any]:
    bare = _taken_apart(hint)[1]
    if isinstance(bare, TypeVar) or bare is Any:
        return [str]
    return [arm for part in get_args(bare) for arm in _arms(part)] if get_origin(bare) in _UNIONS else [bare]


def _limits(marks: Sequence[Any]) -> str:
    """What a number or a text is held to, in words."""
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return ", ".join(
        f"{said} {getattr(mark, name)}"
        for mark in marks
        for name, said in words.items()
        if hasattr(mark, name)
    )


def _summary_of(flow: Flow) -> str:
    return " → ".join(item.name.replace("_", " ") for item in flow.steps)


def _title(path: Path) -> str:
    import nbformat

    first = nbformat.read(path, as_version=4).cells[0]
    lines = [line for line in str(first.source).splitlines() if line.strip()]
    return lines[1] if first.cell_type == "markdown" and len(lines) > 1 else ""
