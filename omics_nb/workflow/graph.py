"""Flows: functions wired by the names of their parameters, checked before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any, Literal, NamedTuple, get_args, overload

from ..errors import FlowError
from .contracts import check_flow

Isolation = Literal["thread", "inline", "process", "async"]
OnFailure = Literal["fail_fast", "finish_siblings", "skip_branch"]
Place = int | str
CONTEXT = "ctx"
#: Flags of code, by which ``inspect`` tells a coroutine, and *args or **kwargs; it takes long to load.
_COROUTINE, _SPREAD = 0x80, 0x04 | 0x08


class Options(NamedTuple):
    """How a step runs; the arguments of :func:`step`."""

    retries: int = 0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    backoff_s: float = 1.0
    max_backoff_s: float = 60.0
    timeout_s: float | None = None
    weight: float = 1.0
    cache: bool = True
    isolation: Isolation = "thread"
    when: Callable[..., object] | None = None
    each: tuple[str, str] | None = None
    limit: int | None = None
    on_failure: OnFailure = "fail_fast"
    version: str = ""


_PLAIN = Options()
_ASYNC = Options(isolation="async")


class Wire(NamedTuple):
    """A parameter, the step or input whose value it takes, and whether it must have one."""

    parameter: str
    source: str
    needed: bool


class Step:
    """A function in a flow, or a whole flow as one step. Calling it calls the function.

    ``predicate`` names the parameters of ``options.when``, ``accepted`` those of the function where it has one.
    """

    __slots__ = (
        "accepted", "fingerprint", "function", "name", "options", "predicate", "promise", "wants_context", "wires",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any] | Flow,
        name: str,
        wires: tuple[Wire, ...],
        options: Options = _PLAIN,
        wants_context: bool = False,
        predicate: tuple[str, ...] = (),
        accepted: tuple[str, ...] = (),
    ) -> None:
        self.function, self.name, self.wires, self.options = function, name, wires, options
        self.wants_context, self.predicate, self.accepted = wants_context, predicate, accepted
        #: The type that the function says it gives, with its words, once it was looked at.
        self.promise: Any = None
        #: The hash of its code, as it was when it was last looked at.
        self.fingerprint: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Step({self.name}({', '.join(wire.source for wire in self.wires)}))"

    def __reduce__(self) -> tuple[object, ...]:
        # A decorated function is found in its module as a Step, which pickle would take for another object.
        rest = (self.name, self.wires, self.options, self.wants_context, self.predicate, self.accepted)
        module, name = self.function.__module__, getattr(self.function, "__qualname__", "")
        if isinstance(_look_up(module, name), Step):
            return _shipped, (module, name, *rest)
        return Step, (self.function, *rest)


def _look_up(module: str, name: str) -> object:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _shipped(module: str, name: str, *rest: Any) -> Step:
    import_module(module)
    found = _look_up(module, name)
    return Step(found.function if isinstance(found, Step) else found, *rest)  # type: ignore[arg-type]


class Node(NamedTuple):
    """A step at its place in a plan: ``binds`` maps a parameter to what it reads, an earlier index or an input."""

    path: str
    step: Step
    binds: tuple[tuple[str, Place], ...]


@overload
def step(function: Callable[..., Any] | Flow, /, *, name: str | None = ..., **options: Any) -> Step: ...
@overload
def step(*, name: str | None = ..., **options: Any) -> Callable[[Callable[..., Any]], Step]: ...
def step(
    function: Callable[..., Any] | Flow | None = None, /, *, name: str | None = None, **options: Any
) -> Step | Callable[[Callable[..., Any]], Step]:
    """A step with options; also a decorator, ``@step(retries=3)``. FlowError for options that cannot work.

    retries, retry_on, backoff_s, max_backoff_s
        Further attempts after one of the errors ``retry_on``, each after a random wait of up to
        ``min(max_backoff_s, backoff_s * 2**attempt)`` seconds.
    timeout_s
        Longest time of one attempt; needs ``isolation="process"`` or an async function, as a thread cannot be stopped.
    weight
        Share of the run's progress.
    cache
        Whether a value of the same code and the same inputs is used again; False for what reads the outside world.
    isolation
        ``"thread"`` (default), ``"inline"`` on the scheduler's own thread (for microseconds), ``"process"`` (as many at
        once as there are processors, but at least two); async functions run on the scheduler's loop.
    when
        A function of steps and inputs; the step is skipped where it gives a false value. What waits for a skipped
        step is skipped too, unless its parameter has a default.
    each, limit, on_failure
        ``each={"sample": "samples"}`` runs the step once for every item of the list ``samples``, at most ``limit``
        at a time, and gives the list of results. ``on_failure``: ``"fail_fast"`` starts no more siblings,
        ``"finish_siblings"`` lets them all finish and then fails, ``"skip_branch"`` leaves failed items out.
    version
        Any text; part of the step's key, so that changing it computes anew.
    """
    if function is None:
        return partial(step, name=name, **options)
    if isinstance(function, Step):
        options = {**function.options._asdict(), **options}
        name, function = name or function.name, function.function
    unknown = sorted(set(options) - set(Options._fields))
    if unknown:
        raise FlowError(f"step() takes no {unknown[0]!r}; it takes {', '.join(Options._fields)}")
    each = options.get("each")
    if isinstance(each, Mapping):
        if len(each) != 1:
            raise FlowError(
                f"each is one parameter and its list, as {{'sample': 'samples'}}, not {dict(each)}"
            )
        options["each"] = next(iter(each.items()))
    if callable(function) and not isinstance(function, Flow) and _is_async(function):
        options.setdefault("isolation", "async")
    made = _make_step(function, name, Options(**options))
    _check_options(made)
    return made


def _make_step(function: Callable[..., Any] | Flow, name: str | None, options: Options | None = None) -> Step:
    if isinstance(function, Flow):
        options = options or _PLAIN
        wires = [Wire(source, source, needed) for source, needed in function.inputs.items()]
        return Step(function, name or function.name, _wired(wires, options), options)
    if not callable(function):
        raise FlowError(f"a step is a function, a Step or a Flow, not {function!r}")
    name = name or getattr(function, "__name__", "")
    if not name or name == "<lambda>" or "/" in name:
        raise FlowError(f"{function!r} needs a name without '/': step(function, name='...')")
    found = parameters_of(function)
    wires = [wire for wire in found if wire.parameter != CONTEXT]
    known = tuple([wire.parameter for wire in wires])
    options = options or (_ASYNC if _is_async(function) else _PLAIN)
    predicate = parameters_of(options.when) if options.when is not None else []
    wires += [wire for wire in predicate if wire.parameter not in known]
    asked = tuple([wire.parameter for wire in predicate])
    return Step(function, name, _wired(wires, options), options, len(known) < len(found), asked, known)


def _wired(wires: list[Wire], options: Options) -> tuple[Wire, ...]:
    if options.each is None:
        return tuple(wires)
    parameter, source = options.each
    return tuple(Wire(parameter, source, True) if wire.parameter == parameter else wire for wire in wires)


def _is_async(function: Callable[..., Any]) -> bool:
    if type(function) is FunctionType:
        return bool(function.__code__.co_flags & _COROUTINE)
    from inspect import iscoroutinefunction

    return iscoroutinefunction(function)


def parameters_of(function: Callable[..., Any]) -> list[Wire]:
    """What a function waits for. FlowError if it takes what cannot be wired by name."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        from inspect import signature

        kinds = signature(function).parameters.values()
        if any(item.kind not in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY) for item in kinds):
            raise FlowError(
                f"{function!r}: parameters are wired by name; it cannot take *args, **kwargs or '/'"
            )
        return [Wire(item.name, item.name, item.default is item.empty) for item in kinds]
    # inspect.signature costs more than all the rest of building a flow.
    code = function.__code__
    if code.co_posonlyargcount or code.co_flags & _SPREAD:
        raise FlowError(
            f"step {function.__name__!r}: parameters are wired by name; it cannot take *args, **kwargs or '/'"
        )
    positional = code.co_argcount
    n_needed = positional - len(function.__defaults__ or ())
    given = function.__kwdefaults__ or ()
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    return [
        Wire(name, name, at < n_needed if at < positional else name not in given)
        for at, name in enumerate(names)
    ]


