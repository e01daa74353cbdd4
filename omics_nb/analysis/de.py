"""Differential expression of a study: one contrast, R's numbers, and every refusal with its reason.

Arrays: log2 values by GEO2R's rule, linear model, moderated t (``limma``). Counts: genes with enough counts,
TMM, precision weights by voom, then the same (``counts``); or negative binomial models and Wald tests
(``deseq2``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import AnalysisError, DesignError, ScaleError
from ..records import Contrast, DEResult, Study
from . import counts as rnaseq
from . import deseq2
from .correlated import correlated_fit, duplicate_correlation
from .design import Design, build_design, check_contrast, contrast_groups, default_formula
from .limma import Fit, contrasts_fit, e_bayes, lm_fit, top_table
from .normalise import quantile_normalise
from .scale import ScaleDecision, decide_scale, to_log2
from .weights import array_weights, voom_with_quality_weights

Floats = npt.NDArray[np.float64]
Method = Literal["auto", "limma", "voom", "limma-trend", "deseq2"]
SizeFactors = Literal["ratio", "poscounts"]

_DEFAULTS = {
    "log2": None,
    "quantile": False,
    "trend": False,
    "robust": False,
    "sample_weights": False,
    "block": None,
    "size_factors": "ratio",
}
_METHODS: tuple[Method, ...] = ("auto", "limma", "voom", "limma-trend", "deseq2")
_COUNT_METHODS = {
    "voom": "voom turns them into log2 counts per million with precision weights.",
    "limma-trend": "limma-trend turns them into log2 counts per million whose variance follows a trend.",
    "deseq2": "deseq2 models them as they are, with a size factor for each sample.",
}
#: What limma's authors add to each count before the logarithm for limma-trend.
_TREND_PRIOR_COUNT = 3.0


@dataclass(frozen=True, slots=True)
class _Options:
    """How to fit, beyond design and contrast; ``block``: the block of each sample of the design."""

    log2: bool
    trend: bool
    robust: bool
    quantile: bool
    sample_weights: bool
    block: tuple[str, ...] | None
    size_factors: SizeFactors


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Statistics of the genes ``used``; ``reasons``: gene position → why it has no result."""

    table: pd.DataFrame
    used: npt.NDArray[np.intp]
    reasons: Mapping[int, str]
    notes: tuple[str, ...]


def differential_expression(
    study: Study,
    *,
    contrast: Contrast | Sequence[str],
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
) -> DEResult:
    """The test of ``contrast`` = (factor, tested, reference) in one matrix of a study.

    ``design``: a formula over the sample columns that holds the factor, ``~ factor`` unless given (see
    ``design``). Samples of other levels stay in the fit, where they add to the estimate of the variance;
    samples without a level are left out. ``method``: "limma" for array values, "voom", "limma-trend" or
    "deseq2" for counts; "auto" takes limma or voom by what the study holds. ``log2``: whether to
    log-transform, in place of GEO2R's rule. ``quantile``: normalise between arrays first. ``trend``,
    ``robust``: of the prior variance. ``sample_weights``: samples that follow the model badly count less.
    ``block``: the column whose samples belong together (a patient, a litter) and whose correlation is to be
    estimated. ``size_factors``: of deseq2, "poscounts" where every gene has a zero.

    The table has every feature of the matrix. Where a feature has no result its numbers are NaN, and a last
    column ``reason``, which is there only then, says why. Columns have the names that the method's own package
    gives them (``DEResult.columns``).

    NoMatrixError, DesignError (levels, group sizes, a design that cannot be estimated) or ScaleError say what to do.
    """
    told = _changed(
        log2=log2,
        quantile=quantile,
        trend=trend,
        robust=robust,
        sample_weights=sample_weights,
        block=block,
        size_factors=size_factors,
    )
    platform = study.choose_platform(platform)
    matrix = study.matrices[platform]
    asked, model, groups = _modelled(study, matrix, _contrast(contrast), design)
    weights = model.contrast(*asked)
    chosen, decision, log2, notes = _choose(study, matrix, method, log2)
    _refuse_options(chosen, told)
    blocks = _blocks(study, model, block)
    options = _Options(log2, trend, robust, quantile, sample_weights, blocks, size_factors)
    values = matrix[list(model.samples)].to_numpy()
    if chosen == "limma":
        fitted = _fit_array(values, model, weights, groups, options)
    elif chosen == "deseq2":
        fitted = _fit_deseq2(values, model, weights, groups, options)
    else:
        fitted = _fit_counts(values, model, weights, chosen, options)
    return DEResult(
        table=_table(study, platform, matrix.index, fitted),
        accession=study.accession,
        platform=platform,
        contrast=asked,
        design=model.formula,
        method=chosen,
        groups=groups,
        scale_decision=decision,
        source=study.source,
        synthetic=study.synthetic,
        notes=(
            *notes,
            *model.notes,
            *_notes_on_samples(model, groups),
            *fitted.notes,
            *_notes_on_options(options),
        ),
        versions=versions(),
        options=told,
    )


