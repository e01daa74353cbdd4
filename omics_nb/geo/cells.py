"""Which single-cell files a study has, told by their names, and getting them out of GEO's archives.

GEO keeps the files of single samples beside the series or together in its ``_RAW.tar``: 10x Genomics' triplets
(``GSM7022367_1_matrix.mtx.gz`` with features and barcodes), Cell Ranger's ``.h5``, and ``.h5ad``.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Literal, cast

from ..errors import DataError, FormatError, IntegrityError, NotFoundError
from . import files
from .around import Files, Member
from .files import LocalFile
from .parts import some

_PARTS = re.compile(
    r"(?P<prefix>.*?)(?P<part>matrix\.mtx|features\.tsv|genes\.tsv|barcodes\.tsv)(\.gz)?$", re.IGNORECASE
)
_ROLES = {
    "matrix.mtx": "matrix",
    "features.tsv": "features",
    "genes.tsv": "features",
    "barcodes.tsv": "barcodes",
}
# Cell Ranger's molecule_info.h5 lists reads, not cells.
_HDF5 = re.compile(r"(?!.*molecule_info)(?P<prefix>.*?)\.(?P<ending>h5ad|h5)(\.gz)?$", re.IGNORECASE)
_SAMPLE = re.compile(r"(?<![A-Za-z0-9])GSM\d+")
_TAR_END = bytes(1024)

CellKind = Literal["10x triplet", "10x .h5", ".h5ad"]
#: The rawest first.
_KINDS: tuple[CellKind, ...] = ("10x triplet", "10x .h5", ".h5ad")


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


@dataclass(frozen=True, slots=True)
class CellFiles:
    """The files, by name, that hold one matrix of cells: matrix, features and barcodes of a triplet, else one.

    ``sample`` is empty where the names tell none; ``label`` is what the names begin with.
    """

    kind: CellKind
    names: tuple[str, ...]
    label: str
    sample: str


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
            place = f" in {folder.name}" if folder.name else ""
            raise FormatError(f"{group['matrix'].name} lacks its {' and '.join(lacking)} file{place}")
        if "matrix" in group:
            triplets.append(Triplet(prefix, group["matrix"], group["features"], group["barcodes"]))
    return triplets


def find_cells(names: Iterable[str], samples: Sequence[str] | None = None) -> list[CellFiles]:
    """The matrices of cells among files of these names, each cell once.

    ``samples`` limits them to some accessions. Of Cell Ranger's two matrices the filtered one is taken: the raw one
    is mostly empty droplets. Of one sample the rawest kind is taken, and files of the whole series only where single
    samples have none. FormatError for a matrix without its names, NotFoundError for samples that have no such file.
    """
    kept = set(names)
    if samples is not None:
        have = sorted({_sample_of(name) for name in kept if _is_of_cells(name)} - {""})
        if lacking := sorted(set(samples) - set(have)):
            raise NotFoundError(
                f"no single-cell files are named by {some(lacking)}; samples that have such files: "
                f"{some(have) or 'none'}"
            )
        kept = {name for name in kept if _sample_of(name) in {"", *samples}}
    kept -= {name.replace("filtered", "raw") for name in kept if "filtered" in name}
    found = [
        _cell_files("10x triplet", triplet.prefix, triplet.matrix, triplet.features, triplet.barcodes)
        for triplet in find_triplets(map(Path, kept))
    ]
    for name in sorted(kept):
        if match := _HDF5.match(Path(name).name):
            kind: CellKind = ".h5ad" if match["ending"].lower() == "h5ad" else "10x .h5"
            found.append(_cell_files(kind, match["prefix"], Path(name)))
    of_samples = sorted((one for one in found if one.sample), key=lambda one: (one.sample, one.label))
    return _rawest(of_samples) or _rawest(found)


def left_out(names: Iterable[str], found: Sequence[CellFiles]) -> list[str]:
    """Files by whose names they hold cells and that ``find_cells`` did not choose."""
    chosen = {name for one in found for name in one.names}
    return sorted(filter(_is_of_cells, set(names) - chosen))


def _is_of_cells(name: str) -> bool:
    return bool(_PARTS.match(Path(name).name) or _HDF5.match(Path(name).name))


def _cell_files(kind: CellKind, prefix: str, *paths: Path) -> CellFiles:
    names = tuple(path.as_posix() for path in paths)
    label = prefix.strip("_.-") or paths[0].parent.name or kind
    return CellFiles(kind, names, label, _sample_of(names[0]))


def _rawest(found: Sequence[CellFiles]) -> list[CellFiles]:
    best: dict[str, CellKind] = {}
    for one in found:
        best[one.sample] = min(one.kind, best.get(one.sample, one.kind), key=_KINDS.index)
    return [one for one in found if one.kind == best[one.sample]]


def _sample_of(name: str) -> str:
    found = _SAMPLE.search(name)
    return found[0] if found else ""


def describe(accession: str, at_hand: Sequence[str], named: Sequence[str]) -> Iterator[str]:
    """A note on the single-cell files among those at hand, else among those that a study's own lines name."""
    for names, source in ((at_hand, ""), (named, ", source='ncbi'")):
        try:
            found = find_cells(names)
        except FormatError as error:
            yield f"Single-cell files of {accession} are not complete: {error}."
            return
        if found:
            kinds = " and ".join(dict.fromkeys(one.kind for one in found))
            of = some(list(dict.fromkeys(one.sample or one.label for one in found)))
            yield (
                f"{accession} has single-cell files ({kinds}) of {of}: "
                f"omics.cells(study{source}) reads them as AnnData, cells × features."
            )
            return