def _check_options(made: Step) -> None:
    options, name = made.options, made.name
    for option, allowed in (("isolation", get_args(Isolation)), ("on_failure", get_args(OnFailure))):
        if getattr(options, option) not in allowed:
            raise FlowError(f"step {name!r}: {option} is one of {allowed}, not {getattr(options, option)!r}")
    if options.retries < 0 or options.weight <= 0 or (options.limit is not None and options.limit < 1):
        raise FlowError(
            f"step {name!r}: retries is 0 or more, weight above 0, limit at least 1; got {options}"
        )
    if options.each is not None and options.each[0] not in {wire.parameter for wire in made.wires}:
        raise FlowError(f"step {name!r} has no parameter {options.each[0]!r} to take each item")
    if isinstance(made.function, Flow):
        if options._replace(each=None, limit=None, on_failure="fail_fast", weight=1.0) != _PLAIN:
            raise FlowError(
                f"flow {name!r} as a step takes each, limit, on_failure, weight; other options go on its steps"
            )
        return
    if (options.isolation == "async") != _is_async(made.function):
        raise FlowError(f"step {name!r}: async functions take isolation='async' and others do not")
    if options.timeout_s is not None and options.isolation not in ("process", "async"):
        raise FlowError(
            f"step {name!r}: timeout_s={options.timeout_s} cannot stop a function with isolation="
            f"{options.isolation!r}; use isolation='process' or an async function"
        )


