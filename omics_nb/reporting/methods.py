"""The methods paragraph: sentences for what was really done, from the fields of the study and the result."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.enrichment import Enrichment
from ..display.numbers import counted
from ..records import DEResult, Study
from .document import Statement


def method_statements(study: Study, result: DEResult) -> tuple[Statement, ...]:
    """What was done, step by step: data, scale, model, adjustment, software."""
    return (
        _data(study, result),
        *_values(result),
        *_fit_options(result),
        _test(result),
        *_prior_options(result),
        *_comparison_options(result),
        _adjustment(result),
        _software(result),
    )


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
    if result.method in {"voom", "limma-trend", "edger"}:
        yield from _counts(result)
    if result.method == "deseq2":
        yield Statement(
            "Samples were made comparable by size factors: the median ratio of a sample's counts to the "
            "geometric mean of each feature.",
            f"{result.accession}: method",
            ("Anders 2010",),
        )
    if "log2" in result.options:
        taken = "taken" if result.options["log2"] else "not taken"
        yield _option(result, "log2", f"Logarithms were {taken} because the analysis was asked so.")
    if result.options.get("quantile"):
        said = "Samples were brought to one distribution of values by quantile normalisation."
        yield _option(result, "quantile", said, "Bolstad 2003")


def _counts(result: DEResult) -> Iterator[Statement]:
    yield Statement(
        "Features with too few counts to be tested were left out by the rule of edgeR's filterByExpr.",
        f"{result.accession}: reason",
        ("Chen 2016",),
    )
    how = {
        "voom": ", and counts were turned into log2 counts per million with a precision weight each (voom)",
        "limma-trend": ", and counts were turned into log2 counts per million of equal weight (limma-trend)",
    }.get(result.method, "")
    yield Statement(
        f"Library sizes were scaled by the trimmed mean of M-values (TMM){how}.",
        f"{result.accession}: method",
        ("Robinson 2010", "Law 2014") if how else ("Robinson 2010",),
    )


def _fit_options(result: DEResult) -> Iterator[Statement]:
    if result.options.get("sample_weights"):
        source = "Liu 2015" if result.method == "voom" else "Ritchie 2006"
        said = (
            "Each sample was given a weight by how well it follows the model, so that poor ones count less."
        )
        yield _option(result, "sample_weights", said, source)
    if "block" in result.options:
        said = (
            f"Samples with the same {result.options['block']} were taken as correlated, with one correlation "
            "for all features (the method of limma's duplicateCorrelation)."
        )
        yield _option(result, "block", said, "Smyth 2005")
    if "size_factors" in result.options:
        said = "Geometric means were of the positive counts, so that features with a zero were used as well."
        yield _option(result, "size_factors", said)


def _prior_options(result: DEResult) -> Iterator[Statement]:
    if result.method == "limma-trend" or result.options.get("trend"):
        name = "trend" if "trend" in result.options else "method"
        said = "The prior variance follows a trend over the average of each feature (limma-trend)."
        yield _option(result, name, said, "Law 2014")
    if result.options.get("robust"):
        said = "The prior variance was estimated robustly, so that features of unusual variance count less in it."
        yield _option(result, "robust", said, "Phipson 2016")


def _comparison_options(result: DEResult) -> Iterator[Statement]:
    if "lfc" in result.options:
        said = f"The hypothesis was a log2 fold change of at most {result.options['lfc']:g} in size, in place of 0."
        yield _option(result, "lfc", said, *(("McCarthy 2009",) if result.method != "deseq2" else ()))
    if "confidence" in result.options:
        said = f"Limits of the fold change hold each by itself, at a confidence of {result.options['confidence']:.0%}."
        yield _option(result, "confidence", said)
    if "shrink" in result.options:
        said = "Fold changes were drawn towards 0 by a normal prior; P-values are of those that were not."
        yield _option(result, "shrink", said, "Love 2014")
    if "by" in result.options:
        factor, *levels = result.options["by"]
        how = "differs between" if len(levels) == 2 else "is among the samples of"
        said = f"What was tested is how the effect {how} {' and '.join(levels)} ({factor})."
        yield _option(result, "by", said)


def _option(result: DEResult, name: str, said: str, *cites: str) -> Statement:
    field = name if name == "method" else f"options, {name}"
    return Statement(said, f"{result.accession}: {field}", cites)


def _test(result: DEResult) -> Statement:
    factor, tested, reference = result.contrast
    evidence = f"{result.accession}: design, contrast, method, {result.columns.p}"
    if result.method == "deseq2":
        return Statement(
            f"A negative binomial model with the design {result.design} was fitted to each of {result.n_tested:,} "
            "features, with a dispersion that is drawn towards the trend of all features over the mean count, and "
            f"{tested} was compared with {reference} (factor {factor}) by the Wald test of DESeq2. Fold changes "
            "are not shrunken. Counts with an extreme Cook's distance cost a feature its P-value, or, among seven or "
            "more replicates, were replaced by the trimmed mean of all samples.",
            evidence,
            ("Love 2014",),
        )
    if result.method == "edger":
        return Statement(
            f"A negative binomial model with the design {result.design} was fitted to each of {result.n_tested:,} "
            f"features at the dispersion that is expected of its abundance, and {tested} was compared with {reference} "
            f"(factor {factor}) by the quasi-likelihood F-test of edgeR, whose quasi-dispersions are shared between "
            "features by empirical Bayes.",
            evidence,
            ("McCarthy 2012", "Lund 2012", "Chen 2016"),
        )
    statistic = "F-statistic of all these comparisons together" if result.each else "t-statistic"
    return Statement(
        f"A linear model with the design {result.design} was fitted to each of {result.n_tested:,} features, and "
        f"{tested} was compared with {reference} (factor {factor}) by the moderated {statistic} of limma, in "
        "which empirical Bayes shares what is known of the variance between features.",
        evidence,
        ("Smyth 2004", "Ritchie 2015"),
    )


def _adjustment(result: DEResult) -> Statement:
    adj_p = result.columns.adj_p
    filtered = (
        " Features with a mean count below a threshold, chosen so that the most are found, were left out of the "
        "adjustment (independent filtering)."
        if result.method == "deseq2"
        else ""
    )
    return Statement(
        "P-values were adjusted for the number of features by the procedure of Benjamini and Hochberg: of "
        f"the features with {adj_p} ≤ 0.05, at most 5 % are expected to be false.{filtered}",
        f"{result.accession}: {adj_p}",
        ("Benjamini 1995", "Bourgon 2010") if filtered else ("Benjamini 1995",),
    )


def enrichment_statements(found: Enrichment | None) -> Iterator[Statement]:
    """How gene sets were judged, where they were."""
    if found is None:
        return
    sets = f"{len(found.table):,} sets of {found.collection} (SHA-256 {found.sha256[:12]}…)"
    how = {
        "gsea": "by preranked gene set enrichment analysis of the test statistic",
        "ora": "by the hypergeometric test for over-representation among the genes that are called",
    }[found.kind]
    given = ", ".join(f"{name} {value}" for name, value in found.options.items())
    yield Statement(
        f"Gene sets were judged {how}, with {found.n_genes:,} genes and the {sets}; {given}. gseapy computed it.",
        f"{found.result.accession}: gene sets, {found.kind}",
        ("Subramanian 2005", "Fang 2023") if found.kind == "gsea" else ("Fang 2023",),
    )


def _software(result: DEResult) -> Statement:
    from .. import __version__

    return Statement(
        f"The statistics are omics_nb's own code (version {__version__}), written from these publications.",
        f"{result.accession}: versions",
    )
