from __future__ import annotations

import datetime
import gzip
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from omics_nb.errors import FormatError
from omics_nb.geo import supplement
from omics_nb.geo.supplement import match_columns, rank, read_supplement


def write(folder: Path, text: str | bytes, name: str = "GSE1_counts.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_raw_counts_are_ranked_before_normalised_values_and_other_files_are_left_out() -> None:
    names = [
        "GSE1_RAW.tar",
        "GSE1_deseq2_results.csv.gz",
        "GSE1_fpkm.txt.gz",
        "GSE1_normalized_counts.csv.gz",
        "GSE1_README.txt",
        "GSE1_expression.tsv",
        "GSE1_gene_counts.txt.gz",
        "GSE1_raw_counts.xlsx",
        "GSE1_peaks.bed.gz",
        "GSE1_sample_sheet.csv",
        "GSE1_clinical_data.tsv.gz",
        "GSM1_features.tsv.gz",
    ]
    assert rank(names) == [
        "GSE1_raw_counts.xlsx",
        "GSE1_gene_counts.txt.gz",
        "GSE1_normalized_counts.csv.gz",
        "GSE1_expression.tsv",
        "GSE1_fpkm.txt.gz",
        "GSE1_deseq2_results.csv.gz",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "gene\ts1\ts2\nA\t1\t2\nB\t3\t4\n",
        "gene,s1,s2\nA,1,2\nB,3,4\n",
        'gene,"s1","s2"\n"A",1,2\n"B","3",4\n',
        "gene;s1;s2\nA;1;2\nB;3;4\n",
        "gene s1 s2\nA 1 2\nB 3 4\n",
        "s1\ts2\nA\t1\t2\nB\t3\t4\n",
        "\ts1\ts2\nA\t1.0\t2\nB\t3\t4e0\n",
        "# made by a tool\ngene\ts1\ts2\r\nA\t1\t2\r\nB\t3\t4\r\n",
        "#gene\ts1\ts2\nA\t1\t2\nB\t3\t4\n",
        "Counts of all samples\n\ngene\ts1\ts2\nA\t1\t2\nB\t3\t4\n",
        ",gene,s1,s2\n1,A,1,2\n2,B,3,4\n",
        "\ufeffgene\ts1\ts2\nA\t1\t2\nB\t3\t4\n",
    ],
)
def test_tables_are_read_in_the_shapes_that_authors_give_them(tmp_path: Path, text: str) -> None:
    table = read_supplement(write(tmp_path, text))
    assert table.values.columns.tolist() == ["s1", "s2"]
    assert table.values.index.tolist() == ["A", "B"]
    assert table.values.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert table.is_counts
    assert table.values.dtypes.unique().tolist() == [np.dtype("int64")]


def test_a_table_in_utf16_is_read(tmp_path: Path) -> None:
    table = read_supplement(write(tmp_path, "gene\ts1\ts2\nA\t1\t2\n".encode("utf-16")))
    assert table.values.loc["A"].tolist() == [1, 2]


def test_columns_that_tell_of_genes_are_no_samples(tmp_path: Path) -> None:
    text = (
        "# Program:featureCounts v2.0; Command: x\n"
        "Geneid\tChr\tStart\tEnd\tStrand\tLength\t/data/s1.bam\t/data/s2.bam\n"
        "E1\t1;1\t5;9\t7;11\t+;+\t5\t10\t20\nE2\t2\t5\t7\t-\t3\t30\t40\n"
    )
    table = read_supplement(write(tmp_path, text))
    assert table.values.columns.tolist() == ["/data/s1.bam", "/data/s2.bam"]
    assert table.annotation.columns.tolist() == ["Chr", "Start", "End", "Strand", "Length"]


def test_names_of_genes_are_never_guessed(tmp_path: Path) -> None:
    table = read_supplement(
        write(tmp_path, "gene\ts1\ts2\n001\t1\t2\nNA\t1\t2\n1E5\t1\t2\nMARCH1\t1\t2\nTrue\t1\t2\n")
    )
    assert table.values.index.tolist() == ["001", "NA", "1E5", "MARCH1", "True"]


