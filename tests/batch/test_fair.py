"""Rows share what NCBI gives: one rate limit, one cache; a study that many want is downloaded and parsed once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from omics_nb import settings
from omics_nb.batch import start_batch
from omics_nb.geo import parsed
from omics_nb.sources import open_source
from tests.batch.conftest import write_notebook
from tests.ncbi.server import LoopbackNcbi

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies


def test_rows_that_want_one_study_download_it_once_within_the_limit(
    at_ncbi: LoopbackNcbi, tmp_path: Path
) -> None:
    at_ncbi.enforce_limit = True
    code = "import omics_nb as omics\nfrom omics_nb import batch\nbatch.tell(samples=omics.fetch(study).n_samples)"
    notebook = write_notebook(tmp_path / "n.ipynb", code, parameters="study = None\nn = 0")
    rows = [{"study": "GSE42872", "n": n} for n in range(4)]
    batch = start_batch(rows, notebook, out=tmp_path / "out", jobs=4).wait(120)
    assert batch.counts == {"done": 4}, batch.table().to_string()
    assert batch.table()["samples"].tolist() == [6] * 4
    files = [seen.path for seen in at_ncbi.requests("GSE42872_series_matrix.txt.gz") if seen.method == "GET"]
    assert len(files) == 1
    assert at_ncbi.refused == 0


def test_a_study_that_many_want_at_once_is_parsed_by_one(
    at_ncbi: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsing: list[str] = []
    read_study = parsed.read_study

    def counted(accession: str, *given: object, **options: object) -> object:
        parsing.append(accession)
        return read_study(accession, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(parsed, "read_study", counted)
    found: list[int] = []

    def want() -> None:
        found.append(open_source("ncbi", settings=settings.load()).fetch("GSE42872").n_samples)

    many = [threading.Thread(target=want) for _ in range(4)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    assert (found, parsing) == ([6] * 4, ["GSE42872"])
