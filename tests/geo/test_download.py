"""Downloads from the loopback NCBI: a file enters the cache whole and verified, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.errors import (
    BackendError,
    BlockedError,
    DataError,
    IntegrityError,
    NotFoundError,
    OmicsError,
    RateLimitError,
    SettingsError,
    SourceError,
)
from omics_nb.geo.cache import LEASE_S, Cache, place
from omics_nb.geo.download import Limits, cache_info, cache_prune, cache_verify, download
from omics_nb.geo.http import Http
from omics_nb.geo.listing import list_folder, list_folder_if_any
from omics_nb.geo.rate import Limiter
from omics_nb.settings import Settings, load
from tests.ncbi.fixtures import Clock
from tests.ncbi.server import LoopbackNcbi

MATRIX = "series/GSE99nnn/GSE99709/matrix/GSE99709_series_matrix.txt.gz"
SOFT = "series/GSE235nnn/GSE235534/soft/GSE235534_family.soft.gz"
FOREVER = 99


@pytest.fixture
def url(ncbi_settings: Settings) -> str:
    return ncbi_settings.geo_url + MATRIX


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LoopbackNcbi]:
    """A server of a few files made here."""
    folder = tmp_path / "tree" / "series" / "GSEnnn" / "GSE1" / "suppl"
    folder.mkdir(parents=True)
    (folder / "GSE1_counts.txt").write_bytes(b"gene\tGSM1\n" + b"TP53\t17\n" * 2000)
    (folder / "GSE1 odd & name.csv").write_bytes(b"gene,GSM1\nTP53,17\n")
    with LoopbackNcbi(tmp_path / "tree") as server:
        yield server


def settings_of(server: LoopbackNcbi, folder: Path) -> Settings:
    return load({**server.environment, "OMICS_CACHE": str(folder), "OMICS_CONFIG": str(folder / "none.toml")})


def expected(shared: Path, name: str = MATRIX) -> str:
    return hashlib.sha256((shared / "geo" / name).read_bytes()).hexdigest()


def everything_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite")


# What goes well


def test_a_file_is_kept_with_its_record_and_not_asked_for_again(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path
) -> None:
    first = download(ncbi_http, url)
    again = download(ncbi_http, url)
    assert len(ncbi_server.seen) == 1
    assert (first.sha256, first.n_bytes) == (expected(shared), first.path.stat().st_size)
    assert (again.path, again.sha256, again.retrieved) == (first.path, first.sha256, first.retrieved)
    assert first.path.as_posix().endswith("/geo/" + MATRIX)
    assert everything_below(ncbi_http.settings.cache) == [first.path.name]


def test_a_cache_is_a_mirror_of_the_tree(ncbi_http: Http, url: str) -> None:
    got = download(ncbi_http, url)
    assert (
        got.path.relative_to(got.path.parents[5]).as_posix().startswith("geo/series/GSE99nnn/GSE99709/matrix")
    )


def test_refresh_downloads_anew(ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str) -> None:
    download(ncbi_http, url)
    download(ncbi_http, url, refresh=True)
    assert len(ncbi_server.seen) == 2


def test_a_cut_connection_is_resumed_where_it_was_cut(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path
) -> None:
    ncbi_server.fail("cut", MATRIX, times=2)
    assert download(ncbi_http, url).sha256 == expected(shared)
    first, second, third = ncbi_server.seen
    half = (shared / "geo" / MATRIX).stat().st_size // 2
    assert "range" not in first.headers
    assert second.headers["range"] == f"bytes={half}-"
    assert second.headers["if-range"].startswith('"')
    assert int(third.headers["range"][6:-1]) > half


def test_cuts_that_each_bring_the_file_on_are_no_failed_attempts(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omics_nb.geo.download._PROGRESS_BYTES", 10)
    ncbi_server.fail("cut", MATRIX, times=7)
    assert download(ncbi_http, url).sha256 == expected(shared)
    assert len(ncbi_server.seen) == 8


@pytest.mark.parametrize("then", ["changed", "no_range"])
def test_a_file_that_changed_in_between_is_begun_anew(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path, then: str
) -> None:
    ncbi_server.fail("cut", MATRIX)
    ncbi_server.fail(then, MATRIX)
    assert download(ncbi_http, url).sha256 == expected(shared)
    assert len(ncbi_server.seen) == 2


@pytest.mark.parametrize(
    "fault", ["backend_down", "bad_gateway", "rate_limit", "early_close", "bit_flip", "half"]
)
def test_what_passes_by_itself_is_tried_again(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path, fault: str
) -> None:
    ncbi_server.fail(fault, MATRIX)
    assert download(ncbi_http, url).sha256 == expected(shared)


def test_no_announced_length_is_fine_where_the_format_marks_its_end(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path
) -> None:
    ncbi_server.fail("no_length", MATRIX)
    assert download(ncbi_http, url).sha256 == expected(shared)


def test_a_redirect_to_an_allowed_host_is_followed(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str
) -> None:
    ncbi_server.fail("redirect_home", MATRIX)
    assert download(ncbi_http, url).n_bytes
    assert ncbi_server.seen[1].params == {"moved": ""}


@pytest.mark.parametrize("status", [300, 302, 304])
def test_a_redirect_that_leads_nowhere_is_an_error_of_the_server(
    ncbi_settings: Settings, clock: Clock, url: str, status: int
) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(status))
    with (
        Http(ncbi_settings, transport=transport, clock=clock, sleep=clock.sleep) as http,
        pytest.raises(BackendError, match=f"failed with status {status}"),
    ):
        download(http, url)


def test_progress_is_told(ncbi_settings: Settings, clock: Clock, url: str) -> None:
    told: list[str] = []
    with Http(ncbi_settings, clock=clock, sleep=clock.sleep, progress=told.append) as http:
        download(http, url)
    assert told == ["downloading GSE99709_series_matrix.txt.gz: 3.3 KiB of 3.3 KiB"]


# What must never enter the cache


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("challenge", BlockedError),
        ("blocked", BlockedError),
        ("maintenance", BackendError),
        ("bad_gateway", BackendError),
        ("backend_down", BackendError),
        ("rate_limit", RateLimitError),
        ("not_found", NotFoundError),
        ("redirect_away", SourceError),
        ("redirect_home", BackendError),
        ("half", IntegrityError),
        ("early_close", IntegrityError),
        ("member_cut", IntegrityError),
        ("longer", IntegrityError),
        ("bit_flip", IntegrityError),
        ("swapped", IntegrityError),
        ("empty", IntegrityError),
    ],
)
@pytest.mark.parametrize("name", [MATRIX, SOFT])
def test_nothing_wrong_enters_the_cache_and_nothing_half_written_stays(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, name: str, fault: str, error: type[OmicsError]
) -> None:
    ncbi_server.fail(fault, name, times=FOREVER)
    with pytest.raises(error) as caught:
        download(ncbi_http, ncbi_http.settings.geo_url + name)
    assert type(caught.value) is error
    assert everything_below(ncbi_http.settings.cache) == []
    assert cache_info(ncbi_http.settings).files == ()


def test_a_connection_that_is_always_cut_gives_up_and_leaves_nothing(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str
) -> None:
    ncbi_server.fail("cut", MATRIX, times=FOREVER)
    with pytest.raises(BackendError, match="cut the connection"):
        download(ncbi_http, url)
    assert len(ncbi_server.seen) == 5
    assert everything_below(ncbi_http.settings.cache) == []


def test_a_failed_refresh_leaves_the_good_copy(ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str) -> None:
    good = download(ncbi_http, url)
    ncbi_server.fail("bit_flip", MATRIX, times=FOREVER)
    with pytest.raises(IntegrityError):
        download(ncbi_http, url, refresh=True)
    assert download(ncbi_http, url).sha256 == good.sha256
    assert cache_verify(ncbi_http.settings).ok


def test_text_that_nothing_proves_whole_is_refused(small: LoopbackNcbi, tmp_path: Path, clock: Clock) -> None:
    with Http(settings_of(small, tmp_path / "cache"), clock=clock, sleep=clock.sleep) as http:
        folder = http.settings.geo_url + "series/GSEnnn/GSE1/suppl/"
        small.fail("early_close", "counts", times=2)
        with pytest.raises(IntegrityError, match=r"nothing tells whether GSE1_counts\.txt is whole"):
            download(http, folder + "GSE1_counts.txt")
        (counts,) = [entry for entry in list_folder(http, folder) if entry.name == "GSE1_counts.txt"]
        small.fail("early_close", "counts", times=2)
        with pytest.raises(IntegrityError, match="its folder lists"):
            download(http, counts.url, listed=counts.listed)
        small.fail("no_length", "counts")
        assert download(http, counts.url, listed=counts.listed).n_bytes == 16_010


def test_a_pause_that_a_file_server_asks_for_holds_for_every_file_of_it(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, clock: Clock, url: str
) -> None:
    ncbi_server.fail("rate_limit", MATRIX, retry_after="40")
    others = Limiter(ncbi_settings.cache / "ncbi" / "turns.sqlite", clock=clock)
    waits: list[float] = []

    def look(text: str) -> None:
        if "trying again" in text:
            waits.append(others.reserve(httpx.URL(url).netloc.decode(), 10))

    with Http(ncbi_settings, clock=clock, sleep=clock.sleep, jitter=lambda: 0.0, progress=look) as http:
        download(http, url)
    assert waits == [40]


def test_a_host_that_is_not_allowed_is_not_asked(ncbi_http: Http) -> None:
    with pytest.raises(SourceError, match=r"example\.org"):
        download(ncbi_http, "https://example.org/geo/series/GSE1.gz")


def test_a_file_beyond_the_limit_is_refused_before_its_body(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str
) -> None:
    with pytest.raises(DataError, match=r"has 3,390 bytes, more than the 1,000 allowed"):
        download(ncbi_http, url, limits=Limits(max_bytes=1000))
    assert len(ncbi_server.seen) == 1
    ncbi_server.fail("no_length", MATRIX)
    with pytest.raises(DataError, match="larger than"):
        download(ncbi_http, url, limits=Limits(max_bytes=1000))


def test_a_download_that_takes_too_long_is_given_up(ncbi_settings: Settings, clock: Clock) -> None:
    def hurried() -> float:
        clock.now += 10
        return clock.now

    url = ncbi_settings.geo_url + "series/GSE4nnn/GSE4107/matrix/GSE4107_series_matrix.txt.gz"
    with (
        Http(ncbi_settings, clock=hurried, sleep=clock.sleep) as http,
        pytest.raises(BackendError, match="is too slow"),
    ):
        download(http, url, limits=Limits(max_seconds=200))
    assert everything_below(ncbi_settings.cache) == []


def test_a_cache_that_cannot_be_written_says_which_setting_mends_it(ncbi_http: Http, url: str) -> None:
    ncbi_http.settings.cache.mkdir()
    (ncbi_http.settings.cache / "ncbi").write_text("in the way")
    with pytest.raises(SettingsError, match="OMICS_CACHE"):
        download(ncbi_http, url)


def test_a_failing_disk_is_a_settings_error_and_leaves_nothing(ncbi_settings: Settings, clock: Clock) -> None:
    class Full(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"
            raise OSError(28, "No space left on device")

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Full()))
    with (
        Http(ncbi_settings, transport=transport, clock=clock, sleep=clock.sleep) as http,
        pytest.raises(SettingsError, match="No space left"),
    ):
        download(http, ncbi_settings.geo_url + "series/x.txt")
    assert everything_below(ncbi_settings.cache) == []


# What looks at a file in threads


class Endless(httpx.SyncByteStream):
    """A body of noise behind ``head``; ``n_bytes`` of it were read."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.n_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        noise = os.urandom(2**16)
        for piece in chain([self._head], repeat(noise)):
            self.n_bytes += len(piece)
            yield piece


