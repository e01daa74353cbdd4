"""``runs``: list, look into, follow, resume and remove what the store holds."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from .options import as_json_option
from .output import jsonable, print_json, result_of

if TYPE_CHECKING:
    import pandas as pd

    from ..workflow import Run


ACTIVE = ("running", "pausing", "cancelling")
STATES = (*ACTIVE, "paused", "cancelled", "done", "failed", "interrupted")
_FOLLOW_S = 0.2


@click.group(invoke_without_command=True)
@click.option("--flow", help="Only runs of this flow.")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@as_json_option
@click.pass_context
def runs(ctx: click.Context, flow: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the runs of the store, newest first; see `show`, `events`, `resume` and `prune`."""
    if ctx.invoked_subcommand:
        return
    from .. import flows

    found = flows.runs(flow=flow, state=state, limit=limit)
    if as_json:
        click.echo(found.to_json(orient="records", date_format="iso", indent=2))
    elif found.empty:
        asked = f" in state {state}" if state else ""
        click.echo(f"No runs{asked}. `omics-nb report` and `omics-nb demo` make one.")
    else:
        _echo_runs(found)


@runs.command("show")
@click.argument("run_id")
@as_json_option
def runs_show(run_id: str, as_json: bool) -> None:
    """The steps of one run: state, time, and what went wrong."""
    from .. import flows
    from ..workflow.show import View

    run = flows.get_run(run_id)
    if as_json:
        print_json(_run_facts(run))
        return
    click.echo(View(run).text())


@runs.command("resume")
@click.argument("run_id")
def runs_resume(run_id: str) -> None:
    """Go on with a run that failed or was interrupted; finished steps are not run again."""
    from .. import flows

    run = flows.get_run(run_id).resume()
    result_of(run)
    click.echo(f"{run.id} {run.state}")
    if run.flow_name in flows.REPORT_FLOWS:
        click.echo(f"`omics-nb report --run {run.id}` writes its report")


@runs.command("events")
@click.argument("run_id")
@click.option(
    "--after", default=0, show_default=True, type=click.IntRange(min=0), help="From this number on."
)
@click.option("--follow", is_flag=True, help="Wait for more until the run has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def runs_events(run_id: str, after: int, follow: bool, as_json: bool) -> None:
    """What happened in a run, numbered without gaps; whoever comes back reads on with --after."""
    from .. import flows

    run = flows.get_run(run_id)
    while True:
        over = run.state not in ACTIVE  # before the events: the last look must see them all
        for event in run.events(after):
            after = event.seq
            if as_json:
                click.echo(json.dumps(jsonable(event._asdict()), ensure_ascii=False))
            else:
                facts = " ".join(f"{name}={value!r}" for name, value in event.data.items() if name != "trace")
                click.echo(
                    f"{after:>5}  {event.at:%H:%M:%S}  {event.kind:<10}  {event.step or ''}  {facts}".rstrip()
                )
        if over or not follow:
            return
        time.sleep(_FOLLOW_S)


@runs.command("prune")
@click.option(
    "--older-than",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Only runs that ended longer ago.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@as_json_option
def runs_prune(older_than: float, dry_run: bool, as_json: bool) -> None:
    """Remove old runs that have ended, and value files that no run needs; what a run needs is never removed."""
    from .. import flows
    from ..workflow import prune

    found = prune(flows.run_store(), keep_days=older_than, dry_run=dry_run)
    if as_json:
        print_json({**found._asdict(), "dry_run": dry_run})
        return
    verb = "would remove" if dry_run else "removed"
    mib = found.n_bytes / 1024**2
    click.echo(f"{verb}: {found.n_runs:,} run(s) and {found.n_files:,} value file(s), {mib:.1f} MiB")


def _run_facts(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "flow": run.flow_name,
        "state": run.state,
        "progress": run.progress,
        "created": run.created,
        "finished": run.finished,
        "inputs": dict(run.inputs),
        "error": str(run.error) if run.error else None,
        "steps": [
            {
                "name": path,
                "state": step.state,
                "attempt": step.attempt,
                "seconds": step.seconds,
                "error": step.error,
            }
            for path, step in run.steps.items()
        ],
    }


def _echo_runs(found: pd.DataFrame) -> None:
    for row in found.itertuples():
        when = f"{row.created:%Y-%m-%d %H:%M}"
        click.echo(f"{row.id}  {row.flow:<16} {row.state:<12} {row.progress:>4.0f} %  {when}  {row.inputs}")
