"""Type contracts: annotations compared when a flow is built, inputs checked before it starts, values as they come."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, is_typeddict

from ..errors import FlowError
from .checks import ITEMS, UNIONS, problem, split, words

if TYPE_CHECKING:
    from .graph import Flow, Step


class ContractError(FlowError):
    """A value, or the type that a step promises, is not what was declared; never tried again."""


def check_flow(flow: Flow) -> None:
    """ContractError for the first pair of steps whose annotations clash, with their path drawn."""
    by_name = flow.by_name
    for consumer in flow.steps:
        for wire in consumer.wires:
            producer = by_name.get(wire.source)
            if producer is None:
                continue
            for path, parameter, wanted in _wishes(consumer, wire.parameter):
                given = promised(producer)
                if not fits(given, wanted):
                    raise ContractError(
                        f"flow {flow.name!r}: {producer.name}() → {words(given)} does not fit "
                        f"{path}({parameter}: {words(wanted)})",
                        path=(producer.name, path),
                    )


def check_given(flow: Flow, given: Mapping[str, object]) -> dict[str, str]:
    """Input → what it was checked against. ContractError for the first one that does not fit, with its path drawn."""
    held: dict[str, dict[str, None]] = {}
    for consumer in flow.steps:
        for wire in consumer.wires:
            if wire.source not in given:
                continue
            for path, parameter, wanted in _wishes(consumer, wire.parameter):
                found = problem(given[wire.source], wanted)
                if found:
                    raise ContractError(
                        f"flow {flow.name!r}: input {wire.source} → {found} does not fit "
                        f"{path}({parameter}: {words(wanted)})",
                        path=(wire.source, path),
                    )
                held.setdefault(wire.source, {})[words(wanted)] = None
    return {name: " and ".join(told) for name, told in held.items()}


def _wishes(step: Step, parameter: str) -> list[tuple[str, str, Any]]:
    """What is to fit an argument: path, parameter and type of the function that takes it, or of those in a flow."""
    inner: Any = step.function
    if hasattr(inner, "ordered"):
        found = [
            (f"{step.name}/{path}", name, wanted)
            for item in inner.steps
            for wire in item.wires
            if wire.source == parameter
            for path, name, wanted in _wishes(item, wire.parameter)
        ]
    else:
        types = types_of(inner)
        if parameter not in types and step.options.when is not None:
            types = types_of(step.options.when)
        found = [(step.name, parameter, types[parameter])] if parameter in types else []
    if step.options.each is None or step.options.each[0] != parameter:
        return found
    return [(path, name, Annotated[_list_of(wanted), ITEMS]) for path, name, wanted in found]


def promised(step: Step) -> Any:
    """The type of what a step gives; Any where it does not say."""
    function: Any = step.function
    if hasattr(function, "ordered"):  # a flow gives what its output step gives
        given = promised(function.by_name[function.output])
    else:
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
    given, have, *_ = split(given)
    wanted, need, *_ = split(wanted)
    if have is not None and need is not None and not need <= have:
        return False
    if given is wanted or given is Any or wanted in (Any, object):
        return True
    if get_origin(given) in UNIONS:
        return any(fits(arm, wanted) for arm in get_args(given))
    if get_origin(wanted) in UNIONS:
        return any(fits(given, arm) for arm in get_args(wanted))
    one, other = get_origin(given) or given, get_origin(wanted) or wanted
    if is_typeddict(other):
        other = dict
    if not isinstance(one, type) or not isinstance(other, type) or getattr(other, "_is_protocol", False):
        return True
    if one is int and other in (float, complex):
        return True
    inner = (get_args(given), get_args(wanted))
    if one in (list, set, frozenset, dict) and len(inner[0]) == len(inner[1]):
        return issubclass(one, other) and all(map(fits, *inner))
    return issubclass(one, other)


def check_value(step: Step, value: Any) -> str:
    """What a value was checked against, "" if its step promises nothing. ContractError if it is something else."""
    if step.promise is None:
        wanted = types_of(step.function).get("return", Any)
        step.promise = (Any, "") if isinstance(wanted, TypeVar) or wanted is Any else (wanted, words(wanted))
    wanted, told = step.promise
    if type(value) is not wanted and wanted is not Any:
        found = problem(value, wanted)
        if found:
            raise ContractError(f"step {step.name!r} promises {told} and gave {found}", step=step.name)
    return str(told)
