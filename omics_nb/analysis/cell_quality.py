"""A quality sheet for single cells: counts, genes and mitochondrial share of each cell, and what stands out.

The three measures and the way to read them are those of M. D. Luecken, F. J. Theis (2019), "Current best practices in
single-cell RNA-seq analysis", Mol. Syst. Biol. 15:e8746, https://doi.org/10.15252/msb.20188746; a cell stands out
by five median absolute deviations (three for the mitochondrial share), as in L. Heumos et al. (2023), Nat. Rev.
Genet. 24:550, https://doi.org/10.1038/s41576-023-00586-w. Nothing is removed here, and what follows
(normalisation, clusters, markers) is for scanpy, which takes the AnnData as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import display
from ..errors import DataError
from ..records import Check, Verdict

if TYPE_CHECKING:
    import anndata

_FAR, _FAR_MITO = 5.0, 3.0
# Below it a share of mitochondrial counts is unremarkable, however tight the others lie.
_LEAST_MITO = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class CellQuality:
    """``cells``: one row a cell, ``n_counts``, ``n_genes``, ``percent_mito`` (NaN without mitochondrial genes),
    ``stands_out`` (why, or empty); ``samples``: the same by sample, medians and numbers.
    """

    cells: pd.DataFrame
    samples: pd.DataFrame
    checks: tuple[Check, ...]
    name: str

    @property
    def outliers(self) -> tuple[str, ...]:
        """Cells that stand out."""
        return tuple(map(str, self.cells.index[self.cells["stands_out"] != ""]))

    def __repr__(self) -> str:
        return f"CellQuality({self.name}, {len(self.cells)} cells, {len(self.outliers)} stand out)"

    def _repr_html_(self) -> str:
        return display.cell_quality_html(self)

    def __str__(self) -> str:
        return display.cell_quality_text(self)


def cell_quality(adata: anndata.AnnData, *, sample: str = "sample") -> CellQuality:
    """The sheet of raw counts (cells × genes, sparse or dense).

    ``sample``: the column of ``obs`` that tells samples apart, each of which is judged by its own cells; all cells are
    one where it is missing. Mitochondrial genes are told by names that begin with ``MT-`` (any case), in ``var_names``
    or a column of symbols. DataError where the values are no counts or there is no cell.
    """
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise DataError(f"there is no cell to judge ({adata.n_obs} cells × {adata.n_vars} genes)")
    cells = _measured(adata)
    groups = adata.obs[sample].astype(str) if sample in adata.obs else pd.Series("all", index=adata.obs_names)
    cells["stands_out"] = pd.concat(
        [_standing_out(part) for _, part in cells.groupby(groups.to_numpy())]
    ).loc[cells.index]
    name = str(adata.uns.get("accession", "cells"))
    return CellQuality(cells, _by_sample(cells, groups), tuple(_checks(cells)), name)


def _measured(adata: anndata.AnnData) -> pd.DataFrame:
    x = adata.X
    stored = x.data if hasattr(x, "indptr") else np.asarray(x)
    some = np.asarray(stored).ravel()[:1_000_000]
    if some.size and (not np.isfinite(some).all() or (some < 0).any() or (some % 1 != 0).any()):
        raise DataError(
            "the values are no counts (not whole, negative or missing); cells are judged before normalisation"
        )
    counts = np.asarray(x.sum(axis=1)).ravel().astype(float)
    genes = np.asarray((x > 0).sum(axis=1)).ravel().astype(int)
    mito = _mitochondrial(adata)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (
            100 * np.asarray(x[:, mito].sum(axis=1)).ravel() / counts
            if mito.any()
            else np.full(len(counts), np.nan)
        )
    return pd.DataFrame({"n_counts": counts, "n_genes": genes, "percent_mito": share}, index=adata.obs_names)


def _mitochondrial(adata: anndata.AnnData) -> np.ndarray[Any, np.dtype[np.bool_]]:
    named = [
        adata.var_names,
        *(adata.var[column] for column in ("symbol", "gene_symbols") if column in adata.var),
    ]
    found = [pd.Index(names).astype(str).str.upper().str.startswith("MT-") for names in named]
    return np.asarray(np.any(found, axis=0))


def _standing_out(cells: pd.DataFrame) -> pd.Series[str]:
    """Why a cell stands out of those of its sample; empty for the others."""
    why = pd.Series("", index=cells.index)
    for column, what in (("n_counts", "counts"), ("n_genes", "genes")):
        z = _robust_z(np.log1p(cells[column].to_numpy(float)))
        why[z < -_FAR] += f"few {what}; "
        why[z > _FAR] += f"many {what}; "
    share = cells["percent_mito"].to_numpy(float)
    if np.isfinite(share).any():
        why[(_robust_z(share) > _FAR_MITO) & (share > _LEAST_MITO)] += "mitochondrial; "
    why[cells["n_counts"].to_numpy() == 0] = "no counts; "
    return why.str.removesuffix("; ")


def _robust_z(values: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(values)
    deviation = 1.4826 * np.nanmedian(np.abs(values - middle))
    return np.asarray((values - middle) / max(float(deviation), 1e-9))


def _by_sample(cells: pd.DataFrame, groups: pd.Series[str]) -> pd.DataFrame:
    by = cells.groupby(groups.to_numpy())
    return pd.DataFrame(
        {
            "cells": by.size(),
            "median counts": by["n_counts"].median(),
            "median genes": by["n_genes"].median(),
            "median % mito": by["percent_mito"].agg(
                lambda share: share.dropna().median() if share.notna().any() else np.nan
            ),
            "stand out": by["stands_out"].apply(lambda why: int((why != "").sum())),
        }
    ).rename_axis("sample")


def _checks(cells: pd.DataFrame) -> list[Check]:
    counts, genes = float(cells["n_counts"].median()), float(cells["n_genes"].median())
    mito = float(cells["percent_mito"].median()) if cells["percent_mito"].notna().any() else float("nan")
    deep: Verdict = "ok" if counts >= 1000 else "warn"
    checks = [
        Check("counts per cell", counts, deep, f"{counts:,.0f} counts in the median cell{_shallow(deep)}."),
        Check(
            "genes per cell",
            genes,
            "ok" if genes >= 500 else "warn",
            f"{genes:,.0f} genes in the median cell.",
        ),
    ]
    if mito == mito:
        verdict: Verdict = "ok" if mito <= 10 else "warn" if mito <= 20 else "fail"
        checks.append(
            Check(
                "mitochondrial share",
                mito,
                verdict,
                f"{mito:.1f} % of the counts of the median cell are mitochondrial.",
            )
        )
    share = float((cells["stands_out"] != "").mean())
    said = f"{share:.1%} of {len(cells):,} cells stand out (column stands_out); look at them before leaving any out."
    return [*checks, Check("cells that stand out", share, "ok" if share <= 0.1 else "warn", said)]


def _shallow(verdict: Verdict) -> str:
    return "" if verdict == "ok" else "; below a thousand, or these are all barcodes and not cells"
