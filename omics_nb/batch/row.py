"""One row of a batch, from its parameters to its files: the step that the runner runs for each row."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .. import errors
from ..errors import RowError
from ..workflow import Context
from . import kernel
from .execute import Ended, Execution, Limits
from .places import Places, fingerprint, is_whole, read_record, stop_marker, write_record, write_whole
from .secrets import PREFIX, hide
from .thumbs import write_thumb

_MARK = "omics-batch"
_STOP_EVERY_S = 1.0
_TELL_EVERY_S = 0.5
#: What may be asked of a cell's traceback and of an error's words in a record, in characters.
_LONGEST = 4_000


class Plan(NamedTuple):
    """What all rows of a batch share; plain values, as they are kept in the store."""

    name: str
    target: str
    out: str
    cwd: str
    kernel: str = ""
    source: str = ""
    row_timeout_s: float | None = None
    cell_timeout_s: float | None = None
    memory_mb: float | None = None
    retries: int = 0
    threads: int = 0
    html: bool = True
    fresh: bool = False
    jobs: int = 1
    forks: bool = False
    fail_fast: bool = False
    mail: tuple[str, ...] = ()
    link: str = ""
    previous: str = ""
    table: str = ""
    table_sha256: str = ""


def run_row(row: Mapping[str, Any], plan: Mapping[str, Any], notebook: str, ctx: Context) -> dict[str, Any]:
    """Run a row's notebook and keep it; gives what the batch's summary says of it.

    A row that is done already, by the same code, values and data and with all its files, is left as it is. RowError of
    the kind that fits if it does not come to its end; its notebook is kept as far as it came all the same.
    """
    shared = Plan(**{**plan, "mail": tuple(plan.get("mail", ()))})
    places = Places(Path(shared.out), str(row["name"]))
    before = read_record(places)
    same = before.get("key") == row["key"]
    mine = before.get("batch") == ctx.run
    if same and (mine or not shared.fresh) and is_whole(places, before):
        return {**_summary(before), "kept": not mine}
    if same and mine and before.get("state") in ("failed", "timed out"):
        raise _error(before)
    attempts = int(before.get("attempts", 0)) if mine and same else 0
    for turn in range(shared.retries + 1):
        record = _attempt(row, shared, places, notebook, ctx, attempts + turn + 1)
        if record["state"] == "done":
            return {**_summary(record), "kept": False}
        if record["error"]["type"] != "KernelDiedError":
            break
    raise _error(record)


def _summary(record: Mapping[str, Any]) -> dict[str, Any]:
    wanted = (
        "row",
        "name",
        "seconds",
        "cell_seconds",
        "peak_mb",
        "attempts",
        "figures",
        "genes",
        "thumb",
        "report",
    )
    return {name: record.get(name) for name in wanted}


def _error(record: Mapping[str, Any]) -> RowError:
    told = record["error"]
    found = getattr(errors, str(told["type"]), errors.RowFailedError)
    kind = found if isinstance(found, type) and issubclass(found, RowError) else errors.RowFailedError
    return kind(str(told["message"]), row=record["row"], cell=record.get("cell"))


def _attempt(
    row: Mapping[str, Any], plan: Plan, places: Places, notebook: str, ctx: Context, attempt: int
) -> dict[str, Any]:
    began = time.time()
    record: dict[str, Any] = {
        "batch": ctx.run,
        "row": row["row"],
        "name": places.name,
        "key": row["key"],
        "state": "running",
        "parameters": row["parameters"],
        "remarks": row.get("remarks", {}),
        "attempts": attempt,
        "began": began,
        "machine": socket.gethostname(),
        "pid": os.getpid(),
    }
    _clear(places, read_record(places))
    write_record(places, record)
    made = _prepared(notebook, row, plan, places)
    _save(made, places, plan, {**record})
    with tempfile.TemporaryDirectory(prefix="omics-") as sockets:
        execution = Execution(
            made,
            kernel=plan.kernel or made.metadata.get("kernelspec", {}).get("name", "python3"),
            cwd=plan.cwd,
            env=_environment(plan, places, f"{ctx.run}/{places.name}"),
            limits=Limits(plan.row_timeout_s, plan.cell_timeout_s, plan.memory_mb),
            folder=places.folder,
            stopped=_stop_asked(plan, ctx),
            tell=_teller(ctx),
            last=_last_words(made),
            forks=plan.forks,
        )

        def after(ended: Ended) -> None:
            record.update(_outcome(ended, made, places))
            _advise(record)
            record["files"] = _save(made, places, plan, record) | _marks(places)
            write_record(places, record)

        execution.run(Path(sockets), after)
    return record


def _clear(places: Places, before: Mapping[str, Any]) -> None:
    """Remove what an earlier attempt left of itself: none of it may stand beside what this one gives."""
    made = (kernel.GENES, "thumb.png", "report.html", "report.json", "report.csv")
    known = [name for name in before.get("files", ()) if ".." not in Path(name).parts]
    for path in (
        places.html,
        *(places.folder / name for name in made),
        *(places.out / name for name in known),
    ):
        path.unlink(missing_ok=True)


def _stop_asked(plan: Plan, ctx: Context) -> Callable[[], bool]:
    """Whether the row shall stop: its runner says so here, and the marker does on another machine."""
    marker = stop_marker(Path(plan.out), ctx.run)
    looked = 0.0

    def ask() -> bool:
        nonlocal looked
        if ctx.stopped:
            return True
        now = time.monotonic()
        if now - looked < _STOP_EVERY_S:
            return False
        looked = now
        return marker.exists()

    return ask


def _teller(ctx: Context) -> Callable[[int, int], None]:
    """Tells the runner which cell a row is at, no more often than people can read and the store likes."""
    told = time.monotonic()

    def tell(done: int, n: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _TELL_EVERY_S and not ctx.stopped:
            told = now
            ctx.progress(done / n, f"cell {done + 1} of {n}")

    return tell


def _last_words(notebook: Any) -> str:
    language = notebook.metadata.get("kernelspec", {}).get("language") or notebook.metadata.get(
        "language_info", {}
    ).get("name")
    if language not in ("python", None):
        return ""
    return (
        "import sys as _sys\n"
        "if 'omics_nb' in _sys.modules:\n"
        "    from omics_nb.batch import kernel as _kernel\n"
        "    _kernel.collect(dict(globals()))\n"
    )


def _environment(plan: Plan, places: Places, run_key: str) -> dict[str, str]:
    env = {**os.environ, kernel.FOLDER: str(places.folder), kernel.RUN_KEY: run_key}
    if plan.source:
        env["OMICS_SOURCE"] = plan.source
    if plan.threads:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
            env.setdefault(name, str(plan.threads))
    return env


def _prepared(notebook: str, row: Mapping[str, Any], plan: Plan, places: Places) -> Any:
    """The notebook with the row's values in a cell after its ``parameters``, as papermill puts them there."""
    import nbformat
    from papermill.parameterize import parameterize_notebook

    given = dict(row["parameters"])
    if row.get("out"):
        given["out"] = str(places.folder / "report.html")
    read = nbformat.reads(notebook, as_version=4)
    read.metadata.papermill = {"version": "", "input_path": plan.target, "output_path": places.notebook.name}
    name = read.metadata.get("kernelspec", {}).get("name", "python3")
    language = read.metadata.get("kernelspec", {}).get("language", "python")
    for cell in read.cells:
        cell.metadata.setdefault("tags", [])
    return parameterize_notebook(read, given, kernel_name=name, language=language) if given else read


