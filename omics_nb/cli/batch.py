"""``batch``: a table of parameters becomes a notebook for each row, and what became of them."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RunError
from .options import as_json_option
from .output import print_json

if TYPE_CHECKING:
    from ..batch import Batch
    from ..batch.ledger import Ledger
    from ..batch.outbox import Letter

ROWS_FAILED = 8
_LOOK_S = 0.5
_LET_GO_S = 10.0
_ACTIVE = ("running", "pausing", "cancelling")

jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="Rows at once; default: processors + 1."
)
executor_option = click.option(
    "--executor", metavar="dask[:ADDRESS]", help="Run rows on a Dask cluster, dask:tcp://HOST:PORT."
)


@click.group()
def batch() -> None:
    """Reports by the hundred: a notebook or a flow for each row of a table, with nothing lost."""


def _target_options(command: Any) -> Any:
    for option in (
        click.option(
            "--no-look",
            "look",
            is_flag=True,
            flag_value=False,
            default=True,
            help="Do not ask the source whether studies, groups and columns of the rows are there.",
        ),
        click.option("--source", metavar="SPEC", help="demo, mirror:FOLDER, ncbi or another's name."),
        click.option(
            "--name", default=None, metavar="TEMPLATE", help="Names of outputs, such as '{row:04}-{study}'."
        ),
        click.option("--flow", metavar="FLOW", help="Run this flow for each row: its name, or MODULE:FLOW."),
        click.option(
            "--notebook",
            type=click.Path(path_type=Path),
            help="Run this notebook; report.ipynb is the project's own.",
        ),
        click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    ):
        command = option(command)
    return command


@batch.command("check")
@_target_options
@as_json_option
def batch_check(table: Path, name: str | None, as_json: bool, **options: Any) -> None:
    """Look at TABLE as a whole; nothing runs. Every problem is told with its row and what would be right.

    Rows are held against their source too: each study is looked at once.
    """
    from ..batch import check_batch
    from ..batch.names import DEFAULT

    checked = check_batch(table, name=name or DEFAULT, **options)
    if as_json:
        print_json(
            {
                "rows": checked.n_rows,
                "right": len(checked.rows),
                "problems": [problem._asdict() for problem in checked.problems],
            }
        )
    else:
        click.echo(str(checked))
    if checked.problems:
        raise SystemExit(6)


@batch.command("run")
@_target_options
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for everything."
)
@jobs_option
@executor_option
@click.option(
    "--skip-invalid", is_flag=True, help="Leave out rows with a problem instead of running nothing."
)
@click.option("--fail-fast", is_flag=True, help="Start no further row once one has failed.")
@click.option(
    "--timeout",
    "row_timeout_s",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Longest time of a row.",
)
@click.option("--cell-timeout", "cell_timeout_s", type=click.FloatRange(min=0.1), metavar="SECONDS")
@click.option(
    "--memory",
    "memory_mb",
    type=click.FloatRange(min=50),
    metavar="MB",
    help="Most memory of a row's kernel.",
)
@click.option(
    "--retries", default=0, show_default=True, type=click.IntRange(0, 10), help="Of a row whose kernel died."
)
@click.option("--kernel", default="", metavar="NAME", help="Instead of the notebook's own.")
@click.option("--no-html", is_flag=True, help="Write notebooks only.")
@click.option("--fresh", is_flag=True, help="Run rows again that are done already and unchanged.")
@click.option(
    "--mail", multiple=True, metavar="ADDRESS", help="Tell this address at the end; may be repeated."
)
@click.option("--link", default="", metavar="URL", help="Where the folder is found from there, for the mail.")
@click.option("--title", help="What the batch is called; default: the table's name.")
@as_json_option
def batch_run(table: Path, name: str | None, no_html: bool, as_json: bool, **options: Any) -> None:
    """Run a notebook or a flow for each row of TABLE: .csv, .tsv, .xlsx or .jsonl, a column for each parameter.

    Rows that are done stay done: a batch that was killed goes on with `omics-nb batch resume`, and running the same
    table into the same folder again runs only rows whose code, values or data changed.
    """
    from ..batch import start_batch
    from ..batch.names import DEFAULT

    made = start_batch(table, name=name or DEFAULT, html=not no_html, **options)
    click.echo(f"batch {made.id}: {len(made.ledger().planned)} rows into {made.out}", err=True)
    _finish(made, as_json)


@batch.command("status")
@click.argument("batch_id", required=False)
@click.option("--follow", is_flag=True, help="Until it has ended.")
@as_json_option
def batch_status(batch_id: str | None, follow: bool, as_json: bool) -> None:
    """How far a batch is, by default the newest: its rows, what they are at, time left."""
    found = _get(batch_id)
    if follow:
        _watch(found)
    if as_json:
        print_json(_facts(found))
    else:
        _echo_status(found)


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@as_json_option
def batch_list(limit: int, as_json: bool) -> None:
    """The batches of the store, newest first."""
    from ..batch import list_batches

    found = list_batches(limit=limit)
    if as_json:
        print_json([_facts(item, rows=False) for item in found])
        return
    for item in found:
        click.echo(
            f"{item.id}  {item.state:<12} {item.created:%Y-%m-%d %H:%M}  {_counts(item.ledger())}  {item.plan.name}"
        )
    if not found:
        click.echo("No batches. `omics-nb batch run TABLE --notebook NOTEBOOK --out FOLDER` makes one.")


@batch.command("results")
@click.argument("batch_id", required=False)
@click.option("--genes", is_flag=True, help="Genes that recur among the rows, instead of the summary.")
@click.option(
    "--to",
    "targets",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write .csv, .xlsx, .json, .zip (all files) or a folder's name ending in .crate.zip; may be repeated.",
)
@as_json_option
def batch_results(batch_id: str | None, genes: bool, targets: tuple[Path, ...], as_json: bool) -> None:
    """The summary of a batch, by default the newest; also writes its index page anew."""
    from ..batch import export, keeper

    found = _get(batch_id)
    keeper.finish(found)
    for target in targets:
        export.write(found, target)
        click.echo(f"{target}", err=True)
    frame = found.genes() if genes else found.table()
    if as_json:
        print_json(frame.astype(object).where(frame.notna(), None).to_dict("records"))
    elif not targets:
        click.echo(frame.to_csv(index=False), nl=False)


@batch.command("resume")
@click.argument("batch_id", required=False)
@jobs_option
@executor_option
@as_json_option
def batch_resume(batch_id: str | None, jobs: int | None, executor: str | None, as_json: bool) -> None:
    """Go on with a batch that was killed, interrupted or cancelled; rows that are done are not run again."""
    found = _get(batch_id)
    if found.state in _ACTIVE:
        click.echo(f"batch {found.id} is at work in another process; waiting for it", err=True)
    else:
        try:
            found = found.resume(jobs=jobs, executor=executor)
        except RunError:
            if found.state not in _ACTIVE:  # another process was quicker
                raise
            click.echo(f"batch {found.id} is at work in another process; waiting for it", err=True)
    _finish(found, as_json)


@batch.command("retry")
@click.argument("batch_id", required=False)
@click.option("--failed", is_flag=True, required=True, help="Rows that failed or timed out.")
@jobs_option
@executor_option
@as_json_option
def batch_retry(
    batch_id: str | None, failed: bool, jobs: int | None, executor: str | None, as_json: bool
) -> None:
    """Run the failed rows of a batch again, and those that never ran."""
    found = _get(batch_id)
    if found.changed_table:
        click.echo(found.changed_table, err=True)
    _finish(found.resume(jobs=jobs, executor=executor, retry_failed=failed), as_json)


@batch.command("cancel")
@click.argument("batch_id", required=False)
def batch_cancel(batch_id: str | None) -> None:
    """Stop a batch, in whatever process it runs: kernels of its rows end, finished rows stay."""
    found = _get(batch_id)
    found.cancel()
    limit = time.monotonic() + _LET_GO_S
    while found.state in _ACTIVE and time.monotonic() < limit:
        time.sleep(0.1)
    click.echo(f"batch {found.id} is {found.state}: {_counts(found.ledger())}")


def _get(batch_id: str | None) -> Batch:
    from ..batch import get_batch, list_batches

    if batch_id:
        return get_batch(batch_id)
    newest = list_batches(limit=1)
    if not newest:
        raise click.UsageError("there is no batch in the store; `omics-nb batch run` makes one")
    return newest[0]


def _finish(made: Batch, as_json: bool) -> None:
    """Wait for a batch, tell how far it is, and say at the end what came of it."""
    try:
        _watch(made)
        made.wait()
    except KeyboardInterrupt:
        _let_go(made)
        click.echo(f"\n`omics-nb batch resume {made.id}` goes on from there.", err=True)
        raise
    if as_json:
        print_json(_facts(made))
    else:
        _echo_status(made)
    if any(state != "done" for state in made.counts):
        raise SystemExit(ROWS_FAILED)


def _let_go(made: Batch) -> None:
    """See the rows' kernels end before the process does."""
    if made.run._driven() is None:
        return
    made.run._ask("interrupt")
    limit = time.monotonic() + _LET_GO_S
    while made.state in _ACTIVE and time.monotonic() < limit:
        time.sleep(0.1)


