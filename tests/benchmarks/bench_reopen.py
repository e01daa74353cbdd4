"""How fast a study is opened a second time, from its parsed copy in the cache, against the first time.

Run by ``python -m tests.benchmarks.bench_reopen [--small]``. Each study is fetched from a mirror into an empty cache
(parsed and kept), then again in the same process, and again by a new process, whose imports are not counted. The peer
is GEOparse, where it can be imported: what it keeps is GEO's text, so its second time is a parse.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from isal import igzip

from omics_nb import settings
from omics_nb.geo.cache import kept_studies
from omics_nb.sources import open_source
from tests.benchmarks.make_files import write_matrix

_GOAL_MS = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="tenth-size files, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    n_rows = 54_675 // (10 if options.small else 1)
    with tempfile.TemporaryDirectory() as name:
        mirror = Path(name) / "geo"
        matrix = mirror / "series/GSEnnn/GSE1/matrix/GSE1_series_matrix.txt.gz"
        matrix.parent.mkdir(parents=True)
        write_matrix(matrix, n_rows, 200)
        write_annotation(mirror / "platforms/GPLnnn/GPL1/annot/GPL1.annot.gz", n_rows)
        for path in mirror.rglob("*.gz"):
            # What was written just now is hashed each time, for it may still be changing.
            os.utime(path, (time.time() - 3600,) * 2)
        measure(f"made, {n_rows:,} × 200", mirror, "GSE1", options.rounds)
        real = Path(os.environ.get("OMICS_SHARED", "../shared")) / "geo"
        for accession in ("GSE4107", "GSE42872", "GSE781"):
            if real.is_dir():
                measure(accession, real, accession, options.rounds)
    family = real / "series/GSEnnn/GSE781/soft/GSE781_family.soft.gz"
    if importlib.util.find_spec("GEOparse") and family.exists():
        import GEOparse

        taken = median(lambda: GEOparse.get_GEO(filepath=str(family), silent=True), min(options.rounds, 3))
        print(f"\nGSE781, GEOparse, second time as the first {taken:18.1f} ms")


def measure(title: str, mirror: Path, accession: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        own = replace(settings.load(), cache=Path(name) / "cache")
        source = open_source(f"mirror:{mirror}", settings=own)

        def first() -> None:
            shutil.rmtree(own.cache, ignore_errors=True)
            source.fetch(accession)

        at_first = median(first, rounds)
        again = median(lambda: source.fetch(accession), 4 * rounds)
        anew = statistics.median(in_new_process(mirror, accession, own.cache) for _ in range(rounds))
        study = source.fetch(accession)
        began = time.perf_counter()
        n_features = sum(len(frame) for frame in study.features.values())
        asked = 1000 * (time.perf_counter() - began)
        size = sum(item.n_bytes for item in kept_studies(own.cache)) / 1e6
    print(f"\n{title} ({len(study.files)} files, {size:.0f} MB kept)")
    print(f"  first: parsed and kept              {at_first:9.1f} ms")
    verdict = "within" if again <= _GOAL_MS else "beyond"
    print(
        f"  second                              {again:9.1f} ms {again / at_first:8.4f} ×  {verdict} {_GOAL_MS:.0f} ms"
    )
    print(f"  second, in a new process            {anew:9.1f} ms {anew / at_first:8.4f} ×")
    print(f"  its annotation, when it is asked for{asked:9.1f} ms for {n_features:,} features", flush=True)


def in_new_process(mirror: Path, accession: str, cache: Path) -> float:
    script = (
        "import time, omics_nb.geo.parsed; from omics_nb.sources import open_source\n"
        f"source = open_source({f'mirror:{mirror}'!r}); began = time.perf_counter()\n"
        f"source.fetch({accession!r}); print(1000 * (time.perf_counter() - began))"
    )
    environment = {**os.environ, "OMICS_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout)


def median(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def write_annotation(path: Path, n_rows: int) -> None:
    """Sixteen columns as those of GPL570: some unique, some that repeat by gene, some nearly constant."""
    path.parent.mkdir(parents=True)
    names = ["ID", "Gene symbol", "Gene title", *(f"GO {number}" for number in range(5))]
    names += [f"Accession {number}" for number in range(4)] + [f"Species {number}" for number in range(4)]
    with igzip.open(path, "wb", compresslevel=2) as out:
        out.write("\t".join(["^Annotation\n!platform_table_begin\n" + names[0], *names[1:]]).encode() + b"\n")
        for row in range(n_rows):
            gene = row % 20_000
            cells = [f"{row}_at", f"GENE{gene}", f"a gene of some length, number {gene}"]
            cells += [
                f"{gene} // a process of cells // inferred from sequence, {number}" * 3 for number in range(5)
            ]
            cells += [f"NM_{row}.{number}" for number in range(4)] + ["Homo sapiens"] * 4
            out.write(("\t".join(cells) + "\n").encode())
        out.write(b"!platform_table_end\n")


if __name__ == "__main__":
    main()
