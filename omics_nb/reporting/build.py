"""A study, its result and what led to them → a Report; every number in its sentences comes from a table."""

from __future__ import annotations

import platform as _platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from ..analysis.enrichment import Enrichment, enrich
from ..analysis.fitness import fitness
from ..display.numbers import counted
from ..display.result import counts_at, threshold_text
from ..errors import AnalysisError, DataError, MissingExtraError
from ..figures import Figure
from ..index.summary import summarise
from ..records import DEResult, Hits, Quality, Query, Study
from .citations import cited_by
from .document import Report, Statement
from .methods import enrichment_statements, method_statements
from .repeat import how_to_repeat

SMALL_GROUP = 3
_HEAT_MAP_ROWS = 30
_SENTENCES = 4


def build_report(
    study: Study,
    result: DEResult,
    *,
    question: str | None = None,
    query: Query | None = None,
    hits: Hits | None = None,
    quality: Quality | None = None,
    figures: Sequence[Figure] | None = None,
    enrichment: Enrichment | None = None,
    notes: Sequence[str] = (),
    created: str | None = None,
) -> Report:
    """The report of one comparison; ``notes`` say how study and comparison were chosen, and are shown.

    ``quality``, ``figures`` and ``enrichment`` (a walk down all genes, with the gene sets that come with the package)
    are made here where they are not given; a figure that these data do not allow is left out with a warning that says
    why, and where gene sets cannot be asked, the report says why. ``created`` is an ISO time in UTC, now by default.

    DataError where ``result``, ``quality`` or ``enrichment`` is of another study, source or platform.
    """
    _same_study(study, result, quality)
    _same_result(result, enrichment)
    query = query or (hits.query if hits else None)
    quality = quality or _judge(study, result)
    lost: tuple[str, ...] = ()
    if figures is None:
        figures, lost = draw_figures(study, result)
    asked, no_enrichment = enrichment, ""
    if enrichment is None:
        enrichment, no_enrichment = _gene_sets(result)
    said = (*method_statements(study, result), *enrichment_statements(enrichment))
    return Report(
        title=_title(study, result),
        question=question or (query.text if query else None),
        query=query,
        hits=hits,
        study=study,
        quality=quality,
        result=result,
        figures=tuple(figures),
        notes=tuple(notes),
        warnings=(*_warnings(study, result, quality), *lost),
        findings=(*_findings(study, result, hits), *_set_findings(enrichment)),
        comparison=tuple(_comparison(result)),
        methods=said,
        citations=cited_by(said),
        repeat=how_to_repeat(
            study, result, question=question or (query.text if query else None), enrichment=asked
        ),
        created=created or datetime.now(UTC).isoformat(timespec="seconds"),
        versions=_versions(result.versions),
        enrichment=enrichment,
        no_enrichment=no_enrichment,
        fitness=fitness(study, quality, (result.each or (result,))[0].contrast, query=query),
        said=summarise(study, query, limit=_SENTENCES, source=study.source),
    )


def _same_study(study: Study, result: DEResult, quality: Quality | None) -> None:
    for name, value in (("result", result), ("quality", quality)):
        if value is None:
            continue
        if value.accession != study.accession:
            raise DataError(
                f"the {name} is of {value.accession}, the study is {study.accession}; give those of one study"
            )
        if value.source != study.source:
            raise DataError(
                f"the {name} is of {value.accession} from {value.source}, the study is from {study.source}; "
                "give those of one source"
            )
    if result.platform not in study.matrices:
        raise DataError(
            f"the result is of platform {result.platform}, {study.accession} has matrices of "
            f"{', '.join(study.matrices) or 'none'}; give the study that was analysed"
        )
    if quality is not None and quality.platform != result.platform:
        raise DataError(
            f"the quality is of platform {quality.platform}, the result of {result.platform}; give those of one"
        )


def _same_result(result: DEResult, enrichment: Enrichment | None) -> None:
    if enrichment is None:
        return
    of = enrichment.result
    if (of.accession, of.platform, of.contrast, of.source) != (
        result.accession,
        result.platform,
        result.contrast,
        result.source,
    ):
        raise DataError(
            f"the enrichment is of {of.accession}, {of.platform}, {of.contrast}; the result is of {result.accession}, "
            f"{result.platform}, {result.contrast}; give that of one result"
        )


def _judge(study: Study, result: DEResult) -> Quality:
    from ..analysis.quality import quality

    return quality(study, platform=result.platform, factor=result.contrast.factor, design=result.design)


def _gene_sets(result: DEResult) -> tuple[Enrichment | None, str]:
    """The gene sets of the result, or why there are none."""
    try:
        return enrich(result), ""
    except (AnalysisError, MissingExtraError) as error:
        return None, f"Gene sets were not asked for: {error}."


