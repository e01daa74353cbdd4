from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omics_nb.errors import DataError
from omics_nb.geo.genes import to_genes

MATRIX = pd.DataFrame(
    {"GSM1": [1.0, 5, 3, 9, 7, 2], "GSM2": [2.0, 6, np.nan, 9, 7, 2]},
    index=["p1", "p2", "p3", "p4", "p5", "p6"],
)
SYMBOLS = pd.Series({"p1": "A", "p2": "A", "p3": "B", "p4": "A /// B", "p5": "", "p6": "A///A"})


def test_max_mean_keeps_the_brightest_feature_of_each_gene() -> None:
    genes = to_genes(MATRIX, SYMBOLS)
    assert genes.values.index.tolist() == ["A", "B"]
    assert genes.values.loc["A"].tolist() == [5, 6]
    assert genes.features.tolist() == ["p2", "p3"]


def test_median_is_taken_in_each_sample() -> None:
    genes = to_genes(MATRIX, SYMBOLS, how="median")
    assert genes.values.loc["A"].tolist() == [2, 2]
    assert genes.features["A"] == "p1 /// p2 /// p6"
    assert np.isnan(genes.values.loc["B", "GSM2"])


def test_all_keeps_every_feature_of_one_gene() -> None:
    genes = to_genes(MATRIX, SYMBOLS, how="all")
    assert genes.values.index.tolist() == ["A", "A", "B", "A"]
    assert genes.features.tolist() == ["p1", "p2", "p3", "p6"]
    assert genes.n_merged == 0


def test_what_was_lost_is_said() -> None:
    genes = to_genes(MATRIX, SYMBOLS.drop("p3"))
    assert (genes.n_features, genes.n_without_symbol, genes.n_ambiguous, genes.n_merged) == (6, 2, 1, 2)
    assert genes.lost == (
        "1 rows from 6 features (max-mean): 2 without a gene symbol and 1 with several were left out, 2 were merged"
    )


def test_of_equal_features_the_first_is_kept() -> None:
    genes = to_genes(pd.DataFrame({"s": [1.0, 1.0]}, index=["x", "y"]), pd.Series({"x": "A", "y": "A"}))
    assert genes.features.tolist() == ["x"]


def test_without_symbols_or_a_known_way_there_is_no_mapping() -> None:
    with pytest.raises(DataError, match="none of the 6 features has a symbol of one gene"):
        to_genes(MATRIX, SYMBOLS * 0)
    with pytest.raises(DataError, match="'max-mean', 'median' or 'all', not 'mean'"):
        to_genes(MATRIX, SYMBOLS, how="mean")  # type: ignore[arg-type]
