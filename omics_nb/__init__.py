"""omics_nb: from a biological question to an evidence-bound report on public omics data.

::

    import omics_nb as omics

    hits = omics.search("vemurafenib in melanoma, human, at least 6 samples")
    study = omics.fetch(hits[0])
    result = omics.differential_expression(study, contrast=("agent", "vemurafenib", "vehicle"))
    omics.report(study, result).save("report.html")

Every name below is loaded when it is first used, so that the import itself stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import figures as figures
    from .agents import Agent as Agent
    from .agents import get_agent as get_agent
    from .agents import invoke as invoke
    from .agents import list_agents as list_agents
    from .agents import register as register
    from .agents.analysis import cell_quality as cell_quality
    from .agents.analysis import check_design as check_design
    from .agents.analysis import differential_expression as differential_expression
    from .agents.analysis import fitness as fitness
    from .agents.analysis import propose_contrasts as propose_contrasts
    from .agents.analysis import quality as quality
    from .agents.analysis import sample_factors as sample_factors
    from .agents.data import cells as cells
    from .agents.data import family as family
    from .agents.data import fetch as fetch
    from .agents.data import files as files
    from .agents.data import publications as publications
    from .agents.data import raw_data as raw_data
    from .agents.data import to_genes as to_genes
    from .agents.enrichment import enrich as enrich
    from .agents.meta import meta_analysis as meta_analysis
    from .agents.query import understand as understand
    from .agents.report import meta_report as meta_report
    from .agents.report import report as report
    from .agents.saved import save_search as save_search
    from .agents.saved import saved_search as saved_search
    from .agents.search import search as search
    from .agents.search import similar as similar
    from .agents.summarise import summarise as summarise
    from .analysis.enrichment import Enrichment as Enrichment
    from .analysis.meta import MetaAnalysis as MetaAnalysis
    from .batch.batches import get_batch as get_batch
    from .batch.batches import list_batches as list_batches
    from .batch.batches import start_batch as start_batch
    from .batch.check import check_batch as check_batch
    from .errors import OmicsError as OmicsError
    from .flows import get_run as get_run
    from .flows import list_flows as list_flows
    from .flows import runs as runs
    from .flows import start as start
    from .flows import start_report as start_report
    from .records import Contrast as Contrast
    from .records import DEResult as DEResult
    from .records import Hit as Hit
    from .records import Hits as Hits
    from .records import Quality as Quality
    from .records import Query as Query
    from .records import Study as Study
    from .records import Term as Term

_HOMES = {
    "agents": "Agent get_agent invoke list_agents register",
    "agents.analysis": (
        "cell_quality check_design differential_expression fitness propose_contrasts quality sample_factors"
    ),
    "agents.data": "cells family fetch files publications raw_data to_genes",
    "agents.enrichment": "enrich",
    "agents.meta": "meta_analysis",
    "agents.query": "understand",
    "agents.report": "meta_report report",
    "agents.saved": "save_search saved_search",
    "agents.search": "search similar",
    "agents.summarise": "summarise",
    "batch.batches": "get_batch list_batches start_batch",
    "batch.check": "check_batch",
    "analysis.enrichment": "Enrichment",
    "analysis.meta": "MetaAnalysis",
    "errors": "OmicsError",
    "flows": "get_run list_flows runs start start_report",
    "records": "Contrast DEResult Hit Hits Quality Query Study Term",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
_ROOMS = ("figures",)
__all__ = [*_HOME_OF, *_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'omics_nb' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
