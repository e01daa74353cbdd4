"""Values as text: a JSON tree whose large parts are files named by their SHA-256; exact both ways, never pickle.

Plain JSON stands for itself. Everything else is an object with one key that begins with ``$``: ``{"$tuple": […]}``,
``{"$date": "2024-05-01"}``, ``{"$type": ["Study", {…}]}``, ``{"$frame": "ab12….parquet"}``. As parts are named by what
is in them, equal text means equal values.
"""

from __future__ import annotations

import binascii
import enum
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import FlowError
from .files import Folder

#: Characters of JSON that a row of the store may hold; longer values are files.
INLINE = 16_384
#: Stands for the value of a step that was skipped.
SKIPPED: Any = enum.Enum("Skipped", ["SKIPPED"]).SKIPPED  # type: ignore[attr-defined]
SKIPPED_TEXT = '{"$skipped":0}'

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_NO_FILES: dict[str, int] = {}


class Encoded(NamedTuple):
    """A value as text, and the files that it refers to with their sizes in bytes."""

    text: str
    files: dict[str, int]


_by_type: dict[type, str] = {}
_by_name: dict[str, type] = {}
_elsewhere: dict[str, tuple[str, str]] = {}


def register(*types: type, name: str | None = None) -> None:
    """Let values hold these dataclasses, NamedTuples, enums or pydantic models.

    They are kept under their class name, or ``name`` for one type. FlowError if another type has that name.
    """
    for kind in types:
        known = name or kind.__qualname__
        if shape_of(kind) is None:
            raise FlowError(f"{kind!r} is no dataclass, NamedTuple, enum or pydantic model")
        other = _by_name.get(known)
        # A notebook cell that is run again makes a new class of the same name in the same module.
        if other is not None and other is not kind and other.__module__ != kind.__module__:
            raise FlowError(f"{other!r} is registered as {known!r}; give {kind!r} another name=")
        _by_name[known] = kind
        _by_type[kind] = known


def importable_types() -> dict[str, tuple[str, str]]:
    """Registered types by name, as module and name there, but for those of a notebook; for another process."""
    own = {name: (kind.__module__, kind.__qualname__) for name, kind in _by_name.items()}
    return {**_elsewhere, **{name: place for name, place in own.items() if place[0] != "__main__"}}


def expect_types(places: Mapping[str, tuple[str, str]]) -> None:
    """Know types that another process has registered; their modules are imported once a value needs them."""
    _elsewhere.update(places)


def _registered_type(name: str) -> Any:
    if name not in _by_name and name in _elsewhere:
        module, qualname = _elsewhere[name]
        kind: Any = import_module(module)
        for part in qualname.split("."):
            kind = getattr(kind, part)
        register(kind, name=name)
    if name not in _by_name:
        raise FlowError(
            f"the value holds a {name!r}, which is not registered here: workflow.register({name})"
        )
    return _by_name[name]


def _registered_name(kind: type) -> str | None:
    if kind not in _by_type:
        place = (kind.__module__, kind.__qualname__)
        return next((name for name, known in _elsewhere.items() if known == place), None)
    return _by_type[kind]


def shape_of(kind: Any) -> str | None:
    """How a type is taken apart: "dataclass", "namedtuple", "enum", "model", or None."""
    if issubclass(kind, enum.Enum):
        return "enum"
    if hasattr(kind, "__dataclass_fields__"):
        return "dataclass"
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return "namedtuple"
    return "model" if hasattr(kind, "model_fields") and hasattr(kind, "model_validate") else None


# --- to text ---------------------------------------------------------------------------------------------------------


class _UnknownTypeError(Exception):
    def __init__(self, kind: type, hint: str = "") -> None:
        super().__init__(kind)
        self.kind, self.hint, self.path = kind, hint, ""


def encode(value: object, folder: Folder) -> Encoded:
    """A value as text; large parts are written to ``folder``. FlowError names a type that cannot be kept."""
    kind = type(value)
    if kind is int:
        return Encoded(repr(value), _NO_FILES)
    if kind is bool or value is None or (kind is str and len(value) <= INLINE):  # type: ignore[arg-type]
        return Encoded(_dumps(value), _NO_FILES)
    files: dict[str, int] = {}

    def put(data: bytes | memoryview, suffix: str) -> str:
        name = folder.put(data, suffix)
        files[name] = len(data)
        return name

    try:
        text = _dumps(_tree(value, put))
    except _UnknownTypeError as error:
        where = f" (at {error.path.lstrip('.')})" if error.path else ""
        hint = error.hint or (
            f"register it with workflow.register({error.kind.__qualname__})"
            if shape_of(error.kind)
            else "give JSON values, dates, paths, tuples, sets, frames, arrays or registered types"
        )
        raise FlowError(
            f"a value of type {error.kind.__module__}.{error.kind.__qualname__}{where} cannot be kept; {hint}",
            type=error.kind,
        ) from None
    except RecursionError:
        raise FlowError(
            f"a value of type {kind.__qualname__} refers to itself or is nested too deeply"
        ) from None
    if len(text) > INLINE:
        text = _dumps({"$ref": put(text.encode(), ".json")})
    return Encoded(text, files)


