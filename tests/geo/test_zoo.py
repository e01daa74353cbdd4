"""Every SOFT file of the shared folder: the shape that it must have, and each of its values read twice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from omics_nb import errors
from omics_nb.geo.parts import Parts
from omics_nb.geo.soft import Entity, read_family
from omics_nb.geo.tables import read_numbers, read_texts
from omics_nb.geo.values import add_dataset, add_family_values
from tests.geo import plain_soft

ROWS = [
    line.split("\t") for line in Path(__file__).with_name("expected_shapes.tsv").read_text().splitlines()[1:]
]
KINDS = {
    "SERIES": "series",
    "PLATFORM": "platforms",
    "SAMPLE": "samples",
    "DATASET": "datasets",
    "SUBSET": "subsets",
}


def shapes(parts: Parts) -> str:
    return ";".join(f"{name}:{len(matrix)}x{len(matrix.columns)}" for name, matrix in parts.matrices.items())


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_file_has_its_shape(shared: Path, row: list[str]) -> None:
    path = shared / row[0]
    if len(row) == 2:
        with pytest.raises(getattr(errors, row[1])):
            read_family(path)
        return
    family = read_family(path)
    assert [str(len(getattr(family, kind))) for kind in KINDS.values()] == row[1:6]
    parts = Parts("GSE1")
    if family.datasets:
        add_dataset(parts, family)
    else:
        add_family_values(parts, family)
    assert shapes(parts) == row[6]


def test_no_file_was_forgotten(shared: Path) -> None:
    there = {path for path in (shared / "soft_zoo").rglob("*") if path.is_file()}
    there |= {path for path in (shared / "geo").rglob("*") if path.name.endswith((".soft.gz", ".annot.gz"))}
    assert {str(path.relative_to(shared)) for path in there} == {row[0] for row in ROWS}


def test_every_name_attribute_and_cell_is_the_one_in_the_file(shared: Path) -> None:
    n_values = 0
    for row in ROWS:
        if len(row) == 2 or (shared / row[0]).stat().st_size > 1_000_000:
            continue
        family = read_family(shared / row[0])
        for plain in plain_soft.read(shared / row[0]):
            if plain.kind in KINDS:
                entity = getattr(family, KINDS[plain.kind])[plain.name]
                if plain.kind != "DATASET":
                    assert sum(map(len, entity.attributes.values())) == len(plain.attributes), row[0]
                n_values += same_table(entity, plain, row[0])
    assert n_values > 250_000


def same_table(entity: Entity, plain: plain_soft.PlainEntity, path: str) -> int:
    if not plain.rows or plain.header is None:
        return 0
    assert entity.table is not None, path
    if plain.kind == "PLATFORM":
        frame, _ = read_texts(entity.table)
        width = len(plain.header)
        assert frame.to_numpy().tolist() == [(row + [""] * width)[:width] for row in plain.rows], path
        return 0
    places = [
        place for place, name in enumerate(plain.header) if name.upper() == "VALUE" or name.startswith("GSM")
    ]
    found = read_numbers(entity.table, places)
    assert found.names() == [row[0] for row in plain.rows], path
    expected = [
        [number(row[place]) if place < len(row) else math.nan for place in places] for row in plain.rows
    ]
    np.testing.assert_array_equal(found.values, np.array(expected), err_msg=f"{path} {plain.name}")
    return found.values.size


def number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
