from __future__ import annotations

import gzip
import re
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from omics_nb.errors import FormatError, IntegrityError, NoMatrixError, NotFoundError
from omics_nb.geo import layout
from omics_nb.geo.files import LocalFile, local_file
from omics_nb.geo.study import file_kind, read_header, read_study
from omics_nb.records import Study


def files_of(root: Path, accession: str, *platforms: str) -> list[LocalFile]:
    paths = layout.find_series_files(root, accession)
    paths += [path for platform in platforms for path in layout.find_platform_files(root, platform)]
    return [local_file(path) for path in paths]


def study_of(root: Path, accession: str, *platforms: str) -> Study:
    return read_study(accession, files_of(root, accession, *platforms), source="mirror:test")


@pytest.fixture(scope="module")
def geo(shared: Path) -> Path:
    return shared / "geo"


def test_a_series_matrix_becomes_a_study(geo: Path) -> None:
    study = study_of(geo, "gse42872")
    assert study.title.startswith("Expression data from BRAFV600E A375 melanoma cells")
    assert study.organisms == ("Homo sapiens",)
    assert study.types == ("Expression profiling by array",)
    assert study.published == date(2014, 5, 20)
    assert study.matrix().shape == (33297, 6)
    assert study.matrix().columns.tolist() == study.samples.index.tolist()
    assert study.samples["cell line"].tolist() == ["A375"] * 6
    assert study.platforms == ("GPL6244",)
    assert study.value_kind == "expression"
    assert [record.name for record in study.files] == ["GSE42872_series_matrix.txt.gz"]
    assert study.files[0].n_bytes == 768864
    assert study.metadata["pubmed_id"] == ("24469106",)
    (note,) = study.notes
    assert note.startswith("no annotation of GPL6244 is at hand: its features have no gene symbols. ")
    assert "platforms/GPL6nnn/GPL6244/annot/GPL6244.annot.gz" in note
    assert "platforms/GPL6nnn/GPL6244/soft/GPL6244_family.soft.gz" in note


def test_sex_written_in_two_ways_is_one_column(geo: Path) -> None:
    study = study_of(geo, "GSE4107")
    assert study.samples.columns.tolist()[4:] == ["Gender", "Age", "Tissue"]
    assert set(study.samples["Gender"]) == {"M", "F"}
    assert "patient’s" in study.samples["title"].iloc[2]
    assert study.matrix().shape == (54675, 22)


def test_a_matrix_of_one_of_two_platforms_says_what_is_not_there(geo: Path) -> None:
    study = study_of(geo, "GSE14520")
    assert list(study.matrices) == ["GPL571"]
    assert study.n_samples == 43
    assert any(
        "declares 488 samples, and 445 of them are in no file at hand; no file at hand is of GPL3921" in n
        for n in study.notes
    )


def test_two_platforms_of_a_family_are_kept_apart(geo: Path) -> None:
    study = study_of(geo, "GSE781", "GPL97")
    assert {name: matrix.shape for name, matrix in study.matrices.items()} == {
        "GPL96": (22283, 17),
        "GPL97": (22645, 17),
    }
    for platform, matrix in study.matrices.items():
        assert set(study.samples.loc[matrix.columns, "platform"]) == {platform}
        assert not matrix.isna().to_numpy().any()
    assert study.features["GPL96"].loc["1007_s_at", "symbol"] == "DDR1"
    assert "Gene title" in study.features["GPL97"]
    assert [record.name for record in study.files] == ["GSE781_family.soft.gz", "GPL97.annot.gz"]
    with pytest.raises(NoMatrixError, match="one matrix for each of GPL96, GPL97"):
        study.matrix()


def test_lower_case_entity_lines_lose_no_sample(geo: Path) -> None:
    study = study_of(geo, "GSE1623")
    assert study.n_samples == 8
    assert study.matrix().shape == (12488, 8)
    assert study.metadata["contact_name"] == ("Jonathan,D,Katz",)
    assert (study.features["GPL81"]["symbol"] != "").any()


def test_an_empty_matrix_is_explained_and_says_where_counts_may_be(geo: Path) -> None:
    study = study_of(geo, "GSE99709")
    assert study.n_samples == 12
    assert not study.matrices
    text = " ".join(study.notes)
    assert "the table of its series matrix is empty" in text
    assert "GSE99709_Stat3RNA-Seq-counts.csv.gz" in text
    assert "https://www.ncbi.nlm.nih.gov/geo/download/?acc=GSE99709" in text
    assert "part of the SuperSeries GSE99797" in text
    with pytest.raises(NoMatrixError, match="Stat3RNA-Seq-counts"):
        study.matrix()


