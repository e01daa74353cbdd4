"""A file on this disk: what it is, whether it is whole, and its text.

What GEO sends under a file's name can be something else: a block page, an empty body, half a file. So nothing
here trusts a name: magic bytes decide, and a gzip stream (RFC 1952) is read to the end of its last member,
where its checksum and length stand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import IO, Literal, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from ..errors import DataError, FormatError, IntegrityError, NotFoundError
from ..records import FileRecord

Kind = Literal["gzip", "bzip2", "zip", "hdf5", "tar", "pdf", "ole", "html", "text"]

GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
# The largest real family file is some GB of text; what unpacks beyond this is an accident or an attack.
LIMIT_BYTES = 8 * 2**30
_PIECE = 1 << 18
# Unpacked at a time: what a bomb can grow to before it is counted.
_UNPACKED_PIECE = 1 << 22
# Deflate packs at most 1,032 to one.
_MOST_COMPRESSION = 1032
# Its stub says an instance of Exception; it is a class.
_ISAL_ERROR = cast("type[Exception]", IsalError)
# Which bytes, and from where, tell what a file is.
_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, GZIP, "gzip"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
    (0, b"\xd0\xcf\x11\xe0", "ole"),
    (0, b"%PDF", "pdf"),
    (4, b"1AY&SY", "bzip2"),
    (257, b"ustar", "tar"),
)
#: How much of a file tells what it is.
HEAD_BYTES = 4096
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title)\b",
    re.IGNORECASE | re.DOTALL,
)
_EXPECTED: dict[str, Kind] = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".bgz": "gzip",
    ".bz2": "bzip2",
    ".zip": "zip",
    ".xlsx": "zip",
    ".h5ad": "hdf5",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".tar": "tar",
    ".pdf": "pdf",
    ".xls": "ole",
}


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on disk and the record of where it came from."""

    path: Path
    record: FileRecord

    @property
    def name(self) -> str:
        return self.record.name


def local_file(path: Path, *, location: str | None = None, retrieved: str | None = None) -> LocalFile:
    """The file with its size and SHA-256, read once.

    ``location`` defaults to the path, ``retrieved`` to the file's modification time. NotFoundError if it is
    not there.
    """
    try:
        with path.open("rb") as handle:
            digest = file_digest(handle, "sha256").hexdigest()
        status = path.stat()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"there is no file {path}", path=str(path)) from error
    time = retrieved or datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    return LocalFile(path, FileRecord(path.name, location or str(path), status.st_size, digest, time))


def check_file(path: Path) -> None:
    """Read the whole file; FormatError or IntegrityError if it is damaged or not what its name says."""
    for _ in stream(path):
        pass


def read_bytes(path: Path, *, limit: int = LIMIT_BYTES) -> bytes:
    """The content, unpacked where it is gzip, verified to its end.

    FormatError: empty, a web page, or another format than the name says. IntegrityError: truncated or
    damaged.
    """
    return b"".join(stream(path, limit=limit))


def stream(path: Path, *, limit: int = LIMIT_BYTES) -> Iterator[bytes]:
    """The content in pieces, as ``read_bytes``. What is wrong with the end is only known at the end."""
    with _open(path) as handle:
        head = handle.read(_PIECE)
        kind = check_head(path.name, head)
        pieces = iter(lambda: handle.read(_PIECE), b"")
        yield from (
            _unpacked(path, head, pieces, limit) if kind == "gzip" else _plain(path, head, pieces, limit)
        )


def read_head(path: Path, n_bytes: int = 1 << 16) -> bytes:
    """The first bytes of the content, unpacked; the rest is neither read nor verified."""
    head = b""
    for piece in stream(path):
        head += piece
        if len(head) >= n_bytes:
            break
    return head[:n_bytes]


def kind_of(head: bytes) -> Kind:
    """What the first bytes say a file is."""
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    return "html" if _HTML.match(head[:HEAD_BYTES]) else "text"


def read_text(path: Path, *, limit: int = LIMIT_BYTES) -> bytes:
    """The content as ``read_bytes``, without a byte order mark and with ``\\n`` as its only line end."""
    return b"".join(text_pieces(path, limit=limit))


def text_pieces(path: Path, *, limit: int = LIMIT_BYTES) -> Iterator[bytes]:
    """The text in pieces, as ``read_text``. While a piece is in the processor's cache this costs little."""
    return _plain_pieces(stream(path, limit=limit))


