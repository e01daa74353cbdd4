"""A cell as the parameter wants it: the same value every time, or a sentence that says what would be right."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .declared import Parameter
from .table import Fault

_WHOLE = re.compile(r"[+-]?[0-9]+")
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}
_DEEPEST = 50


def coerce(cell: Any, parameter: Parameter, *, loose: bool) -> Any:
    """A JSON value for a parameter. ValueError says what is wrong with the cell and what would be right."""
    if isinstance(cell, Fault):
        raise ValueError(cell.message)
    value = plain(cell)
    if loose and isinstance(value, str):
        value = _from_text(value, parameter.kind)
    elif (
        loose and parameter.kind == "text" and isinstance(value, (int, float)) and not isinstance(value, bool)
    ):
        value = str(value)
    _check_kind(value, parameter.kind)
    if parameter.check is not None:
        parameter.check(value)
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """The value, rebuilt of JSON's own types, so that no object's ``__repr__`` can reach a code cell. ValueError."""
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} deep")
    if value is None or type(value) in (str, int, bool):
        if type(value) is str and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("holds half of a surrogate pair, which no file can hold; write it anew")
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise ValueError("is no number that JSON can hold; leave the cell empty for a missing value")
        return value
    if type(value) in (list, tuple):
        return [plain(item, depth + 1) for item in value]
    if type(value) is dict:
        strange = next((key for key in value if type(key) is not str), None)
        if strange is not None:
            raise ValueError(f"has the key {strange!r}; the keys of an object are texts")
        return {key: plain(item, depth + 1) for key, item in value.items()}
    raise ValueError(
        f"is a {type(value).__name__}, which JSON cannot hold; give text, a number, true or false, a list or an object"
    )


def _from_text(text: str, kind: str) -> Any:
    stripped = text.strip()
    if kind == "text":
        return text
    if kind == "whole number":
        if not _WHOLE.fullmatch(stripped):
            raise ValueError("is no whole number; write one, such as 20")
        return int(stripped)
    if kind == "number":
        return _number(stripped)
    if kind == "bool":
        if stripped.casefold() not in _BOOLS:
            raise ValueError("is neither true nor false; write one of these")
        return _BOOLS[stripped.casefold()]
    if kind == "list" and not stripped.startswith("["):
        return [part.strip() for part in stripped.split(";")]
    if kind in ("list", "object") or stripped[:1] in "[{":
        return _json(stripped)
    # Nothing says its type. What reads as a number and is written as one is one; 007 and 1E5 are names.
    return int(stripped) if _WHOLE.fullmatch(stripped) and str(int(stripped)) == stripped else _decimal(text)


def _decimal(text: str) -> Any:
    found = re.fullmatch(r"-?[0-9]+\.[0-9]+", text.strip())
    return float(text) if found and repr(float(text)) == text.strip() else text


def _number(text: str) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("is no number; write one, such as 0.05") from None
    if not math.isfinite(value) or "_" in text:
        raise ValueError("is no number that JSON can hold; leave the cell empty for a missing value")
    return int(text) if _WHOLE.fullmatch(text) else value


def _json(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON value")

    try:
        return plain(json.loads(text, parse_constant=refuse))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'begins as JSON and is none ({error}); write ["a", "b"] or {{"name": "value"}}'
        ) from None


def _check_kind(value: Any, kind: str) -> None:
    wanted: dict[str, tuple[type, ...]] = {
        "text": (str,),
        "whole number": (int,),
        "number": (int, float),
        "bool": (bool,),
        "list": (list,),
        "object": (dict,),
    }
    if value is None or kind not in wanted:
        return
    fits = isinstance(value, wanted[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not fits:
        raise ValueError(f"is {_NAMES[type(value)]}; {_NAMES[wanted[kind][0]]} would be right")
