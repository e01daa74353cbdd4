"""Values as text: a JSON tree whose large parts are files named by their SHA-256; exact both ways, never pickle.

Plain JSON stands for itself. Everything else is an object with one key that begins with ``$``: ``{"$tuple": […]}``,
``{"$date": "2024-05-01"}``, ``{"$type": "Study", "fields": {…}}``, ``{"$frame": "ab12….parquet"}``. As parts are
named by what is in them, equal text means equal values.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from importlib import import_module
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import FlowError, IntegrityError, StoreError

#: Characters of JSON that a row of the store may hold; longer values are files.
INLINE = 16_384
#: Stands for the value of a step that was skipped.
SKIPPED: Any = enum.Enum("Skipped", ["SKIPPED"]).SKIPPED  # type: ignore[attr-defined]

SKIPPED_TEXT = '{"$skipped":true}'

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_NO_FILES: dict[str, int] = {}


class Encoded(NamedTuple):
    """A value as text, and the files that it refers to with their sizes in bytes."""

    text: str
    files: dict[str, int]


class Folder:
    """Content-addressed files: ``ab/cdef….parquet`` holds bytes whose SHA-256 is ``abcdef…``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[type[Folder], tuple[Path]]:
        return Folder, (self.path,)

    def locate(self, name: str) -> Path:
        return self.path / name[:2] / name[2:]

    def put(self, data: bytes | memoryview, suffix: str) -> str:
        """The name of a file with this content, which is on disk when this returns. StoreError if it cannot be."""
        name = hashlib.sha256(data).hexdigest() + suffix
        target = self.locate(name)
        try:
            if target.exists() and target.stat().st_size == len(data):
                os.utime(
                    target
                )  # young again, so that pruning leaves it to the step that is about to name it
                return name
            _write(target, data)
        except OSError as error:
            raise StoreError(
                f"the value cannot be written to {target.parent}: {error}", path=target
            ) from error
        return name

    def get(self, name: str) -> bytes:
        """The content of a file. IntegrityError if it is missing or its SHA-256 is not its name."""
        path = self.locate(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError(f"the value file {path} cannot be read: {error}", path=path) from error
        if hashlib.sha256(data).hexdigest() != name.partition(".")[0]:
            raise IntegrityError(f"the value file {path} was changed: its SHA-256 is not its name", path=path)
        return data

    def has(self, name: str, n_bytes: int) -> bool:
        """Whether a file is there with this size."""
        try:
            return self.locate(name).stat().st_size == n_bytes
        except OSError:
            return False


def _write(target: Path, data: bytes | memoryview) -> None:
    """Temporary name, fsync, rename, fsync of the folder: after a crash the file is whole or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    sync_folder(target.parent.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _registered_type(name: str) -> type | None:
    if name not in _by_name and name in _elsewhere:
        module, qualname = _elsewhere[name]
        kind: Any = import_module(module)
        for part in qualname.split("."):
            kind = getattr(kind, part)
        register(kind, name=name)
    return _by_name.get(name)


def _registered_name(kind: type) -> str | None:
    if kind not in _by_type:
        place = (kind.__module__, kind.__qualname__)
        return next((name for name, known in _elsewhere.items() if known == place), None)
    return _by_type[kind]


def shape_of(kind: type) -> str | None:
    """How a type is taken apart: "dataclass", "namedtuple", "enum", "model", or None."""
    if issubclass(kind, enum.Enum):
        return "enum"
    if is_dataclass(kind):
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
    maker = _MAKERS.get(kind)
    if maker is not None:
        return maker(value, put)
    name = _registered_name(kind)
    return _foreign(value, put) if name is None else _registered(value, name, put)


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


def _registered(value: Any, name: str, put: Put) -> dict[str, Any]:
    shape = shape_of(type(value))
    if shape == "enum":
        return {"$type": name, "member": value.name}
    if shape == "dataclass":
        parts = {item.name: getattr(value, item.name) for item in fields(value) if hasattr(value, item.name)}
    elif shape == "namedtuple":
        parts = value._asdict()
    else:
        parts = {key: getattr(value, key) for key in type(value).model_fields}
    return {"$type": name, "fields": _mapping(parts, put)}


def _text(value: str, put: Put) -> Any:
    try:
        data = value.encode()
    except UnicodeEncodeError:  # lone surrogates: JSON can hold them, a text file cannot
        return value
    head = value.lstrip()[:15].lower()
    return {"$text": put(data, ".html" if head.startswith(("<!doctype html", "<html")) else ".txt")}


def _bytes(value: bytes, put: Put) -> dict[str, str]:
    if len(value) > INLINE // 2:
        return {"$file": put(value, ".bin")}
    return {"$bytes": base64.b64encode(value).decode()}


def _moment(value: datetime, _: Put) -> dict[str, Any]:
    zone = value.tzinfo
    if zone is None or type(zone) is timezone:
        return {"$datetime": value.isoformat(), "fold": value.fold}
    if type(zone) is ZoneInfo and zone.key:
        return {"$datetime": value.replace(tzinfo=None).isoformat(), "fold": value.fold, "zone": zone.key}
    raise _UnknownTypeError(type(zone), "use datetime.timezone or zoneinfo.ZoneInfo")


def _path_tree(value: PurePath, _: Put) -> dict[str, Any]:
    return {"$path": [type(value).__name__, str(value)]}


def _no_zone(value: time) -> Any:
    raise _UnknownTypeError(type(value), "a time of day is kept without a time zone")


def _sorted(values: Any, put: Put) -> list[Any]:
    return sorted(_items(values, put), key=_dumps)


def _foreign(value: Any, put: Put) -> Any:
    kind = type(value)
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "anndata"):
        from . import frames

        tree = frames.to_tree(value, put, lambda item: _tree(item, put))
        if tree is not None:
            return tree
    raise _UnknownTypeError(kind)


_MAKERS: dict[type, Callable[[Any, Put], Any]] = {
    list: _items,
    dict: _mapping,
    tuple: lambda value, put: {"$tuple": _items(value, put)},
    MappingProxyType: lambda value, put: {"$proxy": _mapping(value, put)},
    set: lambda value, put: {"$set": _sorted(value, put)},
    frozenset: lambda value, put: {"$frozenset": _sorted(value, put)},
    bytes: _bytes,
    complex: lambda value, put: {"$complex": [_tree(value.real, put), _tree(value.imag, put)]},
    datetime: _moment,
    date: lambda value, _: {"$date": value.isoformat()},
    timedelta: lambda value, _: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    time: lambda value, _: {"$time": value.isoformat()} if value.tzinfo is None else _no_zone(value),
    Decimal: lambda value, _: {"$decimal": str(value)},
    UUID: lambda value, _: {"$uuid": str(value)},
    range: lambda value, _: {"$range": [value.start, value.stop, value.step]},
    type(SKIPPED): lambda _value, _: {"$skipped": True},
    **dict.fromkeys((PosixPath, WindowsPath, PurePosixPath, PureWindowsPath), _path_tree),
}


# --- from text -------------------------------------------------------------------------------------------------------


def decode(text: str, folder: Folder) -> Any:
    """The value that ``text`` stands for. IntegrityError if a file is damaged, FlowError for a type not registered."""
    if text[0] not in "{[":
        return _scan(text, 0)[0]

    def build(found: dict[str, Any]) -> Any:
        tag = next(iter(found), "")
        if not tag.startswith("$"):
            return found
        builder = _BUILDERS.get(tag)
        if builder is not None:
            return builder(found)
        if tag in ("$ref", "$text", "$file"):
            data = folder.get(found[tag])
            return (
                data if tag == "$file" else data.decode() if tag == "$text" else decode(data.decode(), folder)
            )
        from . import frames

        return frames.from_tree(tag, found, folder.get, lambda part: decode(part, folder))

    return json.loads(text, object_hook=build)


def tree_of(text: str, folder: Folder) -> Any:
    """The JSON tree itself, tags as they are; a tree kept as a file is read from it."""
    tree = json.loads(text)
    while isinstance(tree, dict) and "$ref" in tree:
        tree = json.loads(folder.get(tree["$ref"]))
    return tree


_NAMED = re.compile(r'"\$(?:ref|frame|series|index|array|text|file|anndata)":"([0-9a-f]{64}\.[a-z0-9]+)"')


def file_names(text: str, folder: Folder) -> set[str]:
    """Every file that a value needs. IntegrityError if one that names others is damaged."""
    names = set(_NAMED.findall(text))
    for name in [name for name in names if name.endswith(".json")]:
        names |= file_names(folder.get(name).decode(), folder)
    return names


def item_texts(text: str, folder: Folder) -> list[str] | None:
    """The texts of a list's items (or a tuple's or set's); None where the value is none of these."""
    tree = tree_of(text, folder)
    if isinstance(tree, dict) and len(tree) == 1:
        tree = next((tree[tag] for tag in ("$tuple", "$set", "$frozenset") if tag in tree), None)
    return [_dumps(item) for item in tree] if isinstance(tree, list) else None


def _rebuild(found: dict[str, Any]) -> Any:
    name = found["$type"]
    kind = _registered_type(name)
    if kind is None:
        raise FlowError(
            f"the value holds a {name!r}, which is not registered here: workflow.register({name})"
        )
    shape = shape_of(kind)
    if shape == "enum":
        return kind[found["member"]]  # type: ignore[index]
    parts = found["fields"]
    try:
        if shape == "model":
            return kind.model_validate(parts)  # type: ignore[attr-defined]
        if shape == "namedtuple":
            return kind(**parts)
        late = {item.name for item in fields(kind) if not item.init}
        made = kind(**{key: part for key, part in parts.items() if key not in late})
        for key in late & set(parts):
            object.__setattr__(made, key, parts[key])
        return made
    except (TypeError, ValueError) as error:
        raise FlowError(f"the kept {name} does not fit today's {kind!r}: {error}", type=kind) from error


def _datetime(found: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(found["$datetime"]).replace(fold=found["fold"])
    return moment.replace(tzinfo=ZoneInfo(found["zone"])) if "zone" in found else moment


def _path(kind: str, text: str) -> PurePath:
    if kind in ("PosixPath", "WindowsPath"):
        return Path(text)
    return {"PurePosixPath": PurePosixPath, "PureWindowsPath": PureWindowsPath}[kind](text)


_BUILDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "$float": lambda found: float(found["$float"]),
    "$map": lambda found: dict(found["$map"]),
    "$tuple": lambda found: tuple(found["$tuple"]),
    "$proxy": lambda found: MappingProxyType(found["$proxy"]),
    "$set": lambda found: set(found["$set"]),
    "$frozenset": lambda found: frozenset(found["$frozenset"]),
    "$bytes": lambda found: base64.b64decode(found["$bytes"]),
    "$complex": lambda found: complex(*found["$complex"]),
    "$datetime": _datetime,
    "$date": lambda found: date.fromisoformat(found["$date"]),
    "$time": lambda found: time.fromisoformat(found["$time"]),
    "$timedelta": lambda found: timedelta(*found["$timedelta"]),
    "$decimal": lambda found: Decimal(found["$decimal"]),
    "$uuid": lambda found: UUID(found["$uuid"]),
    "$range": lambda found: range(*found["$range"]),
    "$skipped": lambda _: SKIPPED,
    "$path": lambda found: _path(*found["$path"]),
    "$type": _rebuild,
}
