"""The quality sheet of single cells, and that scanpy's own measures are the same."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from omics_nb.analysis.cell_quality import cell_quality
from omics_nb.errors import DataError


def cells(n: int = 300, n_genes: int = 1200, *, samples: int = 2) -> anndata.AnnData:
    """Cells of about 2,400 counts, 5 % of them of ten mitochondrial genes; cell 0 is empty, 1 broken, 2 a double."""
    rng = np.random.default_rng(4)
    mean = np.full(n_genes, 2.0)
    mean[:10] = 12.0
    depth = np.exp(rng.normal(0, 0.1, n))
    depth[1], depth[2] = 0.3, 4.0
    counts = rng.poisson(depth[:, None] * mean)
    counts[1, :10] *= 30
    counts[0] = 0
    names = [f"MT-{i}" if i < 10 else f"G{i}" for i in range(n_genes)]
    obs = pd.DataFrame({"sample": [f"S{i % samples}" for i in range(n)]}, index=[f"c{i}" for i in range(n)])
    return anndata.AnnData(
        sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=names), uns={"accession": "GSE1"}
    )


def test_broken_doubled_and_empty_cells_stand_out_and_no_others() -> None:
    found = cell_quality(cells())
    assert set(found.outliers) == {"c0", "c1", "c2"}
    why = found.cells["stands_out"]
    assert why["c0"] == "no counts"
    assert "mitochondrial" in why["c1"]
    assert "many counts" in why["c2"]


def test_the_measures_are_sums_of_the_counts_sparse_or_dense() -> None:
    adata = cells()
    found = cell_quality(adata).cells
    dense = adata.X.toarray()
    np.testing.assert_array_equal(found["n_counts"], dense.sum(axis=1))
    np.testing.assert_array_equal(found["n_genes"], (dense > 0).sum(axis=1))
    np.testing.assert_allclose(
        found["percent_mito"][3:], 100 * dense[3:, :10].sum(axis=1) / dense[3:].sum(axis=1)
    )
    again = cell_quality(anndata.AnnData(dense, obs=adata.obs, var=adata.var)).cells
    pd.testing.assert_frame_equal(found, again, check_dtype=False)


def test_each_sample_is_judged_by_its_own_cells() -> None:
    adata = cells()
    deep = adata.X.toarray()
    deep[adata.obs["sample"] == "S1"] *= 3
    found = cell_quality(anndata.AnnData(deep, obs=adata.obs, var=adata.var))
    assert set(found.outliers) == {"c0", "c1", "c2"}
    assert list(found.samples.index) == ["S0", "S1"]
    assert found.samples.loc["S1", "median counts"] > 2.5 * found.samples.loc["S0", "median counts"]
    assert cell_quality(adata, sample="nothing").samples.index.tolist() == ["all"]


def test_shallow_cells_and_dying_cells_are_warned_of() -> None:
    adata = cells()
    few = anndata.AnnData((adata.X.toarray() // 5), obs=adata.obs, var=adata.var)
    verdicts = {check.name: check.verdict for check in cell_quality(few).checks}
    assert verdicts["counts per cell"] == "warn"
    dying = adata.X.toarray()
    dying[:, :10] *= 8
    found = cell_quality(anndata.AnnData(dying, obs=adata.obs, var=adata.var))
    assert {check.name: check.verdict for check in found.checks}["mitochondrial share"] == "fail"


def test_what_is_no_count_is_refused() -> None:
    adata = cells(20)
    with pytest.raises(DataError, match="no counts"):
        cell_quality(anndata.AnnData(np.log1p(adata.X.toarray()), obs=adata.obs, var=adata.var))
    with pytest.raises(DataError, match="no cell"):
        cell_quality(adata[:0])


def test_without_mitochondrial_genes_that_check_is_left_out_and_it_shows_itself() -> None:
    adata = cells()
    found = cell_quality(adata[:, 10:])
    assert found.cells["percent_mito"].isna().all()
    assert "mitochondrial share" not in {check.name for check in found.checks}
    assert "Cells of GSE1" in str(cell_quality(adata))
    assert "Median genes" in cell_quality(adata)._repr_html_()
