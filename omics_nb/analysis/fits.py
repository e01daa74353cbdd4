"""The fits behind ``differential_expression``: values, a design and comparisons → statistics of each feature.

Arrays: linear model and moderated t (``limma``). Counts: genes with enough counts and TMM, then precision weights by
voom or a trend, and the same; or negative binomial models by DESeq2's Wald test or edgeR's quasi-likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import AnalysisError
from . import counts as rnaseq
from . import deseq2, deseq2_more, edger
from .comparisons import Comparisons
from .correlated import correlated_fit, duplicate_correlation
from .design import Design
from .least_squares import Fit, contrasts_fit, lm_fit
from .limma import benjamini_hochberg, e_bayes, f_test, top_table, treat
from .normalise import quantile_normalise
from .scale import to_log2
from .weights import array_weights, voom_with_quality_weights

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
SizeFactors = Literal["ratio", "poscounts"]

#: What limma's authors add to each count before the logarithm for limma-trend.
_TREND_PRIOR_COUNT = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to fit, beyond design and contrast; ``block``: the block of each sample of the design."""

    log2: bool = False
    trend: bool = False
    robust: bool = False
    quantile: bool = False
    sample_weights: bool = False
    block: tuple[str, ...] | None = None
    size_factors: SizeFactors = "ratio"
    lfc: float = 0.0
    confidence: float | None = None
    shrink: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Statistics of the genes ``used``: a table for each comparison, and one ``overall`` where there are several.

    ``reasons``: gene position → why it has no result.
    """

    tables: tuple[pd.DataFrame, ...]
    overall: pd.DataFrame | None
    used: npt.NDArray[np.intp]
    reasons: Mapping[int, str]
    notes: tuple[str, ...]


def fit(
    method: str, values: npt.NDArray[np.generic], model: Design, asked: Comparisons, options: Options
) -> Fitted:
    """The statistics of ``asked`` by ``method``: limma, voom, limma-trend, deseq2 or edger."""
    if method == "limma":
        return _fit_array(values, model, asked, options)
    if method == "deseq2":
        return _fit_deseq2(values, model, asked, options)
    if method == "edger":
        return _fit_edger(values, model, asked, options)
    return _fit_counts(values, model, asked, method, options)


def _fit_array(
    values: npt.NDArray[np.generic], model: Design, asked: Comparisons, options: Options
) -> Fitted:
    numbers = np.asarray(values, dtype=np.float64)
    logged = to_log2(numbers) if options.log2 else numbers
    ready = quantile_normalise(logged) if options.quantile else logged
    fit, notes = _linear_fit(ready, model, options)
    tables, overall = _moderated(fit, asked, options, trend=options.trend)
    shown = tables[0] if overall is None else overall
    missing = np.flatnonzero(shown["P.Value"].isna())
    columns = {
        role: [model.samples.index(name) for name in members] for role, members in asked.groups.items()
    }
    reasons = {int(gene): _why_missing(numbers[gene], logged[gene], columns) for gene in missing}
    lost = int((np.isfinite(numbers) & ~np.isfinite(logged)).sum())
    if lost:
        notes = (f"{lost:,} values at or below 0 have no logarithm and count as missing.", *notes)
    return Fitted(tables, overall, np.arange(len(values)), reasons, notes)


def _moderated(
    fit: Fit, asked: Comparisons, options: Options, *, trend: bool
) -> tuple[tuple[pd.DataFrame, ...], pd.DataFrame | None]:
    """limma's table of each comparison, and the moderated F of several."""
    compared = contrasts_fit(fit, asked.weights, names=asked.labels)
    if options.lfc:
        moderated = treat(compared, options.lfc, trend=trend, robust=options.robust)
    else:
        moderated = e_bayes(compared, trend=trend, robust=options.robust)
    tables = tuple(
        top_table(moderated, j, confidence=options.confidence) for j in range(asked.weights.shape[1])
    )
    if options.lfc:
        tables = tuple(table.drop(columns="B") for table in tables)
    if len(tables) == 1:
        return tables, None
    f, _, p_value = f_test(moderated)
    overall = _changes("logFC", asked.labels, [table["logFC"].to_numpy() for table in tables])
    overall["AveExpr"], overall["F"], overall["P.Value"] = fit.average, f, p_value
    overall["adj.P.Val"] = benjamini_hochberg(p_value)
    return tables, overall


def _changes(name: str, labels: Sequence[str], changes: Sequence[Floats]) -> pd.DataFrame:
    """The change that is largest in size under ``name``, then that of each comparison."""
    every = np.column_stack(changes)
    largest = np.abs(np.nan_to_num(every)).argmax(axis=1)
    columns = {name: every[np.arange(len(every)), largest]}
    return pd.DataFrame(
        columns | {f"{name} {label}": column for label, column in zip(labels, every.T, strict=True)}
    )


def _linear_fit(values: Floats, model: Design, options: Options) -> tuple[Fit, tuple[str, ...]]:
    """The fit of log values, with sample weights and correlated blocks where they were asked for."""
    notes: tuple[str, ...] = ()
    trust = None
    if options.sample_weights:
        trust = array_weights(values, model.matrix)
        notes += (_told_weights(model, trust),)
    if options.block is None:
        return lm_fit(values, model.matrix, weights=trust, names=model.names), notes
    spread = None if trust is None else np.broadcast_to(trust, values.shape)
    correlation, _ = duplicate_correlation(values, model.matrix, options.block, weights=spread)
    notes += (_told_correlation(correlation),)
    fit = correlated_fit(values, model.matrix, options.block, correlation, weights=trust, names=model.names)
    return fit, notes


def _told_correlation(correlation: float) -> str:
    return f"Samples of one block are correlated by {correlation:.3f}."


