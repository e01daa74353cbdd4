"""What every source promises, asked of each: a source is not ready before its case stands here and passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from omics_nb import settings
from omics_nb.errors import NotFoundError, SourceError
from omics_nb.records import Hits, Study
from omics_nb.sources import Source, open_source
from omics_nb.sources.index import add
from omics_nb.terms.question import understand


class Case(NamedTuple):
    """A way to open the source, a question with the accession it must find, one that finds nothing.

    A source that does not fetch has hits that name the one that does.
    """

    opened: Callable[[pytest.FixtureRequest], AbstractContextManager[Source]]
    question: str
    accession: str
    nothing: str = "zzyzx qwertyuiop"
    unknown: str = "GSE999999999"
    fetches: bool = True


@contextmanager
def _demo(request: pytest.FixtureRequest) -> Iterator[Source]:
    yield open_source("demo")


@contextmanager
def _mirror(request: pytest.FixtureRequest) -> Iterator[Source]:
    shared: Path = request.getfixturevalue("shared")
    yield open_source(f"mirror:{shared / 'geo'}")


@contextmanager
def _index(request: pytest.FixtureRequest) -> Iterator[Source]:
    shared: Path = request.getfixturevalue("shared")
    folder: Path = request.getfixturevalue("tmp_path") / "index"
    add(str(shared / "geo"), folder, settings.load())
    yield open_source(f"index:{folder}")


CASES = {
    "demo": Case(_demo, "vemurafenib in melanoma", "GSE9000003"),
    "mirror": Case(_mirror, "vemurafenib in melanoma", "GSE42872"),
    "index": Case(_index, "vemurafenib in melanoma", "GSE42872", fetches=False),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def fetching(source: Source, case: Case) -> Source:
    """The source; where it does not fetch, that it says which one does is all that is promised."""
    if not case.fetches:
        with pytest.raises(SourceError, match=f"{case.accession}.*fetch it with source='.+'"):
            source.fetch(case.accession)
        pytest.skip("the source says which one fetches")
    return source


@pytest.fixture
def source(case: Case, request: pytest.FixtureRequest) -> Iterator[Source]:
    with case.opened(request) as opened:
        yield opened


def test_search_finds_the_study_and_says_why(source: Source, case: Case) -> None:
    hits = source.search(understand(case.question), limit=5)
    assert isinstance(hits, Hits)
    assert hits.source == source.spec
    assert case.accession in [hit.accession for hit in hits]
    for hit in hits:
        assert hit.reasons
        assert hit.title
        assert hit.n_samples > 0
        assert open_source(hit.source).spec == hit.source
        assert (hit.source == source.spec) == case.fetches
        assert hit.synthetic == source.synthetic


def test_search_keeps_to_its_limit_and_counts_all(source: Source, case: Case) -> None:
    hits = source.search(understand("expression profiling by array"), limit=1)
    assert len(hits) == 1
    assert hits.total >= len(hits)


def test_search_that_finds_nothing_is_empty_and_explains_itself(source: Source, case: Case) -> None:
    hits = source.search(understand(case.nothing))
    assert not hits
    assert hits.total == 0
    assert hits.notes


def test_fetch_gives_the_study_with_its_provenance(fetching: Source, case: Case) -> None:
    study = fetching.fetch(case.accession)
    assert isinstance(study, Study)
    assert study.accession == case.accession
    assert (study.source, study.synthetic) == (fetching.spec, fetching.synthetic)
    assert study.matrices
    for matrix in study.matrices.values():
        assert set(matrix.columns) <= set(study.samples.index)
    assert study.files
    for record in study.files:
        assert record.location.endswith(record.name)
        assert record.n_bytes > 0
        assert len(record.sha256) == 64
        assert record.retrieved[:2] == "20"


def test_fetch_takes_an_accession_as_people_type_it(fetching: Source, case: Case) -> None:
    assert fetching.fetch(f" {case.accession.lower()} ").accession == case.accession


def test_fetching_twice_gives_the_same_values(fetching: Source, case: Case) -> None:
    first, second = fetching.fetch(case.accession), fetching.fetch(case.accession)
    assert first.samples.equals(second.samples)
    assert all(first.matrices[name].equals(second.matrices[name]) for name in first.matrices)
    assert [record.sha256 for record in first.files] == [record.sha256 for record in second.files]


@pytest.mark.parametrize("text", ["", "vemurafenib", "GSE", "GSE0", "../GSE1", "GSE1/../../etc"])
def test_what_is_no_accession_is_not_found(text: str, source: Source, case: Case) -> None:
    with pytest.raises(NotFoundError):
        source.fetch(text)


def test_an_unknown_accession_is_not_found_and_named(source: Source, case: Case) -> None:
    with pytest.raises(NotFoundError, match=case.unknown) as caught:
        source.fetch(case.unknown)
    assert caught.value.facts["accession"] == case.unknown