def _modelled(
    study: Study, matrix: pd.DataFrame, contrast: Contrast, design: str | None
) -> tuple[Contrast, Design, dict[str, tuple[str, ...]]]:
    """The contrast as the sample sheet spells it, the design, and the samples of both groups."""
    asked = check_contrast(study.accession, study.samples, contrast)
    samples = study.samples.loc[matrix.columns]
    formula = design or default_formula(asked.factor)
    model = build_design(samples, formula, factor=asked.factor, reference=asked.reference)
    return asked, model, contrast_groups(samples, asked, model.samples)


def _changed(**options: Any) -> dict[str, Any]:
    """The options that are not at their defaults."""
    return {name: value for name, value in options.items() if value != _DEFAULTS[name]}


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import platform as python
    from importlib.metadata import version

    from .. import __version__

    packages = ("numpy", "scipy", "pandas", "formulaic")
    return {"omics-nb": __version__, "python": python.python_version()} | {
        name: version(name) for name in packages
    }


def _contrast(contrast: Contrast | Sequence[str]) -> Contrast:
    if isinstance(contrast, str) or len(contrast) != 3:
        raise DesignError(f"a contrast is (factor, tested, reference), three texts, not {contrast!r}")
    return Contrast(*(str(part) for part in contrast))


def _blocks(study: Study, model: Design, block: str | None) -> tuple[str, ...] | None:
    if block is None:
        return None
    column = study.factor(block).loc[list(model.samples)].astype(str)
    empty = [str(sample) for sample in column.index[column == ""]]
    if empty:
        raise DesignError(
            f"no {block!r} for the samples {', '.join(empty)}; a block is needed for each", factor=block
        )
    return tuple(column)


def _choose(
    study: Study, matrix: pd.DataFrame, method: Method, log2: bool | None
) -> tuple[str, str, bool, tuple[str, ...]]:
    """Method, scale in words, whether to take log2, notes."""
    if method not in _METHODS:
        raise AnalysisError(f"no method {method!r}; have {', '.join(_METHODS)}", method=method)
    declared = study.value_kind == "counts"
    if method == "auto" and declared:
        method = "voom"
    by_counts = method in _COUNT_METHODS
    found = decide_scale(matrix.to_numpy(), counts=declared or by_counts)
    if by_counts:
        if log2 is not None:
            raise ScaleError(f"log2 is for array values; {method} takes counts as they are: leave log2 out")
        return method, f"{found.sentence} {_COUNT_METHODS[method]}", False, ()
    if declared:
        raise ScaleError(
            f"{study.accession} holds counts ({found.sentence}) and limma's test needs log2 values of even "
            "precision; use method='voom', 'limma-trend' or 'deseq2'",
            accession=study.accession,
        )
    notes = _array_notes(study, found, method, log2)
    if log2 is None:
        return "limma", found.sentence, found.log_transform, notes
    said = "log2-transformed" if log2 else "not transformed"
    return "limma", f"Values are {said}, as asked; GEO2R's rule said: {found.sentence}", log2, notes


