"""The records of a folder laid out like GEO's file tree, as esummary of db=gds gives them.

Reads SOFT and series-matrix headers by itself, and poorly: it must not share a parser, nor its mistakes, with
the package under test.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_SRA = re.compile(r"SRA: \S*?term=(\w+)")
_BIOPROJECT = re.compile(r"BioProject: \S*/(PRJ\w+)")


@dataclass
class Record:
    """One record of gds: its summary, and the text that All Fields searches."""

    summary: dict[str, Any]
    text: str
    filters: set[str] = field(default_factory=set)
    relations: list[str] = field(default_factory=list)

    @property
    def uid(self) -> str:
        return str(self.summary["uid"])


def read_archive(root: Path) -> dict[str, Record]:
    """UID → record of every series and GDS below ``root``."""
    found = {}
    for folder in sorted([*root.glob("series/*/GSE*"), *root.glob("datasets/*/GDS*")]):
        files = sorted([*folder.glob("matrix/*.txt.gz"), *folder.glob("soft/*.soft.gz")])
        lines: dict[str, list[str]] = {}
        for path in files:
            for name, values in _header(path).items():
                merged = lines.setdefault(name, [])
                merged += [value for value in values if value not in merged or name.startswith("sample_")]
        # A mirror may hold a record's supplementary files alone; then nothing is known to search.
        if lines:
            record = _record(folder.name, lines)
            found[record.uid] = record
    return found


def read_recorded(eutils: Path) -> dict[str, Record]:
    """Series of recorded esummary replies."""
    found = {}
    for path in (eutils / "ffq" / "GSE93374_summary.txt", eutils / "eutils_json" / "esummary.gds.json"):
        for uid, summary in _results(path).items():
            text = " ".join([summary["title"], summary["summary"], *(s["title"] for s in summary["samples"])])
            found[uid] = Record(summary, text)
    return found


def read_pubmed(eutils: Path) -> dict[str, dict[str, Any]]:
    """Papers of recorded esummary replies."""
    found: dict[str, dict[str, Any]] = {}
    for path in [
        eutils / "eutils_json" / "esummary.pubmed.json",
        *sorted((eutils / "refinebio").glob("geo.*.json")),
    ]:
        if not path.name.endswith(".meta.json"):
            found.update(_results(path))
    return found


def _results(path: Path) -> dict[str, dict[str, Any]]:
    result = json.loads(path.read_text(encoding="utf-8"), strict=False)["result"]
    return {uid: result[uid] for uid in result["uids"]}


def _header(path: Path) -> dict[str, list[str]]:
    """Attribute, in lower case and without ``!``, → values; of a family at most its first 40,000 lines."""
    found: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="latin-1", errors="replace") as lines:
        for number, line in enumerate(lines):
            if line.startswith("!"):
                name, _, value = line[1:].rstrip("\r\n").partition("\t" if "\t" in line else " = ")
                cells = [cell.strip('"') for cell in value.split("\t")]
                found.setdefault(name.strip().lower(), []).extend(cell for cell in cells if cell)
            if number > 40_000 or line.lower().startswith("!series_matrix_table_begin"):
                break
    return found


def _record(accession: str, lines: dict[str, list[str]]) -> Record:
    kind = accession[:3].lower()
    prefix = {"gse": "series", "gds": "dataset"}[kind]

    def first(name: str) -> str:
        return (lines.get(f"{prefix}_{name}") or [""])[0]

    sample_ids = " ".join(lines.get(f"{prefix}_sample_id", [])).replace(",", " ").split()
    platforms = lines.get("series_platform_id") or lines.get("dataset_platform") or []
    organisms = list(
        dict.fromkeys(
            lines.get("sample_organism_ch1")
            or lines.get("dataset_platform_organism")
            or lines.get("platform_organism")
            or []
        )
    )
    relations = lines.get("series_relation", [])
    sample_texts = [
        value
        for name, values in lines.items()
        if name.startswith(("sample_title", "sample_source", "sample_char", "sample_description"))
        for value in values
    ]
    titles = lines.get("sample_title", [])
    number = int(accession[3:])
    summary = {
        "uid": str(number + (200_000_000 if kind == "gse" else 0)),
        "accession": accession,
        "gds": accession[3:] if kind == "gds" else "",
        "title": first("title"),
        "summary": " ".join(lines.get(f"{prefix}_summary", [first("description")])),
        "gpl": ";".join(name[3:] for name in platforms),
        "gse": accession[3:] if kind == "gse" else first("reference_series")[3:],
        "taxon": "; ".join(organisms),
        "entrytype": kind.upper(),
        "gdstype": "; ".join(lines.get("series_type", [first("type")])),
        "ptechtype": "",
        "valtype": "",
        "ssinfo": "",
        "subsetinfo": "",
        "pdat": _day(first("status") or first("update_date")),
        "suppfile": "",
        "samples": [
            {"accession": name, "title": titles[place] if place < len(titles) else ""}
            for place, name in enumerate(sample_ids)
        ],
        "relations": [],
        "extrelations": [
            {"relationtype": "SRA", "targetobject": name, "targetftplink": ""}
            for relation in relations
            for name in _SRA.findall(relation)
        ],
        "n_samples": len(sample_ids) or int(first("sample_count") or 0),
        "seriestitle": "",
        "platformtitle": "",
        "platformtaxa": "",
        "samplestaxa": "",
        "pubmedids": lines.get(f"{prefix}_pubmed_id", []),
        "projects": [],
        "ftplink": f"ftp://ftp.ncbi.nlm.nih.gov/geo/{'series' if kind == 'gse' else 'datasets'}"
        f"/{accession[:3]}{accession[3:-3]}nnn/{accession}/",
        "geo2r": "no",
        "bioproject": next((name for relation in relations for name in _BIOPROJECT.findall(relation)), ""),
    }
    text = " ".join(
        [summary["title"], summary["summary"], first("overall_design"), *sample_texts, *relations]
    )
    return Record(summary, text, relations=relations)


def _day(status: str) -> str:
    for form in ("Public on %b %d %Y", "%b %d %Y"):
        try:
            return datetime.strptime(status, form).strftime("%Y/%m/%d")
        except ValueError:
            continue
    return ""
