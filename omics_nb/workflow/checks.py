"""Values held against types: what a value is instead of what was promised, in words.

A value is looked into as far as its type says what is in it: containers of the standard library, typed dicts, frames by
their columns. Dataclasses and models stand for themselves; rules of pydantic (``Annotated[float, Field(ge=0)]``) are
held by pydantic.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

UNIONS = (Union, types.UnionType)
#: Marks the list that a step runs over, which may be a tuple or a set as well.
ITEMS = object()


class Columns:
    """Columns that a frame must have, for ``Annotated[pd.DataFrame, Columns("logFC", "P.Value")]``."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __repr__(self) -> str:
        return f"Columns({', '.join(self.names)})"


class Kind(NamedTuple):
    """A type without its annotations, the columns that they name, and the rules that pydantic knows to hold."""

    bare: Any
    columns: frozenset[str] | None = None
    rules: tuple[Any, ...] = ()
    items: bool = False


def split(kind: Any) -> Kind:
    """A type and what its annotations say."""
    if type(kind) is type:
        return Kind(kind)
    while True:  # names that only a type checker tells apart
        named = getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)
        if named is None or isinstance(kind, type):
            break
        kind = named
    if get_origin(kind) is not Annotated:
        return Kind(kind)
    bare, *marks = get_args(kind)
    columns = [mark.names for mark in marks if isinstance(mark, Columns)]
    rules = [
        mark
        for mark in marks
        if type(mark).__module__.partition(".")[0] in ("pydantic", "annotated_types")
        and getattr(mark, "metadata", True)  # a Field may only describe
    ]
    return Kind(bare, frozenset().union(*columns) if columns else None, tuple(rules), ITEMS in marks)


def problem(value: Any, wanted: Any) -> str:
    """What a value is instead of what is wanted, with its place in it; "" where it is that."""
    kind = split(wanted)
    if kind.items and isinstance(value, (tuple, set, frozenset)):
        value = list(value)
    if kind.columns is not None:
        have = [str(name) for name in getattr(value, "columns", ())]
        missing = sorted(kind.columns.difference(have))
        if missing:
            return f"a frame without the columns {', '.join(missing)}; it has {', '.join(have) or 'none'}"
    found = _kind_problem(value, kind.bare)
    return found if found or not kind.rules else _rule_problem(value, kind.rules)


def _kind_problem(value: Any, kind: Any) -> str:
    origin, arms = get_origin(kind), get_args(kind)
    if kind is Any:
        return ""
    if origin in UNIONS:
        problems = [problem(value, arm) for arm in arms]
        return "" if "" in problems else problems[0]
    if origin is Literal:
        return "" if any(_is(value, arm) for arm in arms) else _shown(value, arms)
    if is_typeddict(kind):
        return _fields_problem(value, kind)
    outer = origin or kind
    if not isinstance(outer, type) or getattr(outer, "_is_protocol", False):
        return ""
    if not isinstance(value, outer) and not _counts_as(value, outer):
        return _a(value)
    return _inner_problem(value, outer, arms) if arms else ""


def _is(value: Any, arm: Any) -> bool:
    # By type first: arrays and frames are compared cell by cell.
    return (isinstance(value, type(arm)) or _counts_as(value, type(arm))) and bool(value == arm)


def _shown(value: object, arms: tuple[Any, ...]) -> str:
    return repr(value) if isinstance(value, tuple(map(type, arms))) else _a(value)


def _a(value: object) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _counts_as(value: Any, kind: type) -> bool:
    """Whether a number that is no ``int`` or ``float``, NumPy's say, is one to everybody who computes with it."""
    import numbers

    if kind is bool:  # bool_ before NumPy 2
        return (type(value).__module__, type(value).__name__) in (("numpy", "bool"), ("numpy", "bool_"))
    wider = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}
    return kind in wider and isinstance(value, wider[kind])


def _inner_problem(value: Any, outer: type, arms: tuple[Any, ...]) -> str:
    if outer is tuple and arms[-1] is not ...:
        if len(value) != len(arms):
            return f"a tuple of {len(value)}"
        return _first(
            _at(at, problem(item, arm)) for at, (item, arm) in enumerate(zip(value, arms, strict=True))
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
        _at(at if names is None else names[at], problem(item, kind)) for at, item in enumerate(values)
    )


def _first(problems: Iterable[str]) -> str:
    return next(filter(None, problems), "")


def _at(place: object, told: str) -> str:
    what, _, deeper = told.partition(" at [")
    return told and f"{what} at [{place!r}]" + (deeper and f"[{deeper}")


def _fields_problem(value: Any, kind: Any) -> str:
    if not isinstance(value, dict):
        return _a(value)
    types, optional = _fields(kind)
    missing = sorted(kind.__required_keys__ - optional - set(value))
    if missing:
        return f"a dict without {', '.join(missing)}"
    return _first(_at(key, problem(item, types.get(key, Any))) for key, item in value.items())


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


def words(kind: Any) -> str:
    """A type as people write it, with its columns and rules."""
    kind, columns, rules, _ = split(kind)
    more = [
        *sorted(columns or ()),
        *[repr(part) for rule in rules for part in getattr(rule, "metadata", [rule])],
    ]
    if more:
        return f"{words(kind)}[{', '.join(more)}]"
    arms = get_args(kind)
    if get_origin(kind) in UNIONS:
        return " | ".join(map(words, arms))
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(repr, arms))}]"
    if kind is ...:
        return "..."
    name = getattr(get_origin(kind) or kind, "__name__", repr(kind))
    return "None" if kind is type(None) else f"{name}[{', '.join(map(words, arms))}]" if arms else name
