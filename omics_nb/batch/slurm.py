"""A batch's rows on the nodes of a SLURM cluster, by dask-jobqueue, https://jobqueue.dask.org.

::

    from omics_nb import batch
    from omics_nb.batch.slurm import slurm_cluster

    with slurm_cluster(partition="short", account="lab", walltime="08:00:00", cores=4, memory="16GB") as cluster:
        cluster.adapt(minimum_jobs=0, maximum_jobs=25)
        made = batch.start_batch("studies.csv", "report.ipynb", out="/shared/reports", jobs=100,
                                 executor=cluster.get_client())
        made.wait()

Each job of SLURM is one worker that runs ``cores`` rows at once; ``jobs`` is how many rows are handed out at once, over
all workers. The folder of the batch, ``$OMICS_DATA`` (or the values of a PostgreSQL store, ``$OMICS_VALUES``) and
``$OMICS_CACHE`` must be folders that all nodes see under the same name; the store itself is written by this process
alone. A worker takes no further row a few minutes before its walltime ends; a row that is cut off all the same runs
again on another one. Whoever reaches a scheduler can run code as you, so it speaks TLS with keys made for this cluster,
which lie in ``log_folder`` for you alone; its dashboard listens on this machine only.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, SettingsError

_SPARE_S = 300
_PASSED_ON = ("OMICS_", "PYTHONPATH")
#: What only this process needs, or what no file of SLURM's may hold.
_KEPT_BACK = ("OMICS_SMTP", "OMICS_SMTP_PASSWORD", "OMICS_STORE")


def slurm_cluster(
    *,
    walltime: str,
    cores: int,
    memory: str,
    partition: str | None = None,
    account: str | None = None,
    log_folder: str | Path = "slurm-logs",
    prologue: tuple[str, ...] = (),
    **others: Any,
) -> Any:
    """A cluster of Dask workers that SLURM starts: each ``cores`` rows at once, in ``memory``, for ``walltime``.

    ``prologue`` are lines of shell before a worker starts, such as ``module load …``; ``others`` go to
    ``dask_jobqueue.SLURMCluster``. MissingExtraError without dask-jobqueue, SettingsError for a walltime too short.
    """
    try:
        jobqueue, security = import_module("dask_jobqueue"), import_module("distributed").Security.temporary()
    except ImportError as error:
        raise MissingExtraError(
            "SLURM needs dask-jobqueue; run: pip install 'omics-nb[slurm]'", extra="slurm"
        ) from error
    lifetime = _seconds(walltime) - _SPARE_S
    if lifetime <= 0:
        raise SettingsError(
            f"walltime is at least 00:10:00, as workers end {_SPARE_S} s before it; got {walltime!r}"
        )
    folder = Path(log_folder).absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stagger = ["--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{min(_SPARE_S, lifetime // 4)}s"]
    return jobqueue.SLURMCluster(
        queue=partition,
        account=account,
        walltime=walltime,
        cores=cores,
        processes=1,
        memory=memory,
        log_directory=str(folder),
        job_script_prologue=[*_exports(), *prologue],
        worker_extra_args=stagger,
        protocol="tls://",
        security=security,
        shared_temp_directory=str(folder),
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
        **others,
    )


def _seconds(walltime: str) -> int:
    try:
        hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    except ValueError:
        raise SettingsError(f"walltime is HH:MM:SS, such as 08:00:00, not {walltime!r}") from None
    return hours * 3600 + minutes * 60 + seconds


def _exports() -> list[str]:
    """The settings of this process, for workers that have another environment; no secrets, as SLURM keeps scripts."""
    import shlex

    names = [name for name in sorted(os.environ) if name.startswith(_PASSED_ON) and name not in _KEPT_BACK]
    return [f"export {name}={shlex.quote(os.environ[name])}" for name in names]
