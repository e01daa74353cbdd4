"""A batch's rows as one table, and what recurs among their results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .kernel import GENES
from .ledger import RowInfo

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("row", "name", "state", "seconds", "peak_mb")


def records_of(rows: Iterable[RowInfo]) -> list[dict[str, Any]]:
    """One flat mapping a row. A parameter that bears the name of a column of ours gets ``parameter `` before it."""
    found = []
    for row in rows:
        figures = dict(row.result.get("figures") or {})
        record: dict[str, Any] = {
            "row": row.row,
            "name": row.name,
            "state": row.state,
            "seconds": None if row.seconds is None else round(row.seconds, 2),
            "peak_mb": row.result.get("peak_mb"),
            **{_apart(name): value for name, value in figures.items()},
        }
        for name, value in {**row.parameters, **row.remarks}.items():
            if name not in record:
                record[name] = value
            elif record[name] != value:
                record[f"parameter {name}"] = value
        record["error"] = row.error
        found.append(record)
    return found


def _apart(name: str) -> str:
    return f"figure {name}" if name in (*_FIRST, "error") else name


def columns_of(records: Sequence[dict[str, Any]]) -> list[str]:
    """Every column of these records, the row's own first, the error last."""
    names = dict.fromkeys(name for record in records for name in record)
    return [*(name for name in names if name != "error"), *(["error"] if names else [])]


def frame_of(rows: Sequence[RowInfo]) -> pd.DataFrame:
    """The summary as a frame, one row each."""
    import pandas as pd

    records = records_of(rows)
    return pd.DataFrame(records, columns=columns_of(records) or [*_FIRST, "error"])


def recurring(out: Path, rows: Sequence[RowInfo], *, at_least: int = 2) -> pd.DataFrame:
    """Genes by the number of comparisons that found them at adjusted P ≤ 0.05, most first.

    ``up`` and ``down`` count directions, ``median_logFC`` is over those comparisons, ``rows`` names them. A comparison
    that several rows made of the same study counts once.
    """
    import pandas as pd

    tables = []
    for row in rows:
        path = out / row.name / GENES
        if row.state == "done" and row.result.get("genes") and path.is_file():
            tables.append(pd.read_csv(path, keep_default_na=False, dtype={"gene": str}).assign(row=row.name))
    names = ["gene", "comparisons", "up", "down", "median_logFC", "rows"]
    if not tables:
        return pd.DataFrame(columns=names)
    whole = pd.concat(tables, ignore_index=True).drop_duplicates(["gene", "study", "comparison"])
    grouped = whole.groupby("gene", sort=False)
    found = pd.DataFrame(
        {
            "comparisons": grouped.size(),
            "up": grouped["logFC"].agg(lambda change: int((change > 0).sum())),
            "down": grouped["logFC"].agg(lambda change: int((change < 0).sum())),
            "median_logFC": grouped["logFC"].median(),
            "rows": grouped["row"].agg(" ".join),
        }
    ).reset_index()
    found = found[found["comparisons"] >= at_least]
    strength = found["median_logFC"].abs()
    order = found.assign(strength=strength).sort_values(
        ["comparisons", "strength", "gene"], ascending=[False, False, True], kind="stable"
    )
    return order[names].reset_index(drop=True)