def http_of(settings: Settings, clock: Clock, body: httpx.SyncByteStream, **chosen: Any) -> Http:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=body))
    return Http(settings, transport=transport, clock=clock, sleep=clock.sleep, **chosen)


def followers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "omics_nb follower"]


def test_damage_that_the_unpacking_thread_meets_stops_the_transfer(
    ncbi_settings: Settings, clock: Clock
) -> None:
    body = Endless(gzip.compress(b"gene\tGSM1\n" * 10_000))
    with http_of(ncbi_settings, clock, body) as http, pytest.raises(IntegrityError, match="after the end"):
        download(http, ncbi_settings.geo_url + "suppl/GSE1_counts.txt.gz")
    # Two attempts, each with what waits for the thread at most.
    assert body.n_bytes < 2 * 12 * 2**20
    assert followers() == []
    assert everything_below(ncbi_settings.cache) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_a_cancelled_download_leaves_no_thread_no_file_and_no_lease(
    ncbi_settings: Settings, clock: Clock, kind: type[BaseException]
) -> None:
    heard: list[str] = []

    def cancel_later(text: str) -> None:
        heard.append(text)
        clock.now += LEASE_S
        if len(heard) == 50:
            assert followers()
            raise kind

    url = ncbi_settings.geo_url + "suppl/GSE1_RAW.tar"
    body = Endless(b"GSM1.CEL".ljust(257, b"\0") + b"ustar")
    with http_of(ncbi_settings, clock, body, progress=cancel_later) as http, pytest.raises(kind):
        download(http, url)
    assert followers() == []
    assert everything_below(ncbi_settings.cache) == []
    assert not Cache(ncbi_settings.cache, clock=clock).is_leased(url)


