"""What surrounds a study, by every source: files, papers, raw reads, family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import omics_nb as omics
from omics_nb.display.markup import DISCLAIMER_URL
from omics_nb.errors import AgentError, DataError, NoMatrixError, NotFoundError, SourceError
from omics_nb.geo.around import family_of, publications_of, raw_data_of
from omics_nb.records import Study
from tests.example_values import values
from tests.ncbi.server import LoopbackNcbi


def study(*, synthetic: bool = False, **lines: tuple[str, ...]) -> Study:
    return replace(values(synthetic=synthetic, source="shelf").study, accession="GSE1", metadata=lines)


@pytest.fixture
def mirror(shared: Path) -> str:
    return f"mirror:{shared / 'geo'}"


@pytest.fixture
def ncbi(ncbi_server: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of the live source, pointed at the loopback NCBI as a user would do it."""
    for name, value in (ncbi_server.environment | {"OMICS_CACHE": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    return "ncbi"


def test_a_mirror_lists_what_its_folder_holds_of_any_record(mirror: str, shared: Path) -> None:
    found = omics.files("gse14520", source=mirror)
    (file,) = found
    assert (file.name, file.role) == ("GSE14520-GPL571_series_matrix.txt.gz", "matrix")
    assert file.n_bytes == Path(file.location).stat().st_size == found.n_bytes
    assert (file.exact, found.members) == (True, ())
    assert [(file.name, file.role) for file in omics.files("GPL97", source=mirror)] == [
        ("GPL97.annot.gz", "annotation")
    ]
    assert list(found.to_frame()) == ["name", "role", "location", "n_bytes", "exact"]
    with pytest.raises(NotFoundError, match="GSM11805 is a sample, not a study; it is of GSE781"):
        omics.files("GSM11805", source=mirror)
    with pytest.raises(NotFoundError, match="no study GSE1"):
        omics.files("GSE1", source=mirror)


def test_a_mirror_knows_the_numbers_of_papers_and_who_knows_their_titles(mirror: str) -> None:
    found = omics.publications("GSE14520", source=mirror)
    assert [paper.pubmed_id for paper in found] == ["21159642", "22202459"]
    assert "omics.publications('GSE14520', source='ncbi')" in found.notes[0]


def test_without_asking_sra_no_raw_data_is_never_claimed(mirror: str) -> None:
    found = omics.raw_data("GSE14520", source=mirror)
    assert (found.runs, found.asked, found.named) == ((), False, ("PRJNA111593",))
    assert str(found).startswith("GSE14520: whether SRA has raw data is not known here")
    assert "GSE14520_RAW.tar" in found.notes[0]
    assert "source='ncbi'" in found.notes[-1]


def test_the_links_in_a_studys_own_lines_are_read() -> None:
    found = raw_data_of(
        study(
            relation=(
                "BioProject: https://www.ncbi.nlm.nih.gov/bioproject/PRJNA389387",
                "SRA: https://www.ncbi.nlm.nih.gov/sra?term=SRP108660",
                "SubSeries of: GSE99797",
            ),
            supplementary_file=("NONE", "ftp://x/suppl/GSE1_counts.txt.gz"),
        )
    )
    assert found.named == ("PRJNA389387", "SRP108660")
    assert str(found).startswith("GSE1: raw data in SRA as SRP108660, the runs of which are not known here")
    assert len(found.notes) == 1
    assert [paper.pubmed_id for paper in publications_of(study(pubmed_id=("1 ", "2, 3", "1")))] == [
        "1",
        "2",
        "3",
    ]


def test_that_no_paper_is_named_is_told_apart_from_none() -> None:
    assert "PubMed may link one" in publications_of(study()).notes[0]


def test_synthetic_studies_have_no_papers_and_no_reads() -> None:
    papers, reads = omics.publications("GSE9000001"), omics.raw_data("GSE9000001")
    assert (len(papers), reads.runs, reads.asked) == (0, (), True)
    assert "synthetic" in papers.notes[0]
    assert "synthetic" in reads.notes[0]
    assert "[synthetic] source: demo" in str(papers)


def test_superseries_and_subseries_are_read_from_a_series_own_lines() -> None:
    lines = [
        "SuperSeries of: GSE14613",
        "superseries of: GSE14615",
        "SubSeries of: GSE1",
        "SRA: https://x?term=SRP1",
    ]
    family = family_of(lines, "GSE14618", source="shelf")
    assert (family.children, family.parents) == (("GSE14613", "GSE14615"), ("GSE1",))
    assert str(family).startswith("GSE14618: part of SuperSeries GSE1; SuperSeries of GSE14613, GSE14615")


def test_the_family_of_a_demo_study() -> None:
    assert omics.family("GSE9000018").children == ("GSE9000016", "GSE9000017")
    assert omics.family("GSE9000017").parents == ("GSE9000018",)
    assert str(omics.family("GSE9000001")).startswith("GSE9000001: in no SuperSeries, and none itself")


def test_a_study_and_a_hit_know_their_source(mirror: str) -> None:
    read = omics.fetch("GSE4107", source=mirror)
    assert omics.publications(read).papers[0].pubmed_id == "17317818"
    assert omics.files(read) == omics.files("GSE4107", source=mirror)
    hit = omics.search("GSE4107", source=mirror)[0]
    assert omics.family(hit) == omics.family(read)
    with pytest.raises(AgentError, match="an accession, a hit or a study was expected, not 4107"):
        omics.files(4107)  # type: ignore[arg-type]


def test_ncbi_is_asked_where_it_is_the_source_and_its_disclaimer_shown(ncbi: str, mirror: str) -> None:
    read = omics.fetch("GSE42872", source=mirror)
    papers = omics.publications(read, source=ncbi)
    assert (papers.source, papers.papers[0].pubmed_id) == ("ncbi", "24469106")
    reads = omics.raw_data("GSE146256", source=ncbi)
    assert repr(reads) == "RawData(GSE146256: 12 runs, SINGLE, 7.4 GB (SRA study SRP251352), source ncbi)"
    found = (papers, reads, omics.files("GSE42872", source=ncbi), omics.family("GSE99709", source=ncbi))
    for value in found:
        assert DISCLAIMER_URL in str(value).replace("\n", "")
        assert DISCLAIMER_URL in value._repr_html_()


@dataclass
class Plain:
    """A source that can search and fetch, and no more."""

    spec: str = "shelf"
    synthetic: bool = False

    def search(self, query: object, *, limit: int = 20) -> object:
        raise NotImplementedError

    def fetch(self, accession: str) -> Study:
        return study(pubmed_id=("7",))


def test_a_source_that_only_searches_and_fetches_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Callable[[str | None], Plain] = lambda spec: Plain()  # noqa: E731
    monkeypatch.setattr("omics_nb.agents.data.open_source", opened)
    assert [paper.pubmed_id for paper in omics.publications("GSE1", source="shelf")] == ["7"]
    with pytest.raises(SourceError, match=r"the source shelf cannot list its files; .* study\.files"):
        omics.files("GSE1", source="shelf")


def test_probes_become_genes_where_symbols_are_known(mirror: str) -> None:
    read = omics.fetch("GSE781", source=mirror)
    genes = omics.to_genes(read, platform="GPL97", how="median")
    assert repr(genes).startswith("GeneMatrix(8,411 rows from 22,645 features (median): 9,466 without")
    assert list(genes.values.columns) == list(read.matrix("GPL97").columns)
    with pytest.raises(NoMatrixError, match="one matrix for each of GPL96, GPL97"):
        omics.to_genes(read)
    with pytest.raises(DataError, match="no gene symbols of GPL571 are at hand"):
        omics.to_genes(omics.fetch("GSE14520", source=mirror))
    with pytest.raises(AgentError, match="'max-mean', 'median' or 'all'"):
        omics.invoke("genes", study=read, platform="GPL97", how="mean")


@pytest.mark.parametrize("agent", ["files", "publications", "raw_data", "family"])
def test_they_are_agents(agent: str) -> None:
    assert omics.invoke(agent, study="GSE9000018").accession == "GSE9000018"
    with pytest.raises(AgentError, match="study"):
        omics.invoke(agent, study=3)
