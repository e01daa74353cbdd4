"""What NCBI knows around a series: its papers, its raw reads, the series above and below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from ..errors import BackendError, NotFoundError
from .entrez import Entrez, Json
from .layout import parse_accession

_RUNS_PER_CALL = 100
_MOST_EXPERIMENTS = 20_000


@dataclass(frozen=True, slots=True)
class Publication:
    """A paper in PubMed. What PubMed does not say is empty: at times ``doi``, or all but the number."""

    pubmed_id: str
    title: str
    authors: tuple[str, ...]
    journal: str
    published: str
    doi: str

    def __str__(self) -> str:
        others = " et al." if len(self.authors) > 1 else "."
        authors = f"{self.authors[0]}{others}" if self.authors else ""
        title = f"{self.title.rstrip('.')}." if self.title else ""
        printed = f"{self.journal} {self.published}.".strip() if self.journal else ""
        doi = f"https://doi.org/{self.doi}" if self.doi else ""
        return " ".join(part for part in (authors, title, printed, doi, f"PMID {self.pubmed_id}") if part)


@dataclass(frozen=True, slots=True)
class Run:
    """A sequencing run in SRA. ``layout`` is SINGLE or PAIRED; ``n_bytes`` and ``n_spots`` are None where
    unsaid.
    """

    accession: str
    experiment: str
    sample: str
    layout: str
    strategy: str
    instrument: str
    organism: str
    n_bytes: int | None
    n_spots: int | None
    study: str


@dataclass(frozen=True, slots=True)
class RawData:
    """The runs of a series and the route that found them; no runs is an answer, and ``tried`` says what was
    asked.
    """

    accession: str
    runs: tuple[Run, ...]
    route: str
    tried: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all runs whose size is known."""
        return sum(run.n_bytes or 0 for run in self.runs)

    def __str__(self) -> str:
        if not self.runs:
            return f"{self.accession}: no raw data in SRA (asked by {', '.join(self.tried)})"
        layouts = "/".join(sorted({run.layout for run in self.runs}))
        size = f"{self.n_bytes / 2**30:.1f} GiB"
        return f"{self.accession}: {len(self.runs)} runs, {layouts}, {size} ({self.route})"


@dataclass(frozen=True, slots=True)
class Family:
    """SuperSeries above and SubSeries below a series."""

    accession: str
    parents: tuple[str, ...]
    children: tuple[str, ...]


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


def publications(entrez: Entrez, summary: Json) -> tuple[Publication, ...]:
    """The papers of a series, in NCBI's order; none is an answer.

    Those that the record names, and where it names none those that PubMed links to it.
    """
    ids = [str(uid) for uid in summary.get("pubmedids") or ()]
    ids = ids or list(entrez.links("gds", "pubmed", [str(summary["uid"])]))
    found = entrez.summaries("pubmed", ids).records if ids else {}
    return tuple(_publication(uid, found.get(uid, {})) for uid in ids)


def raw_data(entrez: Entrez, summary: Json, *, experiments: Sequence[str] = ()) -> RawData:
    """The SRA runs of a series, by the first route that finds any.

    The study that the record names (SRP), the link from gds to sra, the BioProject, and the experiments (SRX)
    that its samples name, where ``experiments`` gives them. A search for the GSE itself often finds nothing
    in SRA.
    """
    accession = str(summary["accession"])
    studies = _sra_studies(summary)
    project = str(summary.get("bioproject") or "")
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
            return RawData(accession, runs, route, tried, _incomplete(summary, runs))
    return RawData(accession, (), "", tuple(name for name, _ in routes))


def family_of(relations: Sequence[str], accession: str) -> Family:
    """Parents and children from a series' own lines, "SuperSeries of: GSE…" and "SubSeries of: GSE…"."""
    pairs = [re.match(r"(Super|Sub)Series of:\s*(GSE\d+)", line.strip(), re.I) for line in relations]
    named = [(found[1].lower(), found[2].upper()) for found in pairs if found]
    return Family(
        accession,
        parents=tuple(dict.fromkeys(name for kind, name in named if kind == "sub")),
        children=tuple(dict.fromkeys(name for kind, name in named if kind == "super")),
    )


def parse_runs(xml: str) -> tuple[Run, ...]:
    """The runs of an efetch reply of db=sra, ``EXPERIMENT_PACKAGE_SET``, in its order.

    BackendError if it is no such XML. SRA's XML names no document type, so Bio.Entrez cannot read it.
    """
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - no document type, so no entities to expand
    except ElementTree.ParseError as error:
        raise BackendError(f"NCBI's reply for SRA is no whole XML: {error}", transient=True) from error
    return tuple(run for package in root.iter("EXPERIMENT_PACKAGE") for run in _package_runs(package))


def _package_runs(package: ElementTree.Element) -> list[Run]:
    experiment = _element(package, "EXPERIMENT")
    layout = experiment.find(".//LIBRARY_LAYOUT")
    model = experiment.find(".//INSTRUMENT_MODEL")
    geo = [item.text or "" for item in package.iterfind(".//EXTERNAL_ID[@namespace='GEO']")]
    sample = next((name for name in [experiment.get("alias", ""), *geo] if re.fullmatch(r"GSM\d+", name)), "")
    study = package.find("STUDY")
    return [
        Run(
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


def _runs(entrez: Entrez, ids: Sequence[str]) -> tuple[Run, ...]:
    found: dict[str, Run] = {}
    for start in range(0, len(ids), _RUNS_PER_CALL):
        text = entrez.fetch_text("sra", ids[start : start + _RUNS_PER_CALL], rettype="full", retmode="xml")
        found.update((run.accession, run) for run in parse_runs(text))
    return tuple(found.values())


def _search(entrez: Entrez, names: Sequence[str]) -> Sequence[str]:
    if not names:
        return ()
    return entrez.search_all(
        "sra", " OR ".join(f"{name}[ACCN]" for name in names), limit=_MOST_EXPERIMENTS
    ).ids


def _sra_studies(summary: Json) -> list[str]:
    relations = summary.get("extrelations") or ()
    named = [str(item.get("targetobject", "")) for item in relations if item.get("relationtype") == "SRA"]
    return [name for name in named if re.fullmatch(r"[SED]RP\d+", name)]


def _incomplete(summary: Json, runs: Sequence[Run]) -> tuple[str, ...]:
    declared = {str(sample.get("accession")) for sample in summary.get("samples") or ()}
    without = sorted(declared - {run.sample for run in runs})
    if not without or len(without) == len(declared):
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
