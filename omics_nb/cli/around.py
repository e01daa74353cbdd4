"""``files``, ``publications``, ``raw-data`` and ``family``: what surrounds a study."""

from __future__ import annotations

import click

from .options import as_json_option, source_option
from .output import print_json, working


@click.command()
@click.argument("accession")
@source_option
@as_json_option
def files(accession: str, source: str | None, as_json: bool) -> None:
    """List every file of ACCESSION with its size, before anything is downloaded."""
    _show("files", accession, source, as_json)


@click.command()
@click.argument("accession")
@source_option
@as_json_option
def publications(accession: str, source: str | None, as_json: bool) -> None:
    """Name the papers of ACCESSION; the source ncbi knows title, authors and DOI."""
    _show("publications", accession, source, as_json)


@click.command("raw-data")
@click.argument("accession")
@source_option
@as_json_option
def raw_data(accession: str, source: str | None, as_json: bool) -> None:
    """Find the sequencing runs of ACCESSION in SRA; that there are none is an answer."""
    _show("raw_data", accession, source, as_json)


@click.command()
@click.argument("accession")
@source_option
@as_json_option
def family(accession: str, source: str | None, as_json: bool) -> None:
    """Name the SuperSeries above ACCESSION and the SubSeries below it."""
    _show("family", accession, source, as_json)


def _show(agent: str, accession: str, source: str | None, as_json: bool) -> None:
    from ..agents import invoke

    with working(f"asking for {accession}"):
        found = invoke(agent, study=accession, source=source)
    if as_json:
        print_json(found)
    else:
        click.echo(str(found))