def test_names_of_genes_in_other_forms_of_files_are_never_guessed_either(tmp_path: Path) -> None:
    names = ["001", "1E5", "NA", "#N/A", "MARCH1", "True", "1.0", "2-Sep"]
    book = openpyxl.Workbook()
    for row in [["gene", "s1", "s2"], *([name, 1, 2] for name in names)]:
        book.active.append(row)
    book.save(tmp_path / "GSE1_counts.xlsx")
    lines = ["gene,s1,s2", *(f'"{name}",1,2' for name in names)]
    for path in (
        tmp_path / "GSE1_counts.xlsx",
        write(tmp_path, "\n".join(lines), "GSE1_counts.csv"),
        write(tmp_path, "\r".join(lines), "GSE1_lone_cr.csv"),
        write(tmp_path, "\r\n".join(lines).replace(",", ";"), "GSE1_semicolon.csv"),
    ):
        assert read_supplement(path).values.index.tolist() == names


def test_all_cells_of_a_workbook_are_read_whatever_size_it_says_that_it_has(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["gene", "s1", "s2"], ["A", 1, 2], ["B", 3, 4]):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
        zipfile.ZipFile(tmp_path / "GSE1_counts.xlsx", "w") as wrong,
    ):
        for name in whole.namelist():
            wrong.writestr(name, whole.read(name).replace(b'ref="A1:C3"', b'ref="A1:B2"'))
    assert read_supplement(tmp_path / "GSE1_counts.xlsx").values.shape == (2, 2)


@pytest.mark.parametrize("first", ["", "gene", "Entrez ID"])
def test_a_column_of_numbers_that_name_genes_is_no_sample(tmp_path: Path, first: str) -> None:
    table = read_supplement(write(tmp_path, f"{first}\tsymbol\ts1\ts2\n7157\tTP53\t1\t2\n672\tBRCA1\t3\t4\n"))
    assert table.values.columns.tolist() == ["s1", "s2"]
    assert table.values.index.tolist() == ["TP53", "BRCA1"]


@pytest.mark.parametrize("first", ["E", ""])
def test_a_column_with_some_text_among_its_numbers_is_named(tmp_path: Path, first: str) -> None:
    rows = [f"{first}{n}\t{'<5' if n == 2 else n}\t{n}\n" for n in range(1, 6)]
    table = read_supplement(write(tmp_path, "gene\ts1\ts2\n" + "".join(rows)))
    assert table.values.columns.tolist() == ["s2"]
    assert table.values.index.tolist() == [f"{first}{n}" for n in range(1, 6)]
    assert "column 's1' holds text among its numbers, such as '<5': not taken for values" in table.notes[0]


def test_rows_that_count_reads_in_no_gene_are_left_out_and_said(tmp_path: Path) -> None:
    table = read_supplement(
        write(tmp_path, "gene\ts1\ts2\nN_unmapped\t9\t9\nA\t1\t2\nB\t3\t4\n__no_feature\t9\t9\n")
    )
    assert table.values.index.tolist() == table.annotation.index.tolist() == ["A", "B"]
    assert "in no gene were left out: N_unmapped, __no_feature" in table.notes[0]


def test_bytes_that_are_not_utf8_are_read_and_noted(tmp_path: Path) -> None:
    table = read_supplement(write(tmp_path, "gene\ts1\nA\t1\nB\xb5\t2\n".encode("latin-1")))
    assert table.values.index.tolist() == ["A", "Bµ"]
    assert table.notes == (
        "GSE1_counts.txt: some lines are not UTF-8 and were read as cp1252, the first is line 3",
    )


