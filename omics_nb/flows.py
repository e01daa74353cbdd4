"""The chains: ordinary functions wired by the names of their parameters, run durably.

============================  ==========================================================================
``full_analysis``             question → query → hits → chosen study → quality → result → report
``simple_search``             question → query → hits
``quick_report``              accession (and contrast) → quality → result → report
``data_validation``           accessions → one row each: could it be read, what is in it, what is odd
============================  ==========================================================================

``start`` returns a :class:`~omics_nb.workflow.Run` at once; each step's state, time and value are recorded in the
store that the settings name, so that a run can be listed, looked into and resumed from another process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from . import records, reporting
from . import settings as _settings
from .agents.analysis import best_proposal, differential_expression
from .agents.analysis import quality as judge
from .agents.data import fetch
from .agents.enrichment import enrich
from .agents.query import understand
from .agents.report import report as write_report
from .agents.search import search
from .analysis.contrasts import read_contrasts
from .analysis.de import Method, check_options
from .analysis.design import check_contrast
from .analysis.enrichment import Enrichment, GeneSets, read_gene_sets
from .analysis.fitness import Fitness
from .analysis.groups import with_groups
from .errors import (
    AnalysisError,
    DataError,
    DesignError,
    FlowError,
    NotFoundError,
    PrivateRecordError,
    QuestionError,
    RunNotFoundError,
)
from .figures.figure import Axis, Figure, Group, Layer
from .geo.lazy import Tables
from .index import ONE_WORD, summary
from .progress import listening
from .records import Contrast, DEResult, Hits, Quality, Query, Study
from .reporting import Report
from .workflow import Context, Flow, Run, list_runs, open_run, open_store, register, step
from .workflow import start as _start

if TYPE_CHECKING:
    import pandas as pd

    from .workflow.store import Store

# A hit further down is rarely what was asked for, and each look costs a download.
_HITS_LOOKED_INTO = 5


#: (factor, tested, reference), or several of them that are tested together.
Contrasts = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The study that is analysed, the comparison, why both were chosen, and what was passed over for it."""

    study: Study
    platform: str
    contrast: Contrast
    reason: str
    passed_over: tuple[str, ...] = ()
    design: str | None = None
    several: tuple[Contrast, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What a look into one study found; ``problem`` is the error that a person would have met, or empty.

    ``score`` is that of the worst of its matrices.
    """

    accession: str
    source: str
    problem: str
    synthetic: bool = False
    n_samples: int = 0
    matrices: tuple[str, ...] = ()
    value_kind: str = ""
    score: float | None = None
    notes: tuple[str, ...] = ()


def query(question: str) -> Query:
    """How the question is read."""
    return understand(question)


def hits(query: Query, source: str, ctx: Context, limit: int = 20) -> Hits:
    """The studies that the source has for it."""
    with _heard(ctx):
        return search(query, source=source, limit=limit)


def best_study(
    hits: Hits,
    query: Query,
    ctx: Context,
    contrast: Contrasts | None = None,
    platform: str | None = None,
) -> Chosen:
    """The first hit whose files hold values and whose samples allow the contrast, or suggest one.

    NotFoundError says for each hit that was looked into why it could not be used.
    """
    passed_over: list[str] = []
    for hit in hits[:_HITS_LOOKED_INTO]:
        if hit.reasons and hit.reasons[0].startswith(ONE_WORD):
            passed_over.append(f"{hit.accession}: {hit.reasons[0]}")
            continue
        try:
            with _heard(ctx):
                study = fetch(hit)
            chosen = _choose(study, contrast, platform, query)
        except (DataError, DesignError, NotFoundError, PrivateRecordError) as error:
            passed_over.append(f"{hit.accession}: {error}")
        else:
            return replace(chosen, passed_over=tuple(passed_over))
    seen = " ".join(passed_over) or " ".join(hits.notes)
    raise NotFoundError(f"none of the studies found for {query.text!r} can be analysed as it is. {seen}")


def given_study(
    accession: str,
    source: str,
    ctx: Context,
    contrast: Contrasts | None = None,
    platform: str | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> Chosen:
    """The study that was asked for, with the contrast that was given or the best that its samples suggest.

    ``groups`` are columns that its sample sheet lacks: name → sample → level.
    """
    with _heard(ctx):
        study = fetch(accession, source=source)
    return _choose(study.with_factors(groups or {}), contrast, platform)


def _heard(ctx: Context) -> AbstractContextManager[None]:
    """Waits and downloads become progress of the step, which also lets a cancel end them."""
    return listening(lambda message: ctx.progress(0.0, message))


def _choose(
    study: Study, contrast: Contrasts | None, platform: str | None, query: Query | None = None
) -> Chosen:
    """The comparison to make in a study: the given one, or the proposal that the question is nearest to."""
    if contrast is not None:
        sheet = with_groups(study.samples)
        given = tuple(check_contrast(study.accession, sheet, one) for one in read_contrasts(contrast))
        several = given if len(given) > 1 else ()
        return Chosen(
            study, study.choose_platform(platform), given[0], "The comparison was given.", several=several
        )
    best = best_proposal(study, platform, query)
    return Chosen(study, best.platform, best.contrast, best.reason, design=best.design)


def quality(chosen: Chosen, design: str | None = None) -> Quality:
    """What speaks for and against the chosen values."""
    return judge(
        chosen.study,
        platform=chosen.platform,
        factor=chosen.contrast.factor,
        design=design or chosen.design,
    )


def result(
    chosen: Chosen,
    design: str | None = None,
    method: Method = "auto",
    options: Mapping[str, Any] | None = None,
) -> DEResult:
    """Differential expression of the chosen comparison; ``options`` are further arguments of the fit."""
    return differential_expression(
        chosen.study,
        contrast=[(*one,) for one in chosen.several] or chosen.contrast,
        design=design or chosen.design,
        platform=chosen.platform,
        method=method,
        **(options or {}),
    )


def report(
    chosen: Chosen,
    quality: Quality,
    result: DEResult,
    question: str | None = None,
    query: Query | None = None,
    hits: Hits | None = None,
    gene_sets: GeneSets | None = None,
) -> Report:
    """The document of all that, with the given gene sets or those that come with the package."""
    return write_report(
        chosen.study,
        result,
        question=question,
        query=query,
        hits=hits,
        quality=quality,
        enrichment=enrich(result, gene_sets=gene_sets) if gene_sets else None,
        notes=(
            f"Choice of the comparison: {chosen.reason}",
            *(f"Passed over: {why}" for why in chosen.passed_over),
        ),
    )


def validation(accession: str, source: str, ctx: Context) -> Validation:
    """A look into one study. What is wrong with it becomes its row; a source that does not answer fails the run."""
    try:
        with _heard(ctx):
            study = fetch(accession, source=source)
        scores = [judge(study, platform=platform).score for platform in study.matrices]
    except (DataError, NotFoundError, PrivateRecordError, AnalysisError) as error:
        return Validation(accession, source, f"{type(error).__name__}: {error}")
    return Validation(
        study.accession,
        study.source,
        "",
        study.synthetic,
        study.n_samples,
        tuple(study.matrices),
        study.value_kind,
        min(scores, default=None),
        study.notes,
    )


def table(validations: Sequence[Validation]) -> pd.DataFrame:
    """One row a study, in the order they were given."""
    import pandas as pd

    rows = [
        {
            "accession": row.accession,
            "readable": not row.problem,
            "n_samples": row.n_samples,
            "matrices": "; ".join(row.matrices),
            "value_kind": row.value_kind,
            "quality": row.score,
            "problem": row.problem,
            "notes": "; ".join(row.notes),
            "source": row.source,
            "synthetic": row.synthetic,
        }
        for row in validations
    ]
    return pd.DataFrame(
        rows,
        columns="accession readable n_samples matrices value_kind quality problem notes source synthetic".split(),
    )


# Reading a source is not cached across runs: what it holds may change. Within a run it is never done twice.
_FETCH = {"cache": False, "weight": 4.0}
FULL_ANALYSIS = Flow(
    "full_analysis",
    [
        query,
        step(hits, cache=False, weight=2.0),
        step(best_study, name="chosen", **_FETCH),
        quality,
        step(result, weight=2.0),
        step(report, weight=3.0),
    ],
)
SIMPLE_SEARCH = Flow("simple_search", [query, step(hits, cache=False)])
QUICK_REPORT = Flow(
    "quick_report",
    [step(given_study, name="chosen", **_FETCH), quality, step(result, weight=2.0), step(report, weight=3.0)],
)
DATA_VALIDATION = Flow(
    "data_validation",
    [step(validation, name="validations", each={"accession": "accessions"}, limit=4, cache=False), table],
)

REPORT_FLOWS = (FULL_ANALYSIS.name, QUICK_REPORT.name)
_FLOWS = {flow.name: flow for flow in (FULL_ANALYSIS, SIMPLE_SEARCH, QUICK_REPORT, DATA_VALIDATION)}

register(
    *(
        getattr(records, name)
        for name in "Term Query Hit Hits Removed Sent FileRecord Study Check Quality Contrast".split()
    ),
    *(records.Proposal, records.DEResult, Tables, Chosen, Validation, GeneSets, Enrichment, Fitness),
    *(Figure, Axis, Group, *get_args(Layer)),
    *(reporting.Report, reporting.Statement, reporting.Citation, reporting.Repeat),
    *(summary.Summary, summary.Cited, summary.Generated),
)


def list_flows() -> tuple[Flow, ...]:
    """The flows that can be started by name."""
    return tuple(_FLOWS.values())


def start(
    flow: str | Flow,
    /,
    *,
    source: str | None = None,
    name: str | None = None,
    key: str | None = None,
    tags: Sequence[str] = (),
    **inputs: Any,
) -> Run:
    """Start a flow, by name or your own; returns a run at once: ``run.result()``, or ``await run``.

    ``source`` is resolved now, so that the run means the same when it is resumed. With a ``key``, a second start
    gives the first run. FlowError for an unknown flow or inputs that do not fit, StoreError where the store cannot
    be written.
    """
    chosen = flow if isinstance(flow, Flow) else _FLOWS.get(flow)
    if chosen is None:
        raise FlowError(f"no flow {flow!r}; have {', '.join(_FLOWS)}", flow=flow)
    settings = _settings.load()
    if "source" in chosen.inputs:
        inputs["source"] = _from_anywhere(source or settings.source)
    elif source is not None:
        raise FlowError(f"flow {chosen.name!r} takes no source", flow=chosen.name)
    return _start(chosen, inputs, store=run_store(settings), name=name, key=key, tags=tuple(tags))


def run_store(settings: _settings.Settings | None = None) -> Store:
    """The store that the settings name. StoreError if it cannot be used, MissingExtraError where psycopg is missing."""
    found = settings or _settings.load()
    return open_store(found.store, values=found.values)


def _from_anywhere(source: str) -> str:
    """A mirror with its whole path, so that the run can be resumed from another working directory."""
    name, _, folder = source.partition(":")
    return f"{name}:{Path(folder).expanduser().resolve()}" if name == "mirror" and folder else source


def start_report(
    question: str | None = None,
    *,
    study: str | None = None,
    source: str | None = None,
    contrast: Contrasts | None = None,
    platform: str | None = None,
    design: str | None = None,
    method: str | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    options: Mapping[str, Any] | None = None,
    gene_sets: str | Path | None = None,
    run_id: str | None = None,
) -> Run:
    """The run behind a report: of the study that is named, or of the best one for the question.

    With both, the question is told in the report. ``groups`` are columns that the study's sample sheet lacks, name →
    sample → level; the run keeps them, so that it means the same when it is resumed, as it keeps the sets of the GMT
    file ``gene_sets``. ``contrast`` is three texts, or a list of such. ``options`` are further arguments of
    ``differential_expression``, such as ``{"robust": True}``. A run ``run_id`` that the store here has is taken as it
    is, so that an executed report is shown again and not made again; elsewhere the same inputs start a run.
    QuestionError with neither question nor study, and for groups of no study; DesignError for a ``contrast`` that is
    not three texts; AnalysisError for options that the fit does not take.
    """
    if run_id:
        with suppress(RunNotFoundError):
            return get_run(run_id)
    given = {
        "contrast": _as_lists(read_contrasts(contrast)) if contrast else None,
        "platform": platform,
        "design": design,
        "method": method,
        "options": _known(options or {}),
        "gene_sets": read_gene_sets(gene_sets) if gene_sets else None,
    }
    inputs: dict[str, Any] = {name: value for name, value in given.items() if value}
    if study:
        if question:
            inputs |= {"question": question, "query": understand(question)}
        if groups:
            inputs["groups"] = {name: dict(levels) for name, levels in groups.items()}
        return start("quick_report", accession=study, source=source, **inputs)
    if groups:
        raise QuestionError("groups are of the samples of one study; name it by its accession: study='GSE…'")
    if not question:
        raise QuestionError("there is nothing to report on; give a question, or the accession of a study")
    return start("full_analysis", question=question, source=source, **inputs)


def _as_lists(contrasts: Sequence[Contrast]) -> list[str] | list[list[str]]:
    each = [list(one) for one in contrasts]
    return each if len(each) > 1 else each[0]


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    check_options(options)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


def report_inputs(run: Run) -> dict[str, Any]:
    """What ``start_report`` was asked for, by its own names, read off a run that it started."""
    given = {**run.inputs, "study": run.inputs.get("accession")}
    names = ("question", "study", "source", "contrast", "platform", "design", "method", "groups", "options")
    return {name: given[name] for name in names if given.get(name) is not None}


def get_run(run_id: str) -> Run:
    """A run of the store by its id (or the unique beginning of it); RunNotFoundError otherwise."""
    return open_run(run_store(), run_id)


def runs(*, flow: str | None = None, state: str | None = None, limit: int = 100) -> pd.DataFrame:
    """The newest runs: one row each with id, flow, state, progress, inputs and times (UTC)."""
    import pandas as pd

    found = list_runs(run_store(), flow=flow, state=state, limit=limit)
    rows = [
        {
            "id": run.id,
            "flow": run.flow_name,
            "state": run.state,
            "progress": run.progress,
            "created": run.created,
            "finished": run.finished,
            "inputs": "; ".join(f"{key}={value!r}" for key, value in run.inputs.items()),
            "error": str(run.error or ""),
        }
        for run in found
    ]
    return pd.DataFrame(rows, columns="id flow state progress created finished inputs error".split())
