"""``index``, ``similar`` and ``summarise``: an index of studies on this machine, studies like one, what studies say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from .. import settings
from .options import as_json_option, source_option
from .output import print_json, working
from .studies import NOTHING_FOUND

_folder_option = click.option(
    "--index",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the index; default: `index` in the data folder.",
)


@click.group()
def index() -> None:
    """A full-text index of study headers, searched with no network by --source index or index:FOLDER."""


@index.command("add")
@click.argument("what")
@_folder_option
@click.option("--source", metavar="SPEC", help="Which source can fetch these studies; for a dump: ncbi.")
@as_json_option
def index_add(what: str, folder: Path | None, source: str | None, as_json: bool) -> None:
    """Add the studies of WHAT: a mirror's folder, a dump as JSON lines, CSV or TSV, or GEOmetadb's SQLite file.

    Studies that did not change since they were added cost little; a killed process loses only what was not yet
    committed, and the same command goes on from there.
    """
    _add(what, folder, source, as_json)


@index.command("import")
@click.argument("dump", type=click.Path(exists=True, dir_okay=False))
@_folder_option
@click.option("--source", metavar="SPEC", help="Which source can fetch these studies; default: ncbi.")
@as_json_option
def index_import(dump: str, folder: Path | None, source: str | None, as_json: bool) -> None:
    """Add the studies of a DUMP: JSON lines, CSV or TSV, packed by gzip or not, or GEOmetadb's SQLite file."""
    _add(dump, folder, source, as_json)


def _add(what: str, folder: Path | None, source: str | None, as_json: bool) -> None:
    from ..sources.index import add, default_folder

    loaded = settings.load()
    with working(f"indexing {what}"):
        added, notes = add(what, folder or default_folder(loaded), loaded, source=source)
    if as_json:
        print_json({**added._asdict(), "notes": notes})
        return
    for line in (str(added), *notes):
        click.echo(line)


@index.command("info")
@_folder_option
@click.option("--check", is_flag=True, help="Read all of it and compare checksums.")
@as_json_option
def index_info(folder: Path | None, check: bool, as_json: bool) -> None:
    """Say what the index holds."""
    from ..index import open_index
    from ..sources.index import default_folder

    opened = open_index(folder or default_folder(settings.load()))
    if check:
        with working("checking"):
            opened.check()
    found = opened.info()
    if as_json:
        print_json(asdict(found))
        return
    sources = ", ".join(f"{name} {count:,}" for name, count in found.sources.items()) or "none"
    click.echo(f"{found.folder}: {found.n_studies:,} studies, {found.n_bytes:,} bytes")
    click.echo(f"committed {found.committed}")
    if found.published:
        click.echo(f"published {' to '.join(found.published)}")
    click.echo(f"fetched from: {sources}")
    click.echo(f"vocabulary: {', '.join(found.vocabularies)}")
    if check:
        click.echo("all files match their checksums")


@click.command()
@click.argument("accession")
@source_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@as_json_option
def similar(accession: str, source: str | None, limit: int, as_json: bool) -> None:
    """Find studies like ACCESSION: those that name what its title and summary name."""
    from ..agents.search import similar as find

    with working("searching"):
        hits = find(accession, source=source, limit=limit)
    if as_json:
        print_json(hits)
    else:
        click.echo(str(hits))
    if not hits:
        raise SystemExit(NOTHING_FOUND)


@click.command()
@click.argument("question", required=False)
@source_option
@click.option(
    "--study", "accession", metavar="ACCESSION", help="Of this study; default: of what the search finds."
)
@click.option("--limit", default=6, show_default=True, type=click.IntRange(min=1), help="Sentences.")
@click.option("--llm", metavar="PROVIDER:MODEL", help="Let this model write a text from the sentences.")
@as_json_option
def summarise(
    question: str | None,
    source: str | None,
    accession: str | None,
    limit: int,
    llm: str | None,
    as_json: bool,
) -> None:
    """Say in the studies' own sentences what they have for QUESTION, each with the place it stands in.

    The extra `llm` and the provider's key in its usual variable are needed for --llm. Only what the sentences bear is
    taken of the model's text.
    """
    from ..agents.data import fetch
    from ..agents.search import search
    from ..agents.summarise import summarise as say

    if not question and not accession:
        raise click.UsageError("give a QUESTION, or a study by --study ACCESSION")
    with working("reading"):
        of = fetch(accession, source=source) if accession else search(question or "", source=source)
        found = say(of, question, limit=limit, llm=llm)
    if as_json:
        print_json(found)
    else:
        click.echo(str(found))
    if not found.sentences:
        raise SystemExit(NOTHING_FOUND)
