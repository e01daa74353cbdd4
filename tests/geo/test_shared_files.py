"""Every file of the shared folder that is no SOFT: what its reader makes of it. SOFT is in ``test_zoo``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omics_nb.errors import OmicsError
from omics_nb.geo.cells import find_triplets
from omics_nb.geo.counts import read_ncbi_counts
from omics_nb.geo.miniml import read_miniml
from omics_nb.geo.series_matrix import read_series_matrix
from omics_nb.geo.singlecell import read_triplet
from omics_nb.geo.supplement import read_supplement
from tests.geo import test_zoo

FOLDERS = ("soft_zoo", "geo", "miniml", "counts", "singlecell")
ROWS = [
    line.split("\t") for line in Path(__file__).with_name("expected_tables.tsv").read_text().splitlines()[1:]
]


def _matrix(path: Path) -> str:
    found = read_series_matrix(path)
    return f"{found.platform}:{len(found.values)}x{len(found.values.columns)}"


def _miniml(path: Path) -> str:
    family = read_miniml(path)
    return f"{len(family.series)} series, {len(family.platforms)} platforms, {len(family.samples)} samples"


def _counts(path: Path) -> str:
    values = read_ncbi_counts(path)
    return f"{len(values)}x{len(values.columns)} {values.to_numpy().dtype}, sum {values.to_numpy().sum()}"


def _supplement(path: Path) -> str:
    table = read_supplement(path)
    kind = "counts" if table.is_counts else "values"
    return f"{len(table.values)}x{len(table.values.columns)} {kind}, {len(table.annotation.columns)} of text"


def _cells(path: Path) -> str:
    (triplet,) = (
        found
        for found in find_triplets(path.parent.iterdir())
        if path in (found.matrix, found.features, found.barcodes)
    )
    counts = read_triplet(triplet).counts
    return f"{counts.shape[0]}x{counts.shape[1]}, {counts.nnz} entries, sum {counts.sum():.0f}"


READERS: dict[str, Callable[[Path], str]] = {
    "series matrix": _matrix,
    "MINiML": _miniml,
    "NCBI counts": _counts,
    "supplement": _supplement,
    "10x": _cells,
}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_file_has_its_shape_or_its_error(shared: Path, row: list[str]) -> None:
    path, reader, expected = row
    try:
        found = READERS[reader](shared / path)
    except OmicsError as error:
        found = type(error).__name__
    assert found == expected


def test_no_file_of_any_folder_was_forgotten(shared: Path) -> None:
    there = {path for folder in FOLDERS for path in (shared / folder).rglob("*") if path.is_file()}
    known = [row[0] for row in (*ROWS, *test_zoo.ROWS)]
    assert {str(path.relative_to(shared)) for path in there} == set(known)
    assert len(known) == len(set(known))