@pytest.mark.parametrize(("accession", "n_samples"), [("GSE94489", 49), ("GSE93431", 32), ("GSE235534", 41)])
def test_sequencing_without_tables_keeps_every_sample(geo: Path, accession: str, n_samples: int) -> None:
    study = study_of(geo, accession)
    assert study.n_samples == n_samples
    assert not study.matrices
    assert "its samples have no tables of values" in " ".join(study.notes)


def test_counts_without_metadata_are_a_study_of_their_columns(geo: Path) -> None:
    study = study_of(geo, "GSE151648")
    assert study.value_kind == "counts"
    matrix = study.matrix()
    assert matrix.shape == (60498, 80)
    assert matrix.dtypes.unique().tolist() == [np.dtype("int64")]
    assert matrix.columns.tolist() == study.samples.index.tolist()
    assert study.platforms == ("unknown",)
    assert matrix.loc["ENSG00000227232"].iloc[:5].tolist() == [8, 5, 0, 2, 2]
    assert "has no metadata at hand" in study.notes[0]


def test_a_dataset_has_its_subsets_as_sample_columns(geo: Path) -> None:
    study = study_of(geo, "GDS507")
    assert study.matrix().shape == (22645, 17)
    assert study.samples["disease state"].value_counts().to_dict() == {"RCC": 9, "normal": 8}
    assert study.samples.loc["GSM11810", ["individual", "title"]].tolist()[0] == "035"
    assert study.samples["organism"].unique().tolist() == ["Homo sapiens"]
    assert study.features["GPL97"].columns.tolist() == ["symbol", "IDENTIFIER"]
    assert study.summary.startswith("Investigation into mechanisms of renal clear cell")
    rat = study_of(geo, "GDS4019")
    assert rat.matrix().shape == (31099, 29)
    assert set(rat.samples["agent"]) == {"control, no treatment", "pioglitazone"}


def test_every_matrix_of_the_mirror_becomes_anndata(geo: Path) -> None:
    study = study_of(geo, "GDS507", "GPL97")
    data = study.to_anndata()
    assert data.shape == (17, 22645)
    assert "Gene title" in data.var


def test_the_header_alone_says_what_the_study_does(geo: Path) -> None:
    for accession in layout.list_accessions(geo):
        files = files_of(geo, accession)
        header, study = read_header(accession, files), read_study(accession, files, source="x")
        assert (header.title, header.summary, header.organisms) == (
            study.title,
            study.summary,
            study.organisms,
        )
        assert header.published == study.published
        assert header.has_values == bool(study.matrices), accession
        if accession not in ("GSE14520", "GSE151648"):
            assert header.n_samples == len(header.sample_texts) == study.n_samples
            assert header.platforms == study.platforms


def test_a_family_fills_in_what_the_matrix_lacks(geo: Path, tmp_path: Path) -> None:
    matrix = geo / "series/GSE14nnn/GSE14520/matrix/GSE14520-GPL571_series_matrix.txt.gz"
    family = tmp_path / "GSE14520_family.soft.gz"
    family.write_bytes(
        gzip.compress(
            b"^SERIES = GSE14520\n!Series_title = other\n^PLATFORM = GPL3921\n!platform_table_begin\nID\tGene Symbol\n"
            b"p1\tTP53\n!platform_table_end\n^SAMPLE = GSM362958\n!Sample_platform_id = GPL3921\n!sample_table_begin\n"
            b"ID_REF\tVALUE\np1\t4.5\n!sample_table_end\n"
        )
    )
    study = read_study("GSE14520", [local_file(matrix), local_file(family)], source="x")
    assert {name: frame.shape for name, frame in study.matrices.items()} == {
        "GPL571": (22268, 43),
        "GPL3921": (1, 1),
    }
    assert study.title.startswith("Gene expression data of human hepatocellular")
    assert study.n_samples == 44
    assert study.features["GPL3921"]["symbol"].tolist() == ["TP53"]
    assert any("declares 488 samples, and 444 of them" in note for note in study.notes)


