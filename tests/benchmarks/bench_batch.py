"""Forty report notebooks on the demo archive, by a batch and by its peers; then what the batch itself costs.

Run by ``python -m tests.benchmarks.bench_batch [--rows N] [--small] [--only PART]``. Everybody gets the same notebook,
the same rows and the same warm cache of downloads; papermill writes the notebook, the batch an HTML page and a
thumbnail besides. Each contestant is a process of its own with a store of its own. Ploomber, with its parallel
executor, and jupyter-scheduler, with four jobs at once, run where they can be imported.

Then: seconds of a row beyond its cells, for a notebook that does next to nothing; what a store and summary of 10,000
rows cost; memory of the driving process from row 50 to row 500.
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
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "report.ipynb"
#: Peers that run where they can be imported.
PEERS = {"ploomber, 4 processes": "ploomber", "jupyter-scheduler": "jupyter_scheduler"}
#: Synthetic studies whose samples suggest a comparison.
STUDIES = [f"GSE90000{number:02}" for number in (1, 2, 3, 4, 6, 7, 8, 10, 11, 12)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--small", action="store_true", help="few rows, to see that it runs")
    parser.add_argument("--only", choices=["throughput", "overhead", "store", "memory"], help="one part")
    options = parser.parse_args()
    small = options.small
    parts: dict[str, Callable[[Path], None]] = {
        "throughput": lambda folder: judge(throughput(4 if small else options.rows, folder)),
        "overhead": lambda folder: overhead(4 if small else 40, folder),
        "store": lambda folder: store_of(200 if small else 10_000, folder),
        "memory": lambda folder: memory(12 if small else 500, folder),
    }
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"OMICS_CACHE": str(Path(name) / "cache"), "OMICS_SOURCE": "demo"}
        os.environ["PLOOMBER_STATS_ENABLED"] = "false"
        for part in [options.only] if options.only else parts:
            parts[part](Path(name))


def throughput(n_rows: int, folder: Path) -> dict[str, float]:
    print(f"{n_rows} report notebooks, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    _ask("warm", n_rows, folder)
    contestants = ["papermill, one after the other", "papermill, 4 processes", "omics_nb batch"]
    for contestant, package in PEERS.items():
        if importlib.util.find_spec(package):
            contestants.append(contestant)
        else:
            print(f"{contestant:<32} not installed: pip install {package.replace('_', '-')}")
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
    """Seconds of a row beyond its cells, two rows at a time: from when the runner takes it up until it is done.

    What its cells took is what the kernel itself says, from busy to idle, so that messages to and fro count as
    overhead, as do the kernel's start, the notebook, its page, the record and the store. papermill is asked the same.
    """
    import papermill

    from omics_nb.batch import start_batch

    os.environ["OMICS_DATA"] = str(folder / "overhead")
    notebook = write_nothing(folder)
    for out, n in (("first", 5), ("over", n_rows)):  # by the first the libraries are loaded
        batch = start_batch([{"n": at} for at in range(n)], notebook, out=folder / out, jobs=2).wait()
    beyond = sorted(
        row.ended - row.began - _cells(batch.out / f"{row.name}.ipynb")
        for row in batch.rows
        if row.ended and row.began
    )
    peers = []
    for at in range(5):
        began = time.perf_counter()
        out = folder / f"peer-{at}.ipynb"
        papermill.execute_notebook(str(notebook), str(out), parameters={"n": at}, progress_bar=False)
        peers.append(time.perf_counter() - began - _cells(out))
    told = (
        f"median {statistics.median(beyond):.3f} s, 95th percentile {beyond[int(len(beyond) * 0.95)]:.3f} s"
    )
    print(f"a row beyond its cells, page included, two at a time: {told} (goal 0.25)")
    print(f"papermill, one at a time, without a page: median {statistics.median(peers):.3f} s")


def _cells(path: Path) -> float:
    """Seconds from busy to idle, of all cells of an executed notebook."""
    import nbformat

    seconds = 0.0
    for cell in nbformat.read(path, as_version=4).cells:
        told = cell.metadata.get("execution", {})
        if "iopub.status.busy" in told and "iopub.status.idle" in told:
            times = [datetime.fromisoformat(told[f"iopub.status.{state}"]) for state in ("busy", "idle")]
            seconds += (times[1] - times[0]).total_seconds()
    return seconds


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
