"""The summary agent: what studies say to a question, in their own sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, InstanceOf

from ..errors import QuestionError
from ..index.summary import Summary
from ..index.summary import summarise as _summarise
from ..records import Hit, Hits, Query, Study
from ..terms import understand


def summarise(
    of: InstanceOf[Hits] | InstanceOf[Study] | InstanceOf[Hit] | Sequence[InstanceOf[Hit]],
    question: str | InstanceOf[Query] | None = None,
    *,
    limit: Annotated[int, Field(ge=1)] = 6,
) -> InstanceOf[Summary]:
    """The best sentences of hits or of a study for a question, each with accession, field and character offsets.

    Hits are summarised for their own question where none is given; a study without one by what is most central to
    its text. At most two sentences of each of several studies.
    """
    if limit < 1:
        raise QuestionError(f"limit must be at least 1, not {limit}")
    query = understand(question) if isinstance(question, str) else question
    if isinstance(of, Hits) and query is None:
        query = of.query
    if isinstance(of, Study):
        return _summarise(of, query, limit=limit, source=of.source)
    studies = [of] if isinstance(of, Hit) else list(of)
    source = (
        of.source if isinstance(of, (Hits, Hit)) else ", ".join(dict.fromkeys(hit.source for hit in studies))
    )
    return _summarise(studies, query, limit=limit, source=source)
