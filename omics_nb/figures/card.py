"""Figures as HTML: a picture that every page can show, and the words and the table that say the same."""

from __future__ import annotations

import base64
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..display.markup import Html, card, el, fold, join, table
from ..display.numbers import amount, p_value

if TYPE_CHECKING:
    from .figure import Figure

PLOTLY = "application/vnd.plotly.v1+json"


def figure_html(figure: Figure) -> str:
    """A card with the picture and its text form."""
    return card(figure_body(figure))


def figure_body(figure: Figure, *, with_table: bool = True) -> Html:
    """The figure as an image (in one a browser runs no script and loads nothing), its text form below."""
    table = _table(figure) if with_table else None
    return el("figure", _image(figure), _caption(figure), table, class_="omics-figure")


def figure_words(figure: Figure, note: str = "") -> Html:
    """The text form alone: what stands below a figure that a script draws; ``note`` is about that drawing."""
    said = el("p", el("strong", figure.title), " ", figure.text, note and " ", note)
    return el("div", said, _table(figure), class_="omics-figure omics-figure-words")


def display_figure(figure: Figure) -> None:
    """What IPython calls for a figure: the figure as plotly's document and as a picture, then its words."""
    from .interactive import document, thinned

    publish: Any = import_module("IPython.display").publish_display_data
    picture = card(el("figure", _image(figure), class_="omics-figure"))
    publish({PLOTLY: document(figure), "text/html": picture, "text/plain": figure.title})
    words = card(figure_words(figure, thinned(figure)))
    publish({"text/html": words, "text/plain": figure.text})


def _image(figure: Figure) -> Html:
    data = base64.b64encode(figure.to_svg().encode("utf-8")).decode("ascii")
    image = el("img", src=f"data:image/svg+xml;base64,{data}", alt=f"{figure.title}. {figure.text}")
    # On a phone the picture keeps a size at which its words can be read, and scrolls sideways.
    return el(
        "div", image, class_="omics-scroll omics-picture", role="region", tabindex=0, aria_label=figure.title
    )


def _caption(figure: Figure) -> Html:
    return el("figcaption", el("strong", figure.title), " ", figure.text)


def _table(figure: Figure) -> Html | None:
    of = figure.table
    if of.empty:
        return None
    numeric = [index for index, kind in enumerate(of.dtypes) if kind.kind in "fiu"]
    rows = [
        [_cell(str(name), value) for name, value in zip(of.columns, row, strict=True)]
        for row in of.itertuples(index=False)
    ]
    return fold("The same as a table", join([table(figure.title, list(of.columns), rows, numeric=numeric)]))


def _cell(column: str, value: object) -> str:
    if isinstance(value, float):
        return (
            p_value(value)
            if column.casefold().endswith(("p.value", "adj.p.val", "pvalue", "padj", "p"))
            else (amount(value))
        )
    return f"{value:,}" if isinstance(value, int) else str(value)
