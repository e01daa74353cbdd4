"""Type contracts: annotations compared when a flow is built, inputs checked before it starts, values as they come.

A value is looked into as far as its type says what is in it: containers of the standard library, typed dicts, frames by
their columns. Dataclasses and models stand for themselves; rules of pydantic (``Annotated[float, Field(ge=0)]``) are
held by pydantic.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ..errors import FlowError

if TYPE_CHECKING:
    from .graph import Flow, Step


_UNIONS = (Union, types.UnionType)
#: Marks the list that a step runs over, which may be a tuple or a set as well.
_ITEMS = object()


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
                        f"flow {flow.name!r}: {producer.name}() → {_words(given)} does not fit "
                        f"{path}({parameter}: {_words(wanted)})",
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
                problem = _problem(given[wire.source], wanted)
                if problem:
                    raise ContractError(
                        f"flow {flow.name!r}: input {wire.source} → {problem} does not fit "
                        f"{path}({parameter}: {_words(wanted)})",
                        path=(wire.source, path),
                    )
                held.setdefault(wire.source, {})[_words(wanted)] = None
    return {name: " and ".join(words) for name, words in held.items()}


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
    return [(path, name, Annotated[_list_of(wanted), _ITEMS]) for path, name, wanted in found]


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


class _Kind(NamedTuple):
    """A type without its annotations, the columns that they name, and the rules that pydantic knows to hold."""

    bare: Any
    columns: frozenset[str] | None = None
    rules: tuple[Any, ...] = ()
    items: bool = False


def _split(kind: Any) -> _Kind:
    if type(kind) is type:
        return _Kind(kind)
    while True:  # names that only a type checker tells apart
        named = getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)
        if named is None or isinstance(kind, type):
            break
        kind = named
    if get_origin(kind) is not Annotated:
        return _Kind(kind)
    bare, *marks = get_args(kind)
    columns = [mark.names for mark in marks if isinstance(mark, Columns)]
    rules = [
        mark
        for mark in marks
        if type(mark).__module__.partition(".")[0] in ("pydantic", "annotated_types")
        and getattr(mark, "metadata", True)  # a Field may only describe
    ]
    return _Kind(bare, frozenset().union(*columns) if columns else None, tuple(rules), _ITEMS in marks)


def fits(given: Any, wanted: Any) -> bool:
    """Whether a value of the type ``given`` may be one of ``wanted``; True where types do not tell."""
    given, have, *_ = _split(given)
    wanted, need, *_ = _split(wanted)
    if have is not None and need is not None and not need <= have:
        return False
    if given is wanted or given is Any or wanted in (Any, object):
        return True
    if get_origin(given) in _UNIONS:
        return any(fits(arm, wanted) for arm in get_args(given))
    if get_origin(wanted) in _UNIONS:
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
        step.promise = (Any, "") if isinstance(wanted, TypeVar) or wanted is Any else (wanted, _words(wanted))
    wanted, words = step.promise
    if type(value) is not wanted and wanted is not Any:
        problem = _problem(value, wanted)
        if problem:
            raise ContractError(f"step {step.name!r} promises {words} and gave {problem}", step=step.name)
    return str(words)


# --- what a value is instead of what was promised; "" where it is that -----------------------------------------------


def _problem(value: Any, wanted: Any) -> str:
    kind = _split(wanted)
    if kind.items and isinstance(value, (tuple, set, frozenset)):
        value = list(value)
    if kind.columns is not None:
        have = [str(name) for name in getattr(value, "columns", ())]
        missing = sorted(kind.columns.difference(have))
        if missing:
            return f"a frame without the columns {', '.join(missing)}; it has {', '.join(have) or 'none'}"
    problem = _kind_problem(value, kind.bare)
    return problem if problem or not kind.rules else _rule_problem(value, kind.rules)


def _kind_problem(value: Any, kind: Any) -> str:
    origin, arms = get_origin(kind), get_args(kind)
    if kind is Any:
        return ""
    if origin in _UNIONS:
        problems = [_problem(value, arm) for arm in arms]
        return "" if "" in problems else problems[0]
    if origin is Literal:
        return "" if value in arms else repr(value)
    if is_typeddict(kind):
        return _fields_problem(value, kind)
    outer = origin or kind
    if not isinstance(outer, type) or getattr(outer, "_is_protocol", False):
        return ""
    if not isinstance(value, outer) and not _counts_as(value, outer):
        return _a(value)
    return _inner_problem(value, outer, arms) if arms else ""


def _a(value: object) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _counts_as(value: Any, kind: type) -> bool:
    """Whether a number that is no ``int`` or ``float``, NumPy's say, is one to everybody who computes with it."""
    import numbers

    wider = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}
    return kind in wider and isinstance(value, wider[kind])


