"""Agents: listed, typed, invoked by name, and open to others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import omics_nb as omics
from omics_nb import agents
from omics_nb.errors import AgentError


def test_the_built_in_agents_are_listed_with_their_types() -> None:
    listed = {agent.name: agent for agent in omics.list_agents()}
    assert {"query", "search", "data", "quality", "analysis", "report"} <= set(listed)
    assert listed["query"].summary.startswith("How a question is read")
    assert set(listed["search"].inputs) == {
        "question",
        "source",
        "limit",
        "within",
        "sort",
        "facets",
        "embedder",
    }
    assert all(agent.version for agent in listed.values())


def test_an_agent_is_the_verb_itself() -> None:
    assert omics.get_agent("search").function is omics.search


def test_the_chain_runs_by_names_alone() -> None:
    query = omics.invoke("query", text="vemurafenib melanoma human")
    hits = omics.invoke("search", question=query, source="demo", limit=3)
    study = omics.invoke("data", study=hits[0])
    quality = omics.invoke("quality", study=study)
    result = omics.invoke("analysis", study=study)
    report = omics.invoke("report", study=study, result=result, quality=quality, hits=hits)
    assert report.study.accession == hits[0].accession
    assert report.synthetic


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("search", {"question": 3}, "question.*got 3"),
        ("search", {"question": "lupus", "limit": 0}, "limit: Input should be greater than or equal to 1"),
        ("search", {"question": "lupus", "source": "demo", "size": 3}, "size: Unexpected keyword argument"),
        ("data", {}, "study: Missing required argument"),
        ("quality", {"study": "GSE1"}, "study: Input should be an instance of Study"),
    ],
)
def test_arguments_that_do_not_fit_are_named(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        omics.invoke(name, **arguments)


def test_an_unknown_agent_lists_the_known() -> None:
    with pytest.raises(AgentError, match=r"no agent 'serach'; have .*'search'"):
        omics.invoke("serach")


def test_your_own_agent_is_checked_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_registered", {})

    def shout(text: str, times: int = 1) -> str:
        """The text, loud."""
        return text.upper() * times

    omics.register("shout", shout, version="2")
    assert omics.invoke("shout", text="a", times=2) == "AA"
    assert "shout" in {agent.name for agent in omics.list_agents()}
    with pytest.raises(AgentError, match="times"):
        omics.invoke("shout", text="a", times="many")


def test_an_agent_that_breaks_its_own_promise_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_registered", {})

    def liar(text: str) -> int:
        """Promises a number."""
        return text  # type: ignore[return-value]

    omics.register("liar", liar)
    with pytest.raises(AgentError, match="result: Input should be a valid integer"):
        omics.invoke("liar", text="no number")


def test_a_fault_inside_the_function_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_registered", {})

    def parse(text: str) -> int:
        """A number, read by a checker of its own."""
        return TypeAdapter(int).validate_python(text)

    omics.register("parse", parse)
    assert omics.invoke("parse", text="3") == 3
    with pytest.raises(ValidationError, match="valid integer"):
        omics.invoke("parse", text="three")
    with pytest.raises(AgentError, match="cannot be called so: text"):
        omics.invoke("parse", text=3)


def test_an_agent_that_waits_is_checked_when_it_has_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_registered", {})

    async def later(number: int) -> int:
        """The number, or a word."""
        return number if number else "none"  # type: ignore[return-value]

    omics.register("later", later)
    assert asyncio.run(omics.invoke("later", number=2)) == 2
    with pytest.raises(AgentError, match="'later' did not return what it promises"):
        asyncio.run(omics.invoke("later", number=0))


def test_a_name_is_given_once_and_its_function_may_be_defined_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_registered", {})
    cell = "def count(text: str) -> int:\n    return len(text) + {}\n"
    cells: list[dict[str, Any]] = [{"__name__": "__main__"}, {"__name__": "__main__"}]
    for number, names in enumerate(cells):
        exec(cell.format(number), names)
        omics.register("count", names["count"])
        omics.register("count", names["count"])
    assert omics.invoke("count", text="ab") == 3

    def other(text: str) -> int:
        return 0

    with pytest.raises(AgentError, match=r"'count' is taken by the agent __main__\.count"):
        omics.register("count", other)
    assert omics.invoke("count", text="ab") == 3


def install(folder: Path, group: str, points: dict[str, str], code: str) -> None:
    """A package ``acme`` 1.0 as an installer leaves it, with a good module and one that cannot be imported."""
    info = folder / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    (folder / "acme_agents.py").write_text(code)
    (folder / "acme_broken.py").write_text("raise RuntimeError('no licence for acme')\n")


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = {"double": "acme_agents:double", "wreck": "acme_broken:run", "gone": "acme_agents:gone"}
    code = 'def double(number: int) -> int:\n    """Twice."""\n    return 2 * number\n'
    install(tmp_path / "site", "omics_nb.agents", points, code)
    monkeypatch.setattr(agents, "_registered", {})
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield
    for name in ("acme_agents", "acme_broken"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("acme")
def test_an_agent_of_an_installed_package_is_listed_and_invoked() -> None:
    agent = next(agent for agent in omics.list_agents() if agent.name == "double")
    assert (agent.version, agent.summary) == ("1.0", "Twice.")
    assert omics.invoke("double", number=4) == 8
    with pytest.raises(AgentError, match="number"):
        omics.invoke("double", number="many")


@pytest.mark.usefixtures("acme")
def test_a_broken_package_hides_no_other_agent_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    names = [agent.name for agent in omics.list_agents()]
    assert {"query", "double"} <= set(names)
    assert not {"wreck", "gone"} & set(names)
    assert "no licence for acme" in caplog.text
    with pytest.raises(AgentError, match=r"'wreck' of the package 'acme' .*RuntimeError: no licence"):
        omics.get_agent("wreck")
    with pytest.raises(AgentError, match=r"'gone' of the package 'acme' .*AttributeError"):
        omics.invoke("gone")


@pytest.mark.usefixtures("acme")
def test_a_name_of_an_installed_package_is_taken() -> None:
    def double(number: int) -> int:
        return number

    with pytest.raises(AgentError, match="'double' belongs to an agent of the package 'acme'"):
        omics.register("double", double)


def test_an_agent_without_types_is_refused() -> None:
    with pytest.raises(AgentError, match="lacks \\['text'\\]"):
        omics.register("untyped", lambda text: text)
    with pytest.raises(AgentError, match="belongs to a built-in agent"):
        omics.register("search", omics.search)