Put = Callable[[bytes | memoryview, str], str]


def _tree(value: Any, put: Put) -> Any:
    kind = type(value)
    if kind is str:
        return value if len(value) <= INLINE else _text(value, put)
    if kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if value - value == 0 else {"$float": repr(value)}
    if kind is list:
        return _items(value, put)
    if kind is dict:
        return _mapping(value, put)
    known = _KINDS.get(f"{kind.__module__}.{kind.__qualname__}")
    if known is not None:
        return {known.tag: known.take(value, put)}
    name = _registered_name(kind)
    if name is not None:
        return {"$type": [name, _parts(value, put)]}
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "anndata"):
        from . import frames

        tree = frames.to_tree(value, put, lambda item: _tree(item, put))
        if tree is not None:
            return tree
    raise _UnknownTypeError(kind)


def _items(values: Any, put: Put) -> list[Any]:
    trees: list[Any] = []
    try:
        for value in values:
            trees.append(_tree(value, put))
    except _UnknownTypeError as error:
        error.path = f"[{len(trees)}]{error.path}"
        raise
    return trees


def _mapping(value: Mapping[Any, Any], put: Put) -> dict[str, Any]:
    if not all(type(key) is str and not key.startswith("$") for key in value):
        return {
            "$map": [
                [_tree(key, put), tree] for key, tree in zip(value, _items(value.values(), put), strict=True)
            ]
        }
    found: dict[str, Any] = {}
    for key, item in value.items():
        try:
            found[key] = _tree(item, put)
        except _UnknownTypeError as error:
            error.path = f".{key}{error.path}"
            raise
    return found


def _parts(value: Any, put: Put) -> Any:
    shape = shape_of(type(value))
    if shape == "enum":
        return value.name
    if shape == "namedtuple":
        return _mapping(value._asdict(), put)
    names = getattr(value, "__dataclass_fields__", None) or type(value).model_fields
    return _mapping({name: getattr(value, name) for name in names if hasattr(value, name)}, put)


def _text(value: str, put: Put) -> Any:
    try:
        data = value.encode()
    except UnicodeEncodeError:  # lone surrogates: JSON can hold them, a text file cannot
        return value
    head = value.lstrip()[:15].lower()
    return {"$text": put(data, ".html" if head.startswith(("<!doctype html", "<html")) else ".txt")}


def _sorted(values: Any, put: Put) -> list[Any]:
    return sorted(_items(values, put), key=_dumps)


def _bytes(value: bytes, put: Put) -> Any:
    return (
        {"$file": put(value, ".bin")}
        if len(value) > INLINE // 2
        else binascii.b2a_base64(value, newline=False).decode()
    )


def _moment(value: datetime, _: Put) -> list[Any]:
    zone: Any = value.tzinfo
    if zone is None or type(zone) is timezone:
        return [value.isoformat(), value.fold]
    if type(zone).__name__ == "ZoneInfo" and zone.key:
        return [value.replace(tzinfo=None).isoformat(), value.fold, zone.key]
    raise _UnknownTypeError(type(zone), "use datetime.timezone or zoneinfo.ZoneInfo")


def _to_moment(found: list[Any]) -> datetime:
    moment = datetime.fromisoformat(found[0]).replace(fold=found[1])
    return moment.replace(tzinfo=_call("zoneinfo", "ZoneInfo", found[2])) if len(found) > 2 else moment


def _time(value: time, _: Put) -> str:
    if value.tzinfo is not None:
        raise _UnknownTypeError(type(value), "a time of day is kept without a time zone")
    return value.isoformat()


def _to_path(found: list[str]) -> Any:
    kind, text = found
    return Path(text) if kind in ("PosixPath", "WindowsPath") else _call("pathlib", kind, text)


def _call(module: str, name: str, *given: Any) -> Any:
    return getattr(import_module(module), name)(*given)


class _Kind(NamedTuple):
    """How values of a type become what stands under their tag, and come back."""

    tag: str
    take: Callable[[Any, Put], Any]
    give: Callable[[Any], Any]


