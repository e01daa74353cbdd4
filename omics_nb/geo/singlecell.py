"""Single-cell counts: 10x Genomics' triplets of files, its ``.h5``, and ``.h5ad``.

Formats:
https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-mex-matrices and
https://anndata.readthedocs.io/en/stable/fileformat-prose.html. HDF5 files can point at other files of the
machine and declare arrays of any size in a few bytes, so both are looked at before anything is read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

from ..errors import DataError, FormatError, IntegrityError, MissingExtraError
from ..records import Study
from . import files
from .cells import CellFiles, Triplet
from .files import LocalFile
from .parts import some
from .tables import Block, read_texts, unique_names

#: Arrays of an HDF5 file may take this much memory together when read.
LIMIT_BYTES = 16 * 2**30
_SMALLEST_ENTRY = len("1 1 1\n")
_SMALL_BYTES = 64 << 20
# Deflate packs at most 1,032 to one; unwritten chunks are filled with a default and take no room at all.
_MOST_COMPRESSION = 1100


@dataclass(frozen=True, slots=True, eq=False)
class CellMatrix:
    """Counts of one sample. ``counts``: features × cells, sparse by column; ``features``: by identifier.

    ``obs`` is what an h5ad says of its cells.
    """

    sample: str
    counts: Any
    features: pd.DataFrame
    barcodes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    obs: pd.DataFrame | None = None

    def to_anndata(self) -> Any:
        """Cells × features; MissingExtraError without anndata."""
        anndata = require_anndata()
        var = self.features.set_axis(unique_names(list(map(str, self.features.index))))
        return anndata.AnnData(X=self.counts.T.tocsr(), obs=pd.DataFrame(index=list(self.barcodes)), var=var)


def read_cells(found: CellFiles, got: Sequence[LocalFile], folder: Path) -> CellMatrix:
    """The counts of one matrix from its files, in the order of their names; ``folder`` takes what is unpacked.

    Errors as ``read_triplet``, ``read_10x_h5`` and ``read_h5ad``.
    """
    paths = [file.path for file in got]
    if found.kind == "10x triplet":
        return read_triplet(Triplet(found.label, *paths))
    path = _unpacked(paths[0], folder)
    if found.kind == "10x .h5":
        return read_10x_h5(path)
    data = read_h5ad(path)
    if data.X is None:
        raise FormatError(f"{path.name} has no matrix X", path=str(path))
    note = f"{path.name}: its X, obs and var were taken; layers, raw, embeddings and uns stay in the file"
    counts = scipy.sparse.csc_matrix(data.X.T)
    return CellMatrix(path.name, counts, data.var, tuple(map(str, data.obs_names)), (note,), data.obs)


def _unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or what it holds where it is gzip: HDF5 is read by places in the file."""
    if path.suffix.lower() != ".gz":
        return path
    target = folder / path.stem
    with target.open("xb") as out:
        out.writelines(files.stream(path))
    return target


def join_cells(
    study: Study,
    found: Sequence[tuple[CellFiles, CellMatrix]],
    used: Sequence[LocalFile],
    *,
    source: str,
    common: bool = False,
    notes: Sequence[str] = (),
) -> Any:
    """One AnnData of all cells: cells × features, ``obs`` the sheet's row of each cell's sample.

    Cells of samples with different features are not joined: what was not looked for is not zero. DataError names the
    difference; ``common`` keeps the features that all have, and says in ``uns["notes"]`` how many it left out.
    """
    matrices = [matrix for _, matrix in found]
    labels = unique_names([one.sample or one.label for one, _ in found])
    features, told = _shared_features(study.accession, labels, matrices, common=common)
    unknown = sorted({one.sample for one, _ in found if one.sample} - set(study.samples.index))
    if unknown:
        told.append(f"the sheet of {study.accession} at hand says nothing of {some(unknown)}")
    counts = scipy.sparse.vstack([_of(matrix, features.index) for matrix in matrices], format="csr")
    whole = bool((counts.data >= 0).all() and (counts.data == np.floor(counts.data)).all())
    if whole and counts.dtype.kind == "i" and counts.data.max(initial=0) <= np.iinfo(np.int32).max:
        counts = counts.astype(np.int32)
    return require_anndata().AnnData(
        X=counts,
        obs=_cell_sheet(study, labels, found),
        var=features.set_axis(unique_names(list(map(str, features.index)))),
        uns={
            "accession": study.accession,
            "title": study.title,
            "value_kind": "counts" if whole else "expression",
            "source": source,
            "synthetic": study.synthetic,
            "files": {file.name: file.record.sha256 for file in used},
            "notes": [*(note for matrix in matrices for note in matrix.notes), *told, *notes],
        },
    )


