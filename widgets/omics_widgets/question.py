"""The question box: words, the source to ask, examples to begin with, and how a question was understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from ipywidgets import HTML, Button, Dropdown, HBox, Text, VBox
from traitlets import Bool, Unicode, link

from omics_nb.display.markup import el, fold, notes
from omics_nb.display.question import query_body
from omics_nb.query import Query

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
    """How a question was read, in sentences and folded, with suggestions below; the chips say it in short."""
    sent = el("p", "Sent to the source: ", el("code", backend_query)) if backend_query else None
    nothing = not (query.terms or query.excluded or query.accessions)
    return block(
        fold("How the question was read", query_body(query), sent, shown=nothing),
        notes([f"Tip: {text}" for text in query.suggestions]),
    )
