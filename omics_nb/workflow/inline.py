"""A flow computed in memory, in the caller's thread: no store, no events, no waiting."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from ..errors import FlowError
from .contracts import check_given, check_value
from .graph import CONTEXT, Flow, Step
from .values import SKIPPED


def evaluate(flow: Flow, inputs: Mapping[str, object]) -> Any:
    """The value of the flow's output step, None if that step was skipped. FlowError for inputs that do not fit."""
    flow.check_inputs(inputs)
    check_given(flow, inputs)
    value = _evaluate(flow, inputs)
    return None if value is SKIPPED else value


def _evaluate(flow: Flow, inputs: Mapping[str, object]) -> Any:
    values: list[Any] = []
    for node in flow.nodes:
        given = {
            parameter: values[place] if type(place) is int else inputs[place]  # type: ignore[index]
            for parameter, place in node.binds
            if type(place) is int or place in inputs
        }
        values.append(_value(node.step, given))
    return values[flow.place]


def _value(step: Step, given: dict[str, Any]) -> Any:
    for wire in step.wires:
        if given.get(wire.parameter) is SKIPPED:
            if wire.needed:
                return SKIPPED
            del given[wire.parameter]
    if step.options.each is None:
        return _call(step, given)
    parameter, source = step.options.each
    items = given.pop(parameter)
    if not isinstance(items, (list, tuple, set, frozenset)):
        raise FlowError(
            f"step {step.name!r} runs for each item of {source!r}, which is no list: {type(items).__name__}"
        )
    results = [_call(step, {**given, parameter: item}) for item in items]
    return [result for result in results if result is not SKIPPED]


def _call(step: Step, given: dict[str, Any]) -> Any:
    if isinstance(step.function, Flow):
        return _evaluate(step.function, given)
    if step.options.when is not None:
        asked = {name: given[name] for name in step.predicate if name in given}
        if not step.options.when(**asked):
            return SKIPPED
        given = {name: value for name, value in given.items() if name in step.accepted}
    if step.wants_context:
        from .context import Context

        given[CONTEXT] = Context(step.name)
    value = step.function(**given)
    if step.options.isolation == "async":
        value = _finish(value)
    check_value(step, value)
    return value


def _finish(waiting: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine, whether or not the caller's thread has a running loop."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(waiting)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, waiting).result()
