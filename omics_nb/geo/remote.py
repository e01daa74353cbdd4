"""The files of a record on GEO's server: which there are, how large, and getting them into the cache.

HTTPS on GEO's file tree first; its web pages, which may answer with a challenge, only for what the tree does
not hold: whether a record is private, a platform without an annotation file, NCBI's counts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlencode, urljoin, urlsplit

from ..errors import (
    BackendError,
    FormatError,
    IntegrityError,
    NotFoundError,
    OmicsError,
    PrivateRecordError,
    SourceError,
)
from ..records import FileRecord
from ..settings import Settings
from . import layout, supplement
from .around import ROLES, Member, Role
from .counts import NCBI_ANNOTATION, NCBI_COUNTS
from .download import Limits, cache_info, download
from .files import LocalFile
from .http import Http, Reply, checked, html_error
from .listing import Entry, list_folder, list_folder_if_any


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on GEO's server. ``listed`` is the range of bytes its rounded size stands for, where one is
    shown.
    """

    name: str
    url: str
    role: Role
    listed: range | None = None

    @property
    def about_bytes(self) -> int | None:
        """Its size as its folder shows it, rounded; None if it does not."""
        return None if self.listed is None else (self.listed.start + self.listed.stop) // 2

    def __str__(self) -> str:
        size = "size unknown" if self.about_bytes is None else f"about {self.about_bytes / 2**20:,.1f} MiB"
        return f"{self.name} ({self.role}, {size})"


def list_files(http: Http, accession: str) -> tuple[RemoteFile, ...]:
    """Every file of a series, GDS, platform or sample, with sizes; nothing is downloaded.

    PrivateRecordError or NotFoundError where GEO's tree has no such record.
    """
    base = http.settings.geo_url + layout.folder(accession) + "/"
    try:
        folders = list_folder(http, base)
    except NotFoundError as error:
        raise _absent(http, layout.parse_accession(accession)) from error
    found = []
    for folder in folders:
        role = ROLES.get(folder.name)
        if folder.is_folder and role:
            found += [
                _remote(entry, role) for entry in list_folder_if_any(http, folder.url) if not entry.is_folder
            ]
    return tuple(found)


def list_cached(settings: Settings, accession: str) -> tuple[tuple[RemoteFile, ...], str]:
    """The files of a record that are in the cache, and the ISO time of the oldest; for when there is no
    network.
    """
    base = settings.geo_url + layout.folder(accession) + "/"
    kept = sorted(
        (file for file in cache_info(settings).files if file.url.startswith(base)), key=lambda file: file.url
    )
    found = []
    for file in kept:
        role = ROLES.get(file.url[len(base) :].partition("/")[0])
        if role:
            found.append(RemoteFile(unquote(file.url.rpartition("/")[2]), file.url, role))
    return tuple(found), min((file.retrieved for file in kept), default="")


def rank_supplements(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """The supplementary files that may hold a matrix, the likeliest raw counts first; by name, before any
    download.
    """
    named = {file.name: file for file in files if file.role == "supplement"}
    return [named[name] for name in supplement.rank(named)]


def get_file(http: Http, file: RemoteFile, *, max_bytes: int | None = None) -> LocalFile:
    """The file in the cache, verified. Errors as ``download``; DataError if it is larger than
    ``max_bytes``.
    """
    limits = Limits() if max_bytes is None else Limits(max_bytes=max_bytes)
    got = download(http, file.url, name=file.name, limits=limits, listed=file.listed)
    return LocalFile(got.path, FileRecord(file.name, got.url, got.n_bytes, got.sha256, got.retrieved))


def get_annotation(http: Http, platform: str, *, max_bytes: int | None = None) -> LocalFile:
    """GEO's own annotation of a platform; NotFoundError for the many that have none."""
    url = http.settings.geo_url + layout.annot_file(platform)
    return get_file(http, RemoteFile(f"{platform}.annot.gz", url, "annotation"), max_bytes=max_bytes)


def get_platform(http: Http, platform: str, *, max_bytes: int | None = None) -> LocalFile:
    """The annotation of a platform: GEO's own, or else the platform's table from GEO's web pages.

    NotFoundError if it has neither. (The family file of a platform would do, and holds all its samples:
    gigabytes.)
    """
    try:
        return get_annotation(http, platform, max_bytes=max_bytes)
    except NotFoundError:
        page = _page(http, "query/acc.cgi", acc=platform, targ="self", form="text", view="full")
        try:
            return get_file(http, RemoteFile(f"{platform}.soft", page, "annotation"), max_bytes=max_bytes)
        except OmicsError as error:
            raise NotFoundError(
                f"{platform} has no annotation file, and GEO's web page gave no table of it"
                f" ({_why_no_table(http, platform, error)})",
                accession=platform,
            ) from error


def _why_no_table(http: Http, platform: str, error: OmicsError) -> OmicsError:
    """The error of the download, or what GEO's page says in the place of the record."""
    if not isinstance(error, IntegrityError):
        return error
    try:
        return _absent(http, platform)
    except SourceError:
        return error


def list_ncbi_counts(http: Http, accession: str) -> tuple[RemoteFile, ...]:
    """The raw counts that NCBI computed for a series, and their gene annotation; none is an answer.

    https://www.ncbi.nlm.nih.gov/geo/info/rnaseqcounts.html. BlockedError where the page is a challenge.
    """
    page = _page(http, "download/", acc=accession)
    return http.ask(page, lambda reply: _read_counts_page(reply, page))


def list_archive(http: Http, accession: str) -> tuple[Member, ...]:
    """What the archives of a record hold, from GEO's ``filelist.txt``; none if there is no such list."""
    url = f"{http.settings.geo_url}{layout.suppl_folder(accession)}/filelist.txt"
    try:
        return http.ask(url, lambda reply: parse_filelist(checked(reply).body.decode("utf-8", "replace")))
    except NotFoundError:
        return ()


def parse_filelist(text: str) -> tuple[Member, ...]:
    """GEO's list of an archive: ``#Archive/File``, Name, Time, Size and Type between tabs.

    Lines of the type Archive name the archive that the lines of the type File after them lie in.
    """
    found, archive = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) < 4 or not cells[3].strip().isdigit():
            raise FormatError(
                f"filelist.txt, line {number}: expected five cells with a size, not {line[:80]!r}",
                line=number,
            )
        if cells[0].strip().lower() == "archive":
            archive = cells[1].strip()
        else:
            found.append(Member(cells[1].strip(), int(cells[3]), archive))
    return tuple(found)