@pytest.mark.parametrize("cuts", [0, 2])
def test_a_large_file_comes_through_the_threads_as_it_is(tmp_path: Path, clock: Clock, cuts: int) -> None:
    folder = tmp_path / "tree" / "series" / "GSEnnn" / "GSE1" / "suppl"
    folder.mkdir(parents=True)
    text = b"".join(b"%d\t%d\n" % (row, row * 7919 % 100_003) for row in range(500_000))
    packed = gzip.compress(text, compresslevel=1)
    assert len(packed) > 2 * 2**20
    (folder / "GSE1_counts.txt.gz").write_bytes(packed)
    with (
        LoopbackNcbi(tmp_path / "tree") as server,
        Http(settings_of(server, tmp_path / "cache"), clock=clock, sleep=clock.sleep) as http,
    ):
        server.fail("cut", "counts", times=cuts)
        got = download(http, http.settings.geo_url + "series/GSEnnn/GSE1/suppl/GSE1_counts.txt.gz")
    assert got.sha256 == hashlib.sha256(packed).hexdigest()
    assert got.path.read_bytes() == packed
    assert followers() == []


# Several processes

_CHILD = """
import sys
from omics_nb.geo.download import download
from omics_nb.geo.http import Http
from omics_nb.settings import load
with Http(load(), progress=lambda text: print(text, flush=True)) as http:
    print(download(http, sys.argv[1]).sha256, flush=True)
"""


