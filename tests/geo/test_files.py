from __future__ import annotations

import gzip
import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.errors import DataError, FormatError, IntegrityError, NotFoundError
from omics_nb.geo import files

TEXT = b"".join(b"!Series_title\tline %d\n" % number for number in range(50_000))


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_size_hash_and_place_are_recorded(tmp_path: Path) -> None:
    found = files.local_file(write(tmp_path, "a.txt", b"abc"), location="https://example.org/a.txt")
    assert found.record.n_bytes == 3
    assert found.record.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert found.record.location == "https://example.org/a.txt"
    assert found.record.retrieved.endswith("+00:00")
    assert found.name == "a.txt"


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no file .*gone\.txt"):
        files.local_file(tmp_path / "gone.txt")
    with pytest.raises(NotFoundError, match=r"gone\.txt"):
        files.read_bytes(tmp_path / "gone.txt")


def test_gzip_is_read_whatever_the_name(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT)
    assert files.read_bytes(write(tmp_path, "a.txt.gz", packed)) == TEXT
    assert files.read_bytes(write(tmp_path, "a.txt", packed)) == TEXT
    assert files.read_bytes(write(tmp_path, "b.txt", TEXT)) == TEXT


def test_all_members_of_a_gzip_file_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT) + gzip.compress(b"more") + b"\0" * 512
    assert files.read_bytes(write(tmp_path, "a.gz", packed)) == TEXT + b"more"


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 100, 5_000])
def test_a_truncated_gzip_file_says_so(tmp_path: Path, lost: int) -> None:
    path = write(tmp_path, "a.txt.gz", gzip.compress(TEXT)[:-lost])
    with pytest.raises(IntegrityError, match=r"a\.txt\.gz is truncated"):
        files.check_file(path)


def test_a_file_cut_to_its_first_bytes_is_truncated(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="truncated"):
        files.read_bytes(write(tmp_path, "a.gz", gzip.compress(TEXT)[:3]))


@pytest.mark.parametrize("at", [20, -2, -6])
def test_a_flipped_byte_is_found(tmp_path: Path, at: int) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[at] ^= 0x55
    with pytest.raises(IntegrityError, match=r"a\.gz"):
        files.read_bytes(write(tmp_path, "a.gz", bytes(packed)))


def test_bytes_after_the_end_are_found(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="after the end"):
        files.read_bytes(write(tmp_path, "a.gz", gzip.compress(TEXT) + b"<html>"))


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html>",
        b"\n <html><body>reCAPTCHA",
        b"<!-- blocked --><HTML>",
        b"<head><title>404</title>",
    ],
)
def test_a_web_page_under_the_name_of_a_file_says_what_it_is(tmp_path: Path, page: bytes) -> None:
    with pytest.raises(FormatError, match="is a web page, not gzip") as caught:
        files.read_bytes(write(tmp_path, "GSE1_series_matrix.txt.gz", page))
    assert caught.value.found == "html"
    with pytest.raises(FormatError, match="is a web page, not text"):
        files.read_bytes(write(tmp_path, "GSE1_series_matrix.txt", page))


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FormatError, match="is empty"):
        files.read_bytes(write(tmp_path, "a.txt.gz", content))


def test_text_named_gz_says_what_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="should be gzip and begins with"):
        files.read_bytes(write(tmp_path, "a.gz", b"!Series_title"))


def test_what_unpacks_to_too_much_is_not_read_further(tmp_path: Path) -> None:
    path = write(tmp_path, "a.gz", gzip.compress(bytes(5_000_000)))
    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        files.read_bytes(path, limit=1_000_000)


def test_line_ends_of_every_kind_become_one() -> None:
    assert files.plain_lines(b"a\r\nb\r\n") == b"a\nb\n"
    assert files.plain_lines(b"a\rb\rc") == b"a\nb\nc"
    assert files.plain_lines(b"!a = \r\r\n!b\r\n") == b"!a = \n!b\n"
    assert files.plain_lines(b"!a = x\r!b = y\n") == b"!a = x\n!b = y\n"


def test_a_carriage_return_typed_into_a_cell_does_not_cut_its_row() -> None:
    assert files.plain_lines(b"id1\tgene A\rvariant 2\t7\n") == b"id1\tgene A variant 2\t7\n"


@given(st.text("ab\r\n!#\t", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_a_text_reads_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert b"".join(files._plain_pieces(iter(pieces))) == files.plain_lines(data)
    assert b"\r" not in files.plain_lines(data)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert files.read_text(write(tmp_path, "a.txt", b"\xef\xbb\xbf^SERIES\r\n")) == b"^SERIES\n"


@pytest.mark.parametrize(
    ("raw", "text", "encoding"),
    [
        ("10 μM".encode(), "10 μM", "utf-8"),
        (b"10 \xb5M", "10 µM", "cp1252"),
        (b"patient\x92s", "patient’s", "cp1252"),
        (b"\x81", "\x81", "latin-1"),
    ],
)
def test_bytes_that_are_not_utf8_are_read_and_named(raw: bytes, text: str, encoding: str) -> None:
    assert files.decode(raw) == (text, encoding)


def test_the_size_of_the_text_is_guessed_and_a_lie_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 50)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"x" * 5000))
    lying = gzip.compress(b"x")[:-4] + b"\xff\xff\xff\xff"
    (tmp_path / "b.txt.gz").write_bytes(lying)
    assert files.about_bytes(tmp_path / "a.txt") == 50
    assert files.about_bytes(tmp_path / "a.txt.gz") == 5000
    assert files.about_bytes(tmp_path / "b.txt.gz") == 1032 * len(lying)
