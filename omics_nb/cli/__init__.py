"""The same verbs from a shell.

Exit codes: 0 done, 1 a fault of ours, 2 wrong usage, and one for each branch of the error tree (see ``EXIT_CODES``).
``--json`` prints one JSON document to standard output; progress and errors go to standard error.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from .. import __version__, errors
from .around import family, files, publications, raw_data
from .batch import batch
from .dashboard import dashboard
from .index import index, similar, summarise
from .meta import meta
from .question import understand
from .reports import demo, report
from .runs import runs
from .schedule import schedule
from .studies import NOTHING_FOUND as NOTHING_FOUND
from .studies import cells, de, enrich, fetch, quality, search
from .upkeep import cache, doctor
from .vocab import vocab

EXIT_CODES: dict[type[errors.OmicsError], int] = {
    errors.QuestionError: 3,
    errors.SettingsError: 3,
    errors.AgentError: 3,
    errors.UnknownSourceError: 3,
    errors.NotFoundError: 4,
    errors.PrivateRecordError: 4,
    errors.SourceError: 5,
    errors.DataError: 6,
    errors.AnalysisError: 7,
    errors.RunNotFoundError: 4,
    errors.RunError: 8,
    errors.MissingExtraError: 9,
}


#: As a shell shows it of programs that end by SIGPIPE.
_PIPE_CLOSED = 141
#: What can go away by itself or be put right outside; a wrong argument cannot.
_MENDABLE = (errors.SourceError, errors.DataError)


class _Group(click.Group):
    """Turns errors of our tree into one sentence and a meaningful exit code, wherever they arise."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.OmicsError as error:
            cause = _own(error)
            click.echo(f"{type(cause).__name__}: {cause}", err=True)
            if isinstance(error, errors.RunFailedError) and isinstance(cause, _MENDABLE):
                click.echo(
                    f"Once that is mended, `omics-nb runs resume {error.run}` goes on from there.", err=True
                )
            ctx.exit(exit_code(error))
        except BrokenPipeError:
            # Whoever read our output, as `head` does, has enough of it. What is still to be written goes nowhere, so
            # that the interpreter does not complain of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_PIPE_CLOSED)


def exit_code(error: errors.OmicsError) -> int:
    """The code of the nearest class in the error tree that has one; for a failed step, that of its own error."""
    return next((EXIT_CODES[kind] for kind in type(_own(error)).__mro__ if kind in EXIT_CODES), 1)


def _own(error: errors.OmicsError) -> errors.OmicsError:
    """The error itself; for a failed step, that of the step."""
    if isinstance(error, errors.RunFailedError) and isinstance(error.__cause__, errors.OmicsError):
        return error.__cause__
    return error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="omics-nb")
def main() -> None:
    """From a biological question to an evidence-bound report on public omics data.

    Works with no network: the source "demo" is embedded, "mirror:FOLDER" reads a folder laid out like GEO's FTP
    tree, "ncbi" asks NCBI GEO. $OMICS_SOURCE sets which is used where --source is not given.
    """


for _command in (
    understand,
    search,
    similar,
    summarise,
    index,
    vocab,
    fetch,
    files,
    publications,
    raw_data,
    family,
    cells,
    quality,
    de,
    enrich,
    meta,
    report,
    runs,
    batch,
    schedule,
    demo,
    dashboard,
    doctor,
    cache,
):
    main.add_command(_command)