_PATH = _Kind("$path", lambda value, _: [type(value).__name__, str(value)], _to_path)
#: By name, so that a module is loaded only once a value needs it.
_KINDS: dict[str, _Kind] = {
    "builtins.tuple": _Kind("$tuple", _items, tuple),
    "builtins.set": _Kind("$set", _sorted, set),
    "builtins.frozenset": _Kind("$frozenset", _sorted, frozenset),
    "builtins.mappingproxy": _Kind("$proxy", lambda value, put: _mapping(value, put), MappingProxyType),
    "builtins.bytes": _Kind(
        "$bytes", _bytes, lambda found: found if isinstance(found, bytes) else binascii.a2b_base64(found)
    ),
    "builtins.complex": _Kind(
        "$complex", lambda value, put: _items((value.real, value.imag), put), lambda found: complex(*found)
    ),
    "builtins.range": _Kind(
        "$range", lambda value, _: [value.start, value.stop, value.step], lambda found: range(*found)
    ),
    "datetime.datetime": _Kind("$datetime", _moment, _to_moment),
    "datetime.date": _Kind("$date", lambda value, _: value.isoformat(), date.fromisoformat),
    "datetime.time": _Kind("$time", _time, time.fromisoformat),
    "datetime.timedelta": _Kind(
        "$timedelta",
        lambda value, _: [value.days, value.seconds, value.microseconds],
        lambda found: timedelta(*found),
    ),
    "decimal.Decimal": _Kind(
        "$decimal", lambda value, _: str(value), lambda text: _call("decimal", "Decimal", text)
    ),
    "uuid.UUID": _Kind("$uuid", lambda value, _: str(value), lambda text: _call("uuid", "UUID", text)),
    f"{__name__}.Skipped": _Kind("$skipped", lambda _value, _put: 0, lambda _: SKIPPED),
    **{
        f"{module}.{name}": _PATH
        for module in ("pathlib", "pathlib._local")  # the second in Python 3.13
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
}


def plain(value: Any) -> Any:
    """A value as people get it: None where the step was skipped."""
    return None if value is SKIPPED else value


# --- from text -------------------------------------------------------------------------------------------------------


def decode(text: str, folder: Folder) -> Any:
    """The value that ``text`` stands for. IntegrityError if a file is damaged, FlowError for a type not registered."""
    if text[0] not in "{[":
        return _scan(text, 0)[0]

    def build(found: dict[str, Any]) -> Any:
        tag = next(iter(found), "")
        if not tag.startswith("$"):
            return found
        give = _GIVE.get(tag)
        if give is not None:
            return give(found[tag])
        if tag in ("$ref", "$text", "$file"):
            data = folder.get(found[tag])
            if tag == "$ref":
                return decode(data.decode(), folder)
            return data if tag == "$file" else data.decode()
        from . import frames

        return frames.from_tree(tag, found, folder.get, lambda part: decode(part, folder))

    return json.loads(text, object_hook=build)


_NAMED = re.compile(r'"\$(?:ref|frame|series|index|array|text|file|anndata)":"([0-9a-f]{64}\.[a-z0-9]+)"')


def file_names(text: str, folder: Folder) -> set[str]:
    """Every file that a value needs. IntegrityError if one that names others is damaged."""
    names = set(_NAMED.findall(text))
    for name in [name for name in names if name.endswith(".json")]:
        names |= file_names(folder.get(name).decode(), folder)
    return names


def item_texts(text: str, folder: Folder) -> list[str] | None:
    """The texts of a list's items (or a tuple's or set's); None where the value is none of these."""
    tree = json.loads(text)
    while isinstance(tree, dict) and "$ref" in tree:  # kept as a file
        tree = json.loads(folder.get(tree["$ref"]))
    if isinstance(tree, dict) and len(tree) == 1:
        tree = next((tree[tag] for tag in ("$tuple", "$set", "$frozenset") if tag in tree), None)
    if not isinstance(tree, list):
        return None
    return [repr(item) if type(item) is int else _dumps(item) for item in tree]


def _rebuild(found: list[Any]) -> Any:
    name, parts = found
    kind = _registered_type(name)
    shape = shape_of(kind)
    if shape == "enum":
        return kind[parts]
    try:
        if shape == "model":
            return kind.model_validate(parts)
        fields = getattr(kind, "__dataclass_fields__", {})
        late = {key: part for key, part in parts.items() if key in fields and not fields[key].init}
        made = kind(**{key: part for key, part in parts.items() if key not in late})
        for key, part in late.items():
            object.__setattr__(made, key, part)
        return made
    except (TypeError, ValueError) as error:
        raise FlowError(f"the kept {name} does not fit today's {kind!r}: {error}", type=kind) from error


_GIVE: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$map": dict,
    "$type": _rebuild,
    **{kind.tag: kind.give for kind in _KINDS.values()},
}