def _refuse_options(method: str, told: Mapping[str, Any]) -> None:
    """AnalysisError for options that the method does not have."""
    if method != "deseq2":
        if "size_factors" in told:
            raise AnalysisError(f"size_factors is an option of deseq2, not of {method}; leave it out")
        return
    foreign = [name for name in told if name != "size_factors"]
    if foreign:
        raise AnalysisError(
            f"deseq2 has no {', '.join(foreign)}: leave it out, or use method='voom' or 'limma-trend'"
            + ("; pairs and batches go into the design (~ patient + treatment)" if "block" in told else "")
        )


def _array_notes(study: Study, found: ScaleDecision, method: Method, log2: bool | None) -> tuple[str, ...]:
    if not found.counts_like:
        return ()
    types = " ".join(study.types).casefold()
    if "array" in types and "sequencing" not in types:
        return ("All values are whole numbers; the study is of arrays, so they are taken as intensities.",)
    if method == "auto" and log2 is None:
        raise ScaleError(
            f"all values of {study.accession} are whole numbers from {found.quantiles[0]:,.0f} to "
            f"{found.quantiles[-1]:,.0f}: counts, or rounded intensities? Say method='voom' if they are "
            "sequencing counts, or method='limma' if they are array intensities",
            accession=study.accession,
        )
    return ("All values are whole numbers; if they are sequencing counts, use method='voom'.",)


def _fit_array(
    values: npt.NDArray[np.generic],
    model: Design,
    weights: Floats,
    groups: Mapping[str, Sequence[str]],
    options: _Options,
) -> _Fitted:
    numbers = np.asarray(values, dtype=np.float64)
    logged = to_log2(numbers) if options.log2 else numbers
    ready = quantile_normalise(logged) if options.quantile else logged
    fit, notes = _linear_fit(ready, model, options)
    moderated = e_bayes(contrasts_fit(fit, weights), trend=options.trend, robust=options.robust)
    missing = np.flatnonzero(np.isnan(moderated.t[:, 0]))
    columns = {role: [model.samples.index(name) for name in members] for role, members in groups.items()}
    reasons = {int(gene): _why_missing(numbers[gene], logged[gene], columns) for gene in missing}
    lost = int((np.isfinite(numbers) & ~np.isfinite(logged)).sum())
    if lost:
        notes = (f"{lost:,} values at or below 0 have no logarithm and count as missing.", *notes)
    return _Fitted(top_table(moderated, 0), np.arange(len(values)), reasons, notes)


