"""The methods paragraph: sentences for what was really done, from the fields of the study and the result."""

from __future__ import annotations

from collections.abc import Iterator

from ..display.numbers import counted
from ..records import DEResult, Study
from .document import Statement


def method_statements(study: Study, result: DEResult) -> tuple[Statement, ...]:
    """What was done, step by step: data, scale, model, adjustment, software."""
    return (_data(study, result), *_values(result), _test(result), _adjustment(result), _software(result))


def _data(study: Study, result: DEResult) -> Statement:
    what = "Synthetic data in GEO's formats" if study.synthetic else "Public data of NCBI GEO"
    n_used = sum(len(samples) for samples in result.groups.values())
    return Statement(
        f"{what}: series {study.accession}, platform {result.platform}, {n_used} of {study.n_samples} "
        f"samples in the two groups, read from {counted(len(study.files), 'file')} of the source "
        f"{study.source}, whose SHA-256 sums are listed in this report.",
        f"{study.accession}: files, samples",
        () if study.synthetic else ("Barrett 2013",),
    )


def _values(result: DEResult) -> Iterator[Statement]:
    yield Statement(result.scale_decision, f"{result.accession}, {result.platform}: quantiles of the values")
    if result.method == "voom":
        yield Statement(
            "Features with too few counts to be tested were left out by the rule of edgeR's filterByExpr.",
            f"{result.accession}: reason",
            ("Chen 2016",),
        )
        yield Statement(
            "Library sizes were scaled by the trimmed mean of M-values (TMM), and counts were turned into "
            "log2 counts per million with a precision weight each (voom).",
            f"{result.accession}: method",
            ("Robinson 2010", "Law 2014"),
        )


def _test(result: DEResult) -> Statement:
    factor, tested, reference = result.contrast
    n_tested = int(result.table["P.Value"].notna().sum())
    return Statement(
        f"A linear model with the design {result.design} was fitted to each of {n_tested:,} features, and "
        f"{tested} was compared with {reference} (factor {factor}) by the moderated t-statistic of limma, in "
        "which empirical Bayes shares what is known of the variance between features.",
        f"{result.accession}: design, contrast, method, P.Value",
        ("Smyth 2004", "Ritchie 2015"),
    )


def _adjustment(result: DEResult) -> Statement:
    return Statement(
        "P-values were adjusted for the number of features by the procedure of Benjamini and Hochberg: of "
        "the features with adj.P.Val ≤ 0.05, at most 5 % are expected to be false.",
        f"{result.accession}: adj.P.Val",
        ("Benjamini 1995",),
    )


def _software(result: DEResult) -> Statement:
    from .. import __version__

    return Statement(
        f"The statistics are omics_nb's own code (version {__version__}), written from these publications.",
        f"{result.accession}: versions",
    )
