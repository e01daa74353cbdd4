"""Is a file whole and what its name says? Judged while its bytes stream by, so that nothing is read twice.

Magic bytes, gzip to the very end of its last member, a bound on what it unpacks to, and the format's own end:
a gzip file that was cut between two members is valid gzip, and only the missing end of the text inside gives
it away.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from ..errors import DataError, FormatError, IntegrityError
from .files import HEAD_BYTES, Gunzip, check_head
from .follower import Follower
from .http import html_error

_TAIL = 4096
# Handed to a thread at a time: small enough to stay in the processor's cache, large enough to cost no time itself.
_BATCH_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may grow to. ``max_ratio`` bounds unpacked to packed bytes beyond the first 64 MiB
    unpacked.
    """

    max_bytes: int = 16 * 2**30
    max_unpacked_bytes: int = 256 * 2**30
    max_ratio: float = 400.0
    max_seconds: float = 4 * 3600.0


class Checker(Protocol):
    """Takes the bytes of a file in order; ``finish`` raises IntegrityError if something was missing."""

    def feed(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


class Inspector:
    """Looks at a file named ``name`` as its bytes stream by; counts and hashes them. A context manager.

    The first bytes are judged at once. All else happens in threads, one for the hash and one to unpack: what is
    wrong is raised by the next ``feed`` or by ``finish``. A file of less than ``batch_bytes`` needs no thread.
    """

    def __init__(
        self, name: str, limits: Limits | None = None, *, url: str = "", batch_bytes: int = _BATCH_BYTES
    ) -> None:
        self.name = name
        self.n_bytes = 0
        self._url = url or name
        self._limits = limits or Limits()
        self._sha256 = hashlib.sha256()
        self._batch: list[bytes] = []
        self._batch_bytes = batch_bytes
        self._waiting = 0
        self._head_seen = False
        inner = _inner_checker(name)
        self.knows_its_end = inner is not None
        checker = _Unpacking(name, self._limits, inner) if _is_gzip(name) else inner
        self._checker: Checker | None = checker
        self._followers = [Follower(self._sha256.update)] + ([Follower(checker.feed)] if checker else [])

    def __enter__(self) -> Inspector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def feed(self, data: bytes) -> None:
        """IntegrityError or DataError as soon as something is known to be wrong; BlockedError or BackendError
        for a web page.
        """
        self.n_bytes += len(data)
        if self.n_bytes > self._limits.max_bytes:
            raise DataError(
                f"{self.name} is larger than the {self._limits.max_bytes:,} bytes allowed",
                file=self.name,
                n_bytes=self.n_bytes,
            )
        self._batch.append(data)
        self._waiting += len(data)
        # Nothing is unpacked before the first bytes have been looked at: a web page is no damaged gzip file.
        if not self._head_seen and self._waiting >= HEAD_BYTES:
            self._look_at_head()
        if self._head_seen and self._waiting >= self._batch_bytes:
            batch = self._take_batch()
            for follower in self._followers:
                follower.give(batch)

    def catch_up(self) -> None:
        """Wait for the threads; what they know to be wrong so far is raised, as by ``feed``."""
        for follower in self._followers:
            follower.catch_up()

    def finish(self) -> None:
        """IntegrityError if the file is not whole."""
        if not self._head_seen:
            self._look_at_head()
        if not self.n_bytes:
            raise IntegrityError(f"{self.name} is empty (0 bytes)", file=self.name, transient=True)
        rest = self._take_batch()
        for follower in self._followers:
            follower.finish(rest)
        if self._checker:
            self._checker.finish()

    def close(self) -> None:
        """End the threads, whatever they still have to look at."""
        for follower in self._followers:
            follower.close()

    @property
    def sha256(self) -> str:
        """Of the whole file, in hexadecimal, once ``finish`` has returned."""
        return self._sha256.hexdigest()

    def _take_batch(self) -> list[bytes]:
        batch, self._batch, self._waiting = self._batch, [], 0
        return batch

    def _look_at_head(self) -> None:
        self._head_seen = True
        head = b"".join(self._batch)
        if not head:
            return
        try:
            check_head(self.name, head)
        except FormatError as error:
            if error.found == "html" and "://" in self._url:
                raise html_error(head, self._url, 200) from error
            raise IntegrityError(str(error), file=self.name) from error
        # What GEO's pages say in the place of a record is text as well.
        if self.name.endswith(".soft") and not head.startswith(b"^"):
            raise IntegrityError(
                f"{self.name} should begin with '^' and begins with {head[:40]!r}", file=self.name
            )


class _Unpacking:
    """Unpacks within limits and hands the text on."""

    def __init__(self, name: str, limits: Limits, inner: Checker | None) -> None:
        self._gunzip, self._limits, self._inner = Gunzip(name), limits, inner

    def feed(self, data: bytes) -> None:
        gunzip, limits = self._gunzip, self._limits
        for text in gunzip.feed(data):
            bomb = gunzip.n_unpacked > max(64 * 2**20, limits.max_ratio * gunzip.n_packed)
            if bomb or gunzip.n_unpacked > limits.max_unpacked_bytes:
                raise DataError(
                    f"{gunzip.name} unpacks to more than {gunzip.n_unpacked:,} bytes from {gunzip.n_packed:,};"
                    f" allowed are {limits.max_ratio:g} to 1 and {limits.max_unpacked_bytes:,} bytes",
                    file=gunzip.name,
                )
            if self._inner:
                self._inner.feed(text)

    def finish(self) -> None:
        self._gunzip.finish()
        if self._inner:
            self._inner.finish()


class _LastLine:
    """The last line that is not blank must be ``marker``, in any case."""

    def __init__(self, name: str, marker: str) -> None:
        self._name, self._marker, self._tail = name, marker, b""

    def feed(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]

    def finish(self) -> None:
        lines = self._tail.split()
        last = lines[-1].decode("utf-8", "replace") if lines else ""
        if last.lower() != self._marker:
            raise _cut(self._name, f"the line {self._marker!r}", last)


class _SoftEnd:
    """SOFT: every table that begins ends; in the family of a series the last sample that it declares is there.

    The family of a platform names the samples that its series have on other platforms too.
    """

    _LINE = re.compile(
        rb"\n(?:!(?:platform|sample|series|dataset)_table_(begin|end)|\^sample\s*=\s*(\w+)|!series_sample_id\s*=\s*(\w+))",
        re.I,
    )
    _LONGEST = 200

    def __init__(self, name: str, *, of_series: bool) -> None:
        self._name, self._of_series = name, of_series
        self._carry = b"\n"
        self._open = False
        self._samples: set[bytes] = set()
        self._last_sample = self._last_declared = b""

    def feed(self, data: bytes) -> None:
        text = self._carry + (data.replace(b"\r", b"\n") if b"\r" in data else data)
        # A line that may go on in the next piece is looked at when it is whole.
        end = text.rfind(b"\n")
        if end <= 0 or len(text) - end > self._LONGEST:
            end = max(len(text) - self._LONGEST, 0)
        self._scan(text[:end])
        self._carry = text[end:]

    def finish(self) -> None:
        self._scan(self._carry + b"\n")
        if self._open:
            raise _cut(self._name, "the end of its last table", self._carry.decode("utf-8", "replace"))
        if self._of_series and self._last_declared and self._last_declared not in self._samples:
            raise _cut(
                self._name,
                f"the sample {self._last_declared.decode()}, the last that its series declares",
                self._last_sample.decode() or "no sample at all",
            )

    def _scan(self, text: bytes) -> None:
        for found in self._LINE.finditer(text):
            if found[1]:
                self._open = found[1].lower() == b"begin"
            elif found[2]:
                self._last_sample = found[2].upper()
                self._samples.add(self._last_sample)
            else:
                self._last_declared = found[3].upper()


class _TarEnd:
    """A tar archive ends with two blocks of zeros."""

    def __init__(self, name: str) -> None:
        self._name, self._tail = name, b""

    def feed(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-1024:] if len(data) < 1024 else data[-1024:]

    def finish(self) -> None:
        if self._tail != b"\0" * 1024:
            raise _cut(self._name, "the two blocks of zeros that end a tar archive", "other bytes")


def _inner_checker(name: str) -> Checker | None:
    plain = re.sub(r"\.gz$", "", name.lower())
    if re.search(r"_series_matrix(-\d+)?\.txt$", plain):
        return _LastLine(name, "!series_matrix_table_end")
    if re.fullmatch(r"gds\d+(_full)?\.soft", plain):
        return _LastLine(name, "!dataset_table_end")
    if re.fullmatch(r"gpl\d+\.annot", plain):
        return _LastLine(name, "!platform_table_end")
    if plain.endswith("_family.soft") or re.fullmatch(r"g(pl|se|sm)\d+\.(soft|txt)", plain):
        return _SoftEnd(name, of_series=plain.startswith("gse") and plain.endswith("_family.soft"))
    if plain.endswith((".tgz", ".tar")):
        return _TarEnd(name)
    return None


def _is_gzip(name: str) -> bool:
    return name.lower().endswith((".gz", ".tgz", ".bgz"))


def _cut(name: str, missing: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"{name} is cut off: it should end with {missing}, and its last words are {found.strip()[-60:]!r}",
        file=name,
        transient=True,
        attempts=2,
    )
