"""A store of its own for every test, let go of at its end; processes that are killed; workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from omics_nb import workflow

Kill = Callable[..., bool]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "runs.sqlite"
    yield path
    workflow.close_store(path)


@pytest.fixture(scope="session")
def killed() -> Iterator[Kill]:
    """``killed(store=…, kill_at=…, …)`` has another process do what is asked; whether it was killed before its end."""
    script = Path(__file__).with_name("crash_zygote.py")
    with subprocess.Popen(
        [sys.executable, str(script), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zygote:

        def ask(**asked: Any) -> bool:
            assert zygote.stdin is not None
            assert zygote.stdout is not None
            zygote.stdin.write(json.dumps(asked, default=str) + "\n")
            zygote.stdin.flush()
            code = int(zygote.stdout.readline())
            assert code in (0, -9)
            return code == -9

        yield ask


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A Dask cluster of two worker processes."""
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install 'omics-nb[dask]'"
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, processes=True
        ) as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made
