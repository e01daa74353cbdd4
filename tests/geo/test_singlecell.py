from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from omics_nb.errors import DataError, FormatError, IntegrityError
from omics_nb.geo.cells import Triplet, find_triplets
from omics_nb.geo.singlecell import guard_hdf5, read_10x_h5, read_h5ad, read_triplet


def triplet(folder: Path, matrix: str, *, features: str = "G1\tA\nG2\tB\n", prefix: str = "GSM1_") -> Triplet:
    for name, text in (
        ("matrix.mtx", matrix),
        ("genes.tsv", features),
        ("barcodes.tsv", "AA-1\nCC-1\nGG-1\n"),
    ):
        (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(text.encode()))
    return find_triplets(folder.iterdir())[0]


MATRIX = "%%MatrixMarket matrix coordinate integer general\n% made\n2 3 3\n1 1 5\n2 3 7\n1 2 1\n"


def test_a_triplet_is_found_and_read(tmp_path: Path) -> None:
    found = triplet(tmp_path, MATRIX)
    assert found.sample == "GSM1"
    cells = read_triplet(found)
    assert cells.counts.toarray().tolist() == [[5, 1, 0], [0, 0, 7]]
    assert cells.barcodes == ("AA-1", "CC-1", "GG-1")
    assert cells.features["symbol"].to_dict() == {"G1": "A", "G2": "B"}
    assert cells.to_anndata().shape == (3, 2)


def test_cells_in_rows_are_turned_and_said(tmp_path: Path) -> None:
    cells = read_triplet(
        triplet(
            tmp_path, MATRIX.replace("2 3 3", "3 2 3").replace("2 3 7", "3 2 7").replace("1 2 1", "2 1 1")
        )
    )
    assert cells.counts.toarray().tolist() == [[5, 1, 0], [0, 0, 7]]
    assert "cells stand in rows" in cells.notes[0]


