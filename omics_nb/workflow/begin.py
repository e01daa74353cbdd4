"""How a run begins: its flow and inputs are checked, its inputs kept, its row written, all before anything runs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import FlowError
from . import values
from .contracts import check_given
from .executors import check_picklable
from .graph import Flow
from .live import Live, Start
from .opened import scheduler_of
from .store import Store


class Kept(NamedTuple):
    """An input that is text in the store already, from an earlier run."""

    text: str


def begin(
    flow: Flow, inputs: Mapping[str, object], store: Store, begun: Start, **told: Any
) -> tuple[str, Live | None]:
    """Check a flow and its inputs, record a run and have it driven; its id, and how it is here if it is driven here.

    ``told`` are columns of the run's row. The errors are those of :func:`~.run.start`.
    """
    flow.check_inputs(inputs)
    begun = begun._replace(contracts=check_given(flow, _plain(inputs)))
    for node in flow.nodes:
        if node.step.options.isolation == "process":
            check_picklable(node.step)
    given, files = _keep_inputs(inputs, store)
    full = {
        "uid": os.urandom(6).hex(),
        "flow": flow.name,
        "version": flow.version,
        "module": flow.module,
        "key": None,
        "environment": json.dumps(_environment()),
        "inputs": json.dumps(given),
        "output": flow.nodes[flow.place].path,
        "progress": 0.0,
        "epoch": 1,
        "created": time.time(),
        **told,
        "person": told.get("person") or _person(),
    }
    scheduler = scheduler_of(store)
    started, live = scheduler.call(scheduler.start, full, flow, files, begun)
    store.flush()  # while the first steps run
    if started.uid != full["uid"] and (started.flow, json.loads(started.inputs)) != (flow.name, given):
        raise FlowError(
            f"the key {started.key!r} is that of run {started.uid}, which has another flow or other inputs",
            run=started.uid,
        )
    return started.uid, live


def _plain(inputs: Mapping[str, object]) -> dict[str, object]:
    """Inputs as values; those of an earlier run, which were checked at its start, only where they are no files."""
    found: dict[str, object] = {}
    for name, value in inputs.items():
        if not isinstance(value, Kept):
            found[name] = value
        elif '"$' not in value.text:
            found[name] = json.loads(value.text)
    return found


def _keep_inputs(inputs: Mapping[str, object], store: Store) -> tuple[dict[str, str], dict[str, int]]:
    given: dict[str, str] = {}
    files: dict[str, int] = {}
    for name, value in inputs.items():
        if isinstance(value, Kept):
            given[name] = value.text
            continue
        try:
            given[name], some = values.encode(value, store.folder)
        except FlowError as error:
            raise FlowError(f"input {name!r}: {error}", input=name) from error
        files.update(some)
    return given, files


def flow_in(module: str, name: str, *, load: bool = True) -> Flow | None:
    """The flow of this name in a module, which is loaded if need be."""
    if load and module not in sys.modules:
        with contextlib.suppress(ImportError):
            import_module(module)
    found = (value for value in vars(sys.modules.get(module, object)).values() if isinstance(value, Flow))
    return next((flow for flow in found if flow.name == name), None)


def _person() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _environment() -> dict[str, str]:
    import platform

    return {"python": platform.python_version(), "platform": platform.platform(terse=True)}
