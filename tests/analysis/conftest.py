"""Small studies made by hand, and R's tables, for the tests of the analyses."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from omics_nb.records import Study

MakeStudy = Callable[..., Study]


def build_study(
    values: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    *,
    symbols: Sequence[str] | None = None,
    types: tuple[str, ...] = ("Expression profiling by array",),
    **fields: Any,
) -> Study:
    """A study on one platform, GPL1, with samples GSM1, GSM2 … and features F1, F2 …"""
    n_features, n_samples = values.shape
    names = [f"GSM{i + 1}" for i in range(n_samples)]
    samples = pd.DataFrame(
        {"title": names, "source_name": "cells", "organism": "Homo sapiens", "platform": "GPL1"}, index=names
    )
    for name, column in columns.items():
        samples[name] = list(column)
    features = pd.Index([f"F{i + 1}" for i in range(n_features)], name="ID")
    annotation = (
        {"GPL1": pd.DataFrame({"symbol": list(symbols)}, index=features)} if symbols is not None else {}
    )
    settings: dict[str, Any] = {
        "accession": "GSE1",
        "value_kind": "expression",
        "source": "test",
        "synthetic": False,
    } | fields
    return Study(
        title="A study",
        summary="",
        overall_design="",
        organisms=("Homo sapiens",),
        types=types,
        published=None,
        samples=samples,
        matrices={"GPL1": pd.DataFrame(values, index=features, columns=names)},
        features=annotation,
        files=(),
        **settings,
    )


@pytest.fixture
def make_study() -> MakeStudy:
    return build_study


@pytest.fixture
def array_study() -> Study:
    """200 features, 4 drug against 4 vehicle; the first 20 are 2 higher under the drug. Two batches,
    balanced.
    """
    rng = np.random.default_rng(7)
    values = 8 + rng.normal(0, 2, (200, 1)) + rng.normal(0, 0.3, (200, 8))
    values[:20, 4:] += 2
    return build_study(
        values,
        {"treatment": ["vehicle"] * 4 + ["drug"] * 4, "batch": ["1", "2"] * 4, "age": list("34567891")},
        symbols=[f"GENE{i + 1}" for i in range(200)],
    )


@pytest.fixture
def count_study() -> Study:
    """500 genes of counts, 4 mutant against 4 wild type; the first 30 four times as many, the last 50 nearly
    none.
    """
    rng = np.random.default_rng(11)
    mean = np.exp(rng.normal(5, 1, (500, 1))) * np.ones((1, 8))
    mean[:30, 4:] *= 4
    mean[-50:] = 0.3
    mean[-1] = 0
    counts = rng.negative_binomial(10, 10 / (10 + mean))
    return build_study(
        counts,
        {"genotype": ["wild type"] * 4 + ["mutant"] * 4},
        types=("Expression profiling by high throughput sequencing",),
        value_kind="counts",
    )


def read_matrix(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The table of a series matrix file and the sample titles, by pandas alone."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        header = []
        for line in lines:
            if line.startswith("!series_matrix_table_begin"):
                break
            header.append(line)
        table = pd.read_csv(lines, sep="\t", index_col=0, float_precision="round_trip", comment="!")
    titles = next(line for line in header if line.startswith("!Sample_title"))
    return table, [title.strip('"') for title in titles.strip().split("\t")[1:]]


def reference(shared: Path, name: str) -> pd.DataFrame:
    """A table that R made, index the feature identifiers as text."""
    table = pd.read_csv(shared / "reference" / f"{name}.csv.gz", float_precision="round_trip", dtype={0: str})
    return table.set_index(table.columns[0])


def assert_agrees(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    """logFC to 1e-9, B to 1e-6, t and P to relative 1e-8 (t of a fold change of 0 to 1e-12), on every row."""
    assert list(table.index.astype(str)) == list(expected.index)
    np.testing.assert_allclose(table["logFC"], expected["logFC"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(table["AveExpr"], expected["AveExpr"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(table["B"], expected["B"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(table["t"], expected["t"], rtol=1e-8, atol=1e-12)
    for name in ("P.Value", "adj.P.Val"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-8, atol=0)
