"""Any value as HTML that is safe to show: our own show themselves, documents in a frame, all else as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omics_nb.display.markup import Html, clean, el
from omics_nb.display.numbers import counted

from .parts import block

MOST_ROWS = 200


def shown(value: Any) -> str:
    """``value`` for a page; "" for None."""
    if value is None:
        return ""
    page = _page(value)
    if page:
        return document(page, "Document")
    if type(value).__module__.startswith("omics_nb.") and hasattr(value, "_repr_html_"):
        return str(value._repr_html_())
    if hasattr(value, "to_html") and hasattr(value, "columns"):
        return _frame(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and value:
        return "".join(shown(item) for item in value[:MOST_ROWS])
    return block(el("pre", clean(value if isinstance(value, str) else repr(value)), class_="omics-text"))


def _page(value: Any) -> str:
    """The whole page that a document is: a report, an executed notebook."""
    if hasattr(value, "to_html") and not hasattr(value, "columns"):
        return str(value.to_html())
    return value.html if isinstance(getattr(value, "html", None), str) else ""


def document(page: str, name: str) -> str:
    """A whole HTML page in a frame that runs no scripts, sends nothing and reaches nothing around it."""
    return block(el("iframe", srcdoc=page, sandbox="", title=clean(name), class_="omics-document"))


def _frame(frame: Any) -> str:
    table = Html(frame.head(MOST_ROWS).to_html(border=0, escape=True, classes="omics-table", max_cols=30))
    more = len(frame) - MOST_ROWS
    rest = el("p", f"{counted(more, 'further row')} not shown.", class_="omics-dim") if more > 0 else None
    return block(el("div", table, class_="omics-scroll", role="region", tabindex=0, aria_label="Table"), rest)
