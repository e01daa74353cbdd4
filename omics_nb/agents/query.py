"""The query agent: words → an explained Query."""

from __future__ import annotations

from pydantic import InstanceOf

from ..llm.protocol import LLM
from ..records import Query
from ..terms import understand as _understand


def understand(text: str, *, llm: str | InstanceOf[LLM] | None = None) -> InstanceOf[Query]:
    """How a question is read: what it names, its conditions, and what was left aside.

    ``llm`` (``PROVIDER:MODEL``) may add names that the reader did not find; only what the vocabulary has is taken,
    and the notes tell all of it. QuestionError if there is no text to read, or none that could be a question.
    """
    query = _understand(text)
    if llm is None:
        return query
    from ..llm import open_llm, propose

    return propose(query, open_llm(llm) if isinstance(llm, str) else llm)
