"""Runs of ordinary functions that survive anything and can be replayed; knows no biology.

A flow is a list of functions. A parameter names the step or the run input that it waits for::

    flow = Flow("full_analysis", [query, hits, study, quality, result, report], version="1")
    run = start(flow, {"question": "…"}, store=path)      # returns at once; the run is on disk
    run.result()                                          # or: await run
    run.state, run.progress, run.steps, run["hits"], run.events(after=0)
    run.cancel(); run.pause(); run.resume(); run.rerun(from_step="quality", with_={"platform": "GPL570"})
    open_run(path, run.id).resume()                       # in another process, after a crash
    list_runs(path, state="failed")

Public signatures::

    step(function, *, name=None, retries=0, retry_on=(Exception,), backoff_s=1.0, timeout_s=None, weight=1.0,
         cache=True, isolation=None, when=None, each=None, limit=None, on_failure="fail_fast", version="")
        # also a decorator: @step(retries=3)
    Flow(name, steps, *, version="1", output=None)        # FlowError when it is not well formed
    flow(**inputs)                                        # in memory, nothing recorded
    start(flow, inputs=None, *, store, name=None, key=None, tags=(), owner=None, executor=None) -> Run
    open_run(store, run_id, *, flow=None) -> Run          # RunNotFoundError
    list_runs(store, *, flow=None, state=None, tag=None, limit=100) -> list[Run]
    register(*types)                                      # dataclasses, NamedTuples, enums that values may hold
    prune(store, *, keep_days=30.0) -> Pruned
    Run: .id .name .flow_name .state .progress .steps .inputs .error .created .finished .tags .owner .parent .version
         .environment .packages
         .result(timeout=None)  await run  run["step"]  .events(after=0)
         .cancel() .pause() .resume(flow=None) .rerun(from_step=None, with_=None)
         .at(step=… | event=…) .explain(step) .diff(other)
    run states: running pausing paused cancelling cancelled done failed interrupted
    step states: waiting running retrying done reused skipped failed cancelled
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checks import Columns as Columns
from .context import Context as Context
from .graph import Flow as Flow
from .graph import Step as Step
from .graph import step as step
from .values import register as register

if TYPE_CHECKING:
    from .events import Event as Event
    from .events import StepInfo as StepInfo
    from .opened import close_store as close_store
    from .opened import open_store as open_store
    from .past import Past as Past
    from .pruning import prune as prune
    from .run import Run as Run
    from .run import list_runs as list_runs
    from .run import open_run as open_run
    from .run import start as start

_LATER = {
    "Run": "run",
    "StepInfo": "events",
    "close_store": "opened",
    "list_runs": "run",
    "open_run": "run",
    "open_store": "opened",
    "start": "run",
    "Event": "events",
    "Past": "past",
    "prune": "pruning",
}


def __getattr__(name: str) -> Any:
    # asyncio and sqlite3 are loaded once a run is: defining flows costs little.
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
