"""Annotation of platforms: what each feature of a matrix is.

GEO's own ``.annot.gz``, a platform's SOFT file, or the platform's table inside a family file; all are SOFT.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from .soft import Entity, Family, read_family
from .tables import read_texts

#: Where gene symbols stand, the best first: GEO's annotation, Affymetrix, Agilent, Illumina, GDS, others.
SYMBOL_COLUMNS = [
    "symbol",
    "gene symbol",
    "gene_symbol",
    "genesymbol",
    "gene.symbol",
    "gene symbols",
    "gene_symbols",
    "gene_sym",
    "ilmn_gene",
    "gene_assignment",
    "symbols",
    "identifier",
    "gene_name",
    "gene name",
    "genename",
    "gene",
    "orf",
]
_NO_SYMBOL = frozenset({"---", "--", "-", "null", "n/a", "--control", "unknown"})


_LIKE_SYMBOL = r"[A-Za-z][A-Za-z0-9]*(?:[-.@_/][A-Za-z0-9]+)*"
_OTHER_IDENTIFIER = (
    r"(?i:ENS[A-Z]*[GTP]\d{6}|[NX][MRP]_\d|ILMN_\d|[AC]_\d+_P|cg\d{6}|FBgn\d|WBGene\d|.*_at$"
    r"|(?:gene|probe|row|id)[-_]?\d)"
)
_MOSTLY = 0.9


def read_platform(path: Path) -> tuple[str, pd.DataFrame, tuple[str, ...]]:
    """Accession, annotation and notes of a platform's file; no annotation where the file has no table."""
    family = read_family(path)
    entity = _platform_entity(family)
    frame, notes = platform_features(entity)
    return (
        entity.first("platform") or entity.first("geo_accession") or entity.name,
        frame,
        (*family.notes, *notes),
    )


def platform_features(platform: Entity) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a platform, all text, and notes. See ``as_features``."""
    if platform.table is None or platform.table.empty:
        return pd.DataFrame({"symbol": pd.Series(dtype=object)}), ()
    frame, notes = read_texts(platform.table)
    key = next((name for name in frame.columns if name.upper() in ("ID", "ID_REF")), frame.columns[0])
    features, more = as_features(frame.set_index(key), platform.table.origin)
    return features, (*notes, *more)


def as_features(frame: pd.DataFrame, origin: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """``frame`` (index feature identifiers) with every identifier once and a first column ``symbol``.

    ``symbol`` is empty where no column holds one; several symbols of a feature stand with `` /// `` between
    them, as GEO writes them.
    """
    notes: tuple[str, ...] = ()
    repeated = frame.index.duplicated()
    if repeated.any():
        notes = (f"{origin}: {int(repeated.sum()):,} identifiers occur again; the first of each was kept",)
        frame = frame[~repeated]
    symbols = symbols_of(frame)
    frame = frame.drop(columns=[name for name in frame.columns if name == "symbol"])
    frame.insert(0, "symbol", symbols)
    frame.index.name = "feature"
    return frame, notes


def symbols_of(frame: pd.DataFrame) -> list[str]:
    """Gene symbols of the rows, from the best column that has any; empty strings where there is none."""
    by_name = {str(name).casefold(): name for name in reversed(list(frame.columns))}
    for name in SYMBOL_COLUMNS:
        if name in by_name:
            read: Callable[[str], str] = _assigned_symbol if name == "gene_assignment" else _plain_symbol
            symbols = [read(cell) for cell in frame[by_name[name]]]
            # Agilent's GENE holds Entrez identifiers.
            if any(symbol and not symbol.isdecimal() for symbol in symbols):
                return symbols
    return [""] * len(frame)


def named_by_symbols(identifiers: pd.Index[str]) -> bool:
    """Whether rows are named by gene symbols (TP53, HLA-A, Trp53), not by Ensembl, RefSeq, Entrez or probes."""
    if not len(identifiers):
        return False
    like = identifiers.str.fullmatch(_LIKE_SYMBOL) & ~identifiers.str.match(_OTHER_IDENTIFIER)
    return bool(like.mean() >= _MOSTLY)


def _plain_symbol(cell: str) -> str:
    names = [part.strip() for part in cell.split("///")]
    return " /// ".join(name for name in names if name.casefold() not in _NO_SYMBOL)


def _assigned_symbol(cell: str) -> str:
    """Affymetrix' gene_assignment: ``NM_001005240 // OR4F17 // olfactory receptor … /// …``."""
    symbols = [parts[1].strip() for item in cell.split("///") if len(parts := item.split("//")) > 1]
    return " /// ".join(dict.fromkeys(symbol for symbol in symbols if symbol and symbol != "---"))


def _platform_entity(family: Family) -> Entity:
    for found in (family.annotations, family.platforms):
        if found:
            return next(iter(found.values()))
    return Entity("PLATFORM", "", 0)
