"""A batch's rows as one table, and what recurs among their results."""

from __future__ import annotations

import json
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
        given = {name: as_cell(value) for name, value in row.parameters.items()}
        for name, value in {**given, **row.remarks}.items():
            if name not in record:
                record[name] = value
            elif record[name] != value:
                record[f"parameter {name}"] = value
        record["error"] = row.error
        found.append(record)
    return found


def as_cell(value: Any) -> Any:
    """A parameter's value as a table's cell is read: texts of a list parted by ``;`` where that is unambiguous."""
    if not isinstance(value, (list, dict)):
        return value
    plain = isinstance(value, list) and all(
        isinstance(item, str) and item.strip() == item and item and ";" not in item for item in value
    )
    if plain and value and not value[0].startswith("["):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _apart(name: str) -> str:
    return f"figure {name}" if name in (*_FIRST, "error") else name


def columns_of(records: Sequence[dict[str, Any]]) -> list[str]:
    """Every column of these records, the row's own first, the error last."""
    names = dict.fromkeys(name for record in records for name in record)
    return [*(name for name in names if name != "error"), *(["error"] if names else [])]


def frame_of(rows: Sequence[RowInfo]) -> pd.DataFrame:
    """The summary as a frame, one row each. Whole numbers stay such where others are missing (``Int64``)."""
    import pandas as pd

    records = records_of(rows)
    frame = pd.DataFrame(records, columns=columns_of(records) or [*_FIRST, "error"])
    whole = [name for name in columns_of(records) if _is_whole([record.get(name) for record in records])]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _is_whole(values: Sequence[Any]) -> bool:
    told = [value for value in values if value is not None]
    return bool(told) and all(type(value) is int and abs(value) < 2**63 for value in told)


def recurring(out: Path, rows: Sequence[RowInfo], *, at_least: int = 2) -> pd.DataFrame:
    """Genes by the number of studies that found them at adjusted P ≤ 0.05, most first.

    ``at_least`` so many studies: two comparisons of one share samples, so that a gene in both is no second finding.
    ``comparisons`` counts different ones; the same one of several rows, whichever side is its reference, counts once.
    ``up`` and ``down`` count directions, ``median_logFC`` is over the comparisons, ``rows`` names all rows.
    """
    import pandas as pd

    tables = []
    for row in rows:
        path = out / row.name / GENES
        if row.state == "done" and row.result.get("genes") and path.is_file():
            tables.append(pd.read_csv(path, keep_default_na=False, dtype={"gene": str}).assign(row=row.name))
    names = ["gene", "studies", "comparisons", "up", "down", "median_logFC", "rows"]
    if not tables:
        return pd.DataFrame(columns=names)
    every = pd.concat(tables, ignore_index=True)
    told = every["comparison"].map(_same_comparison)
    whole = every.assign(told=told).drop_duplicates(["gene", "study", "told"])
    grouped = whole.groupby("gene", sort=False)
    found = pd.DataFrame(
        {
            "studies": grouped["study"].nunique(),
            "comparisons": grouped.size(),
            "up": grouped["logFC"].agg(lambda change: int((change > 0).sum())),
            "down": grouped["logFC"].agg(lambda change: int((change < 0).sum())),
            "median_logFC": grouped["logFC"].median(),
            "rows": every.groupby("gene", sort=False)["row"].agg(lambda row: " ".join(dict.fromkeys(row))),
        }
    ).reset_index()
    found = found[found["studies"] >= at_least]
    strength = found["median_logFC"].abs()
    order = found.assign(strength=strength).sort_values(
        ["studies", "comparisons", "strength", "gene"], ascending=[False, False, False, True], kind="stable"
    )
    return order[names].reset_index(drop=True)


def _same_comparison(text: str) -> str:
    """A comparison without its direction, which is told by the sign of the change."""
    factor, mark, sides = text.rpartition(": ")
    return factor + mark + " vs ".join(sorted(sides.split(" vs ")))