def series_lines(http: Http, accession: str) -> Mapping[str, tuple[str, ...]]:
    """A series' own lines from GEO's web page, attribute without ``Series_`` → values; no samples, no tables.

    NotFoundError or PrivateRecordError as the page says; BlockedError where it is a challenge.
    """
    said = http.ask(
        _page(http, "query/acc.cgi", acc=accession, targ="self", form="text", view="brief"),
        lambda reply: checked(reply).body.decode("utf-8", "replace"),
    )
    if not said.lstrip().startswith("^"):
        raise _said_absent(said, accession)
    lines: dict[str, tuple[str, ...]] = {}
    for name, value in re.findall(r"^!Series_(\w+)\s*=\s*(.*?)\s*$", said, re.M | re.I):
        lines[name.lower()] = (*lines.get(name.lower(), ()), value)
    return lines


def _read_counts_page(reply: Reply, page: str) -> tuple[RemoteFile, ...]:
    text = reply.body.decode("utf-8", "replace")
    found = {}
    for link in re.findall(r'href\s*=\s*["\']([^"\']+)["\']', text, re.I):
        url = urljoin(page, html.unescape(link))
        name = (parse_qs(urlsplit(url).query).get("file") or [""])[0]
        if NCBI_COUNTS.search(name) or NCBI_ANNOTATION.search(name):
            found[name] = RemoteFile(name, url, "counts" if NCBI_COUNTS.search(name) else "annotation")
    if not found and "rna-seq" not in text.lower():
        error = html_error(reply.body, page, reply.status)
        # A page without files is GEO's way to say that there are none.
        if not isinstance(error, BackendError):
            raise error
    return tuple(found.values())


def _absent(http: Http, accession: str) -> SourceError:
    """Why GEO's tree has no folder of this name: its web page knows of private records."""
    page = _page(http, "query/acc.cgi", acc=accession, targ="self", form="text", view="brief")
    try:
        said = http.ask(page, lambda reply: checked(reply).body[:20_000].decode("utf-8", "replace"))
    except SourceError as error:
        return NotFoundError(
            f"GEO's files hold no {accession}: there is no such record, or it is not public yet"
            f" (GEO's page could not be asked: {error})",
            accession=accession,
        )
    return _said_absent(said, accession)


def _said_absent(said: str, accession: str) -> SourceError:
    """What GEO's page says in the place of a record."""
    if re.search(r"currently private|scheduled to be released", said, re.I):
        when = re.search(r"released on ([^.<]+)", said)
        until = f" until {when[1].strip()}" if when else ""
        return PrivateRecordError(f"{accession} exists and is private{until}", accession=accession)
    if re.match(r"\s*\^", said):
        return NotFoundError(f"{accession} is public and GEO has no files of it yet", accession=accession)
    # Records that were deleted or superseded are told of here, in words.
    words = " ".join(re.sub(r"<[^>]*>", " ", said).split())[:200]
    return NotFoundError(f"GEO has no record {accession}; its page says {words!r}", accession=accession)


def _remote(entry: Entry, role: Role) -> RemoteFile:
    return RemoteFile(entry.name, entry.url, role, entry.listed)


def _page(http: Http, path: str, **params: str) -> str:
    return f"{http.settings.geo_web_url}{path}?{urlencode(params)}"


def too_large(files: Sequence[RemoteFile], max_bytes: int) -> list[RemoteFile]:
    """Those whose listed size is beyond ``max_bytes``."""
    return [file for file in files if file.listed is not None and file.listed.start > max_bytes]
