"""A batch as people hold it: started, looked at, waited for, stopped, gone on with.

It is one run of the durable runner, whose rows are a fan-out over one step (:mod:`.row`): leases, take-over after a
crash, events and cancels are the runner's. Whoever resumes a batch that another process drives is told so, and each row
is done by one of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import flows
from ..errors import DataError, RunError, RunNotFoundError, SettingsError
from ..workflow import Context, Flow, Run, list_runs, open_run, step
from ..workflow import start as start_run
from ..workflow.tables import ACTIVE
from . import keeper
from .check import Planned, check, source_of
from .keys import code_hash, forget_folders, row_key
from .ledger import STEP, Ledger, RowInfo
from .mail import check_addresses
from .names import DEFAULT
from .places import Places, make_folder, read_record, stop_marker, write_record
from .row import Plan
from .table import read_table
from .targets import Target, target_of

if TYPE_CHECKING:
    import pandas as pd

    from .news import News
    from .table import Source

FLOW = "batch"
_LONGEST_PATH = 200
#: A process that has loaded the libraries, for kernels to be forks of, costs as much as so many plain kernels.
_FORKS_FROM = 5


def batch_flow(jobs: int | None = None, *, fail_fast: bool = False) -> Flow:
    """The flow of a batch: its rows, ``jobs`` at once."""
    failure = "fail_fast" if fail_fast else "finish_siblings"
    rows = step(
        run_row_by_name,
        name=STEP,
        each={"row": "rows"},
        limit=jobs or default_jobs(),
        on_failure=failure,
        cache=False,
    )
    return Flow(FLOW, [rows])


def run_row_by_name(
    row: Mapping[str, Any], plan: Mapping[str, Any], notebook: str, ctx: Context
) -> dict[str, Any]:
    """:func:`.row.run_row`, found by its name: a row's key says whether its code has changed, and the runner, which
    would follow every function from here and look at all of them again after each row, need not.
    """
    found: dict[str, Any] = import_module(f"{__package__}.row").run_row(row, plan, notebook, ctx)
    return found


def default_jobs() -> int:
    """How many rows run at once where nobody says: one more than there are processors, as kernels also wait."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return available + 1


#: By which a run is resumed where nothing else is known of it, as `omics-nb runs resume` does.
BATCH = batch_flow()


