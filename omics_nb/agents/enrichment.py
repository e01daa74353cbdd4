"""The enrichment agent: a result → the gene sets that it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, InstanceOf

from ..analysis.enrichment import Direction, Enrichment, GeneSets, Kind
from ..analysis.enrichment import enrich as _enrich
from ..records import DEResult


def enrich(
    result: InstanceOf[DEResult],
    *,
    gene_sets: str | Path | dict[str, list[str]] | InstanceOf[GeneSets] | None = None,
    kind: Kind = "gsea",
    direction: Direction = "both",
    adj_p: Annotated[float, Field(gt=0, le=1)] = 0.05,
    min_abs_logfc: Annotated[float, Field(ge=0)] = 0.0,
    min_size: Annotated[int, Field(ge=1)] = 5,
    max_size: int = 500,
    permutations: int = 1000,
    seed: int = 0,
) -> InstanceOf[Enrichment]:
    """Gene sets that a result is about: "gsea" walks down all genes, "ora" looks at those beyond a threshold.

    ``gene_sets`` is a GMT file, set → genes, or None for the sets that come with the package (human symbols, written
    by the project). ``direction`` ("higher", "lower", "both"), ``adj_p`` and ``min_abs_logfc`` choose the genes
    for "ora"; ``permutations`` and ``seed`` are of "gsea", which gives the same numbers each time. AnalysisError
    where symbols are missing or of another organism.
    """
    return _enrich(
        result,
        gene_sets=gene_sets,
        kind=kind,
        direction=direction,
        adj_p=adj_p,
        min_abs_logfc=min_abs_logfc,
        min_size=min_size,
        max_size=max_size,
        permutations=permutations,
        seed=seed,
    )
