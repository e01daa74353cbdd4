"""What a row's notebook may say to its batch, and what the batch asks the kernel at the end.

A notebook tells its key figures by :func:`tell`; results and reports of omics_nb that it made are found by themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from .secrets import secret as secret

if TYPE_CHECKING:
    from ..records import DEResult
    from ..workflow import Run

MIME = "application/vnd.omics-nb.row+json"
FOLDER = "OMICS_BATCH_FOLDER"
RUN_KEY = "OMICS_BATCH_KEY"
GENES = "genes.csv"
_ADJ_P = 0.05
_THUMB_DPI = 50
_told: dict[str, Any] = {}


def tell(**figures: str | int | float | bool | None) -> None:
    """Put figures into the batch's summary, one column each: ``batch.tell(n_cells=4120, verdict="good")``."""
    for name, value in figures.items():
        if not isinstance(value, (str, int, float, bool, type(None))):
            raise SettingsError(
                f"the figure {name} is a text, a number or a bool, not {value!r}", figure=name
            )
    _told.update(figures)


def run_flow(name: str, inputs: Mapping[str, Any]) -> Run:
    """The flow's run of this row: begun, or gone on with where an earlier attempt left it."""
    from .. import flows
    from .declared import find_flow

    given = {key: value for key, value in inputs.items() if value is not None}
    source = given.pop("source", None)
    flow = find_flow(name)
    run = flows.start(flow, source=source, key=os.environ.get(RUN_KEY), **given)
    return run.resume(flow=flow) if run.state in ("failed", "paused", "interrupted") else run


def keep(value: Any, out: str | None) -> None:
    """Save what a flow gave beside its notebook: a report as its page, a frame as CSV; the rest is in the notebook."""
    if out is None:
        return
    folder = Path(out).with_suffix("")
    if hasattr(value, "save") and hasattr(value, "findings"):
        value.save(out)
    elif hasattr(value, "to_csv"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        value.to_csv(Path(out).with_name("table.csv"), index=False)


def collect(names: Mapping[str, Any]) -> None:
    """Show the key figures of what a notebook has made, for the batch alone."""
    from IPython.display import display

    folder = Path(os.environ[FOLDER])
    results = _results(names)
    figures: dict[str, Any] = {}
    if len(results) == 1:
        figures = _figures_of(results[0])
    elif results:
        figures = {"comparisons": len(results)}
    genes = _write_genes(results, folder) if results else 0
    told = {"figures": {**figures, **_told}, "genes": genes, "thumb": _write_thumb(names, folder)}
    display({MIME: told}, raw=True)


def _values(names: Mapping[str, Any]) -> list[Any]:
    return [value for name, value in names.items() if not name.startswith("_")]


def _results(names: Mapping[str, Any]) -> list[DEResult]:
    """Every result among a notebook's variables, alone or in a report, each once."""
    from ..records import DEResult
    from ..reporting import Report

    found: dict[tuple[str, ...], DEResult] = {}
    for value in _values(names):
        result = value.result if isinstance(value, Report) else value
        if isinstance(result, DEResult):
            found.setdefault((result.accession, result.platform, str(result.contrast), result.method), result)
    return list(found.values())


def _figures_of(result: DEResult) -> dict[str, Any]:
    found = result.significant(adj_p=_ADJ_P)
    change = found[result.columns.change]
    best = [
        str(symbol or feature) for feature, symbol in zip(found.index[:5], found["symbol"][:5], strict=True)
    ]
    return {
        "study": result.accession,
        "comparison": str(result.contrast),
        "samples": sum(len(group) for group in result.groups.values()),
        "tested": result.n_tested,
        "up": int((change > 0).sum()),
        "down": int((change < 0).sum()),
        "best genes": " ".join(best),
        "synthetic": bool(result.synthetic),
    }


def _write_genes(results: list[DEResult], folder: Path) -> int:
    """Every gene with adjusted P ≤ 0.05 of every result, the best of its features; gives how many there are."""
    import pandas as pd

    tables = []
    for result in results:
        found = result.significant(adj_p=_ADJ_P)
        pairs = zip(found.index, found["symbol"].fillna(""), strict=True)
        genes = [str(symbol or feature) for feature, symbol in pairs]
        table = pd.DataFrame(
            {
                "gene": genes,
                "logFC": found[result.columns.change].to_numpy(),
                "adj_p": found[result.columns.adj_p].to_numpy(),
            }
        )
        tables.append(
            table.drop_duplicates("gene").assign(study=result.accession, comparison=str(result.contrast))
        )
    folder.mkdir(parents=True, exist_ok=True)
    whole = pd.concat(tables, ignore_index=True)
    whole.to_csv(folder / GENES, index=False, lineterminator="\n")
    return len(whole)


def _write_thumb(names: Mapping[str, Any], folder: Path) -> str | None:
    """The first figure of a report, as a picture of its own; its name, None where there is none."""
    from ..figures import Figure
    from ..reporting import Report

    for value in _values(names):
        figures = (
            value.figures if isinstance(value, Report) else (value,) if isinstance(value, Figure) else ()
        )
        volcano = sorted(figures, key=lambda figure: figure.name != "volcano")
        if volcano:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "thumb.png").write_bytes(volcano[0].to_png(dpi=_THUMB_DPI))
            return "thumb.png"
    return None
