"""Parameters in an address: read as the notebook's types, put in as literals, and never run."""

from __future__ import annotations

import ast
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omics_widgets import LinkButton, links

from omics_nb.errors import DataError, SettingsError

SOURCE = """# What the form begins with.
question = "asthma"  # in words
limit = 20
strict = False
cutoff: float = 0.05
groups = ["a", "b"]
study: str | None = None
wörter = "ä"; reports = "out"  # two on a line
folder = make()
"""
NAMES = ("question", "limit", "strict", "cutoff", "groups", "study", "wörter")


def notebook(*names: str) -> Any:
    cell = nbformat.v4.new_code_cell(
        SOURCE, metadata={"tags": ["parameters", *(f"link:{name}" for name in names)]}
    )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell])


def values(filled: Any) -> dict[str, Any]:
    """What the parameters cell assigns, as literals; anything else is a failure."""
    [cell] = [cell for cell in filled.cells if cell.cell_type == "code"]
    found = {}
    for statement in ast.parse(cell.source.replace("make()", "0")).body:
        assert isinstance(statement, (ast.Assign, ast.AnnAssign))
        [target] = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        assert isinstance(target, ast.Name)
        assert statement.value is not None
        found[target.id] = ast.literal_eval(statement.value)
    return found


def test_texts_are_read_as_the_types_of_the_defaults() -> None:
    given_ = {
        "question": "lupus",
        "limit": "7",
        "strict": "yes",
        "cutoff": "0.01",
        "groups": '["c"]',
        "study": "GSE1",
        "wörter": "ß",
    }
    before = notebook(*NAMES)
    filled = links.fill(before, given_)
    assert values(filled) == {
        "question": "lupus",
        "limit": 7,
        "strict": True,
        "cutoff": 0.01,
        "groups": ["c"],
        "study": "GSE1",
        "wörter": "ß",
        "reports": "out",
        "folder": 0,
    }
    assert "# in words" in filled.cells[1].source
    assert values(before)["limit"] == 20  # the notebook of other visitors is as it was


def test_what_the_notebook_does_not_offer_is_refused_and_told() -> None:
    filled = links.fill(
        notebook("question"), {"reports": "/etc", "nope": "1", "folder": "x", "question": "q"}
    )
    assert values(filled)["reports"] == "out"
    assert values(filled)["question"] == "q"
    note = filled.cells[0].source
    assert all(f"does not take &#x27;{name}&#x27;" in note for name in ("reports", "nope", "folder"))
    assert "it takes question." in note


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("limit", "2.5", "a whole number"),
        ("cutoff", "low", "a number"),
        ("strict", "maybe", "true or false"),
        ("groups", '{"a": 1}', "a JSON list"),
        ("groups", "a,b", "a JSON list"),
    ],
)
def test_a_value_of_another_type_leaves_the_default(name: str, text: str, wanted: str) -> None:
    filled = links.fill(notebook(*NAMES), {name: text})
    assert values(filled) == values(notebook())
    assert f"{name} must be {wanted}, not" in filled.cells[0].source


@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    assert "cutoff must be a number" in links.fill(notebook("cutoff"), {"cutoff": number}).cells[0].source


def test_a_note_is_escaped_and_stays_one_block() -> None:
    filled = links.fill(notebook("question"), {"<b>\n\n# big": "1", "<img src=x onerror=alert(1)>": "2"})
    note = filled.cells[0].source
    assert "\n" not in note
    assert "<img" not in note
    assert "<b>" not in note


def test_a_page_that_takes_nothing_says_so() -> None:
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    assert links.fill(plain, {}) is plain
    assert links.fill(plain, {"theme": "dark"}) is plain
    assert "takes nothing from its address" in links.fill(plain, {"a": "1"}).cells[0].source


@given(st.text(max_size=300))
def test_whatever_a_text_is_it_comes_out_as_that_text_and_nothing_else(text: str) -> None:
    filled = links.fill(notebook("question"), {"question": text})
    assert values(filled) == values(notebook()) | {"question": text}


def test_a_link_names_what_the_notebook_takes() -> None:
    made = links.link("explore.ipynb", question="TNF & <b>, 50 %", source="demo", limit=5)
    assert made == "explore.ipynb?question=TNF+%26+%3Cb%3E%2C+50+%25&source=demo&limit=5"
    assert links.link("explore.ipynb") == "explore.ipynb"
    with pytest.raises(SettingsError, match="does not take 'reports'"):
        links.link("explore.ipynb", reports="/tmp")
    with pytest.raises(SettingsError, match="limit must be a whole number"):
        links.link("explore.ipynb", limit="x")
    with pytest.raises(DataError, match="no notebook 'nope.ipynb'"):
        links.link("nope.ipynb")


def test_a_value_that_is_too_long_for_an_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="question is longer than 2,000 characters"):
        links.link("explore.ipynb", question="x" * 2001)


def test_the_button_points_to_what_it_was_told_last() -> None:
    button = LinkButton("explore.ipynb", question="a")
    button.point_to(question="b", limit=3)
    assert button.link == "explore.ipynb?question=b&limit=3"
    with pytest.raises(SettingsError):
        button.point_to(nope=1)