def _told_weights(model: Design, trust: Floats) -> str:
    return (
        f"Sample weights from {trust.min():.2f} ({model.samples[int(trust.argmin())]}) to {trust.max():.2f} "
        f"({model.samples[int(trust.argmax())]})."
    )


def _why_missing(raw: Floats, logged: Floats, columns: Mapping[str, Sequence[int]]) -> str:
    if not np.isfinite(raw).any():
        return "no values in any sample"
    if not np.isfinite(logged).any():
        return "no value above 0 to take the logarithm of"
    empty = [role for role, at in columns.items() if not np.isfinite(logged[list(at)]).any()]
    if empty:
        return f"no values in the {' nor in the '.join(empty)} group"
    return "too few values to estimate the comparison in this design"


def _fit_counts(
    values: npt.NDArray[np.generic], model: Design, asked: Comparisons, method: str, options: Options
) -> Fitted:
    numbers = _counted(values, model)
    kept = _enough(numbers, model)
    used = numbers[kept]
    sizes = used.sum(axis=0) * rnaseq.tmm_factors(used)
    if method == "limma-trend":
        fit, notes = _linear_fit(rnaseq.log_cpm(used, sizes, prior_count=_TREND_PRIOR_COUNT), model, options)
    else:
        fit, notes = _voom_fit(used, model, sizes, options)
    tables, overall = _moderated(fit, asked, options, trend=options.trend or method == "limma-trend")
    return Fitted(tables, overall, np.flatnonzero(kept), _too_few(numbers, kept), (_said_kept(kept), *notes))


def _fit_edger(
    values: npt.NDArray[np.generic], model: Design, asked: Comparisons, options: Options
) -> Fitted:
    numbers = _counted(values, model)
    kept = _enough(numbers, model)
    used = numbers[kept]
    sizes = used.sum(axis=0) * rnaseq.tmm_factors(used)
    fitted = edger.ql_fit(used, model.matrix, sizes, robust=options.robust)
    tables = tuple(edger.ql_test(fitted, column) for column in asked.weights.T)
    overall = None
    if len(tables) > 1:
        overall = _changes("logFC", asked.labels, [table["logFC"].to_numpy() for table in tables])
        together = edger.ql_test(fitted, asked.weights)
        overall = overall.join(together[["logCPM", "F", "PValue", "FDR"]])
    notes = (_said_kept(kept), *edger.notes(fitted))
    return Fitted(tables, overall, np.flatnonzero(kept), _too_few(numbers, kept), notes)


def _enough(numbers: Floats, model: Design) -> Bools:
    kept = rnaseq.filter_by_expression(numbers, model.matrix)
    if kept.sum() < 2:
        raise AnalysisError(
            f"{int(kept.sum())} of {len(kept):,} genes have enough counts (10 in a library of median size); "
            "is the matrix complete?"
        )
    return kept


def _too_few(numbers: Floats, kept: Bools) -> dict[int, str]:
    return {
        int(gene): "no counts in any sample" if not numbers[gene].any() else "too few counts to test"
        for gene in np.flatnonzero(~kept)
    }


def _said_kept(kept: Bools) -> str:
    return (
        f"{int(kept.sum()):,} of {len(kept):,} genes have enough counts to be tested (filterByExpr's rule)."
    )


def _counted(values: npt.NDArray[np.generic], model: Design) -> Floats:
    """Counts as numbers; AnalysisError names samples that have none."""
    numbers = rnaseq.checked_counts(values)
    empty = [name for name, total in zip(model.samples, numbers.sum(axis=0), strict=True) if total == 0]
    if empty:
        raise AnalysisError(
            f"the samples {', '.join(empty)} have no counts at all; leave them out", samples=empty
        )
    return numbers


def _fit_deseq2(
    values: npt.NDArray[np.generic], model: Design, asked: Comparisons, options: Options
) -> Fitted:
    numbers = _counted(values, model)
    factors = deseq2.size_factors(numbers, positive_only=options.size_factors == "poscounts")
    fitted = deseq2.fit(numbers, model.matrix, factors)
    compared = [model.samples.index(name) for members in asked.groups.values() for name in members]
    tests = [
        deseq2.wald_test(fitted, column, compared=compared, lfc=options.lfc) for column in asked.weights.T
    ]
    if options.shrink:
        tests = [deseq2_more.shrunken(fitted, tests[0], asked.weights[:, 0])]
    tables, together = tuple(test.table for test in tests), tests[0]
    overall = None
    if len(tests) > 1:
        together = deseq2_more.likelihood_ratio_test(fitted, asked.weights)
        changes = [table["log2FoldChange"].to_numpy() for table in tables]
        overall = together.table[["baseMean"]].join(_changes("log2FoldChange", asked.labels, changes))
        overall = overall.join(together.table[["stat", "pvalue", "padj"]])
    reasons = together.reasons
    return Fitted(tables, overall, np.arange(len(numbers)), reasons, deseq2.notes(fitted, together))


def _voom_fit(used: Floats, model: Design, sizes: Floats, options: Options) -> tuple[Fit, tuple[str, ...]]:
    by = voom_with_quality_weights if options.sample_weights else rnaseq.voom
    notes: tuple[str, ...] = ()
    if options.block is None:
        voomed = by(used, model.matrix, library_sizes=sizes)
        fit = rnaseq.voom_fit(voomed, model.matrix, names=model.names)
    else:
        fit, correlation, voomed = rnaseq.voom_in_blocks(
            used, model.matrix, options.block, library_sizes=sizes, names=model.names, by=by
        )
        notes = (_told_correlation(correlation),)
    if voomed.sample_weights is not None:
        notes = (*notes, _told_weights(model, voomed.sample_weights))
    return fit, notes
