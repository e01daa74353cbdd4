"""A folder laid out like GEO's FTP tree, read with no network.

The tree: https://ftp.ncbi.nlm.nih.gov/geo/README.txt, for instance
``series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from ..errors import DataError, NotFoundError, SettingsError, SourceError
from ..geo import cells, files, layout
from ..geo.around import ROLES, Files, ListedFile
from ..geo.digests import Digests
from ..geo.files import LocalFile
from ..geo.parsed import read_kept
from ..index import Choice, choice, search_headers
from ..records import Hits, Query, Study
from ..settings import Settings
from .headers import Look, shelf_of

_LAYOUT = (
    "a mirror is laid out as GEO's FTP tree: series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz, "
    "…/soft/GSE42872_family.soft.gz, …/suppl/<count tables>, datasets/GDSnnn/GDS507/soft/GDS507.soft.gz, "
    "platforms/GPLnnn/GPL97/annot/GPL97.annot.gz"
)
# GEO lists the samples of a series at the top of its files.
_TOP_BYTES = 1 << 18
_SOME = 8


def open_mirror(argument: str | None, settings: Settings) -> Mirror:
    """The folder ``argument`` as a source. SettingsError if it is missing or holds no studies."""
    if not argument:
        raise SettingsError(f"the source 'mirror' needs a folder: mirror:/path/to/folder; {_LAYOUT}")
    folder = Path(argument).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise SettingsError(f"the mirror {argument!r} {what}; {_LAYOUT}", folder=str(folder))
    if not layout.list_accessions(folder):
        raise SettingsError(f"the folder {argument!r} holds no studies; {_LAYOUT}", folder=str(folder))
    # The whole path, so that a hit, a run or a report finds its source again from any working directory.
    folder = folder.resolve()
    return Mirror(folder, spec=f"mirror:{folder}", synthetic=False, settings=settings)


class Mirror:
    """Studies of one folder. Implements ``Source``."""

    def __init__(self, folder: Path, *, spec: str, synthetic: bool, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._spec, self._synthetic = spec, synthetic
        self._shelf = shelf_of(folder, settings.cache)

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def synthetic(self) -> bool:
        return self._synthetic

    def search(self, query: Query, *, limit: int = 20) -> Hits:
        """Studies by what their files say. What cannot be read is left out and named in the notes of the hits.

        DataError names it where nothing else answers the query: the answer may be what cannot be read.
        """
        return self.refine(query, choice(limit))

    def refine(self, query: Query, chosen: Choice) -> Hits:
        """``search`` for what was chosen."""
        look = self._shelf.look()
        hits = search_headers(look.headers, query, source=self.spec, synthetic=self.synthetic, chosen=chosen)
        if not hits and look.problems:
            raise _unanswered(self.spec, look)
        return replace(hits, notes=(*hits.notes, *look.notes, *_problem_notes(look)))

    def fetch(self, accession: str) -> Study:
        """A series or GDS with the annotation of its platforms, as far as it lies in the folder.

        NotFoundError names what is near, or for a sample or platform the series that it belongs to.
        """
        accession = layout.parse_accession(accession)
        if accession.startswith(("GSM", "GPL")):
            raise self._no_study(accession)
        paths = layout.find_series_files(self._folder, accession)
        if not paths:
            raise self._unknown(accession)
        try:
            return read_kept(
                accession,
                self._local_files(accession, paths),
                source=self.spec,
                synthetic=self.synthetic,
                settings=self._settings,
            )
        except OSError as error:
            raise SourceError(f"a file of {accession} in {self.spec} cannot be read: {error}") from error

    def files(self, accession: str) -> Files:
        """Every file of a record in the folder, with its size, and what its archives hold.

        NotFoundError as ``fetch`` if there is none; FormatError or IntegrityError for a damaged archive.
        """
        accession = layout.parse_accession(accession)
        paths = layout.find_files(self._folder, accession)
        if not paths:
            is_study = accession.startswith(("GSE", "GDS"))
            raise self._unknown(accession) if is_study else self._no_study(accession)
        listed = [
            ListedFile(path.name, ROLES.get(path.parent.name, "other"), str(path), path.stat().st_size)
            for path in paths
        ]
        archives = [path for path in paths if cells.is_archive(path.name)]
        members = tuple(member for path in archives for member in cells.list_members(path))
        return Files(accession, tuple(listed), self.spec, members, synthetic=self.synthetic)

    def open_files(
        self, listed: Files, names: Sequence[str], folder: Path, *, max_bytes: int
    ) -> list[LocalFile]:
        """These of the files, those in archives unpacked into ``folder``; their sizes are known."""
        del max_bytes
        return cells.local_files(listed, names, folder)

    def _local_files(self, accession: str, paths: Sequence[Path]) -> list[LocalFile]:
        """The files of a study and of its platforms; what was found out about them the last time is believed."""
        name = sha256(f"{self._folder}\n{accession}".encode()).hexdigest()[:32]
        known = Digests(self._settings.cache / "digests" / f"{name}.json")
        found = [known.local_file(path) for path in paths]
        for platform in known.platforms(found, lambda: self._platforms(accession)):
            found += map(known.local_file, layout.find_platform_files(self._folder, platform))
        known.save()
        return found

    def _platforms(self, accession: str) -> list[str] | None:
        header = self._shelf.header(accession)
        return [name for name in header.platforms if name.startswith("GPL")] if header else None

    def _unknown(self, accession: str) -> NotFoundError:
        have = layout.list_accessions(self._folder)
        near = get_close_matches(accession, have, n=3, cutoff=0.75)
        hint = f"near it: {', '.join(near)}" if near else f"it has {_some(have)}"
        if self.synthetic:
            hint += ". Its studies are synthetic; GEO's are in the source 'ncbi' or in a mirror"
        return NotFoundError(
            f"{self.spec} has no study {accession}; {hint}",
            accession=accession,
            near=tuple(near),
            source=self.spec,
        )

    def _no_study(self, accession: str) -> NotFoundError:
        kind = "sample" if accession.startswith("GSM") else "platform"
        series = (
            self._series_of_sample(accession) if kind == "sample" else self._series_on_platform(accession)
        )
        if series:
            hint = f"it is of {_some(series)}: fetch {'that' if len(series) == 1 else 'one of them'}"
        else:
            hint = f"no series of {self.spec} names it"
        return NotFoundError(
            f"{accession} is a {kind}, not a study; {hint}", accession=accession, series=tuple(series)
        )

    def _series_on_platform(self, platform: str) -> list[str]:
        return [header.accession for header in self._shelf.look().headers if platform in header.platforms]

    def _series_of_sample(self, sample: str) -> list[str]:
        named = re.compile(rb"\b" + sample.encode() + rb"\b")
        return [
            header.accession
            for header in self._shelf.look().headers
            if any(
                named.search(files.read_head(path, _TOP_BYTES))
                for path in layout.find_series_files(self._folder, header.accession)
                if path.parent.name in ("matrix", "soft")
            )
        ]


def _unanswered(spec: str, look: Look) -> DataError:
    problems = "; ".join(f"{accession}: {why}" for accession, why in list(look.problems.items())[:_SOME])
    more = f"; and {len(look.problems) - _SOME} more" if len(look.problems) > _SOME else ""
    return DataError(
        f"none of the {len(look.headers)} studies of {spec} that can be read answers the question, and"
        f" {len(look.problems)} cannot be read, so the answer is not known: {problems}{more}. Mend or remove"
        " these files and search again",
        source=spec,
        accessions=tuple(look.problems),
    )


def _problem_notes(look: Look) -> tuple[str, ...]:
    return tuple(
        f"{accession} was left out, it cannot be read: {why}" for accession, why in look.problems.items()
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    return ", ".join(names[:_SOME]) + more