def _watch(made: Batch) -> None:
    """Until the batch rests: a terminal has one line that overwrites itself, anything else a line for each row."""
    told: set[int] = set()
    while True:
        ledger = made.ledger()
        if sys.stderr.isatty():
            line = f"{_counts(ledger)}{_left(made, ledger)}"
            sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
        else:
            for row in ledger.rows():
                if row.state in ("done", "failed", "timed out", "cancelled") and row.row not in told:
                    told.add(row.row)
                    click.echo(f"{row.name} {row.state}, {row.seconds or 0:.1f} s", err=True)
        if ledger.state not in _ACTIVE:
            break
        try:
            made.run.result(_LOOK_S)
        except (TimeoutError, RunError):
            continue
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def _counts(ledger: Ledger) -> str:
    counts = ledger.counts()
    return ", ".join(f"{counts[state]} {state}" for state in counts) or "no rows"


def _left(made: Batch, ledger: Ledger) -> str:
    from ..batch.ledger import seconds_left

    left = seconds_left(ledger, made.plan.jobs)
    return (
        ""
        if left is None
        else f"; about {left / 60:.0f} min left"
        if left > 90
        else f"; about {left:.0f} s left"
    )


def _facts(made: Batch, *, rows: bool = True) -> dict[str, Any]:
    ledger = made.ledger()
    facts = {
        "id": made.id,
        "name": made.plan.name,
        "target": made.plan.target,
        "out": made.plan.out,
        "state": made.state,
        "created": made.created,
        "finished": made.finished,
        "counts": dict(ledger.counts()),
    }
    return {**facts, "rows": [row._asdict() for row in ledger.rows()]} if rows else facts


def _echo_status(made: Batch) -> None:
    ledger = made.ledger()
    click.echo(f"batch {made.id} ({made.plan.name}) is {made.state}: {_counts(ledger)}{_left(made, ledger)}")
    for row in ledger.rows():
        if row.state == "running":
            click.echo(f"  {row.name}  running {row.seconds or 0:.0f} s  {row.at}")
        elif row.state in ("failed", "timed out"):
            click.echo(f"  {row.name}  {row.state}: {row.error}")
    for letter in _letters(made):
        click.echo(f"mail      {letter.recipient}: {letter.state}{letter.error and f', {letter.error}'}")
    click.echo(f"index     {made.out / 'index.html'}")


def _letters(made: Batch) -> list[Letter]:
    """Letters of a batch; those that could not be sent go out with the next batch or `schedule run`."""
    from ..batch import outbox

    if not made.plan.mail:
        return []
    return [letter for letter in outbox.letters(made.run.store) if letter.key.startswith(f"batch:{made.id}:")]
