"""``report`` and ``demo``: from a question or a study to a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import (
    as_json_option,
    contrast_option,
    design_option,
    platform_option,
    reports_option,
    source_option,
)
from .output import print_json, working

DEMO_QUESTION = "Which genes respond to vemurafenib in melanoma cells? human, at least 6 samples"


@click.command()
@click.argument("question", required=False)
@source_option
@click.option("--study", metavar="ACCESSION", help="This study; without it, the best one for QUESTION.")
@platform_option
@contrast_option
@design_option
@reports_option
@as_json_option
def report(
    question: str | None,
    source: str | None,
    study: str | None,
    platform: str | None,
    contrast: tuple[str, str, str] | None,
    design: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write a report on QUESTION, or on the study given by --study: HTML, executed notebook, JSON and CSV.

    The run behind it is recorded: `omics-nb runs` lists it, and a run that failed goes on where it stopped.
    """
    made = _make_report(
        out,
        question=question,
        source=source,
        study=study,
        platform=platform,
        contrast=contrast,
        design=design,
    )
    if as_json:
        print_json({name: str(path) for name, path in made.items()})
    else:
        _say_where(made)


@click.command()
@click.option("--question", default=DEMO_QUESTION, show_default=True)
@reports_option
def demo(question: str, out: Path) -> None:
    """The main job on the embedded, synthetic studies: a question, answered, with a report."""
    made = _make_report(out, question=question, source="demo")
    found = json.loads(made["json"].read_text(encoding="utf-8"))
    click.echo(_summary(found))
    _say_where(made)


def _make_report(out: Path, **given: Any) -> dict[str, Path]:
    """Run the analysis, then show the finished run in the report notebook; the paths of what was written by kind."""
    from .. import flows
    from ..reporting import run_report_notebook

    run = flows.start_report(**given)
    with working(f"run {run.id}", lambda: f"{run.progress:.0f} %"):
        accession = run.result().study.accession
    with working("writing the report"):
        made = run_report_notebook({"run_id": run.id}, out, name=accession)
    return {
        "html": made.report.html,
        "notebook": made.notebook,
        "json": made.report.json,
        "csv": made.report.csv,
    }


def _say_where(made: dict[str, Path]) -> None:
    for kind, path in made.items():
        click.echo(f"{kind:<9} {path}")


def _summary(report: dict[str, Any]) -> str:
    """What a saved report says, for a terminal; every number is the report's own."""
    hits = (report["hits"] or {"hits": []})["hits"]
    parts = {
        "Question": [report["question"]],
        "Read as": report["reading"],
        "Studies found": [f"{hit['accession']}  {hit['title']}" for hit in hits],
        "Chosen": [f"{report['study']['accession']}  {report['title']}", *report["notes"]],
        "Quality": [f"{report['quality']['score']:.2f} of 1"],
        "Found": [finding["text"] for finding in report["findings"]],
        "Mind": report["warnings"],
    }
    badge = "  [synthetic data]" if report["synthetic"] else ""
    lines = [f"Source: {report['source']}{badge}"]
    for heading, texts in parts.items():
        lines += [f"{heading + ':' if at == 0 else '':<15}{text}" for at, text in enumerate(texts)]
    return "\n".join(lines)
