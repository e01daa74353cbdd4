"""``meta``: one comparison over the studies that a question finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import as_json_option, method_option, source_option
from .output import print_json, working, write_atomically

if TYPE_CHECKING:
    from ..analysis.de import Method
    from ..analysis.meta import Measure
    from ..analysis.random_effects import Between, Test


@click.command()
@click.argument("question")
@source_option
@click.option("--studies", default=5, show_default=True, type=click.IntRange(min=2), help="At most so many.")
@click.option(
    "--comparison",
    "comparisons",
    nargs=4,
    multiple=True,
    metavar="ACCESSION FACTOR TESTED REFERENCE",
    help="The comparison of one study, in place of its best proposal; may be given several times.",
)
@method_option
@click.option("--measure", type=click.Choice(["logFC", "g"]), default="logFC", show_default=True)
@click.option("--between", type=click.Choice(["reml", "dl"]), default="reml", show_default=True)
@click.option(
    "--test", type=click.Choice(["adhoc", "knapp-hartung", "normal"]), default="adhoc", show_default=True
)
@click.option(
    "--min-studies", default=2, type=click.IntRange(min=2), help="Leave out genes of fewer studies."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the table of genes as CSV."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a report: .html, .pdf, .md, .json or .csv.",
)
@as_json_option
def meta(
    question: str,
    source: str | None,
    studies: int,
    comparisons: tuple[tuple[str, str, str, str], ...],
    method: Method,
    measure: Measure,
    between: Between,
    test: Test,
    min_studies: int,
    out: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """The effect of one comparison over the studies that QUESTION finds, gene by gene."""
    from ..agents.meta import meta_analysis
    from ..agents.report import meta_report as write_meta_report

    with working("searching, reading and analysing studies"):
        found = meta_analysis(
            question,
            comparisons={accession: (factor, *levels) for accession, factor, *levels in comparisons},  # type: ignore[misc]
            source=source,
            limit=studies,
            method=method,
            measure=measure,
            between=between,
            test=test,
            min_studies=min_studies,
        )
        written = write_meta_report(found).save(report) if report else None
    if out:
        table = found.table.assign(source="; ".join(dict.fromkeys(found.studies["source"])))
        write_atomically(out, lambda path: table.to_csv(path, index_label="gene"))
    if as_json:
        genes = found.table.reset_index(names="gene").to_dict("records")
        studies_of = found.studies.reset_index().to_dict("records")
        print_json(
            {
                "question": question,
                "studies": studies_of,
                "notes": found.notes,
                "skipped": found.skipped,
                "genes": genes,
            }
        )
        return
    click.echo(str(found))
    for path in (out, *(written.files.values() if written else ())):
        if path:
            click.echo(f"wrote {path}")
