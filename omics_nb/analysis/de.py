"""Differential expression of a study: R's numbers, and every refusal with its reason.

What is compared is worked out in ``comparisons``, the fits are in ``fits``; here the method is chosen by what the
study holds, and the answer becomes a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import AnalysisError, DesignError, ScaleError
from ..records import DEResult, Study
from .comparisons import Asked, Modelled, modelled
from .design import Design
from .fits import Fitted, Options, SizeFactors, fit
from .precheck import sheet_warnings
from .scale import ScaleDecision, decide_scale

Floats = npt.NDArray[np.float64]
Method = Literal["auto", "limma", "voom", "limma-trend", "deseq2", "edger"]

#: Arguments of the fit beside contrast, design, platform and method, with their defaults.
OPTIONS = {
    "log2": None,
    "quantile": False,
    "trend": False,
    "robust": False,
    "sample_weights": False,
    "block": None,
    "size_factors": "ratio",
    "lfc": 0.0,
    "confidence": None,
    "shrink": False,
    "by": None,
}
_METHODS: tuple[Method, ...] = ("auto", "limma", "voom", "limma-trend", "deseq2", "edger")
_COUNT_METHODS = {
    "voom": "voom turns them into log2 counts per million with precision weights.",
    "limma-trend": "limma-trend turns them into log2 counts per million whose variance follows a trend.",
    "deseq2": "deseq2 models them as they are, with a size factor for each sample.",
    "edger": "edger models them as they are, with library sizes scaled by TMM.",
}
_LINEAR = {"trend", "robust", "sample_weights", "block", "lfc", "confidence", "by"}
#: The options that each method has; the others are refused.
_TAKES = {
    "limma": _LINEAR | {"log2", "quantile"},
    "voom": _LINEAR,
    "limma-trend": _LINEAR,
    "deseq2": {"size_factors", "lfc", "shrink", "by"},
    "edger": {"robust", "by"},
}
_INSTEAD = {
    "quantile": "counts are normalised by TMM",
    "block": "pairs and batches go into the design (~ patient + treatment), or use method='limma-trend'",
    "lfc": "a threshold is an option of limma, voom, limma-trend and deseq2",
    "shrink": "fold changes are shrunken by deseq2",
    "confidence": "limits are an option of limma, voom and limma-trend",
    "size_factors": "size factors are an option of deseq2",
}


def check_options(options: Mapping[str, Any]) -> None:
    """AnalysisError for an option that the fit does not have, or a text where it is a number, true or false.

    Tables and notebooks bring texts, and "false" would count as true.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise AnalysisError(f"the fit has no option {name}; it has {', '.join(OPTIONS)}")
        if (name == "log2" or isinstance(OPTIONS[name], bool)) and not isinstance(value, bool | None):
            raise AnalysisError(f"the option {name} of the fit is true or false, not {value!r}")
        if name in ("lfc", "confidence") and isinstance(value, bool | str):
            raise AnalysisError(f"the option {name} of the fit is a number, not {value!r}")


