"""Gene sets of a result: a table for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, facts, join, notes, source_line, table
from .numbers import decimal, p_value
from .plain import source_text, table_text, wrap

if TYPE_CHECKING:
    from ..analysis.enrichment import Enrichment

_SHOWN = 15
_KINDS = {
    "gsea": "preranked gene set enrichment analysis",
    "ora": "over-representation (hypergeometric test)",
}


def enrichment_html(found: Enrichment) -> str:
    result = found.result
    heading = el("h3", accession_link(result.accession, synthetic=result.synthetic), " ", result.contrast)
    return card(
        heading, source_line(result.source, synthetic=result.synthetic), enrichment_body(found, n=_SHOWN)
    )


def enrichment_body(found: Enrichment, *, n: int) -> Html:
    """Method, collection, notes, and the ``n`` sets with the smallest P."""
    headers, rows = _shown(found, n)
    caption = f"The {len(rows)} gene sets with the smallest P"
    shown = table(caption, headers, rows, numeric=range(1, len(headers) - 1))
    return join([facts(_facts(found)), notes(found.notes), shown])


def enrichment_text(found: Enrichment, *, n: int = 15) -> str:
    result = found.result
    headers, rows = _shown(found, n)
    lines = [
        wrap(f"{result.accession}, {result.contrast}"),
        source_text(result.source, synthetic=result.synthetic),
        *(wrap(f"{name}: {value}") for name, value in _facts(found)),
        table_text(headers, rows, numeric=range(1, len(headers) - 1), flexible=len(headers) - 1),
        *(wrap(f"! {note}") for note in found.notes),
    ]
    return "\n".join(lines)


def _facts(found: Enrichment) -> Iterator[tuple[str, object]]:
    yield "Method", _KINDS[found.kind]
    yield "Gene sets", f"{len(found.table)} of {found.collection} (SHA-256 {found.sha256[:12]}…)"
    yield "Genes", f"{found.n_genes:,}"
    yield "FDR ≤ 0.05", f"{len(found.significant()):,} sets"


def _shown(found: Enrichment, n: int) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    top = found.table.head(n)
    sizes = [f"{n_genes}" for n_genes in top["size"]]
    middle: list[tuple[str, ...]]
    if found.kind == "gsea":
        headers: tuple[str, ...] = ("Set", "Size", "NES", "P.Value", "FDR", "Leading genes")
        middle = [(size, decimal(nes, 2)) for size, nes in zip(sizes, top["NES"], strict=True)]
    else:
        headers = ("Set", "Size", "Found", "Expected", "P.Value", "FDR", "Genes")
        numbers = zip(sizes, top["found"], top["expected"], strict=True)
        middle = [(size, f"{n_found}", decimal(expected, 1)) for size, n_found, expected in numbers]
    ends = [
        (p_value(p), p_value(fdr), genes)
        for p, fdr, genes in zip(top["P.Value"], top["FDR"], top["genes"], strict=True)
    ]
    return headers, [(name, *own, *end) for name, own, end in zip(top.index, middle, ends, strict=True)]
