"""Experiments of a recorded efetch reply of db=sra, and the GEO series that they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .archive import Record


@dataclass
class Package:
    """One experiment with its runs, as XML, and the accessions that find it."""

    uid: str
    xml: str
    words: set[str]
    series: str


def read_packages(sra: Path) -> dict[str, Package]:
    """UID → experiment package."""
    path = sra / "pysradb" / "sra_test.xml"
    if not path.exists():
        return {}
    found = {}
    for number, element in enumerate(ElementTree.parse(path).getroot(), start=10_000_001):
        xml = ElementTree.tostring(element, encoding="unicode")
        words = set(re.findall(r"\b(?:[SED]R[PXSRA]|GS[EM]|PRJ[NED][AB]|SAM[NED]A?)\d+\b", xml))
        study = element.find("STUDY")
        alias = study.get("alias", "") if study is not None else ""
        found[str(number)] = Package(str(number), xml, words, alias if alias.startswith("GSE") else "")
    return found


def series_of(packages: dict[str, Package]) -> dict[str, Record]:
    """The series that GEO has for the experiments, with the links that esummary gives."""
    found: dict[str, Record] = {}
    for package in packages.values():
        if not package.series or str(200_000_000 + int(package.series[3:])) in found:
            continue
        study = ElementTree.fromstring(package.xml).find("STUDY")
        assert study is not None
        title, abstract = study.findtext(".//STUDY_TITLE") or "", study.findtext(".//STUDY_ABSTRACT") or ""
        samples = sorted(
            {
                word
                for other in packages.values()
                if other.series == package.series
                for word in other.words
                if word.startswith("GSM")
            }
        )
        summary = {
            "uid": str(200_000_000 + int(package.series[3:])),
            "accession": package.series,
            "title": title,
            "summary": abstract,
            "gpl": "",
            "gse": package.series[3:],
            "taxon": "Caenorhabditis elegans",
            "entrytype": "GSE",
            "gdstype": "Expression profiling by high throughput sequencing",
            "pdat": "2020/06/30",
            "samples": [{"accession": name, "title": ""} for name in samples],
            "relations": [],
            "extrelations": [
                {"relationtype": "SRA", "targetobject": study.get("accession"), "targetftplink": ""}
            ],
            "n_samples": len(samples),
            "pubmedids": [],
            "bioproject": next((word for word in package.words if word.startswith("PRJ")), ""),
        }
        found[str(summary["uid"])] = Record(summary, f"{title} {abstract}")
    return found