def start_batch(
    table: Source,
    notebook: str | Path | None = None,
    *,
    out: str | Path,
    flow: str | None = None,
    name: str = DEFAULT,
    title: str | None = None,
    source: str | None = None,
    jobs: int | None = None,
    executor: Any = None,
    skip_invalid: bool = False,
    look: bool = True,
    fail_fast: bool = False,
    row_timeout_s: float | None = None,
    cell_timeout_s: float | None = None,
    memory_mb: float | None = None,
    retries: int = 0,
    kernel: str = "",
    html: bool = True,
    fresh: bool = False,
    mail: Sequence[str] = (),
    link: str = "",
    previous: str = "",
    key: str | None = None,
) -> Batch:
    """Check a table as a whole, then run a notebook or a flow for each of its rows; returns at once.

    table
        CSV, TSV, XLSX, JSON lines, a frame or a list of mappings: a column for each parameter, an empty cell for its
        default, ``#`` before the name of a remark.
    out
        The folder for everything: ``NAME.ipynb`` and ``NAME.html`` for each row, a folder ``NAME`` for what the
        notebook saves, ``index.html`` for all.
    name
        What outputs are called, ``{row:04}-{label}`` or such as ``{study}``.
    source
        Where studies come from, the settings' where nobody says. It becomes the value of the parameter that means the
        source, in rows that have none of their own.
    look
        Hold each row against its source before anything runs: study, groups, columns of the design.
    jobs, executor
        How many rows run at once (one more than there are processors), and where: see
        :func:`omics_nb.workflow.start`.
    row_timeout_s, cell_timeout_s, memory_mb, retries
        Limits of each row, and how often a row whose kernel died runs again.
    mail, link
        Addresses that are told of the end, by the mail server of the settings, and where ``out`` is found from there.
    previous
        The batch before this one, by which the page and the mail say what is new.
    fresh
        Run rows again that are in ``out`` already, done by the same code, values and data.

    TableError for a table with problems; with ``skip_invalid`` its bad rows are left out. DataError for a folder that
    cannot be written, or that another batch is writing.
    """
    target = target_of(notebook, flow)
    checked = check(read_table(table), target, name=name, source=source, look=look)
    rows = checked.require(skip_invalid=skip_invalid)
    check_addresses(tuple(mail))
    folder = _folder_for(out)
    n_jobs = jobs or default_jobs()
    plan = Plan(
        name=title or Path(checked.table).stem,
        target=checked.target.name,
        out=str(folder),
        cwd=str(Path.cwd()),
        kernel=kernel,
        source=source_of({}, target, source),
        row_timeout_s=row_timeout_s,
        cell_timeout_s=cell_timeout_s,
        memory_mb=memory_mb,
        retries=retries,
        threads=max(1, (os.cpu_count() or 1) // n_jobs),
        html=html,
        fresh=fresh,
        jobs=n_jobs,
        forks=len(rows) >= _FORKS_FROM,
        fail_fast=fail_fast,
        mail=tuple(mail),
        link=link,
        previous=previous,
        **_mark_of(table),
    )
    return _driven(_begun(plan, _items(rows, target, plan), target, key, executor))


def _folder_for(out: str | Path) -> Path:
    """The folder of a batch, made; SettingsError for too long a name, DataError where another batch is writing."""
    folder = Path(out).expanduser().resolve()
    if len(str(folder)) > _LONGEST_PATH:
        raise SettingsError(
            f"the folder's name is longer than {_LONGEST_PATH} letters; choose a shorter one: {folder}"
        )
    _refuse_taken(folder)
    make_folder(folder)
    return folder


def _begun(plan: Plan, items: list[dict[str, Any]], target: Target, key: str | None, executor: Any) -> Run:
    return start_run(
        batch_flow(plan.jobs, fail_fast=plan.fail_fast),
        {"rows": items, "plan": plan._asdict(), "notebook": target.notebook},
        store=flows.run_store(),
        name=plan.name,
        key=key,
        executor=executor,
    )


def _mark_of(table: Source) -> dict[str, str]:
    """Where a table lies and what was in it, by which it is seen later whether it was mended."""
    if not isinstance(table, (str, Path)):
        return {}
    path = Path(table).resolve()
    return {"table": str(path), "table_sha256": sha256(path.read_bytes()).hexdigest()}


def _items(rows: Sequence[Planned], target: Target, plan: Plan) -> list[dict[str, Any]]:
    """What the runner hands to each row's step."""
    forget_folders()
    code = code_hash(target)
    has_out = "out" in target.parameters
    return [
        {
            "row": row.row,
            "name": row.name,
            "parameters": dict(row.parameters),
            "remarks": dict(row.remarks),
            "key": row_key(code, row.parameters, source=plan.source, cwd=plan.cwd),
            "out": has_out,
        }
        for row in rows
    ]


def _refuse_taken(folder: Path) -> None:
    store = flows.run_store()
    for state in ACTIVE:
        for run in list_runs(store, flow=FLOW, state=state):
            if plan_of(run).out == str(folder):
                raise DataError(
                    f"batch {run.id} is writing to {folder}; wait for it, or cancel it: omics-nb batch cancel {run.id}",
                    path=str(folder),
                    batch=run.id,
                )


def plan_of(run: Run) -> Plan:
    """What all rows of a batch share, from its run."""
    from ..workflow import tables, values

    with run.store.read() as db:
        given = json.loads(tables.run_row(db, run.id).inputs)
    found = values.decode(given["plan"], run.store.folder)
    return Plan(**{**found, "mail": tuple(found["mail"])})


def _driven(run: Run) -> Batch:
    batch = Batch(run)
    keeper.keep(batch)
    return batch


def get_batch(batch_id: str) -> Batch:
    """The batch with this id, or with an id that begins so. RunNotFoundError."""
    run = open_run(flows.run_store(), batch_id, flow=BATCH)
    if run.flow_name != FLOW:
        raise RunNotFoundError(f"{run.id} is a run of {run.flow_name}, not a batch", run=run.id)
    return Batch(run)


def list_batches(*, state: str | None = None, limit: int = 20) -> list[Batch]:
    """The newest batches of the store."""
    return [Batch(run) for run in list_runs(flows.run_store(), flow=FLOW, state=state, limit=limit)]


class Batch:
    """A batch of the store. What it says is read from there, so it is true in any process."""

    def __init__(self, run: Run) -> None:
        self.run, self.id = run, run.id
        self.plan = plan_of(run)
        self._ledger: Ledger | None = None

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def out(self) -> Path:
        return Path(self.plan.out)

    @property
    def state(self) -> str:
        """As of a run: running, pausing, paused, cancelling, cancelled, done, failed (some rows), interrupted."""
        return self.run.state

    @property
    def created(self) -> datetime:
        return self.run.created

    @property
    def finished(self) -> datetime | None:
        return self.run.finished

    def ledger(self) -> Ledger:
        """The rows, as they are now."""
        self._ledger = self._ledger or Ledger(self.run)
        self._ledger.look()
        return self._ledger

    @property
    def rows(self) -> list[RowInfo]:
        """Every row in the order of the table, as it is now."""
        return self.ledger().rows()

    @property
    def counts(self) -> Counter[str]:
        """How many rows are waiting, running, done, failed, timed out, cancelled."""
        return self.ledger().counts()

    def table(self) -> pd.DataFrame:
        """One row each: number, name, state, time, memory, key figures, parameters, error."""
        from .summary import frame_of

        return frame_of(self.rows)

    def genes(self, *, at_least: int = 2) -> pd.DataFrame:
        """Genes that recur: how many comparisons found each at adjusted P ≤ 0.05, in which direction, and where."""
        from .summary import recurring

        return recurring(self.out, self.rows, at_least=at_least)

    def news(self) -> News | None:
        """What is new since the batch before this one; None where there is none, or it was pruned."""
        from .news import news_of

        try:
            return news_of(self, get_batch(self.plan.previous)) if self.plan.previous else None
        except RunNotFoundError:
            return None

    @property
    def changed_table(self) -> str:
        """What to do where the table's file is no longer what this batch was made of; empty where it is, or is gone."""
        path = Path(self.plan.table)
        if (
            not self.plan.table
            or not path.is_file()
            or _mark_of(path)["table_sha256"] == self.plan.table_sha256
        ):
            return ""
        return (
            f"{path.name} has changed since batch {self.id} was made of it, and its rows are run as they were then. "
            f"For the table as it is now run it again into the same folder: finished rows stay done. "
            f"omics-nb batch run {shlex.quote(str(path))} … --out {shlex.quote(str(self.out))}"
        )

    # --- steering ----------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> Batch:
        """Wait until no row is at work or waits; TimeoutError after ``timeout`` seconds. Failed rows raise nothing."""
        try:
            self.run.result(timeout)
        except TimeoutError:
            raise
        except RunError:
            if self.state in ACTIVE or self.state == "interrupted":
                raise
        keeper.finish(self)
        return self

    def cancel(self) -> None:
        """Stop for good: rows at work are stopped and their kernels ended. Finished rows stay."""
        with contextlib.suppress(OSError):  # the runner itself stops what runs in its process
            stop_marker(self.out, self.id).touch()
        self.run.cancel()

    def resume(self, *, jobs: int | None = None, retry_failed: bool = False, executor: Any = None) -> Batch:
        """Go on with an interrupted or paused batch; with ``retry_failed`` its failed rows run again too.

        A cancelled batch becomes a new one, which keeps the rows that are done. RunError if it is at work or done.
        """
        state = self.state
        if state in (*ACTIVE, "done"):
            told = (
                "is at work"
                if state in ACTIVE
                else "is done; a batch of the same table runs what has changed"
            )
            raise RunError(f"batch {self.id} {told}", run=self.id, state=state)
        if retry_failed:
            self._forget_failed()
        elif state == "failed" and (self.plan.fail_fast or not self.counts["waiting"]):
            raise RunError(
                f"every row of batch {self.id} has come to its end, and some failed; retry those: "
                f"omics-nb batch retry {self.id} --failed",
                run=self.id,
            )
        flow = batch_flow(jobs or self.plan.jobs, fail_fast=self.plan.fail_fast)
        if state == "cancelled":
            return _driven(self.run.rerun(flow=flow, from_step=STEP, executor=executor))
        self.run.resume(flow=flow, executor=executor, keep_changed=True)
        return _driven(self.run)

    def _forget_failed(self) -> None:
        """Let failed rows run again: what a row's record says of this batch is what keeps it from that."""
        for row in self.rows:
            if row.state in ("failed", "timed out"):
                places = Places(self.out, row.name)
                record = read_record(places)
                if record.get("batch") == self.id:
                    write_record(places, {**record, "state": "retry"})

    # --- showing -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        counts = self.counts
        told = ", ".join(f"{counts[state]} {state}" for state in counts)
        return f"Batch({self.id}, {self.plan.name!r}, {self.state}: {told})"

    def _repr_html_(self) -> str:
        from .index_page import fragment

        return fragment(self)
