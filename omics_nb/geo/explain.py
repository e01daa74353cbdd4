"""What a study's notes say: samples that are declared and not there, matrices that are not, and where to
look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import FormatError, IntegrityError
from . import cells, supplement
from .files import LocalFile
from .parts import Parts, platform_of, some


def reconcile(parts: Parts) -> Iterator[str]:
    """Declared against read samples, and samples against columns of values."""
    declared, missing = parts.declared, parts.missing
    if missing:
        others = [name for name in parts.metadata.get("platform_id", ()) if name not in parts.platforms]
        why = f"; no file at hand is of {', '.join(others)}" if others else ""
        yield (
            f"{parts.accession} declares {len(declared):,} samples, and {len(missing):,} of them are in no "
            f"file at hand{why}: {some(missing)}"
        )
    known = set(declared or parts.samples)
    undeclared = [name for name in parts.samples if name not in known]
    if undeclared:
        yield f"{len(undeclared):,} samples are not declared by {parts.accession}: {some(undeclared)}"
    for platform, matrix in parts.matrices.items():
        of_platform = [name for name, sample in parts.samples.items() if platform_of(sample) == platform]
        without = [name for name in of_platform if name not in matrix.columns]
        if without:
            count = f"{len(without):,} of {len(of_platform):,}"
            yield f"{count} samples on {platform} have no values: {some(without)}"


def relations(parts: Parts) -> Iterator[str]:
    """What the series is a part of, and what is a part of it."""
    found = [relation.partition(": ")[::2] for relation in parts.metadata.get("relation", ())]
    if smaller := [other for kind, other in found if kind == "SuperSeries of"]:
        yield f"{parts.accession} is a SuperSeries of {some(smaller)}: each of these can be read alone"
    if larger := [other for kind, other in found if kind == "SubSeries of"]:
        yield f"{parts.accession} is part of the SuperSeries {some(larger)}"


def no_matrix(parts: Parts, *, empty_table: bool, synthetic: bool) -> Iterator[str]:
    """Why there are no values, and where they may be."""
    if parts.matrices:
        return
    reason = (
        "the table of its series matrix is empty" if empty_table else "its samples have no tables of values"
    )
    usual = ", as is usual for sequencing" if "sequencing" in " ".join(parts.metadata.get("type", ())) else ""
    yield f"{parts.accession} has no matrix of values: {reason}{usual}."
    named, of_samples = _files_of_series(parts), _files_of_samples(parts)
    if likely := supplement.rank(named):
        yield f"Its authors' tables, the likeliest to hold counts first: {some(likely, 8)}."
    elif named or of_samples:
        yield f"Its supplementary files: {some([*named, *of_samples])}."
    if synthetic:
        return
    yield (
        "NCBI computes counts for much of human and mouse RNA-seq: "
        f"https://www.ncbi.nlm.nih.gov/geo/download/?acc={parts.accession} lists them if there are any."
    )


def single_cells(parts: Parts, supplements: Sequence[LocalFile]) -> Iterator[str]:
    """Which single-cell files there are, at hand or at GEO, and how they are read."""
    at_hand = [file.name for file in supplements]
    for file in supplements:
        if cells.is_archive(file.name):
            try:
                at_hand += [member.name for member in cells.list_members(file.path)]
            except (FormatError, IntegrityError) as error:
                yield str(error)
    yield from cells.describe(parts.accession, at_hand, _files_of_series(parts) + _files_of_samples(parts))


def files_listed(parts: Parts) -> list[str]:
    """The supplementary files that a series' own lines name, and of its samples' files the first of each kind."""
    kinds = {name.removesuffix(".gz").rpartition(".")[2].upper(): name for name in _files_of_samples(parts)}
    return [*_files_of_series(parts), *kinds.values()]


def _files_of_series(parts: Parts) -> list[str]:
    return _file_names(parts.metadata.get("supplementary_file", ()))


def _files_of_samples(parts: Parts) -> list[str]:
    return sorted(
        name
        for sample in parts.samples.values()
        for attribute, texts in sample.items()
        if attribute.startswith("supplementary_file")
        for name in _file_names(tuple(texts))
    )


def _file_names(locations: tuple[str, ...]) -> list[str]:
    return [text.rsplit("/", 1)[-1] for text in locations if text and text.upper() != "NONE"]
