"""What :mod:`.bench_batch` compares, each by its name in a process of its own; prints the seconds that it took."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_batch import NOTEBOOK, STUDIES, rows_of


def _papermill(row: dict[str, Any], out: str) -> None:
    import papermill

    parameters = {**row, "out": f"{out}.html"}
    papermill.execute_notebook(str(NOTEBOOK), f"{out}.ipynb", parameters=parameters, progress_bar=False)


def one_after_the_other(rows: list[dict[str, Any]], out: Path) -> None:
    for at, row in enumerate(rows):
        _papermill(row, str(out / str(at)))


def processes(rows: list[dict[str, Any]], out: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_papermill, rows, [str(out / str(at)) for at in range(len(rows))]))


def batch(rows: list[dict[str, Any]], out: Path) -> None:
    from omics_nb.batch import start_batch

    done = start_batch(rows, NOTEBOOK, out=out / "batch").wait()
    assert done.counts == {"done": len(rows)}, done.table().to_string()


def ploomber(rows: list[dict[str, Any]], out: Path) -> None:
    from ploomber import DAG
    from ploomber.executors import Parallel
    from ploomber.products import File
    from ploomber.tasks import NotebookRunner

    dag = DAG(executor=Parallel(processes=4))
    for at, row in enumerate(rows):
        product = File(str(out / f"{at}.ipynb"))
        params = {**row, "out": str(out / f"{at}.html")}
        NotebookRunner(NOTEBOOK, product, dag, name=f"row{at}", params=params, static_analysis="disable")
    dag.build(force=True)


def jupyter_scheduler(rows: list[dict[str, Any]], out: Path) -> None:
    """Four jobs at once, as it begins each job when it is made, however many there are."""
    import shutil

    from jupyter_scheduler.environments import CondaEnvironmentManager
    from jupyter_scheduler.models import CreateJob
    from jupyter_scheduler.orm import create_tables
    from jupyter_scheduler.scheduler import Scheduler

    database = f"sqlite:///{out / 'jobs.sqlite'}"
    create_tables(database)
    shutil.copy(NOTEBOOK, out / NOTEBOOK.name)
    scheduler = Scheduler(str(out), CondaEnvironmentManager(), db_url=database)
    at_work: list[str] = []
    for at, row in enumerate(rows):
        at_work = _until(scheduler, at_work, 3)
        given = {**row, "out": str(out / f"{at}.html")}
        code = {name: repr(value) for name, value in given.items()}  # it pastes texts into a cell as they are
        model = CreateJob(
            input_uri=NOTEBOOK.name, name=str(at), runtime_environment_name="here", parameters=code,
            output_formats=["ipynb"],
        )  # fmt: skip
        at_work.append(scheduler.create_job(model))
    _until(scheduler, at_work, 0)
    assert len(list(out.glob("*.html"))) == len(rows)


def _until(scheduler: Any, jobs: list[str], n: int) -> list[str]:
    """Wait until no more than ``n`` of the jobs are at work; those that are."""
    while True:
        found = {job: scheduler.get_job(job, job_files=False) for job in jobs}
        failed = [item.status_message for item in found.values() if item.status == "FAILED"]
        assert not failed, failed
        left = [job for job, item in found.items() if item.status != "COMPLETED"]
        if len(left) <= n:
            return left
        time.sleep(0.1)


def warm(rows: list[dict[str, Any]], out: Path) -> None:
    import omics_nb as omics

    for study in STUDIES:
        omics.fetch(study, source="demo")


_CONTESTANTS = {
    "papermill, one after the other": one_after_the_other,
    "papermill, 4 processes": processes,
    "omics_nb batch": batch,
    "ploomber, 4 processes": ploomber,
    "jupyter-scheduler": jupyter_scheduler,
    "warm": warm,
}


def main() -> None:
    import papermill  # noqa: F401 - imports are not counted

    name, n_rows, folder = sys.argv[1:]
    rows = rows_of(int(n_rows))
    began = time.perf_counter()
    _CONTESTANTS[name](rows, Path(folder))
    print(json.dumps(time.perf_counter() - began))


if __name__ == "__main__":
    main()