@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        (
            MATRIX.replace("2 3 3", "2 4 3"),
            IntegrityError,
            "is 2 × 4, and its files name 2 features and 3 barcodes",
        ),
        (MATRIX.replace("2 3 3", "2 3 999999999"), IntegrityError, "declares 999,999,999 entries"),
        (MATRIX[: MATRIX.rindex("1 2 1")], IntegrityError, "damaged"),
        (MATRIX.replace("2 3 7", "9 3 7"), IntegrityError, "damaged"),
        (MATRIX.replace("2 3 7", "x y z"), IntegrityError, "damaged"),
        (MATRIX.replace("coordinate", "array"), FormatError, "no sparse MatrixMarket file"),
        ("%%MatrixMarket matrix coordinate integer general\n", FormatError, "no line with the numbers"),
    ],
)
def test_parts_that_do_not_fit_say_so(
    tmp_path: Path, matrix: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_triplet(triplet(tmp_path, matrix))


def test_a_matrix_without_its_names_says_which_file_is_lacking(tmp_path: Path) -> None:
    triplet(tmp_path, MATRIX)
    (tmp_path / "GSM1_barcodes.tsv.gz").unlink()
    with pytest.raises(FormatError, match="lacks its barcodes file"):
        find_triplets(tmp_path.iterdir())


def test_features_shared_by_a_series_serve_every_sample(tmp_path: Path) -> None:
    for prefix in ("GSM1_", "GSM2_"):
        triplet(tmp_path, MATRIX, prefix=prefix)
        (tmp_path / f"{prefix}genes.tsv.gz").rename(tmp_path / "GSE1_features.tsv.gz")
    assert [found.features.name for found in find_triplets(tmp_path.iterdir())] == [
        "GSE1_features.tsv.gz"
    ] * 2


@pytest.mark.parametrize(("prefix", "entries"), [("GSM7022367_1_", 56250), ("GSM7022368_2-1_", None)])
def test_real_triplets_are_read(shared: Path, prefix: str, entries: int | None) -> None:
    found = {item.prefix: item for item in find_triplets((shared / "singlecell/GSE224438").iterdir())}
    assert set(found) == {"GSM7022367_1_", "GSM7022368_2-1_"}
    cells = read_triplet(found[prefix])
    assert cells.sample == prefix[:10]
    assert cells.counts.shape == (1000, 1000)
    if entries:
        assert cells.features.loc["ENSMUSG00000033813", "symbol"] == "Tcea1"
        assert cells.counts.nnz == entries
        assert cells.counts[997, 0] == 9


def h5(path: Path, **changes: object) -> Path:
    counts = scipy.sparse.csc_matrix(np.array([[5, 1, 0], [0, 0, 7]]))
    parts = {
        "data": counts.data,
        "indices": counts.indices,
        "indptr": counts.indptr,
        "shape": np.array([2, 3]),
    }
    with h5py.File(path, "w") as store:
        group = store.create_group("matrix")
        for name, value in {**parts, "barcodes": [b"AA-1", b"CC-1", b"GG-1"], **changes}.items():
            group[name] = value
        features = group.create_group("features")
        features["id"], features["name"] = [b"G1", b"G2"], [b"A", b"B"]
        features["feature_type"] = [b"Gene Expression", b"Antibody Capture"]
    return path


def test_a_cell_ranger_h5_is_read(tmp_path: Path) -> None:
    cells = read_10x_h5(h5(tmp_path / "a.h5"))
    assert cells.counts.toarray().tolist() == [[5, 1, 0], [0, 0, 7]]
    assert cells.features["symbol"].tolist() == ["A", "B"]
    assert cells.features["type"].to_dict() == {"G1": "Gene Expression", "G2": "Antibody Capture"}


@pytest.mark.parametrize("lacking", ["matrix/features/id", "matrix/shape", "matrix/features"])
def test_an_h5_without_its_parts_is_no_matrix_of_cell_ranger(tmp_path: Path, lacking: str) -> None:
    path = h5(tmp_path / "a.h5")
    with h5py.File(path, "a") as store:
        del store[lacking]
    with pytest.raises(FormatError, match="no matrix of Cell Ranger"):
        read_10x_h5(path)


@pytest.mark.parametrize(
    "changes", [{"indices": [0, 0, 9]}, {"indptr": [0, 1, 2, 99]}, {"shape": [2, 30]}, {"indptr": [0, 3]}]
)
def test_an_h5_with_indices_out_of_bounds_is_damaged(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        read_10x_h5(h5(tmp_path / "a.h5", **changes))


def test_an_h5ad_is_read(tmp_path: Path) -> None:
    data = anndata.AnnData(scipy.sparse.csr_matrix(np.eye(3, 2)), obs=pd.DataFrame(index=list("abc")))
    data.write_h5ad(tmp_path / "a.h5ad")
    assert read_h5ad(tmp_path / "a.h5ad").shape == (3, 2)
    with pytest.raises(FormatError, match="no matrix of Cell Ranger"):
        read_10x_h5(shutil.copy(tmp_path / "a.h5ad", tmp_path / "b.h5"))


def test_an_hdf5_file_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    h5(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "link.h5", "w") as store:
        store.create_group("deep")["x"] = h5py.ExternalLink("secret.h5", "/matrix")
    with pytest.raises(FormatError, match=r"is a link to another file, 'secret\.h5'"):
        guard_hdf5(tmp_path / "link.h5")
    with h5py.File(tmp_path / "kept.h5", "w") as store:
        store.create_dataset("x", (4,), "u1", external=[(str(tmp_path / "secret.h5"), 0, 4)])
    with pytest.raises(FormatError, match="the data of '/x' are in another file"):
        guard_hdf5(tmp_path / "kept.h5")
    layout = h5py.VirtualLayout((2,), "i8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "matrix/shape", (2,))
    with h5py.File(tmp_path / "virtual.h5", "w") as store:
        store.create_virtual_dataset("x", layout)
    with pytest.raises(FormatError, match="are in another file"):
        guard_hdf5(tmp_path / "virtual.h5")


def test_an_array_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as store:
        store.create_dataset("x", (10**12,), "f8", chunks=(1024,))
    with pytest.raises(DataError, match=r"'/x' declares 8,000,000,000,000 bytes and stores 0"):
        guard_hdf5(tmp_path / "bomb.h5")
    with h5py.File(tmp_path / "large.h5", "w") as store:
        store["x"] = np.zeros(1000)
    with pytest.raises(DataError, match="above the limit of 100"):
        guard_hdf5(tmp_path / "large.h5", limit=100)


def test_links_in_a_circle_do_not_hang(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "circle.h5", "w") as store:
        group = store.create_group("a")
        group["self"] = group
        group["soft"] = h5py.SoftLink("/a")
    guard_hdf5(tmp_path / "circle.h5")


def test_what_is_no_hdf5_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"<html>no</html>")
    with pytest.raises(FormatError, match="is a web page"):
        guard_hdf5(tmp_path / "a.h5")
    whole = h5(tmp_path / "b.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[:600])
    with pytest.raises(FormatError, match="cannot be read as HDF5"):
        guard_hdf5(tmp_path / "b.h5")
