"""Single-cell counts: 10x Genomics' triplets of files, its ``.h5``, and ``.h5ad``.

Formats:
https://www.10xgenomics.com/support/software/cell-ranger/latest/analysis/outputs/cr-outputs-mex-matrices and
https://anndata.readthedocs.io/en/stable/fileformat-prose.html. HDF5 files can point at other files of the
machine and declare arrays of any size in a few bytes, so both are looked at before anything is read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import scipy.io
import scipy.sparse

from ..errors import DataError, FormatError, IntegrityError, MissingExtraError
from . import files
from .tables import Block, read_texts, unique_names

#: Arrays of an HDF5 file may take this much memory together when read.
LIMIT_BYTES = 16 * 2**30
_PARTS = re.compile(
    r"(?P<prefix>.*?)(?P<part>matrix\.mtx|features\.tsv|genes\.tsv|barcodes\.tsv)(\.gz)?$", re.IGNORECASE
)
_ROLES = {
    "matrix.mtx": "matrix",
    "features.tsv": "features",
    "genes.tsv": "features",
    "barcodes.tsv": "barcodes",
}
_SMALLEST_ENTRY = len("1 1 1\n")
_SMALL_BYTES = 64 << 20
# Deflate packs at most 1,032 to one; unwritten chunks are filled with a default and take no room at all.
_MOST_COMPRESSION = 1100


@dataclass(frozen=True, slots=True)
class Triplet:
    """The three files of one sample; ``prefix`` is what their names begin with (``GSM7022367_1_``)."""

    prefix: str
    matrix: Path
    features: Path
    barcodes: Path

    @property
    def sample(self) -> str:
        """The sample's accession where the prefix has one, else the prefix."""
        found = re.match(r"GSM\d+", self.prefix)
        return found[0] if found else self.prefix.strip("_.-")


@dataclass(frozen=True, slots=True, eq=False)
class CellMatrix:
    """Counts of one sample. ``counts``: features × cells, sparse by column; ``features``: by identifier."""

    sample: str
    counts: Any
    features: pd.DataFrame
    barcodes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_anndata(self) -> Any:
        """Cells × features; MissingExtraError without anndata."""
        anndata = _anndata()
        var = self.features.set_axis(unique_names(list(map(str, self.features.index))))
        return anndata.AnnData(X=self.counts.T.tocsr(), obs=pd.DataFrame(index=list(self.barcodes)), var=var)


def find_triplets(paths: Iterable[Path]) -> list[Triplet]:
    """The complete triplets among these files, by folder and prefix.

    FormatError names the parts that a sample lacks: a matrix is of no use without its names. GEO keeps
    features that all samples share once for the series; such a file serves every matrix of its folder.
    """
    groups: dict[tuple[Path, str], dict[str, Path]] = {}
    for path in sorted(paths):
        found = _PARTS.match(path.name)
        if found:
            role = _ROLES[found["part"].lower()]
            groups.setdefault((path.parent, found["prefix"]), {})[role] = path
    shared = {
        folder: group
        for (folder, _), group in groups.items()
        if "features" in group and "matrix" not in group
    }
    triplets = []
    for (folder, prefix), group in groups.items():
        group = {**({"features": shared[folder]["features"]} if folder in shared else {}), **group}
        lacking = sorted({"matrix", "features", "barcodes"} - set(group))
        if "matrix" in group and lacking:
            raise FormatError(
                f"{group['matrix'].name} lacks its {' and '.join(lacking)} file in {folder.name}"
            )
        if "matrix" in group:
            triplets.append(Triplet(prefix, group["matrix"], group["features"], group["barcodes"]))
    return triplets


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
    with h5py.File(path, "r") as store:
        group = store.get("matrix") or next((g for g in store.values() if isinstance(g, h5py.Group)), None)
        if group is None or not {"data", "indices", "indptr", "shape", "barcodes"} <= set(group):
            raise FormatError(
                f"{path.name} is no matrix of Cell Ranger: it has no group with data, indices and indptr"
            )
        shape = tuple(int(n) for n in group["shape"][:])
        data, indices, indptr = (group[name][:] for name in ("data", "indices", "indptr"))
        named = group.get("features", group)
        columns = {"id": "genes", "name": "gene_names"} if named is group else {"id": "id", "name": "name"}
        texts = {title: [text.decode() for text in named[key][:]] for title, key in columns.items()}
        barcodes = tuple(text.decode() for text in group["barcodes"][:])
    if shape != (len(texts["id"]), len(barcodes)):
        raise IntegrityError(
            f"{path.name} is {shape} and names {len(texts['id'])} features and {len(barcodes)} barcodes",
            path=str(path),
        )
    counts = _by_column(data, indices, indptr, shape, path.name)
    features = pd.DataFrame(
        {"symbol": texts["name"]}, index=pd.Index(texts["id"], dtype=object, name="feature")
    )
    return CellMatrix(path.name, counts, features, barcodes)


def read_h5ad(path: Path) -> Any:
    """The AnnData of an ``.h5ad`` file, after ``guard_hdf5``. FormatError if anndata cannot read it."""
    anndata = _anndata()
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


def _anndata() -> Any:
    try:
        import anndata
    except ImportError as error:
        raise MissingExtraError(
            "AnnData is not installed; run: pip install 'omics-nb[anndata]'", extra="anndata"
        ) from error
    return anndata
