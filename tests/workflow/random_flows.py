"""Flows that are built from plain numbers, so that another process can build the very same."""

from __future__ import annotations

from typing import Any, NamedTuple

from omics_nb.workflow import Flow, step


class Plan(NamedTuple):
    """A random flow: what each step waits for, where it runs, and whether it runs for each item of a list."""

    sources: list[list[int]]
    isolations: list[str]
    each: list[bool]


def build(plan: Plan, constants: list[int], calls: list[str] | None = None, *, travels: bool = False) -> Flow:
    """The flow of a plan. Every step gives a list, so that each can be run for each of its items.

    ``calls`` takes the names of the steps that were called, unless the flow ``travels`` to other processes by pickle.
    """
    cells: dict[str, Any] = {"__name__": "__main__", "called": Calls([] if calls is None else calls)}
    if travels:
        exec("def called(name): pass", cells)
    steps = []
    for i, sources in enumerate(plan.sources):
        others = [f"s{j}" for j in sources]
        parameters = ["item", *others[1:]] if plan.each[i] else others
        cells[f"K{i}"] = constants[i]
        exec(
            f"def h{i}(x): return x % 5 + K{i}\n"
            f"def s{i}({', '.join(['x', *parameters])}):\n"
            f"    called('s{i}')\n"
            f"    flat = [x]\n"
            f"    for part in ({''.join(name + ', ' for name in parameters)}):\n"
            f"        flat += part if isinstance(part, list) else [part]\n"
            f"    return h{i}(sum(flat)) if {plan.each[i]} else [h{i}(sum(flat)), len(flat)]\n",
            cells,
        )
        options: dict[str, Any] = {"each": {"item": others[0]}} if plan.each[i] else {}
        steps.append(step(cells[f"s{i}"], isolation=plan.isolations[i], **options))
    return Flow("random", steps)


class Calls:
    """Writes down what was called; hashed by name, so that this is no change of code."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __call__(self, name: str) -> None:
        self.seen.append(name)

    def __reduce_ex__(self, _: Any) -> str:
        return "called"


def history(constant: int) -> Flow:
    """A fan-out, a step that fails if it is told to, an end; ``constant`` is the code that is edited."""
    cells: dict[str, Any] = {"__name__": "__main__", "K": constant}
    exec(
        "def items(x): return [x, x + 1, x + 2 + K]\n"
        "def one(item): return item * 10\n"
        "def bad(one, fail):\n    if fail: raise ValueError('asked to')\n    return sum(one)\n"
        "def end(bad): return bad + 1\n",
        cells,
    )
    return Flow(
        "history",
        [cells["items"], step(cells["one"], each={"item": "items"}, limit=2), cells["bad"], cells["end"]],
    )
