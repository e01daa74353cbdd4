"""Entrez searches over a handful of records: AND, OR, NOT from left to right, phrases, fields, ranges,
wildcards.

As at NCBI, a phrase that occurs nowhere is left out of the search and reported.
https://www.ncbi.nlm.nih.gov/books/NBK3837/#EntrezHelp.Entrez_Searching_Options
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .archive import Record

_TOKEN = re.compile(r'"[^"]*"|\[[^\]]*\]|[()]|[^\s"()\[\]]+')
_FIELD = {
    "ALL": "All Fields",
    "ETYP": "Entry Type",
    "ORGN": "Organism",
    "porgn": "Organism",
    "GTYP": "DataSet Type",
    "TITL": "Title",
    "DESC": "Description",
    "ACCN": "GEO Accession",
    "NSAM": "Number of Samples",
    "PDAT": "Publication Date",
    "FILT": "Filter",
    "MESH": "MeSH Terms",
    "RGPL": "Related Platform",
    "RGSE": "Related Series",
}


@dataclass
class Search:
    """What a search found, and what NCBI would say of it."""

    uids: list[str]
    translation: str
    missing: list[str] = field(default_factory=list)


def run(term: str, records: Iterable[Record]) -> Search:
    """UIDs of the records that the term matches, the newest first."""
    reader = _Reader(term, list(records))
    found = reader.expression()
    by_uid = {record.uid: record for record in reader.records}
    uids = sorted(found or (), key=lambda uid: (by_uid[uid].summary["pdat"], int(uid)), reverse=True)
    return Search(uids, " ".join(reader.said), reader.missing)


class _Reader:
    def __init__(self, term: str, records: list[Record]) -> None:
        self.records = records
        self.tokens = _TOKEN.findall(term)
        self.at = 0
        self.missing: list[str] = []
        self.said: list[str] = []

    def expression(self) -> set[str] | None:
        """UIDs; None where everything in it was left out."""
        found = self._unit()
        while self.at < len(self.tokens) and self.tokens[self.at] != ")":
            operator = self.tokens[self.at] if self.tokens[self.at] in ("AND", "OR", "NOT") else "AND"
            self.at += self.tokens[self.at] in ("AND", "OR", "NOT")
            self.said.append(operator)
            right = self._unit()
            if right is None:
                continue
            if found is None:
                found = right
            else:
                found = (
                    found & right
                    if operator == "AND"
                    else found | right
                    if operator == "OR"
                    else found - right
                )
        return found

    def _unit(self) -> set[str] | None:
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            self.said.append("(")
            found = self.expression()
            self.at += 1
            self.said.append(")")
            return found
        tag = ""
        if self.at < len(self.tokens) and self.tokens[self.at].startswith("["):
            tag = self.tokens[self.at][1:-1].strip()
            self.at += 1
        name = _FIELD.get(tag, tag) or "All Fields"
        found = {record.uid for record in self.records if _matches(record, token.strip('"'), name)}
        if not found:
            self.missing.append(f"{token}[{tag}]" if tag else token)
            return None
        self.said.append(f"{token}[{name}]")
        return found


def _matches(record: Record, value: str, name: str) -> bool:
    summary = record.summary
    if name == "Entry Type":
        return value.upper() == summary["entrytype"]
    if name == "Organism":
        return value.lower() in [part.strip().lower() for part in summary["taxon"].split(";")]
    if name == "DataSet Type":
        return value.lower() in [part.strip().lower() for part in summary["gdstype"].split(";")]
    if name == "Number of Samples":
        low, _, high = value.partition(":")
        return int(low) <= int(summary["n_samples"]) <= int(high or low)
    if name == "Publication Date":
        low, _, high = value.partition(":")
        return bool(summary["pdat"]) and low <= summary["pdat"] <= (high or low) + "/99"
    if name in ("GEO Accession", "Related Series"):
        return value.upper() in [
            summary["accession"],
            *(sample["accession"] for sample in summary["samples"]),
        ]
    if name == "Related Platform":
        return value.upper().removeprefix("GPL") in summary["gpl"].split(";")
    if name == "Filter":
        return value.lower() in record.filters
    if name == "Title":
        return _has_phrase(summary["title"], value)
    return _has_phrase(f"{record.text} {summary['accession']} {summary['taxon']} {summary['gdstype']}", value)


def _has_phrase(text: str, phrase: str) -> bool:
    words = [
        re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "")
        for word in re.findall(r"\w+\*?", phrase)
    ]
    return bool(words) and re.search(r"\b" + r"\W+".join(words) + r"\b", text, re.I) is not None
