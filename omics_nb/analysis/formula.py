"""Design formulas as people write them, with the columns of a sample sheet found in them.

R's operators ``+ - * : / ^`` and ``0`` or ``-1`` for no intercept. Column names may be written as they are
(``~ disease state + age``) or in backticks (``~ `disease state` + age``), ``C(age)`` and ``numeric(age)`` say how a
column is taken. Nothing else can be called, for formulas may come from a form or an address.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DesignError

_OPERATOR = re.compile(r"\*\*|[-+*:/^()~]|\d+(?!\w)")
#: A formula whose columns are not known: brackets, operators, and words with what is written close behind them.
_WRITTEN = re.compile(r"[()]|\*\*|[-+*:/^]|[^\s()*:/^+-][^\s()*:/^]*")
_BINARY = ("+", "-", "*", "**", ":", "/", "^")
_CALL = re.compile(r"(C|numeric)\s*\(\s*")


@dataclass(frozen=True, slots=True)
class Used:
    """A sample column as the formula uses it: ``kind`` is "C", "numeric" or "" where it was not said."""

    column: str
    kind: str
    safe: str


def quoted(name: str) -> str:
    """A column name as it can stand in a formula: in backticks unless it is a plain word."""
    return name if re.fullmatch(r"[A-Za-z_][\w.]*", name) else f"`{name}`"


def default_formula(factor: str) -> str:
    return f"~ {quoted(factor)}"


def read_formula(formula: str, columns: list[str]) -> tuple[str, tuple[Used, ...]]:
    """The formula with safe names (v0, v1 …) in place of columns, and what they stand for."""
    text = formula.strip()
    if "~" in text:
        left, _, text = text.partition("~")
        if left.strip() or "~" in text:
            raise DesignError(
                f"a design begins with ~ and has no other: '~ treatment + age', not {formula!r}"
            )
    used: dict[tuple[str, str], Used] = {}
    parts = []
    for token in _tokens(text, columns):
        if isinstance(token, str):
            parts.append(token)
            continue
        if token[0] not in {column for column, _ in used} or token in used:
            item = used.setdefault(token, Used(*token, safe=f"v{len(used)}"))
        else:
            raise DesignError(
                f"{token[0]!r} is used both as levels and as numbers in {formula!r}; choose one"
            )
        parts.append(item.safe)
    if not parts:
        raise DesignError("the design is empty; write for example '~ treatment'")
    return "~ " + " ".join(parts), tuple(used.values())


def check_syntax(formula: str) -> None:
    """DesignError for what is no formula over any sample sheet: nothing in it, an operator without its term, a bracket
    or a backtick without the other. Names are taken as they come, for ``CD4+`` or ``dose (mg)`` may be columns.
    """
    text = formula.strip().removeprefix("~")
    if "~" in text:
        raise DesignError(f"a design begins with ~ and has no other: '~ treatment + age', not {formula!r}")
    if text.count("`") % 2:
        raise DesignError(f"a backtick of {formula!r} has no other; a name is written `disease state`")
    depth, before = 0, "("
    for part in [*_WRITTEN.findall(re.sub(r"`[^`]*`", "x", text)), ")"]:
        depth += (part == "(") - (part == ")")
        sign = part == "-" or (part == "+" and before == "(")
        if (part == ")" or (part in _BINARY and not sign)) and before in ("(", *_BINARY):
            raise DesignError(f"a term is missing in {formula!r} {_place(before)}: '~ treatment + age'")
        before = part
    if depth != -1:
        raise DesignError(f"the brackets of {formula!r} do not match")


def _place(before: str) -> str:
    return "at the beginning or in empty brackets" if before == "(" else f"after {before!r}"


def shown(text: str, used: tuple[Used, ...]) -> str:
    by_safe = {item.safe: item for item in used}

    def told(match: re.Match[str]) -> str:
        item = by_safe[match[0]]
        return f"{item.kind}({quoted(item.column)})" if item.kind else quoted(item.column)

    return re.sub(r"v\d+", told, text).replace("( ", "(").replace(" )", ")").replace(" : ", ":")


def _tokens(text: str, columns: list[str]) -> Iterator[str | tuple[str, str]]:
    """Operators as strings, columns as (column, kind)."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        call = _CALL.match(text, at)
        if call and (found := _column_at(text, call.end(), columns)):
            column, end = found
            closing = re.compile(r"\s*\)").match(text, end)
            if closing is None:
                raise DesignError(f"{text[at:]!r}: {call[1]}(...) takes one column and a closing bracket")
            yield column, call[1]
            at = closing.end()
        elif found := _column_at(text, at, columns):
            column, at = found
            yield column, ""
        elif operator := _OPERATOR.match(text, at):
            yield operator[0]
            at = operator.end()
        else:
            word = re.compile(r"`[^`]*`?|[^\s+*:/^()~-]+").match(text, at)
            name = (word[0] if word else text[at:]).strip("`")
            raise DesignError(
                f"no factor {name!r} in the samples; have {columns}{close_to(name, columns)}. A design may use "
                "column names, + - * : / ^ ( ), C(...) and numeric(...)",
                factor=name,
            )


def _column_at(text: str, at: int, columns: list[str]) -> tuple[str, int] | None:
    if text[at : at + 1] == "`":
        end = text.find("`", at + 1)
        name = text[at + 1 : end] if end > 0 else ""
        match = matching(name, columns)
        return None if match is None else (match, end + 1)
    for fold in (False, True):
        for column in sorted(columns, key=len, reverse=True):
            part = text[at : at + len(column)]
            same = part.casefold() == column.casefold() if fold else part == column
            after = text[at + len(column) : at + len(column) + 1]
            if column and same and not (_wordy(column[-1]) and _wordy(after)):
                return column, at + len(column)
    return None


def _wordy(character: str) -> bool:
    return character.isalnum() or character in {"_", "."} if character else False


def matching(name: str, names: Sequence[str]) -> str | None:
    if name in names:
        return name
    folded = [
        other for other in names if " ".join(other.casefold().split()) == " ".join(name.casefold().split())
    ]
    return folded[0] if len(folded) == 1 else None


def close_to(name: str, names: Iterable[Any]) -> str:
    close = difflib.get_close_matches(name, [str(other) for other in names], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def some_of(names: Sequence[str], n: int = 5) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
