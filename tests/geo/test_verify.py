"""Files judged while their bytes stream by."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import BackendError, BlockedError, DataError, IntegrityError, OmicsError
from omics_nb.geo.verify import Inspector, Limits
from tests.ncbi.faults import CHALLENGE, MAINTENANCE

MATRIX = (
    b'!Series_title\t"A"\n!series_matrix_table_begin\n"ID_REF"\t"GSM1"\n'
    + b"".join(b'"p%d"\t%d.5\n' % (row, row) for row in range(2000))
    + b"!series_matrix_table_end\n"
)
NAME = "GSE1_series_matrix.txt.gz"


def inspect(
    data: bytes, name: str = NAME, *, piece: int = 65_536, limits: Limits | None = None, url: str = ""
) -> Inspector:
    """What comes of the file without threads, if it is small, and with them; it must be the same."""
    found: list[Inspector | OmicsError] = []
    for batch_bytes in (2**20, 1000):
        with Inspector(name, limits, url=url, batch_bytes=batch_bytes) as inspector:
            try:
                for start in range(0, len(data), piece):
                    inspector.feed(data[start : start + piece])
                inspector.finish()
                found.append(inspector)
            except OmicsError as error:
                found.append(error)
    alone, followed = found
    if isinstance(alone, OmicsError):
        assert (type(alone), str(alone)) == (type(followed), str(followed))
        raise alone
    assert isinstance(followed, Inspector)
    assert alone.sha256 == followed.sha256
    assert not any(thread.name == "omics_nb follower" for thread in threading.enumerate())
    return followed


def test_every_real_file_passes_with_its_hash(shared: Path) -> None:
    files = sorted((shared / "geo").rglob("*.gz"))
    assert len(files) == 13
    for path in files:
        data = path.read_bytes()
        found = inspect(data, path.name)
        assert (found.n_bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    "name",
    [
        "series/GSE99nnn/GSE99709/matrix/GSE99709_series_matrix.txt.gz",
        "series/GSE235nnn/GSE235534/soft/GSE235534_family.soft.gz",
        "series/GSE94nnn/GSE94489/soft/GSE94489_family.soft.gz",
    ],
)
def test_a_real_file_cut_at_any_gzip_member_boundary_is_refused(shared: Path, name: str) -> None:
    path = shared / "geo" / name
    text = gzip.decompress(path.read_bytes())
    for share in (0.1, 0.5, 0.9):
        cut = gzip.compress(text[: int(len(text) * share)])
        assert gzip.decompress(cut)
        with pytest.raises(IntegrityError, match="is cut off"):
            inspect(cut, path.name)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70_000), st.integers(0, len(MATRIX)), st.data())
def test_members_and_pieces_do_not_matter_and_any_cut_is_refused(
    piece: int, split: int, data: st.DataObject
) -> None:
    whole = gzip.compress(MATRIX[:split]) + gzip.compress(MATRIX[split:])
    assert inspect(whole, piece=piece).sha256 == hashlib.sha256(whole).hexdigest()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(IntegrityError):
        inspect(whole[:cut], piece=piece)


@settings(max_examples=60, deadline=None)
@given(st.integers(10, len(gzip.compress(MATRIX)) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused(place: int, bit: int) -> None:
    data = bytearray(gzip.compress(MATRIX, mtime=0))
    data[place] ^= 1 << bit
    with pytest.raises(IntegrityError):
        inspect(bytes(data))


SOFT = b"""^DATABASE = Geo
^SERIES = GSE1
!Series_sample_id = GSM1
!Series_sample_id = GSM2
^SAMPLE = GSM1
!sample_table_begin
ID_REF\tVALUE
a\t1
!sample_table_end
^SAMPLE = GSM2
!sample_table_begin
ID_REF\tVALUE
a\t1
!sample_table_end
"""


@pytest.mark.parametrize(
    "text", [SOFT, SOFT.replace(b"\n", b"\r\n"), SOFT.replace(b"\n", b"\r"), SOFT.lower()]
)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_family_soft_in_any_case_and_line_end_is_whole(text: bytes, piece: int) -> None:
    inspect(gzip.compress(text), "GSE1_family.soft.gz", piece=piece)


@pytest.mark.parametrize(
    ("end", "missing"), [(b"^SAMPLE = GSM2", "GSM2"), (b"!sample_table_end\n^SAMPLE = GSM2", "last table")]
)
def test_family_soft_without_its_last_sample_or_table_end_is_cut(end: bytes, missing: str) -> None:
    with pytest.raises(IntegrityError, match=missing):
        inspect(gzip.compress(SOFT[: SOFT.index(end)]), "GSE1_family.soft.gz")


def test_samples_in_another_order_than_declared_are_no_damage() -> None:
    swapped = SOFT.replace(b"^SAMPLE = GSM1", b"^SAMPLE = GSM3").replace(b"^SAMPLE = GSM2", b"^SAMPLE = GSM1")
    inspect(gzip.compress(swapped.replace(b"GSM3", b"GSM2")), "GSE1_family.soft.gz")


@pytest.mark.parametrize("name", ["GPL1_family.soft.gz", "GSE1.soft", "GSM1.txt"])
def test_only_the_family_of_a_series_holds_all_samples_that_it_declares(name: str) -> None:
    text = SOFT.replace(b"!Series_sample_id = GSM2", b"!Series_sample_id = GSM999")
    inspect(gzip.compress(text) if name.endswith(".gz") else text, name)
    with pytest.raises(IntegrityError, match="GSM999"):
        inspect(gzip.compress(text), "GSE1_family.soft.gz")


def test_a_matrix_that_geo_splits_is_held_to_its_end_in_each_part() -> None:
    inspect(gzip.compress(MATRIX), "GSE1-GPL1_series_matrix-2.txt.gz")
    with pytest.raises(IntegrityError, match="series_matrix_table_end"):
        inspect(gzip.compress(MATRIX[:-30]), "GSE1-GPL1_series_matrix-2.txt.gz")


def test_a_tar_without_its_end_is_cut() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("GSM1.CEL")
        member.size = 5000
        tar.addfile(member, io.BytesIO(b"x" * 5000))
    whole = buffer.getvalue()
    inspect(whole, "GSE1_RAW.tar")
    inspect(gzip.compress(whole), "GSE1_family.xml.tgz")
    with pytest.raises(IntegrityError, match="tar archive"):
        inspect(whole[:5000], "GSE1_RAW.tar")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("GSE1_counts.txt.gz", b"gene\tGSM1\n" * 500),
        ("GSE1_counts.xlsx", b"gene\tGSM1\n" * 500),
        ("GSE1.h5ad", b"PK\x03\x04" + b"\0" * 5000),
        ("GSE1_RAW.tar", b"GSM1.CEL" * 500),
        ("GSE1_peaks.bed.bz2", b"BZh9 not packed"),
        ("GPL1.soft", b'Could not find a public or private accession "GPL1".'),
    ],
)
def test_a_file_that_begins_like_something_else_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(IntegrityError, match="begins with"):
        inspect(data, name)


def test_a_table_of_text_that_is_called_a_workbook_is_no_damage() -> None:
    inspect(b"gene\tGSM1\n" * 500, "GSE1_counts.xls")
    inspect(b"\xd0\xcf\x11\xe0" + bytes(5000), "GSE1_counts.xls")
    with pytest.raises(IntegrityError, match="should be ole"):
        inspect(b"PK\x03\x04" + bytes(5000), "GSE1_counts.xls")


@pytest.mark.parametrize("piece", [1, 50, 10_000])
@pytest.mark.parametrize("name", ["GSE1_series_matrix.txt.gz", "GSE1_counts.tsv", "GSE1_RAW.tar"])
def test_a_web_page_is_named_as_such_and_not_as_damage(name: str, piece: int) -> None:
    with pytest.raises(BlockedError, match="challenge page"):
        inspect(CHALLENGE, name, piece=piece, url="https://ftp.ncbi.nlm.nih.gov/x")
    with pytest.raises(BackendError, match="web page"):
        inspect(MAINTENANCE, name, piece=piece, url="https://ftp.ncbi.nlm.nih.gov/x")
    with pytest.raises(IntegrityError, match="web page"):
        inspect(MAINTENANCE, name, piece=piece)


def test_a_bomb_is_refused_before_it_is_unpacked_whole() -> None:
    bomb = gzip.compress(b"0" * 200_000_000, compresslevel=9)
    with pytest.raises(DataError, match="unpacks to more than") as caught:
        inspect(bomb, "GSE1_counts.txt.gz")
    assert not isinstance(caught.value, IntegrityError)


def test_limits_on_bytes_hold_for_packed_and_unpacked() -> None:
    for limits in (Limits(max_bytes=100), Limits(max_unpacked_bytes=1000)):
        with pytest.raises(DataError):
            inspect(gzip.compress(MATRIX), limits=limits)


def test_bytes_after_the_end_of_gzip_are_refused_but_for_zeros() -> None:
    whole = gzip.compress(MATRIX)
    inspect(whole + b"\0" * 512)
    with pytest.raises(IntegrityError, match="after the end"):
        inspect(whole + b"trailing garbage")


def test_an_empty_file_is_refused() -> None:
    for name in (NAME, "GSE1_counts.csv", "GSE1_RAW.tar"):
        with pytest.raises(OmicsError):
            inspect(b"", name)
