"""What a function does, as a hash: its code and all that it can reach, up to installed packages.

Followed are the functions it calls, globals and attributes of modules it reads, closures, defaults, classes with
their members and bases. Installed packages and the standard library count by version. Names of local variables,
docstrings, comments, annotations and line numbers do not count. What cannot be hashed is named in ``warnings``.
"""

from __future__ import annotations

import builtins
import copyreg
import enum
import functools
import hashlib
import importlib.util
import operator
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from .bytecode import digest_of, read_code
from .packages import package_of, version_of

_FORMAT = f"1 python {sys.version_info.major}.{sys.version_info.minor}"
_DOTTED = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+):([A-Za-z_]\w*)")
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
#: Types of the standard library whose values cannot change in place.
_CONSTANTS = frozenset(
    "re.Pattern datetime.date datetime.datetime datetime.time datetime.timedelta decimal.Decimal builtins.range "
    "pathlib.PosixPath pathlib.PurePosixPath pathlib.WindowsPath pathlib._local.PosixPath "
    "pathlib._local.PurePosixPath pathlib._local.WindowsPath".split()
)
#: Class members that Python or a class decorator writes and that say nothing new.
_WRITTEN = frozenset(
    "__module__ __doc__ __annotations__ __dict__ __weakref__ __qualname__ __firstlineno__ __slots__ "
    "__static_attributes__ __match_args__ __dataclass_fields__ __abstractmethods__ _abc_impl __annotate__ "
    "__annotate_func__ __annotations_cache__ __parameters__ __orig_bases__ __class_getitem__ __replace__ "
    "_member_names_ _member_map_ _value2member_map_ _unhashable_values_ _hashable_values_ _new_member_ "
    "_use_args_ _member_type_ __new_member__ _value_repr_ __getnewargs__".split()
)
_GENERATED = frozenset(
    "__init__ __repr__ __eq__ __lt__ __le__ __gt__ __ge__ __hash__ __setattr__ __delattr__ __getstate__ __setstate__ "
    "__new__ _make _replace _asdict".split()
)


class Fingerprint(NamedTuple):
    """The hash of a function, the parts it is made of (name → short hash or value) and what could not be hashed.

    The rest is where objects were met, so that :func:`is_fresh` can tell cheaply whether any changed.
    """

    digest: bytes
    parts: dict[str, str]
    warnings: tuple[str, ...]
    names: list[tuple[Mapping[str, Any], str, Any]]
    functions: list[tuple[types.FunctionType, types.CodeType, Any, Any]]
    others: list[Callable[[], bool]]


def fingerprint(function: Any, *more: Any) -> Fingerprint:
    """The fingerprint of a function together with others that decide with it."""
    walk = _Walk()
    roots = [walk.visit(item, _name_of(item)) for item in (function, *more)]
    digest = hashlib.blake2b(_FORMAT.encode(), digest_size=16)
    for root in roots:
        digest.update(f"\0{root}".encode())
    for name, part in sorted(walk.parts.items()):
        digest.update(f"\0{name}={part}".encode())
    warnings = tuple(dict.fromkeys(walk.warnings))
    return Fingerprint(digest.digest(), walk.parts, warnings, walk.names, walk.functions, walk.others)


