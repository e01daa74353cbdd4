"""NCBI GEO over the network: E-utilities to search, GEO's file tree to fetch, everything through a verified
cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from urllib.parse import quote

from ..errors import DataError, NotFoundError, OfflineError, QuestionError, SettingsError, SourceError
from ..geo import links, remote
from ..geo.around import Family, Files, ListedFile, Member, Publications, RawData, family_of
from ..geo.digests import Digests
from ..geo.entrez import Entrez, Found, Json
from ..geo.files import LocalFile
from ..geo.http import Http, Progress
from ..geo.layout import parse_accession, suppl_folder
from ..geo.parsed import read_kept
from ..geo.remote import RemoteFile
from ..geo.series_matrix import read_series_header
from ..geo.study import read_header
from ..index import search_headers
from ..progress import tell
from ..records import Hit, Hits, Query, Study, StudyHeader
from ..settings import Settings
from ..terms.entrez import write_term

#: Files of at most this size are downloaded without being asked for by name.
MAX_MATRIX_BYTES = 2 * 2**30
MAX_SUPPLEMENT_BYTES = 256 * 2**20
_CANDIDATES = 200
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

        What NCBI left out of the search is in ``notes``, what was sent in ``backend_query``. Where nothing
        has all the words, the search is made once more without the plain ones, and says so.
        """
        with self.connect(self.settings, self.progress) as http:
            entrez = Entrez(http)
            term, notes = write_term(query), []
            found = entrez.search("gds", term, most=max(limit, _CANDIDATES))
            if not found.count and (broader := _broader(query, term)):
                notes.append(
                    "NCBI finds nothing for all words of the question; the plain words were left out."
                )
                term, found = broader, entrez.search("gds", broader, most=max(limit, _CANDIDATES))
            summaries = entrez.summaries("gds", found.ids) if found.ids else None
        records = [record for record in summaries.records.values() if _is_series(record)] if summaries else []
        if summaries and summaries.errors:
            notes.append(
                f"NCBI could not give {len(summaries.errors)} of the records: {_errors(summaries.errors)}"
            )
        ranked = _ranked(query, [_header(record) for record in records])
        notes += _explain(term, found, len(ranked), len(records), limit)
        return Hits(query, tuple(ranked[:limit]), self.spec, found.count, tuple(notes), term)

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


def _broader(query: Query, term: str) -> str | None:
    """The search without the plain words; None where it is the same or nothing would be left of it."""
    try:
        broader = write_term(query, strict=False)
    except QuestionError:
        return None
    return broader if broader != term else None


def _ranked(query: Query, headers: Sequence[StudyHeader]) -> list[Hit]:
    """NCBI's hits, first those whose title and summary answer the query, then the others in NCBI's order.

    NCBI also searches what summaries do not carry, such as the samples' characteristics, so these are hits as
    well.
    """
    if not headers:
        return []
    every = len(headers)
    plain = replace(query, accessions=(), terms=query.of("organism", "assay"))
    named = search_headers(headers, query, limit=every, source="ncbi", synthetic=False).hits
    allowed = search_headers(headers, plain, limit=every, source="ncbi", synthetic=False)
    known = {hit.accession for hit in named}
    order = {header.accession: place for place, header in enumerate(headers)}
    others = sorted(
        (hit for hit in allowed if hit.accession not in known), key=lambda hit: order[hit.accession]
    )
    reason = "found by NCBI's index, which also holds sample texts and MeSH terms"
    return [*named, *(replace(hit, score=0.0, reasons=(*hit.reasons, reason)) for hit in others)]


def _explain(term: str, found: Found, n_ranked: int, n_read: int, limit: int) -> list[str]:
    notes = [
        f"NCBI knows no record with {part} and searched without it: the result is wider than asked."
        for part in _conditions_dropped(term, found.dropped)
    ]
    if not found.count:
        notes.append(f"NCBI finds no series. It read the question as: {found.translation or '(nothing)'}")
    notes += [message for message in found.messages if message != "No items found."]
    if n_ranked < n_read:
        notes.append(
            f"{n_read - n_ranked} of NCBI's hits are left out: they fail a condition of the question."
        )
    if found.count > len(found.ids):
        notes.append(f"NCBI finds {found.count}; the {len(found.ids)} that it puts first were ranked.")
    if n_ranked > limit:
        notes.append(f"{limit} of {n_ranked} are shown.")
    return notes


def _conditions_dropped(term: str, dropped: Sequence[str]) -> list[str]:
    """The conditions of a search of which NCBI knows no name at all.

    One synonym of several that occurs nowhere changes nothing; a condition without any falls away as a whole.
    """
    gone = {_bare(phrase) for phrase in dropped}
    conditions, depth = [""], 0
    for piece in re.split(r"([()]| AND )", term):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == " AND " and depth == 0:
            conditions.append("")
        else:
            conditions[-1] += piece
    return [
        condition
        for condition in conditions
        if (names := re.findall(r'"[^"]*"\s*\[[^\]]*\]|[^\s"()]+\s*\[[^\]]*\]', condition))
        and gone.issuperset(map(_bare, names))
    ]


def _bare(phrase: str) -> str:
    """A phrase without its field and quotes: NCBI's reports spell both in ways of their own."""
    return re.sub(r'\[[^\]]*\]|"', "", phrase).strip().casefold()


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


def _is_series(record: Json) -> bool:
    return str(record.get("entrytype", "")).upper() == "GSE" and bool(
        re.fullmatch(r"GSE\d+", str(record.get("accession")))
    )


def _header(record: Json) -> StudyHeader:
    samples = record.get("samples") or ()
    relations = record.get("extrelations") or ()
    return StudyHeader(
        accession=str(record["accession"]),
        title=str(record.get("title", "")),
        summary=str(record.get("summary", "")),
        overall_design="",
        organisms=_split(record.get("taxon")),
        types=_split(record.get("gdstype")),
        platforms=tuple(f"GPL{number}" for number in _split(record.get("gpl"))),
        published=_day(str(record.get("pdat", ""))),
        n_samples=int(record.get("n_samples") or len(samples)),
        sample_texts=tuple(str(sample.get("title", "")) for sample in samples),
        relations=tuple(f"{item.get('relationtype')}: {item.get('targetobject')}" for item in relations),
    )


def _split(text: object) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(text or "").split(";") if part.strip())


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y/%m/%d").date()
    except ValueError:
        return None


def _errors(errors: Mapping[str, str]) -> str:
    return "; ".join(f"{uid}: {message}" for uid, message in list(errors.items())[:3])