def test_a_matrix_that_geo_splits_is_one_again(tmp_path: Path) -> None:
    rows = "a\t1\t2\t3\t4\nb\t5\t6\t7\t8\n!series_matrix_table_end"
    first = SEQUENCING.replace("!series_matrix_table_end", rows)
    second = re.sub(r"GSM(\d)(?![^\n]* \")", r"GSM1\1", first)
    for third_row, values in (("b", [8.0, 8.0]), ("c", [8.0, np.nan])):
        for number, text in enumerate((first, second.replace("\nb\t", f"\n{third_row}\t")), 1):
            (tmp_path / f"GSE9-GPL5_series_matrix-{number}.txt").write_text(text)
        files = [local_file(path) for path in sorted(tmp_path.iterdir())]
        study = read_study("GSE9", files, source="x")
        assert study.matrix().columns.tolist() == [f"GSM{n}" for n in (1, 2, 3, 4, 11, 12, 13, 14)]
        np.testing.assert_array_equal(study.matrix().loc["b", ["GSM4", "GSM14"]], values)
        assert "GSE9-GPL5_series_matrix-2.txt was joined to the other series matrices" in study.notes[0]
    (tmp_path / "GSE9-GPL5_series_matrix-2.txt").write_text(first)
    with pytest.raises(FormatError, match="samples that the first has: GSM1, GSM2, GSM3, GSM4"):
        read_study("GSE9", [local_file(path) for path in sorted(tmp_path.iterdir())], source="x")


SEQUENCING = """!Series_title\t"RNA"
!Series_geo_accession\t"GSE9"
!Series_sample_id\t"GSM1 GSM2 GSM3 GSM4 "
!Sample_title\t"ctl-1"\t"ctl-2"\t"kd 1"\t"kd 2"
!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"\t"GSM4"
!Sample_platform_id\t"GPL5"\t"GPL5"\t"GPL5"\t"GPL5"
!series_matrix_table_begin
"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"\t"GSM4"
!series_matrix_table_end
"""


def sequencing(folder: Path, **tables: str) -> Study:
    (folder / "GSE9_series_matrix.txt").write_text(SEQUENCING)
    for name, text in tables.items():
        (folder / f"GSE9_{name}.txt").write_text(text)
    return read_study("GSE9", [local_file(path) for path in sorted(folder.iterdir())], source="x")


def test_raw_counts_are_taken_before_normalised_ones_and_matched_by_title(tmp_path: Path) -> None:
    study = sequencing(
        tmp_path,
        FPKM="gene\tctl-1\tctl-2\tkd 1\tkd 2\nA\t0.5\t1\t2\t3\n",
        raw_counts="gene\tsymbol\tkd_2.bam\tctl.1\tctl.2\tkd_1.bam\nE1\tTP53\t4\t1\t2\t3\nE2\tBRCA1\t8\t5\t6\t7\n",
    )
    assert study.value_kind == "counts"
    assert study.matrix().loc["E1"].to_dict() == {"GSM1": 1, "GSM2": 2, "GSM3": 3, "GSM4": 4}
    assert study.features["GPL5"]["symbol"].to_dict() == {"E1": "TP53", "E2": "BRCA1"}
    assert any("holds counts from the authors' file GSE9_raw_counts.txt" in note for note in study.notes)
    assert [record.name for record in study.files] == ["GSE9_raw_counts.txt", "GSE9_series_matrix.txt"]


def test_fpkm_called_counts_are_no_counts(tmp_path: Path) -> None:
    study = sequencing(tmp_path, counts="gene\tctl-1\tctl-2\tkd 1\tkd 2\nA\t0.5\t1\t2\t3\n")
    assert study.value_kind == "expression"
    assert study.matrix().dtypes.unique().tolist() == [np.dtype("float64")]
    assert any("called counts, but its values are not all whole numbers" in note for note in study.notes)


def test_columns_that_go_by_no_sample_are_not_matched_by_their_place(tmp_path: Path) -> None:
    study = sequencing(tmp_path, counts="gene\ta\tb\tc\td\nA\t1\t2\t3\t4\n")
    assert not study.matrices
    assert any(
        "was not used: its columns (a, b, c, d) do not go by the samples' names" in note
        for note in study.notes
    )


def test_counts_of_ncbi_come_before_those_of_the_authors(tmp_path: Path) -> None:
    name = "GSE9_raw_counts_GRCh38.p13_NCBI.tsv"
    (tmp_path / name).write_text("GeneID\tGSM1\tGSM2\tGSM4\tGSM7\n7157\t1\t2\t4\t9\n")
    (tmp_path / "Human.GRCh38.p13.annot.tsv").write_text(
        'GeneID\tSymbol\tDescription\n7157\tTP53\ttumor "protein\n'
    )
    study = sequencing(tmp_path, counts="gene\tctl-1\tctl-2\nA\t1\t2\n")
    assert study.matrix().loc["7157"].to_dict() == {"GSM1": 1, "GSM2": 2, "GSM4": 4}
    assert study.features["GPL5"].loc["7157"].tolist() == ["TP53", "TP53", 'tumor "protein']
    assert f"{name}: 1 columns belong to no sample and were left out: GSM7" in study.notes
    assert "1 of 4 samples on GPL5 have no values: GSM3" in study.notes


