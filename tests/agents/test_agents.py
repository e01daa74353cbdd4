"""Agents: listed, typed, invoked by name, and open to others."""

from __future__ import annotations

import pytest

import omics_nb as omics
from omics_nb import agents
from omics_nb.errors import AgentError


def test_the_built_in_agents_are_listed_with_their_types() -> None:
    listed = {agent.name: agent for agent in omics.list_agents()}
    assert {"query", "search", "data", "quality", "analysis", "report"} <= set(listed)
    assert listed["query"].summary.startswith("How a question is read")
    assert set(listed["search"].inputs) == {"question", "source", "limit"}
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


def test_an_agent_without_types_is_refused() -> None:
    with pytest.raises(AgentError, match="lacks \\['text'\\]"):
        omics.register("untyped", lambda text: text)
    with pytest.raises(AgentError, match="belongs to a built-in agent"):
        omics.register("search", omics.search)
