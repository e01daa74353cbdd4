"""Imported by the fork server of a batch's kernels: what a report needs is loaded, and drawn with, beforehand.

Fonts that matplotlib has found and formulas that formulaic has parsed stay with every fork. Nothing here starts a
thread, which no fork would have.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "formulaic",
    "httpx",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "omics_nb.agents.report",
    "omics_nb.batch.kernel",
    "omics_nb.geo.parsed",
    "omics_nb.geo.series_matrix",
    "omics_nb.reporting.export",
    "omics_nb.reporting.page",
    "omics_nb.workflow.frames",
    "omics_nb.workflow.run",
    "omics_nb.workflow.sqlite",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.stats",
)


def _draw() -> None:
    """Have the fonts found and the renderers made."""
    import io

    from matplotlib.figure import Figure

    for kind in ("svg", "png"):
        figure = Figure(figsize=(2, 2))
        axes = figure.subplots()
        axes.plot([1, 2], [1, 2], label="a")
        axes.set_title("Title", fontweight="bold")
        axes.set_xlabel("$x$ label", fontstyle="italic")
        axes.legend()
        figure.savefig(io.BytesIO(), format=kind)


def _design() -> None:
    """Have a formula parsed, which loads what formulaic loads late."""
    import pandas as pd
    from formulaic import model_matrix

    model_matrix("~ a", pd.DataFrame({"a": ["x", "y", "x"]}))


for _name in _MODULES:
    import_module(_name)
_draw()
_design()
