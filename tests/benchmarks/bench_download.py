"""How fast files come over loopback HTTP, verified on their way, against the limit and GEOparse's loop.

``python -m tests.benchmarks.bench_download [--small]``: 200 MB from Python's own file server in a process of its own,
once as an archive, of which omics_nb takes the SHA-256 and looks for the end, and once as a series matrix, which it
also unpacks to the end of its gzip stream. Both are synced and recorded, in a new cache each time. Reading, hashing and
unpacking run side by side, so the slowest of them alone is the limit: httpx that writes what comes and checks nothing,
SHA-256 or unpacking of the file in memory. The server needs a core of its own meanwhile. GEOparse compares the length
and copies the file once more; it is told to be silent, else it would also draw a progress bar for each KiB. Its second
row adds what a careful person would do to know as much of the file. GEO's server announces no checksum that any of them
could compare.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.benchmarks import make_files
from tests.benchmarks.side_by_side import (
    Goal,
    Measured,
    Work,
    at_least,
    at_most,
    measure,
    show,
    show_goals,
)

ARCHIVE = "geo/series/GSEnnn/GSE1/suppl/GSE1_RAW.tar"
MATRIX = "geo/series/GSEnnn/GSE1/matrix/GSE1_series_matrix.txt.gz"
HERE = "tests.benchmarks.bench_download"


class _Fresh:
    """A work that writes to a new folder each time; what it wrote is cleared away after it was timed."""

    def __init__(self, work: Callable[[Path], int]) -> None:
        self._work = work
        self._new()

    def __call__(self) -> str:
        return f"{self._work(self._folder):,} bytes"

    def clear(self) -> None:
        shutil.rmtree(self._folder)
        self._new()

    def _new(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"]))


def ours(url: str) -> Callable[[], str]:
    from omics_nb import settings
    from omics_nb.geo.download import download
    from omics_nb.geo.http import Http

    def work(folder: Path) -> int:
        base = url.partition("series/")[0]
        chosen = settings.load({"OMICS_CACHE": str(folder), "OMICS_GEO_URL": base, "OMICS_DATA": str(folder)})
        with Http(chosen) as http:
            return download(http, url).n_bytes

    return _Fresh(work)


def httpx_alone(url: str) -> Callable[[], str]:
    import httpx

    client = httpx.Client(trust_env=False)

    def work(folder: Path) -> int:
        path = folder / Path(url).name
        with (
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
            path.open("wb") as out,
        ):
            for chunk in response.iter_raw():
                out.write(chunk)
        return path.stat().st_size

    return _Fresh(work)


def geoparse(url: str, *, check: bool = False) -> Callable[[], str]:
    from GEOparse.utils import download_from_url

    def work(folder: Path) -> int:
        path = folder / Path(url).name
        download_from_url(url, str(path), force=True, silent=True)
        if check:
            _check_afterwards(path)
        return path.stat().st_size

    return _Fresh(work)


def geoparse_checked(url: str) -> Callable[[], str]:
    """With what a careful person would add to know as much of a file as omics_nb then does."""
    return geoparse(url, check=True)


def _check_afterwards(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    if path.suffix == ".gz":
        with gzip.open(path) as content:
            while content.read(2**20):
                pass


def hash_alone(path: str) -> Callable[[], str]:
    data = Path(path).read_bytes()
    return lambda: hashlib.sha256(data).hexdigest()[:8] + "…"


def unpacking_alone(path: str) -> Callable[[], str]:
    from isal import isal_zlib

    data = Path(path).read_bytes()

    def work() -> str:
        member, packed = isal_zlib.decompressobj(wbits=31), memoryview(data)
        n_bytes = sum(
            len(member.decompress(packed[start : start + 2**16])) for start in range(0, len(packed), 2**16)
        )
        return f"{n_bytes:,} bytes"

    return work


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP, from a process of its own."""
    python = [sys.executable, "-u", "-m", "http.server"]
    command = [*python, "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split("(")[1].split(")")[0]
        finally:
            server.terminate()


def write_archive(path: Path, n_bytes: int) -> None:
    """A tar of one file of noise: packed raw data look like that."""
    noise = np.random.default_rng(1).bytes(n_bytes)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("GSM1.CEL.gz")
        member.size = n_bytes
        archive.addfile(member, io.BytesIO(noise))


def compare(base: str, folder: Path, path: str, title: str, rounds: int) -> list[Goal]:
    parts = {
        "httpx alone": Work(base + path, f"{HERE}.httpx_alone"),
        "SHA-256 alone, in memory": Work(folder / path, f"{HERE}.hash_alone"),
    }
    if path.endswith(".gz"):
        parts["unpacking alone, by isal in memory"] = Work(folder / path, f"{HERE}.unpacking_alone")
    works = parts | {"omics_nb": Work(base + path, f"{HERE}.ours")}
    if importlib.util.find_spec("GEOparse"):
        works["GEOparse, checks nothing"] = Work(base + path, f"{HERE}.geoparse")
        works["GEOparse, the same checks after it"] = Work(base + path, f"{HERE}.geoparse_checked")
    found = measure(works, rounds)
    # Whatever runs side by side, none is done before its slowest part.
    limit = max(parts, key=lambda part: found[part].median)
    show(f"{title}; the limit is {limit}", found, limit=limit, ours="omics_nb")
    took = found["omics_nb"].median
    return [
        faster(f"{title}: than GEOparse's loop", found.get("GEOparse, checks nothing"), took),
        faster(
            f"{title}: than it and the same checks", found.get("GEOparse, the same checks after it"), took
        ),
        at_most(f"{title}: of {limit}", 1.5, took / found[limit].median),
    ]


def faster(what: str, peer: Measured | None, took: float) -> Goal:
    if peer is None or peer.failed:
        return Goal(what, "≥ 3 ×", "peer failed" if peer else "peer not run", None)
    return at_least(what, 3, peer.median / took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small files and one round, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    scale, rounds = (1000, 1) if options.small else (1, options.rounds)
    with tempfile.TemporaryDirectory() as name:
        served_folder = Path(name) / "served"
        for path in (ARCHIVE, MATRIX):
            (served_folder / path).parent.mkdir(parents=True)
        write_archive(served_folder / ARCHIVE, 200_000_000 // scale)
        # 200 MB packed, 490 MB unpacked.
        make_files.write_matrix(served_folder / MATRIX, 79_000 // scale, 1_000)
        os.environ["BENCH_FOLDER"] = name
        with served(served_folder) as base:
            show_goals(
                [
                    *compare(base, served_folder, ARCHIVE, "archive, SHA-256", rounds),
                    *compare(base, served_folder, MATRIX, "series matrix, SHA-256 and unpacked", rounds),
                ]
            )


if __name__ == "__main__":
    main()