@pytest.mark.parametrize("cell", ["1e30", "9007199254740993", "1e300", "inf"])
def test_a_number_that_no_whole_number_holds_exactly_is_no_count(tmp_path: Path, cell: str) -> None:
    table = read_supplement(write(tmp_path, f"gene\ts1\ts2\nA\t{cell}\t2\nB\t3\t4\n"))
    assert not table.is_counts
    assert table.values.loc["A", "s1"] == float(cell)


@pytest.mark.parametrize("cell", ["1.5", "-1", "NA", ""])
def test_what_is_no_whole_number_is_no_count(tmp_path: Path, cell: str) -> None:
    table = read_supplement(write(tmp_path, f"gene\ts1\ts2\nA\t{cell}\t2\nB\t3\t4\n"))
    assert not table.is_counts
    assert any("called counts" in note for note in table.notes)
    assert table.values.dtypes.unique().tolist() == [np.dtype("float64")]


def test_repeated_names_are_kept_and_said(tmp_path: Path) -> None:
    table = read_supplement(write(tmp_path, "gene\ts1\ts2\nA\t1\t2\nA\t3\t4\n"))
    assert len(table.values) == 2
    assert "1 rows have a name that occurred before, the first is 'A'" in table.notes[0]


def test_rows_that_do_not_fit_are_left_out_and_said(tmp_path: Path) -> None:
    table = read_supplement(write(tmp_path, "gene\ts1\ts2\nA\t1\t2\nB\t3\nC\t5\t6\nD\t7\t8\n"))
    assert table.values.index.tolist() == ["A", "C", "D"]
    assert "1 rows have not 3 cells and were left out, the first is 2" in table.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "one line of words\n",
        "a\tb\nx\ty\n",
        "1.5 2.5 3.5\n4.5 5.5 6.5\n",
        "# only\n# comments\n",
        b"\x00\x01\x02" * 50,
        "gene\n",
    ],
)
def test_what_is_no_table_of_values_says_so(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(FormatError, match=r"counts\.txt"):
        read_supplement(write(tmp_path, text))


def test_workbooks_are_read_and_dates_for_gene_names_are_said(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["only a note"])
    sheet = book.create_sheet("counts")
    for row in (
        ["Raw counts"],
        ["gene", "s1", "s2"],
        ["TP53", 1, 2.0],
        [datetime.datetime(2020, 3, 1), 3, 4],
    ):
        sheet.append(row)
    book.save(tmp_path / "GSE1_counts.xlsx")
    table = read_supplement(tmp_path / "GSE1_counts.xlsx")
    assert table.values.loc["TP53"].tolist() == [1, 2]
    assert table.is_counts
    assert "1 cells are dates" in table.notes[0]
    packed = write(
        tmp_path, gzip.compress((tmp_path / "GSE1_counts.xlsx").read_bytes()), "GSE1_counts.xlsx.gz"
    )
    assert read_supplement(packed).values.equals(table.values)


def test_a_workbook_that_unpacks_to_too_much_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplement, "_WORKBOOK_LIMIT", 1000)
    book = openpyxl.Workbook()
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(FormatError, match="unpacks to"):
        read_supplement(tmp_path / "a.xlsx")


def test_other_archives_and_old_workbooks_say_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"is no \.xlsx workbook"):
        read_supplement(write(tmp_path, b"PK\x03\x04 not a workbook", "a.xlsx"))
    with pytest.raises(FormatError, match="is ole, not a table"):
        read_supplement(write(tmp_path, b"\xd0\xcf\x11\xe0" + bytes(100), "a.xls"))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["GSM1", "gsm2"], {"GSM1": "GSM1", "gsm2": "GSM2"}),
        (["GSM1_rep1.bam", "x_GSM2"], {"GSM1_rep1.bam": "GSM1", "x_GSM2": "GSM2"}),
        (["ctl 1", "KD-1"], {"ctl 1": "GSM1", "KD-1": "GSM2"}),
        (["X10a", "X10b"], {"X10a": "GSM1", "X10b": "GSM2"}),
        (["other", "names"], {}),
        (["liver", "ctl_1"], {"ctl_1": "GSM1"}),
    ],
)
def test_columns_are_matched_by_name_and_never_by_place(columns: list[str], expected: dict[str, str]) -> None:
    samples = {
        "GSM1": {"title": ["ctl.1"], "description": ["10a", "liver"]},
        "GSM2": {"title": ["kd_1"], "description": ["10b", "liver"]},
    }
    assert match_columns(columns, samples) == expected