def start_child(settings: Settings, server: LoopbackNcbi, url: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **server.environment, "OMICS_CACHE": str(settings.cache)}
    command = [sys.executable, "-c", _CHILD, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_that_want_one_file_download_it_once(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, url: str, shared: Path
) -> None:
    slow = ncbi_server.fail("slow", MATRIX)
    first = start_child(ncbi_settings, ncbi_server, url)
    assert slow.started.wait(30)
    second = start_child(ncbi_settings, ncbi_server, url)
    assert second.stdout is not None
    assert "another process is downloading" in second.stdout.readline()
    slow.resume.set()
    for child in (first, second):
        assert child.communicate(timeout=30)[0].split()[-1] == expected(shared)
    assert len(ncbi_server.requests(MATRIX)) == 1


def test_what_a_killed_process_had_is_resumed_after_its_lease(
    ncbi_settings: Settings, ncbi_server: LoopbackNcbi, shared: Path
) -> None:
    url = ncbi_settings.geo_url + "series/GSE4nnn/GSE4107/matrix/GSE4107_series_matrix.txt.gz"
    slow = ncbi_server.fail("slow", "GSE4107")
    child = start_child(ncbi_settings, ncbi_server, url)
    assert child.stdout is not None
    assert slow.started.wait(30)
    assert "downloading" in child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    slow.resume.set()
    (partial,) = Cache(ncbi_settings.cache).partials()
    had = partial.stat().st_size
    with Http(ncbi_settings, clock=lambda: time.time() + LEASE_S + 1) as http:
        got = download(http, url)
    assert got.sha256 == expected(shared, "series/GSE4nnn/GSE4107/matrix/GSE4107_series_matrix.txt.gz")
    if had:
        assert ncbi_server.seen[-1].headers["range"] == f"bytes={had}-"
    assert Cache(ncbi_settings.cache).partials() == []


def test_a_leftover_that_a_crash_spoiled_is_thrown_away(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, clock: Clock, url: str, shared: Path
) -> None:
    cache = Cache(ncbi_http.settings.cache, clock=clock)
    lease = cache.claim(url)
    assert lease is not None
    assert cache.renew(lease, '"tag"')
    lease.partial.write_bytes(b"\0" * 5000)
    clock.now += LEASE_S + 1
    assert download(ncbi_http, url).sha256 == expected(shared)
    assert "range" not in ncbi_server.seen[-1].headers
    assert cache.partials() == []


def test_a_lease_that_ran_out_goes_to_another_and_its_old_owner_cannot_store(
    tmp_path: Path, clock: Clock
) -> None:
    cache = Cache(tmp_path, clock=clock, sleep=clock.sleep)
    old = cache.claim("https://x/a.txt")
    assert old is not None
    assert cache.claim("https://x/a.txt") is None
    clock.now += LEASE_S + 1
    new = cache.claim("https://x/a.txt")
    assert new is not None
    assert cache.renew(new, "")
    assert not cache.renew(old, "")
    old.partial.write_bytes(b"old")
    assert not cache.store(old, None, sha256="", n_bytes=3, etag="", modified="")
    assert cache.lookup("https://x/a.txt") is None


# The cache itself


def fill(http: Http, clock: Clock, *names: str) -> dict[str, str]:
    urls = {name: http.settings.geo_url + name for name in names}
    for url in urls.values():
        clock.now += 60
        download(http, url)
    return urls


def test_a_damaged_file_is_found_removed_and_fetched_again(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str, shared: Path
) -> None:
    got = download(ncbi_http, url)
    data = bytearray(got.path.read_bytes())
    data[100] ^= 1
    got.path.write_bytes(data)
    os.utime(got.path, ns=(0, 0))
    assert download(ncbi_http, url).sha256 == expected(shared)
    assert len(ncbi_server.seen) == 2


def test_verify_hashes_everything_even_where_size_and_time_agree(ncbi_http: Http, url: str) -> None:
    got = download(ncbi_http, url)
    assert str(cache_verify(ncbi_http.settings)) == "1 files and studies checked, 0 damaged and removed"
    times = got.path.stat()
    data = bytearray(got.path.read_bytes())
    data[100] ^= 1
    got.path.write_bytes(data)
    os.utime(got.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (got.path.parent / "stray.txt").write_text("x")
    found = cache_verify(ncbi_http.settings)
    assert not found.ok
    assert [path for path, _ in found.damaged] == [got.path]
    assert "its SHA-256 is" in str(found)
    assert [path.name for path in found.strays] == ["stray.txt"]
    assert not got.path.exists()
    assert cache_info(ncbi_http.settings).files == ()


def test_a_file_that_was_only_touched_is_still_good(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str
) -> None:
    got = download(ncbi_http, url)
    os.utime(got.path, ns=(0, 0))
    download(ncbi_http, url)
    assert len(ncbi_server.seen) == 1


def test_a_file_that_is_gone_is_fetched_again(ncbi_http: Http, ncbi_server: LoopbackNcbi, url: str) -> None:
    download(ncbi_http, url).path.unlink()
    assert download(ncbi_http, url).path.exists()
    assert len(ncbi_server.seen) == 2


def test_prune_removes_what_was_not_used_for_longest(ncbi_http: Http, clock: Clock) -> None:
    names = (MATRIX, SOFT, "series/GSE94nnn/GSE94489/soft/GSE94489_family.soft.gz")
    urls = fill(ncbi_http, clock, *names)
    clock.now += 60
    download(ncbi_http, urls[MATRIX])
    total = cache_info(ncbi_http.settings).n_bytes
    pruned = cache_prune(ncbi_http.settings, total - 1)
    assert [path.name for path in pruned.removed] == ["GSE235534_family.soft.gz"]
    assert pruned.left_bytes == cache_info(ncbi_http.settings).n_bytes == total - pruned.freed_bytes
    assert cache_prune(ncbi_http.settings, 0).left_bytes == 0
    assert everything_below(ncbi_http.settings.cache) == []


def test_a_new_file_pushes_the_oldest_out_of_a_full_cache(ncbi_http: Http, clock: Clock) -> None:
    fill(ncbi_http, clock, MATRIX)
    small = replace(ncbi_http.settings, cache_limit=1)
    clock.sleep(3600)
    with Http(small, clock=clock, sleep=clock.sleep) as http:
        download(http, small.geo_url + SOFT)
    assert [file.path.name for file in cache_info(ncbi_http.settings).files] == ["GSE235534_family.soft.gz"]


def test_a_full_cache_keeps_the_files_of_the_study_that_is_being_fetched(
    ncbi_http: Http, clock: Clock
) -> None:
    small = replace(ncbi_http.settings, cache_limit=1)
    with Http(small, clock=clock, sleep=clock.sleep) as http:
        first = download(http, small.geo_url + MATRIX)
        download(http, small.geo_url + SOFT)
    assert first.path.exists()


def test_prune_sweeps_what_killed_downloads_left(ncbi_settings: Settings) -> None:
    cache = Cache(ncbi_settings.cache, clock=lambda: time.time() - 2 * LEASE_S)
    lease = cache.claim("https://x/a.txt")
    assert lease is not None
    lease.partial.write_bytes(b"half")
    assert "4 bytes of unfinished downloads" in str(cache_info(ncbi_settings))
    cache_prune(ncbi_settings, 10**9)
    assert cache_info(ncbi_settings).partial_bytes == 0


def test_other_downloads_leave_what_a_killed_one_may_resume(ncbi_http: Http, clock: Clock, url: str) -> None:
    cache = Cache(ncbi_http.settings.cache, clock=clock)
    lease = cache.claim("https://x/a.txt")
    assert lease is not None
    lease.partial.write_bytes(b"half")
    clock.now += 3600
    download(ncbi_http, url)
    again = cache.claim("https://x/a.txt")
    assert again is not None
    assert again.leftover == lease.partial


def test_an_empty_cache_has_answers_too(ncbi_settings: Settings) -> None:
    assert cache_info(ncbi_settings).n_bytes == 0
    assert cache_verify(ncbi_settings).ok
    assert cache_prune(ncbi_settings, 0).freed_bytes == 0
    assert not ncbi_settings.cache.exists()


_PART = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/?#"), max_size=12)


@given(st.lists(_PART, min_size=1, max_size=5), st.text(max_size=8))
def test_no_url_lands_outside_the_cache(parts: list[str], query: str) -> None:
    root = Path("/cache")
    landed = place("https://ftp.ncbi.nlm.nih.gov/" + "/".join(parts) + f"?{query}")
    assert (root / landed).resolve().is_relative_to(root)
    assert not {"..", "."} & set(landed.parts)


@given(st.lists(_PART, min_size=1, max_size=3), st.lists(_PART, min_size=1, max_size=3))
def test_two_urls_never_share_a_file(one: list[str], other: list[str]) -> None:
    first, second = ("https://h/" + "/".join(parts) for parts in (one, other))
    same = [unquote(part) for part in first.split("/") if part] == [
        unquote(part) for part in second.split("/") if part
    ]
    assert (place(first) == place(second)) <= same


# Folders


def test_a_folder_lists_files_with_the_range_of_bytes_that_its_sizes_stand_for(
    ncbi_http: Http, shared: Path
) -> None:
    for path in sorted((shared / "geo").rglob("*.gz")):
        folder = path.parent.relative_to(shared / "geo").as_posix()
        entries = {entry.name: entry for entry in list_folder(ncbi_http, ncbi_http.settings.geo_url + folder)}
        listed = entries[path.name].listed
        assert listed is not None
        assert path.stat().st_size in listed


def test_odd_names_keep_their_links(small: LoopbackNcbi, tmp_path: Path, clock: Clock) -> None:
    with Http(settings_of(small, tmp_path / "cache"), clock=clock, sleep=clock.sleep) as http:
        entries = list_folder(http, http.settings.geo_url + "series/GSEnnn/GSE1/suppl")
        assert [entry.name for entry in entries] == ["GSE1 odd & name.csv", "GSE1_counts.txt"]
        assert download(http, entries[0].url, name=entries[0].name).path.read_bytes().startswith(b"gene,GSM1")


def test_no_such_folder_is_not_found_or_empty_as_asked(ncbi_http: Http) -> None:
    with pytest.raises(NotFoundError):
        list_folder(ncbi_http, ncbi_http.settings.geo_url + "series/GSEnnn/GSE2")
    assert list_folder_if_any(ncbi_http, ncbi_http.settings.geo_url + "series/GSEnnn/GSE2") == ()


def test_a_challenge_is_no_empty_folder(ncbi_http: Http, ncbi_server: LoopbackNcbi) -> None:
    ncbi_server.fail("challenge", "GSE42872")
    with pytest.raises(BlockedError):
        list_folder_if_any(ncbi_http, ncbi_http.settings.geo_url + "series/GSE42nnn/GSE42872/matrix")


@pytest.mark.parametrize("fault", ["half", "early_close"])
def test_a_listing_that_is_cut_off_is_asked_for_again(
    ncbi_http: Http, ncbi_server: LoopbackNcbi, fault: str
) -> None:
    folder = ncbi_http.settings.geo_url + "series/GSE42nnn/GSE42872/matrix"
    ncbi_server.fail(fault, "GSE42872/matrix/", times=1)
    assert [entry.name for entry in list_folder(ncbi_http, folder)] == ["GSE42872_series_matrix.txt.gz"]


def test_a_compressed_transfer_keeps_the_file_as_it_is(ncbi_settings: Settings, clock: Clock) -> None:
    body = gzip.compress(b"gene\tGSM1\nTP53\t17\n" * 300)

    def mislabelled(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(
            200,
            stream=httpx.ByteStream(body),
            headers={"Content-Encoding": "gzip", "Content-Length": str(len(body))},
        )

    with Http(
        ncbi_settings, transport=httpx.MockTransport(mislabelled), clock=clock, sleep=clock.sleep
    ) as http:
        got = download(http, ncbi_settings.geo_url + "suppl/GSE1_counts.txt.gz")
    assert got.sha256 == hashlib.sha256(body).hexdigest()