def test_what_is_odd_in_the_counts_of_ncbi_and_their_annotation_is_said(tmp_path: Path) -> None:
    (tmp_path / "GSE9_raw_counts_GRCh38.p13_NCBI.tsv").write_text("GeneID\tGSM1\n7157\t1\n7157\t2\n")
    (tmp_path / "Human.GRCh38.p13.annot.tsv").write_text("GeneID\tSymbol\n7157\tTP53\n7157\tP53\n")
    notes = " ".join(sequencing(tmp_path).notes)
    assert "NCBI.tsv: 1 rows have an identifier that occurred before, the first is '7157'" in notes
    assert "annot.tsv: 1 identifiers occur again; the first of each was kept" in notes


DATASET = """^DATABASE = Geo
^DATASET = GDS1
!dataset_platform = GPL9
!dataset_sample_count = 2
#GSM1 = Value for GSM1: a; src: b
#GSM2 = Value for GSM2: c; src: d
!dataset_table_begin
ID_REF\tIDENTIFIER\tGSM1\tGSM2
001\tMARCH1\t1\t0.30000000000000004
1E5\tTrue\tnull\t2
NA\tNA\t3\t4
!dataset_table_end
"""


def test_identifiers_of_a_dataset_stay_as_they_are_and_every_sample_column_is_a_sample(
    tmp_path: Path,
) -> None:
    path = tmp_path / "GDS1.soft"
    for text in (DATASET, DATASET.replace("#GSM2 = Value for GSM2: c; src: d\n", "")):
        path.write_text(text)
        study = read_study("GDS1", [local_file(path)], source="x")
        assert study.matrix().index.tolist() == ["001", "1E5", "NA"]
        assert study.matrix()["GSM2"].tolist() == [0.1 + 0.2, 2, 4]
        assert study.features["GPL9"]["symbol"].tolist() == ["MARCH1", "True", "NA"]
    path.write_text(DATASET.replace("GSM1\tGSM2", "GSM1\tGSM1"))
    with pytest.raises(FormatError, match=r"GDS1\.soft, line 8: a sample has more than one column"):
        read_study("GDS1", [local_file(path)], source="x")


SOFT = """^SERIES = GSE9
!Series_sample_id = GSM1
!Series_sample_id = GSM2
!Series_sample_id = GSM3
^SAMPLE = GSM1
!Sample_platform_id = GPL5
!sample_table_begin
ID_REF\tVALUE
001\t1
!sample_table_end
^SAMPLE = GSM2
!Sample_platform_id = GPL5
"""
MINIML = """<MINiML><Sample iid="GSM1"><Platform-Ref ref="GPL5" /><Data-Table>
<Column position="1"><Name>ID_REF</Name></Column><Column position="2"><Name>VALUE</Name></Column><Internal-Data>
001\t1
</Internal-Data></Data-Table></Sample><Sample iid="GSM2"><Platform-Ref ref="GPL5" /></Sample>
<Series iid="GSE9"><Sample-Ref ref="GSM1" /><Sample-Ref ref="GSM2" /><Sample-Ref ref="GSM3" /></Series></MINiML>
"""
MATRIX = """!Series_sample_id\t"GSM1 GSM2 GSM3 "
!Sample_title\t"a1"\t"b2"
!Sample_geo_accession\t"GSM1"\t"GSM2"
!Sample_platform_id\t"GPL5"\t"GPL5"
!series_matrix_table_begin
"ID_REF"\t"GSM1"
!series_matrix_table_end
"""
WITH_ROW = MATRIX.replace("!series_matrix_table_end", "001\t1\n!series_matrix_table_end")