@pytest.mark.parametrize(
    ("name", "shape", "is_counts", "first"),
    [
        ("counts/bottomly_count_table.tsv", (36536, 21), True, "ENSMUSG00000000001"),
        ("counts/GSE111165_test.csv", (200, 202), False, "cg00000029"),
        ("counts/GSE208261_raw_counts_GRCh38.p13_NCBI.EXCERPT.tsv.gz", (17, 24), True, "100287102"),
        ("counts/gemma/GSE19166_expression_RPKM.test.txt", (199, 6), False, "ENSG00000000457"),
        ("counts/gemma/GSE19166_expression_count.test.txt", (199, 6), True, "ENSG00000000457"),
        ("counts/gemma/GSE29006_expression_RPKM.test.txt", (199, 4), False, "ENSG00000000457"),
        ("counts/gemma/GSE29006_expression_count.test.txt", (199, 4), False, "ENSG00000000457"),
        (
            "geo/series/GSE151nnn/GSE151648/suppl/GSE151648_liver-iri-counts.txt.gz",
            (60498, 80),
            True,
            "ENSG00000223972",
        ),
    ],
)
def test_real_tables_are_read(
    shared: Path, name: str, shape: tuple[int, int], is_counts: bool, first: str
) -> None:
    table = read_supplement(shared / name)
    assert table.values.shape == shape
    assert table.is_counts == is_counts
    assert table.values.index[0] == first


@pytest.mark.parametrize(("columns", "n_genes"), [("T1\tT2", 3_000), ("SRR1\tSRR2", 3)])
def test_genes_below_a_corner_that_names_the_columns_are_read(
    tmp_path: Path, columns: str, n_genes: int
) -> None:
    path = tmp_path / "counts.txt"
    rows = [f"GENE{at}\t{at}\t7" for at in range(n_genes)]
    path.write_text("\n".join([f"Sample_ID\t{columns}", *rows, ""]))
    table = read_supplement(path)
    assert table.values.shape == (n_genes, 2)
    assert table.is_counts


@pytest.mark.parametrize(
    "text",
    [
        "sample.id\tage\tbatch\ns1\t40\t1\ns2\t50\t2\n",
        "Run,age,batch\nSRR1,40,1\nSRR2,50,2\n",
        "\tage\tbatch\nGSM1\t40\t1\nGSM2\t50\t2\n",
    ],
)
def test_a_table_whose_rows_are_samples_is_refused_and_says_where_it_belongs(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "table.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"has samples in its rows .*--groups FILE"):
        read_supplement(path)


def test_the_phenotypes_of_a_real_study_are_no_counts(shared: Path) -> None:
    with pytest.raises(FormatError, match="SRX033480, SRX033488"):
        read_supplement(shared / "counts" / "bottomly_phenodata.tsv")


@pytest.mark.parametrize("name", ["GSE29006.diffex.test.weights.txt", "GSE29006_design.txt"])
def test_real_files_that_are_no_tables_of_values_say_so(shared: Path, name: str) -> None:
    with pytest.raises(FormatError, match=r"names its rows|no columns of numbers"):
        read_supplement(shared / "counts/gemma" / name)


def test_samples_named_by_two_numbers_are_a_header(tmp_path: Path) -> None:
    path = tmp_path / "counts.txt"
    path.write_text("Transcript\t1_1\t1_2\nENST1\t3\t4\nENST2\t5\t6\n", encoding="utf-8")
    assert read_supplement(path).values.to_dict("list") == {"1_1": [3, 5], "1_2": [4, 6]}
