"""Where studies come from: one protocol, a registry by name, open to other packages.

``open_source("demo")``, ``open_source("mirror:/data/geo")``, ``open_source("ncbi")``; another package adds its own by
an entry point in the group ``omics_nb.sources`` whose object takes ``(argument: str | None, settings: Settings)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from .. import settings as _settings
from ..errors import UnknownSourceError
from ..geo.around import Family, Files, Publications, RawData
from ..geo.files import LocalFile
from ..index import Choice
from ..records import Hits, Query, Study
from ..settings import Settings


class Source(Protocol):
    """What every source can do.

    ``spec`` is the text that opens this very source again (``mirror:/data/geo``); it marks every hit, study, table
    and report. ``synthetic`` is True where the data were made up.
    """

    @property
    def spec(self) -> str: ...
    @property
    def synthetic(self) -> bool: ...

    def search(self, query: Query, *, limit: int = 20) -> Hits:
        """Studies for a query, best first. An empty result explains itself in ``notes``; SourceError otherwise."""
        ...

    def fetch(self, accession: str) -> Study:
        """A study by accession. NotFoundError if there is none; other SourceError or DataError as they arise."""
        ...


@runtime_checkable
class Refines(Protocol):
    """A source that can search among hits, sort and count them by more than relevance."""

    def refine(self, query: Query, chosen: Choice) -> Hits:
        """``search`` for what was chosen: limit, among which accessions, in which order, with facets or not."""
        ...


@runtime_checkable
class ListsFiles(Protocol):
    """A source that can say which files it has of a record before it reads or downloads any."""

    def files(self, accession: str) -> Files: ...


@runtime_checkable
class OpensFiles(ListsFiles, Protocol):
    """A source that gives the supplementary files that it lists, those inside archives too."""

    def open_files(
        self, listed: Files, names: Sequence[str], folder: Path, *, max_bytes: int
    ) -> list[LocalFile]:
        """These files, verified, in this order; ``folder`` takes those that have no place of their own.

        None of more than ``max_bytes`` is downloaded.
        """
        ...


@runtime_checkable
class KnowsLinks(Protocol):
    """A source that can ask beyond a study's own files: PubMed, SRA, the series above and below."""

    def publications(self, accession: str) -> Publications: ...
    def raw_data(self, accession: str) -> RawData: ...
    def family(self, accession: str) -> Family: ...


_BUILT_IN = {
    "demo": "omics_nb.sources.demo:open_demo",
    "mirror": "omics_nb.sources.mirror:open_mirror",
    "ncbi": "omics_nb.sources.ncbi:open_ncbi",
    "index": "omics_nb.sources.index:open_indexed",
}


def names() -> tuple[str, ...]:
    """Every source that can be opened here, built-in ones first."""
    others = sorted({point.name for point in entry_points(group="omics_nb.sources")} - set(_BUILT_IN))
    return (*_BUILT_IN, *others)


def open_source(spec: str | None = None, *, settings: Settings | None = None) -> Source:
    """The source named by ``spec`` (``name`` or ``name:argument``), or by the settings where ``spec`` is None.

    UnknownSourceError says which names there are, or why the package that adds the name cannot be imported; nothing
    of a source is imported before it is asked for.
    """
    settings = settings or _settings.load()
    spec = (spec or settings.source).strip()
    name, _, argument = spec.partition(":")
    return _factory(name)(argument or None, settings)


def _factory(name: str) -> Callable[[str | None, Settings], Source]:
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return cast("Callable[[str | None, Settings], Source]", getattr(import_module(module), attribute))
    for point in entry_points(group="omics_nb.sources"):
        if point.name == name:
            return _load(point)
    raise UnknownSourceError(f"no source {name!r}; have {', '.join(names())}", source=name)


def _load(point: EntryPoint) -> Callable[[str | None, Settings], Source]:
    try:
        return cast("Callable[[str | None, Settings], Source]", point.load())
    except Exception as error:  # the package is another's: its import may raise anything
        package = point.dist.name if point.dist else point.module
        raise UnknownSourceError(
            f"the source {point.name!r} of the package {package!r} cannot be imported from {point.value}:"
            f" {type(error).__name__}: {error}",
            source=point.name,
            package=package,
        ) from error
