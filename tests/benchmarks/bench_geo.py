"""How fast GEO's files are read, against decompression alone and, where they are installed, against other readers.

``python -m tests.benchmarks.bench_geo [--small]``: medians of works that take turns (``side_by_side``), then growth,
then the goals. Peers that can be imported are run: pandas, polars, GEOparse; GEOquery where R has it. What they are
given and asked is what they are made for: a series matrix with ``comment="!"`` to pandas and polars, GEOparse's own
pivot (which puts all platforms into one table), and of GEOquery ``getGEO`` alone, without R's start.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import make_files
from tests.benchmarks.side_by_side import (
    Goal,
    Measured,
    Work,
    at_least,
    at_most,
    has_geoquery,
    measure,
    show,
    show_goals,
    table,
)

REAL = "geo/series/GSEnnn/GSE781/soft/GSE781_family.soft.gz"
Found = dict[str, Measured]

# --- the works: each takes a path, imports what it needs, and returns what is timed ----------------------------------


def decompression(path: str) -> Callable[[], None]:
    from omics_nb.geo import files

    return lambda: files.check_file(Path(path))


def our_matrix(path: str) -> Callable[[], Any]:
    from omics_nb.geo import series_matrix

    return lambda: series_matrix.read_series_matrix(Path(path)).values


def our_matrix_header(path: str) -> Callable[[], Any]:
    from omics_nb.geo import series_matrix

    return lambda: f"{len(series_matrix.read_series_header(Path(path)).samples):,} samples"


def our_family(path: str) -> Callable[[], Any]:
    from omics_nb.geo import soft, values
    from omics_nb.geo.parts import Parts

    def work() -> list[Any]:
        parts = Parts("GSE1")
        values.add_family_values(parts, soft.read_family(Path(path)))
        return list(parts.matrices.values())

    return work


def our_metadata(path: str) -> Callable[[], Any]:
    from omics_nb.geo import soft

    return lambda: f"{len(soft.read_family(Path(path), tables=False).samples):,} samples"


def our_first_look(path: str) -> Callable[[], Any]:
    from omics_nb.geo import soft
    from omics_nb.geo.parts import Parts
    from omics_nb.geo.samples import sample_sheet

    def work() -> str:
        parts = Parts("GSE1")
        parts.add_family(soft.read_family(Path(path), tables=False))
        return "sheet of {:,} × {:,}".format(*sample_sheet(parts.samples).shape)

    return work


def our_study(path: str) -> Callable[[], Any]:
    from omics_nb.geo.files import local_file
    from omics_nb.geo.study import read_study

    file = local_file(Path(path))
    return lambda: list(read_study("GSE1", [file], source="benchmark").matrices.values())


def our_counts(path: str) -> Callable[[], Any]:
    from omics_nb.geo import counts

    return lambda: counts.read_ncbi_counts(Path(path))


def pandas_matrix(path: str) -> Callable[[], Any]:
    import pandas as pd

    return lambda: pd.read_csv(path, sep="\t", comment="!", index_col=0)


def polars_matrix(path: str) -> Callable[[], Any]:
    import polars as pl

    # Nothing is inferred from the first rows alone: a whole number there would refuse a fraction below.
    return lambda: pl.read_csv(
        path, separator="\t", comment_prefix="!", null_values=["", "null", "NA"], infer_schema_length=10_000
    )


def geoparse_family(path: str) -> Callable[[], Any]:
    import GEOparse

    return lambda: f"{len(GEOparse.get_GEO(filepath=path, silent=True).gsms):,} samples"


def geoparse_pivot(path: str) -> Callable[[], Any]:
    import GEOparse

    return lambda: GEOparse.get_GEO(filepath=path, silent=True).pivot_samples("VALUE")


def pandas_counts(path: str) -> Callable[[], Any]:
    import pandas as pd

    return lambda: pd.read_csv(path, sep="\t", index_col=0)


def polars_counts(path: str) -> Callable[[], Any]:
    import polars as pl

    return lambda: pl.read_csv(path, separator="\t").drop("GeneID")


# --- the comparisons -------------------------------------------------------------------------------------------------


def works(path: Path, *rows: tuple[str, str, str], r_rounds: int = 0) -> dict[str, Work]:
    """Rows of name, function and the package that it needs; GEOquery last, where it takes part and is there."""
    chosen = {
        name: Work(path, f"tests.benchmarks.bench_geo.{function}")
        for name, function, package in rows
        if not package or importlib.util.find_spec(package)
    }
    if r_rounds and has_geoquery():
        chosen["GEOquery, getGEO"] = Work(path, rounds=r_rounds)
    return chosen


def matrices(path: Path, title: str, rounds: int, r_rounds: int, n_bytes: int) -> list[Goal]:
    found = measure(
        works(
            path,
            ("decompression alone", "decompression", ""),
            ("omics_nb", "our_matrix", ""),
            ("omics_nb, header alone", "our_matrix_header", ""),
            ("pandas, comment='!'", "pandas_matrix", "pandas"),
            ("polars", "polars_matrix", "polars"),
            r_rounds=r_rounds,
        ),
        rounds,
    )
    show(f"series matrix {title}", found, limit="decompression alone", ours="omics_nb")
    return [
        faster(f"series matrix {title}: than GEOquery", 12, found, "GEOquery, getGEO"),
        faster(f"series matrix {title}: than pandas", 2.5, found, "pandas, comment='!'"),
        at_most(
            f"series matrix {title}: of decompression alone",
            3.5,
            found["omics_nb"].median / found["decompression alone"].median,
        ),
        memory(f"series matrix {title}", found["omics_nb"], n_bytes),
    ]


def families(path: Path, title: str, rounds: int, r_rounds: int, n_bytes: int) -> list[Goal]:
    found = measure(
        works(
            path,
            ("decompression alone", "decompression", ""),
            ("omics_nb", "our_family", ""),
            ("omics_nb, without the tables", "our_metadata", ""),
            ("omics_nb, first look", "our_first_look", ""),
            ("GEOparse", "geoparse_family", "GEOparse"),
            ("GEOparse and its pivot", "geoparse_pivot", "GEOparse"),
            r_rounds=r_rounds,
        ),
        rounds,
    )
    show(f"family SOFT {title}", found, limit="decompression alone", ours="omics_nb")
    return [
        faster(
            f"family {title} to matrices: than GEOparse and its pivot", 8, found, "GEOparse and its pivot"
        ),
        faster(f"family {title} to matrices: than GEOquery, without matrices", 25, found, "GEOquery, getGEO"),
        # GEOparse cannot leave the tables out.
        faster(
            f"family {title} without its tables: than GEOparse",
            10,
            found,
            "GEOparse",
            ours="omics_nb, without the tables",
        ),
        at_most(f"family {title}: first look", 0.3, found["omics_nb, first look"].median, " s"),
        memory(f"family {title}", found["omics_nb"], n_bytes),
    ]


def counted(path: Path, title: str, rounds: int, n_bytes: int) -> list[Goal]:
    found = measure(
        works(
            path,
            ("decompression alone", "decompression", ""),
            ("omics_nb, int32", "our_counts", ""),
            ("pandas, int64", "pandas_counts", "pandas"),
            ("polars, int64", "polars_counts", "polars"),
        ),
        rounds,
    )
    show(f"NCBI's counts {title}", found, limit="decompression alone", ours="omics_nb, int32")
    return [
        faster(f"counts {title}: than pandas", 2, found, "pandas, int64", ours="omics_nb, int32"),
        memory(f"counts {title}", found["omics_nb, int32"], n_bytes),
    ]


def faster(what: str, wanted: float, found: Found, peer: str, *, ours: str = "omics_nb") -> Goal:
    if peer not in found or found[peer].failed:
        return Goal(what, f"≥ {wanted:g} ×", "peer failed" if peer in found else "peer not run", None)
    return at_least(what, wanted, found[peer].median / found[ours].median)


def memory(what: str, ours: Measured, n_bytes: int) -> Goal:
    allowed = 2.5 * n_bytes / 2**20 + 150
    return at_most(
        f"{what}: peak memory, 2.5 × matrix + 150 MB", round(allowed), ours.peak_mb or float("nan"), " MB"
    )


def growth(folder: Path, large: Path, rounds: int, scale: int) -> list[Goal]:
    """Whole studies of rising size: what a MB, and what a sample costs."""
    by_text, by_samples, wide = {}, {}, {}
    for megabytes in (10, 50, 100):
        path = folder / f"{megabytes}_series_matrix.txt.gz"
        by_text[f"{megabytes} MB"] = make_files.write_matrix(path, megabytes * 162 // scale, 1_000)
    by_text["370 MB"] = large
    for n in (50 // min(scale, 10), 500 // min(scale, 10), 5_000 // min(scale, 10)):
        path = folder / f"{n}_family.soft.gz"
        by_samples[f"{n:,}"] = make_files.write_family(path, 1_000 // scale, n)
        path = folder / f"{n}_wide_series_matrix.txt.gz"
        wide[f"{n:,}"] = make_files.write_matrix(path, 2_000 // scale, n)
    return [
        grown("series matrix by text", "MB", by_text, rounds, unpacked_mb),
        grown("family by samples", "sample", by_samples, rounds, n_samples),
        grown("series matrix by samples", "sample", wide, rounds, n_samples),
    ]


def grown(title: str, unit: str, paths: dict[str, Path], rounds: int, size: Callable[[Path], float]) -> Goal:
    found = measure({name: works(path, ("", "our_study", ""))[""] for name, path in paths.items()}, rounds)
    # Of processor time: what a thread waits for is no matter of size.
    each = {name: one.median_cpu / size(paths[name]) for name, one in found.items()}
    print(f"\n**{title}, a whole study**\n")
    rows = [
        [
            name,
            f"{one.median:.3f}",
            f"{one.median_cpu:.3f}",
            f"{1e3 * each[name]:.2f}",
            one.failed or one.gave,
        ]
        for name, one in found.items()
    ]
    print(table(["", "median s", "CPU s", f"CPU ms a {unit}", "gave"], rows), flush=True)
    *smaller, largest = each.values()
    return at_most(f"{title}: a {unit} of the largest against the cheapest", 1.25, largest / min(smaller))


def unpacked_mb(path: Path) -> float:
    with gzip.open(path) as file:
        return sum(len(piece) for piece in iter(lambda: file.read(2**20), b"")) / 1e6


def n_samples(path: Path) -> float:
    return int(path.name.split("_")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small files, no R, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    scale, rounds = (50, 1) if options.small else (1, options.rounds)
    slow = 0 if options.small else 1
    real = Path(os.environ.get("OMICS_SHARED", "../shared")) / REAL
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_rows = 60_000 // scale
        large = make_files.write_matrix(folder / "GSE1000_series_matrix.txt.gz", n_rows, 1_000)
        if not options.small:
            path = make_files.write_matrix(folder / "GSE200_series_matrix.txt.gz", 54_675, 200, 6)
            goals += matrices(path, "54,675 × 200", rounds, 2, 8 * 54_675 * 200)
        goals += matrices(large, f"{n_rows:,} × 1,000", min(rounds, 3), slow, 8 * n_rows * 1_000)
        n_rows = 22_283 // scale
        path = make_files.write_family(folder / "GSE1_family.soft.gz", n_rows, 100)
        goals += families(path, f"{n_rows:,} × 100", rounds, slow, 8 * n_rows * 100)
        if real.exists() and not options.small:
            goals += families(real, "of GSE781", rounds, slow, 8 * 17 * (22_283 + 22_645))
        n_rows = 39_376 // scale
        path = make_files.write_counts(folder / "GSE1_raw_counts_GRCh38.p13_NCBI.tsv.gz", n_rows, 300)
        goals += counted(path, f"{n_rows:,} × 300", rounds, 4 * n_rows * 300)
        goals += growth(folder, large, min(rounds, 3), scale)
    show_goals(goals)


if __name__ == "__main__":
    main()
