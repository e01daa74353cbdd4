"""What surrounds a study: its files, its papers, its raw reads, the series above and below it.

The values, and what of them a study's own lines tell where NCBI is not asked. None of anything is an answer, and
"not known here" is another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from .. import display
from ..records import Study, origin

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["matrix", "soft", "miniml", "supplement", "annotation", "counts", "other"]
#: Folder of a record in GEO's tree → role of the files in it.
ROLES: dict[str, Role] = {
    "matrix": "matrix",
    "soft": "soft",
    "miniml": "miniml",
    "suppl": "supplement",
    "annot": "annotation",
}


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that a source has. ``n_bytes`` is None where it is not shown, and rounded where ``exact`` is False."""

    name: str
    role: Role
    location: str
    n_bytes: int | None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive."""

    name: str
    n_bytes: int
    archive: str


@dataclass(frozen=True, slots=True)
class Files:
    """Every file that a source has of a record, and what the archives among them hold, where they are listed."""

    accession: str
    files: tuple[ListedFile, ...]
    source: str
    members: tuple[Member, ...] = ()
    synthetic: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.n_bytes or 0 for file in self.files)

    def to_frame(self) -> pd.DataFrame:
        """One row a file: name, role, location, n_bytes, exact."""
        return _frame(ListedFile, self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[ListedFile]:
        return iter(self.files)

    def __repr__(self) -> str:
        return f"Files({display.files_sentence(self)}, {origin(self)})"

    def __str__(self) -> str:
        return display.files_text(self)

    def _repr_html_(self) -> str:
        return display.files_html(self)


@dataclass(frozen=True, slots=True)
class Publication:
    """A paper in PubMed. What is not known is empty: at times ``doi``, or all but the number."""

    pubmed_id: str
    title: str = ""
    authors: tuple[str, ...] = ()
    journal: str = ""
    published: str = ""
    doi: str = ""

    def __str__(self) -> str:
        others = " et al." if len(self.authors) > 1 else "."
        authors = f"{self.authors[0]}{others}" if self.authors else ""
        title = f"{self.title.rstrip('.')}." if self.title else ""
        printed = f"{self.journal} {self.published}.".strip() if self.journal else ""
        doi = f"https://doi.org/{self.doi}" if self.doi else ""
        return " ".join(part for part in (authors, title, printed, doi, f"PMID {self.pubmed_id}") if part)


@dataclass(frozen=True, slots=True)
class Publications:
    """The papers of a study, in the order of the record; none is an answer."""

    accession: str
    papers: tuple[Publication, ...]
    source: str
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.papers)

    def __iter__(self) -> Iterator[Publication]:
        return iter(self.papers)

    def __repr__(self) -> str:
        return f"Publications({display.publications_sentence(self)}, {origin(self)})"

    def __str__(self) -> str:
        return display.publications_text(self)

    def _repr_html_(self) -> str:
        return display.publications_html(self)


@dataclass(frozen=True, slots=True)
class SraRun:
    """A sequencing run in SRA. ``layout`` is SINGLE or PAIRED; ``n_bytes`` and ``n_spots`` are None where unsaid."""

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
    """The SRA runs of a series.

    ``route`` is the way that found them, ``tried`` every way that was gone. No runs means that SRA has none, but
    where ``asked`` is False it means "not known here". ``named`` are the SRA studies and BioProjects of the record.
    """

    accession: str
    runs: tuple[SraRun, ...]
    route: str
    tried: tuple[str, ...]
    source: str
    named: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    asked: bool = True
    synthetic: bool = False

    @property
    def n_bytes(self) -> int:
        """Bytes of all runs whose size is known."""
        return sum(run.n_bytes or 0 for run in self.runs)

    @property
    def layouts(self) -> tuple[str, ...]:
        """Each layout that the runs have, once."""
        return tuple(sorted({run.layout for run in self.runs}))

    def to_frame(self) -> pd.DataFrame:
        """One row a run, its fields as columns."""
        return _frame(SraRun, self.runs)

    def __repr__(self) -> str:
        return f"RawData({display.raw_data_sentence(self)}, {origin(self)})"

    def __str__(self) -> str:
        return display.raw_data_text(self)

    def _repr_html_(self) -> str:
        return display.raw_data_html(self)


@dataclass(frozen=True, slots=True)
class Family:
    """The SuperSeries above (``parents``) and the SubSeries below (``children``) a series; none is an answer."""

    accession: str
    parents: tuple[str, ...]
    children: tuple[str, ...]
    source: str
    synthetic: bool = False

    def __repr__(self) -> str:
        return f"Family({display.family_sentence(self)}, {origin(self)})"

    def __str__(self) -> str:
        return display.family_text(self)

    def _repr_html_(self) -> str:
        return display.family_html(self)


def publications_of(study: Study) -> Publications:
    """The papers that a study's own lines name: numbers alone, and a note on who knows their titles."""
    numbers = dict.fromkeys(
        number for line in study.metadata.get("pubmed_id", ()) for number in re.findall(r"\d+", line)
    )
    if study.synthetic:
        note = "The study is synthetic, so no paper tells of it."
    elif numbers:
        note = f"Titles, authors and DOIs are with PubMed: omics.publications({study.accession!r}, source='ncbi')"
    else:
        note = (
            "The files at hand name no paper; PubMed may link one to the study all the same: "
            f"omics.publications({study.accession!r}, source='ncbi')"
        )
    papers = tuple(Publication(number) for number in numbers)
    return Publications(study.accession, papers, study.source, (note,), study.synthetic)


def raw_data_of(study: Study) -> RawData:
    """What a study's own lines tell of raw data: where it would be. Which runs there are is with SRA."""
    if study.synthetic:
        notes = ["The study is synthetic, so it never had raw data."]
    else:
        archives = [
            name
            for line in study.metadata.get("supplementary_file", ())
            if (name := line.rpartition("/")[2]).endswith("_RAW.tar")
        ]
        notes = [
            f"GEO has {name}: the files of the single samples, for arrays the raw ones." for name in archives
        ]
        notes.append(
            f"Runs, sizes and layout are with SRA: omics.raw_data({study.accession!r}, source='ncbi')"
        )
    return RawData(
        study.accession,
        runs=(),
        route="",
        tried=(),
        source=study.source,
        named=_named(study.metadata.get("relation", ())),
        notes=tuple(notes),
        asked=study.synthetic,
        synthetic=study.synthetic,
    )


def family_of(relations: Sequence[str], accession: str, *, source: str, synthetic: bool = False) -> Family:
    """Parents and children from a series' own lines, "SuperSeries of: GSE…" and "SubSeries of: GSE…"."""
    pairs = [re.match(r"(Super|Sub)Series of:\s*(GSE\d+)", line.strip(), re.I) for line in relations]
    named = [(found[1].lower(), found[2].upper()) for found in pairs if found]
    return Family(
        accession,
        parents=tuple(dict.fromkeys(name for kind, name in named if kind == "sub")),
        children=tuple(dict.fromkeys(name for kind, name in named if kind == "super")),
        source=source,
        synthetic=synthetic,
    )


def _named(relations: Sequence[str]) -> tuple[str, ...]:
    """The SRA studies and BioProjects that lines such as ``SRA: https://…?term=SRP096361`` lead to."""
    found = [re.match(r"(?:SRA|BioProject):.*?([SED]RP\d+|PRJ[A-Z]{2}\d+)", line, re.I) for line in relations]
    return tuple(dict.fromkeys(match[1] for match in found if match))


def _frame(kind: type[ListedFile | SraRun], rows: Sequence[ListedFile | SraRun]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows], columns=list(kind.__dataclass_fields__))
