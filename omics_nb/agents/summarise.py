"""The summary agent: what studies say to a question, in their own sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field, InstanceOf

from ..errors import QuestionError
from ..index.summary import Summary
from ..index.summary import summarise as _summarise
from ..llm import LLM, in_cell, open_llm, write_summary
from ..records import Hit, Hits, Query, Study
from ..terms import understand


def summarise(
    of: InstanceOf[Hits] | InstanceOf[Study] | InstanceOf[Hit] | Sequence[InstanceOf[Hit]],
    question: str | InstanceOf[Query] | None = None,
    *,
    limit: Annotated[int, Field(ge=1)] = 6,
    llm: str | InstanceOf[LLM] | None = None,
    on_text: Callable[[str], None] | None = None,
) -> InstanceOf[Summary]:
    """The best sentences of hits or of a study for a question, each with accession, field and character offsets.

    Hits are summarised for their own question where none is given; a study without one by what is most central to
    its text. At most two sentences of each of several studies. ``llm`` (``PROVIDER:MODEL``) writes a text from these
    sentences, of which only what they bear is kept. ``on_text`` gets it as it comes, unchecked; without one it is shown
    in the notebook's cell until it is whole.
    """
    summary = _extracted(of, question, limit)
    if llm is None:
        return summary
    model = open_llm(llm) if isinstance(llm, str) else llm
    if on_text is not None:
        return write_summary(summary, model, on_text=on_text)
    with in_cell() as show:
        return write_summary(summary, model, on_text=show)


def _extracted(of: Hits | Study | Hit | Sequence[Hit], question: str | Query | None, limit: int) -> Summary:
    if limit < 1:
        raise QuestionError(f"limit must be at least 1, not {limit}")
    if isinstance(of, str):
        raise QuestionError(
            f"give hits or a study, not {of[:40]!r}; for an accession: omics.fetch({of[:20]!r})"
        )
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
