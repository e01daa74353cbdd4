"""A run while it runs: which steps are ready, what has happened since the last commit. No I/O but value files."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FlowError, StoreError
from . import values
from .codehash import Fingerprint, fingerprint, is_fresh
from .context import Context
from .events import ACCEPTED, SETTLED, StepState
from .executors import Job, Outcome
from .files import Folder
from .graph import Flow, Node, Step, lay
from .tables import ACTIVE, ENDED, Change, RunRow
from .values import SKIPPED_TEXT

if TYPE_CHECKING:
    from concurrent.futures import Future

#: A run's row follows its events at most this far behind; its events are the truth.
ROW_EVERY_S = 0.1
_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_PLAIN_LABEL = re.compile(r'"?([\w.-]{1,40})"?')
_dumps = json.JSONEncoder(separators=(",", ":")).encode
Given = tuple[tuple[str, str], ...]
#: Of the many tasks that nobody follows and that are no group.
_NONE: Any = ()


class Start(NamedTuple):
    """How a run begins: values of an earlier run to share, a step to compute anew, where steps run, and the types
    that its inputs were checked against."""

    shared: Mapping[str, StepState] = {}
    forced: str | None = None
    executor: Any = None
    contracts: Mapping[str, str] = {}


class Task:
    """One step of one run. What only a group has, a step that runs for each item, is there once it is laid out."""

    __slots__ = (
        "at", "attempt", "binds", "branch", "code", "context", "counted", "ended", "fingerprint", "followers", "group",
        "handle", "key", "outputs", "parent", "path", "queued", "share", "state", "step", "text", "told", "tries",
        "waiting",
    )  # fmt: skip

    def __init__(self, at: int, node: Node, share: float, parent: Task | None, branch: int, group: bool):
        self.at, self.share, self.parent, self.branch, self.group = at, share, parent, branch, group
        self.path, self.step, self.binds = node
        self.state, self.text = "waiting", ""
        self.attempt = self.tries = self.waiting = 0
        self.key: bytes | None = None
        self.code: bytes | None = None
        self.fingerprint: Fingerprint | None = None
        self.counted = self.told = 0.0
        self.context: Context | None = None
        self.handle: Any = None
        self.followers: list[Task] = _NONE
        #: Of a group: places of its branches' outputs, branches that have ended → whether they failed, and those that
        #: wait for room under ``limit``.
        self.outputs: list[int] = _NONE  # of its own once the group is laid out
        self.ended: dict[int, bool] | None = None
        self.queued: deque[list[Task]] | None = None


class Live:
    """The state of a run in its owner's memory, and the changes that the next commit will write."""

    def __init__(
        self,
        row: RunRow,
        flow: Flow,
        folder: Folder,
        begun: Start,
        known: Mapping[str, StepState],
        seq: int,
    ) -> None:
        from concurrent.futures import Future

        self.row, self.flow, self.folder, self.begun, self.known = row, flow, folder, begun, known
        self.state, self.seq, self.number = "running", seq, row.id
        self.error: str | None = None
        #: Added to the time since the machine was started, so that a clock that is set makes no step take minus a day.
        self._epoch_s = time.time() - since_boot()
        self.inputs: dict[str, str] = json.loads(row.inputs)
        self.tasks: list[Task] = []
        self.ready: list[Task] = []
        self.running: dict[str, Task] = {}
        #: Steps that wait for the time of a retry, or for a thread or a process.
        self.n_waiting = 0
        #: Attempts at work are to be stopped, and what they still give is refused.
        self.stopping = False
        self.failed = False
        self.exception: BaseException | None = None
        self.ended: Future[str] = Future()
        self.over = False
        self._row_state, self.behind = row.state, False
        self._row_at = self._share_done = 0.0
        self._reuse: list[tuple[bytes, int, int]] = []
        self._warned: set[str] = set()
        #: Steps whose code was looked at since other code ran.
        self.sure: set[Step] = set()
        #: Digests of code whose parts the store has; the scheduler's.
        self.codes_stored: set[bytes] = set()
        self.clear_changes()
        self.ready += self._add(flow.nodes, 1.0)

    # --- the plan ----------------------------------------------------------------------------------------------------

    def _add(
        self,
        nodes: list[Node],
        share: float,
        parent: Task | None = None,
        branch: int = 0,
    ) -> list[Task]:
        """Take nodes into the run, which split ``share`` of it by weight; gives those that wait for nothing."""
        free = []
        tasks = self.tasks
        unit = share / sum([node.step.options.weight for node in nodes])
        for node in nodes:
            options = node.step.options
            task = Task(len(tasks), node, unit * options.weight, parent, branch, options.each is not None)
            for _, place in node.binds:
                if type(place) is int and tasks[place].state not in SETTLED:
                    task.waiting += 1
                    if not tasks[place].followers:
                        tasks[place].followers = []
                    tasks[place].followers.append(task)
            tasks.append(task)
            if not task.waiting:
                free.append(task)
        return free

    def given(self, task: Task) -> Given | None:
        """The arguments of a task as text; None if one that it needs was skipped."""
        found = []
        for parameter, place in task.binds:
            text = self.tasks[place].text if type(place) is int else self.inputs.get(place)  # type: ignore[arg-type]
            if text == SKIPPED_TEXT:
                if any(wire.parameter == parameter and wire.needed for wire in task.step.wires):
                    return None
            elif text is not None:
                found.append((parameter, text))
        return tuple(found)

    def expand(self, group: Task, given: Given) -> None:
        """Lay out the branches of a fan-out, one for each item of its list."""
        step, options = group.step, group.step.options
        parameter, source = options.each or ("", "")
        texts = values.item_texts(dict(given)[parameter], self.folder)
        if texts is None:
            raise FlowError(f"step {group.path!r} runs for each item of {source!r}, which is no list")
        group.state, group.outputs, group.ended, group.queued = "running", [], {}, deque()
        self.note("expanded", group, n=len(texts))
        before = tuple([bind for bind in group.binds if bind[0] < parameter])
        behind = tuple([bind for bind in group.binds if bind[0] > parameter])
        limit = options.limit or len(texts)
        for branch, (label, text) in enumerate(zip(item_labels(texts), texts, strict=True)):
            path = f"{group.path}[{label}]"
            item = f"{path}.{parameter}"
            self.inputs[item] = text
            node = Node(path, step, (*before, (parameter, item), *behind))
            free = self._add_branch(group, branch, node, group.share / len(texts))
            if branch < limit:
                self.ready += free
            else:
                group.queued.append(free)
        if not texts:
            self._end_group(group)

    def _add_branch(self, group: Task, branch: int, node: Node, share: float) -> list[Task]:
        """Take one branch of a fan-out into the run; gives its tasks that wait for nothing."""
        at = len(self.tasks)
        if isinstance(node.step.function, Flow):
            nodes: list[Node] = []
            group.outputs.append(lay(node.step.function, node.path + "/", dict(node.binds), nodes, at))
            return self._add(nodes, share, group, branch)
        task = Task(at, node, share, group, branch, False)  # what the group waited for is there
        self.tasks.append(task)
        group.outputs.append(at)
        return [task]

    def set_key(self, task: Task, given: Given) -> None:
        """The key of a step: its code and its arguments. What could not be hashed is told once a run."""
        step = task.step
        found: Fingerprint = step.fingerprint if step in self.sure else fingerprint_of(step)
        self.sure.add(step)
        for warning in found.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.note("warning", task, message=warning)
        if found.digest not in self.codes_stored and found.digest not in self.codes:
            self.codes[found.digest] = json.dumps(found.parts)
        task.fingerprint, task.code = found, found.digest
        task.key = key_of(found.digest, step.options.version, given)

    # --- what happens to a step -----------------------------------------------------------------------------------

    def start(self, task: Task, given: Given) -> Job:
        """Begin an attempt; the job that does it."""
        task.state = "running"
        task.attempt += 1
        task.tries += 1
        task.context = Context(task.path, self.row.uid, task.attempt)
        self.running[task.path] = task
        if task.attempt > 1 or task.step.options.isolation != "inline":
            # An inline step has ended before anyone could see it at work.
            self.note("started", task)
        return Job(task.step, given, self.folder, task.context)

    def accept(
        self, task: Task, text: str, files: Mapping[str, int], source: str | None = None, contract: str = ""
    ) -> None:
        """Take a step's value for good and release what waited for it."""
        task.text = text
        task.state = "skipped" if text == SKIPPED_TEXT else "done" if source is None else "reused"
        if files:
            self.files.update(files)
        facts = _facts(source, contract, sum(files.values()) if files else 0)
        seq = self._append(task.state, task.path, task.key, text, task.code, facts)
        if task.key is not None and task.state == "done":
            self._reuse.append((task.key, self.number, seq))
        self.settle(task)

    def restore(self, task: Task, known: StepState) -> None:
        """Take a step as an earlier session of this run left it."""
        task.text, task.state = known.value or SKIPPED_TEXT, known.state
        task.attempt, task.key, task.code = known.attempt, known.key, known.code
        if known.key is not None and known.state == "done":
            # A crash may have kept it from being found.
            self._reuse.append((known.key, self.number, known.seq))
        self.settle(task)

    def settle(self, task: Task) -> None:
        if task.ended is None or not task.outputs:  # the branches of a group have counted its share
            self._share_done += task.share - task.counted
            task.counted = task.share
        for follower in task.followers:
            follower.waiting -= 1
            if not follower.waiting:
                self.ready.append(follower)
        if task.parent is not None and task.parent.outputs[task.branch] == task.at:
            self._end_branch(task.parent, task.branch)

    @property
    def progress(self) -> float:
        """Percent; what an earlier session had reached is not taken back."""
        return 100.0 if self.state == "done" else min(max(self.row.progress, 100.0 * self._share_done), 99.9)

    def tell(self, task: Task, fraction: float, message: str) -> None:
        """Progress within a step, as it tells it."""
        gained = max(fraction * task.share - task.counted, 0.0)
        task.counted += gained
        self._share_done += gained
        self.note("progress", task, fraction=round(fraction, 4), message=message)

    def fail(self, task: Task, outcome: Outcome) -> None:
        """A step has failed for good: what that means for its siblings and for the run."""
        error = outcome.error
        kind, message = type(error).__name__, str(error)
        facts = {"type": kind, "message": message, "attempt": task.attempt, "trace": outcome.trace}
        self._fail(task, error, f"step {task.path!r} failed: {kind}: {message}", facts)

    def _fail(self, task: Task, error: BaseException | None, sentence: str, facts: dict[str, Any]) -> None:
        task.state = "failed"
        self._append("failed", task.path, None, None, task.code, _dumps(facts))
        group = task.parent
        if group is None:
            if not self.failed:
                self.failed, self.exception = True, error
                self.error = _dumps({"step": task.path, "message": sentence})
        elif group.state in ("failed", *SETTLED):
            pass
        elif group.step.options.on_failure == "fail_fast":
            self._fail_group(group, error, sentence)
        else:
            group.text, group.handle = sentence, error  # the last one is told as the group's own
            self._end_branch(group, task.branch, failed=True)

    def _fail_group(self, group: Task, error: BaseException | None, sentence: str) -> None:
        self._fail(group, error, sentence, {"type": type(error).__name__, "message": sentence})

    def _end_branch(self, group: Task, branch: int, *, failed: bool = False) -> None:
        if group.ended is None or group.queued is None or branch in group.ended:
            return
        group.ended[branch] = failed
        if group.queued:
            self.ready += group.queued.popleft()
        if len(group.ended) == len(group.outputs) and group.state not in ("failed", *SETTLED):
            self._end_group(group)

    def _end_group(self, group: Task) -> None:
        n, n_failed = len(group.outputs), sum((group.ended or {}).values())
        if n_failed and (group.step.options.on_failure == "finish_siblings" or n_failed == n):
            sentence = f"{n_failed} of {n} items of step {group.path!r} failed; the last: {group.text}"
            self._fail_group(group, group.handle, sentence)
            return
        done = [self.tasks[at] for at in group.outputs]
        text = "[" + ",".join([task.text for task in done if task.state in ACCEPTED]) + "]"
        files: dict[str, int] = {}
        if len(text) > values.INLINE:
            try:
                name = self.folder.put(text.encode(), ".json")
            except StoreError as error:  # the branches' own results are kept
                self._fail_group(group, error, f"step {group.path!r} failed: {error}")
                return
            files[name] = len(text)
            text = f'{{"$ref":"{name}"}}'
        self.accept(group, text, files)

    def is_closed(self, task: Task) -> bool:
        """Whether a group around a task has failed, so that the task must not start."""
        group = task.parent
        while group is not None and group.state != "failed":
            group = group.parent
        return group is not None

    def delay_before_retry(self, task: Task, error: BaseException | None) -> float | None:
        """Seconds to wait before another attempt; None if there is none."""
        options = task.step.options
        again = isinstance(error, options.retry_on) and not isinstance(error, FlowError)
        if not again or task.tries > options.retries or self.is_closed(task):
            return None
        from random import uniform

        return uniform(0, min(options.max_backoff_s, options.backoff_s * 2.0**task.tries))

    # --- changes -----------------------------------------------------------------------------------------------------

    def clear_changes(self) -> None:
        """Begin anew after a commit."""
        self.events: list[tuple[Any, ...]] = []
        self.files: dict[str, int] = {}
        self.codes: dict[bytes, str] = {}

    def note(self, kind: str, task: Task | None = None, **data: Any) -> None:
        """An event without a value."""
        path = None if task is None else task.path
        self._append(kind, path, None, None, None, _dumps(data) if data else None)

    def _append(
        self,
        kind: str,
        path: str | None,
        key: bytes | None,
        text: str | None,
        code: bytes | None,
        facts: str | None,
    ) -> int:
        # Only a run's owner appends, and only while its epoch holds, so that it can count by itself.
        self.seq = seq = self.seq + 1
        self.events.append(
            (self.number, seq, self._epoch_s + since_boot(), kind, path, key, text, code, facts)
        )
        return seq

    def is_behind(self) -> bool:
        """Whether the run's row has waited long enough for the next commit."""
        return self.behind and time.monotonic() - self._row_at >= ROW_EVERY_S

    def change(self) -> Change:
        """Everything since the last commit; the run's row too if its state is new or it has not been for a while."""
        now = time.monotonic()
        self.behind = self.state == self._row_state and now - self._row_at < ROW_EVERY_S
        if self.behind:
            return Change(self.number, self.row.epoch, self.events, None, self.files, self.codes)
        self._row_state, self._row_at = self.state, now
        owner = self.row.owner if self.state in ACTIVE else None
        row = (self.state, self.progress, owner, self.error, time.time() if self.state in ENDED else None)
        reuse, self._reuse = self._reuse, []
        return Change(self.number, self.row.epoch, self.events, row, self.files, self.codes, reuse)

    def outcome(self) -> str | None:
        """The state that the run comes to, as nothing is at work; None if it goes on."""
        if self.n_waiting and self.state == "running" and not self.failed:
            return None
        if self.state == "cancelling":
            return "cancelled"
        if self.failed:
            return "failed"
        if self.state == "pausing":
            return "paused"
        return None if self.ready else "done"


