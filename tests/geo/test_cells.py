"""Single-cell files: told by their names, and taken out of archives that strangers made."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from omics_nb.errors import DataError, FormatError, IntegrityError, NotFoundError
from omics_nb.geo import cells
from omics_nb.geo.around import Files, ListedFile
from omics_nb.geo.cells import check_size, find_cells, left_out, list_members, unpack


def triplet(prefix: str) -> list[str]:
    return [f"{prefix}{part}.gz" for part in ("barcodes.tsv", "features.tsv", "matrix.mtx")]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (triplet("GSM1_a_"), [("10x triplet", "GSM1")]),
        (["GSM1_filtered_feature_bc_matrix.h5", "GSM1_molecule_info.h5"], [("10x .h5", "GSM1")]),
        (["GSE1_all.h5ad.gz", "GSE1_counts.txt.gz", "GSM2.cel"], [(".h5ad", "")]),
        (triplet("raw/GSM1/"), [("10x triplet", "GSM1")]),
        (
            ["GSM1_processed.h5ad", *triplet("GSM1_"), "GSM2_x.h5ad"],
            [("10x triplet", "GSM1"), (".h5ad", "GSM2")],
        ),
        (["GSE1_all.h5ad", *triplet("GSM1_")], [("10x triplet", "GSM1")]),
        ([*triplet("GSM1_A_"), *triplet("GSM1_B_")], [("10x triplet", "GSM1")] * 2),
        (["GSM1_counts.txt.gz", "GSE1_RAW.tar"], []),
    ],
)
def test_names_tell_which_files_hold_cells_each_cell_once(
    names: list[str], found: list[tuple[str, str]]
) -> None:
    assert [(one.kind, one.sample) for one in find_cells(names)] == found


def test_of_two_matrices_of_cell_ranger_the_filtered_one_is_taken() -> None:
    names = [
        "GSM1_raw_feature_bc_matrix.h5",
        "GSM1_filtered_feature_bc_matrix.h5",
        "GSM2_raw_feature_bc_matrix.h5",
    ]
    found = find_cells(names)
    assert [one.names[0] for one in found] == [names[1], names[2]]
    assert left_out(names, found) == [names[0]]


def test_samples_limit_what_is_looked_at() -> None:
    names = [*triplet("GSM1_"), *triplet("GSM2_"), "GSM3_matrix.mtx.gz"]
    assert [one.sample for one in find_cells(names, ["GSM2"])] == ["GSM2"]
    with pytest.raises(NotFoundError, match="named by GSM9; samples that have such files: GSM1, GSM2, GSM3"):
        find_cells(names, ["GSM9", "GSM1"])
    with pytest.raises(FormatError, match="GSM3_matrix.mtx.gz lacks its barcodes and features file$"):
        find_cells(names)


def test_too_much_is_refused_with_what_fewer_samples_would_take() -> None:
    names = ["GSM1.h5", "GSM2.h5"]
    listed = Files("GSE1", tuple(ListedFile(name, "supplement", name, 3 * 2**20) for name in names), "shelf")
    check_size(find_cells(names), listed, 6 * 2**20)
    advice = r"above the limit of 5\.0 MiB: name some samples \(samples=\['GSM1'\] is 3\.0 MiB\), or raise"
    with pytest.raises(DataError, match=advice):
        check_size(find_cells(names), listed, 5 * 2**20)


def archive(folder: Path, **members: tarfile.TarInfo | bytes) -> Path:
    path = folder / "GSE1_RAW.tar"
    with tarfile.open(path, "w") as target:
        for name, member in members.items():
            content = member if isinstance(member, bytes) else b""
            item = tarfile.TarInfo(name) if isinstance(member, bytes) else member
            item.size = len(content)
            target.addfile(item, io.BytesIO(content))
    return path


def test_a_member_is_listed_and_unpacked_without_its_folder(tmp_path: Path) -> None:
    path = archive(tmp_path, **{"deep/GSM1.txt": b"words"})
    (member,) = list_members(path)
    assert (member.name, member.n_bytes, member.archive) == ("deep/GSM1.txt", 5, "GSE1_RAW.tar")
    (tmp_path / "out").mkdir()
    file = unpack(path, "deep/GSM1.txt", tmp_path / "out")
    assert file.path == tmp_path / "out/GSM1.txt"
    assert (file.path.read_bytes(), file.record.location) == (b"words", f"{path}!deep/GSM1.txt")


def test_an_archive_is_looked_through_once_while_it_is_the_same(tmp_path: Path) -> None:
    for content in (b"some", b"other words"):
        path = archive(tmp_path, **{f"GSM{number}.txt": content for number in range(9)})
        out = tmp_path / content.decode()
        out.mkdir()
        before = cells._members.cache_info().misses
        found = [unpack(path, f"GSM{number}.txt", out) for number in range(9)]
        assert {file.path.read_bytes() for file in found} == {content}
        assert cells._members.cache_info().misses == before + 1


@pytest.mark.parametrize("name", ["../GSM1.h5", "/etc/GSM1.h5", "a/../../GSM1.h5", "..\\GSM1.h5"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match="a name that leads out of its folder"):
        list_members(archive(tmp_path, **{name: b"x"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    item = tarfile.TarInfo("GSM1.h5")
    item.type, item.linkname = kind, "/etc/passwd"
    with pytest.raises(FormatError, match="'GSM1.h5', which is no plain file"):
        list_members(archive(tmp_path, **{"GSM1.h5": item}))


def test_a_sparse_member_that_would_unpack_to_a_terabyte_is_refused(tmp_path: Path) -> None:
    item = tarfile.TarInfo("GSM1.h5")
    item.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**12), "GNU.sparse.numblocks": "1"}
    with pytest.raises(FormatError, match="no plain file"):
        list_members(archive(tmp_path, **{"GSM1.h5": item}))


@pytest.mark.parametrize("cut", [1, 1024, 5_000, 9_000])
def test_an_archive_that_is_cut_off_is_no_archive(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path, **{"GSM1.txt": b"x" * 8_000, "GSM2.txt": b"y" * 700})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole.rstrip(b"\0")) - cut])
    with pytest.raises(IntegrityError, match="no whole tar archive"):
        list_members(path)


def test_an_archive_that_is_packed_or_damaged_says_so(tmp_path: Path) -> None:
    path = archive(tmp_path, **{"GSM1.txt": b"x" * 8_000})
    path.write_bytes(b"\x1f\x8b" + path.read_bytes())
    with pytest.raises(IntegrityError, match="GSE1_RAW.tar is damaged"):
        list_members(path)
