"""What the parameters of a notebook or flow mean, so far as a table can be held against it: an accession, a contrast …

A notebook says it by tags on its ``parameters`` cell, a meaning and the name of the parameter: ``accession:study``. The
name alone says nothing, for another notebook's ``study`` may be a title.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..analysis.contrasts import read_contrasts
from ..analysis.formula import check_syntax
from ..errors import OmicsError
from ..geo.layout import parse_accession

#: Inputs of our own flows bear the names of what they mean; of others nothing is known.
MEANINGS = ("accession", "contrast", "design", "platform", "groups", "source")


def meanings_of(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Name of a parameter → what it means, from the tags of a notebook's ``parameters`` cell."""
    tags = [cell["metadata"].get("tags", ()) for cell in notebook["cells"]]
    pairs = [tag.partition(":") for found in tags if "parameters" in found for tag in found]
    return {name.strip(): meaning for meaning, _, name in pairs if meaning in MEANINGS}


def check_form(meaning: str, value: Any) -> None:
    """What can be told of a value without any source. ValueError says what would be right."""
    check = _FORMS.get(meaning)
    if check is None or value in (None, "", [], {}):
        return
    try:
        check(value)
    except OmicsError as error:
        raise ValueError(f"cannot be used: {error}") from error


def _check_accession(value: Any) -> None:
    parse_accession(str(value), "GSE", "GDS")


_FORMS: dict[str, Callable[[Any], Any]] = {
    "accession": _check_accession,
    "contrast": read_contrasts,
    "design": lambda value: check_syntax(str(value)),
}
