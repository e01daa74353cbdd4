"""Rows on a Dask cluster of two workers, one of them killed; and what a SLURM cluster is asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from omics_nb.batch import start_batch
from omics_nb.batch.slurm import slurm_cluster
from tests.batch.conftest import write_notebook
from tests.batch.test_crash import GATED, begun, gone, wait_for

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'omics-nb[dask]'")
pytestmark = pytest.mark.filterwarnings("default")  # dask, nbclient and zmq warn of their own dependencies


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address=None, processes=True
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


@pytest.fixture
def gated(tmp_path: Path) -> tuple[Path, Path]:
    mark = tmp_path / "mark"
    return write_notebook(tmp_path / "n.ipynb", GATED, parameters=f'n = 0\ngated = 1\nmark = "{mark}"'), mark


def worker_of(pid: int) -> psutil.Process:
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def test_a_worker_that_is_killed_costs_its_rows_one_more_try(
    client: Any, tmp_path: Path, gated: tuple[Path, Path]
) -> None:
    notebook, mark = gated
    batch = start_batch(
        [{"n": n} for n in (1, 2, 3, 4)], notebook, out=tmp_path / "out", name="{n}", jobs=4, executor=client
    )
    wait_for(lambda: len(begun(mark)) == 4)
    workers = {n: worker_of(pid) for n, pid in begun(mark)}
    assert os.getpid() not in {worker.pid for worker in workers.values()}
    assert len({worker.pid for worker in workers.values()}) == 2
    lost = workers[1]
    hit = [n for n, worker in workers.items() if worker == lost]
    os.kill(lost.pid, signal.SIGKILL)
    for n, pid in begun(mark)[:4]:
        if n in hit:
            wait_for(lambda pid=pid: gone(pid), 15)
    Path(f"{mark}.open").touch()
    batch.wait(120)
    assert batch.counts == {"done": 4}
    assert Counter(n for n, _ in begun(mark)) == {n: 2 if n in hit else 1 for n in (1, 2, 3, 4)}
    assert [row.result["attempts"] for row in batch.rows] == [2 if n in hit else 1 for n in (1, 2, 3, 4)]


@pytest.mark.slow
def test_a_batch_from_a_shell_runs_on_workers_and_outlives_one_of_them(
    client: Any, tmp_path: Path, gated: tuple[Path, Path]
) -> None:
    notebook, mark = gated
    table = tmp_path / "rows.csv"
    table.write_text("n\n1\n2\n")
    words = ["batch", "run", table, "--notebook", notebook, "--out", tmp_path / "out", "--jobs", 2, "--json"]
    words += ["--name", "{n}", "--executor", f"dask:{client.scheduler.address}"]
    shell = subprocess.Popen(
        [sys.executable, "-c", "from omics_nb.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(begun(mark)) == 2)
    workers = {n: worker_of(pid) for n, pid in begun(mark)}
    assert shell.pid not in {worker.pid for worker in workers.values()}
    lost = workers[1]
    hit = [n for n, worker in workers.items() if worker == lost]
    lost.kill()
    wait_for(lambda: len(begun(mark)) == 2 + len(hit))
    Path(f"{mark}.open").touch()
    said, complained = shell.communicate(timeout=120)
    assert shell.returncode == 0, complained
    assert json.loads(said)["counts"] == {"done": 2}
    assert Counter(n for n, _ in begun(mark)) == {n: 2 if n in hit else 1 for n in (1, 2)}


def test_a_cancel_reaches_rows_on_workers(client: Any, tmp_path: Path, gated: tuple[Path, Path]) -> None:
    notebook, mark = gated
    batch = start_batch([{"n": 1}], notebook, out=tmp_path / "out", executor=client)
    wait_for(lambda: len(begun(mark)) == 1)
    batch.cancel()
    wait_for(lambda: gone(begun(mark)[0][1]), 15)
    assert batch.wait(60).state == "cancelled"


def test_what_slurm_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="pip install dask-jobqueue")
    with slurm_cluster(
        partition="short", account="lab", walltime="08:00:00", cores=4, memory="16GB", log_folder=tmp_path
    ) as cluster:
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://")
        open_to_all = {
            port.laddr.port
            for port in psutil.Process().net_connections()
            if port.status == "LISTEN" and not port.laddr.ip.startswith("127.")
        }
        assert open_to_all == {int(cluster.scheduler_address.rpartition(":")[2])}
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH -p short" in lines
    assert "#SBATCH -A lab" in lines
    assert "#SBATCH --cpus-per-task=4" in lines
    assert "#SBATCH --mem=15G" in lines
    assert "#SBATCH -t 08:00:00" in lines
    assert f"#SBATCH -o {tmp_path}/dask-worker-%J.out" in lines
    for part in (
        "distributed.cli.dask_worker",
        "--nthreads 4",
        "--nanny",
        "--lifetime",
        "--lifetime-stagger",
    ):
        assert part in script, script
