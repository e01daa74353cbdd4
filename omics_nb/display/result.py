"""A result of differential expression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, facts, fold, join, notes, source_line, table
from .numbers import counted, decimal, p_value
from .plain import source_text, table_text, wrap

if TYPE_CHECKING:
    import pandas as pd

    from ..records import DEResult

THRESHOLDS = ((0.05, 0.0), (0.05, 1.0), (0.01, 0.0), (0.01, 1.0))
_TOP_SHOWN = 15


def result_html(result: DEResult) -> str:
    heading = el("h3", accession_link(result.accession, synthetic=result.synthetic), " ", result.contrast)
    return card(
        heading, result_body(result, n_top=_TOP_SHOWN), fold("Samples in each group", groups_table(result))
    )


def result_body(result: DEResult, *, n_top: int) -> Html:
    """Source, design, counts at the thresholds and the rows with the smallest P."""
    return join(
        [
            source_line(result.source, synthetic=result.synthetic),
            facts(result_facts(result)),
            notes(result.notes, kind="warn"),
            counts_table(result),
            top_table(result, n=n_top),
        ]
    )


def result_facts(result: DEResult) -> Iterator[tuple[str, object]]:
    """Groups, design, method, platform, features and scale, as names and texts."""
    tested, reference = (len(result.groups.get(side, ())) for side in ("tested", "reference"))
    yield "Tested", f"{result.contrast.tested} ({counted(tested, 'sample')})"
    yield "Reference", f"{result.contrast.reference} ({counted(reference, 'sample')})"
    yield "Design", el("code", result.design)
    yield "Method", result.method
    yield "Platform", result.platform
    yield "Features tested", f"{result.n_tested:,} of {len(result.table):,}"
    yield "Scale", result.scale_decision


def counts_at(result: DEResult, adj_p: float, min_abs_logfc: float) -> tuple[int, int]:
    """How many features are higher and lower in the tested group at these thresholds."""
    found = result.significant(adj_p, min_abs_logfc)[result.columns.change]
    return int((found > 0).sum()), int((found < 0).sum())


def counts_table(result: DEResult) -> Html:
    """Features higher and lower in the tested group at the usual thresholds."""
    rows = []
    for adj_p, logfc in THRESHOLDS:
        up, down = counts_at(result, adj_p, logfc)
        rows.append((threshold_text(result, adj_p, logfc), f"{up:,}", f"{down:,}", f"{up + down:,}"))
    tested = result.contrast.tested
    headers = ("Threshold", f"Higher in {tested}", f"Lower in {tested}", "Both")
    return table("Features that differ", headers, rows, numeric={1, 2, 3})


def threshold_text(result: DEResult, adj_p: float, min_abs_logfc: float) -> str:
    """A threshold in words of the table's columns."""
    names = result.columns
    change = f" and |{names.change}| ≥ {min_abs_logfc:g}" if min_abs_logfc else ""
    return f"{names.adj_p} ≤ {adj_p:g}{change}"


def top_table(result: DEResult, *, n: int) -> Html:
    """The ``n`` features with the smallest P."""
    top = _top(result, n)
    headers = ("Feature", "Symbol", *_number_columns(top))
    rows = list(_top_rows(top))
    return table(
        f"The {len(rows)} features with the smallest P", headers, rows, numeric=range(2, len(headers))
    )


def _top(result: DEResult, n: int) -> pd.DataFrame:
    """The rows to show; ``reason`` (why a feature has no result) only where one of them has none."""
    top = result.top(n)
    return top.drop(columns="reason", errors="ignore") if top[result.columns.p].notna().all() else top


def _number_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if name != "symbol"]


def _top_rows(top: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    numbers = _number_columns(top)
    symbols = top["symbol"].fillna("") if "symbol" in top.columns else [""] * len(top)
    for feature, symbol, values in zip(top.index, symbols, top[numbers].itertuples(index=False), strict=True):
        yield feature, symbol, *(_number(name, value) for name, value in zip(numbers, values, strict=True))


def _number(column: str, value: object) -> str:
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return (
        p_value(value)
        if column in {"P.Value", "adj.P.Val", "pvalue", "padj", "PValue", "FDR"}
        else decimal(value)
    )


def groups_table(result: DEResult) -> Html:
    """The sample accessions on each side of the contrast."""
    levels = {"tested": result.contrast.tested, "reference": result.contrast.reference}
    rows = [
        (side, levels.get(side, ""), f"{len(samples):,}", ", ".join(samples))
        for side, samples in result.groups.items()
    ]
    return table("Groups", ("Side", "Level", "Samples", "Accessions"), rows, numeric={2})


def result_text(result: DEResult, *, n: int = 10) -> str:
    """Contrast, counts at the thresholds and the ``n`` rows with the smallest P as aligned columns."""
    lines = [
        wrap(f"{result.accession} on {result.platform}, {result.contrast}"),
        wrap(f"method: {result.method}, design {result.design}"),
        source_text(result.source, synthetic=result.synthetic),
        wrap(f"scale: {result.scale_decision}"),
    ]
    for adj_p, logfc in THRESHOLDS:
        up, down = counts_at(result, adj_p, logfc)
        lines.append(f"{threshold_text(result, adj_p, logfc)}: {up:,} higher, {down:,} lower")
    top = _top(result, n)
    headers = ("feature", "symbol", *_number_columns(top))
    lines.append(table_text(headers, list(_top_rows(top)), numeric=range(2, len(headers)), flexible=1))
    return "\n".join([*lines, *(wrap(f"! {note}") for note in result.notes)])
