from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from omics_nb.geo import platforms
from omics_nb.geo.soft import read_family


@pytest.mark.parametrize(
    ("column", "cells", "symbols"),
    [
        ("Gene symbol", ["DDR1///MIR4640", "---", ""], ["DDR1 /// MIR4640", "", ""]),
        ("Gene Symbol", ["MARCH1", " TP53 ", "n/a"], ["MARCH1", "TP53", ""]),
        ("GENE_SYMBOL", ["a", "b", "c"], ["a", "b", "c"]),
        ("Symbol", ["a", "null", "c"], ["a", "", "c"]),
        ("Gene_Sym", ["Nfatc2", "", ""], ["Nfatc2", "", ""]),
        ("IDENTIFIER", ["DDR1", "x", "y"], ["DDR1", "x", "y"]),
        ("ORF", ["YAL001C", "", ""], ["YAL001C", "", ""]),
        (
            "gene_assignment",
            [
                "NM_1 // OR4F17 // x // 19p // 1 /// NM_2 // OR4F4 // y /// NM_3 // OR4F17",
                "---",
                "ENST // --- // z",
            ],
            ["OR4F17 /// OR4F4", "", ""],
        ),
    ],
)
def test_symbols_are_found_under_the_names_that_platforms_use(
    column: str, cells: list[str], symbols: list[str]
) -> None:
    assert platforms.symbols_of(pd.DataFrame({"other": ["1", "2", "3"], column: cells})) == symbols


def test_entrez_identifiers_are_no_symbols() -> None:
    frame = pd.DataFrame({"GENE": ["7157", "672"], "ORF": ["TP53", ""]})
    assert platforms.symbols_of(frame) == ["TP53", ""]
    assert platforms.symbols_of(frame[["GENE"]]) == ["", ""]


def test_a_better_column_that_is_empty_gives_way() -> None:
    assert platforms.symbols_of(pd.DataFrame({"Gene symbol": [""], "GENE_NAME": ["TP53"]})) == ["TP53"]


def test_every_feature_is_there_once_and_what_was_dropped_is_said() -> None:
    frame = pd.DataFrame({"Symbol": ["A", "B", "C"]}, index=["1", "1", "2"])
    features, notes = platforms.as_features(frame, "GPL1.annot.gz")
    assert features.index.tolist() == ["1", "2"]
    assert features["symbol"].tolist() == ["A", "C"]
    assert features.columns[0] == "symbol"
    assert notes == ("GPL1.annot.gz: 1 identifiers occur again; the first of each was kept",)


def test_the_annotation_file_of_a_platform_is_read(shared: Path) -> None:
    accession, frame, notes = platforms.read_platform(
        shared / "geo/platforms/GPLnnn/GPL97/annot/GPL97.annot.gz"
    )
    assert accession == "GPL97"
    assert frame.shape == (22645, 21)
    assert frame.columns[:4].tolist() == ["symbol", "Gene title", "Gene symbol", "Gene ID"]
    assert frame.columns[frame.columns.str.startswith("GO:Function")].tolist() == [
        "GO:Function",
        "GO:Function.1",
    ]
    assert frame.loc["200000_s_at", "symbol"] == frame.loc["200000_s_at", "Gene symbol"] == "PRPF8"
    assert (frame["symbol"] != "").sum() > 10_000
    assert not notes


def test_the_platform_in_a_family_file_is_read(shared: Path) -> None:
    family = read_family(shared / "geo/series/GSEnnn/GSE781/soft/GSE781_family.soft.gz")
    frame, notes = platforms.platform_features(family.platforms["GPL96"])
    assert frame.shape == (22283, 16)
    assert frame.loc["1007_s_at", "symbol"] == "DDR1"
    assert not notes


def test_a_platform_without_a_table_has_no_features(shared: Path) -> None:
    family = read_family(shared / "geo/series/GSE94nnn/GSE94489/soft/GSE94489_family.soft.gz")
    frame, _ = platforms.platform_features(next(iter(family.platforms.values())))
    assert frame.empty


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["TP53", "HLA-A", "MT-CO1", "C1orf112", "NKX2-1"], True),
        (["Trp53", "Actb", "H2-K1", "0610007P14Rik", "Gapdh", "Cd4", "Cd8a", "Ifng", "Il2", "Tnf"], True),
        (["ENSG00000141510", "ENSG00000012048"], False),
        (["7157", "672"], False),
        (["1007_s_at", "1053_at"], False),
        (["NM_000546", "NR_046018"], False),
        (["gene1", "gene2"], False),
        ([], False),
    ],
)
def test_rows_that_are_gene_symbols_are_told_from_other_identifiers(names: list[str], expected: bool) -> None:
    assert platforms.named_by_symbols(pd.Index(names, dtype=object)) is expected
