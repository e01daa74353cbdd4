"""Forms by themselves: fields from types, errors beside them, and the value of what was run."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omics_widgets import Form, form
from omics_widgets.fields import Field, asked
from omics_widgets.forms import checked
from omics_widgets.shown import document, shown
from pydantic import BaseModel
from pydantic import Field as Of

import omics_nb as omics
from omics_nb import flows
from omics_nb.errors import AgentError, RunFailedError
from omics_nb.workflow import close_store

NOTEBOOK = """{"cells": [
 {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Adds\\n\\nAdds two numbers."},
 {"cell_type": "code", "id": "b", "metadata": {"tags": ["parameters"]}, "execution_count": null, "outputs": [],
  "source": "one = 1  # the first\\nname = None\\nmany = [\\"a\\", \\"b\\"]\\nwhen = today()"},
 {"cell_type": "code", "id": "c", "metadata": {}, "execution_count": null, "outputs": [],
  "source": "when = 0; print(f'<b>{one + 1} {name} {many}')\\nassert one < 10, 'too many'"}],
 "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
  "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}""".replace("when = today()", "")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def dose(
    drug: str,
    amount_s: Annotated[float, Of(ge=0, le=9.5, description="how long")] = 1.5,
    times: int = 2,
    colour: Colour = Colour.RED,
    how: Literal["slow", "fast"] | None = None,
    on: date | None = None,
    wells: Sequence[str] = ("A1", "B2"),
    blind: bool = False,
    log2: bool | None = None,
) -> str:
    """A dose in words.

    And more.
    """
    return f"{drug} {amount_s} {times} {colour.value} {how} {on} {list(wells)} {blind} {log2}"


def fields(what: Any) -> dict[str, Field]:
    return {item.name: item for item in asked(what).fields}


def test_each_type_gets_its_field() -> None:
    found = fields(dose)
    kinds = {name: item.kind for name, item in found.items()}
    assert kinds == {
        "drug": "text",
        "amount_s": "number",
        "times": "integer",
        "colour": "choice",
        "how": "choice",
        "on": "date",
        "wells": "lines",
        "blind": "flag",
        "log2": "choice",
    }
    assert found["drug"].required
    assert (found["amount_s"].label, found["amount_s"].unit) == ("Amount", "s")
    assert found["amount_s"].help == "how long"
    assert found["amount_s"].limits == "at least 0, at most 9.5"
    assert found["wells"].shown() == "A1\nB2"
    assert asked(dose).summary == "A dose in words."


def test_what_is_typed_becomes_the_value_of_its_type() -> None:
    typed = {
        "drug": " aspirin ",
        "amount_s": "2",
        "times": "3",
        "colour": "blue",
        "how": "fast",
        "on": "2024-02-29",
        "wells": "C3\n\n D4 ",
        "blind": True,
        "log2": "no",
    }
    values, errors = checked(asked(dose), typed)
    assert errors == {}
    assert dose(**values) == "aspirin 2.0 3 blue fast 2024-02-29 ['C3', 'D4'] True False"


def test_fields_that_are_left_as_they_are_leave_the_defaults_alone() -> None:
    shown_first = {item.name: item.shown() for item in asked(dose).fields}
    values, errors = checked(asked(dose), shown_first | {"drug": "x"})
    assert (values, errors) == ({"drug": "x"}, {})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("drug", " ", "needed"),
        ("amount_s", "12", "less than or equal to 9.5"),
        ("amount_s", "a lot", "valid number"),
        ("times", "1.5", "valid integer"),
        ("colour", "green", "Choose one of red, blue"),
        ("on", "yesterday", "valid date"),
    ],
)
def test_what_does_not_fit_is_said_of_its_field_alone(name: str, text: str, words: str) -> None:
    _, errors = checked(
        asked(dose), {item.name: item.shown() for item in asked(dose).fields} | {"drug": "x", name: text}
    )
    assert list(errors) == [name]
    assert words in errors[name]


@given(st.text(), st.sampled_from(["amount_s", "times", "colour", "how", "on", "log2"]))
def test_any_text_is_a_value_or_an_error_in_words(text: str, name: str) -> None:
    values, errors = checked(asked(dose), {"drug": "x", "colour": "red", "how": "", "log2": "", name: text})
    assert not (name in values and name in errors)
    assert all(errors.values())


def test_a_model_is_a_form_with_its_own_rules() -> None:
    class Plate(BaseModel):
        """A plate."""

        name: str = Of(min_length=2, description="on the label")
        wells: int = Of(96, gt=0, json_schema_extra={"unit": "wells"})

    found = fields(Plate)
    assert found["name"].help == "on the label"
    assert found["wells"].unit == "wells"
    assert "at least 2" in checked(asked(Plate), {"name": "p", "wells": "96"})[1]["name"]


# They take a result, which no form can hold.
IN_A_CELL = {
    "report": "result: DEResult",
    "enrichment": "result: DEResult",
    "meta_report": "meta: MetaAnalysis",
}


@pytest.mark.parametrize(
    "agent", [agent.name for agent in omics.list_agents() if agent.name not in IN_A_CELL]
)
def test_every_agent_has_a_form(agent: str) -> None:
    found = asked(agent)
    assert found.summary
    assert all(item.help for item in found.fields if item.name in ("study", "source", "question", "text"))


@pytest.mark.parametrize(("agent", "needs"), IN_A_CELL.items())
def test_what_cannot_be_typed_says_so(agent: str, needs: str) -> None:
    with pytest.raises(AgentError, match=f"'{agent}' needs {needs}"):
        asked(agent)


