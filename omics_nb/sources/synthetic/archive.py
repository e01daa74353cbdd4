"""The archive as a folder laid out like GEO's FTP tree, with a manifest of what lies in it.

The texts are the same on every machine and for every version of numpy. Their compressed bytes are the same as
long as the zlib is, which is why ``content_digest`` is taken of the texts and the manifest, which only guards
a folder, of the files.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

from ...errors import SettingsError
from ...geo import layout
from . import write
from .catalogue import DATASETS, STUDIES
from .describe import platforms_of, supplementary_name
from .platforms import PLATFORMS
from .spec import StudySpec

#: Names the folder that the archive is generated into; goes up with every change of what is generated.
VERSION = "1"
MANIFEST = "manifest.json"
_LEVEL = 6


def texts() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Path below the root of the archive and what makes the text of each file, in a fixed order."""
    for accession, study in STUDIES.items():
        yield from _series_texts(accession, study)
    for accession in DATASETS:
        yield layout.soft_file(accession), partial(write.dataset_soft, accession)
    for accession, platform in PLATFORMS.items():
        if platform.annotated == "annot":
            yield layout.annot_file(accession), partial(write.platform_annot, accession)
        else:
            yield layout.soft_file(accession), partial(write.platform_soft, accession)


def content_digest() -> str:
    """SHA-256 over paths and texts of the whole archive."""
    total = sha256()
    for path, make in texts():
        total.update(f"{path}\n{sha256(make()).hexdigest()}\n".encode())
    return total.hexdigest()


def ensure_archive(cache: Path) -> Path:
    """The folder of the archive below ``cache``, generated if it is not there or not whole.

    Made in a folder of its own and renamed, so that no one ever sees half of it; where another process was
    faster, or a damaged one has to be mended, file by file, each in one step. SettingsError if the cache
    cannot be written.
    """
    folder = cache / f"demo-{VERSION}"
    if is_whole(folder):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".demo-{VERSION}-", dir=cache))
        try:
            write_archive(made)
            _put(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise SettingsError(
            f"the demo archive cannot be written to {folder}: {error}. "
            "Set OMICS_CACHE to a folder that can be written",
            path=str(folder),
        ) from error
    return folder


def write_archive(folder: Path) -> None:
    """Generate every file into ``folder``, the manifest last."""
    entries = {}
    for path, make in texts():
        packed = gzip.compress(make(), compresslevel=_LEVEL, mtime=0)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(packed)
        entries[path] = {"n_bytes": len(packed), "sha256": sha256(packed).hexdigest()}
    manifest = {"version": VERSION, "synthetic": True, "files": entries}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether every file of the manifest is there with its SHA-256."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = manifest["files"].items()
        return manifest["version"] == VERSION and all(
            sha256((folder / path).read_bytes()).hexdigest() == entry["sha256"] for path, entry in entries
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Whatever is wrong with it, it is not whole.
        return False


def _series_texts(accession: str, study: StudySpec) -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield layout.soft_file(accession), partial(write.family_soft, accession)
    platforms = platforms_of(study)
    if study.matrix:
        for platform in platforms:
            path = layout.matrix_file(accession, platform if len(platforms) > 1 else None)
            yield path, partial(write.series_matrix, accession, platform)
    folder = layout.suppl_folder(accession)
    if study.counts == "ncbi":
        yield f"{folder}/{accession}_raw_counts_GRCh38.p13_NCBI.tsv.gz", partial(write.count_table, accession)
        yield f"{folder}/Human.GRCh38.p13.annot.tsv.gz", write.ncbi_annotation
    elif name := supplementary_name(study):
        yield f"{folder}/{name}", partial(write.count_table, accession)


def _put(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # It exists: from a process that was faster, or damaged. Every file is replaced in one step.
        for source in sorted(path for path in made.rglob("*") if path.is_file()):
            target = folder / source.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
