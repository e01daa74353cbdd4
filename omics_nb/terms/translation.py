"""How NCBI read a search, compared with what was sent.

Entrez answers every search with its ``querytranslation``: quoted phrases with a field come back as they were sent,
what it could not take so has another field, and automatic term mapping adds headings that nobody asked for.
https://www.ncbi.nlm.nih.gov/books/NBK3837/#EntrezHelp.Entrez_Searching_Options
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .entrez import FIELDS

_PART = re.compile(r'("[^"]*"|[^\s"()\[\]]+)\s*\[([^\]]*)\]')
# NCBI writes ranges in a form of its own: "00000000006"[NSAM] : "000001000000"[NSAM].
_RANGES = ("number of samples", "publication date", "update date", "number of platform probes")
_LONG = {tag.casefold(): name.casefold() for tag, name in FIELDS.items()} | {"porgn": "organism"}
_SHOWN = {name.casefold(): name for name in FIELDS.values()}
_ALL = "all fields"


def differences(term: str, translation: str, dropped: Collection[str] = ()) -> tuple[str, ...]:
    """What NCBI searched for otherwise than ``term`` says, a sentence each; none where it read what was sent.

    ``dropped`` are phrases that it said it left out; they are told elsewhere.
    """
    if not translation.strip():
        return ()
    sent, read = _parts(term), _parts(translation)
    gone = {_bare(phrase) for phrase in dropped}
    said = []
    for phrase, field in sorted(sent - read):
        others = sorted(other for name, other in read if name == phrase and (name, other) not in sent)
        if others:
            where = ", ".join(_shown(other) for other in others)
            said.append(f"NCBI searched “{phrase}” in {where}, not in {_shown(field)}.")
        elif field != _ALL and phrase not in gone:
            said.append(f"NCBI's reading of the search lacks “{phrase}” in {_shown(field)}.")
    phrases = {phrase for phrase, _ in sent}
    said += [
        f"NCBI also searched “{phrase}” in {_shown(field)}."
        for phrase, field in sorted(read - sent)
        if phrase not in phrases
    ]
    return tuple(said)


def _parts(term: str) -> set[tuple[str, str]]:
    """Phrase and long name of its field, casefolded; ranges are left out."""
    found = {(_bare(phrase), _field(tag)) for phrase, tag in _PART.findall(term)}
    return {(phrase, field) for phrase, field in found if field not in _RANGES}


def _bare(phrase: str) -> str:
    return re.sub(r'\[[^\]]*\]|"', "", phrase).strip().casefold()


def _field(tag: str) -> str:
    name = tag.split(":")[0].strip().casefold()
    return _LONG.get(name, name)


def _shown(field: str) -> str:
    return _SHOWN.get(field, field)
