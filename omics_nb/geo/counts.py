"""Counts that NCBI computes from the reads of human and mouse RNA-seq studies, and their annotation.

Described at https://www.ncbi.nlm.nih.gov/geo/info/rnaseqcounts.html: rows are Entrez gene identifiers,
columns samples. Not every sample of a series is among them.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import FormatError
from . import files
from .platforms import as_features
from .tables import Block, read_numbers, read_texts, split_row

NCBI_COUNTS = re.compile(r"_raw_counts_[^/]*_NCBI[^/]*\.tsv(\.gz)?$", re.IGNORECASE)
NCBI_ANNOTATION = re.compile(r"^[A-Z][a-z]+\.GRC[^/]*\.annot\.tsv(\.gz)?$", re.IGNORECASE)


def read_ncbi_counts(path: Path) -> pd.DataFrame:
    """Genes × samples, int64, index the Entrez identifiers as text.

    FormatError if the first column is not GeneID, a value is no whole number ≥ 0, or the file holds no rows.
    """
    block = _block(path)
    if block.header[0] != "GeneID":
        raise FormatError(
            f"{path.name}: the first column should be GeneID and is {block.header[0]!r}",
            path=str(path),
            line=1,
        )
    numbers = read_numbers(block, range(1, len(block.header)), whole=True)
    values = numbers.values
    if numbers.notes or not np.isfinite(values).all():
        raise FormatError(
            f"{path.name}: counts are missing or no numbers. {' '.join(numbers.notes)}".strip(),
            path=str(path),
        )
    if (values < 0).any() or (values != np.floor(values)).any():
        raise FormatError(
            f"{path.name}: its values are not all whole numbers of at least 0: no raw counts", path=str(path)
        )
    return pd.DataFrame(
        values.astype(np.int64, copy=False),
        index=pd.Index(numbers.names(), dtype=object, name="GeneID"),
        columns=pd.Index(block.header[1:], dtype=object),
        copy=False,
    )


def read_ncbi_annotation(path: Path) -> pd.DataFrame:
    """Annotation of the genes, all text, index GeneID, first column ``symbol``."""
    block = _block(path)
    frame, _ = read_texts(block)
    features, _ = as_features(frame.set_index(block.header[block.column("GeneID")]), path.name)
    return features


def _block(path: Path) -> Block:
    data = files.read_text(path)
    end = data.find(b"\n")
    if end < 0 or not data[end:].strip():
        raise FormatError(f"{path.name} has no rows below its header", path=str(path))
    header = tuple(files.decode(cell)[0] for cell in split_row(data[:end], quoted=True))
    return Block(header, memoryview(data)[end + 1 :], path.name, quoted=True)
