"""What a row's output is called: a template filled with its parameters, always one plain name in the batch's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import SettingsError

DEFAULT = "{row:04}-{label}"
_FIELD = re.compile(r"\{([A-Za-z_]\w*)(?::(0?[1-9]\d?))?\}")
_PLAIN = re.compile(r"[A-Za-z0-9 ._-]*")
#: Names that Windows keeps for devices; a report must open there too.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 80
#: Parameters that tell a row apart for people, best first.
_TELLING = ("study", "accession", "question", "name", "title", "sample", "id")


def check_template(template: str, known: tuple[str, ...]) -> None:
    """SettingsError if a template could name anything but a file in the batch's folder.

    Fields are ``{row}``, ``{label}`` and names of parameters, as they are or with zeros, ``{row:04}``: no
    attributes, no items, no conversions.
    """
    rest = _FIELD.sub("", template)
    if not _PLAIN.fullmatch(rest) or not template.strip(" .") or template.startswith((".", " ")):
        raise SettingsError(
            f"the name {template!r} cannot be used; letters, digits, '.', '_', '-' and fields such as {{row:04}} or "
            f"{{study}} can, and no folder",
            template=template,
        )
    fields = [found[1] for found in _FIELD.finditer(template)]
    unknown = [name for name in fields if name not in ("row", "label", *known)]
    if unknown:
        raise SettingsError(
            f"the name {template!r} asks for {unknown[0]!r}; there are row, label, {', '.join(known)}",
            template=template,
        )


def fill(template: str, number: int, parameters: Mapping[str, Any]) -> str:
    """The name of a row's output. ValueError if a value would lead out of the folder or leaves no name."""

    def value(found: re.Match[str]) -> str:
        field, width = found[1], found[2] or ""
        text = _text(field, number, parameters)
        return text.rjust(int(width), "0" if width.startswith("0") else " ") if width else text

    name = re.sub(r"[ ]+", "-", _FIELD.sub(value, template)).strip("-. ")[:_LONGEST].rstrip("-. ")
    if not name:
        raise ValueError(f"leaves the name {template!r} empty")
    return f"_{name}" if _DEVICES.fullmatch(name) else name


def _text(field: str, number: int, parameters: Mapping[str, Any]) -> str:
    if field == "row":
        return str(number)
    if field == "label":
        return _slug(_label(parameters)) or "row"
    text = str(parameters.get(field, ""))
    if field in parameters and (re.search(r"[/\\\0]", text) or text.strip() in (".", "..")):
        raise ValueError(f"would lead out of the folder as a part of the name ({field} = {text!r})")
    return _slug(text)


def _label(parameters: Mapping[str, Any]) -> str:
    for name in (*_TELLING, *parameters):
        value = parameters.get(name)
        if isinstance(value, (str, int)) and str(value).strip():
            return str(value)
    return ""


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:50].rstrip("-._")
