"""The quality and analysis agents: a Study → Quality, proposed comparisons, differential expression."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from pandas import DataFrame
from pydantic import InstanceOf

from ..analysis.cell_quality import CellQuality
from ..analysis.cell_quality import cell_quality as _cell_quality
from ..analysis.de import Method
from ..analysis.de import differential_expression as _differential_expression
from ..analysis.design import check_contrast
from ..analysis.design import propose_contrasts as _propose_contrasts
from ..analysis.factors import sample_factors as _sample_factors
from ..analysis.fitness import Fitness, nearness
from ..analysis.fitness import fitness as _fitness
from ..analysis.fits import SizeFactors
from ..analysis.precheck import Precheck
from ..analysis.precheck import check_design as _check_design
from ..analysis.quality import quality as _quality
from ..errors import AgentError, DesignError
from ..records import Contrast, DEResult, Proposal, Quality, Query, Study
from .query import understand


def quality(
    study: InstanceOf[Study],
    *,
    platform: str | None = None,
    factor: str | None = None,
    design: str | None = None,
) -> InstanceOf[Quality]:
    """What speaks for and against the values of a study, check by check.

    ``factor`` names the sample column whose groups should be judged; ``design`` is a formula, whose batches are no
    longer warned of. A study without values is judged by its sample sheet; NoMatrixError where there are several
    matrices and none is named.
    """
    return _quality(study, platform=platform, factor=factor, design=design)


def fitness(
    study: InstanceOf[Study],
    question: str | InstanceOf[Query] | None = None,
    *,
    contrast: Contrast | tuple[str, str, str] | None = None,
    platform: str | None = None,
) -> InstanceOf[Fitness]:
    """How far the data of a study serve a question: values, groups and replicates, what is compared, quality.

    ``contrast`` is the comparison to judge, by default the proposal nearest to the question. NoMatrixError where there
    are several matrices, none is named and the samples suggest none.
    """
    query = understand(question) if isinstance(question, str) else question
    try:
        best = best_proposal(study, platform, query) if study.matrices else None
    except DesignError:
        best = None
    asked: Contrast | None
    if contrast is not None:
        asked = check_contrast(study.accession, study.samples, Contrast(*contrast))
    else:
        asked = best.contrast if best else None
    judged = quality(
        study, platform=platform or (best.platform if best else None), factor=asked.factor if asked else None
    )
    return _fitness(study, judged, asked, query=query)


def cell_quality(adata: Any, *, sample: str = "sample") -> InstanceOf[CellQuality]:
    """Counts, genes and mitochondrial share of each cell of an AnnData of raw counts, and which cells stand out.

    ``sample`` is the column of ``obs`` by which cells are judged among their own. Nothing is removed; scanpy takes the
    AnnData from here.
    """
    return _cell_quality(adata, sample=sample)


def propose_contrasts(study: InstanceOf[Study]) -> tuple[InstanceOf[Proposal], ...]:
    """Comparisons that the sample sheet suggests, best first, each with its reason; empty where nothing fits."""
    return _propose_contrasts(study)


def sample_factors(study: InstanceOf[Study], *, platform: str | None = None) -> InstanceOf[DataFrame]:
    """What each column of the sample sheet looks like (condition, time, dose, pairing, batch, person), and why."""
    return _sample_factors(study, platform)


def check_design(
    study: InstanceOf[Study],
    *,
    contrast: Contrast | tuple[str, str, str] | list[tuple[str, str, str]] | str,
    design: str | None = None,
    platform: str | None = None,
    method: Method = "auto",
    by: tuple[str, ...] | None = None,
    block: str | None = None,
) -> InstanceOf[Precheck]:
    """What to know before an analysis runs: can it be estimated, is the scale right, are pairs or batches hidden.

    Takes what ``differential_expression`` takes; what that would refuse is a check that fails, in the same words.
    """
    return _check_design(
        study, contrast=contrast, design=design, platform=platform, method=method, by=by, block=block
    )


def differential_expression(
    study: InstanceOf[Study],
    *,
    contrast: Contrast | tuple[str, str, str] | list[tuple[str, str, str]] | str | None = None,
    design: str | None = None,
    platform: str | None = None,
    method: Method = "auto",
    log2: bool | None = None,
    quantile: bool = False,
    trend: bool = False,
    robust: bool = False,
    sample_weights: bool = False,
    block: str | None = None,
    size_factors: SizeFactors = "ratio",
    lfc: float = 0.0,
    confidence: float | None = None,
    shrink: bool = False,
    by: tuple[str, ...] | None = None,
) -> InstanceOf[DEResult]:
    """Genes that differ between groups: limma's moderated t-test for arrays; voom, DESeq2 or edgeR for counts.

    ``contrast`` is (factor, tested, reference); a list of such, tested together and each for itself; or the name of a
    factor, for all its levels against the reference. Without one the best proposal is used, and the result says so.
    ``design`` is a formula over the sample columns, by default ``~ factor``; ``by`` asks for the effect at one level of
    another factor (factor, level), or how it differs between two (factor, level, other level). ``method`` is "limma"
    for arrays, "voom", "limma-trend", "deseq2" or "edger" for counts.

    ``log2`` takes the place of GEO2R's rule; ``quantile`` normalises between arrays first; ``trend`` and ``robust``
    shape the prior variance; ``sample_weights`` lets samples that follow the model badly count less; ``block`` names a
    column (a patient, a litter) whose samples belong together; ``lfc`` tests for changes beyond that log2 fold change;
    ``confidence`` (0.95) adds limits of the change; ``size_factors`` and ``shrink`` are DESeq2's. DesignError for what
    cannot be estimated, ScaleError for values that the method is not made for.
    """
    if not isinstance(study, Study):
        raise AgentError(f"differential_expression takes a study, as fetch gives it, not {study!r:.80}")
    fit = partial(
        _differential_expression,
        study,
        method=method,
        log2=log2,
        quantile=quantile,
        trend=trend,
        robust=robust,
        sample_weights=sample_weights,
        block=block,
        size_factors=size_factors,
        lfc=lfc,
        confidence=confidence,
        shrink=shrink,
        by=by,
    )
    if contrast is not None:
        return fit(contrast=contrast, platform=platform, design=design)
    best = best_proposal(study, platform)
    result = fit(contrast=best.contrast, platform=best.platform, design=design or best.design)
    note = f"The comparison was proposed from the sample sheet, not given: {best.reason}"
    return replace(result, notes=(note, *result.notes))


def best_proposal(study: Study, platform: str | None = None, query: Query | None = None) -> Proposal:
    """The comparison to make where none was given: of those that the samples suggest, the one nearest to the question.

    Its reason names the platforms that were left aside. NoMatrixError for a platform without values, DesignError where
    the samples suggest nothing.
    """
    if platform is not None or not study.matrices:
        study.choose_platform(platform)
    proposals = [p for p in _propose_contrasts(study) if p.platform in study.matrices]
    proposals = [p for p in proposals if platform in (None, p.platform)]
    if not proposals:
        raise DesignError(
            f"the samples of {study.accession} suggest no comparison; give contrast=(factor, tested, reference) with a "
            f"factor of {sorted(map(str, study.samples.columns))}",
            accession=study.accession,
        )
    best = max(proposals, key=lambda proposal: nearness(proposal.contrast, query))
    aside = [name for name in study.matrices if name != best.platform and platform is None]
    if not aside:
        return best
    left = f"{', '.join(aside)} of this study also has values, which were not analysed"
    return replace(best, reason=f"{best.reason}. {left}")
