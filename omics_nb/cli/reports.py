"""``report`` and ``demo``: from a question or a study to a document."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, MissingExtraError
from .groups import GroupTable, groups_option, naming_lines
from .options import (
    as_json_option,
    asked_contrast,
    contrasts_option,
    design_option,
    fit_options,
    method_option,
    platform_option,
    reports_option,
    source_option,
    told_fit,
)
from .output import print_json, result_of, working

if TYPE_CHECKING:
    from ..reporting import Report
    from ..workflow import Run

USUAL = ("html", "notebook", "json", "csv")
_NEEDED = {
    "notebook": ("papermill", "notebook"),
    "pdf": ("weasyprint", "pdf"),
    "xlsx": ("openpyxl", "excel"),
    "h5ad": ("anndata", "anndata"),
}
DEMO_QUESTION = "Which genes respond to vemurafenib in melanoma cells? human, at least 6 samples"


@click.command()
@click.argument("question", required=False)
@source_option
@click.option("--study", metavar="ACCESSION", help="This study; without it, the best one for QUESTION.")
@platform_option
@contrasts_option
@design_option
@method_option
@groups_option
@fit_options
@click.option(
    "--gene-sets",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A GMT file; without it the sets that come with omics_nb.",
)
@click.option(
    "--run", "run_id", metavar="RUN_ID", help="Write the report of this finished run; computes nothing."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["html", "notebook", "pdf", "markdown", "json", "csv", "xlsx", "h5ad", "crate", "all"]),
    help="What to write, more than once for several; html, notebook, json and csv without it.",
)
@reports_option
@as_json_option
def report(
    question: str | None,
    source: str | None,
    study: str | None,
    platform: str | None,
    contrasts: tuple[tuple[str, str, str], ...],
    design: str | None,
    method: str,
    groups: GroupTable | None,
    gene_sets: Path | None,
    run_id: str | None,
    formats: tuple[str, ...],
    out: Path,
    as_json: bool,
    **fit: Any,
) -> None:
    """Write a report on QUESTION, or on the study given by --study: HTML, executed notebook, JSON and CSV.

    --format writes others: PDF, Markdown, Excel (text stays text), AnnData (h5ad), or an RO-Crate that holds them all.

    The run behind it is recorded: `omics-nb runs` lists it, and a run that failed goes on where it stopped.
    """
    from .. import flows

    asked: dict[str, Any] = {
        "source": source,
        "study": study,
        "platform": platform,
        "contrast": asked_contrast(contrasts),
        "design": design,
        "method": method if method != "auto" else None,
        "groups": groups.columns if groups else None,
        "options": told_fit(fit),
        "gene_sets": gene_sets,
    }
    if run_id and (question or any(asked.values())):
        raise click.UsageError(
            "--run names a run that has its question and study; give nothing else beside it"
        )
    wanted = _wanted(formats)
    _check_can_report(out, wanted)
    run = flows.get_run(run_id) if run_id else flows.start_report(question, **asked)
    with naming_lines(groups):
        report = result_of(run)
        made = _write_report(run, out, wanted)
    if as_json:
        print_json({name: str(path) for name, path in made.items()})
    else:
        _say(report, made)


@click.command()
@click.option("--question", default=DEMO_QUESTION, show_default=True)
@reports_option
def demo(question: str, out: Path) -> None:
    """The main job on the embedded, synthetic studies: a question, answered, with a report."""
    from .. import flows

    _check_can_report(out, USUAL)
    run = flows.start_report(question, source="demo")
    report = result_of(run)
    _say(report, _write_report(run, out, USUAL))


def _wanted(formats: tuple[str, ...]) -> tuple[str, ...]:
    from ..reporting import FORMATS

    if "all" in formats:
        return tuple(FORMATS)
    return tuple(dict.fromkeys(formats)) or USUAL


def _check_can_report(folder: Path, formats: Sequence[str]) -> None:
    """DataError or MissingExtraError before minutes of work, not after them."""
    for kind, (package, extra) in _NEEDED.items():
        if kind in formats and find_spec(package) is None:
            raise MissingExtraError(
                f"the format {kind} needs {package}; run: pip install 'omics-nb[{extra}]'", extra=extra
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise DataError(f"the folder {folder} cannot be written; choose another: --out FOLDER")


def _write_report(run: Run, out: Path, formats: Sequence[str]) -> dict[str, Path]:
    """The finished run's report in each format, paths by format; the notebook shows the run and computes nothing."""
    from .. import flows
    from ..reporting import file_name, run_report_notebook, save_formats

    report = run.result()
    name = file_name(report.result)
    made: dict[str, Path] = {}
    with working("writing the report"):
        if "notebook" in formats:
            done = run_report_notebook({**flows.report_inputs(run), "run_id": run.id}, out, name=name)
            made = {**done.report.files, "notebook": done.notebook}
        others = [kind for kind in formats if kind not in made]
        if others:
            notebook = made["notebook"].read_bytes() if "notebook" in made else None
            made |= save_formats(report, out / f"{name}.html", others, notebook=notebook).files
    return {kind: made[kind] for kind in formats}


def _say(report: Report, made: dict[str, Path]) -> None:
    click.echo(_summary(json.loads(report.to_json())))
    for kind, path in made.items():
        click.echo(f"{kind:<9} {path}")


def _summary(report: dict[str, Any]) -> str:
    """What a saved report says, for a terminal; every number is the report's own."""
    hits = (report["hits"] or {"hits": []})["hits"]
    parts = {
        "Question": [report["question"] or "none; the study was named"],
        "Read as": report["reading"] or [],
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
