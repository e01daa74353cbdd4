"""The report of a study of 54,675 × 200, from the parsed study to files, and its figures, against their limits.

Prints wall and CPU seconds of each step with its share. On a machine that others use as well, the CPU seconds are what
to read: wall seconds hold the waits for a core.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omics_nb.analysis.de import differential_expression
from omics_nb.analysis.quality import quality
from omics_nb.figures import Figure
from omics_nb.records import FileRecord, Study
from omics_nb.reporting import build_report
from omics_nb.reporting.build import draw_figures
from omics_nb.reporting.export import save_formats

N_FEATURES, N_SAMPLES, N_CHANGED = 54_675, 200, 2_000
LIMIT_S, FIGURES_LIMIT_S = 20.0, 8.0
#: Modules whose import is not part of the work.
_LOADED = ("matplotlib.backends.backend_svg", "scipy.stats", "formulaic", "papermill")


@dataclass
class Clock:
    """Steps in order: name, wall and CPU seconds."""

    steps: list[tuple[str, float, float]]

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        made = work()
        self.steps.append((name, time.perf_counter() - wall, time.process_time() - cpu))
        return made


def made_study() -> Study:
    """Log2 values of two groups in two batches, one in 27 features changed, a symbol for each feature."""
    rng = np.random.default_rng(7)
    values = rng.normal(8, 2, (N_FEATURES, 1)) + rng.normal(0, 0.5, (N_FEATURES, N_SAMPLES))
    values[:N_CHANGED, N_SAMPLES // 2 :] += rng.choice([-1.5, 1.5], (N_CHANGED, 1))
    samples = [f"GSM{i + 1}" for i in range(N_SAMPLES)]
    features = pd.Index([f"{i}_at" for i in range(N_FEATURES)], name="ID")
    half = N_SAMPLES // 2
    sheet = pd.DataFrame(
        {
            "title": samples, "source_name": "cells", "organism": "Homo sapiens", "platform": "GPL570",
            "agent": ["vehicle"] * half + ["drug"] * half, "batch": ["1", "2"] * half,
        },
        index=samples,
    )  # fmt: skip
    return Study(
        accession="GSE1", title="A study of two hundred arrays", summary="", overall_design="",
        organisms=("Homo sapiens",), types=("Expression profiling by array",), published=None, samples=sheet,
        matrices={"GPL570": pd.DataFrame(values, index=features, columns=samples)},
        features={"GPL570": pd.DataFrame({"symbol": [f"GENE{i}" for i in range(N_FEATURES)]}, index=features)},
        value_kind="expression", source="made", synthetic=True,
        files=(FileRecord("x.txt.gz", "https://example.org/", 1, "0" * 64, "2026-01-01T00:00:00+00:00"),),
    )  # fmt: skip


def drawn(figures: tuple[Figure, ...]) -> int:
    return sum(len(figure.to_svg()) for figure in figures)


def main() -> None:
    for name in _LOADED:
        importlib.import_module(name)
    study, clock = made_study(), Clock([])
    judged = clock.run("quality", lambda: quality(study, platform="GPL570", factor="agent"))
    result = clock.run(
        "differential expression",
        lambda: differential_expression(
            study, contrast=("agent", "drug", "vehicle"), design="~ batch + agent"
        ),
    )
    figures, _ = clock.run("figures as values", lambda: draw_figures(study, result))
    clock.run("figures as SVG", lambda: drawn(figures))
    report = clock.run(
        "report as a value", lambda: build_report(study, result, quality=judged, figures=figures)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        clock.run("page (draws again), JSON, CSV", lambda: report.save(path))
        # The page draws the figures itself: what they took before is not counted twice for the whole.
        in_all, cpu = (sum(s[i] for s in clock.steps) - clock.steps[3][i] for i in (1, 2))
        of_figures, figures_cpu = (clock.steps[2][i] + clock.steps[3][i] for i in (1, 2))
        for kind in (*("markdown", "xlsx", "h5ad"), *(["pdf"] if find_spec("weasyprint") else [])):
            clock.run(f"  also: {kind}", lambda kind=kind: save_formats(report, path, [kind]))  # type: ignore[misc]
    print(f"report of {N_FEATURES:,} × {N_SAMPLES}, {len(figures)} figures")
    for name, wall, used in clock.steps:
        print(f"  {name:<34} {wall:6.2f} s   CPU {used:6.2f} s   {wall / in_all:6.1%} of the report")
    print(f"report: {in_all:.1f} s (CPU {cpu:.1f} s), {in_all / LIMIT_S:.2f} of the limit of {LIMIT_S:g} s")
    share = of_figures / FIGURES_LIMIT_S
    print(
        f"figures: {of_figures:.1f} s (CPU {figures_cpu:.1f} s), {share:.2f} of the limit of {FIGURES_LIMIT_S:g} s"
    )


if __name__ == "__main__":
    main()
