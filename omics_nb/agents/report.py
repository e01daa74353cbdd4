"""The report agent: everything that was found → one evidence-bound document."""

from __future__ import annotations

from pydantic import InstanceOf

from ..analysis.enrichment import Enrichment
from ..analysis.meta import MetaAnalysis
from ..records import DEResult, Hits, Quality, Query, Study
from ..reporting import MetaReport, Report, build_meta_report, build_report


def report(
    study: InstanceOf[Study],
    result: InstanceOf[DEResult],
    *,
    question: str | None = None,
    query: InstanceOf[Query] | None = None,
    hits: InstanceOf[Hits] | None = None,
    quality: InstanceOf[Quality] | None = None,
    enrichment: InstanceOf[Enrichment] | None = None,
    notes: tuple[str, ...] = (),
) -> InstanceOf[Report]:
    """A document of one comparison; ``.save("GSE….html")`` writes it, with JSON and CSV beside it.

    Another suffix is another format: .pdf, .md, .ipynb, .json, .csv, .xlsx, .h5ad, or .zip for an RO-Crate of all.
    ``enrichment`` is what ``enrich(result)`` found. ``notes`` say how the study and the comparison were chosen; the
    report shows them as they are.
    """
    return build_report(
        study,
        result,
        question=question,
        query=query,
        hits=hits,
        quality=quality,
        enrichment=enrichment,
        notes=notes,
    )


def meta_report(
    meta: InstanceOf[MetaAnalysis], *, genes: tuple[str, ...] = (), n_forests: int = 6
) -> InstanceOf[MetaReport]:
    """A document of a meta-analysis; ``.save("lupus.html")`` writes it, with JSON and CSV beside it; or .pdf, .md.

    ``genes`` are those of the forest plots, by default the ``n_forests`` with the smallest P. NotFoundError for a gene
    that is in none of the studies.
    """
    return build_meta_report(meta, genes=genes, n_forests=n_forests)
