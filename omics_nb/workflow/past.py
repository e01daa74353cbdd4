"""Looking at runs in other ways: as they were, why a step would run again, what differs between two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import FlowError
from . import tables, values
from .codehash import changes
from .events import ACCEPTED, SETTLED, STATES, StepState, state_after
from .graph import Flow, Node, Step
from .live import fingerprint_of, key_of
from .store import Store
from .tables import RunRow


class Past:
    """A run as it was after event number ``seq``: the state of every step, and the values that were there."""

    def __init__(self, store: Store, row: RunRow, seq: int, kinds: dict[str | None, str]) -> None:
        self.run, self.seq, self._store, self._number = row.uid, seq, store, row.id
        self.state = state_after(kinds.pop(None))
        self._kinds = kinds

    @property
    def steps(self) -> dict[str, str]:
        """Path → state, of the steps that something had happened to."""
        return {str(path): STATES[kind] for path, kind in self._kinds.items()}

    def __getitem__(self, path: str) -> Any:
        """The value that a step had. KeyError if it had none yet."""
        with self._store.read() as db:
            text = tables.value_at(db, self._number, path, self.seq)
        if text is None:
            have = [path for path, state in self.steps.items() if state in SETTLED]
            raise KeyError(f"step {path!r} had no value after event {self.seq}; there were {have}")
        return values.plain(values.decode(text, self._store.folder))

    def __repr__(self) -> str:
        n_settled = sum(state in SETTLED for state in self.steps.values())
        return f"Past({self.run}, after event {self.seq}, {self.state}, {n_settled} steps settled)"


class Record(NamedTuple):
    """What the store has of a run: texts of its inputs, states of its steps, parts of their code by digest."""

    inputs: Mapping[str, str]
    states: Mapping[str, StepState]
    parts: Mapping[bytes, Mapping[str, str]]


class Explanation(NamedTuple):
    """Whether a step would run if the run were done again now, and why."""

    step: str
    runs: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.step} {'will run' if self.runs else 'is reused'}: {'; '.join(self.reasons)}"


def explain(flow: Flow, path: str, record: Record) -> Explanation:
    """Why the step at ``path`` would run or be reused, from what its run recorded and the code as it is now."""
    verdicts: list[Explanation] = []
    for node in flow.nodes:
        reasons = _reasons(flow, node, record)
        waits = [verdicts[place] for _, place in node.binds if isinstance(place, int)]
        first = next((verdict for verdict in waits if verdict.runs), None)
        if first is not None:
            reasons.append(f"`{first.step}` will run and may give another value")
        verdicts.append(
            Explanation(node.path, bool(reasons), tuple(reasons) or ("code and inputs are the same",))
        )
        if node.path in (path, path.partition("[")[0]):
            return verdicts[-1]
    raise FlowError(f"flow {flow.name!r} has no step {path!r}; it has {[node.path for node in flow.nodes]}")


def _reasons(flow: Flow, node: Node, record: Record) -> list[str]:
    known = record.states.get(node.path)
    if node.step.options.each is not None:
        branches = {path: item for path, item in record.states.items() if path.startswith(node.path + "[")}
        told = [_own_reasons(step_at(flow, path), item, record) for path, item in branches.items()]
        return list(dict.fromkeys(sum(told, _own_reasons(None, known, record))))
    reasons = _own_reasons(node.step, known, record)
    if reasons or known is None or known.state == "skipped":
        return reasons
    if known.key is None:
        return ["its code was changed while it ran"]
    given = []
    for parameter, place in node.binds:
        source = record.states.get(flow.nodes[place].path) if isinstance(place, int) else None
        text = record.inputs.get(place) if isinstance(place, str) else source and source.value
        if text is not None and not (source is not None and source.state == "skipped"):
            given.append((parameter, text))
    same = key_of(known.code or b"", node.step.options.version, tuple(given)) == known.key
    return [] if same else ["its version= or its inputs changed"]


def _own_reasons(step: Step | None, known: StepState | None, record: Record) -> list[str]:
    """Reasons that lie in what became of a step and in its code."""
    if known is None:
        return ["it has not run yet"]
    if known.state not in SETTLED:
        facts = known.facts
        return [f"it {known.state}" + (f": {facts['type']}: {facts['message']}" if "type" in facts else "")]
    return code_changes(step, known, record) if step is not None else []


def code_changes(step: Step, known: StepState, record: Record) -> list[str]:
    """What of a step's code is other than what its value was computed by, in words."""
    if known.code is None:
        return []
    now = fingerprint_of(step)
    if known.code == now.digest:
        return []
    return changes(record.parts.get(known.code, {}), now.parts) or ["its code changed"]


def step_at(flow: Flow, path: str) -> Step | None:
    """The step that a path of a run belongs to: ``qc[S1]/norm`` is the step ``norm`` of the flow ``qc``."""
    head, _, rest = path.partition("/")
    found = flow.by_name.get(head.partition("[")[0])
    if found is None or not isinstance(found.function, Flow):
        return None if rest else found
    return step_at(found.function, rest) if rest else None


class Difference(NamedTuple):
    """What differs between two runs: inputs by name and steps by path, each with a sentence."""

    inputs: dict[str, str]
    steps: dict[str, str]

    def __str__(self) -> str:
        lines = [f"input {name}: {text}" for name, text in self.inputs.items()]
        lines += [f"step {path}: {text}" for path, text in self.steps.items()]
        return "\n".join(lines) or "no difference"


def compare(one: Record, other: Record) -> Difference:
    """What differs between two runs, first → second."""
    inputs = {
        name: f"{_short(one.inputs.get(name))} → {_short(other.inputs.get(name))}"
        for name in {**one.inputs, **other.inputs}
        if one.inputs.get(name) != other.inputs.get(name)
    }
    steps = {path: "; ".join(_difference(path, one, other)) for path in {**one.states, **other.states}}
    return Difference(inputs, {path: told for path, told in steps.items() if told})


def _difference(path: str, one: Record, other: Record) -> list[str]:
    mine, its = one.states.get(path), other.states.get(path)
    if mine is None or its is None:
        return ["only in the " + ("second" if mine is None else "first")]
    told = []
    if mine.state != its.state and not {mine.state, its.state} <= set(ACCEPTED):
        told.append(f"{mine.state} → {its.state}")
    if mine.value != its.value and mine.value is not None and its.value is not None:
        told.append(f"value {_short(mine.value)} → {_short(its.value)}")
    if mine.code != its.code and mine.code and its.code:
        told += changes(one.parts.get(mine.code, {}), other.parts.get(its.code, {}))
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
