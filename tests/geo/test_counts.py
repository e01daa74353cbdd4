from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omics_nb.errors import FormatError
from omics_nb.geo.counts import read_ncbi_annotation, read_ncbi_counts


def write(folder: Path, text: str, name: str = "GSE1_raw_counts_GRCh38.p13_NCBI.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_counts_are_whole_and_exact_and_genes_are_text(tmp_path: Path) -> None:
    counts = read_ncbi_counts(write(tmp_path, "GeneID\tGSM1\tGSM2\n1\t0\t16777217\n007\t4294967296\t2\n"))
    assert counts.index.tolist() == ["1", "007"]
    assert counts.to_numpy().tolist() == [[0, 16777217], [4294967296, 2]]
    assert counts.dtypes.unique().tolist() == [np.dtype("int64")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Gene\tGSM1\n1\t2\n", "the first column should be GeneID and is 'Gene'"),
        ("GeneID\tGSM1\n1\t2.5\n", "not all whole numbers"),
        ("GeneID\tGSM1\n1\t-2\n", "not all whole numbers"),
        ("GeneID\tGSM1\n1\tx\n", "missing or no numbers"),
        ("GeneID\tGSM1\n1\t\n", "missing or no numbers"),
        ("GeneID\tGSM1\n1\n", "missing or no numbers"),
        ("GeneID\tGSM1\n", "no rows below its header"),
        ("GeneID\tGSM1", "no rows below its header"),
        ("GeneID\n1\n", "no columns of samples"),
        ("GeneID\tGSM1\n1\t1e30\n", "not all whole numbers"),
        ("GeneID\tGSM1\tGSM1\n1\t2\t3\n", "two of its columns have the same name"),
    ],
)
def test_what_are_no_counts_says_so(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_ncbi_counts(write(tmp_path, text))


def test_the_real_excerpt_is_read(shared: Path) -> None:
    counts = read_ncbi_counts(shared / "counts/GSE208261_raw_counts_GRCh38.p13_NCBI.EXCERPT.tsv.gz")
    assert counts.shape == (17, 24)
    assert counts.loc["653635", "GSM6339911"] == 643


def test_the_annotation_keeps_its_quotes_and_lists(tmp_path: Path) -> None:
    text = 'GeneID\tSymbol\tDescription\tGOFunctionID\n7157\tTP53\tan "odd\tGO:1///GO:2\n10\tMARCH1\t\t\n'
    frame, notes = read_ncbi_annotation(write(tmp_path, text, "Human.GRCh38.p13.annot.tsv"))
    assert not notes
    assert frame.index.tolist() == ["7157", "10"]
    assert frame["symbol"].tolist() == ["TP53", "MARCH1"]
    assert frame.loc["7157", "Description"] == 'an "odd'
    assert frame.loc["7157", "GOFunctionID"] == "GO:1///GO:2"
