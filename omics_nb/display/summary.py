"""What studies say to a question: sentences with their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, join, notes, source_line
from .plain import source_text, wrap

if TYPE_CHECKING:
    from ..index.summary import Cited, Summary


def summary_html(summary: Summary) -> str:
    return card(el("h3", _heading(summary)), summary_body(summary))


def summary_body(summary: Summary) -> Html:
    """What a model made of them, where one was asked; then the sentences, each with its place, and notes."""
    return join(
        [
            source_line(summary.source, synthetic=summary.synthetic),
            _generated(summary) if summary.generated else None,
            el("ol", [_item(item) for item in summary.sentences]) if summary.sentences else None,
            notes(summary.notes),
        ]
    )


def summary_text(summary: Summary) -> str:
    """The same as lines: numbered sentences, the place of each below it."""
    lines = [_heading(summary), source_text(summary.source, synthetic=summary.synthetic)]
    lines += [wrap(f"{said.text} {_marks(said.cites)}") for said in summary.generated]
    if summary.generated:
        lines.append(wrap(f"Written by {summary.model} from these sentences:"))
    for number, item in enumerate(summary.sentences, start=1):
        lines += [wrap(f"{number}. {item.text}"), wrap(item.place, indent="     ")]
    return "\n".join([*lines, *(wrap(note) for note in summary.notes)])


def _heading(summary: Summary) -> str:
    if not summary.sentences:
        return "No sentence was found"
    return f"What the studies say to “{summary.question}”" if summary.question else "What the study is about"


def _generated(summary: Summary) -> Html:
    said = [
        el("p", item.text, " ", el("span", _marks(item.cites), class_="omics-dim"))
        for item in summary.generated
    ]
    by = el("p", f"Written by {summary.model} from the sentences below.", class_="omics-dim")
    return el("div", said, by, class_="omics-generated")


def _marks(cites: tuple[int, ...]) -> str:
    return "".join(f"[{number}]" for number in cites)


def _item(item: Cited) -> Html:
    where = item.place.removeprefix(item.accession)
    place = [accession_link(item.accession, synthetic=item.synthetic), where]
    return el("li", el("q", item.text), " ", el("span", place, class_="omics-dim"))
