"""What a notebook or a flow says that it takes: names, types and defaults of its parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import DataError, FlowError
from ..notebooks import declared_parameters
from .meanings import MEANINGS

if TYPE_CHECKING:
    from ..workflow import Flow

_KINDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "bool",
    "list": "list",
    "tuple": "list",
    "List": "list",
    "Sequence": "list",
    "dict": "object",
    "Dict": "object",
    "Mapping": "object",
}


class Parameter(NamedTuple):
    """``kind`` is text, whole number, number, bool, list, object, or empty where nothing says it.

    ``check``, where there is one, raises ValueError for a value that the flow would not take. ``meaning`` is one of
    :data:`.meanings.MEANINGS` where the notebook or flow says it.
    """

    name: str
    kind: str = ""
    default: Any = None
    required: bool = False
    help: str = ""
    check: Callable[[Any], None] | None = None
    meaning: str = ""


def notebook_parameters(path: Path) -> dict[str, Parameter]:
    """The parameters that a notebook's cell tagged ``parameters`` declares."""
    found = {}
    for name, told in declared_parameters(path).items():
        default = _literal(told["default"])
        kind = _kind_of(str(told["inferred_type_name"])) or _kind_of(type(default).__name__)
        found[name] = Parameter(name, kind, default, False, told["help"] or "")
    return found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _kind_of(annotation: str) -> str:
    """The kind that an annotation names: ``Optional[int]`` and ``int | None`` are whole numbers."""
    inner = re.fullmatch(r"(?:typing\.)?Optional\[(.*)\]", annotation.strip())
    words = [part.strip() for part in (inner[1] if inner else annotation).split("|")]
    kinds = {_KINDS.get(word.partition("[")[0].rpartition(".")[2], "") for word in words if word != "None"}
    return kinds.pop() if len(kinds) == 1 else ""


def flow_parameters(flow: Flow) -> dict[str, Parameter]:
    """The inputs of a flow, with the types that its steps' functions write beside them."""
    found = {}
    for name, needed in flow.inputs.items():
        annotation, default = _annotation(flow, name)
        kind = _kind_of(
            annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
        )
        found[name] = Parameter(
            name, kind, default, needed and name != "source", "", _checker(annotation), _meaning(flow, name)
        )
    return found


def _meaning(flow: Flow, name: str) -> str:
    return name if name in MEANINGS and flow.module == "omics_nb.flows" else ""


def _annotation(flow: Flow, name: str) -> tuple[Any, Any]:
    from inspect import signature
    from typing import get_type_hints

    for item in flow.steps:
        wire = next((wire for wire in item.wires if wire.source == name), None)
        if wire is None or not callable(item.function) or hasattr(item.function, "steps"):
            continue
        parameter = signature(item.function).parameters.get(wire.parameter)
        if parameter is None:
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        try:
            hint = get_type_hints(item.function).get(wire.parameter)
        except NameError:  # a type that is imported for type checkers alone
            hint = None
        if item.options.each is not None and item.options.each[1] == name:
            return "list", default
        return hint or "", default
    return "", None


def _checker(annotation: Any) -> Callable[[Any], None] | None:
    if not annotation or isinstance(annotation, str):
        return None
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return None

    def check(value: Any) -> None:
        try:
            adapter.validate_json(_json(value))
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].lower()) from error

    return check


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def find_flow(name: str) -> Flow:
    """A flow by its name here, or as ``module:NAME``. FlowError if there is none."""
    from ..flows import list_flows
    from ..workflow import Flow

    module, _, attribute = name.partition(":")
    if attribute:
        from importlib import import_module

        try:
            found = getattr(import_module(module), attribute, None)
        except ImportError as error:
            raise FlowError(f"the module of flow {name!r} cannot be imported: {error}", flow=name) from error
        if isinstance(found, Flow):
            return found
        raise FlowError(f"{module} has no flow {attribute!r}", flow=name)
    known = {flow.name: flow for flow in list_flows()}
    if name not in known:
        raise FlowError(
            f"no flow {name!r}; have {', '.join(known)}, or name your own: module:FLOW", flow=name
        )
    return known[name]


def find_notebook(path: str | Path) -> Path:
    """A notebook's path; a bare name may also be one of the project's own. DataError if there is none."""
    from ..notebooks import find_notebook as own

    found = Path(path).expanduser()
    if found.suffix != ".ipynb":
        raise DataError(f"a notebook's name ends with .ipynb, not {found.name!r}", path=str(path))
    if not found.is_file() and found.name == str(path):
        return own(found.name)
    if not found.is_file():
        raise DataError(f"no notebook at {found}", path=str(path))
    return found.resolve()
