"""Runs in a process of their own, which outlive the kernel, the page or the shell that asked for them.

::

    run = detached.start("quick_report", accession="GSE9000001")
    run.state, run.events(after=0), run.cancel()  # from any process, as with every run

``prepare()`` has the next process ready before it is asked for: it has loaded the libraries by then, which takes longer
than many an analysis. The process owns its run, tells its id as soon as the run is on the disk, and ends with it. What
it is asked for and what it answers are pickles over its own pipes: both ends are this program, by the same user.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from .errors import FlowError, OmicsError, RunError

if TYPE_CHECKING:
    from pathlib import Path

    from .batch import Batch
    from .workflow import Flow, Run

#: What analyses and reports import as they go.
_LIBRARIES = (
    "pandas",
    "scipy.stats",
    "formulaic",
    "httpx",
    "omics_nb.flows",
    "omics_nb.sources.demo",
    "omics_nb.geo.study",
)


class _Around(NamedTuple):
    """What a process has of the one that started it: it would read a relative path or find a module by these."""

    environment: dict[str, str]
    folder: str
    path: list[str]


class _Ready(NamedTuple):
    """A process that waits to be asked, and what it was started in."""

    process: subprocess.Popen[bytes]
    around: _Around


_ready: list[_Ready] = []  # at most one; a list's pop is safe among threads


def start(flow: str | Flow, /, **inputs: Any) -> Run:
    """As ``flows.start``: the run, once it is on the disk. Raises what that raises.

    A flow of your own must be in a module that can be imported: FlowError for one that was made in a notebook.
    """
    return _ask("start", flow if isinstance(flow, str) else _place(flow), inputs)


def resume(run: Run) -> Run:
    """As ``run.resume()``."""
    return _ask("resume", run.id, {})


def rerun(run: Run, *, from_step: str | None = None, with_: Mapping[str, object] | None = None) -> Run:
    """As ``run.rerun()``: the new run."""
    return _ask("rerun", run.id, {"from_step": from_step, "with_": with_})


def start_batch(table: str | Path, notebook: str | Path, **options: Any) -> Batch:
    """As ``batch.start_batch``: the batch, once it is on the disk. Its process stays until its page is written."""
    return _batch(_answer_to("batch", (table, notebook), options))


def resume_batch(batch: Batch, *, retry_failed: bool = False) -> Batch:
    """As ``batch.resume()``; a cancelled one becomes a new one."""
    return _batch(_answer_to("resume_batch", batch.id, {"retry_failed": retry_failed}))


def _batch(batch_id: str) -> Batch:
    from .batch import get_batch

    return get_batch(batch_id)


def can_import(flow: Flow) -> bool:
    """Whether another process can find a flow: it is in a module, not in a notebook."""
    found = vars(sys.modules.get(flow.module, object)).values()
    return flow.module != "__main__" and any(item is flow for item in found)


def _place(flow: Flow) -> tuple[str, str]:
    if not can_import(flow):
        raise FlowError(
            f"flow {flow.name!r} is in no module that another process could import; "
            "put it into a file, or start it here: omics_nb.start(flow)",
            flow=flow.name,
        )
    return flow.module, flow.name


def _ask(verb: str, what: object, options: Mapping[str, object]) -> Run:
    from . import flows

    return flows.get_run(_answer_to(verb, what, options))


def _answer_to(verb: str, what: object, options: Mapping[str, object]) -> str:
    """The id of the run or batch that a process of its own has begun."""
    process = _taken() or _spawn()
    said, complained = _exchange(process, pickle.dumps((verb, what, dict(options))))
    # Its end is waited for, so that it leaves no zombie.
    threading.Thread(target=process.wait, name="detached-run", daemon=True).start()
    if not said:
        why = complained.decode(errors="replace").strip().splitlines()
        raise RunError(f"the process for the run did not begin: {why[-1] if why else 'it said nothing'}")
    answer = pickle.loads(said)  # noqa: S301 - from our own process, see above
    if isinstance(answer, Exception):
        raise answer
    return str(answer)


def prepare() -> None:
    """Start the process for the next run now. It waits without a limit, and ends with this one if it is not asked."""
    if not _ready:
        _ready.append(_Ready(_spawn("prepared"), _around()))


def _around() -> _Around:
    return _Around(dict(os.environ), os.getcwd(), list(sys.path))  # noqa: PTH109 - compared, not used


def _taken() -> subprocess.Popen[bytes] | None:
    """The process that was prepared, unless it is gone or what is around is no longer what it was made for."""
    try:
        process, around = _ready.pop()
    except IndexError:
        return None
    if process.poll() is None and around == _around():
        return process
    with suppress(OSError):
        process.communicate()
    return None


def _spawn(word: str = "") -> subprocess.Popen[bytes]:
    # A session of its own: what ends a kernel or a terminal with all that belongs to it must not end the run.
    return subprocess.Popen(  # noqa: S603 - this program, with one of two words of ours
        [sys.executable, "-m", "omics_nb.detached", word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )


def _exchange(process: subprocess.Popen[bytes], request: bytes) -> tuple[bytes, bytes]:
    """What the process answers before it closes its output, and what it complained of where it answered nothing."""
    asked, answered, complaints = (
        cast("IO[bytes]", pipe) for pipe in (process.stdin, process.stdout, process.stderr)
    )
    with suppress(BrokenPipeError), asked:
        asked.write(request)
    with answered, complaints:
        said = answered.read()
        return said, b"" if said else complaints.read()


def _serve() -> None:
    """Do what standard input asks for, say which run that is, and stay until it ends."""
    if "prepared" in sys.argv:
        _load()
    try:
        verb, what, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process, see above
    except EOFError:  # it was prepared, and whoever did so has ended
        return
    try:
        begun = _begin(verb, what, options)
    except OmicsError as error:
        _answer(error)
        return
    _answer(begun.id)
    # Why it ended is in the store, where whoever follows it reads it.
    with suppress(OmicsError):
        if verb in ("batch", "resume_batch"):
            begun.wait()  # until its page and its mail are written too
        else:
            begun.result()


def _load() -> None:
    """What a run does before its first step: libraries are imported, and the code of its steps is read."""
    for name in _LIBRARIES:
        import_module(name)
    from . import flows
    from .workflow.live import fingerprint_of

    for flow in flows.list_flows():
        for node in flow.nodes:
            fingerprint_of(node.step)


def _begin(verb: str, what: Any, options: dict[str, Any]) -> Any:
    """The run or the batch."""
    from . import batch, flows
    from .workflow import Flow

    if verb == "batch":
        return batch.start_batch(*what, **options)
    if verb == "resume_batch":
        return batch.get_batch(what).resume(**options)
    if verb == "start":
        if not isinstance(what, str):
            module, name = what
            known = vars(import_module(module)).values()
            what = next(flow for flow in known if isinstance(flow, Flow) and flow.name == name)
        return flows.start(what, **options)
    run = flows.get_run(what)
    return run.resume() if verb == "resume" else run.rerun(**options)


def _answer(answer: object) -> None:
    """Write the one answer and let go of the pipes, which end with whoever asked."""
    with sys.stdout.buffer as out:
        pickle.dump(answer, out)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the process ends


if __name__ == "__main__":
    _serve()
