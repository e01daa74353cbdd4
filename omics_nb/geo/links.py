"""What NCBI knows around a series: its papers and its raw reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from ..errors import BackendError, NotFoundError
from .around import Publication, Publications, RawData, SraRun
from .entrez import Entrez, Json
from .layout import parse_accession

_RUNS_PER_CALL = 100
_SOURCE = "ncbi"


def series_summary(entrez: Entrez, accession: str) -> Json:
    """esummary's record of a series. NotFoundError if the gds database has none."""
    accession = parse_accession(accession, "GSE")
    found = entrez.search("gds", f"{accession}[ACCN] AND gse[ETYP]", most=50)
    records = entrez.summaries("gds", found.ids).records.values() if found.ids else ()
    for record in records:
        # By its own fields, never by UID arithmetic or by the order of the reply.
        if record.get("accession") == accession and record.get("entrytype") == "GSE":
            return record
    raise NotFoundError(
        f"NCBI's gds database has no series {accession}; it may be private or new", accession=accession
    )


def publications(entrez: Entrez, summary: Json) -> Publications:
    """The papers of a series, in NCBI's order; none is an answer.

    Those that the record names, and where it names none those that PubMed links to it.
    """
    ids = [str(uid) for uid in summary.get("pubmedids") or ()]
    ids = ids or list(entrez.links("gds", "pubmed", [str(summary["uid"])]))
    found = entrez.summaries("pubmed", ids).records if ids else {}
    papers = tuple(_publication(uid, found.get(uid, {})) for uid in ids)
    nameless = [paper.pubmed_id for paper in papers if not paper.title]
    notes = (f"PubMed gives no title of {', '.join(nameless)}.",) if nameless else ()
    return Publications(str(summary["accession"]), papers, _SOURCE, notes)


def raw_data(entrez: Entrez, summary: Json, *, experiments: Sequence[str] = ()) -> RawData:
    """The SRA runs of a series, by the first route that finds any.

    The study that the record names (SRP), the link from gds to sra, the BioProject, and the experiments (SRX)
    that its samples name, where ``experiments`` gives them. A search for the GSE itself often finds nothing
    in SRA.
    """
    accession = str(summary["accession"])
    studies = _sra_studies(summary)
    project = str(summary.get("bioproject") or "")
    named = (*studies, project) if project else tuple(studies)
    routes: list[tuple[str, Callable[[], Sequence[str]]]] = []
    if studies:
        routes.append((f"SRA study {', '.join(studies)}", lambda: _search(entrez, studies)))
    routes.append(("link from gds to sra", lambda: entrez.links("gds", "sra", [str(summary["uid"])])))
    if project:
        routes.append((f"BioProject {project}", lambda: _search(entrez, [project])))
    if experiments:
        routes.append((f"{len(experiments)} SRA experiments", lambda: _search(entrez, experiments)))
    for number, (route, ids_of) in enumerate(routes, start=1):
        runs = _runs(entrez, ids_of())
        if runs:
            tried = tuple(name for name, _ in routes[:number])
            return RawData(accession, runs, route, tried, _SOURCE, named, _incomplete(summary, runs))
    kinds = str(summary.get("suppfile") or "")
    notes = (f"GEO itself has files of the kinds {kinds}: omics.files lists them.",) if kinds else ()
    return RawData(accession, (), "", tuple(name for name, _ in routes), _SOURCE, named, notes)


def parse_runs(xml: str) -> tuple[SraRun, ...]:
    """The runs of an efetch reply of db=sra, ``EXPERIMENT_PACKAGE_SET``, in its order.

    BackendError if it is no such XML. SRA's XML names no document type, so Bio.Entrez cannot read it.
    """
    if "<!DOCTYPE" in xml:
        raise BackendError(
            "NCBI's reply for SRA has a document type, which SRA's XML has not; it is not read"
        )
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - no document type, so no entities to expand
    except ElementTree.ParseError as error:
        raise BackendError(f"NCBI's reply for SRA is no whole XML: {error}", transient=True) from error
    return tuple(run for package in root.iter("EXPERIMENT_PACKAGE") for run in _package_runs(package))


def _package_runs(package: ElementTree.Element) -> list[SraRun]:
    experiment = _element(package, "EXPERIMENT")
    layout = experiment.find(".//LIBRARY_LAYOUT")
    model = experiment.find(".//INSTRUMENT_MODEL")
    geo = [item.text or "" for item in package.iterfind(".//EXTERNAL_ID[@namespace='GEO']")]
    sample = next((name for name in [experiment.get("alias", ""), *geo] if re.fullmatch(r"GSM\d+", name)), "")
    study = package.find("STUDY")
    return [
        SraRun(
            accession=run.get("accession", ""),
            experiment=experiment.get("accession", ""),
            sample=sample,
            layout=layout[0].tag if layout is not None and len(layout) else "",
            strategy=experiment.findtext(".//LIBRARY_STRATEGY") or "",
            instrument=(model.text or "") if model is not None else "",
            organism=package.findtext(".//SCIENTIFIC_NAME") or "",
            n_bytes=_whole(run.get("size")),
            n_spots=_whole(run.get("total_spots")),
            study=study.get("accession", "") if study is not None else "",
        )
        for run in package.iterfind(".//RUN_SET/RUN")
    ]


def _runs(entrez: Entrez, ids: Sequence[str]) -> tuple[SraRun, ...]:
    found: dict[str, SraRun] = {}
    for start in range(0, len(ids), _RUNS_PER_CALL):
        text = entrez.fetch_text("sra", ids[start : start + _RUNS_PER_CALL], rettype="full", retmode="xml")
        found.update((run.accession, run) for run in parse_runs(text))
    return tuple(found.values())


def _search(entrez: Entrez, names: Sequence[str]) -> Sequence[str]:
    if not names:
        return ()
    return entrez.search_all("sra", " OR ".join(f"{name}[ACCN]" for name in names)).ids


def _sra_studies(summary: Json) -> list[str]:
    relations = summary.get("extrelations") or ()
    named = [str(item.get("targetobject", "")) for item in relations if item.get("relationtype") == "SRA"]
    return [name for name in named if re.fullmatch(r"[SED]RP\d+", name)]


def _incomplete(summary: Json, runs: Sequence[SraRun]) -> tuple[str, ...]:
    declared = {str(sample.get("accession")) for sample in summary.get("samples") or ()}
    without = sorted(declared - {run.sample for run in runs})
    if not without:
        return ()
    shown = ", ".join(without[:5]) + (" …" if len(without) > 5 else "")
    return (f"{len(without)} of {len(declared)} samples have no run in SRA: {shown}",)


def _publication(uid: str, record: Json) -> Publication:
    ids: Sequence[Mapping[str, Any]] = record.get("articleids") or ()
    return Publication(
        pubmed_id=uid,
        title=_clean(record.get("title")),
        authors=tuple(_clean(author.get("name")) for author in record.get("authors") or ()),
        journal=_clean(record.get("fulljournalname") or record.get("source")),
        published=_clean(record.get("pubdate")),
        doi=next((_clean(item.get("value")) for item in ids if item.get("idtype") == "doi"), ""),
    )


def _clean(text: object) -> str:
    """Text on one line, without the tags and blanks that PubMed's titles carry."""
    return " ".join(re.sub(r"</?(?:i|b|sup|sub|em|strong)>", "", str(text or "")).split())


def _element(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    found = parent.find(name)
    return ElementTree.Element(name) if found is None else found


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
