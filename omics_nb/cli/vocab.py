"""``vocab``: the words that questions are read with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .options import as_json_option
from .output import print_json, working

if TYPE_CHECKING:
    from ..terms.build import Built


@click.group()
def vocab() -> None:
    """The vocabulary: names and identifiers of organisms, diseases, tissues, cells, genes, drugs and assays.

    One is embedded. A larger one can be built into the data folder, and is used from then on.
    """


@vocab.command("build")
@click.argument("what", nargs=-1)
@click.option("--refresh", is_flag=True, help="Download anew what is in the cache.")
@as_json_option
def vocab_build(what: tuple[str, ...], refresh: bool, as_json: bool) -> None:
    """Build it from WHAT: files or https addresses of OBO ontologies, HGNC's table, SSSOM mappings and ASCII MeSH.

    Plain or gzip; each may end in #sha256=…, to be held against it. Without WHAT, the newest UBERON, CL, DOID,
    Mondo's mappings, HGNC and MeSH are downloaded.
    """
    from ..agents.vocabulary import build_vocabulary

    with working("building the vocabulary"):
        built = build_vocabulary(what, refresh=refresh)
    _print(built, as_json=as_json)


@vocab.command("info")
@as_json_option
def vocab_info(as_json: bool) -> None:
    """Say which vocabulary is used, what it holds, and from which files with which licences it was built."""
    from ..agents.vocabulary import vocabulary_info

    _print(vocabulary_info(), as_json=as_json)


@vocab.command("remove")
@as_json_option
def vocab_remove(as_json: bool) -> None:
    """Remove the vocabulary that was built; the embedded one is used again."""
    from ..agents.vocabulary import remove_vocabulary

    removed = remove_vocabulary()
    if as_json:
        print_json(asdict(removed))
        return
    click.echo(f"removed {removed.path}; the embedded vocabulary is used again")


def _print(built: Built, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(built))
    else:
        click.echo(str(built))