def differential_expression(
    study: Study,
    *,
    contrast: Asked,
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
    by: Sequence[str] | None = None,
) -> DEResult:
    """The test of ``contrast`` in one matrix of a study.

    ``contrast``: (factor, tested, reference); a list of such, which are tested together (F) and each for itself
    (``DEResult.each``); or the name of a factor, for all its levels against the reference.
    ``design``: a formula over the sample columns that holds the factor, ``~ factor`` unless given (see
    ``design``). Samples of other levels stay in the fit, where they add to the estimate of the variance;
    samples without a level are left out. ``by``: (factor, level) for the effect at that level, (factor, level, other
    level) for how the effect differs between them, in the design ``~ factor * …`` unless given.
    ``method``: "limma" for array values, "voom", "limma-trend", "deseq2" or "edger" for counts; "auto" takes limma or
    voom by what the study holds. ``log2``: whether to log-transform, in place of GEO2R's rule. ``quantile``: normalise
    between arrays first. ``trend``, ``robust``: of the prior variance. ``sample_weights``: samples that follow the
    model badly count less. ``block``: the column whose samples belong together (a patient, a litter) and whose
    correlation is to be estimated. ``size_factors``: of deseq2, "poscounts" where every gene has a zero. ``lfc``: test
    whether the change is larger than this, in place of 0. ``confidence``: of limits of the change, such as 0.95.
    ``shrink``: draw deseq2's fold changes towards 0.

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
        lfc=lfc,
        confidence=confidence,
        shrink=shrink,
        by=None if by is None or isinstance(by, str) else tuple(by),
    )
    platform = study.choose_platform(platform)
    matrix = study.matrices[platform]
    asked = modelled(study, matrix, contrast, design, by)
    model = asked.model
    chosen, decision, log2, notes = choose_method(study, matrix, method, log2)
    _refuse_options(chosen, told, n_contrasts=len(asked.each))
    blocks = _blocks(study, model, block)
    options = Options(
        log2, trend, robust, quantile, sample_weights, blocks, size_factors, lfc, confidence, shrink
    )
    fitted = fit(chosen, matrix[list(model.samples)].to_numpy(), model, asked.comparisons, options)
    result = DEResult(
        table=_table(study, platform, matrix.index, fitted, fitted.overall),
        accession=study.accession,
        platform=platform,
        contrast=asked.overall,
        design=model.formula,
        method=chosen,
        groups=asked.comparisons.groups,
        scale_decision=decision,
        source=study.source,
        synthetic=study.synthetic,
        notes=(*notes, *_notes_on_model(study, asked, block), *fitted.notes, *_notes_on_options(options)),
        versions=versions(),
        options=told,
    )
    return replace(result, each=_each(result, study, matrix.index, asked, fitted))


def _each(
    result: DEResult, study: Study, index: pd.Index, asked: Modelled, fitted: Fitted
) -> tuple[DEResult, ...]:
    """A result for each of several comparisons; none where there is one only."""
    if len(asked.each) == 1:
        return ()
    return tuple(
        replace(
            result, table=_table(study, result.platform, index, fitted, table), contrast=one, groups=groups
        )
        for table, one, groups in zip(fitted.tables, asked.each, asked.groups, strict=True)
    )


def _changed(**options: Any) -> dict[str, Any]:
    """The options that are not at their defaults."""
    return {name: value for name, value in options.items() if value != OPTIONS[name]}


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import platform as python
    from importlib.metadata import version

    from .. import __version__

    packages = ("numpy", "scipy", "pandas", "formulaic")
    return {"omics-nb": __version__, "python": python.python_version()} | {
        name: version(name) for name in packages
    }


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


def choose_method(
    study: Study, matrix: pd.DataFrame, method: str, log2: bool | None
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
            "precision; use method='voom', 'limma-trend', 'edger' or 'deseq2'",
            accession=study.accession,
        )
    notes = _array_notes(study, found, method, log2)
    if log2 is None:
        return "limma", found.sentence, found.log_transform, notes
    said = "log2-transformed" if log2 else "not transformed"
    return "limma", f"Values are {said}, as asked; GEO2R's rule said: {found.sentence}", log2, notes


def _refuse_options(method: str, told: Mapping[str, Any], *, n_contrasts: int) -> None:
    """AnalysisError for options that the method does not have, with what to do instead."""
    foreign = [name for name in told if name not in _TAKES[method]]
    if foreign:
        instead = "".join(f"; {_INSTEAD[name]}" for name in foreign if name in _INSTEAD)
        raise AnalysisError(
            f"{method} has no {', '.join(foreign)}: leave it out{instead}",
            method=method,
            options=tuple(foreign),
        )
    if told.get("lfc", 0) < 0:
        raise AnalysisError(f"lfc is a size of log2 fold changes, 0 or more, not {told['lfc']}")
    if n_contrasts > 1 and told.get("lfc"):
        raise AnalysisError(
            "a threshold goes with one comparison at a time; leave lfc out, or give one contrast"
        )
    if n_contrasts > 1 and told.get("shrink"):
        raise AnalysisError("fold changes are shrunken for one comparison at a time; give one contrast")


def _array_notes(study: Study, found: ScaleDecision, method: str, log2: bool | None) -> tuple[str, ...]:
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


def _table(
    study: Study, platform: str, index: pd.Index, fitted: Fitted, of: pd.DataFrame | None
) -> pd.DataFrame:
    statistics = fitted.tables[0] if of is None else of
    table = pd.DataFrame(np.nan, index=index, columns=statistics.columns)
    table.iloc[fitted.used] = statistics.to_numpy()
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


def _notes_on_model(study: Study, asked: Modelled, block: str | None) -> tuple[str, ...]:
    model = asked.model
    used = study.samples.loc[list(model.samples)]
    return (
        *model.notes,
        *_notes_on_samples(model, asked.comparisons.groups),
        *sheet_warnings(used, asked, block),
    )


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


def _notes_on_options(options: Options) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if options.quantile:
        notes += ("Values were quantile-normalised between samples.",)
    prior = (("a trend with average expression", options.trend), ("robust estimation", options.robust))
    if options.lfc:
        notes += (f"Tested is whether the change is larger than {options.lfc:g} (log2), in place of 0.",)
    said = [name for name, on in prior if on]
    if said:
        notes += (f"The prior variance uses {' and '.join(said)}.",)
    if options.shrink:
        notes += ("Fold changes are drawn towards 0 by a normal prior; P-values are of those that are not.",)
    return notes
