"""Works measured side by side: each in a process of its own, by turns, timed inside of it.

Taking turns lets a busy machine slow all alike; a process of its own gives each its peak memory, and lets one fail
without the others. ``python -m tests.benchmarks.side_by_side MODULE FUNCTION ARGUMENT …`` is such a process: the
function prepares (imports, opens) and returns the work; each line on standard input runs it once.
"""

from __future__ import annotations

import importlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STATUS = Path("/proc/self/status")
# The same for R, whose start and loading of packages are not counted either.
_R_WORKER = """
suppressPackageStartupMessages(library(GEOquery))
peak <- function() {
  lines <- tryCatch(readLines("/proc/self/status"), warning = function(w) character(0))
  kb <- sub("VmHWM:\\\\s*(\\\\d+) kB", "\\\\1", grep("^VmHWM", lines, value = TRUE), perl = TRUE)
  if (length(kb)) as.numeric(kb) / 1024 else NA
}
path <- commandArgs(trailingOnly = TRUE)[1]
turns <- file("stdin", "r"); cat("{}\\n"); before <- peak()
while (length(readLines(turns, 1))) {
  took <- system.time(suppressMessages(found <- getGEO(filename = path, getGPL = FALSE)))
  memory <- peak() - before
  gave <- if (is(found, "ExpressionSet")) {
    m <- exprs(found)
    shape <- paste(format(dim(m), big.mark = ",", trim = TRUE), collapse = " × ")
    sprintf('"%s", "total": %.17g', shape, sum(m, na.rm = TRUE))
  } else sprintf('"%s samples"', format(length(GSMList(found)), big.mark = ","))
  memory <- if (is.na(memory)) "null" else memory
  cpu <- took[["user.self"]] + took[["sys.self"]]
  cat(sprintf('{"seconds": %.4f, "cpu": %.4f, "peak_mb": %s, "gave": %s}\\n', took[["elapsed"]], cpu, memory, gave))
}
"""


@dataclass(frozen=True)
class Work:
    """One row of a comparison: ``python`` is a function's dotted name, or None for GEOquery. ``rounds`` caps those of
    a slow one.
    """

    argument: Path | str
    python: str | None = None
    rounds: int = 99


@dataclass
class Measured:
    """Seconds of each round, by the clock and of all processors; MB at the peak of the first, above what importing
    took; what came out; or why nothing.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    gave: str = ""
    total: float | None = None
    failed: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu) if self.cpu else float("nan")


def measure(works: Mapping[str, Work], rounds: int) -> dict[str, Measured]:
    """Every work, by turns, ``rounds`` times."""
    with tempfile.TemporaryDirectory() as folder:
        processes = {
            name: _Process(work, Path(folder) / f"{i}") for i, (name, work) in enumerate(works.items())
        }
        try:
            for process in processes.values():
                process.answer()
            for turn in range(rounds):
                for name, work in works.items():
                    if turn < work.rounds:
                        processes[name].turn()
        finally:
            for process in processes.values():
                process.end()
    return {name: process.measured for name, process in processes.items()}


class _Process:
    def __init__(self, work: Work, log: Path) -> None:
        self.measured = Measured()
        self._log = log
        if work.python is None:
            command = ["Rscript", "-e", _R_WORKER, str(work.argument)]
        else:
            module, _, function = work.python.rpartition(".")
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.side_by_side",
                module,
                function,
                str(work.argument),
            ]
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            said = self._log.read_text(errors="replace").strip().splitlines()
            self.measured.failed = said[-1] if said else f"ended with {self._process.wait()}"
        return json.loads(line or "{}")

    def turn(self) -> None:
        if self.measured.failed:
            return
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said = self.answer()
        if said:
            first = not self.measured.seconds
            self.measured.seconds.append(said["seconds"])
            self.measured.cpu.append(said["cpu"])
            if first:
                self.measured.peak_mb, self.measured.gave = said["peak_mb"], said["gave"]
                self.measured.total = said.get("total")

    def end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()


def has_geoquery() -> bool:
    asked = 'quit(status = !nzchar(system.file(package = "GEOquery")))'
    return bool(shutil.which("Rscript")) and not subprocess.run(["Rscript", "-e", asked]).returncode


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    widths = [max(3, *(len(row[i]) for row in [heads, *rows])) for i in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        for row in [heads, rule, *rows]
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(title: str, found: Mapping[str, Measured], *, limit: str, ours: str) -> None:
    """Print medians beside the limit and ours. Where another's values add up to another sum, its row says so."""
    rows = []
    for name, one in found.items():
        if one.failed:
            rows.append([name, *"–––––", f"failed: {one.failed[:90]}"])
            continue
        total, right = one.total, found[ours].total
        differs = total is not None and right is not None and abs(total - right) > 1e-9 * abs(right)
        rows.append(
            [
                name,
                f"{one.median:.3f}",
                f"{one.median_cpu:.3f}",
                f"{one.median / found[limit].median:.1f}",
                f"{one.median / found[ours].median:.2f}",
                "–" if one.peak_mb is None else f"{one.peak_mb:,.0f}",
                one.gave + (", another sum" if differs else ""),
            ]
        )
    print(f"\n**{title}**\n")
    print(table(["", "median s", "CPU s", "× limit", "× ours", "peak MB", "gave"], rows), flush=True)


