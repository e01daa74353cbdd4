"""``understand``: how a question is read, before anything is searched."""

from __future__ import annotations

import json

import click

from .options import as_json_option


@click.command()
@click.argument("question")
@as_json_option
def understand(question: str, as_json: bool) -> None:
    """Say how QUESTION is read: what it names, with identifiers, its conditions, and what was not understood."""
    from ..agents.query import understand as read

    query = read(question)
    if as_json:
        click.echo(json.dumps(json.loads(query.to_json()), ensure_ascii=False, indent=2))
        return
    click.echo(str(query))
    click.echo(
        f"Asked to {query.intent}; confidence {query.confidence:.0%}. {' '.join(query.confidence_reasons)}"
    )
    click.echo(f"Vocabulary: {query.vocabulary}.")
