"""Agents: named, typed, versioned bindings of the library's verbs, and a registry for your own.

An agent is an ordinary function with annotations. The built-in ones are ``query``, ``search``, ``data``,
``quality``, ``analysis`` and ``report``; another package adds its own by an entry point in the group
``omics_nb.agents`` whose object is the function, a notebook by :func:`register`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from .. import __version__
from ..errors import AgentError

_BUILT_IN = {
    "query": "omics_nb.agents.query:understand",
    "search": "omics_nb.agents.search:search",
    "data": "omics_nb.agents.data:fetch",
    "quality": "omics_nb.agents.analysis:quality",
    "analysis": "omics_nb.agents.analysis:differential_expression",
    "report": "omics_nb.agents.report:report",
}
_registered: dict[str, Agent] = {}


@dataclass(frozen=True, slots=True)
class Agent:
    """A function with a name and a version; its annotations are its contract."""

    name: str
    function: Callable[..., Any]
    version: str

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def inputs(self) -> dict[str, Any]:
        """Parameter → type, as annotated."""
        return {name: kind for name, kind in get_type_hints(self.function).items() if name != "return"}

    @property
    def output(self) -> Any:
        """The type that the function says it returns."""
        return get_type_hints(self.function)["return"]

    @property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value, its arguments and its result checked against the annotations.

        AgentError names the argument that does not fit; whatever the function raises passes through.
        """
        from pydantic import ConfigDict, ValidationError, validate_call

        checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True), validate_return=True)
        try:
            return checked(self.function)(*args, **kwargs)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'result'}: {problem['msg']}, got {problem['input']!r:.80}"
                for problem in error.errors(include_url=False)
            )
            raise AgentError(
                f"the agent {self.name!r} cannot be called so: {problems}. It takes {self.signature}",
                agent=self.name,
            ) from error

    def __repr__(self) -> str:
        return f"Agent({self.name} {self.version}: {self.summary})"


def register(name: str, function: Callable[..., Any], *, version: str = "1") -> Agent:
    """Make ``function`` an agent of this process; AgentError if the name is taken or an annotation is missing."""
    if name in _BUILT_IN:
        raise AgentError(f"the name {name!r} belongs to a built-in agent; choose another", agent=name)
    missing = [p for p in inspect.signature(function).parameters if p not in get_type_hints(function)]
    if missing or "return" not in get_type_hints(function):
        raise AgentError(
            f"an agent needs a type for each parameter and for its result; {name!r} lacks {missing or ['return']}",
            agent=name,
        )
    _registered[name] = Agent(name, function, version)
    return _registered[name]


def list_agents() -> tuple[Agent, ...]:
    """Every agent that can be invoked here: built-in ones, other packages', then those of this process."""
    plugged = sorted(point.name for point in entry_points(group="omics_nb.agents"))
    return tuple(get_agent(name) for name in dict.fromkeys([*_BUILT_IN, *plugged, *_registered]))


def get_agent(name: str) -> Agent:
    """The agent of this name; AgentError lists the names that there are."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return Agent(name, getattr(import_module(module), attribute), __version__)
    if name in _registered:
        return _registered[name]
    points = {point.name: point for point in entry_points(group="omics_nb.agents")}
    if name in points:
        distribution = points[name].dist
        return Agent(name, points[name].load(), distribution.version if distribution else "unknown")
    raise AgentError(f"no agent {name!r}; have {[*_BUILT_IN, *points, *_registered]}", agent=name)


def invoke(name: str, /, **arguments: Any) -> Any:
    """The value of the agent ``name`` for these arguments, checked against its annotations."""
    return get_agent(name)(**arguments)