def _shared_features(
    accession: str, labels: Sequence[str], matrices: Sequence[CellMatrix], *, common: bool
) -> tuple[pd.DataFrame, list[str]]:
    first = matrices[0].features
    unlike = [at for at, matrix in enumerate(matrices) if not _same_names(matrix.features, first)]
    shared, notes = first, []
    if unlike:
        other = matrices[unlike[0]].features
        only = [left.index.difference(right.index) for left, right in ((first, other), (other, first))]
        several = [
            label
            for label, matrix in zip(labels, matrices, strict=True)
            if matrix.features.index.has_duplicates
        ]
        told = (
            f"{labels[0]} has {len(first):,} features and {labels[unlike[0]]} has {len(other):,}; "
            f"{len(only[0]):,} are in the first alone ({some(only[0], 2)}) and {len(only[1]):,} in the other "
            f"({some(only[1], 2)}); {len(unlike):,} of {len(matrices):,} matrices differ from the first"
        )
        if not common or several:
            advice = f"; names that stand twice, as in {some(several)}, cannot be joined" if several else ""
            raise DataError(
                f"the cells of {accession} have different features: {told}. Read them apart (samples=[…]), or only "
                f"the features that all have (common=True){advice}",
                accession=accession,
            )
        for at in unlike:
            shared = shared[shared.index.isin(matrices[at].features.index)]
        if shared.empty:
            raise DataError(
                f"the cells of {accession} have no feature in common: {told}", accession=accession
            )
        notes.append(f"only the {len(shared):,} features that all samples have were kept: {told}")
    for label, matrix in zip(labels, matrices, strict=True):
        same = matrix.features.index.equals(shared.index)
        if not (matrix.features if same else matrix.features.reindex(shared.index)).equals(shared):
            notes.append(f"{label} tells other things of the same features than {labels[0]}, whose are shown")
    return shared, notes


def _same_names(features: pd.DataFrame, first: pd.DataFrame) -> bool:
    """Whether both have the same features; another order will do where no name stands twice."""
    same, other = features.index, first.index
    return same.equals(other) or (same.is_unique and len(same) == len(other) and bool(same.isin(other).all()))


def _of(matrix: CellMatrix, wanted: pd.Index) -> Any:
    """Cells × the features that are wanted, in their order."""
    if matrix.features.index.equals(wanted):
        return matrix.counts.T
    return matrix.counts[matrix.features.index.get_indexer(wanted)].T


def _cell_sheet(
    study: Study, labels: Sequence[str], found: Sequence[tuple[CellFiles, CellMatrix]]
) -> pd.DataFrame:
    """One row a cell: its sample, barcode and file, what the study says of the sample, what an h5ad says of it."""
    of_all = study.samples.index[0] if study.n_samples == 1 else ""
    samples = [one.sample or of_all for one, _ in found]
    place = [at for at, (_, matrix) in enumerate(found) for _ in matrix.barcodes]
    barcodes = [barcode for _, matrix in found for barcode in matrix.barcodes]
    sheet = study.samples.reindex(samples).fillna("").astype(str)
    columns: dict[str, Any] = {
        "sample": pd.Categorical(samples).take(place),
        "barcode": barcodes,
        "file": pd.Categorical([one.names[0] for one, _ in found]).take(place),
    }
    own = pd.concat([_own(matrix) for _, matrix in found], ignore_index=True)
    told = {str(name): pd.Categorical(sheet[name]).take(place) for name in sheet}
    for source, cells in (("sheet", told), ("file", {str(name): own[name].to_numpy() for name in own})):
        for name, values in cells.items():
            name = name.replace("/", "|")  # which h5ad takes for a path
            columns[name if name not in columns else f"{name} ({source})"] = values
    index = unique_names([f"{labels[at]}_{barcode}" for at, barcode in zip(place, barcodes, strict=True)])
    return pd.DataFrame(columns, index=index)


