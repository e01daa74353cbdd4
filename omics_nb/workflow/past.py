"""Looking at runs in other ways: as they were, why a step would run again, what differs between two."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import FlowError
from . import values
from .codehash import Fingerprint, changes
from .events import ACCEPTED, SETTLED, STATES, StepState, last_by_step, run_state
from .graph import Flow, Node, Step
from .live import key_of
from .store import EventRow


class Past:
    """A run as it was after event number ``seq``: the state of every step, and the values that were there."""

    def __init__(self, run: str, rows: Sequence[EventRow], folder: values.Folder) -> None:
        self.run, self.seq, self._folder = run, rows[-1][0], folder
        self.state = run_state(rows)
        self._last = last_by_step(rows)

    @property
    def steps(self) -> dict[str, str]:
        """Path → state, of the steps that something had happened to."""
        return {path: STATES[row[2]] for path, row in self._last.items()}

    def __getitem__(self, path: str) -> Any:
        """The value that a step had. KeyError if it had none yet."""
        row = self._last.get(path)
        text = row[5] if row is not None else None
        if text is None:
            have = [path for path, row in self._last.items() if row[5] is not None]
            raise KeyError(f"step {path!r} had no value after event {self.seq}; there were {have}")
        value = values.decode(text, self._folder)
        return None if value is values.SKIPPED else value

    def __repr__(self) -> str:
        n_settled = sum(state in SETTLED for state in self.steps.values())
        return f"Past({self.run}, after event {self.seq}, {self.state}, {n_settled} steps settled)"


class Explanation(NamedTuple):
    """Whether a step would run if the run were done again now, and why."""

    step: str
    runs: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.step} {'will run' if self.runs else 'is reused'}: {'; '.join(self.reasons)}"


def explain(
    flow: Flow,
    path: str,
    states: Mapping[str, StepState],
    inputs: Mapping[str, str],
    fingerprint_of: Callable[[Step], Fingerprint],
    old_parts: Mapping[bytes, Mapping[str, str]],
) -> Explanation:
    """Why the step at ``path`` would run or be reused, from what its run recorded and the code as it is now."""
    head = path.partition("[")[0]
    verdicts: list[Explanation] = []
    for node in flow.nodes:
        waits = [verdicts[place] for _, place in node.binds if isinstance(place, int)]
        first = next((verdict for verdict in waits if verdict.runs), None)
        if node.step.options.each is not None:
            reasons = _group_reasons(node, states, fingerprint_of, old_parts)
        else:
            reasons = _reasons(node, states, inputs, flow, fingerprint_of, old_parts)
        if first is not None:
            reasons.append(f"`{first.step}` will run and may give another value")
        verdicts.append(
            Explanation(node.path, bool(reasons), tuple(reasons) or ("code and inputs are the same",))
        )
        if node.path in (path, head):
            return verdicts[-1]
    raise FlowError(f"flow {flow.name!r} has no step {path!r}; it has {[node.path for node in flow.nodes]}")


def _reasons(
    node: Node,
    states: Mapping[str, StepState],
    inputs: Mapping[str, str],
    flow: Flow,
    fingerprint_of: Callable[[Step], Fingerprint],
    old_parts: Mapping[bytes, Mapping[str, str]],
) -> list[str]:
    known = states.get(node.path)
    reasons = _state_reasons(known)
    if reasons or known is None or known.state == "skipped":
        return reasons
    now = fingerprint_of(node.step)
    if known.code != now.digest:
        return _code_reasons(known, now, old_parts)
    given = []
    for parameter, place in node.binds:
        source = states.get(flow.nodes[place].path) if isinstance(place, int) else None
        text = inputs.get(place) if isinstance(place, str) else source and source.value
        if text is not None and not (source is not None and source.state == "skipped"):
            given.append((parameter, text))
    if known.key is None:
        return ["its code was changed while it ran"]
    same = key_of(now.digest, node.step.options.version, tuple(sorted(given))) == known.key
    return [] if same else ["its version= or its inputs changed"]


def _group_reasons(
    node: Node,
    states: Mapping[str, StepState],
    fingerprint_of: Callable[[Step], Fingerprint],
    old_parts: Mapping[bytes, Mapping[str, str]],
) -> list[str]:
    own = states.get(node.path)
    reasons = _state_reasons(own)
    for path, known in states.items():
        if not path.startswith(node.path + "["):
            continue
        step = step_at(node.step, path[len(node.path) :].partition("]")[2].lstrip("/"))
        told = _state_reasons(known)
        if not told and step is not None and known.code is not None:
            now = fingerprint_of(step)
            told = _code_reasons(known, now, old_parts) if known.code != now.digest else []
        reasons += [reason for reason in told if reason not in reasons]
    return reasons


def step_at(step: Step, rest: str) -> Step | None:
    """The step that ``rest``, a path below ``step``, leads to."""
    if not isinstance(step.function, Flow):
        return None if rest else step
    head, _, tail = rest.partition("/")
    found = step.function.by_name.get(head.partition("[")[0])
    return None if found is None else step_at(found, tail)


def _state_reasons(known: StepState | None) -> list[str]:
    if known is None:
        return ["it has not run yet"]
    if known.state in SETTLED:
        return []
    facts = known.facts
    return [f"it {known.state}" + (f": {facts['type']}: {facts['message']}" if "type" in facts else "")]


def _code_reasons(
    known: StepState, now: Fingerprint, old_parts: Mapping[bytes, Mapping[str, str]]
) -> list[str]:
    return changes(old_parts.get(known.code or b"", {}), now.parts) or ["its code changed"]


class Difference(NamedTuple):
    """What differs between two runs: inputs by name and steps by path, each with a sentence."""

    inputs: dict[str, str]
    steps: dict[str, str]

    def __str__(self) -> str:
        lines = [f"input {name}: {text}" for name, text in self.inputs.items()]
        lines += [f"step {path}: {text}" for path, text in self.steps.items()]
        return "\n".join(lines) or "no difference"


def compare(
    inputs: tuple[Mapping[str, str], Mapping[str, str]],
    states: tuple[Mapping[str, StepState], Mapping[str, StepState]],
    parts: Mapping[bytes, Mapping[str, str]],
) -> Difference:
    """What differs between two runs, first → second."""
    told_inputs = {
        name: f"{_short(inputs[0].get(name))} → {_short(inputs[1].get(name))}"
        for name in dict.fromkeys([*inputs[0], *inputs[1]])
        if inputs[0].get(name) != inputs[1].get(name)
    }
    told_steps = {}
    for path in dict.fromkeys([*states[0], *states[1]]):
        one, other = states[0].get(path), states[1].get(path)
        told = _step_difference(one, other, parts)
        if told:
            told_steps[path] = "; ".join(told)
    return Difference(told_inputs, told_steps)


def _step_difference(
    one: StepState | None, other: StepState | None, parts: Mapping[bytes, Mapping[str, str]]
) -> list[str]:
    if one is None or other is None:
        return ["only in the " + ("second" if one is None else "first")]
    told = []
    settled = (*ACCEPTED,)
    if one.state != other.state and not (one.state in settled and other.state in settled):
        told.append(f"{one.state} → {other.state}")
    if one.value != other.value and one.value is not None and other.value is not None:
        told.append(f"value {_short(one.value)} → {_short(other.value)}")
    if one.code != other.code and one.code and other.code:
        told += changes(parts.get(one.code, {}), parts.get(other.code, {}))
    return told


def _short(text: str | None) -> str:
    if text is None:
        return "nothing"
    if len(text) <= 60 and "$" not in text:
        return text
    tree = json.loads(text)
    kind = tree.get("$type") or next(iter(tree), "") if isinstance(tree, dict) else type(tree).__name__
    digest = text[-20:-10] if '"$' in text else f"{len(text)} characters"
    return f"({str(kind).lstrip('$')} {digest})"
