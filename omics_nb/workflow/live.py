"""A run while it runs: which steps are ready, what has happened since the last commit. No I/O but value files."""

from __future__ import annotations

import json
import random
import re
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from hashlib import blake2b
from typing import Any

from ..errors import FlowError
from . import values
from .codehash import Fingerprint, fingerprint, is_fresh
from .context import Context
from .events import ACCEPTED, SETTLED, StepState
from .executors import Job, Outcome
from .graph import Flow, Node, Place, lay
from .store import ACTIVE, ENDED, Change, RunRow
from .values import SKIPPED_TEXT

#: A run's row follows its events at most this far behind; its events are the truth.
_ROW_EVERY_S = 0.1
_NOTHING: list[Any] = []
_PLAIN_LABEL = re.compile(r'"?([\w.-]{1,40})"?')
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Task:
    """One step of one run."""

    __slots__ = (
        "at", "attempt", "began", "binds", "branch", "code", "context", "counted", "due", "ended_branches",
        "failed_branches", "fingerprint", "group", "handle", "key", "n_open", "outputs", "parent", "path", "queued",
        "share", "state", "step", "text", "told", "tries", "waiting",
    )  # fmt: skip

    def __init__(
        self, at: int, node: Node, share: float, parent: Task | None, branch: int, *, group: bool
    ) -> None:
        self.at, self.path, self.step, self.binds = at, node.path, node.step, node.binds
        self.share, self.parent, self.branch, self.group = share, parent, branch, group
        self.state = "waiting"
        self.text = ""
        self.attempt = self.tries = self.waiting = 0
        self.key: bytes | None = None
        self.code: bytes | None = None
        self.fingerprint: Fingerprint | None = None
        self.counted = 0.0
        self.began = self.told = 0.0
        self.due: float | None = None
        self.context: Context | None = None
        self.handle: Any = None
        # Places of a group's outputs; more about its branches once it is expanded.
        self.outputs: list[int] = _NOTHING

    def expand(self, n: int) -> None:
        """Become a group of ``n`` branches: which have ended and failed, and what waits for room under ``limit``."""
        self.outputs, self.n_open = [], n
        self.ended_branches: set[int] = set()
        self.failed_branches: set[int] = set()
        self.queued: deque[list[Task]] = deque()


