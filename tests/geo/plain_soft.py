"""SOFT read line by line in the plainest way: slow, and of another make than the parser that it is held against."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class PlainEntity:
    kind: str
    name: str
    attributes: list[str] = field(default_factory=list)
    header: list[str] | None = None
    rows: list[list[str]] = field(default_factory=list)


def read(path: Path) -> list[PlainEntity]:
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    found: list[PlainEntity] = []
    inside = False
    for line in re.split(r"\r*\n", text):
        if line.startswith("^"):
            kind, _, name = line[1:].partition("=")
            found.append(PlainEntity(kind.strip().upper(), name.strip()))
            inside = False
        elif re.fullmatch(r"!\w+_table_(begin|end)\s*", line, re.IGNORECASE):
            inside = "begin" in line.lower()
        elif inside and found[-1].header is None:
            found[-1].header = line.split("\t")
        elif inside and line:
            found[-1].rows.append(line.split("\t"))
        elif line.startswith("!") and found:
            found[-1].attributes.append(line)
    return found
