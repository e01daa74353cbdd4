"""Counts that NCBI computes from the reads of human and mouse RNA-seq studies, and their annotation.

Described at https://www.ncbi.nlm.nih.gov/geo/info/rnaseqcounts.html: rows are Entrez gene identifiers,
columns samples. Not every sample of a series is among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import FormatError
from . import files
from .platforms import as_features
from .tables import Block, read_numbers, read_texts, split_row, whole_rows

NCBI_COUNTS = re.compile(r"_raw_counts_[^/]*_NCBI[^/]*\.tsv(\.gz)?$", re.IGNORECASE)
NCBI_ANNOTATION = re.compile(r"^[A-Z][a-z]+\.GRC[^/]*\.annot\.tsv(\.gz)?$", re.IGNORECASE)


def read_ncbi_counts(path: Path) -> pd.DataFrame:
    """Genes × samples, int32 (int64 where a count is beyond that), index the Entrez identifiers as text.

    FormatError if the first column is not GeneID, a value is no whole number ≥ 0, or the file holds no rows.
    """
    pieces = files.text_pieces(path)
    block, rest = _begin(pieces, path)
    if block.header[0] != "GeneID":
        raise FormatError(
            f"{path.name}: the first column should be GeneID and is {block.header[0]!r}",
            path=str(path),
            line=1,
        )
    if len(set(block.header)) != len(block.header):
        raise FormatError(f"{path.name}: two of its columns have the same name", path=str(path), line=1)
    numbers = read_numbers(
        block,
        range(1, len(block.header)),
        whole=True,
        pieces=whole_rows(chain([rest], pieces), block.piece_bytes),
        about_bytes=files.about_bytes(path),
    )
    if not numbers.values.size:
        raise FormatError(
            f"{path.name} has no rows below its header, or no columns of samples", path=str(path)
        )
    values = numbers.values
    if values.dtype.kind == "f":
        if numbers.notes or not np.isfinite(values).all():
            raise FormatError(
                f"{path.name}: counts are missing or no numbers. {' '.join(numbers.notes)}".strip(),
                path=str(path),
            )
        # Beyond 2^53 float64 does not hold every whole number.
        if (values != np.floor(values)).any() or np.abs(values).max() >= 2**53:
            raise _no_counts(path)
        values = values.astype(np.int64)
    if values.min() < 0:
        raise _no_counts(path)
    return pd.DataFrame(
        values,
        index=pd.Index(numbers.names(), dtype=object, name="GeneID"),
        columns=pd.Index(block.header[1:], dtype=object),
        copy=False,
    )


def read_ncbi_annotation(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Annotation of the genes, all text, index GeneID, first column ``symbol``; and notes."""
    pieces = files.text_pieces(path)
    block, rest = _begin(pieces, path)
    block = replace(block, rows=rest + b"".join(pieces))
    if block.empty:
        raise FormatError(f"{path.name} has no rows below its header", path=str(path))
    frame, notes = read_texts(block)
    features, more = as_features(frame.set_index(block.header[block.column("GeneID")]), path.name)
    return features, (*notes, *more)


def _begin(pieces: Iterator[bytes], path: Path) -> tuple[Block, bytes]:
    """The table without its rows, and what was read beyond the header."""
    head = b""
    for piece in pieces:
        head += piece
        if b"\n" in piece:
            break
    line, _, rest = head.partition(b"\n")
    header = tuple(files.decode(cell)[0] for cell in split_row(line, quoted=True))
    return Block(header, b"", path.name, quoted=True), rest


def _no_counts(path: Path) -> FormatError:
    return FormatError(
        f"{path.name}: its values are not all whole numbers of at least 0: no raw counts", path=str(path)
    )