def since_boot() -> float:
    """Seconds that nobody sets, and that go on while a laptop sleeps, where the system can tell."""
    return time.clock_gettime(_BOOT_CLOCK) if _BOOT_CLOCK is not None else time.monotonic()


def fingerprint_of(step: Step) -> Fingerprint:
    """The fingerprint of a step's code as it is now."""
    known: Fingerprint | None = step.fingerprint
    if known is None or not is_fresh(known):
        more = () if step.options.when is None else (step.options.when,)
        known = step.fingerprint = fingerprint(step.function, *more)
    return known


def key_of(code: bytes, version: str, given: Given) -> bytes:
    """The key of a step's value: its code, its ``version`` and the texts of its arguments, which are sorted by name."""
    words = "\0".join([version, *[f"{parameter}={len(text)}:{text}" for parameter, text in given]])
    return blake2b(code + words.encode(), digest_size=16).digest()


@lru_cache(4096)
def _facts(source: str | None, contract: str, n_bytes: int) -> str | None:
    """What is told of a value, which thousands of events share: the run that it is from, its contract, its size."""
    facts = {"run": source, "n_bytes": n_bytes, "contract": contract}
    return _dumps({name: fact for name, fact in facts.items() if fact}) if any(facts.values()) else None


def item_labels(texts: list[str]) -> list[str]:
    """A name for each item: itself if it is a short text or a number, else the hash of it; told apart if equal."""
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        plain = _PLAIN_LABEL.fullmatch(text)
        label = plain[1] if plain is not None else blake2b(text.encode(), digest_size=4).hexdigest()
        seen[label] = seen.get(label, 0) + 1
        labels.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return labels
