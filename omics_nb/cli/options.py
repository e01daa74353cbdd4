"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
contrasts_option = click.option(
    "--contrast",
    "contrasts",
    nargs=3,
    multiple=True,
    metavar="FACTOR TESTED REFERENCE",
    help="Two levels of one column of the sample sheet; several are tested together and each for itself.",
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
_FIT_OPTIONS = (
    click.option("--log2/--no-log2", default=None, help="Take logarithms or not, in place of GEO2R's rule."),
    click.option("--quantile", is_flag=True, help="Normalise between arrays first."),
    click.option("--trend", is_flag=True, help="The prior variance follows the average expression."),
    click.option("--robust", is_flag=True, help="Genes of unusual variance count less in the prior."),
    click.option("--sample-weights", is_flag=True, help="Samples that follow the model badly count less."),
    click.option(
        "--block", metavar="COLUMN", help="Samples of one level belong together: a patient, a litter."
    ),
    click.option(
        "--size-factors",
        type=click.Choice(["ratio", "poscounts"]),
        help="Of deseq2, where all genes have zeros.",
    ),
    click.option(
        "--lfc", default=0.0, type=click.FloatRange(min=0), help="Test for changes beyond this (log2)."
    ),
    click.option(
        "--confidence",
        type=click.FloatRange(0, 1, True, True),
        help="Add limits of the change, such as 0.95.",
    ),
    click.option("--shrink", is_flag=True, help="Draw deseq2's fold changes towards 0."),
    click.option(
        "--by",
        nargs=2,
        multiple=True,
        metavar="FACTOR LEVEL",
        help="The effect at one level of another factor; given twice, how it differs between two levels.",
    ),
)


def asked_contrast(contrasts: tuple[tuple[str, str, str], ...]) -> tuple[str, ...] | list[Any] | None:
    """One contrast as it is, several as a list, None where none was given."""
    return (list(contrasts) if len(contrasts) > 1 else contrasts[0]) if contrasts else None


def fit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the fit, as keyword arguments of ``command``; ``told_fit`` reads them."""
    for option in reversed(_FIT_OPTIONS):
        command = option(command)
    return command


def told_fit(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the fit that were given, by the names of ``differential_expression``."""
    told = {name: value for name, value in given.items() if value not in (None, False, 0.0, ())}
    if given["log2"] is False:
        told["log2"] = False
    if given["by"]:
        told["by"] = _levels(given["by"])
    return told


def _levels(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    factors = list(dict.fromkeys(factor for factor, _ in pairs))
    if len(factors) > 1 or len(pairs) > 2:
        raise click.UsageError(
            "--by names one level of a factor, or two of the same one: --by sex female --by sex male"
        )
    return (factors[0], *(level for _, level in pairs))
