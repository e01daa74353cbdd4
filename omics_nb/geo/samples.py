"""The sample sheet of a study: one row a sample, one column a characteristic.

GEO keeps characteristics as free text, ``Gender: F``. They are keyed by the text before the first colon,
never by their row, for samples list them in different orders and leave some out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

Attributes = Mapping[str, Sequence[str]]

_BASE = ("title", "source_name", "organism", "platform")
# Older files use other names for the same thing.
_FALLBACKS = {
    "source_name": ("source_name_ch1", "source_name", "target_source", "target_source1", "source"),
    "organism": ("organism_ch1", "organism"),
    "platform": ("platform_id",),
    "title": ("title",),
}
_CHANNEL = re.compile(r"(characteristics|source_name|organism)_ch([0-9]+)")
_JOIN = "; "


def sample_sheet(samples: Mapping[str, Attributes]) -> pd.DataFrame:
    """The sheet of samples, in their order; every cell a string, empty where a sample says nothing.

    ``samples``: accession → attribute (``title``, ``characteristics_ch1``, …) → values. Index the accessions,
    columns ``title``, ``source_name``, ``organism``, ``platform``, then characteristics by first appearance.
    Keys that differ only in case or blanks are one column, spelled as first met. A key that a sample has
    twice holds both values, joined by ``; ``. Text without a colon is in ``characteristics``. What the second
    channel says has ``_ch2`` after its key. A key that is the name of a first column is followed by ``
    (characteristic)``.
    """
    columns: dict[str, dict[str, list[str]]] = {name: {} for name in _BASE}
    spelled: dict[str, str] = {}
    for accession, attributes in samples.items():
        for name in _BASE:
            columns[name][accession] = _first_of(attributes, _FALLBACKS[name])
        for key, value in _facts(attributes):
            column = spelled.setdefault(" ".join(key.casefold().split()), key)
            columns.setdefault(column, {}).setdefault(accession, []).append(value)
    frame = pd.DataFrame(
        {
            name: [_JOIN.join(cells.get(accession, ())) for accession in samples]
            for name, cells in columns.items()
        },
        index=pd.Index(list(samples), dtype=object, name="sample"),
        dtype=object,
    )
    frame.columns = frame.columns.astype(object)
    return frame


def sample_text(attributes: Attributes) -> str:
    """What a search looks at in a sample: title, source names and characteristics, one string."""
    wanted = [
        value
        for name, values in attributes.items()
        if name == "title" or name == "description" or _CHANNEL.fullmatch(name)
        for value in values
        if value
    ]
    return " | ".join(dict.fromkeys(wanted))


def _first_of(attributes: Attributes, names: Sequence[str]) -> list[str]:
    for name in names:
        values = [value for value in attributes.get(name, ()) if value]
        if values:
            return list(dict.fromkeys(values))
    return []


def _facts(attributes: Attributes) -> list[tuple[str, str]]:
    """Column name and value of all that a sample's channels say, in the order of the file."""
    facts = []
    for name, values in attributes.items():
        found = _CHANNEL.fullmatch(name)
        if not found:
            continue
        suffix = "" if found[2] == "1" else f"_ch{found[2]}"
        if found[1] == "characteristics":
            facts += [_key_value(value, suffix) for value in values if value.strip()]
        elif suffix:
            facts += [(found[1] + suffix, value) for value in values if value]
    return facts


def _key_value(text: str, suffix: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    key, value = key.strip(), value.strip()
    if not colon or not key:
        return "characteristics" + suffix, text.strip().lstrip(": ")
    return (f"{key} (characteristic)" if key.lower() in _BASE and not suffix else key) + suffix, value
