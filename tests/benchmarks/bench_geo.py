"""How fast GEO's files are read, against decompression alone and, where they are installed, against other readers.

Run by ``python -m tests.benchmarks.bench_geo [--small]``. Medians of interleaved runs, so that a busy machine slows all
alike. Peers are run if they can be imported: pandas, polars, GEOparse; GEOquery if Debian's r-bioc-geoquery is there.
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
from pathlib import Path

import numpy as np
from isal import igzip

from omics_nb.geo import counts, files, series_matrix, soft, values
from omics_nb.geo.parts import Parts
from omics_nb.geo.study import read_header

Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="tenth-size files, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    scale = 10 if options.small else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n_rows, n_samples in ((54_675, 200), (60_000, 1_000)):
            path = write_matrix(folder / f"GSE{n_samples}_series_matrix.txt.gz", n_rows // scale, n_samples)
            compare(
                f"series matrix {n_rows // scale:,} × {n_samples:,}", path, matrix_works(path), options.rounds
            )
        path = write_family(folder / "GSE1_family.soft.gz", 22_283 // scale, 100)
        compare(f"family SOFT {22_283 // scale:,} × 100", path, family_works(path), options.rounds)
        real = (
            Path(os.environ.get("OMICS_SHARED", "../shared"))
            / "geo/series/GSEnnn/GSE781/soft/GSE781_family.soft.gz"
        )
        if real.exists():
            compare("family SOFT of GSE781", real, family_works(real), options.rounds)
        path = write_counts(folder / "GSE1_raw_counts_GRCh38.p13_NCBI.tsv.gz", 39_376 // scale, 300)
        compare(f"NCBI counts {39_376 // scale:,} × 300", path, counts_works(path), options.rounds)


def compare(title: str, path: Path, works: dict[str, Work], rounds: int) -> None:
    """Print the median of each work and its ratio to decompression alone."""
    works = {"decompression alone": lambda: files.check_file(path), **works}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    limit = statistics.median(times["decompression alone"])
    print(f"\n{title} ({path.stat().st_size / 1e6:.1f} MB packed)")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"  {name:<38} {median:8.3f} s {median / limit:8.1f} ×")
    if Path("/proc/self/status").exists():
        print(f"  {'peak memory of omics_nb, above import':<38} {peak_mb(path):8.0f} MB", flush=True)


def matrix_works(path: Path) -> dict[str, Work]:
    works: dict[str, Work] = {
        "omics_nb: matrix": lambda: series_matrix.read_series_matrix(path),
        "omics_nb: header alone": lambda: series_matrix.read_series_header(path),
    }
    if there("pandas"):
        import pandas as pd

        works["pandas, comment='!'"] = lambda: pd.read_csv(path, sep="\t", comment="!", index_col=0)
    if there("polars"):
        import polars as pl

        works["polars"] = lambda: pl.read_csv(
            path, separator="\t", comment_prefix="!", null_values=["", "null"]
        )
    return works | geoquery(path)


def family_works(path: Path) -> dict[str, Work]:
    def matrices() -> Parts:
        parts = Parts("GSE1")
        values.add_family_values(parts, soft.read_family(path))
        return parts

    file = files.local_file(path)
    works: dict[str, Work] = {
        "omics_nb: a matrix for each platform": matrices,
        "omics_nb: metadata, tables left out": lambda: soft.read_family(path, tables=False),
        "omics_nb: first look (read_header)": lambda: read_header("GSE1", [file]),
    }
    if there("GEOparse"):
        import GEOparse

        works["GEOparse"] = lambda: GEOparse.get_GEO(filepath=str(path), silent=True)
    return works | geoquery(path)


def counts_works(path: Path) -> dict[str, Work]:
    works: dict[str, Work] = {"omics_nb: counts": lambda: counts.read_ncbi_counts(path)}
    if there("pandas"):
        import pandas as pd

        works["pandas"] = lambda: pd.read_csv(path, sep="\t", index_col=0)
    return works


def geoquery(path: Path) -> dict[str, Work]:
    if not shutil.which("Rscript") or not Path("/usr/lib/R/site-library/GEOquery").exists():
        return {}
    script = f"suppressMessages(library(GEOquery)); invisible(getGEO(filename='{path}', getGPL=FALSE))"
    return {
        "GEOquery (with R's start)": lambda: subprocess.run(
            ["Rscript", "-e", script], check=True, capture_output=True
        )
    }


def there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def peak_mb(path: Path) -> float:
    """Peak resident memory of reading the file in a process of its own, less what importing took."""
    reader = {"matrix.txt": "series_matrix.read_series_matrix(p)", "NCBI.tsv": "counts.read_ncbi_counts(p)"}
    read = next(
        (call for part, call in reader.items() if part in path.name),
        "values.add_family_values(P('x'), soft.read_family(p))",
    )
    script = (
        "import pathlib; from omics_nb.geo import counts, series_matrix, soft, values\n"
        "from omics_nb.geo.parts import Parts as P\n"
        # Not getrusage: what it calls the peak of a child includes that of the process it was forked from.
        "peak = lambda: int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        f"p = pathlib.Path({str(path)!r}); before = peak(); x = {read}; print((peak() - before) / 1024)"
    )
    return float(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    )


def write_matrix(path: Path, n_rows: int, n_samples: int) -> Path:
    names = [f"GSM{number}" for number in range(n_samples)]
    quoted = "\t".join(f'"{name}"' for name in names)
    head = (
        '!Series_title\t"made"\n!Series_geo_accession\t"GSE1"\n'
        f"!Sample_title\t{quoted}\n!Sample_geo_accession\t{quoted}\n"
        "!Sample_platform_id\t" + "\t".join('"GPL1"' for _ in names) + "\n"
        f'!series_matrix_table_begin\n"ID_REF"\t{quoted}\n'
    )
    with igzip.open(path, "wb", compresslevel=2) as out:
        out.write(head.encode())
        for start, block in blocks(n_rows, n_samples):
            rows = (
                f'"{start + place}_at"\t' + "\t".join([f"{v:.5f}" for v in row])
                for place, row in enumerate(block)
            )
            out.write(("\n".join(rows) + "\n").encode())
        out.write(b"!series_matrix_table_end\n")
    return path


def write_family(path: Path, n_rows: int, n_samples: int) -> Path:
    chance = np.random.default_rng(1)
    with igzip.open(path, "wb", compresslevel=2) as out:
        out.write(
            b"^DATABASE = GeoMiame\n^SERIES = GSE1\n!Series_title = made\n^PLATFORM = GPL1\n!platform_table_begin\n"
        )
        rows = "".join(f"{row}_at\tGENE{row}\ta gene of some length, number {row}\n" for row in range(n_rows))
        out.write(f"ID\tGene Symbol\tGene Title\n{rows}!platform_table_end\n".encode())
        for sample in range(n_samples):
            cells = zip(chance.normal(8, 2, n_rows), chance.random(n_rows), strict=True)
            rows = "".join(f"{row}_at\t{v:.5f}\tP\t{p:.6f}\n" for row, (v, p) in enumerate(cells))
            out.write(
                f"^SAMPLE = GSM{sample}\n!Sample_title = s{sample}\n!Sample_platform_id = GPL1\n".encode()
            )
            out.write(
                f"!sample_table_begin\nID_REF\tVALUE\tABS_CALL\tDETECTION P-VALUE\n{rows}!sample_table_end\n".encode()
            )
    return path


def write_counts(path: Path, n_rows: int, n_samples: int) -> Path:
    chance = np.random.default_rng(1)
    with igzip.open(path, "wb", compresslevel=2) as out:
        out.write(("GeneID\t" + "\t".join(f"GSM{number}" for number in range(n_samples)) + "\n").encode())
        for row in range(n_rows):
            found = chance.negative_binomial(1, 1 / (1 + chance.lognormal(4, 2)), n_samples)
            out.write((f"{100_000 + row}\t" + "\t".join(map(str, found)) + "\n").encode())
    return path


def blocks(n_rows: int, n_samples: int, size: int = 1000):  # type: ignore[no-untyped-def]
    chance = np.random.default_rng(1)
    for start in range(0, n_rows, size):
        yield start, chance.normal(8, 2, (min(size, n_rows - start), n_samples))


if __name__ == "__main__":
    main()
