"""``runs``: list, look into and resume what was started on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import as_json_option
from .output import print_json, working

if TYPE_CHECKING:
    import pandas as pd

    from ..workflow import Run, StepInfo


STATES = ("running", "pausing", "paused", "cancelling", "cancelled", "done", "failed", "interrupted")


@click.group(invoke_without_command=True)
@click.option("--flow", help="Only runs of this flow.")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@as_json_option
@click.pass_context
def runs(ctx: click.Context, flow: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the runs of this machine's store, newest first; see `show` and `resume`."""
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

    run = flows.get_run(run_id)
    if as_json:
        print_json(_run_facts(run))
        return
    click.echo(f"{run.id}  {run.flow_name}  {run.state}  {run.progress:.0f} %")
    for path, step in run.steps.items():
        seconds = _seconds(step)
        time_taken = "" if seconds is None else f"{seconds:.2f} s"
        click.echo(f"  {path:<16} {step.state:<10} {time_taken:>9}  {step.error or ''}".rstrip())


@runs.command("resume")
@click.argument("run_id")
def runs_resume(run_id: str) -> None:
    """Go on with a run that failed or was interrupted; finished steps are not run again."""
    from .. import flows

    run = flows.get_run(run_id).resume()
    with working(f"resuming {run.id}"):
        run.result()
    click.echo(f"{run.id} {run.state}")
    if run.flow_name in flows.REPORT_FLOWS:
        click.echo(f"`omics-nb report --run {run.id}` writes its report")


def _seconds(step: StepInfo) -> float | None:
    return (step.ended - step.began).total_seconds() if step.began and step.ended else None


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
                "seconds": _seconds(step),
                "error": step.error,
            }
            for path, step in run.steps.items()
        ],
    }


def _echo_runs(found: pd.DataFrame) -> None:
    for row in found.itertuples():
        when = f"{row.created:%Y-%m-%d %H:%M}"
        click.echo(f"{row.id}  {row.flow:<16} {row.state:<12} {row.progress:>4.0f} %  {when}  {row.inputs}")
