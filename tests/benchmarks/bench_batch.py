"""Forty report notebooks on the demo archive, by a batch and by papermill; then what the batch itself costs.

Run by ``python -m tests.benchmarks.bench_batch [--rows N] [--small]``. Everybody gets the same notebook, the same rows
and the same warm cache of downloads; papermill writes the notebook, the batch an HTML page and a thumbnail besides.
Each contestant is a process of its own with a store of its own. Ploomber runs where it can be imported, with
its parallel executor.

Then: seconds per row beyond its cells, for a notebook that does nothing; what a store and summary of 10,000 rows cost;
memory of the driving process from row 50 to row 500.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "report.ipynb"
#: Synthetic studies whose samples suggest a comparison.
STUDIES = [f"GSE90000{number:02}" for number in (1, 2, 3, 4, 6, 7, 8, 10, 11, 12)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--small", action="store_true", help="few rows, to see that it runs")
    options = parser.parse_args()
    n_rows = 4 if options.small else options.rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"OMICS_CACHE": str(folder / "cache"), "OMICS_SOURCE": "demo"}
        _ask("warm", n_rows, folder)
        told = throughput(n_rows, folder)
        judge(told)
        overhead(40 if not options.small else 4, folder)
        store_of(10_000 if not options.small else 200, folder)
        memory(500 if not options.small else 12, folder)


def throughput(n_rows: int, folder: Path) -> dict[str, float]:
    print(f"{n_rows} report notebooks, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    contestants = ["papermill, one after the other", "papermill, 4 processes", "omics_nb batch"]
    if importlib.util.find_spec("ploomber"):
        contestants.append("ploomber, parallel")
    told = {}
    for contestant in contestants:
        told[contestant] = _ask(contestant, n_rows, folder)
        print(
            f"{contestant:<32}{told[contestant]:8.1f} s {n_rows / told[contestant] * 60:8.1f} reports a minute",
            flush=True,
        )
    return told


def judge(told: dict[str, float]) -> None:
    ours = told.pop("omics_nb batch")
    first = told.pop("papermill, one after the other")
    best = min(told.values())
    print(f"\nagainst papermill one after the other {first / ours:6.2f} × (goal 4)")
    print(f"against the best of the parallel ones {best / ours:6.2f} × (goal 1.8)\n")


def _ask(contestant: str, n_rows: int, folder: Path) -> float:
    """Seconds that a contestant needs in a process of its own, its imports not counted."""
    place = folder / contestant.replace(" ", "-").replace(",", "")
    place.mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.batch_contestants",
        contestant,
        str(n_rows),
        str(place),
    ]
    environment = {**os.environ, "OMICS_DATA": str(place / "data")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    shutil.rmtree(place, ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"{contestant} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def rows_of(n_rows: int) -> list[dict[str, Any]]:
    return [{"study": STUDIES[at % len(STUDIES)], "question": f"report {at}"} for at in range(n_rows)]


def write_nothing(folder: Path) -> Path:
    """A notebook of five cells that do next to nothing."""
    import nbformat

    cells = [nbformat.v4.new_code_cell("n = 0", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(f"n + {at}") for at in range(4)]
    kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), folder / "nothing.ipynb"
    )
    return folder / "nothing.ipynb"


def overhead(n_rows: int, folder: Path) -> None:
    """Wall time of a row in a batch of one at a time, without the time that its cells took."""
    from omics_nb.batch import start_batch

    os.environ["OMICS_DATA"] = str(folder / "overhead")
    notebook = write_nothing(folder)
    start_batch([{"n": 0}], notebook, out=folder / "first", jobs=1).wait()  # the libraries are loaded once
    began = time.perf_counter()
    batch = start_batch([{"n": at} for at in range(n_rows)], notebook, out=folder / "over", jobs=1).wait()
    took = time.perf_counter() - began
    cells = sum(row.result["cell_seconds"] for row in batch.rows)
    print(
        f"a row beyond its cells {(took - cells) / n_rows:22.3f} s (goal 0.25), page included; one at a time"
    )


def store_of(n_rows: int, folder: Path) -> None:
    """A batch of many rows that are all done already: checked, planned, recorded, summed up, its page written."""
    from omics_nb.batch import start_batch
    from omics_nb.batch.places import Places, fingerprint, write_record

    os.environ["OMICS_DATA"] = str(folder / "many")
    notebook, out = write_nothing(folder), folder / "many-out"
    rows = [{"n": at} for at in range(n_rows)]
    kept = _plan(rows, notebook)
    for item in kept:
        places = Places(out, item["name"])
        places.folder.mkdir(parents=True)
        places.notebook.write_text("{}")
        record = {
            "row": item["row"],
            "name": item["name"],
            "key": item["key"],
            "state": "done",
            "seconds": 1.0,
        }
        write_record(places, {**record, "files": {places.notebook.name: fingerprint(places.notebook)}})
    taken = _timed(lambda: start_batch(rows, notebook, out=out).wait())
    print(f"store and summary of {n_rows:,} rows {taken:14.1f} s (goal 10 for 10,000)")


def _plan(rows: list[dict[str, Any]], notebook: Path) -> list[dict[str, Any]]:
    from omics_nb.batch import batches, check_batch

    checked = check_batch(rows, notebook)
    plan = batches.Plan(name="", target=checked.target.name, out="", cwd=str(Path.cwd()), source="demo")
    return batches._items(checked.rows, checked.target, plan)


def memory(n_rows: int, folder: Path) -> None:
    """The driving process after 50 rows and after all of them; kernels and their server are processes of their own."""
    from omics_nb.batch import start_batch

    os.environ["OMICS_DATA"] = str(folder / "memory")
    batch = start_batch(
        [{"n": at} for at in range(n_rows)], write_nothing(folder), out=folder / "memory-out", jobs=3
    )
    own = psutil.Process()
    seen: dict[int, float] = {}
    while batch.state == "running":
        seen[batch.counts["done"]] = own.memory_info().rss / 2**20
        time.sleep(0.5)
    early = statistics.median(
        value for done, value in seen.items() if done <= max(n_rows // 5, 1) or done == min(seen)
    )
    late = statistics.median([value for done, value in seen.items() if done >= n_rows * 0.8] or [early])
    print(
        f"memory of the driver {early:8.0f} MB in the first fifth, {late:.0f} MB in the last, {n_rows} rows"
    )


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