def check_size(found: Sequence[CellFiles], listed: Files, limit: int) -> None:
    """DataError with what to do where the files are larger than ``limit`` bytes together.

    A file whose size is not known counts as none: it is held to the limit while it is downloaded.
    """
    sizes = {name: n_bytes or 0 for name, n_bytes in sizes_of(listed).items()}
    of = [sum(sizes[name] for name in one.names) for one in found]
    if sum(of) > limit:
        first = found[0].sample
        fewer = f"name some samples (samples=[{first!r}] is {of[0] / 2**20:,.1f} MiB), or " if first else ""
        raise DataError(
            f"the single-cell files of {listed.accession} are {sum(of) / 2**20:,.1f} MiB, above the limit of"
            f" {limit / 2**20:,.1f} MiB: {fewer}raise max_bytes to {sum(of):,}",
            accession=listed.accession,
            n_bytes=sum(of),
        )


def sizes_of(listed: Files) -> dict[str, int | None]:
    """Name → bytes of every supplementary file and of those in archives."""
    plain = {file.name: file.n_bytes for file in listed if file.role == "supplement"}
    return {**{member.name: member.n_bytes for member in listed.members}, **plain}


# --- archives --------------------------------------------------------------------------------------------------------


def is_archive(name: str) -> bool:
    """Whether a file is GEO's archive of the files of single samples."""
    return name.lower().endswith("_raw.tar")


def list_members(path: Path) -> tuple[Member, ...]:
    """What a ``_RAW.tar`` holds. IntegrityError if it is damaged or cut off; FormatError for what no archive of
    GEO's holds: links, devices, sparse files, and names that lead out of a folder.
    """
    with _opened(path) as archive:
        return tuple(Member(item.name, item.size, path.name) for item in _checked(archive, path))


def local_files(listed: Files, names: Sequence[str], folder: Path) -> list[LocalFile]:
    """These of the files that lie on this disk; members of archives are unpacked into ``folder``."""
    places = {file.name: Path(file.location) for file in listed}
    archives = {member.name: member.archive for member in listed.members}
    return [
        files.local_file(places[name]) if name in places else unpack(places[archives[name]], name, folder)
        for name in names
    ]


def unpack(path: Path, name: str, folder: Path) -> LocalFile:
    """A member as a file in ``folder``, without the folders in its name. Errors as ``list_members``."""
    target = folder / PurePosixPath(name).name
    status = path.stat()
    member = _members(path, status.st_size, status.st_mtime_ns)[name]
    with _opened(path) as archive:
        # A plain file, as was checked; only others have no content.
        content = cast("IO[bytes]", archive.extractfile(member))
        with content, target.open("xb") as out:
            shutil.copyfileobj(content, out, 1 << 20)
    return files.local_file(target, location=f"{path}!{name}")


@lru_cache(maxsize=4)
def _members(path: Path, n_bytes: int, mtime_ns: int) -> dict[str, tarfile.TarInfo]:
    """Members by name, found once while the archive is the same: thousands are unpacked one by one."""
    del n_bytes, mtime_ns
    with _opened(path) as archive:
        return {item.name: item for item in _checked(archive, path)}


def _checked(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    for item in archive:
        if item.isdir():
            continue
        if not item.isreg() or item.issparse():
            raise FormatError(f"{path.name} holds {item.name!r}, which is no plain file", path=str(path))
        if item.name.startswith("/") or "\\" in item.name or ".." in PurePosixPath(item.name).parts:
            raise FormatError(
                f"{path.name} holds {item.name!r}, a name that leads out of its folder", path=str(path)
            )
        yield item


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The archive, which must not be packed: a member is then never larger than the archive."""
    try:
        with path.open("rb") as handle:
            handle.seek(-min(path.stat().st_size, len(_TAR_END)), 2)
            if handle.read() != _TAR_END:
                raise IntegrityError(
                    f"{path.name} is no whole tar archive: it does not end with two blocks of zeros. Fetch it again",
                    path=str(path),
                )
        with tarfile.open(path, "r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{path.name} is damaged: {error}", path=str(path)) from error