@pytest.mark.parametrize(
    "files",
    [
        {"GSE9_family.soft": SOFT},
        {"GSE9_family.xml": MINIML},
        {"GSE9_series_matrix.txt": WITH_ROW},
        {"GSE9_series_matrix.txt": MATRIX, "GSE9_raw_counts_GRCh38_NCBI.tsv": "GeneID\tGSM1\n1\t5\n"},
    ],
)
def test_by_every_route_a_sample_that_is_declared_and_not_there_is_named(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    study = read_study("GSE9", [local_file(path) for path in sorted(tmp_path.iterdir())], source="x")
    assert "GSE9 declares 3 samples, and 1 of them are in no file at hand: GSM3" in study.notes
    assert "1 of 2 samples on GPL5 have no values: GSM2" in study.notes


def test_a_sample_whose_column_of_counts_holds_text_is_named_with_the_reason(tmp_path: Path) -> None:
    notes = sequencing(
        tmp_path, counts="gene\tctl-1\tctl-2\tkd 1\nA\t1\t<5\t1\nB\t1\t7\t1\nC\t1\t7\t1\n"
    ).notes
    assert "2 of 4 samples on GPL5 have no values: GSM2, GSM4" in notes
    assert any("column 'ctl-2' holds text among its numbers, such as '<5'" in note for note in notes)


def test_a_superseries_says_what_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "GSE9_family.soft").write_text(
        "^SERIES = GSE9\n!Series_relation = SuperSeries of: GSE7\n!Series_relation = SuperSeries of: GSE8\n"
    )
    study = read_study("GSE9", [local_file(tmp_path / "GSE9_family.soft")], source="x")
    assert "GSE9 is a SuperSeries of GSE7, GSE8: each of these can be read alone" in study.notes


def test_a_table_of_text_is_no_matrix(tmp_path: Path) -> None:
    text = SEQUENCING.replace("!series_matrix_table_end", "rs1\tAA\tAB\tBB\tAA\n!series_matrix_table_end")
    (tmp_path / "GSE9_series_matrix.txt").write_text(text)
    study = read_study("GSE9", [local_file(tmp_path / "GSE9_series_matrix.txt")], source="x")
    assert not study.matrices
    assert any("the table holds no numbers, and was left out" in note for note in study.notes)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GSE9_series_matrix.txt", SEQUENCING.replace("GSE9", "GSE8")),
        ("GSE9_family.soft", SOFT.replace("GSE9", "gse8")),
        ("GSE9_family.xml", MINIML.replace("GSE9", "GSE8")),
        ("GDS9.soft", DATASET.replace("GDS1", "GDS8")),
    ],
)
def test_a_file_of_another_study_under_the_name_of_this_one_is_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    accession = name[:4]
    for read in (lambda a, f: read_study(a, f, source="x"), read_header):
        with pytest.raises(FormatError, match=rf"{name} should be of {accession} and says .* of G(SE|DS)8"):
            read(accession, [local_file(tmp_path / name)])


def test_without_files_there_is_no_study() -> None:
    with pytest.raises(NotFoundError, match="no files of GSE1 at hand"):
        read_study("GSE1", [], source="x")
    with pytest.raises(NotFoundError, match="not a GEO accession"):
        read_study("GSM1", [], source="x")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda raw: raw[:-2000], IntegrityError, r"GSE42872_series_matrix\.txt\.gz is truncated"),
        (lambda raw: b"<html>blocked</html>", FormatError, "is a web page, not gzip"),
        (lambda raw: b"", FormatError, "is empty"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:-100]), IntegrityError, "is cut off"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(geo, tmp_path, damage, error, message) -> None:  # type: ignore[no-untyped-def]
    source = layout.find_series_files(geo, "GSE42872")[0]
    path = tmp_path / source.name
    shutil.copy(source, path)
    path.chmod(0o644)
    path.write_bytes(damage(source.read_bytes()))
    with pytest.raises(error, match=message):
        read_study("GSE42872", [local_file(path)], source="x")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("GSE14520-GPL571_series_matrix.txt.gz", "matrix"),
        ("GSE8052_series_matrix-2.txt.gz", "matrix"),
        ("GSE781_family.soft.gz", "soft"),
        ("GDS507.soft.gz", "soft"),
        ("GPL97.annot.gz", "platform"),
        ("GPL96_family.soft.gz", "platform"),
        ("GSE730_family.xml.tgz", "miniml"),
        ("GSE1_raw_counts_GRCh38.p13_NCBI.tsv.gz", "ncbi_counts"),
        ("Human.GRCh38.p13.annot.tsv.gz", "ncbi_annotation"),
        ("GSE1_norm_counts_FPKM_GRCh38.p13_NCBI.tsv.gz", "suppl"),
        ("GSE151648_liver-iri-counts.txt.gz", "suppl"),
    ],
)
def test_files_are_told_apart_by_their_names(name: str, kind: str) -> None:
    assert file_kind(name) == kind
