"""``doctor`` and ``cache``: what works here, and what lies on the disk."""

from __future__ import annotations

from dataclasses import asdict

import click

from .. import settings
from .options import as_json_option
from .output import print_json

_MARKS = {"ok": "ok  ", "warn": "!   ", "fail": "FAIL"}


@click.command()
@click.option("--network", is_flag=True, help="Also ask whether NCBI answers.")
@as_json_option
def doctor(network: bool, as_json: bool) -> None:
    """Say what works here, what is missing and how to mend it; fails where something needed is missing."""
    from ..doctor import diagnose

    checks = diagnose(network=network)
    if as_json:
        print_json(checks)
    else:
        for check in checks:
            click.echo(f"{_MARKS[check.verdict]} {check.name:<16} {check.sentence}")
    if any(check.verdict == "fail" for check in checks):
        raise SystemExit(1)


@click.group()
def cache() -> None:
    """What was downloaded from NCBI and verified, and studies as they were parsed."""


@cache.command("info")
@as_json_option
def cache_info(as_json: bool) -> None:
    """List the files and parsed studies, the most recently used first."""
    from ..geo.cache import cache_info as look

    found = look(settings.load())
    if as_json:
        print_json({**asdict(found), "n_bytes": found.n_bytes})
        return
    for file in found.files:
        click.echo(f"{file.n_bytes:>14,}  {file.url}")
    for study in found.studies:
        click.echo(f"{study.n_bytes:>14,}  {study.accession}, parsed")
    click.echo(str(found))


@cache.command("verify")
@as_json_option
def cache_verify(as_json: bool) -> None:
    """Hash every file anew; what is damaged is removed, and fetched or parsed again when it is needed."""
    from ..geo.cache import cache_verify as check

    found = check(settings.load())
    if as_json:
        print_json(found)
    else:
        click.echo(str(found))
    if not found.ok:
        raise SystemExit(6)


@cache.command("prune")
@click.option(
    "--max-gib", type=click.FloatRange(min=0), help="Keep at most this much, in GiB; else $OMICS_CACHE_LIMIT."
)
@as_json_option
def cache_prune(max_gib: float | None, as_json: bool) -> None:
    """Remove the least recently used files and parsed studies, until what is left fits."""
    from ..geo.cache import cache_prune as prune

    loaded = settings.load()
    found = prune(loaded, loaded.cache_limit if max_gib is None else int(max_gib * 1024**3))
    if as_json:
        print_json(found)
    else:
        click.echo(str(found))