def is_fresh(known: Fingerprint) -> bool:
    """Whether everything that the fingerprint was made of is still in its place and unchanged."""
    for names, name, value in known.names:
        if names.get(name) is not value:
            return False
    for function, code, defaults, kwdefaults in known.functions:
        if not (
            function.__code__ is code
            and function.__defaults__ is defaults
            and function.__kwdefaults__ is kwdefaults
        ):
            return False
    return all(unchanged() for unchanged in known.others) if known.others else True


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between the parts of two fingerprints, in words."""
    told = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        kind, _, what = name.partition(" ")
        end = "is new" if before is None else "is no longer used" if after is None else "changed"
        if end == "changed" and kind in ("value", "package", "default"):
            end += f" from {before} to {after}"
        told.append(f"{kind} `{what}` {end}")
    return told


class _Walk:
    """One walk over what a function reaches: each object once, in an order that the code decides."""

    def __init__(self, code: list[Any] | None = None) -> None:
        self.parts: dict[str, str] = {}
        self.warnings: list[str] = []
        self.names: list[tuple[Mapping[str, Any], str, Any]] = []
        self.functions: list[tuple[types.FunctionType, types.CodeType, Any, Any]] = []
        self.others: list[Callable[[], bool]] = []
        #: Where only data is looked at: code that was met, as an object among others.
        self._code = code
        self._labels: dict[int, str] = {}
        self._alive: list[Any] = []
        self._depth = 0

    def visit(self, value: Any, name: str) -> str:
        """A label that stands for ``value`` in the hash of what refers to it; its own parts are added once."""
        if isinstance(value, str) and self._code is None and (dotted := _DOTTED.fullmatch(value)):
            return self._named(value, dotted[1], dotted[2])
        if isinstance(value, _ATOMS):
            return _atom(value)
        known = self._labels.get(id(value))
        if known is not None:
            return known
        handler = self._code_handler(value)
        if handler is None:
            return self._data(value, name)
        if self._code is not None:
            self._code.append(value)
            return "code"
        # Data that code refers to is watched by itself, wherever the code was met.
        depth, self._depth = self._depth, 0
        label = handler(value, name)
        self._depth = depth
        return label

    def _data(self, value: Any, name: str) -> str:
        """The text of data. The outermost of what can change is watched, so that a change in place is seen."""
        self._labels[id(value)] = f"within {name}"
        self._alive.append(value)
        self._depth += 1
        plain = type(value) in (list, tuple, set, frozenset, dict)
        text = self._container(value, name) if plain else self._object(value, name)
        self._depth -= 1
        self._labels[id(value)] = text
        if self._code is None and not self._depth and not _is_constant(value):
            seen = _look(value, name)
            self.others.append(lambda: _are(_look(value, name), seen))
        return text

    def _named(self, text: str, module: str, member: str) -> str:
        """Text such as ``"package.module:name"``, by which registries name what they load later, as what it names."""
        if module.partition(".")[0] not in sys.modules or package_of(module):
            return _atom(text)
        return f"{text} {self._import({}, 0, module, member)}"

    def _code_handler(self, value: Any) -> Callable[[Any, str], str] | None:
        if isinstance(value, types.ModuleType):
            return self._module
        owner = getattr(value, "__module__", None) if isinstance(value, (type, types.FunctionType)) else None
        if isinstance(owner, str) and package_of(owner):
            return self._installed
        if isinstance(value, types.FunctionType):
            return self._function
        if isinstance(value, type):
            return self._class
        if isinstance(
            value, (types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType)
        ):
            return self._builtin
        return None

    def _label(self, value: Any, kind: str, name: str) -> str:
        """A label of its own for an object: two lambdas of one name are told apart by the order of the walk."""
        label, number = f"{kind} {name}", 2
        while label in self.parts:
            label = f"{kind} {name}#{number}"
            number += 1
        self._labels[id(value)] = label
        self._alive.append(value)
        self.parts[label] = ""  # taken, filled in once what it refers to was visited
        return label

    def _module(self, module: types.ModuleType, _: str) -> str:
        package = package_of(module.__name__)
        if package:
            return self._package(package)
        # The module itself is passed around: whatever it holds may be used.
        label = self._label(module, "module", module.__name__)
        own = {
            key: value
            for key, value in vars(module).items()
            if not key.startswith("__") and getattr(value, "__module__", module.__name__) == module.__name__
        }
        self.parts[label] = digest_of(f"{key}:{self.visit(value, key)}" for key, value in own.items())
        return label

    def _package(self, package: str) -> str:
        label = f"package {package}"
        self.parts[label] = version_of(package)
        return label

    def _installed(self, value: Any, _: str) -> str:
        return f"{self._package(package_of(value.__module__))}:{value.__module__}.{value.__qualname__}"

    def _builtin(self, value: Any, name: str) -> str:
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, (types.ModuleType, type)):
            return f"builtin {getattr(value, '__module__', '')}.{value.__qualname__}"
        return f"method {value.__name__} of {self.visit(owner, name)}"

    def _function(self, function: types.FunctionType, name: str) -> str:
        label = self._label(function, "function", function.__qualname__.replace("<locals>.", ""))
        code, defaults, kwdefaults = function.__code__, function.__defaults__, function.__kwdefaults__
        self.functions.append((function, code, defaults, kwdefaults))
        read = read_code(code)
        lines = [read.digest]
        own = label.partition(" ")[2]
        with_default = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults or ()) :]
        given = dict(zip(with_default, defaults or (), strict=True)) | (kwdefaults or {})
        lines += [
            f"{key}={self._value(value, 'default', f'{own}.{key}')}" for key, value in sorted(given.items())
        ]
        for free, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            chains = [chain for chain in read.free if chain[0] == free] or [(free,)]
            lines.append(f"closure {free}:{self._cell(cell, f'{own}.{free}', chains)}")
        for chain in read.chains:
            if chain[0] in read.written:
                # What a function keeps for itself between calls is no part of what it was told to do.
                lines.append(f"state {chain[0]}")
                continue
            lines.append(f"{'.'.join(chain)}:{self._global(function.__globals__, chain)}")
        for level, module, member in read.imports:
            lines.append(
                f"import {module}.{member}:{self._import(function.__globals__, level, module, member)}"
            )
        wrapped = function.__dict__.get("__wrapped__")
        if wrapped is not None:
            lines.append(f"wraps:{self.visit(wrapped, name)}")
        registry = getattr(function, "registry", None)
        if isinstance(registry, types.MappingProxyType):  # functools.singledispatch
            lines += [f"for {kind}:{self.visit(item, name)}" for kind, item in registry.items()]
            cases = tuple(registry.values())
            self.others.append(lambda: _are(registry.values(), cases))
        self.parts[label] = digest_of(lines)
        return label

    def _value(self, value: Any, kind: str, name: str) -> str:
        """The label of a value under a name of its own; what it is becomes a part, so that a change can be told."""
        inner = self.visit(value, name)
        if inner in self.parts or inner.startswith(("package ", "builtin ")):
            return inner
        self.parts[f"{kind} {name}"] = inner
        return f"{kind} {name}"

    def _cell(self, cell: types.CellType, name: str, chains: list[tuple[str, ...]]) -> str:
        try:
            content = cell.cell_contents
        except ValueError:
            return "empty"
        self.others.append(lambda: _content(cell) is content)
        if isinstance(content, types.ModuleType) and all(len(chain) > 1 for chain in chains):
            return ",".join(self._attribute(content, chain, 1, content.__name__) for chain in chains)
        return self._value(content, "value", name)

    def _global(self, names: dict[str, Any], chain: tuple[str, ...]) -> str:
        """What ``a.b.c`` means in a function's globals, followed through modules up to the first other object."""
        missing = object()
        value = names.get(chain[0], missing)
        if value is missing:
            value = getattr(builtins, chain[0], missing)
            self._bind(names, chain[0], None)
            return f"builtin {chain[0]}" if value is not missing else "missing"
        self._bind(names, chain[0], value)
        home = names.get("__name__", "__main__")
        return self._attribute(value, chain, 1, chain[0] if home == "__main__" else f"{home}.{chain[0]}")

    def _attribute(self, value: Any, chain: tuple[str, ...], done: int, name: str) -> str:
        """What follows of a chain ``a.b.c`` once ``done`` names of it led to ``value``."""
        missing = object()
        while done < len(chain) and isinstance(value, types.ModuleType) and not package_of(value.__name__):
            found = vars(value).get(chain[done], missing)
            if found is missing:
                return "missing"
            self._bind(vars(value), chain[done], found)
            value, name = found, f"{value.__name__}.{chain[done]}"
            done += 1
        return self._value(value, "value", name) + "".join(f".{rest}" for rest in chain[done:])

    def _bind(self, names: Mapping[str, Any], name: str, value: Any) -> None:
        self.names.append((names, name, value))

    def _import(self, names: dict[str, Any], level: int, module: str, member: str) -> str:
        package = names.get("__package__") or names.get("__name__", "").rpartition(".")[0]
        full = importlib.util.resolve_name("." * level + module, package) if level else module
        if package_of(full):
            return self._package(package_of(full))
        try:
            found = importlib.import_module(full)
            if not member:
                return self.visit(found, full)
            value = getattr(found, member, None)
            if value is None:
                value = importlib.import_module(f"{full}.{member}")
        except ImportError as error:
            self.warnings.append(f"{full} cannot be imported, so that its changes are not seen: {error}")
            return "missing"
        self._bind(vars(found), member, value)
        return self._value(value, "value", f"{full}.{member}")

    def _class(self, kind: Any, name: str) -> str:
        label = self._label(kind, "class", kind.__qualname__.replace("<locals>.", ""))
        members = dict(vars(kind))
        kept = tuple(members.values())
        self.others.append(lambda: _are(vars(kind).values(), kept))
        above = [*kind.__bases__, *([] if type(kind) is type else [type(kind)])]
        lines = [f"of {self.visit(base, base.__qualname__)}" for base in above if base is not object]
        for key, value in members.get("__annotations__", {}).items():
            told = value if isinstance(value, str) else getattr(value, "__qualname__", repr(value))
            lines.append(f"annotation {key}:{told}")
        if issubclass(kind, enum.Enum):
            lines += [f"{member.name}:{self.visit(member.value, member.name)}" for member in kind]
            members = {key: value for key, value in members.items() if not isinstance(value, kind)}
        if hasattr(kind, "__pydantic_fields__"):
            lines += [f"{key}:{item!r}" for key, item in kind.__pydantic_fields__.items()]
        for item in members.get("__dataclass_fields__", {}).values():
            given = [
                part
                for part in (item.default, item.default_factory)
                if type(part).__name__ != "_MISSING_TYPE"
            ]
            made = [self.visit(part, item.name) for part in given]
            lines.append(f"field {item.name}:{item.init}{item.repr}{item.compare}{item.kw_only}:{made}")
        has_fields = "__dataclass_fields__" in members or "_field_defaults" in members
        for key, member in members.items():
            known = key in _WRITTEN or key.startswith("__pydantic")
            if not known and not (has_fields and key in _GENERATED and _is_generated(member)):
                lines.append(f"{key}:{self._member(member, f'{name}.{key}')}")
        self.parts[label] = digest_of(lines)
        return label

    def _member(self, member: Any, name: str) -> str:
        if isinstance(member, (staticmethod, classmethod)):
            return f"{type(member).__name__} {self.visit(member.__func__, name)}"
        if isinstance(member, property):
            return "property " + " ".join(
                self.visit(f, name) for f in (member.fget, member.fset, member.fdel)
            )
        if isinstance(member, functools.cached_property):
            return f"cached {self.visit(member.func, name)}"
        if isinstance(member, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            return "slot"
        return self.visit(member, name)

    def _container(self, value: Any, name: str) -> str:
        kind = type(value).__name__
        if isinstance(value, dict):
            inner = [f"{self.visit(key, name)}:{self.visit(item, name)}" for key, item in value.items()]
        else:
            inner = [self.visit(item, name) for item in value]
        if isinstance(value, (set, frozenset)):
            inner.sort()
        text = f"{kind}({', '.join(inner)})"
        return text if len(text) <= 80 else f"{kind} {digest_of([text])}"

    def _object(self, value: Any, name: str) -> str:
        if isinstance(value, types.MethodType):
            return f"method {self.visit(value.__func__, name)} of {self.visit(value.__self__, name)}"
        inner = getattr(value, "__wrapped__", None)
        if callable(inner) and not isinstance(value, functools.partial):
            # functools.lru_cache and decorators written in C
            return f"{type(value).__qualname__} of {self.visit(inner, name)}"
        if type(value).__module__ == "omics_nb.workflow.graph" and hasattr(value, "function"):
            return self.visit(value.function, name)
        return self._state(value, name)

    def _state(self, value: Any, name: str) -> str:
        """An object by its type and what pickle would keep of it, which is its content; nothing is pickled."""
        kind = type(value)
        try:
            special = copyreg.dispatch_table.get(kind)
            reduced: Any = special(value) if special is not None else value.__reduce_ex__(4)
        except Exception:  # whatever a foreign __reduce__ raises, the value cannot be seen into
            if callable(value) and package_of(kind.__module__):
                return f"{kind.__qualname__} {getattr(value, '__name__', name)}"  # a function written in C or Fortran
            self.warnings.append(
                f"`{name}` is a {kind.__module__}.{kind.__qualname__}, which cannot be hashed: its changes are not seen"
            )
            return f"unseen {kind.__qualname__}"
        if isinstance(reduced, str):
            return f"{kind.__qualname__} named {kind.__module__}.{reduced}"
        inner = [list(part) if hasattr(part, "__next__") else part for part in reduced]
        parts = [self.visit(item, f"{name} of") for item in inner if item is not None]
        return f"{kind.__qualname__} {digest_of(parts)}"


def _look(value: Any, name: str) -> list[Any]:
    """Data as it is: its text, and the very functions and classes in it."""
    code: list[Any] = []
    # Interned, equal texts are one object.
    return [sys.intern(_Walk(code).visit(value, name)), *code]


def _are(values: Collection[Any], kept: Collection[Any]) -> bool:
    """Whether these are the very objects. Their ids would not tell: an id is used again once its object is gone."""
    return len(values) == len(kept) and all(map(operator.is_, values, kept))


def _is_constant(value: Any) -> bool:
    """Whether data can never change in place, so that its identity tells all."""
    kind = type(value)
    if isinstance(value, (*_ATOMS, types.FunctionType, type, types.ModuleType, enum.Enum)):
        return True
    if kind in (tuple, frozenset) or hasattr(kind, "_field_defaults"):
        return all(map(_is_constant, value))
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        return all(_is_constant(getattr(value, name, None)) for name in kind.__dataclass_fields__)
    return f"{kind.__module__}.{kind.__qualname__}" in _CONSTANTS


def _is_generated(member: Any) -> bool:
    """Whether a member was written by dataclass or namedtuple, whose fields say the same."""
    function = getattr(member, "__wrapped__", getattr(member, "__func__", member))
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith("<string>")


def _name_of(value: Any) -> str:
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _content  # equal to nothing that a cell held


def _atom(value: Any) -> str:
    if isinstance(value, bytes) and len(value) > 60:
        return f"bytes {hashlib.sha256(value).hexdigest()}"
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {digest_of([text])}"