class Live:
    """The state of a run in its owner's memory, and the changes that the next commit will write."""

    def __init__(
        self,
        row: RunRow,
        flow: Flow,
        folder: values.Folder,
        known: Mapping[str, StepState],
        shared: Mapping[str, StepState],
        forced: frozenset[str],
        executor: Any = None,
        seq: int = 0,
    ) -> None:
        self.row, self.flow, self.folder, self.executor = row, flow, folder, executor
        self.known, self.shared, self.forced = known, shared, forced
        self.state, self.progress = "running", row.progress
        self.error: str | None = None
        self.inputs: dict[str, str] = json.loads(row.inputs)
        self.tasks: list[Task] = []
        self.followers: dict[int, list[Task]] = {}
        self.ready: deque[Task] = deque()
        self.running: dict[str, Task] = {}
        self.n_waiting_retry = 0
        #: Attempts at work are to be stopped, and what they still give is refused.
        self.stopping = False
        self.failure: tuple[Task, BaseException | None, str] | None = None
        self.exception: BaseException | None = None
        self.ended: Future[str] = Future()
        self.over = False
        self.seq = seq
        self._row: tuple[str, float] = (row.state, row.progress)
        self._row_at = 0.0
        self._share_done = 0.0
        self._reuse: list[tuple[bytes, int, int]] = []
        self._warned: set[str] = set()
        self._texts: dict[tuple[str, str], str] = {}
        #: Digests of code whose parts the store has; the scheduler's.
        self.codes_stored: set[bytes] = set()
        self.clear_changes()
        total = sum(node.step.options.weight for node in flow.nodes)
        nodes = [(node, node.step.options.weight / total) for node in flow.nodes]
        self._add(nodes, parent=None, branch=0, release=True)

    # --- the plan ----------------------------------------------------------------------------------------------------

    def _add(
        self,
        nodes: Iterable[tuple[Node, float]],
        *,
        parent: Task | None,
        branch: int,
        release: bool,
        whole: bool = False,
    ) -> list[Task]:
        """Take nodes into the run; those that wait for nothing are ready, or given back if ``release`` is False."""
        free = []
        for node, share in nodes:
            group = node.step.options.each is not None and not whole
            task = Task(len(self.tasks), node, share, parent, branch, group=group)
            self.tasks.append(task)
            for place in {place for _, place in node.binds if type(place) is int}:
                if self.tasks[place].state not in SETTLED:
                    task.waiting += 1
                    self.followers.setdefault(place, []).append(task)
            if not task.waiting:
                free.append(task)
        if release:
            self.ready.extend(free)
        return free

    def given(self, task: Task) -> tuple[tuple[str, str], ...] | None:
        """The arguments of a task as text; None if one that it needs was skipped."""
        found = []
        tasks, inputs = self.tasks, self.inputs
        for parameter, place in task.binds:
            text = tasks[place].text if type(place) is int else inputs.get(place)  # type: ignore[arg-type]
            if text == SKIPPED_TEXT:
                if any(wire.parameter == parameter and wire.needed for wire in task.step.wires):
                    return None
            elif text is not None:
                found.append((parameter, text))
        return tuple(found)

    def expand(self, task: Task, given: tuple[tuple[str, str], ...]) -> None:
        """Lay out the branches of a fan-out, one for each item of its list."""
        parameter, source = task.step.options.each or ("", "")
        texts = values.item_texts(dict(given)[parameter], self.folder)
        if texts is None:
            raise FlowError(f"step {task.path!r} runs for each item of {source!r}, which is no list")
        task.state, task.began = "running", time.time()
        self.note("expanded", task, n=len(texts))
        labels = _labels(texts)
        others = [(name, place) for name, place in task.binds if name != parameter]
        task.expand(len(texts))
        limit = task.step.options.limit or len(texts)
        for branch, (label, text) in enumerate(zip(labels, texts, strict=True)):
            path = f"{task.path}[{label}]"
            item = f"{path}.{parameter}"
            self.inputs[item] = text
            binds = tuple(sorted([*others, (parameter, item)]))
            share = task.share / len(texts)
            free = self._add_branch(task, branch, path, binds, share)
            if branch < limit:
                self.ready.extend(free)
            else:
                task.queued.append(free)
        if not texts:
            self._end_group(task)

    def _add_branch(
        self, task: Task, branch: int, path: str, binds: tuple[tuple[str, Place], ...], share: float
    ) -> list[Task]:
        if not isinstance(task.step.function, Flow):
            task.outputs.append(len(self.tasks))
            return self._add(
                [(Node(path, task.step, binds), share)], parent=task, branch=branch, release=False, whole=True
            )
        nodes: list[Node] = []
        task.outputs.append(lay(task.step.function, path + "/", dict(binds), nodes, len(self.tasks)))
        total = sum(node.step.options.weight for node in nodes)
        shares = [(node, share * node.step.options.weight / total) for node in nodes]
        return self._add(shares, parent=task, branch=branch, release=False)

    # --- keys --------------------------------------------------------------------------------------------------------

    def set_key(self, task: Task, given: tuple[tuple[str, str], ...]) -> None:
        """The key of a step: its code and its arguments. What could not be hashed is told once a run."""
        step = task.step
        found: Fingerprint | None = step.fingerprint
        if found is None or not is_fresh(found):
            more = () if step.options.when is None else (step.options.when,)
            found = step.fingerprint = fingerprint(step.function, *more)
        for warning in found.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.note("warning", task, message=warning)
        if found.digest not in self.codes_stored:
            self.codes[found.digest] = json.dumps(found.parts)
        task.fingerprint, task.code = found, found.digest
        task.key = key_of(found.digest, step.options.version, given)

    # --- what happens to a step -----------------------------------------------------------------------------------

    def start(self, task: Task, given: tuple[tuple[str, str], ...]) -> Job:
        """Begin an attempt; the job that does it."""
        task.state, task.due = "running", None
        task.attempt += 1
        task.tries += 1
        task.began, task.told = time.time(), 0.0
        task.context = Context(task.path, self.row.uid, task.attempt)
        self.running[task.path] = task
        if task.step.options.isolation != "inline" or task.attempt > 1:
            # An inline step has ended before anyone could see it at work.
            self.note("started", task)
        return Job(task.step, given, self.folder, task.context)

    def accept(
        self,
        task: Task,
        text: str,
        files: Mapping[str, int],
        *,
        source: str | None = None,
        contract: str = "",
    ) -> None:
        """Take a step's value for good and release what waited for it."""
        task.text = text
        skipped = text == SKIPPED_TEXT
        task.state = "skipped" if skipped else "done" if source is None else "reused"
        facts: dict[str, Any] = {"run": source} if source is not None else {}
        if files:
            self.files.update(files)
            facts["n_bytes"] = sum(files.values())
        if contract:
            facts["contract"] = contract
        self._append(task.state, task.path, task.key, text, task.code, facts)
        if task.key is not None and task.state == "done":
            self._reuse.append((task.key, self.row.id, self.seq))
        self.settle(task)

    def restore(self, task: Task, known: StepState) -> None:
        """Take a step as an earlier session of this run left it."""
        task.text, task.state = known.value or SKIPPED_TEXT, known.state
        task.attempt, task.key, task.code = known.attempt, known.key, known.code
        if known.key is not None and known.state == "done":
            self._reuse.append(
                (known.key, self.row.id, known.seq)
            )  # what a crash may have kept from being found
        self.settle(task)

    def settle(self, task: Task) -> None:
        self._count(task)
        for follower in self.followers.pop(task.at, ()):
            follower.waiting -= 1
            if not follower.waiting:
                self.ready.append(follower)
        if task.parent is not None and task.parent.outputs[task.branch] == task.at:
            self._end_branch(task.parent, task.branch)

    def _count(self, task: Task) -> None:
        if not task.group or not task.outputs:
            self._share_done += task.share - task.counted
            task.counted = task.share
            self.progress = min(max(self.progress, 100.0 * self._share_done), 99.9)

    def tell(self, task: Task, fraction: float, message: str) -> None:
        """Progress within a step, as it tells it."""
        gained = max(fraction * task.share - task.counted, 0.0)
        task.counted += gained
        self._share_done += gained
        self.progress = min(max(self.progress, 100.0 * self._share_done), 99.9)
        self.note("progress", task, fraction=round(fraction, 4), message=message)

    def fail(self, task: Task, outcome: Outcome) -> None:
        """A step has failed for good: what that means for its siblings and for the run."""
        task.state = "failed"
        error = outcome.error
        kind, message = type(error).__name__, str(error)
        told = {"type": kind, "message": message, "attempt": task.attempt}
        self._append("failed", task.path, None, None, task.code, {**told, "trace": outcome.trace})
        self._spread(task, error, f"step {task.path!r} failed: {kind}: {message}")

    def _spread(self, task: Task, error: BaseException | None, sentence: str) -> None:
        group = task.parent
        if group is None:
            if self.failure is None:
                self.failure = (task, error, sentence)
                self.error = json.dumps({"step": task.path, "message": sentence})
                self.exception = error
            return
        if group.state in ("failed", *SETTLED):
            return
        if group.step.options.on_failure == "fail_fast":
            self._fail_group(group, error, sentence)
            return
        if task.branch not in group.ended_branches:
            group.failed_branches.add(task.branch)
            group.text, group.handle = sentence, error  # the last one is told as the group's own
            self._end_branch(group, task.branch)

    def _fail_group(self, group: Task, error: BaseException | None, sentence: str) -> None:
        group.state = "failed"
        told = {"type": type(error).__name__, "message": sentence}
        self.note("failed", group, **told)
        self._spread(group, error, sentence)

    def _end_branch(self, group: Task, branch: int) -> None:
        if branch in group.ended_branches:
            return
        group.ended_branches.add(branch)
        group.n_open -= 1
        if group.queued:
            self.ready.extend(group.queued.popleft())
        if not group.n_open and group.state not in ("failed", *SETTLED):
            self._end_group(group)

    def _end_group(self, group: Task) -> None:
        n, failed = len(group.outputs), len(group.failed_branches)
        if failed and (group.step.options.on_failure == "finish_siblings" or failed == n):
            sentence = f"{failed} of {n} items of step {group.path!r} failed; the last: {group.text}"
            self._fail_group(group, group.handle, sentence)
            return
        done = [self.tasks[at] for at in group.outputs]
        text = "[" + ",".join(task.text for task in done if task.state in ACCEPTED) + "]"
        files: dict[str, int] = {}
        if len(text) > values.INLINE:
            name = self.folder.put(text.encode(), ".json")
            files[name] = len(text)
            text = f'{{"$ref":"{name}"}}'
        self.accept(group, text, files)

    def is_closed(self, task: Task) -> bool:
        """Whether a group around a task has failed, so that the task must not start."""
        group = task.parent
        while group is not None:
            if group.state == "failed":
                return True
            group = group.parent
        return False

    def delay_before_retry(self, task: Task, error: BaseException | None) -> float | None:
        """Seconds to wait before another attempt; None if there is none."""
        options = task.step.options
        if (
            task.tries > options.retries
            or not isinstance(error, options.retry_on)
            or isinstance(error, FlowError)
        ):
            return None
        return random.uniform(0, min(options.max_backoff_s, options.backoff_s * 2.0**task.tries))

    # --- changes -----------------------------------------------------------------------------------------------------

    def clear_changes(self) -> None:
        """Begin anew after a commit."""
        self.events: list[tuple[Any, ...]] = []
        self.files: dict[str, int] = {}
        self.codes: dict[bytes, str] = {}

    def note(self, kind: str, task: Task | None = None, **data: Any) -> None:
        """An event without a value."""
        self._append(kind, None if task is None else task.path, None, None, None, data)

    def _append(
        self,
        kind: str,
        path: str | None,
        key: bytes | None,
        text: str | None,
        code: bytes | None,
        data: dict[str, Any],
    ) -> None:
        # Only a run's owner appends, and only while its epoch holds, so that it can count by itself.
        self.seq += 1
        told = None if not data else self._same_facts(data) if len(data) == 1 else _dumps(data)
        self.events.append((self.row.id, self.seq, time.time(), kind, path, key, text, code, told))

    def _same_facts(self, data: dict[str, Any]) -> str:
        """The text of a single fact, which thousands of events share: the run that a value is from, a contract."""
        ((name, fact),) = data.items()
        if name not in ("run", "contract"):
            return _dumps(data)
        known = self._texts.get((name, fact))
        if known is None:
            known = self._texts[name, fact] = _dumps(data)
        return known

    def change(self) -> Change:
        """Everything since the last commit; the run's row too if its state is new or it has not been for a while."""
        now = time.monotonic()
        row, reuse = None, _NOTHING
        if self.state != self._row[0] or (
            self.progress != self._row[1] and now - self._row_at > _ROW_EVERY_S
        ):
            owner = self.row.owner if self.state in ACTIVE else None
            row = (self.state, self.progress, owner, self.error, time.time() if self.state in ENDED else None)
            self._row, self._row_at = (self.state, self.progress), now
            reuse, self._reuse = self._reuse, []
        return Change(self.row.id, self.row.epoch, self.events, row, self.files, self.codes, reuse)

    def outcome(self) -> str | None:
        """The state that the run comes to once nothing is at work; None if it goes on."""
        if self.running or (self.n_waiting_retry and self.state == "running" and self.failure is None):
            return None
        if self.state == "cancelling":
            return "cancelled"
        if self.failure is not None:
            return "failed"
        if self.state == "pausing":
            return "paused"
        return None if self.ready else "done"


def key_of(code: bytes, version: str, given: tuple[tuple[str, str], ...]) -> bytes:
    """The key of a step's value: its code, its ``version`` and the texts of its arguments, which are sorted by name."""
    words = [version, *(f"{parameter}={len(text)}:{text}" for parameter, text in given)]
    return blake2b(code + "\0".join(words).encode(), digest_size=16).digest()


def _labels(texts: list[str]) -> list[str]:
    """A name for each item: itself if it is a short text or a number, else the hash of it; told apart if equal."""
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        plain = _PLAIN_LABEL.fullmatch(text)
        label = plain[1] if plain is not None else blake2b(text.encode(), digest_size=4).hexdigest()
        seen[label] = seen.get(label, 0) + 1
        labels.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return labels