def _own(matrix: CellMatrix) -> pd.DataFrame:
    return matrix.obs if matrix.obs is not None else pd.DataFrame(index=range(len(matrix.barcodes)))


def read_triplet(triplet: Triplet) -> CellMatrix:
    """The counts. FormatError if a part is no such file; IntegrityError if the parts do not fit."""
    features = _features(triplet.features)
    barcodes = tuple(line.split("\t")[0] for line in _lines(triplet.barcodes))
    data = files.read_bytes(triplet.matrix)
    rows, columns, entries = _shape(data, triplet.matrix.name)
    notes: tuple[str, ...] = ()
    expected = (len(features), len(barcodes))
    if (rows, columns) != expected and (columns, rows) != expected:
        raise IntegrityError(
            f"{triplet.matrix.name} is {rows} × {columns}, and its files name {len(features)} features and "
            f"{len(barcodes)} barcodes",
            path=str(triplet.matrix),
        )
    counts = _coordinates(data, triplet.matrix.name, entries)
    if (rows, columns) != expected:
        counts = counts.T
        notes = (f"{triplet.matrix.name}: cells stand in rows; it was turned",)
    return CellMatrix(triplet.sample, counts.tocsc(), features, barcodes, notes)


def read_10x_h5(path: Path) -> CellMatrix:
    """The counts of a Cell Ranger ``.h5``, version 2 or 3. FormatError if it is none; see ``guard_hdf5``."""
    h5py = _h5py()
    guard_hdf5(path)
    try:
        with h5py.File(path, "r") as store:
            group = store.get("matrix") or next(
                (g for g in store.values() if isinstance(g, h5py.Group)), store
            )
            shape = tuple(int(n) for n in group["shape"][:])
            data, indices, indptr = (group[name][:] for name in ("data", "indices", "indptr"))
            named = group.get("features", group)
            old = {"id": "genes", "symbol": "gene_names"}
            columns = old if named is group else {"id": "id", "symbol": "name", "type": "feature_type"}
            texts = {title: [text.decode() for text in named[key][:]] for title, key in columns.items()}
            barcodes = tuple(text.decode() for text in group["barcodes"][:])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path.name} is no matrix of Cell Ranger, which has data, indices, indptr, shape, barcodes and features: "
            f"{error}",
            path=str(path),
        ) from error
    if shape != (len(texts["id"]), len(barcodes)):
        raise IntegrityError(
            f"{path.name} is {shape} and names {len(texts['id'])} features and {len(barcodes)} barcodes",
            path=str(path),
        )
    counts = _by_column(data, indices, indptr, shape, path.name)
    features = pd.DataFrame(texts, dtype=object).set_index("id").rename_axis("feature")
    return CellMatrix(path.name, counts, features, barcodes)


def read_h5ad(path: Path) -> Any:
    """The AnnData of an ``.h5ad`` file, after ``guard_hdf5``. FormatError if anndata cannot read it."""
    anndata = require_anndata()
    guard_hdf5(path)
    try:
        data = anndata.read_h5ad(path)
        if scipy.sparse.issparse(data.X):
            data.X.check_format(full_check=True)
        return data
    except (KeyError, ValueError, TypeError, OSError, AttributeError, IndexError, RuntimeError) as error:
        raise FormatError(
            f"{path.name} is HDF5 but no h5ad that can be read: {error}", path=str(path)
        ) from error


def guard_hdf5(path: Path, *, limit: int = LIMIT_BYTES) -> None:
    """Refuse an HDF5 file that reaches outside of itself or that declares more than it holds.

    FormatError: not HDF5, links to other files, data kept in other files. DataError: its arrays take more
    than ``limit`` bytes together, or one is thousands of times its stored size.
    """
    h5py = _h5py()
    for _ in files.stream(path):
        break
    try:
        with h5py.File(path, "r") as store:
            total = sum(
                _checked_size(item, path) for item in _objects(store, path) if isinstance(item, h5py.Dataset)
            )
    except (OSError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path.name} cannot be read as HDF5: {error}", path=str(path)) from error
    if total > limit:
        raise DataError(
            f"{path.name} declares arrays of {total:,} bytes, above the limit of {limit:,}", path=str(path)
        )


