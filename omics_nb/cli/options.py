"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

source_option = click.option("--source", metavar="SPEC", help="demo, mirror:FOLDER, ncbi or another's name.")
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
platform_option = click.option("--platform", metavar="GPL", help="Which matrix, where a study has several.")
contrast_option = click.option(
    "--contrast",
    nargs=3,
    metavar="FACTOR TESTED REFERENCE",
    help="Two levels of one column of the sample sheet.",
)
design_option = click.option(
    "--design", metavar="FORMULA", help="A formula over the sample sheet; default: ~ FACTOR."
)
reports_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    help="Folder.",
)
method_option = click.option(
    "--method",
    type=click.Choice(["auto", "limma", "voom", "limma-trend", "deseq2", "edger"]),
    default="auto",
    show_default=True,
)