def _outcome(ended: Ended, notebook: Any, places: Places) -> dict[str, Any]:
    """How an attempt ended, as its record says it."""
    told = (ended.extra or {}).get(kernel.MIME, {})
    found: dict[str, Any] = {
        "state": ended.state,
        "ended": time.time(),
        "seconds": round(ended.seconds, 3),
        "cell_seconds": round(ended.cell_seconds, 3),
        "peak_mb": round(ended.peak_mb, 1),
        "figures": told.get("figures", {}),
        "genes": told.get("genes", 0),
        "thumb": told.get("thumb") or write_thumb(notebook, places.folder),
        "report": "report.html"
        if (places.folder / "report.html").is_file() and ended.state == "done"
        else None,
    }
    if ended.state != "done":
        code = [at for at, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        cell = code.index(ended.cell) + 1 if ended.cell in code else None
        where = (
            f"cell {cell} ({_first_line(notebook.cells[ended.cell].source)}): "
            if cell and ended.cell is not None
            else ""
        )
        found["cell"] = cell
        found["error"] = {"type": ended.error, "message": (where + ended.message)[:_LONGEST]}
    return found


def _advise(record: dict[str, Any]) -> None:
    """A run within a row is not resumed by itself: its row is."""
    error = record.get("error")
    if error:
        retry = f"omics-nb batch retry {record['batch']} --failed"
        error["message"] = error["message"].replace("mend it, then run.resume()", f"mend it, then: {retry}")


def _first_line(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return line if len(line) <= 60 else line[:57] + "…"


def _save(notebook: Any, places: Places, plan: Plan, record: Mapping[str, Any]) -> dict[str, list[int]]:
    """Write the notebook, and the page of one that is no longer at work; names and marks of the files."""
    _mark(notebook, plan, record)
    secrets = [
        value
        for value in record["parameters"].values()
        if isinstance(value, str) and value.startswith(PREFIX)
    ]
    text = hide(json.dumps(notebook, ensure_ascii=False, indent=1), secrets)
    write_whole(places.notebook, text + "\n")
    files = [places.notebook]
    if record["state"] != "running" and plan.html:
        from .page import page_of

        write_whole(places.html, hide(page_of(notebook, places.name), secrets))
        files.append(places.html)
    return {path.name: fingerprint(path) for path in files}


def _marks(places: Places) -> dict[str, list[int]]:
    """The files in a row's folder, by which it is seen later whether they are all there as they were."""
    found = [path for path in places.folder.rglob("*") if path.is_file() and path != places.record]
    return {path.relative_to(places.out).as_posix(): fingerprint(path) for path in sorted(found)}


def _mark(notebook: Any, plan: Plan, record: Mapping[str, Any]) -> None:
    """Say in the notebook itself how it ended, for people and for programs."""
    import nbformat

    shown = ("batch", "row", "name", "state", "cell", "error", "seconds", "peak_mb", "attempts", "machine")
    notebook.metadata["omics_batch"] = nbformat.from_dict(
        {k: record[k] for k in shown if record.get(k) is not None}
    )
    told = notebook.metadata.get("papermill")
    if told is not None:
        told["exception"] = record["state"] not in ("running", "done")
        told["duration"] = record.get("seconds")
    notebook.cells = [cell for cell in notebook.cells if _MARK not in cell.metadata.get("tags", [])]
    error = record.get("error")
    if error:
        titles = {"timed out": "Timed out", "cancelled": "Cancelled"}
        where = f"row {record['row']} of the batch `{plan.name}` stopped here"
        title = titles.get(str(record["state"]), "Failed")
        words = f"**{title}**: {where}.\n\n```\n{error['message']}\n```"
        cell = nbformat.v4.new_markdown_cell(words, metadata={"tags": [_MARK]})
        notebook.cells.insert(0, cell)


if sys.platform == "win32":  # the kernels' sockets need this loop there
    import asyncio

    asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