@pytest.mark.parametrize("flow", flows.list_flows(), ids=lambda flow: str(flow.name))
def test_every_flow_has_a_form(flow: Any) -> None:
    found = fields(flow)
    assert not found["source"].required
    assert {name for name, item in found.items() if item.required} == {
        name for name, needed in flow.inputs.items() if needed and name != "source"
    }


def test_a_notebook_has_the_form_of_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "adds.ipynb"
    path.write_text(NOTEBOOK)
    found = fields(path)
    assert {name: item.kind for name, item in found.items()} == {
        "one": "integer",
        "name": "text",
        "many": "lines",
    }
    assert found["one"].help == "the first"
    assert asked(path).summary == "Adds two numbers."


def test_the_button_runs_the_agent_and_shows_its_value(run: Any, words: Any) -> None:
    async def test() -> None:
        got: list[Any] = []
        made = form("search", on_value=got.append, source="demo", limit=3)
        typed = {item["name"]: item["value"] for item in made.fields.fields} | {"question": "asthma, human"}
        made.fields._handle_custom_msg({"submit": typed}, [])
        while not got:
            await asyncio.sleep(0.01)
        assert made.value is got[0]
        assert len(made.value) <= 3
        assert made.value[0].title in words(made)

    run(test)


def test_errors_stand_beside_their_fields_and_nothing_runs(run: Any) -> None:
    async def test() -> None:
        ran: list[int] = []

        def count(n: int) -> int:
            ran.append(n)
            return n

        made = form(count)
        made.fields._handle_custom_msg({"submit": {"n": "many"}}, [])
        while not made.fields.errors:
            await asyncio.sleep(0.01)
        assert "valid integer" in made.fields.errors["n"]
        with pytest.raises(AgentError, match="n: This is needed"):
            await made.run()
        assert await made.run(n="4") == 4
        assert (ran, made.fields.errors) == ([4], {})

    run(test)


def test_a_study_is_given_by_its_accession(run: Any) -> None:
    async def test() -> None:
        quality = await form("quality").run(study="GSE9000001", source="demo")
        assert 0 <= quality.score <= 1

    run(test)


def test_an_error_of_the_function_is_a_card(run: Any, html: Any) -> None:
    async def test() -> None:
        def fails(name: str) -> str:
            raise ValueError(f"no <b>{name}")

        made = form(fails)
        with pytest.raises(ValueError, match="no <b>x"):
            await made.run(name="x")
        assert "no &lt;b&gt;x" in html(made)
        assert not made.fields.disabled

    run(test)


def test_an_async_function_is_awaited(run: Any) -> None:
    async def test() -> None:
        async def later(n: int) -> int:
            await asyncio.sleep(0)
            return n + 1

        assert await form(later).run(n="1") == 2

    run(test)


def test_a_flow_runs_as_a_run_of_the_store(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICS_DATA", str(tmp_path))
    monkeypatch.delenv("OMICS_STORE", raising=False)

    async def test() -> None:
        made = form(
            "simple_search", on_value=lambda value: ended.set(), question="asthma, human", source="demo"
        )
        ended = asyncio.Event()
        await made.run()
        await ended.wait()
        assert made.panel is not None
        assert made.panel.state == "done"
        assert len(made.value) > 0
        assert len(flows.runs()) == 1

        again = form("simple_search", follow=made.panel.run_id)
        assert again.panel is not None
        await again.panel.ended()
        assert again.value.hits == made.value.hits
        other = form("quick_report", follow=made.panel.run_id)
        assert other.panel is not None
        assert other.panel.run_id == ""

    run(test)
    close_store(tmp_path / "runs.sqlite")


def test_a_notebook_runs_with_what_was_typed_and_shows_as_a_page(run: Any, html: Any, tmp_path: Path) -> None:
    path = tmp_path / "adds.ipynb"
    path.write_text(NOTEBOOK)

    async def test() -> None:
        made = form(path)
        value = await made.run(one="4", many="x\ny")
        assert "&lt;b&gt;5 None ['x', 'y']" in value.html
        assert 'sandbox=""' in html(made)
        with pytest.raises(RunFailedError, match="too many"):
            await made.run(one="40")

    run(test)


def test_a_default_for_no_field_says_which_there_are(run: Any) -> None:
    async def test() -> None:
        with pytest.raises(AgentError, match="no field 'limits'; it has question"):
            form("search", limits=3)
        assert repr(Form("search")) == "Form(search)"

    run(test)


def test_values_of_strangers_are_shown_as_text() -> None:
    class Evil:
        def _repr_html_(self) -> str:
            return "<script>alert(1)</script>"

        def __repr__(self) -> str:
            return "<img src=x onerror=alert(1)>"

    assert "<script" not in shown(Evil())
    assert "&lt;img" in shown(Evil())
    assert "<script" not in document("<script>alert(1)</script>", "x")
    assert 'sandbox=""' in document("", "x")
    assert shown(None) == ""


def test_work_in_a_form_can_be_cancelled(run: Any) -> None:
    async def test() -> None:
        gate = threading.Event()

        def waits(n: int) -> int:
            gate.wait(30)
            return n

        made = form(waits)
        made.fields._handle_custom_msg({"submit": {"n": "1"}}, [])
        while made.task.state != "running":
            await asyncio.sleep(0.005)
        made.task.cancel()
        while made.task.state != "cancelled":
            await asyncio.sleep(0.005)
        gate.set()
        assert made.value is None

    run(test)
