"""The quality sheet of single cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .markup import card, el, table
from .numbers import VERDICTS, decimal
from .plain import table_text, wrap
from .study import verdict_mark

if TYPE_CHECKING:
    from ..analysis.cell_quality import CellQuality

_HEADERS = ("Sample", "Cells", "Median counts", "Median genes", "Median % mito", "Stand out")


def cell_quality_html(found: CellQuality) -> str:
    checks = [(check.name, verdict_mark(check.verdict), check.sentence) for check in found.checks]
    return card(
        el("h3", f"Cells of {found.name}"),
        table("Checks", ("Check", "Verdict", "What was found"), checks),
        table("Samples", _HEADERS, _rows(found), numeric=range(1, 6)),
    )


def cell_quality_text(found: CellQuality) -> str:
    lines = [wrap(f"Cells of {found.name}: {len(found.cells):,}")]
    lines += [wrap(f"{VERDICTS[check.verdict]} {check.name}: {check.sentence}") for check in found.checks]
    return "\n".join([*lines, table_text(_HEADERS, list(_rows(found)), numeric=range(1, 6))])


def _rows(found: CellQuality) -> Iterator[tuple[object, ...]]:
    for name, row in found.samples.iterrows():
        counts, genes = (f"{row[column]:,.0f}" for column in ("median counts", "median genes"))
        yield (
            name,
            f"{row['cells']:,.0f}",
            counts,
            genes,
            decimal(row["median % mito"], 1),
            f"{row['stand out']:,.0f}",
        )
