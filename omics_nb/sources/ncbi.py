"""NCBI GEO over the network: E-utilities to search, GEO's file tree to fetch, everything through a verified
cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from ..errors import DataError, NotFoundError, OfflineError, SettingsError, SourceError
from ..geo import links, remote
from ..geo.around import Family, Files, ListedFile, Member, Publications, RawData, family_of
from ..geo.digests import Digests
from ..geo.entrez import Entrez
from ..geo.files import LocalFile
from ..geo.http import Http, Progress
from ..geo.layout import parse_accession, suppl_folder
from ..geo.parsed import read_kept
from ..geo.remote import RemoteFile
from ..geo.series_matrix import read_series_header
from ..geo.study import read_header
from ..index import Choice, choice
from ..progress import tell
from ..records import Hits, Query, Study
from ..settings import Settings
from . import entrez_search

#: Files of at most this size are downloaded without being asked for by name.
MAX_MATRIX_BYTES = 2 * 2**30
MAX_SUPPLEMENT_BYTES = 256 * 2**20
_SUPPLEMENTS_TRIED = 3


def open_ncbi(argument: str | None, settings: Settings, *, progress: Progress | None = None) -> NcbiSource:
    """The live source. It takes no argument; where NCBI is, and who asks, are settings."""
    if argument:
        raise SettingsError(
            f"the source ncbi takes no argument, and was given {argument!r}; write just: ncbi"
        )
    return NcbiSource(settings, progress=progress or tell)


@dataclass(slots=True)
class NcbiSource:
    """NCBI GEO. ``progress`` is told of waits and downloads; ``connect`` opens a connection for one piece of
    work.
    """

    settings: Settings
    progress: Progress = tell
    connect: Callable[[Settings, Progress], Http] = field(default=lambda s, p: Http(s, progress=p))
    spec: str = "ncbi"
    synthetic: bool = False

    def search(self, query: Query, *, limit: int = 20) -> Hits:
        """Series that NCBI finds for the query, ordered by how well their own words answer it.

        What NCBI left out of the search is in ``notes``, what was sent in ``searches``: all words of the question,
        and a broad variant without the plain ones, whose hits are added where the first has too few.
        """
        return self.refine(query, choice(limit))

    def refine(self, query: Query, chosen: Choice) -> Hits:
        """``search`` for what was chosen; facets count what was read of NCBI's answer."""
        with self.connect(self.settings, self.progress) as http:
            return entrez_search.search(Entrez(http), query, chosen, source=self.spec)

    def fetch(self, accession: str) -> Study:
        """The study from its series matrices, else from its family SOFT; from counts where these hold no
        values.

        PrivateRecordError or NotFoundError if GEO has no public record; IntegrityError if a file stays
        damaged.
        """
        accession = parse_accession(accession, "GSE", "GDS")
        with self.connect(self.settings, self.progress) as http:
            notes: list[str] = []
            offered = self._offered(http, accession, notes)
            files = self._main_files(http, accession, offered, notes)
            study = read_kept(accession, files, source=self.spec, settings=self.settings)
            if not study.matrices and accession.startswith("GSE"):
                study = self._with_counts(http, study, files, offered, notes)
        return replace(study, notes=(*study.notes, *notes))

    def files(self, accession: str) -> Files:
        """Every file that GEO has of a record, with sizes, and what its archives hold; nothing is downloaded."""
        accession = parse_accession(accession)
        with self.connect(self.settings, self.progress) as http:
            found = remote.list_files(http, accession)
            packed = any(file.name.endswith(".tar") for file in found)
            members = remote.list_archive(http, accession) if packed else ()
        listed = [ListedFile(file.name, file.role, file.url, file.about_bytes, exact=False) for file in found]
        return Files(accession, tuple(listed), self.spec, members)

    def open_files(
        self, listed: Files, names: Sequence[str], folder: Path, *, max_bytes: int
    ) -> list[LocalFile]:
        """These of the files, downloaded; what lies in an archive comes from its sample's own folder."""
        del folder  # the cache is their place
        plain = {file.name: RemoteFile(file.name, file.location, file.role) for file in listed}
        members = {member.name: member for member in listed.members}
        with self.connect(self.settings, self.progress) as http:
            return [
                remote.get_file(http, plain.get(name) or self._member(members[name]), max_bytes=max_bytes)
                for name in names
            ]

    def publications(self, accession: str) -> Publications:
        """The papers of a series: title, authors, journal, DOI. None is an answer."""
        with self.connect(self.settings, self.progress) as http:
            entrez = Entrez(http)
            return links.publications(entrez, links.series_summary(entrez, accession))

    def raw_data(self, accession: str, *, experiments: Sequence[str] = ()) -> RawData:
        """The SRA runs of a series with sizes and layout; no raw data is an answer."""
        with self.connect(self.settings, self.progress) as http:
            entrez = Entrez(http)
            return links.raw_data(entrez, links.series_summary(entrez, accession), experiments=experiments)

    def family(self, accession: str) -> Family:
        """The SuperSeries above and the SubSeries below a series, from its own lines."""
        accession = parse_accession(accession, "GSE")
        with self.connect(self.settings, self.progress) as http:
            relations = remote.series_lines(http, accession).get("relation", ())
        return family_of(relations, accession, source=self.spec)

    def _member(self, member: Member) -> RemoteFile:
        """A file of a sample, which GEO keeps both in the archive of the series and by itself."""
        sample = re.match(r"GSM\d+", member.name)
        if not sample:
            raise NotFoundError(
                f"{member.name} is named by no sample, so GEO keeps it in {member.archive} alone; download that into "
                "a mirror",
                file=member.name,
            )
        url = f"{self.settings.geo_url}{suppl_folder(sample[0])}/{quote(member.name)}"
        return RemoteFile(member.name, url, "supplement", range(member.n_bytes, member.n_bytes + 1))

    def _offered(self, http: Http, accession: str, notes: list[str]) -> Sequence[RemoteFile]:
        """The files that GEO has, or without network those in the cache, which the notes then say."""
        try:
            return remote.list_files(http, accession)
        except OfflineError as error:
            kept, oldest = remote.list_cached(self.settings, accession)
            if not kept:
                raise
            notes.append(f"GEO could not be reached, so files kept since {oldest} were used ({error})")
            return kept

    def _main_files(
        self, http: Http, accession: str, offered: Sequence[RemoteFile], notes: list[str]
    ) -> list[LocalFile]:
        """Matrices with the annotation of their platforms, or the family SOFT, or the best of the rest."""
        chosen = [file for file in offered if file.role == "matrix" and file.name.endswith(".txt.gz")]
        if not chosen:
            chosen = [file for file in offered if file.role == "soft" and "_full" not in file.name]
        if not chosen:
            chosen = remote.rank_supplements(offered)[:1]
        if not chosen:
            have = ", ".join(file.name for file in offered) or "none"
            raise NotFoundError(
                f"{accession} has no matrix, SOFT or table in GEO's files; have {have}", accession=accession
            )
        files = [remote.get_file(http, file, max_bytes=MAX_MATRIX_BYTES) for file in chosen]
        known = Digests(self.settings.cache / "digests" / f"{accession}.json")
        platforms = known.platforms(files, lambda: _platforms_with_values(accession, files, chosen[0].role))
        known.save()
        if chosen[0].role == "matrix":
            return files + self._annotations(http, platforms, notes)
        return files + self._better_annotations(http, platforms, notes)

    def _annotations(self, http: Http, platforms: Sequence[str], notes: list[str]) -> list[LocalFile]:
        found = []
        for platform in _platforms(platforms):
            try:
                found.append(remote.get_platform(http, platform, max_bytes=MAX_MATRIX_BYTES))
            except (SourceError, DataError) as error:
                notes.append(str(error))
        return found

    def _better_annotations(self, http: Http, platforms: Sequence[str], notes: list[str]) -> list[LocalFile]:
        """GEO's own annotation, newer than what stands in the family; the family's own will do without.

        That GEO has none for a platform is usual and no note.
        """
        found = []
        for platform in _platforms(platforms):
            try:
                found.append(remote.get_annotation(http, platform, max_bytes=MAX_MATRIX_BYTES))
            except NotFoundError:
                continue
            except (SourceError, DataError) as error:
                notes.append(
                    f"GEO could not be asked for its annotation of {platform}, so the family file's own was used"
                    f" ({error})"
                )
        return found

    def _with_counts(
        self,
        http: Http,
        study: Study,
        files: Sequence[LocalFile],
        offered: Sequence[RemoteFile],
        notes: list[str],
    ) -> Study:
        """The study with the authors' counts, or else NCBI's; the study itself, with notes, where neither
        helps.
        """
        candidates = remote.rank_supplements(offered)
        for file in remote.too_large(candidates, MAX_SUPPLEMENT_BYTES):
            notes.append(f"{file} was not downloaded: it is larger than {MAX_SUPPLEMENT_BYTES // 2**20} MiB")
            candidates.remove(file)
        for file in candidates[:_SUPPLEMENTS_TRIED]:
            found = self._try(http, study, files, [file], notes)
            if found.matrices:
                return found
        counts = self._ncbi_counts(http, study.accession, notes)
        return self._try(http, study, files, counts, notes) if counts else study

    def _ncbi_counts(self, http: Http, accession: str, notes: list[str]) -> Sequence[RemoteFile]:
        """The files of NCBI's own counts. E-utilities are asked first: the page may be a challenge."""
        try:
            found = Entrez(http).search("gds", f'{accession}[ACCN] AND gse[ETYP] AND "rnaseq counts"[FILT]')
            has_counts = bool(found.count) and not any("rnaseq counts" in phrase for phrase in found.dropped)
            counts = remote.list_ncbi_counts(http, accession) if has_counts else ()
        except SourceError as error:
            notes.append(f"NCBI's own counts could not be asked for: {error}")
            return ()
        if not any(file.role == "counts" for file in counts):
            notes.append(f"NCBI has no counts of its own for {accession}.")
            return ()
        return counts

    def _try(
        self,
        http: Http,
        study: Study,
        files: Sequence[LocalFile],
        more: Sequence[RemoteFile],
        notes: list[str],
    ) -> Study:
        """The study read with more files; the study as it was, with a note, if they cannot be had or read."""
        try:
            got = [remote.get_file(http, file, max_bytes=MAX_SUPPLEMENT_BYTES) for file in more]
            return read_kept(study.accession, [*files, *got], source=self.spec, settings=self.settings)
        except (SourceError, DataError) as error:
            notes.append(f"{', '.join(file.name for file in more)} could not be used: {error}")
            return study


def _platforms_with_values(accession: str, files: Sequence[LocalFile], role: str) -> Sequence[str]:
    """The platforms that these files hold values of, whose annotation is wanted."""
    if role == "matrix":
        headers = [read_series_header(file.path) for file in files]
        return [header.platform for header in headers if header.has_values]
    header = read_header(accession, files) if role == "soft" else None
    return header.platforms if header and header.has_values else ()


def _platforms(names: Sequence[str]) -> list[str]:
    """Platforms that GEO can have files of, each once."""
    return [name for name in dict.fromkeys(names) if re.fullmatch(r"GPL\d+", name)]
