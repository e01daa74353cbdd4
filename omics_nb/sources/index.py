"""A full-text index of studies as a source: searched with no network; the studies come from where they are kept."""

from __future__ import annotations

from pathlib import Path

from ..errors import NotFoundError, SettingsError, SourceError
from ..geo import layout
from ..index import Added, Choice, Index, add_studies, choice, open_index
from ..index.dumps import read_dump
from ..records import Hits, Query, Study
from ..settings import Settings
from .headers import shelf_of


def default_folder(settings: Settings) -> Path:
    """Where the index is that ``index`` alone names."""
    return settings.data / "index"


def open_indexed(argument: str | None, settings: Settings) -> Indexed:
    """The index in the folder ``argument`` as a source. SettingsError says how to make one where there is none."""
    folder = Path(argument).expanduser().resolve() if argument else default_folder(settings)
    open_index(folder)
    return Indexed(folder, "index" if argument is None else f"index:{folder}")


def add(
    what: str, folder: Path, settings: Settings, *, source: str | None = None
) -> tuple[Added, tuple[str, ...]]:
    """Put the studies of a mirror's folder or of a dump into the index in ``folder``; notes tell what was left out.

    ``source`` is the source that can fetch them; a mirror's studies are fetched from it, those of a dump from "ncbi"
    where nothing else is said.
    """
    path = Path(what.removeprefix("mirror:")).expanduser()
    if not path.is_dir():
        if not path.exists():
            raise SettingsError(
                f"{what!r} does not exist; name a mirror's folder, or a JSON-lines, CSV or SQLite file"
            )
        return add_studies(folder, read_dump(path), source=source or "ncbi"), ()
    path = path.resolve()
    if not layout.list_accessions(path):
        raise SettingsError(
            f"the folder {what!r} holds no studies in the layout of GEO's FTP tree", folder=str(path)
        )
    look = shelf_of(path, settings.cache).look()
    notes = tuple(f"{name} was left out, it cannot be read: {why}" for name, why in look.problems.items())
    return add_studies(folder, look.headers, source=source or f"mirror:{path}"), notes


class Indexed:
    """The studies of one index. Implements ``Source`` but for the data, which an index does not hold."""

    def __init__(self, folder: Path, spec: str) -> None:
        self._folder, self._spec = folder, spec

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def synthetic(self) -> bool:
        return False

    @property
    def index(self) -> Index:
        """The index as it was committed last."""
        return open_index(self._folder)

    def search(self, query: Query, *, limit: int = 20) -> Hits:
        """Studies by what the index knows of them. A hit's source is the one that can fetch it."""
        return self.refine(query, choice(limit))

    def refine(self, query: Query, chosen: Choice) -> Hits:
        """``search`` for what was chosen."""
        return self.index.search(query, chosen=chosen, source=self.spec).hits

    def fetch(self, accession: str) -> Study:
        """Never a study: SourceError says which source has it, NotFoundError that the index does not know it."""
        accession = layout.parse_accession(accession)
        entry = self.index.get(accession)
        if entry is None:
            raise NotFoundError(
                f"{self.spec} has no study {accession} among its {self.index.n_studies:,}",
                accession=accession,
                source=self.spec,
            )
        where = f"source={entry.source!r}" if entry.source else "another source"
        raise SourceError(
            f"{self.spec} holds the words of {accession}, not its data; fetch it with {where}",
            accession=accession,
            source=self.spec,
            fetch_from=entry.source,
        )
