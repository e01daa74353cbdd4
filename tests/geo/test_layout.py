from __future__ import annotations

from pathlib import Path

import pytest

from omics_nb.errors import NotFoundError
from omics_nb.geo import layout


@pytest.mark.parametrize(
    ("accession", "folder"),
    [
        ("GSE42872", "GSE42nnn"),
        ("GSE1", "GSEnnn"),
        ("GSE100", "GSEnnn"),
        ("GSE1234", "GSE1nnn"),
        ("GPL97", "GPLnnn"),
    ],
)
def test_accessions_are_grouped_by_thousands(accession: str, folder: str) -> None:
    assert layout.stub(accession) == folder


def test_paths_are_those_of_the_ftp_tree() -> None:
    assert layout.soft_file("GSE42872") == "series/GSE42nnn/GSE42872/soft/GSE42872_family.soft.gz"
    assert layout.soft_file("GDS507") == "datasets/GDSnnn/GDS507/soft/GDS507.soft.gz"
    assert layout.matrix_file("GSE42872") == "series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz"
    assert layout.matrix_file("GSE14520", "GPL571").endswith("/matrix/GSE14520-GPL571_series_matrix.txt.gz")
    assert layout.miniml_file("GSE730") == "series/GSEnnn/GSE730/miniml/GSE730_family.xml.tgz"
    assert layout.annot_file("GPL97") == "platforms/GPLnnn/GPL97/annot/GPL97.annot.gz"
    assert layout.suppl_folder("GSM7022367") == "samples/GSM7022nnn/GSM7022367/suppl"
    assert layout.series_folder("GSE4107") == "series/GSE4nnn/GSE4107"


def test_accessions_may_be_written_in_any_case_and_with_blanks() -> None:
    assert layout.parse_accession(" gse42872 ") == "GSE42872"


@pytest.mark.parametrize(
    "text", ["", "GSE", "GSE0", "GSE042", "E-MTAB-1", "GSE42872x", "GSE 42872", "GSE٤٢", "../GSE1"]
)
def test_what_is_no_accession_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(NotFoundError, match="GSE42872"):
        layout.parse_accession(text)


def test_an_accession_of_another_kind_says_which_kind_was_wanted() -> None:
    with pytest.raises(NotFoundError, match="GPL and a number"):
        layout.annot_file("GSE1")


def test_files_of_a_record_are_found_and_half_written_ones_are_not(tmp_path: Path) -> None:
    folder = tmp_path / layout.matrix_folder("GSE1")
    folder.mkdir(parents=True)
    for name in ("GSE1_series_matrix.txt.gz", "GSE1_series_matrix.txt.gz.part", ".GSE1.lock"):
        (folder / name).write_bytes(b"x")
    assert [path.name for path in layout.find_series_files(tmp_path, "GSE1")] == ["GSE1_series_matrix.txt.gz"]
    assert layout.find_series_files(tmp_path, "GSE2") == []
    assert layout.list_accessions(tmp_path) == ["GSE1"]


def test_a_folder_in_the_wrong_place_is_no_record(tmp_path: Path) -> None:
    for place in ("series/GSE1nnn/GSE42872", "series/GSEnnn/GSE7"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "series/GSE1nnn/GSE42872/a.txt").write_text("x")
    assert layout.list_accessions(tmp_path) == []


def test_the_shared_mirror_is_listed_by_kind_and_number(shared: Path) -> None:
    found = layout.list_accessions(shared / "geo")
    assert found[:3] == ["GSE781", "GSE1623", "GSE4107"]
    assert found[-2:] == ["GDS507", "GDS4019"]
    assert len(found) == 12
    assert [path.name for path in layout.find_platform_files(shared / "geo", "GPL97")] == ["GPL97.annot.gz"]
