"""Type contracts between steps: annotations compared when a flow is built, values checked when a step gives them."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from ..errors import FlowError

if TYPE_CHECKING:
    from .graph import Flow, Step


_UNIONS = (Union, types.UnionType)


class Columns:
    """Columns that a frame must have, for ``Annotated[pd.DataFrame, Columns("logFC", "P.Value")]``."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __repr__(self) -> str:
        return f"Columns({', '.join(self.names)})"


class ContractError(FlowError):
    """A value, or the type that a step promises, is not what was declared; never tried again."""


def check_flow(flow: Flow) -> None:
    """ContractError for the first pair of steps whose annotations clash, with their path drawn."""
    by_name = {item.name: item for item in flow.steps}
    for consumer in flow.steps:
        wanted_types = types_of(consumer.function)
        if not wanted_types:
            continue
        for wire in consumer.wires:
            producer = by_name.get(wire.source)
            if producer is None or wire.parameter not in wanted_types:
                continue
            given = promised(producer)
            wanted = wanted_types[wire.parameter]
            if consumer.options.each is not None and consumer.options.each[0] == wire.parameter:
                wanted = _list_of(wanted)
            if not fits(given, wanted):
                raise ContractError(
                    f"flow {flow.name!r}: {producer.name}() → {_words(given)} does not fit "
                    f"{consumer.name}({wire.parameter}: {_words(wanted)})",
                    path=(producer.name, consumer.name),
                )


def promised(step: Step) -> Any:
    """The type of what a step gives; Any where it does not say."""
    function: Any = step.function
    while hasattr(function, "ordered"):  # a flow gives what its output step gives
        function = next(item for item in function.steps if item.name == function.output).function
    given = types_of(function).get("return", Any)
    return _list_of(given) if step.options.each is not None else given


def _list_of(kind: Any) -> Any:
    return types.GenericAlias(list, (kind,))


def types_of(function: Any) -> dict[str, Any]:
    """The types that a function says it takes and gives (``return``); {} where it says none."""
    while isinstance(function, partial):
        function = function.func
    if type(function) is not types.FunctionType:
        function = getattr(type(function), "__call__", None)  # noqa: B004 - the method, not whether there is one
    return _resolved(function) if getattr(function, "__annotations__", None) else {}


@lru_cache(4096)
def _resolved(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types, but for those that only a type checker can resolve."""
    found: dict[str, Any] = {}
    names = getattr(function, "__globals__", {})
    for name, annotation in function.__annotations__.items():
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, names)  # noqa: S307 - the code of the step itself
            except (NameError, AttributeError, TypeError, SyntaxError):
                continue
        found[name] = type(None) if annotation is None else annotation
    return found


def fits(given: Any, wanted: Any) -> bool:
    """Whether a value of the type ``given`` may be one of ``wanted``; True where types do not tell."""
    if given is wanted or given is Any or wanted in (Any, object):
        return True
    if get_origin(given) is Annotated or get_origin(wanted) is Annotated:
        return _fits_columns(given, wanted) and fits(_bare(given), _bare(wanted))
    if get_origin(given) in _UNIONS:
        return any(fits(arm, wanted) for arm in get_args(given))
    if get_origin(wanted) in _UNIONS:
        return any(fits(given, arm) for arm in get_args(wanted))
    given_class, wanted_class = get_origin(given) or given, get_origin(wanted) or wanted
    if not isinstance(given_class, type) or not isinstance(wanted_class, type):
        return True
    if isinstance(wanted_class, type) and getattr(wanted_class, "_is_protocol", False):
        return True
    if given_class is int and wanted_class in (float, complex):
        return True
    if not issubclass(given_class, wanted_class):
        return False
    inner = (get_args(given), get_args(wanted))
    if given_class in (list, set, frozenset, dict) and len(inner[0]) == len(inner[1]):
        return all(fits(one, other) for one, other in zip(*inner, strict=True))
    return True


def check_value(step: Step, value: Any) -> str:
    """What a value was checked against, "" if its step promises nothing. ContractError if it is something else."""
    wanted = step.promise
    if wanted is None:
        wanted = types_of(step.function).get("return", Any)
        wanted = step.promise = Any if isinstance(wanted, TypeVar) else wanted
    if wanted is Any:
        return ""
    problem = _problem(value, wanted)
    if problem:
        raise ContractError(
            f"step {step.name!r} promises {_words(wanted)} and gave {problem}", step=step.name
        )
    return _words(wanted)


def _problem(value: Any, wanted: Any) -> str:
    origin = get_origin(wanted)
    if origin in _UNIONS:
        problems = [_problem(value, arm) for arm in get_args(wanted)]
        return "" if "" in problems else problems[0]
    if origin is Annotated:
        bare, *marks = get_args(wanted)
        have = [str(name) for name in getattr(value, "columns", ())]
        for mark in marks:
            missing = [name for name in mark.names if name not in have] if isinstance(mark, Columns) else []
            if missing:
                return f"a frame without the columns {', '.join(missing)}; it has {', '.join(have) or 'none'}"
        return _problem(value, bare)
    if origin is Literal:
        return "" if value in get_args(wanted) else repr(value)
    kind = origin or wanted
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return ""
    if isinstance(value, kind) or (kind is float and isinstance(value, int)):
        return ""
    return f"a {type(value).__qualname__}"


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _columns(kind: Any) -> set[str] | None:
    marks = (
        [mark for mark in get_args(kind)[1:] if isinstance(mark, Columns)]
        if get_origin(kind) is Annotated
        else []
    )
    return {name for mark in marks for name in mark.names} if marks else None


def _fits_columns(given: Any, wanted: Any) -> bool:
    have, need = _columns(given), _columns(wanted)
    return have is None or need is None or need <= have


def _words(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        columns = _columns(kind)
        return _words(_bare(kind)) + (f"[{', '.join(sorted(columns))}]" if columns else "")
    if get_origin(kind) in _UNIONS:
        return " | ".join(_words(arm) for arm in get_args(kind))
    if get_args(kind):
        origin = get_origin(kind)
        return f"{getattr(origin, '__name__', origin)}[{', '.join(_words(arm) for arm in get_args(kind))}]"
    return "None" if kind is type(None) else getattr(kind, "__name__", repr(kind))