def _objects(store: Any, path: Path) -> Iterator[Any]:
    """Every group and array once, cycles or not; a link to another file is an error."""
    h5py = _h5py()
    waiting, seen = [store], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise FormatError(
                    f"{path.name}: {name!r} is a link to another file, {link.filename!r}", path=str(path)
                )
            item = group.get(name)
            if item is None:
                raise FormatError(f"{path.name}: {name!r} is a link to nothing", path=str(path))
            address = h5py.h5o.get_info(item.id).addr
            if address not in seen:
                seen.add(address)
                yield item
                if isinstance(item, h5py.Group):
                    waiting.append(item)


def _checked_size(array: Any, path: Path) -> int:
    if array.external or array.is_virtual:
        raise FormatError(f"{path.name}: the data of {array.name!r} are in another file", path=str(path))
    size = int(array.nbytes or 0)
    if size > _SMALL_BYTES and size > _MOST_COMPRESSION * array.id.get_storage_size():
        raise DataError(
            f"{path.name}: {array.name!r} declares {size:,} bytes and stores {array.id.get_storage_size():,}",
            path=str(path),
        )
    return size


def _features(path: Path) -> pd.DataFrame:
    lines = _lines(path)
    width = max(line.count("\t") for line in lines) + 1
    block = Block(tuple(map(str, range(width))), "\n".join(lines).encode(), path.name)
    frame, _ = read_texts(block)
    frame = frame.set_axis(["feature", "symbol", "type", *map(str, range(3, width))][:width], axis=1)
    if width == 1:
        frame["symbol"] = frame["feature"]
    return frame.set_index("feature")


def _lines(path: Path) -> list[str]:
    text = files.decode(files.read_text(path))[0]
    lines = [line for line in text.split("\n") if line]
    if not lines:
        raise FormatError(f"{path.name} names nothing: it has no lines", path=str(path))
    return lines


def _shape(data: bytes, name: str) -> tuple[int, int, int]:
    """Rows, columns and entries that a MatrixMarket file declares, checked against its own length."""
    if not data.startswith(b"%%MatrixMarket matrix coordinate"):
        raise FormatError(f"{name} is no sparse MatrixMarket file: it begins with {data[:40]!r}", path=name)
    at = 0
    while data.startswith(b"%", at):
        at = data.find(b"\n", at) + 1 or len(data)
    found = re.match(rb"\s*(\d+)\s+(\d+)\s+(\d+)\s*\n?", data[at : at + 200])
    if not found:
        raise FormatError(f"{name}: no line with the numbers of rows, columns and entries", path=name)
    rows, columns, entries = (int(number) for number in found.groups())
    if entries * (_SMALLEST_ENTRY - 1) > len(data):
        raise IntegrityError(
            f"{name} is cut off: it declares {entries:,} entries and has {len(data):,} bytes", path=name
        )
    return rows, columns, entries


def _coordinates(data: bytes, name: str, entries: int) -> Any:
    try:
        counts = scipy.io.mmread(io.BytesIO(data)).tocoo()
    except (ValueError, OverflowError) as error:
        raise IntegrityError(f"{name} is damaged: {error}", path=name) from error
    if counts.nnz > entries:
        raise IntegrityError(f"{name} has {counts.nnz:,} entries and declares {entries:,}", path=name)
    return counts


def _by_column(data: Any, indices: Any, indptr: Any, shape: tuple[int, ...], name: str) -> Any:
    """The matrix, its indices checked: those out of bounds would be read as memory by what comes after."""
    try:
        matrix = scipy.sparse.csc_matrix((data, indices, indptr), shape)
        matrix.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{name} is damaged: {error}", path=name) from error
    return matrix


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            "HDF5 files need h5py; run: pip install 'omics-nb[anndata]'", extra="anndata"
        ) from error
    return h5py


def require_anndata() -> Any:
    """The package; MissingExtraError where it is not installed."""
    try:
        import anndata
    except ImportError as error:
        raise MissingExtraError(
            "AnnData is not installed; run: pip install 'omics-nb[anndata]'", extra="anndata"
        ) from error
    return anndata