class Flow:
    """Steps wired by parameter names. FlowError if they are not well formed: duplicates, cycles, types that clash.

    ``output`` names the step whose value is the flow's; without it, the last one listed. ``inputs`` maps each name
    that is no step to whether a value must be given. Calling the flow computes its value in memory and records
    nothing.
    """

    def __init__(
        self,
        name: str,
        steps: Sequence[Callable[..., Any] | Step | Flow],
        *,
        version: str = "1",
        output: str | None = None,
    ) -> None:
        self.name, self.version = name, version
        # Where it was made, so that a run can find its flow again in another process.
        self.module: str = sys._getframe(1).f_globals.get("__name__", "__main__")
        self.steps = tuple(item if type(item) is Step else _make_step(item, None) for item in steps)
        self.by_name = by_name = _by_name(self)
        self.output = output or self.steps[-1].name
        if self.output not in by_name:
            raise FlowError(f"flow {name!r} has no step {self.output!r} to give; it has {', '.join(by_name)}")
        self.inputs: dict[str, bool] = {}
        for item in self.steps:
            for wire in item.wires:
                if wire.source not in by_name:
                    self.inputs[wire.source] = self.inputs.get(wire.source, False) or wire.needed
        self.ordered = _ordered(self, by_name)
        check_flow(self)
        self.nodes: list[Node] = []
        self.place = lay(self, "", {source: source for source in self.inputs}, self.nodes)

    def __repr__(self) -> str:
        return f"Flow({self.name}, {len(self.steps)} steps, inputs: {', '.join(self.inputs) or 'none'})"

    def check_inputs(self, given: Mapping[str, object]) -> None:
        """FlowError if an input is missing or not known, with the step that waits for it and the nearest name."""
        for name in given:
            if name not in self.inputs:
                raise FlowError(
                    f"flow {self.name!r} takes no input {name!r}; it takes {', '.join(self.inputs) or 'none'}"
                    f"{_nearest(name, list(self.inputs))}",
                    unknown=name,
                )
        for name, needed in self.inputs.items():
            if needed and name not in given:
                waiting = next(
                    s.name for s in self.steps if any(w.source == name and w.needed for w in s.wires)
                )
                names = [item.name for item in self.steps]
                raise FlowError(
                    f"flow {self.name!r} needs {name!r}: step {waiting!r} waits for it, it was not given and no step "
                    f"has that name{_nearest(name, names)}",
                    missing=name,
                )

    def __call__(self, **inputs: object) -> Any:
        """The flow's value, computed here in memory; errors of steps come as they are."""
        from .inline import evaluate

        return evaluate(self, inputs)


def lay(flow: Flow, prefix: str, scope: Mapping[str, Place], nodes: list[Node], base: int = 0) -> int:
    """Append every step of a flow and of the flows in it to ``nodes``; gives the place of its output.

    Each node reads only earlier places. ``scope`` maps the flow's inputs to places outside; ``base`` is the place of
    ``nodes[0]``.
    """
    places: dict[str, Place] = dict(scope)
    steps: dict[str, int] = {}
    for item in flow.ordered:
        binds = tuple(sorted((w.parameter, places[w.source]) for w in item.wires if w.source in places))
        if isinstance(item.function, Flow) and item.options.each is None:
            steps[item.name] = lay(item.function, f"{prefix}{item.name}/", dict(binds), nodes, base)
        else:
            steps[item.name] = base + len(nodes)
            nodes.append(Node(prefix + item.name, item, binds))
        places[item.name] = steps[item.name]
    return steps[flow.output]


def _by_name(flow: Flow) -> dict[str, Step]:
    if not flow.steps:
        raise FlowError(f"flow {flow.name!r} has no steps")
    by_name: dict[str, Step] = {}
    for item in flow.steps:
        if item.name in by_name:
            raise FlowError(
                f"flow {flow.name!r} has two steps named {item.name!r}; name one: step(f, name='...')"
            )
        by_name[item.name] = item
    return by_name


def _ordered(flow: Flow, by_name: Mapping[str, Step]) -> list[Step]:
    """Steps so that each follows what it waits for, as near to the listed order as can be."""
    waits = {item.name: {w.source for w in item.wires if w.source in by_name} for item in flow.steps}
    followers: dict[str, list[str]] = {}
    for name, sources in waits.items():
        for source in sources:
            followers.setdefault(source, []).append(name)
    missing = {name: len(sources) for name, sources in waits.items()}
    ready = [name for name, count in missing.items() if not count]
    for name in ready:  # grows while it is read
        for follower in followers.get(name, ()):
            missing[follower] -= 1
            if not missing[follower]:
                ready.append(follower)
    if len(ready) < len(by_name):
        path = _cycle(waits, {name for name, count in missing.items() if count})
        raise FlowError(f"flow {flow.name!r} has a cycle: {' → '.join(path)}", path=tuple(path))
    return [by_name[name] for name in ready]


def _cycle(waits: Mapping[str, set[str]], stuck: set[str]) -> list[str]:
    path = [min(stuck)]
    while True:
        following = min(waits[path[-1]] & stuck)
        if following in path:
            # Edges were followed from a step to what it waits for; values flow the other way.
            return [*path[path.index(following) :], following][::-1]
        path.append(following)


def _nearest(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
