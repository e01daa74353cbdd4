"""A meta-analysis: its studies, how far they agree, the genes that are surest, and a forest of the first in text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .markup import Html, card, el, facts, fold, notes, synthetic_badge, table
from .numbers import counted, decimal, p_value
from .plain import table_text, wrap

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis.meta import MetaAnalysis

_SHOWN = 15
_GENE_HEADERS = (
    "Gene", "Mean effect", "95 % limits", "P.Value", "adj.P.Val", "P.common", "I²", "Studies", "Same sign",
)  # fmt: skip
_STUDY_HEADERS = ("Study", "Comparison", "Tested", "Reference", "Method", "Genes", "Source")
_PAIR_HEADERS = ("Study", "Other", "Genes in both", "Correlation", "Clear in both", "Same direction")
_MEASURES = {"logFC": "log2 fold change", "g": "Hedges' g (standard deviations)"}
_BETWEEN = {"reml": "restricted maximum likelihood", "dl": "DerSimonian and Laird"}
_TESTS = {
    "adhoc": "Knapp and Hartung, never surer than the normal test",
    "knapp-hartung": "Knapp and Hartung",
    "normal": "normal",
}


def meta_html(meta: MetaAnalysis) -> str:
    heading = el("h3", _title(meta), " ", synthetic_badge(meta.synthetic))
    return card(
        heading,
        facts(_facts(meta)),
        notes(meta.notes, kind="warn"),
        meta_studies(meta),
        meta_agreement(meta),
        meta_genes(meta),
        fold(f"Passed over ({len(meta.skipped)})", notes(meta.skipped)) if meta.skipped else None,
    )


def meta_facts(meta: MetaAnalysis) -> Html:
    return facts(_facts(meta))


def meta_studies(meta: MetaAnalysis) -> Html:
    return table("Studies", _STUDY_HEADERS, _study_rows(meta), numeric={2, 3, 5})


def meta_agreement(meta: MetaAnalysis) -> Html:
    return table("Do the studies agree?", _PAIR_HEADERS, _pair_rows(meta), numeric={2, 3, 4, 5})


def meta_genes(meta: MetaAnalysis, *, n: int = _SHOWN) -> Html:
    return table("Genes with the smallest P", _GENE_HEADERS, _gene_rows(meta, n), numeric=range(1, 9))


def meta_text(meta: MetaAnalysis, *, n: int = 10) -> str:
    """The same for a terminal, with the ``n`` surest genes and a forest of the first."""
    lines = [wrap(_title(meta) + (" [synthetic data]" if meta.synthetic else ""))]
    lines += [wrap(f"{name}: {value}") for name, value in _facts(meta)]
    lines += ["", table_text(_STUDY_HEADERS, list(_study_rows(meta)), numeric={2, 3, 5}, flexible=1)]
    lines += ["", table_text(_PAIR_HEADERS, list(_pair_rows(meta)), numeric={2, 3, 4, 5})]
    lines += ["", table_text(_GENE_HEADERS, list(_gene_rows(meta, n)), numeric=range(1, 9))]
    if len(meta.table):
        lines += ["", forest_text(meta.forest(str(meta.table.index[0])), str(meta.table.index[0]))]
    lines += [wrap(f"! {note}") for note in meta.notes]
    lines += [wrap(f"passed over: {why}") for why in meta.skipped]
    return "\n".join(lines)


def forest_text(rows: pd.DataFrame, gene: str, *, width: int = 41) -> str:
    """A forest plot in characters: ``-`` the limits, ``#`` the effect, ``|`` no effect."""
    low, high = min(0.0, float(rows["CI.L"].min())), max(0.0, float(rows["CI.R"].max()))

    def place(value: float) -> int:
        return round((value - low) / (high - low or 1.0) * (width - 1))

    lines = []
    for row in rows.itertuples(index=False):
        study, effect, _, left, right = row[:5]
        cells = [" "] * width
        for at in range(place(left), place(right) + 1):
            cells[at] = "-"
        cells[place(0.0)] = "|"
        cells[place(effect)] = "#"
        lines.append((study, "".join(cells), f"{effect:.2f} [{left:.2f}, {right:.2f}]"))
    return table_text(("study", gene, "effect [95 % limits]"), lines)


def _title(meta: MetaAnalysis) -> str:
    about = f" of {meta.question!r}" if meta.question else ""
    return f"Meta-analysis{about}: {counted(len(meta.studies), 'study', 'studies')}"


def _facts(meta: MetaAnalysis) -> Iterator[tuple[str, object]]:
    yield "Effect", _MEASURES[meta.measure]
    yield "Variance between studies", _BETWEEN[meta.between]
    yield "Test", _TESTS[meta.test]
    yield "Genes", f"{len(meta.table):,}"
    found = meta.significant(0.05)
    up = int((found["effect"] > 0).sum())
    yield "adj.P.Val ≤ 0.05", f"{up:,} higher, {len(found) - up:,} lower"
    common = int((meta.table["adj.P.common"] <= 0.05).sum())
    yield "adj.P.common ≤ 0.05", f"{common:,} genes, if the effect is one and the same in all studies"


def _study_rows(meta: MetaAnalysis) -> Iterator[tuple[object, ...]]:
    for name, row in meta.studies.iterrows():
        n = (f"{row['tested']:,}", f"{row['reference']:,}")
        yield name, row["comparison"], *n, row["method"], f"{row['genes']:,}", row["source"]


def _pair_rows(meta: MetaAnalysis) -> Iterator[tuple[object, ...]]:
    for row in meta.concordance.itertuples(index=False):
        one, other, genes, correlation, clear, same = row
        share = "" if same != same else f"{same:.0%}"
        yield one, other, f"{genes:,}", decimal(correlation), f"{clear:,}", share


def _gene_rows(meta: MetaAnalysis, n: int) -> Iterator[tuple[object, ...]]:
    for gene, row in meta.table.head(n).iterrows():
        yield (
            gene,
            decimal(row["effect"]),
            f"{decimal(row['CI.L'])} to {decimal(row['CI.R'])}",
            p_value(row["P.Value"]),
            p_value(row["adj.P.Val"]),
            p_value(row["P.common"]),
            f"{row['I2']:.0f} %",
            f"{int(row['studies'])}",
            f"{int(row['same'])}",
        )
