"""Parameters in a page's address: ``explore.ipynb?question=asthma&source=demo`` opens the form filled in.

A notebook says in its ``parameters`` cell which parameters an address may set, by a tag for each: ``link:question``.
A notebook that runs as soon as its page opens, with values that a stranger's link brings, must be able to keep others
to itself, such as where files are written. Values are texts of an address, so they are read as the type that the
parameter's default has, and put into the cell as literals; nothing of an address is ever run.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any
from urllib.parse import quote, urlencode

from omics_nb.display.markup import card, el, notes
from omics_nb.errors import SettingsError
from omics_nb.notebooks import find_notebook

TAG = "link:"
LONGEST = 2_000  # characters of one value; browsers and proxies cut addresses soon after
_OURS = ("theme",)  # what Voila itself reads from an address
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def linkable(notebook: Any) -> dict[str, Any]:
    """The parameters that an address may set, with their defaults, in the order of the cell."""
    cell = _parameters_cell(notebook)
    if cell is None:
        return {}
    named = {tag.removeprefix(TAG) for tag in cell["metadata"]["tags"] if tag.startswith(TAG)}
    return {name: ast.literal_eval(value) for name, value in _assigned(cell["source"]) if name in named}


def linkable_of(page: str) -> dict[str, Any]:
    """As :func:`linkable`, of one of the project's notebooks; DataError if there is none of this name."""
    # Not by nbformat, whose import takes longer than all else that a page waits for.
    notebook = json.loads(find_notebook(page).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return linkable(notebook)


def fill(notebook: Any, given: Mapping[str, str]) -> Any:
    """A copy of the notebook with these values in its parameters; what cannot be set is told in a note on the page."""
    allowed = linkable(notebook)
    values, troubles = {}, []
    for name, text in given.items():
        if name in _OURS:
            continue
        try:
            values[name] = read(name, text, allowed)
        except SettingsError as error:
            troubles.append(str(error))
    if not values and not troubles:
        return notebook
    filled = deepcopy(notebook)
    if values:
        cell = _parameters_cell(filled)
        cell["source"] = with_values(cell["source"], values)
    if troubles:
        from nbformat.v4 import new_markdown_cell

        filled.cells.insert(0, new_markdown_cell(_note(troubles)))
    return filled


def read(name: str, text: str, allowed: Mapping[str, Any]) -> Any:
    """The value of a parameter from the text of an address; SettingsError if the page takes no such thing."""
    if name not in allowed:
        known = f"it takes {', '.join(allowed)}" if allowed else "it takes nothing from its address"
        raise SettingsError(f"This page does not take {name!r} from its address; {known}.", parameter=name)
    if len(text) > LONGEST:
        raise SettingsError(f"{name} is longer than {LONGEST:,} characters.", parameter=name)
    default = allowed[name]
    try:
        return text if isinstance(default, str | None) else _as_kind(type(default), text)
    except ValueError as error:
        raise SettingsError(
            f"{name} must be {error}, not {text!r}; its default is used.", parameter=name
        ) from error


def _as_kind(kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError("true or false")
        return text.lower() in _TRUE
    if kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            raise ValueError("a whole number" if kind is int else "a number") from None
        if not math.isfinite(number):
            raise ValueError("a number")
        return number
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if type(value) is not kind:
        raise ValueError(f"a JSON {'object' if kind is dict else 'list'}")
    return value


def with_values(source: str, values: Mapping[str, Any]) -> str:
    """The source of a parameters cell, in which these names are assigned these values, each as a literal."""
    lines = source.encode().splitlines(keepends=True)
    for name, value in reversed(_assigned(source)):
        if name in values and value.end_lineno is not None:
            before = b"".join(lines[: value.lineno - 1]) + lines[value.lineno - 1][: value.col_offset]
            after = lines[value.end_lineno - 1][value.end_col_offset :] + b"".join(lines[value.end_lineno :])
            lines = (before + repr(values[name]).encode() + after).splitlines(keepends=True)
    return b"".join(lines).decode()


def link(notebook: str, **parameters: Any) -> str:
    """The address of a notebook's page with its form filled in, as seen from another page of the same folder.

    SettingsError if the notebook, one of the project's, does not take a parameter or not such a value.
    """
    allowed = linkable_of(notebook)
    texts = {name: _as_text(value) for name, value in parameters.items() if value is not None}
    for name, text in texts.items():
        read(name, text, allowed)
    return quote(notebook) + (f"?{urlencode(texts)}" if texts else "")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parameters_cell(notebook: Any) -> Any:
    return next(
        (cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ())), None
    )


def _assigned(source: str) -> list[tuple[str, ast.expr]]:
    """Names that are assigned a literal, with the expression, in order."""
    found = []
    for statement in ast.parse(source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.append((name, value))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.append((name, value))
    return [(name, value) for name, value in found if _is_literal(value)]


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _note(troubles: list[str]) -> str:
    # One line: a blank one would end the HTML within Markdown, and what follows would be read as Markdown.
    return " ".join(card(el("div", notes(troubles, kind="warn"), role="alert")).split())