def draw_figures(study: Study, result: DEResult) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The figures of a report, and why one could not be drawn of these data."""
    from .. import figures

    of = {"platform": result.platform, "color_by": result.contrast.factor}
    wanted: dict[str, Callable[[], Figure]] = {
        "volcano plot": lambda: figures.volcano(result),
        "MA plot": lambda: figures.ma(result),
        "histogram of P-values": lambda: figures.p_histogram(result),
        "heat map": lambda: figures.heat_map(study, result, n=_HEAT_MAP_ROWS),
        "distributions": lambda: figures.box(study, **of),
        "PCA": lambda: figures.pca(study, **of),
        "sample correlation": lambda: figures.correlation(study, **of),
    }
    drawn, lost = [], []
    for name, draw in wanted.items():
        try:
            drawn.append(draw())
        except (AnalysisError, DataError) as error:
            lost.append(f"The {name} could not be drawn from these data: {error}")
    return tuple(drawn), tuple(lost)


def _title(study: Study, result: DEResult) -> str:
    return f"{result.contrast.tested} against {result.contrast.reference} in {study.accession}"


def _warnings(study: Study, result: DEResult, quality: Quality) -> Iterator[str]:
    if study.synthetic or result.synthetic:
        yield "These data are synthetic: generated to try the program out. They say nothing about biology."
    for side, level in (("tested", result.contrast.tested), ("reference", result.contrast.reference)):
        n = len(result.groups.get(side, ()))
        if n < SMALL_GROUP:
            yield (
                f"The {side} group ({result.contrast.factor} = {level}) has only {counted(n, 'sample')}; "
                f"with fewer than {SMALL_GROUP}, variation within it is hardly known."
            )
    for verdict in ("fail", "warn"):
        for check in quality.checks:
            if check.verdict == verdict:
                yield f"Quality, {check.name}: {check.sentence}"
    n_missing = len(result.table) - result.n_tested
    if n_missing:
        missing = f"have no {result.columns.p}{_why_missing(result)}"
        yield f"{n_missing:,} of {len(result.table):,} features {missing}."
    yield from result.notes
    yield from (note for note in study.notes if note not in result.notes)


def _why_missing(result: DEResult) -> str:
    """The reasons that the table gives, with how many features each holds for."""
    if "reason" not in result.table.columns:
        return ""
    counts = result.table.loc[result.table[result.columns.p].isna(), "reason"].value_counts()
    return ": " + ", ".join(f"{reason} ({n:,})" for reason, n in counts.items())


def _findings(study: Study, result: DEResult, hits: Hits | None) -> Iterator[Statement]:
    place = f"{result.accession}, {result.platform}"
    n_features, names = result.n_tested, result.columns
    for adj_p, logfc in ((0.05, 0.0), (0.05, 1.0)):
        up, down = counts_at(result, adj_p, logfc)
        have = f"have {threshold_text(result, adj_p, logfc)}"
        yield Statement(
            f"{up + down:,} of {n_features:,} features tested {have}: {up:,} higher and {down:,} lower in "
            f"{result.contrast.tested} than in {result.contrast.reference}.",
            f"{place}: {names.adj_p}, {names.change}",
        )
    tested = result.top(1).dropna(subset=[names.p])
    if len(tested):
        yield _strongest(result, place)
    if hits is not None and study.accession in {hit.accession for hit in hits}:
        rank = [hit.accession for hit in hits].index(study.accession) + 1
        rank_text = f"number {rank} of the {hits.total:,} studies" if hits.total > 1 else "the only study"
        yield Statement(
            f"{study.accession} is {rank_text} that the search found.", f"search of {hits.source}"
        )


def _set_findings(enrichment: Enrichment | None) -> Iterator[Statement]:
    if enrichment is None:
        return
    found = enrichment.significant()
    named = ", ".join(str(name) for name in found.index[:3])
    yield Statement(
        f"{len(found):,} of {len(enrichment.table):,} gene sets of {enrichment.collection} have FDR ≤ 0.05"
        + (f": {named}{' …' if len(found) > 3 else ''}." if named else "."),
        f"{enrichment.result.accession}, gene sets: FDR",
    )


def _strongest(result: DEResult, place: str) -> Statement:
    row = result.top(1).iloc[0]
    feature = str(row.name)
    symbol = str(row["symbol"]) if "symbol" in result.table.columns and row["symbol"] else ""
    name = f"{symbol} ({feature})" if symbol and symbol != feature else feature
    change, _, p, adj_p = result.columns
    side = "higher" if row[change] > 0 else "lower"
    adjusted = f", {adj_p} {row[adj_p]:.2e}" if row[adj_p] == row[adj_p] else ""
    return Statement(
        f"The smallest P belongs to {name}: {side} in {result.contrast.tested}, {change} {row[change]:.2f}, "
        f"{p} {row[p]:.2e}{adjusted}.",
        f"{place}, row {feature}: {change}, {p}, {adj_p}",
    )


def _comparison(result: DEResult) -> Iterator[Statement]:
    factor, tested, reference = result.contrast
    n_tested, n_reference = (len(result.groups.get(side, ())) for side in ("tested", "reference"))
    field = f"{result.accession}, sample sheet: {factor}"
    yield Statement(
        f"{counted(n_tested, 'sample')} with {factor} = {tested} (tested) against {n_reference} with "
        f"{factor} = {reference} (reference).",
        field,
    )
    change = result.columns.change
    yield Statement(f"A positive {change} means higher in {tested}.", f"{result.accession}: {change}")
    yield Statement(
        f"The model is {result.design}: {_in_words(result)}.", f"{result.accession}: design, contrast"
    )


def _in_words(result: DEResult) -> str:
    """What the formula says, by the columns that it names."""
    named = re.findall(r"`([^`]+)`|([A-Za-z_.][\w.]*)", result.design)
    columns = dict.fromkeys(quoted or plain for quoted, plain in named)
    others = [name for name in columns if name not in {result.contrast.factor, "C", "numeric"}]
    if not others:
        return f"each feature has a mean for each level of {result.contrast.factor}, and nothing else is allowed for"
    allowed = " and ".join(others)
    crossed = ", which may change the effect of each other," if re.search(r"[:*]", result.design) else ""
    return f"the effect of {result.contrast.factor} is estimated with differences by {allowed}{crossed} allowed for"


def _versions(of_result: Mapping[str, str]) -> dict[str, str]:
    """What the result says, and what this report adds to it."""
    from .. import __version__

    own = {"omics-nb": __version__, "python": _platform.python_version()}
    return {**own, **of_result, "matplotlib": version("matplotlib")}
