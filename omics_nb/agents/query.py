"""The query agent: words → an explained Query."""

from __future__ import annotations

from pydantic import InstanceOf

from ..records import Query
from ..terms import understand as _understand


def understand(text: str) -> InstanceOf[Query]:
    """How a question is read: what it names, its conditions, and what was left aside.

    QuestionError if there is no text to read, or none that could be a question.
    """
    return _understand(text)
