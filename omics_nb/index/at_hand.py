"""What a record tells of raw data and counts: names of its files, its link to SRA, NCBI's own counts.

A record that tells nothing is no evidence that there is nothing, so such a study is kept and its reasons say so. For
sequencing only the presence can be told: reads are in SRA also where GEO's record does not name them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..records import StudyHeader

#: Stands among the files of a study for which NCBI itself computed counts.
NCBI_COUNTS = "NCBI counts"
# As part of a name, or alone as NCBI's summaries have it: "CEL, CHP".
_RAW = re.compile(
    r"(?<![a-z])(?:cel|idat|fastq|fq|bam|cram|sra|gpr|xys|pair)(?:\.gz)?(?![a-z])", re.IGNORECASE
)
_ARCHIVE = re.compile(r"_RAW\.tar$|^TAR$", re.IGNORECASE)
_COUNTS = re.compile(
    r"(?<![a-z])(?:read|raw|feature)?[_ ]?counts?(?![a-z])|htseq|featurecounts|matrix\.mtx|(?<![a-z])mtx(?![a-z])"
    r"|feature_bc_matrix",
    re.IGNORECASE,
)
_SOME = 3


class Told(NamedTuple):
    """What a study tells of one condition: None where it says nothing, else whether it is what was asked."""

    passes: bool | None
    reason: str


def told_raw(header: StudyHeader) -> Told:
    """Whether a study has raw data, by its record."""
    reads = [line for line in header.relations if line.upper().startswith("SRA")]
    if reads:
        return Told(True, "raw reads are in SRA")
    raw = [name for name in header.files if _RAW.search(name)]
    archives = [name for name in header.files if _ARCHIVE.search(name)]
    if raw:
        return Told(True, f"raw data: {_some(raw)}")
    if _is_sequenced(header) or not header.files or not header.types:
        return Told(None, "whether there is raw data is not known: the record does not tell")
    if archives:
        return Told(True, f"raw data: {_some(archives)} has the files of the single samples")
    return Told(False, f"no raw data among its files: {_some(header.files)}")


def told_counts(header: StudyHeader) -> Told:
    """Whether a study has counts, by its record."""
    if NCBI_COUNTS in header.files:
        return Told(True, "NCBI has counts of it")
    named = [name for name in header.files if _COUNTS.search(name)]
    if named:
        return Told(True, f"counts, by the name of the file: {_some(named)}")
    if header.types and not _is_sequenced(header) and "Other" not in header.types:
        return Told(False, f"its types give no counts: {'; '.join(header.types)}")
    return Told(None, "whether there are counts is not known: the record does not tell")


def _is_sequenced(header: StudyHeader) -> bool:
    return any("sequencing" in name.casefold() for name in header.types)


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more
