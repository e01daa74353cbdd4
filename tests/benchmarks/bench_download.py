"""How fast files come over loopback HTTP, verified on their way, against httpx alone and GEOparse's loop.

``python -m tests.benchmarks.bench_download [--small]``: 200 MB from Python's own file server in a process of its own,
once as an archive, of which omics_nb takes the SHA-256 and looks for the end, and once as a series matrix, which it
also unpacks to the end of its gzip stream. Both are synced and recorded. httpx alone writes what comes and checks
nothing. GEOparse compares the length and copies the file once more; it is told to be silent, else it would also draw a
progress bar for each KiB. GEO's server announces no checksum that any of them could compare.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.benchmarks import make_files
from tests.benchmarks.side_by_side import Goal, Work, at_least, measure, show, show_goals

ARCHIVE = "geo/series/GSEnnn/GSE1/suppl/GSE1_RAW.tar"
MATRIX = "geo/series/GSEnnn/GSE1/matrix/GSE1_series_matrix.txt.gz"
HERE = "tests.benchmarks.bench_download"


def ours(url: str) -> Callable[[], str]:
    from omics_nb import settings
    from omics_nb.geo.download import download
    from omics_nb.geo.http import Http

    folder = Path(tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"]))
    chosen = settings.load(
        {
            "OMICS_CACHE": str(folder),
            "OMICS_GEO_URL": url.partition("series/")[0],
            "OMICS_DATA": str(folder),
        }
    )

    http = Http(chosen)
    return lambda: f"{download(http, url, refresh=True).n_bytes:,} bytes"


def httpx_alone(url: str) -> Callable[[], str]:
    import httpx

    path = Path(tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"])) / Path(url).name
    client = httpx.Client(trust_env=False)

    def work() -> str:
        with (
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
            path.open("wb") as out,
        ):
            for chunk in response.iter_raw():
                out.write(chunk)
        return f"{path.stat().st_size:,} bytes"

    return work


def geoparse(url: str, *, check: bool = False) -> Callable[[], str]:
    from GEOparse.utils import download_from_url

    path = Path(tempfile.mkdtemp(dir=os.environ["BENCH_FOLDER"])) / Path(url).name

    def work() -> str:
        download_from_url(url, str(path), force=True, silent=True)
        if check:
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")
            with gzip.open(path) as file:
                while file.read(2**20):
                    pass
        return f"{path.stat().st_size:,} bytes"

    return work


def geoparse_checked(url: str) -> Callable[[], str]:
    """With what a careful person would add to know as much of a gzip file as omics_nb then does."""
    return geoparse(url, check=True)


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


def compare(base: str, path: str, title: str, rounds: int) -> Goal:
    works = {
        "httpx alone": Work(base + path, f"{HERE}.httpx_alone"),
        "omics_nb": Work(base + path, f"{HERE}.ours"),
    }
    if importlib.util.find_spec("GEOparse"):
        works["GEOparse, no checksum"] = Work(base + path, f"{HERE}.geoparse")
        if path.endswith(".gz"):
            works["GEOparse, then SHA-256 and gzip"] = Work(base + path, f"{HERE}.geoparse_checked", 3)
    found = measure(works, rounds)
    show(title, found, limit="httpx alone", ours="omics_nb")
    peer = found.get("GEOparse, no checksum")
    if peer is None:
        return Goal(f"{title}: than GEOparse's loop", "≥ 3 ×", "peer not run", None)
    return at_least(f"{title}: than GEOparse's loop", 3, peer.median / found["omics_nb"].median)


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
                    compare(base, ARCHIVE, "download of an archive, SHA-256", rounds),
                    compare(base, MATRIX, "download of a series matrix, SHA-256 and unpacked", rounds),
                ]
            )


if __name__ == "__main__":
    main()
