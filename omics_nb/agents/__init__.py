"""Agents: named, typed, versioned bindings of the library's verbs, and a registry for your own.

An agent is an ordinary function with annotations. The built-in ones are the chain ``query``, ``search``, ``data``,
``quality``, ``analysis`` and ``report``, and beside it ``similar``, ``summarise`` and what surrounds a study:
``files``, ``publications``, ``raw_data``, ``family`` and ``genes``. Another package adds its own by an entry point in
the group ``omics_nb.agents`` whose object is the function, a notebook by :func:`register`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from .. import __version__
from ..errors import AgentError

if TYPE_CHECKING:
    from pydantic import ValidationError

_BUILT_IN = {
    "query": "omics_nb.agents.query:understand",
    "search": "omics_nb.agents.search:search",
    "similar": "omics_nb.agents.search:similar",
    "summarise": "omics_nb.agents.summarise:summarise",
    "data": "omics_nb.agents.data:fetch",
    "files": "omics_nb.agents.data:files",
    "publications": "omics_nb.agents.data:publications",
    "raw_data": "omics_nb.agents.data:raw_data",
    "family": "omics_nb.agents.data:family",
    "cells": "omics_nb.agents.data:cells",
    "genes": "omics_nb.agents.data:to_genes",
    "quality": "omics_nb.agents.analysis:quality",
    "fitness": "omics_nb.agents.analysis:fitness",
    "cell_quality": "omics_nb.agents.analysis:cell_quality",
    "factors": "omics_nb.agents.analysis:sample_factors",
    "design": "omics_nb.agents.analysis:check_design",
    "analysis": "omics_nb.agents.analysis:differential_expression",
    "enrichment": "omics_nb.agents.enrichment:enrich",
    "meta": "omics_nb.agents.meta:meta_analysis",
    "report": "omics_nb.agents.report:report",
    "meta_report": "omics_nb.agents.report:meta_report",
}
_registered: dict[str, Agent] = {}

_log = logging.getLogger(__name__)


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

        AgentError names what does not fit; whatever the function itself raises passes through.
        """
        args, kwargs = self._checked_arguments(args, kwargs)
        value = self.function(*args, **kwargs)
        return self._awaited(value) if inspect.iscoroutinefunction(self.function) else self._checked(value)

    def _checked_arguments(self, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as the annotations make them, found without running the function."""
        from pydantic import ValidationError

        def given(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return args, kwargs

        hints = get_type_hints(self.function, include_extras=True)
        hints.pop("return", None)
        try:
            return _validating(given, self.signature, hints)(*args, **kwargs)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise AgentError(
                f"the agent {self.name!r} cannot be called so: {_problems(error)}. It takes {self.signature}",
                agent=self.name,
            ) from error

    def _checked(self, value: Any) -> Any:
        from pydantic import ValidationError

        def returned(result: Any) -> Any:
            return result

        hints = {"result": get_type_hints(self.function, include_extras=True)["return"]}
        try:
            return _validating(returned, inspect.signature(returned), hints)(result=value)
        except ValidationError as error:
            raise AgentError(
                f"the agent {self.name!r} did not return what it promises: {_problems(error)}",
                agent=self.name,
            ) from error

    async def _awaited(self, value: Any) -> Any:
        return self._checked(await value)

    def __repr__(self) -> str:
        return f"Agent({self.name} {self.version}: {self.summary})"


def _validating(stub: Any, signature: inspect.Signature, hints: dict[str, Any]) -> Callable[..., Any]:
    """``stub``, called only with what fits ``hints`` in the places that ``signature`` gives."""
    from pydantic import ConfigDict, validate_call

    stub.__signature__, stub.__annotations__ = signature, hints
    return validate_call(config=ConfigDict(arbitrary_types_allowed=True))(stub)  # type: ignore[no-any-return]


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}, got {problem['input']!r:.80}"
        for problem in error.errors(include_url=False)
    )


def register(name: str, function: Callable[..., Any], *, version: str = "1") -> Agent:
    """Make ``function`` an agent of this process; AgentError if the name is taken or an annotation is missing.

    A function that was defined anew, as by running a cell again, takes the place of its former self.
    """
    if name in _BUILT_IN:
        raise AgentError(f"the name {name!r} belongs to a built-in agent; choose another", agent=name)
    if name in _registered and not _same_function(_registered[name].function, function):
        raise AgentError(
            f"the name {name!r} is taken by the agent {_where(_registered[name].function)}; choose another",
            agent=name,
        )
    if name in _plugged():
        raise AgentError(
            f"the name {name!r} belongs to an agent of the package {_package(_plugged()[name])!r}; choose another",
            agent=name,
        )
    missing = [p for p in inspect.signature(function).parameters if p not in get_type_hints(function)]
    if missing or "return" not in get_type_hints(function):
        raise AgentError(
            f"an agent needs a type for each parameter and for its result; {name!r} lacks {missing or ['return']}",
            agent=name,
        )
    _registered[name] = Agent(name, function, version)
    return _registered[name]


def list_agents() -> tuple[Agent, ...]:
    """Every agent that can be invoked here: built-in ones, other packages', then those of this process.

    An agent of another package that cannot be imported is left out and logged; ``get_agent`` raises its error.
    """
    names = dict.fromkeys([*_BUILT_IN, *sorted(_plugged()), *_registered])
    return tuple(agent for name in names if (agent := _usable(name)))


def get_agent(name: str) -> Agent:
    """The agent of this name; AgentError lists the names that there are, or says why it cannot be imported."""
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return Agent(name, getattr(import_module(module), attribute), __version__)
    if name in _registered:
        return _registered[name]
    points = _plugged()
    if name in points:
        distribution = points[name].dist
        return Agent(name, _load(points[name]), distribution.version if distribution else "unknown")
    raise AgentError(f"no agent {name!r}; have {[*_BUILT_IN, *points, *_registered]}", agent=name)


def invoke(name: str, /, **arguments: Any) -> Any:
    """The value of the agent ``name`` for these arguments, checked against its annotations."""
    return get_agent(name)(**arguments)


def _plugged() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="omics_nb.agents")}


def _usable(name: str) -> Agent | None:
    try:
        return get_agent(name)
    except AgentError as error:
        _log.warning("%s", error)
        return None


def _load(point: EntryPoint) -> Callable[..., Any]:
    try:
        return cast("Callable[..., Any]", point.load())
    except Exception as error:  # the package is another's: its import may raise anything
        raise AgentError(
            f"the agent {point.name!r} of the package {_package(point)!r} cannot be imported from {point.value}:"
            f" {type(error).__name__}: {error}",
            agent=point.name,
            package=_package(point),
        ) from error


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


def _same_function(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    return one is other or _where(one) == _where(other)


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
