"""A code object as a hash, and the names that it reads from outside."""

from __future__ import annotations

import dis
import hashlib
import types
from collections.abc import Iterable
from typing import Any, NamedTuple


class Code(NamedTuple):
    """What is known of a code object: its hash, chains of names (``a.b.c``) that begin with a global, imports within it
    as (level, module, member), globals that it assigns, chains that begin with a variable of an outer function."""

    digest: str
    chains: tuple[tuple[str, ...], ...]
    imports: tuple[tuple[int, str, str], ...]
    written: frozenset[str]
    free: tuple[tuple[str, ...], ...]


#: By identity, with the code kept alive: equal code objects may differ in what a hash must see (1 and True).
_codes: dict[int, tuple[types.CodeType, Code]] = {}
_LOCALS = frozenset(dis.haslocal)
_ATTRIBUTES = frozenset(("LOAD_ATTR", "LOAD_METHOD"))
_GLOBALS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_FREE = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF"))
_LOCAL_READS = frozenset(("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_DEREF"))
#: Flags that say what a call does: *args, **kwargs, generator, coroutine; others say how the source was compiled.
_MEANT = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200


def read_code(code: types.CodeType) -> Code:
    """What a code object does and reads, looked at once."""
    known = _codes.get(id(code))
    if known is None:
        known = _codes[id(code)] = (code, _analyse(code))
    return known[1]


def _analyse(code: types.CodeType) -> Code:
    """The hash of a code object and of those within it, and the names that they read from outside."""
    flags = code.co_flags & _MEANT
    lines = [f"{flags} {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}"]
    if {"locals", "eval", "exec", "vars"} & set(code.co_names):
        lines.append(" ".join(code.co_varnames))
    instructions = [
        item for item in dis.get_instructions(code) if item.opname not in ("CACHE", "EXTENDED_ARG")
    ]
    inner = [read_code(item.argval) for item in instructions if isinstance(item.argval, types.CodeType)]
    chains, free = _chains(instructions, _GLOBALS), _chains(instructions, _FREE)
    imports = _imports(instructions)
    for part in inner:
        chains.update(dict.fromkeys(part.chains))
        free.update(dict.fromkeys(part.free))
        imports.update(dict.fromkeys(part.imports))
    lines += [f"{item.opname} {_operand(code, item)}" for item in instructions]
    lines.append(code.co_exceptiontable.hex())
    written = {item.argval for item in instructions if item.opname == "STORE_GLOBAL"}
    return Code(digest_of(lines), tuple(chains), tuple(imports), frozenset(written), tuple(free))


def _chains(instructions: list[dis.Instruction], starts: frozenset[str]) -> dict[tuple[str, ...], None]:
    """Names read from outside with the attributes that follow at once: ``a.b.c``."""
    found: dict[tuple[str, ...], None] = {}
    chain: list[str] = []
    for item in instructions:
        if chain and item.opname in _ATTRIBUTES:
            chain.append(item.argval)
            continue
        if chain:
            found[tuple(chain)] = None
        chain = [item.argval] if item.opname in starts else []
    if chain:
        found[tuple(chain)] = None
    return found


def _imports(instructions: list[dis.Instruction]) -> dict[tuple[int, str, str], None]:
    """What a function imports within itself: (level, module, member), with "" for a module as a whole."""
    found: dict[tuple[int, str, str], None] = {}
    aliases: dict[str, tuple[int, str]] = {}
    module: tuple[int, str] | None = None
    for at, item in enumerate(instructions):
        after = instructions[at + 1] if at + 1 < len(instructions) else None
        if item.opname == "IMPORT_NAME":
            level = instructions[at - 2].argval
            module = (level if isinstance(level, int) else 0, item.argval)
            if after is not None and after.opname.startswith("STORE_"):
                aliases[str(after.argval)] = module
        elif item.opname == "IMPORT_FROM" and module is not None:
            found[(*module, item.argval)] = None
        elif item.opname in _LOCAL_READS and str(item.argval) in aliases:
            uses = after is not None and after.opname in _ATTRIBUTES
            found[(*aliases[str(item.argval)], after.argval if uses and after is not None else "")] = None
    return found


def _operand(code: types.CodeType, item: dis.Instruction) -> str:
    if isinstance(item.argval, types.CodeType):
        return read_code(item.argval).digest
    if item.opcode in _LOCALS:
        return str(item.arg)
    if item.opname == "KW_NAMES":
        return repr(code.co_consts[item.arg or 0])
    return _constant(item.argval) if item.opcode in dis.hasconst else repr(item.argval)


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_constant, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return f"{type(value).__name__} {value!r}"


def digest_of(lines: Iterable[str]) -> str:
    """A short hash of some lines."""
    return hashlib.blake2b("\0".join(lines).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
