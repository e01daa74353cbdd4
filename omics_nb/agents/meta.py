"""The meta-analysis agent: a question, or results that are there → one effect a gene over several studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field, InstanceOf

from ..analysis.de import Method
from ..analysis.fitness import names_of_question
from ..analysis.meta import Measure, MetaAnalysis
from ..analysis.meta import meta_analysis as _meta_analysis
from ..analysis.random_effects import Between, Test
from ..errors import AnalysisError, DataError, DesignError, NotFoundError, PrivateRecordError
from ..records import Contrast, DEResult, Hit, Hits, Query
from .analysis import best_proposal, differential_expression
from .data import fetch
from .search import search

Comparison = Contrast | tuple[str, str, str]


def meta_analysis(
    studies: str | InstanceOf[Query] | InstanceOf[Hits] | list[InstanceOf[DEResult]],
    *,
    comparisons: Mapping[str, Comparison] | None = None,
    source: str | None = None,
    limit: Annotated[int, Field(ge=2)] = 5,
    method: Method = "auto",
    measure: Measure = "logFC",
    between: Between = "reml",
    test: Test = "adhoc",
    min_studies: Annotated[int, Field(ge=2)] = 2,
) -> InstanceOf[MetaAnalysis]:
    """The effect of one comparison over several studies: mean, limits, heterogeneity, and whether directions agree.

    ``studies`` is a question (or its hits), of which the first ``limit`` studies are taken that can be analysed
    and whose best proposal names something of the question; or that of ``comparisons`` (accession → (factor,
    tested, reference)); or a list of results. Look at the comparisons in ``.studies``: tested and reference must
    mean the same in all. ``measure`` is "logFC", or "g" (Hedges) for scales that differ; ``between`` is "reml" or
    "dl"; ``test`` "adhoc", "knapp-hartung" or "normal". NotFoundError where fewer than two studies can be
    analysed, with the reason of each.
    """
    options = {"measure": measure, "between": between, "test": test, "min_studies": min_studies}
    if isinstance(studies, (list, tuple)):
        return _meta_analysis(studies, **options)  # type: ignore[arg-type]
    hits = studies if isinstance(studies, Hits) else search(studies, source=source, limit=4 * limit)
    results, skipped = _analysed(hits, dict(comparisons or {}), limit, method)
    if len(results) < 2:
        have = "; ".join([*(f"{result.accession} can be analysed" for result in results), *skipped])
        raise NotFoundError(
            f"a meta-analysis of {hits.query.text!r} needs two studies that can be analysed, not {len(results)} of "
            f"{len(hits)} found. {have or ' '.join(hits.notes)}"
        )
    found = _meta_analysis(results, **options)  # type: ignore[arg-type]
    asked = {"source": hits.source, "limit": limit, "method": method, "min_studies": min_studies}
    asked["comparisons"] = {name: tuple(one) for name, one in (comparisons or {}).items()}
    return replace(found, question=hits.query.text, skipped=tuple(skipped), asked=asked)


def _analysed(
    hits: Hits, comparisons: dict[str, Comparison], limit: int, method: Method
) -> tuple[list[DEResult], list[str]]:
    """Results of the first ``limit`` studies that can be analysed, and why others were skipped."""
    unknown = sorted(set(comparisons) - {hit.accession for hit in hits})
    if unknown:
        raise NotFoundError(f"comparisons are given for {', '.join(unknown)}, which the search did not find")
    results: list[DEResult] = []
    skipped: list[str] = []
    for hit in hits:
        if len(results) == limit:
            break
        try:
            results.append(_result(hit, hits.query, comparisons.get(hit.accession), method))
        except (DataError, DesignError, AnalysisError, NotFoundError, PrivateRecordError) as error:
            skipped.append(f"{hit.accession}: {error}")
    return results, skipped


def _result(hit: Hit, query: Query, comparison: Comparison | None, method: Method) -> DEResult:
    study = fetch(hit.accession, source=hit.source)
    if comparison is not None:
        return differential_expression(study, contrast=comparison, method=method)
    best = best_proposal(study, None, query)
    if not names_of_question(best.contrast, query):
        raise DesignError(
            f"its comparison {best.contrast} names nothing of the question; if it belongs here, give it in comparisons",
            accession=study.accession,
        )
    return differential_expression(
        study, contrast=best.contrast, platform=best.platform, design=best.design, method=method
    )
