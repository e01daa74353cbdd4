"""The question box: words, the source to ask, examples to begin with, and how a question was understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from ipywidgets import HTML, Button, Dropdown, HBox, Text, VBox
from traitlets import Bool, Unicode, link

from omics_nb.display.markup import Html, el, fold, notes
from omics_nb.display.question import query_body
from omics_nb.records import Query, Term

from .parts import block, button, marked, visible

EXAMPLES = (
    "tamoxifen resistance in breast cancer, human",
    "dexamethasone in airway smooth muscle, RNA-seq",
    "liver of mice on a high-fat diet",
    "lupus, human, at least 10 samples",
)
_SOURCES = {
    "demo": "demo – embedded studies with made-up data",
    "mirror": "mirror – a folder laid out like GEO",
    "ncbi": "ncbi – GEO at NCBI, over the network",
}


class QuestionField(AnyWidget):
    """A text field and its button; calls ``ask()`` with ``text`` as it was when Enter or the button was pressed."""

    _esm = Path(__file__).with_name("question.js")
    text = Unicode("").tag(sync=True)
    disabled = Bool(False).tag(sync=True)
    label = Unicode("Your question").tag(sync=True)
    action = Unicode("Search").tag(sync=True)
    placeholder = Unicode("what is studied, in which organism, how many samples …").tag(sync=True)

    def __init__(self, ask: Callable[[], None]) -> None:
        super().__init__()
        self._ask = ask
        self.on_msg(self._on_message)

    def _on_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if isinstance(content.get("ask"), str) and not self.disabled:
            self.text = content["ask"]
            self._ask()

    def __repr__(self) -> str:
        return f"QuestionField({self.text!r})"


class QuestionBox(VBox):
    """Asks for a question; calls ``ask()`` when the button or Enter is pressed.

    ``question`` and ``source`` (``demo``, ``ncbi``, ``mirror:FOLDER``) are what the person chose.
    """

    question = Unicode("")
    source = Unicode("demo")

    def __init__(
        self,
        ask: Callable[[], None],
        *,
        question: str = "",
        source: str = "demo",
        sources: Sequence[str] = tuple(_SOURCES),
        examples: Sequence[str] = EXAMPLES,
    ) -> None:
        self._ask = ask
        self.field = QuestionField(ask)
        self.examples = [self._example(text) for text in examples]
        name, _, folder = source.partition(":")
        self.name = marked(_source_field(sources, name), "omics-field", "omics-source")
        self.folder = marked(_folder_field(folder), "omics-field", "omics-folder")
        super().__init__(
            [
                self.field,
                marked(HBox([HTML(block("Or try:")), *self.examples]), "omics-examples"),
                marked(HBox([self.name, self.folder]), "omics-from"),
            ]
        )
        link((self, "question"), (self.field, "text"))
        self.question = question
        for field in (self.name, self.folder):
            field.observe(self._sourced, "value")
        self._sourced()

    @property
    def controls(self) -> list[Any]:
        """Everything here that a person can change or press."""
        return [self.field, *self.examples, self.name, self.folder]

    def _example(self, text: str) -> Button:
        return button(text, lambda: self._try(text), "omics-example")

    def _try(self, text: str) -> None:
        self.question = text
        self._ask()

    def _sourced(self, _: Any = None) -> None:
        takes_folder = self.name.value == "mirror"
        visible(self.folder, takes_folder)
        self.source = f"mirror:{self.folder.value.strip()}" if takes_folder else self.name.value


def _source_field(sources: Sequence[str], chosen: str) -> Dropdown:
    names = dict.fromkeys([*sources, chosen])
    options = [(_SOURCES.get(name, name), name) for name in names]
    return Dropdown(
        description="Where to look", options=options, value=chosen, style={"description_width": "initial"}
    )


def _folder_field(folder: str) -> Text:
    return Text(
        description="Folder",
        value=folder,
        placeholder="the folder that holds series/",
        style={"description_width": "initial"},
    )


def understood(query: Query, backend_query: str | None = None) -> str:
    """How a question was read: one chip a condition, the sentences folded, suggestions below."""
    chips = [el("li", _chip(term)) for term in query.terms] + [el("li", text) for text in _conditions(query)]
    sent = el("p", "Sent to the source: ", el("code", backend_query)) if backend_query else None
    return block(
        el("ul", chips, class_="omics-chips", aria_label="The question was read as") if chips else None,
        fold("How the question was read", query_body(query), sent, shown=not chips),
        notes([f"Tip: {text}" for text in query.suggestions]),
    )


def _chip(term: Term) -> Html:
    return Html(el("span", term.kind.replace("_", " "), class_="omics-chip-kind") + el("span", term.label))


def _conditions(query: Query) -> list[str]:
    found = [f"not {term.label}" for term in query.excluded]
    if query.min_samples is not None:
        found.append(f"at least {query.min_samples} samples")
    if query.max_samples is not None:
        found.append(f"at most {query.max_samples} samples")
    if query.published_from:
        found.append(f"from {query.published_from.isoformat()}")
    if query.published_to:
        found.append(f"until {query.published_to.isoformat()}")
    return [*found, *query.accessions]