@dataclass(frozen=True)
class Goal:
    """What was wanted, and what was measured of it; ``met`` is None where it could not be measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None


def at_least(what: str, wanted: float, measured: float, unit: str = " ×") -> Goal:
    return _goal(what, f"≥ {wanted:g}{unit}", measured, measured >= wanted, unit)


def at_most(what: str, wanted: float, measured: float, unit: str = " ×") -> Goal:
    return _goal(what, f"≤ {wanted:g}{unit}", measured, measured <= wanted, unit)


def _goal(what: str, wanted: str, measured: float, met: bool, unit: str) -> Goal:
    if measured != measured:
        return Goal(what, wanted, "not measured", None)
    return Goal(what, wanted, f"{measured:,.3g}{unit}" if measured < 1000 else f"{measured:,.0f}{unit}", met)


def show_goals(goals: Sequence[Goal]) -> None:
    words = {True: "met", False: "not met", None: "–"}
    print("\n**Goals**\n")
    print(
        table(
            ["goal", "wanted", "measured", ""],
            [[goal.what, goal.wanted, goal.measured, words[goal.met]] for goal in goals],
        ),
        flush=True,
    )


# --- the process of one work -----------------------------------------------------------------------------------------


def main(module: str, function: str, argument: str) -> None:
    work: Callable[[], Any] = getattr(importlib.import_module(module), function)(argument)
    print("{}", flush=True)
    before = peak_mb()
    for turn, _ in enumerate(sys.stdin):
        start, cpu = time.perf_counter(), time.process_time()
        found = work()
        said: dict[str, Any] = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        if not turn:
            after = peak_mb()
            said["peak_mb"] = None if before is None or after is None else after - before
            said |= describe(found)
        del found
        if hasattr(work, "clear"):
            work.clear()
        print(json.dumps(said), flush=True)


def peak_mb() -> float | None:
    """Peak resident memory. Not getrusage: what that calls a child's peak includes the process it was forked from."""
    if not STATUS.exists():
        return None
    return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024


def describe(found: Any) -> dict[str, Any]:
    """What came out, as text, and for frames the sum of all numbers: a reader that lost some is not fast."""
    if found is None:
        return {"gave": ""}
    if isinstance(found, (str, int)):
        return {"gave": str(found)}
    frames = found if isinstance(found, list) else [found]
    shapes, total = [], 0.0
    for frame in frames:
        if hasattr(frame, "select_dtypes"):
            numbers = frame.select_dtypes("number")
            total += float(numbers.sum().sum())
        else:
            from polars import selectors

            numbers = frame.select(selectors.numeric())
            total += float(sum(numbers.sum().row(0)))
        shapes.append("{:,} × {:,}".format(*numbers.shape))
    return {"gave": ", ".join(shapes), "total": total}


if __name__ == "__main__":
    main(*sys.argv[1:])
