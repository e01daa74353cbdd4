"""What a study's notes say: samples that are declared and not there, matrices that are not, and where to
look.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import supplement
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
    undeclared = [name for name in parts.samples if declared and name not in set(declared)]
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


def no_matrix(parts: Parts, *, empty_table: bool) -> Iterator[str]:
    """Why there are no values, and where they may be."""
    if parts.matrices:
        return
    reason = (
        "the table of its series matrix is empty" if empty_table else "its samples have no tables of values"
    )
    yield f"{parts.accession} has no matrix of values: {reason}, as is usual for sequencing."
    named = _file_names(parts.metadata.get("supplementary_file", ()))
    of_samples = sorted(
        name
        for sample in parts.samples.values()
        for attribute, texts in sample.items()
        if attribute.startswith("supplementary_file")
        for name in _file_names(tuple(texts))
    )
    if likely := supplement.rank(named):
        yield f"Its authors' tables, the likeliest to hold counts first: {some(likely, 8)}."
    elif named or of_samples:
        yield f"Its supplementary files: {some([*named, *of_samples])}."
    yield (
        "NCBI computes counts for much of human and mouse RNA-seq: "
        f"https://www.ncbi.nlm.nih.gov/geo/download/?acc={parts.accession} lists them if there are any."
    )


def _file_names(locations: tuple[str, ...]) -> list[str]:
    return [text.rsplit("/", 1)[-1] for text in locations if text and text.upper() != "NONE"]