def _linear_fit(values: Floats, model: Design, options: _Options) -> tuple[Fit, tuple[str, ...]]:
    """The fit of log values, with sample weights and correlated blocks where they were asked for."""
    notes: tuple[str, ...] = ()
    trust = None
    if options.sample_weights:
        trust = array_weights(values, model.matrix)
        notes += (_told_weights(model, trust),)
    if options.block is None:
        return lm_fit(values, model.matrix, weights=trust, names=model.names), notes
    correlation, _ = duplicate_correlation(values, model.matrix, options.block)
    notes += (f"Samples of one block are correlated by {correlation:.3f}.",)
    fit = correlated_fit(values, model.matrix, options.block, correlation, weights=trust, names=model.names)
    return fit, notes


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
    values: npt.NDArray[np.generic], model: Design, weights: Floats, method: str, options: _Options
) -> _Fitted:
    numbers = _counted(values, model)
    if options.quantile:
        raise AnalysisError("quantile normalisation is for arrays; counts are normalised by TMM")
    kept = rnaseq.filter_by_expression(numbers, model.matrix)
    if kept.sum() < 2:
        raise AnalysisError(
            f"{int(kept.sum())} of {len(kept):,} genes have enough counts (10 in a library of median size); "
            "is the matrix complete?"
        )
    used = numbers[kept]
    sizes = used.sum(axis=0) * rnaseq.tmm_factors(used)
    if method == "limma-trend":
        fit, notes = _linear_fit(rnaseq.log_cpm(used, sizes, prior_count=_TREND_PRIOR_COUNT), model, options)
    else:
        fit, notes = _voom_fit(used, model, sizes, options)
    trend = options.trend or method == "limma-trend"
    moderated = e_bayes(contrasts_fit(fit, weights), trend=trend, robust=options.robust)
    reasons = {
        int(gene): "no counts in any sample" if not numbers[gene].any() else "too few counts to test"
        for gene in np.flatnonzero(~kept)
    }
    note = (
        f"{int(kept.sum()):,} of {len(kept):,} genes have enough counts to be tested (filterByExpr's rule)."
    )
    return _Fitted(top_table(moderated, 0), np.flatnonzero(kept), reasons, (note, *notes))


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
    values: npt.NDArray[np.generic],
    model: Design,
    weights: Floats,
    groups: Mapping[str, Sequence[str]],
    options: _Options,
) -> _Fitted:
    numbers = _counted(values, model)
    factors = deseq2.size_factors(numbers, positive_only=options.size_factors == "poscounts")
    fitted = deseq2.fit(numbers, model.matrix, factors)
    compared = [model.samples.index(name) for members in groups.values() for name in members]
    tested = deseq2.wald_test(fitted, weights, compared=compared)
    return _Fitted(tested.table, np.arange(len(numbers)), tested.reasons, deseq2.notes(fitted, tested))


def _voom_fit(used: Floats, model: Design, sizes: Floats, options: _Options) -> tuple[Fit, tuple[str, ...]]:
    if options.block is not None:
        raise AnalysisError(
            "blocks go with method='limma-trend', whose values all weigh the same, not with voom"
        )
    if options.sample_weights:
        voomed, trust = voom_with_quality_weights(used, model.matrix, library_sizes=sizes)
        return rnaseq.voom_fit(voomed, model.matrix, names=model.names), (_told_weights(model, trust),)
    voomed = rnaseq.voom(used, model.matrix, library_sizes=sizes)
    return rnaseq.voom_fit(voomed, model.matrix, names=model.names), ()


def _table(study: Study, platform: str, index: pd.Index, fitted: _Fitted) -> pd.DataFrame:
    table = pd.DataFrame(np.nan, index=index, columns=fitted.table.columns)
    table.iloc[fitted.used] = fitted.table.to_numpy()
    table.insert(0, "symbol", symbols(study, platform, index))
    if fitted.reasons:
        reason = np.full(len(index), "", dtype=object)
        reason[list(fitted.reasons)] = list(fitted.reasons.values())
        table["reason"] = reason
    return table


def symbols(study: Study, platform: str, index: pd.Index) -> list[str]:
    """The gene symbol of each feature, empty where the annotation has none."""
    features = study.features.get(platform)
    if features is None or "symbol" not in features.columns:
        return [""] * len(index)
    known = features["symbol"][~features.index.duplicated()]
    return [str(symbol) for symbol in known.reindex(index).fillna("")]


def _notes_on_samples(model: Design, groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    others = len(model.samples) - sum(len(members) for members in groups.values())
    notes = []
    if others:
        notes.append(
            f"{others} samples of other levels are in the fit and add to the estimate of the variance."
        )
    if model.df_residual < 3:
        notes.append(
            f"Only {model.df_residual} residual degrees of freedom: variances rest mostly on what all "
            "genes share."
        )
    return tuple(notes)


def _notes_on_options(options: _Options) -> tuple[str, ...]:
    notes = ("Values were quantile-normalised between samples.",) if options.quantile else ()
    prior = (("a trend with average expression", options.trend), ("robust estimation", options.robust))
    said = [name for name, on in prior if on]
    return (*notes, f"The prior variance uses {' and '.join(said)}.") if said else notes
