"""The search agent: a question → ranked studies of one source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, InstanceOf

from ..errors import QuestionError
from ..records import Hits, Query
from ..sources import open_source
from ..terms import understand


def search(
    question: str | InstanceOf[Query], *, source: str | None = None, limit: Annotated[int, Field(ge=1)] = 20
) -> InstanceOf[Hits]:
    """Studies for a question, best first, each with the reasons it was found.

    ``source`` is ``demo``, ``mirror:FOLDER``, ``ncbi`` or another's name; the settings choose where it is None.
    An empty result says why in its notes. QuestionError for a question that cannot be read or a limit below 1,
    SourceError where the source cannot answer.
    """
    if limit < 1:
        raise QuestionError(f"limit must be at least 1, not {limit}")
    query = question if isinstance(question, Query) else understand(question)
    return open_source(source).search(query, limit=limit)
