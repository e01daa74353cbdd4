"""Downloads that can be trusted: a file enters the cache whole and verified, or not at all.

Temporary file in the cache folder → streamed under limits while it is hashed and looked at (``verify``) →
synced → renamed → recorded (``cache``). A cut connection is resumed by Range with If-Range. Of several
processes that want one file, one downloads it and the others wait.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from ..errors import BackendError, DataError, IntegrityError, OmicsError, SettingsError
from .cache import LEASE_S, Cache, CachedFile, Lease, size_text
from .cache import cache_info as cache_info
from .cache import cache_prune as cache_prune
from .cache import cache_verify as cache_verify
from .follower import Follower
from .http import Http, check_allowed, first_bytes, host_of, plain_url, raise_for_status
from .verify import Inspector
from .verify import Limits as Limits

_CHUNK = 2**20
# A line that is cut again and again still brings a large file, if it brings this much each time.
_PROGRESS_BYTES = 2**20
_POLL_S = 0.1
# httpx asks for compressed transfer by default; a file's bytes must come as they are on the server.
_HEADERS = {"Accept-Encoding": "identity"}


def download(
    http: Http,
    url: str,
    *,
    name: str | None = None,
    limits: Limits | None = None,
    listed: range | None = None,
    refresh: bool = False,
) -> CachedFile:
    """The verified file of ``url``, from the cache or the server.

    ``name`` is the file's name where the URL does not end in it. ``listed`` is the range of bytes that a
    directory index gives as its size; where a server announces no length it is checked against. ``refresh``
    downloads anew. Raises IntegrityError, DataError (limits), NotFoundError, BlockedError, RateLimitError,
    BackendError, OfflineError; SourceError for a host that is not allowed; SettingsError where the cache
    cannot be written.
    """
    check_allowed(url, http.origins)
    cache = Cache(http.settings.cache, clock=http.clock, sleep=http.sleep)
    found = None if refresh else cache.lookup(url)
    if found:
        return found
    limits = limits or Limits()
    deadline = http.clock() + limits.max_seconds
    while http.clock() < deadline:
        lease = cache.claim(url)
        if lease is None:
            http.progress(f"another process is downloading {_name(url, name)}; waiting for it")
            found = _wait_for_other(http, cache, url, deadline)
        else:
            found = _download_leased(
                _Job(http, cache, lease, url, name, limits, listed, deadline), refresh=refresh
            )
        if found:
            cache.prune(http.settings.cache_limit)
            return found
    raise BackendError(
        f"{plain_url(url)} did not come within the {limits.max_seconds:,.0f} s allowed", url=plain_url(url)
    )


@dataclass(slots=True)
class _Job:
    """One download under its lease; what the server said of the file is kept for resuming."""

    http: Http
    cache: Cache
    lease: Lease
    url: str
    name: str | None
    limits: Limits
    listed: range | None
    deadline: float
    inspector: Inspector = field(init=False)
    validator: str = ""
    etag: str = ""
    modified: str = ""
    total: int | None = None
    framed: bool = False
    renewed: float = 0.0

    def __post_init__(self) -> None:
        self.inspector = self._new_inspector()

    def restart(self) -> None:
        self.inspector.close()
        self.inspector = self._new_inspector()
        self.validator, self.total, self.framed = "", None, False

    def _new_inspector(self) -> Inspector:
        return Inspector(_name(self.url, self.name), self.limits, url=self.url)


class _LeaseLostError(OmicsError): ...


def _wait_for_other(http: Http, cache: Cache, url: str, deadline: float) -> CachedFile | None:
    """The file once another process has it; None as soon as that process has given up or died."""
    while http.clock() < deadline:
        if not cache.is_leased(url):
            return cache.lookup(url)
        http.sleep(_POLL_S)
    return None


def _download_leased(job: _Job, *, refresh: bool) -> CachedFile | None:
    """The stored file; None if the lease was lost on the way, when somebody else has it or will."""
    try:
        # Between the first look and the lease somebody may have finished.
        found = None if refresh else job.cache.lookup(job.url)
        if found:
            return found
        with job.lease.partial.open("w+b") as file:
            _take_leftover(job, file)
            job.http.patiently(lambda: _transfer_on(job, file), bucket=host_of(job.url))
            file.flush()
            os.fsync(file.fileno())
        return job.cache.store(
            job.lease,
            job.name,
            sha256=job.inspector.sha256,
            n_bytes=job.inspector.n_bytes,
            etag=job.etag,
            modified=job.modified,
        )
    except _LeaseLostError:
        return None
    except OSError as error:
        raise SettingsError(
            f"{job.inspector.name} cannot be written to {job.cache.partial}: {error}; make room there or"
            " name another folder in OMICS_CACHE",
            path=job.cache.partial,
        ) from error
    finally:
        job.inspector.close()
        job.cache.release(job.lease)


def _take_leftover(job: _Job, file: BinaryIO) -> None:
    """Begin with what a killed process had, where the server can be asked whether it still holds.

    The bytes are copied, never shared: their writer may only be asleep.
    """
    leftover = job.lease.leftover
    if leftover is None:
        return
    if job.lease.validator:
        job.http.progress(f"resuming {job.inspector.name} after an interrupted download")
        try:
            with leftover.open("rb") as old:
                for chunk in iter(lambda: old.read(_CHUNK), b""):
                    job.inspector.feed(chunk)
                    file.write(chunk)
            job.inspector.catch_up()
            job.validator = job.lease.validator
        except (IntegrityError, DataError):
            # A crash can leave anything; what is wrong is not worth keeping.
            _start_over(job, file)


def _transfer_on(job: _Job, file: BinaryIO) -> None:
    """Transfers, for as long as each that is cut has brought the file on; only others count as failed attempts."""
    while True:
        before = job.inspector.n_bytes
        try:
            _transfer(job, file)
            return
        except BackendError as error:
            if not error.facts.get("transient") or job.inspector.n_bytes - before < _PROGRESS_BYTES:
                raise
            job.http.progress(f"going on after {size_text(job.inspector.n_bytes)}: {error}")


def _transfer(job: _Job, file: BinaryIO) -> None:
    """One request for what is still missing; the whole file has been looked at when this returns."""
    headers = dict(_HEADERS)
    if job.inspector.n_bytes and job.validator:
        headers |= {"Range": f"bytes={job.inspector.n_bytes}-", "If-Range": job.validator}
    else:
        _start_over(job, file)
    try:
        with job.http.open(job.url, headers=headers) as response:
            _read_response(job, file, response)
        _check_whole(job)
    except (IntegrityError, DataError):
        # What was wrong once would be wrong again; only a whole new copy can be right.
        _start_over(job, file)
        raise


def _read_response(job: _Job, file: BinaryIO, response: httpx.Response) -> None:
    if response.status_code >= 300 and response.status_code != 416:
        raise_for_status(response.status_code, response.headers, first_bytes(response), job.url)
    if response.status_code == 416 or not _continues(job, response):
        _start_over(job, file)
        if response.status_code in (206, 416):
            raise BackendError(f"{plain_url(job.url)} answered another range than asked for", transient=True)
        _note_headers(job, response)
    # A server may mark a gzip file itself as an encoding; the file is what is wanted, not its text.
    # As the chunks come: what httpx would gather into larger ones is lost when the connection is cut.
    with _written_behind(file) as write:
        for chunk in response.iter_raw():
            job.inspector.feed(chunk)
            write(chunk)
            _keep_lease(job)


@contextmanager
def _written_behind(file: BinaryIO) -> Iterator[Callable[[bytes], None]]:
    """A ``write`` whose work a thread does; all of it is in the file when the block ends, however it ends.

    A cut connection is resumed after what was read, so nothing that was read may be missing.
    """
    writer, batch, waiting = Follower(file.write), list[bytes](), 0

    def write(chunk: bytes) -> None:
        nonlocal batch, waiting
        batch.append(chunk)
        waiting += len(chunk)
        if waiting >= _CHUNK:
            writer.give(batch)
            batch, waiting = [], 0

    try:
        yield write
    finally:
        try:
            writer.finish(batch)
        finally:
            writer.close()


def _continues(job: _Job, response: httpx.Response) -> bool:
    """True where this response goes on exactly where the file ends so far."""
    if response.status_code != 206:
        return False
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", ""))
    if not found or int(found[1]) != job.inspector.n_bytes:
        return False
    job.total = int(found[2])
    _note_validators(job, response)
    return True


def _note_headers(job: _Job, response: httpx.Response) -> None:
    length = response.headers.get("content-length", "")
    job.total = int(length) if length.isdigit() else None
    job.framed = response.headers.get("transfer-encoding", "").lower() == "chunked"
    _note_validators(job, response)
    if job.total is not None and job.total > job.limits.max_bytes:
        raise DataError(
            f"{job.inspector.name} has {job.total:,} bytes, more than the {job.limits.max_bytes:,} allowed",
            file=job.inspector.name,
            n_bytes=job.total,
        )


def _note_validators(job: _Job, response: httpx.Response) -> None:
    job.etag = response.headers.get("etag", "")
    job.modified = response.headers.get("last-modified", "")
    # A weak validator does not promise the same bytes (RFC 9110, 13.1.5).
    job.validator = job.etag if job.etag and not job.etag.startswith("W/") else job.modified


def _check_whole(job: _Job) -> None:
    n_bytes, name = job.inspector.n_bytes, job.inspector.name
    if job.total is not None and n_bytes != job.total:
        raise IntegrityError(
            f"{name} came with {n_bytes:,} bytes, announced were {job.total:,}",
            file=name,
            transient=True,
            attempts=2,
        )
    if job.total is None and job.listed is not None and n_bytes not in job.listed:
        raise IntegrityError(
            f"{name} came with {n_bytes:,} bytes, its folder lists"
            f" {job.listed.start:,} to {job.listed.stop - 1:,}",
            file=name,
            transient=True,
            attempts=2,
        )
    job.inspector.finish()
    if job.total is None and job.listed is None and not job.framed and not job.inspector.knows_its_end:
        raise IntegrityError(
            f"nothing tells whether {name} is whole: the server announced no length and the format has no"
            " end mark",
            file=name,
        )


def _start_over(job: _Job, file: BinaryIO) -> None:
    job.restart()
    file.seek(0)
    file.truncate()


def _keep_lease(job: _Job) -> None:
    now = job.http.clock()
    if now > job.deadline:
        raise BackendError(
            f"{plain_url(job.url)} is too slow: {job.inspector.n_bytes:,} bytes in the"
            f" {job.limits.max_seconds:,.0f} s allowed",
            url=plain_url(job.url),
        )
    if not 0 <= now - job.renewed < LEASE_S / 4:
        if not job.cache.renew(job.lease, job.validator):
            raise _LeaseLostError(f"another process has taken over {job.inspector.name}")
        job.renewed = now
        _tell(job)


def _tell(job: _Job) -> None:
    of = f" of {size_text(job.total)}" if job.total else ""
    job.http.progress(f"downloading {job.inspector.name}: {size_text(job.inspector.n_bytes)}{of}")


def _name(url: str, name: str | None) -> str:
    return name or Path(httpx.URL(url).path).name