def _inner_problem(value: Any, outer: type, arms: tuple[Any, ...]) -> str:
    if outer is tuple and arms[-1] is not ...:
        if len(value) != len(arms):
            return f"a tuple of {len(value)}"
        return _first(
            _at(at, _problem(item, arm)) for at, (item, arm) in enumerate(zip(value, arms, strict=True))
        )
    if isinstance(value, Mapping) and len(arms) == 2:
        told = _each_problem(value, arms[0])
        return f"the key {told}" if told else _each_problem(value.values(), arms[1], list(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _each_problem(value, arms[0])
    return ""  # an iterator may be read once only, and what another class holds it knows best


def _each_problem(values: Any, kind: Any, names: list[Any] | None = None) -> str:
    """The first problem of many values, with its place."""
    if isinstance(kind, type) and set(map(type, values)) <= {kind}:
        return ""
    return _first(
        _at(at if names is None else names[at], _problem(item, kind)) for at, item in enumerate(values)
    )


def _first(problems: Iterable[str]) -> str:
    return next(filter(None, problems), "")


def _at(place: object, problem: str) -> str:
    what, _, deeper = problem.partition(" at [")
    return problem and f"{what} at [{place!r}]" + (deeper and f"[{deeper}")


def _fields_problem(value: Any, kind: Any) -> str:
    if not isinstance(value, dict):
        return _a(value)
    types, optional = _fields(kind)
    missing = sorted(kind.__required_keys__ - optional - set(value))
    if missing:
        return f"a dict without {', '.join(missing)}"
    return _first(_at(key, _problem(item, types.get(key, Any))) for key, item in value.items())


@lru_cache(256)
def _fields(kind: Any) -> tuple[dict[str, Any], set[str]]:
    """The types of a typed dict's fields, and those that may be missing, which it does not know itself where
    annotations are texts."""
    try:
        types = get_type_hints(kind, include_extras=True)
    except NameError:  # only a type checker can resolve them
        return {}, set(kind.__required_keys__)
    optional = {name for name, wanted in types.items() if get_origin(wanted) is NotRequired}
    marked = (Required, NotRequired)
    bare = {name: get_args(item)[0] if get_origin(item) in marked else item for name, item in types.items()}
    return bare, optional


#: By the identities of the rules, which are kept alive: some of pydantic's cannot be hashed.
_rules: dict[tuple[int, ...], tuple[tuple[Any, ...], Any]] = {}


def _rule_problem(value: Any, rules: tuple[Any, ...]) -> str:
    from reprlib import repr as short

    from pydantic import TypeAdapter, ValidationError

    place = tuple(map(id, rules))
    if place not in _rules:
        _rules[place] = (rules, TypeAdapter(Annotated[(Any, *rules)]))
    try:
        _rules[place][1].validate_python(value)
    except ValidationError as error:
        return f"{short(value)} ({error.errors()[0]['msg']})"
    return ""


def _words(kind: Any) -> str:
    kind, columns, rules, _ = _split(kind)
    more = [
        *sorted(columns or ()),
        *[repr(part) for rule in rules for part in getattr(rule, "metadata", [rule])],
    ]
    if more:
        return f"{_words(kind)}[{', '.join(more)}]"
    arms = get_args(kind)
    if get_origin(kind) in _UNIONS:
        return " | ".join(map(_words, arms))
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(repr, arms))}]"
    if kind is ...:
        return "..."
    name = getattr(get_origin(kind) or kind, "__name__", repr(kind))
    return "None" if kind is type(None) else f"{name}[{', '.join(map(_words, arms))}]" if arms else name
