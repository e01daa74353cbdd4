"""``schedule``: batches and saved searches that run every day or week."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from .options import as_json_option
from .output import print_json


@click.group()
def schedule() -> None:
    """Batches and saved searches that run every day or week, by `omics-nb schedule run`."""


@schedule.command("add")
@click.argument("name")
@click.option("--every", required=True, type=click.Choice(["day", "week"]))
@click.option("--at", required=True, metavar="HH:MM", help="By the clock of --zone.")
@click.option("--on", default="", metavar="DAYS", help="Of a weekly one: mon,thu.")
@click.option("--zone", default="", metavar="ZONE", help="Such as Europe/Berlin; default: this machine's.")
@click.option(
    "--missed",
    type=click.Choice(["once", "skip", "all"]),
    default="once",
    show_default=True,
    help="Times that were missed: run the last of them, none more than an hour late, or each.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of a batch; read each time.",
)
@click.option("--notebook", type=click.Path(path_type=Path))
@click.option("--flow", metavar="FLOW")
@click.option("--name", "template", metavar="TEMPLATE", help="Names of outputs.")
@click.option("--search", metavar="NAME", help="Instead of a batch: ask this saved search, tell what is new.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder below it each time.",
)
@click.option("--source", metavar="SPEC")
@click.option("--jobs", type=click.IntRange(min=1))
@click.option("--timeout", "row_timeout_s", type=click.FloatRange(min=0.1), metavar="SECONDS")
@click.option("--memory", "memory_mb", type=click.FloatRange(min=50), metavar="MB")
@click.option("--skip-invalid", is_flag=True)
@click.option("--mail", multiple=True, metavar="ADDRESS")
@click.option("--link", metavar="URL")
def schedule_add(
    name: str, every: str, at: str, on: str, zone: str, missed: str, template: str | None, **what: Any
) -> None:
    """Keep a schedule NAME; one of that name is replaced. The table, the notebook and the times are checked now."""
    from ..batch import schedules
    from ..batch.cadence import cadence

    if (what["search"] is None) == (what["table"] is None):
        raise click.UsageError("give either --table with --notebook or --flow, or --search")
    asked = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in {**what, "name": template}.items()
    }
    if not asked["skip_invalid"]:
        del asked["skip_invalid"]
    asked["mail"] = list(asked["mail"])
    made = schedules.add(name, cadence(every, at, on=on, zone=zone), asked, missed=missed)
    click.echo(f"{name}: {made.cadence}, next {_when(made.due)}")


@schedule.command("list")
@as_json_option
def schedule_list(as_json: bool) -> None:
    """What is kept, when it runs next, and what came of it last."""
    from ..batch import schedules

    found = schedules.schedules()
    if as_json:
        print_json(
            [{**item._asdict(), "cadence": str(item.cadence), "due": _when(item.due)} for item in found]
        )
        return
    for item in found:
        click.echo(f"{item.name}  {item.cadence}; missed: {item.missed}; next {_when(item.due)}")
        if item.note:
            click.echo(f"    {item.note}")
    if not found:
        click.echo("No schedules. `omics-nb schedule add NAME --every day --at 02:30 …` keeps one.")


@schedule.command("remove")
@click.argument("name")
def schedule_remove(name: str) -> None:
    """Forget a schedule; what it has run stays."""
    from ..batch import schedules

    schedules.remove(name)


@schedule.command("run")
@click.option("--once", is_flag=True, help="Run what is due now and end, as cron or systemd want it.")
def schedule_run(once: bool) -> None:
    """Run what is due, whenever it is, until interrupted. Any number of these may run; each time is run by one."""
    from ..batch import schedules

    if not once:
        schedules.run_forever()
    ran = schedules.run_due()
    kept = schedules.schedules()
    for name in dict.fromkeys(ran):
        note = next((item.note for item in kept if item.name == name), "")
        click.echo(f"{name}: {note or 'was run'}")
    waiting = min(kept, key=lambda item: item.due, default=None)
    if waiting is None:
        click.echo("No schedules. `omics-nb schedule add NAME --every day --at 02:30 …` keeps one.")
    else:
        head = "" if ran else "Nothing is due. "
        click.echo(f"{head}Next: {waiting.name}, {_when(waiting.due)}")


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