def _plain_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held, lines, first = b"", False, True
    for piece in pieces:
        text = held + piece if held else piece
        lines = lines or b"\n" in text
        # Until a line end of the usual kind is seen, a carriage return may be one.
        held = text[len(text.rstrip(b"\r")) :] if lines else text
        if text := text[: len(text) - len(held)]:
            yield _without_returns(text.removeprefix(BOM) if first else text)
            first = False
    if held := held.removeprefix(BOM) if first else held:
        yield held.strip(b"\r") if lines else held.replace(b"\r", b"\n")


def about_bytes(path: Path) -> int:
    """How long the text is, at a guess that costs nothing: gzip files end with the length of their last member."""
    with _open(path) as handle:
        if handle.read(len(GZIP)) != GZIP:
            return path.stat().st_size
        packed = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, packed - 4))
        return min(int.from_bytes(handle.read(4), "little"), _MOST_COMPRESSION * packed)


def plain_lines(data: bytes) -> bytes:
    """The text without a byte order mark and with ``\\n`` as its only line end.

    A lone carriage return ends a line in files that know no other end, and where a line of SOFT begins after it;
    elsewhere it was typed into a text or a cell, and becomes a blank: to cut there would make a row of half a row.
    """
    return b"".join(_plain_pieces(iter([data])))


def _without_returns(text: bytes) -> bytes:
    if b"\r" not in text:
        return text
    text = text.replace(b"\r\n", b"\n")
    if b"\r" not in text:
        return text
    return re.sub(rb"\r(?=[\^!#])", b"\n", re.sub(rb"\r+\n", b"\n", text)).replace(b"\r", b" ")


def decode(raw: bytes) -> tuple[str, str]:
    """Text and the encoding that it was in: UTF-8, else Windows-1252, else Latin-1, which takes any byte."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1"


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"there is no file {path}", path=str(path)) from error


def check_head(name: str, head: bytes) -> Kind:
    """What a file is by its first bytes; FormatError if it is empty, a web page or not what its name says."""
    if not head:
        raise FormatError(f"{name} is empty (0 bytes)", path=name)
    kind, ending = kind_of(head), Path(name).suffix.lower()
    expected = _EXPECTED.get(ending, "text")
    if kind == "html" and ending not in (".html", ".htm"):
        raise FormatError(
            f"{name} is a web page, not {expected}: a server sent an error or block page under its name. "
            "Delete it and fetch the file again",
            path=name,
            found="html",
        )
    # Authors name tables of text .xls, for that opens them in a spreadsheet.
    if kind != expected and expected != "text" and (expected, kind) != ("ole", "text"):
        raise FormatError(
            f"{name} should be {expected} and begins with {head[:8]!r}, which is {kind}",
            path=name,
            found=kind,
        )
    return kind


class Gunzip:
    """Unpacks a gzip file that comes in pieces, every member to its checksum. IntegrityError if it is damaged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_packed = self.n_unpacked = 0
        self._member = isal_zlib.decompressobj(wbits=31)

    def feed(self, packed: bytes) -> Iterator[bytes]:
        self.n_packed += len(packed)
        while packed:
            if self._member.eof and not (packed := self._next_member(packed)):
                return
            try:
                text = self._member.decompress(packed, _UNPACKED_PIECE)
            except _ISAL_ERROR as error:
                raise self._damage(
                    f"is damaged after {self.n_unpacked:,} bytes of its content: {error}"
                ) from error
            self.n_unpacked += len(text)
            if text:
                yield text
            packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """IntegrityError if the last member is not whole."""
        if not self._member.eof:
            raise self._damage(
                f"is truncated: its gzip stream stops after {self.n_unpacked:,} bytes of content, before its end. "
                "Fetch it again"
            )

    def _next_member(self, packed: bytes) -> bytes:
        # tar and some mirrors pad with zeros; anything else must be another member.
        packed = packed.lstrip(b"\0")
        if packed and not GZIP.startswith(packed[:2]):
            raise self._damage(f"has bytes after the end of its gzip stream: {packed[:8]!r}")
        if packed:
            self._member = isal_zlib.decompressobj(wbits=31)
        return packed

    def _damage(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self.name} {what}", path=self.name, transient=True, attempts=2)


def _plain(path: Path, head: bytes, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = len(head)
    yield head
    for piece in pieces:
        size += len(piece)
        _check_size(path, size, limit)
        yield piece


def _unpacked(path: Path, head: bytes, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    gunzip = Gunzip(path.name)
    for packed in chain([head], pieces):
        for text in gunzip.feed(packed):
            _check_size(path, gunzip.n_unpacked, limit)
            yield text
    gunzip.finish()
    if not gunzip.n_unpacked:
        raise FormatError(f"{path.name} is empty: its gzip stream holds 0 bytes", path=str(path))


def _check_size(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(
            f"{path.name} unpacks to more than {limit:,} bytes; it is not read further", path=str(path)
        )
