"""NCBI's E-utilities: search, summaries, links and records of any database, with every error it disguises.

https://www.ncbi.nlm.nih.gov/books/NBK25499/ . Requests that carry an API key, an e-mail address or long
parameters go by POST, so that neither a URL nor a log ever holds them. NCBI asks programs to show
``DISCLAIMER_URL``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from ..errors import BackendError, NotFoundError, OmicsError, RateLimitError, SettingsError
from .http import Http, Reply, checked, is_loopback, retry_after

T = TypeVar("T")
Json = dict[str, Any]

DISCLAIMER_URL = "https://www.ncbi.nlm.nih.gov/About/disclaimer.html"
TOOL = "omics_nb"
MOST_PER_PAGE = 10_000
# JSON summaries list every sample, so a few hundred are several megabytes.
_SUMMARIES_PER_CALL = 200
_LONGEST_GET = 1000
_PER_SECOND, _PER_SECOND_WITH_KEY = 3.0, 10.0
_PASSING = re.compile(
    r"backend|failed|temporar|unavailable|timed? ?out|try again|server error|no do_post|unable to obtain",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What esearch found. ``count`` is of all matches, ``ids`` the page that was asked for.

    ``translation`` is how NCBI read the term. ``dropped`` are parts that it left out because they occur
    nowhere, ``messages`` what else it warned of. ``webenv`` and ``query_key`` name the result on the history
    server.
    """

    count: int
    ids: tuple[str, ...]
    translation: str
    dropped: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    webenv: str = ""
    query_key: str = ""


@dataclass(frozen=True, slots=True)
class Summaries:
    """esummary's records by UID, in the order asked for, and what it said of those it could not give."""

    records: Mapping[str, Json]
    errors: Mapping[str, str] = field(default_factory=dict)


class Entrez:
    """The E-utilities over one ``Http``."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._settings = http.settings

    def search(
        self,
        db: str,
        term: str,
        *,
        start: int = 0,
        most: int = 20,
        history: bool = False,
        sort: str | None = None,
    ) -> Found:
        """One page of a search, at most 10,000 UIDs from ``start``.

        BackendError if NCBI refuses the search; a term of which NCBI drops a part still gives the rest, and
        ``dropped`` says so.
        """
        params = {"db": db, "term": term, "retstart": str(start), "retmax": str(min(most, MOST_PER_PAGE))}
        if history:
            params["usehistory"] = "y"
        if sort:
            params["sort"] = sort
        return read_search(self._json("esearch", params))

    def search_all(self, db: str, term: str, *, limit: int | None = None) -> Found:
        """A search with all its UIDs, or the first ``limit``, page after page; each UID once.

        NCBI's databases change while they are read: the pages of one search may overlap.
        """
        found = self.search(db, term, most=limit or MOST_PER_PAGE)
        ids = dict.fromkeys(found.ids)
        wanted = found.count if limit is None else min(limit, found.count)
        start = len(found.ids)
        while start < wanted:
            page = self.search(db, term, start=start, most=min(MOST_PER_PAGE, wanted - start)).ids
            if not page:
                raise BackendError(
                    f"NCBI gave {start} of {wanted} UIDs of a search and then none", transient=False
                )
            ids.update(dict.fromkeys(page))
            start += len(page)
        return Found(
            found.count,
            tuple(ids),
            found.translation,
            found.dropped,
            found.messages,
            found.webenv,
            found.query_key,
        )

    def summaries(self, db: str, ids: Sequence[str]) -> Summaries:
        """The summaries of UIDs, in calls of 200. UIDs that NCBI cannot give are in ``errors``."""
        records: dict[str, Json] = {}
        errors: dict[str, str] = {}
        for batch in _batches(list(dict.fromkeys(ids)), _SUMMARIES_PER_CALL):
            found = read_summaries(
                self._json("esummary", {"db": db, "id": ",".join(batch), "version": "2.0"})
            )
            # Only what was asked for: replies with the records of another search have been seen.
            records.update((uid, found.records[uid]) for uid in batch if uid in found.records)
            errors.update(
                (uid, found.errors.get(uid, "NCBI's reply leaves it out"))
                for uid in batch
                if uid not in found.records
            )
        return Summaries(records, errors)

    def links(
        self, from_db: str, to_db: str, ids: Sequence[str], *, name: str | None = None
    ) -> tuple[str, ...]:
        """UIDs in ``to_db`` that belong to any of ``ids`` in ``from_db``, each once; none is an answer.

        ``name`` limits them to one kind of link, such as ``pubmed_gds``.
        """
        params = {"dbfrom": from_db, "db": to_db, "id": ",".join(ids), "cmd": "neighbor"}
        if name:
            params["linkname"] = name
        return read_links(self._json("elink", params), to_db, name) if ids else ()

    def fetch_text(self, db: str, ids: Sequence[str], *, rettype: str, retmode: str = "text") -> str:
        """Records as text: ``runinfo`` of sra (CSV), ``summary`` of gds. BackendError for anything else than
        text.
        """
        params = {"db": db, "id": ",".join(ids), "rettype": rettype, "retmode": retmode}
        return self._ask("efetch", params, read_text)

    def fetch_xml(self, db: str, ids: Sequence[str], *, rettype: str = "") -> Any:
        """Records that NCBI gives as XML only, as Bio.Entrez reads them (lists and dicts)."""
        params = {"db": db, "id": ",".join(ids), "retmode": "xml"} | ({"rettype": rettype} if rettype else {})
        return self._ask("efetch", params, read_xml)

    def post(self, db: str, ids: Sequence[str]) -> tuple[str, str]:
        """Put UIDs on the history server; gives ``webenv`` and ``query_key``. (epost answers in XML only.)"""
        reply = self._ask("epost", {"db": db, "id": ",".join(ids)}, read_xml)
        return str(reply["WebEnv"]), str(reply["QueryKey"])

    def _json(self, tool: str, params: Mapping[str, str]) -> Json:
        return self._ask(tool, {**params, "retmode": "json"}, read_json)

    def _ask(self, tool: str, params: Mapping[str, str], read: Callable[[Reply], T]) -> T:
        settings = self._settings
        params = {**params, "tool": TOOL}
        if settings.email:
            params["email"] = settings.email
        if settings.api_key:
            params["api_key"] = settings.api_key
        if settings.api_key and not (
            settings.eutils_url.startswith("https://") or is_loopback(settings.eutils_url)
        ):
            raise SettingsError(
                f"an API key must not travel unencrypted; eutils_url is {settings.eutils_url!r}"
            )
        hidden = bool(settings.email or settings.api_key)
        by_post = hidden or len(urlencode(params)) > _LONGEST_GET
        try:
            return self._http.ask(
                f"{settings.eutils_url}{tool}.fcgi",
                lambda reply: read(checked(reply)),
                params=None if by_post else params,
                form=params if by_post else None,
                bucket="eutils",
                per_second=_PER_SECOND_WITH_KEY if settings.api_key else _PER_SECOND,
                check=check_refusal,
            )
        except NotFoundError as error:
            raise BackendError(
                f"{settings.eutils_url} has no {tool}.fcgi; is OMICS_EUTILS_URL right?",
                url=settings.eutils_url,
            ) from error


def check_refusal(reply: Reply) -> None:
    """What NCBI says in JSON with any status: too many requests, or an API key that it does not know."""
    if reply.body.lstrip()[:1] != b"{" or len(reply.body) > 10_000:
        return
    try:
        said = json.loads(reply.body)
    except ValueError:
        return
    if "error" not in said or not isinstance(said["error"], str):
        return
    message = said["error"]
    if "rate limit" in message.lower():
        raise RateLimitError(
            f"NCBI asks for fewer requests: {message}",
            url=reply.url,
            status=reply.status,
            transient=True,
            retry_after=retry_after(reply.headers),
        )
    if "api key" in message.lower() or "api-key" in message.lower():
        raise SettingsError(f"NCBI does not accept the API key in NCBI_API_KEY: {message}")
    raise _refused(message, reply.url)


def read_json(reply: Reply) -> Json:
    """A JSON reply as a dict; BackendError for one that is cut off or no JSON, or that carries an ERROR."""
    try:
        # strict=False: titles come with raw control characters.
        said = json.loads(reply.body.decode("utf-8", "replace"), strict=False)
    except ValueError as error:
        raise BackendError(
            f"{reply.url} answered {len(reply.body)} bytes that are no whole JSON: {reply.body[:80]!r}",
            url=reply.url,
            transient=True,
        ) from error
    if not isinstance(said, dict):
        raise BackendError(f"{reply.url} answered JSON of another shape: {reply.body[:80]!r}", url=reply.url)
    for part in [said, *(value for value in said.values() if isinstance(value, dict))]:
        message = part.get("ERROR") or part.get("error")
        if isinstance(message, str):
            raise _refused(message, reply.url)
    refusals = said.get("esummaryresult")
    if isinstance(refusals, list) and refusals:
        raise _refused("; ".join(map(str, refusals)), reply.url)
    return said


def read_search(said: Json) -> Found:
    """esearch's reply. All its numbers are strings."""
    result = _part(said, "esearchresult")
    missing, warnings = result.get("errorlist") or {}, result.get("warninglist") or {}
    dropped = [*_texts(missing, "phrasesnotfound"), *_texts(missing, "fieldsnotfound")]
    dropped += [*_texts(warnings, "quotedphrasesnotfound"), *_texts(warnings, "phrasesignored")]
    try:
        return Found(
            count=int(result["count"]),
            ids=tuple(str(uid) for uid in result["idlist"]),
            translation=str(result.get("querytranslation", "")),
            dropped=tuple(dict.fromkeys(dropped)),
            messages=tuple(_texts(warnings, "outputmessages")),
            webenv=str(result.get("webenv", "")),
            query_key=str(result.get("querykey", "")),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BackendError(
            f"NCBI's search reply has another shape than known: {error!r}", transient=False
        ) from error


def read_summaries(said: Json) -> Summaries:
    """esummary's reply of version 2.0; records that are an error each are kept apart."""
    result = _part(said, "result")
    records, errors = {}, {}
    for uid in _texts(result, "uids"):
        record = result.get(uid)
        if not isinstance(record, dict):
            errors[uid] = "NCBI's reply leaves it out"
        elif "error" in record:
            errors[uid] = str(record["error"])
        elif str(record.get("uid", uid)) != uid:
            errors[uid] = f"NCBI's reply has the record of {record['uid']} in its place"
        else:
            records[uid] = record
    return Summaries(records, errors)


def read_links(said: Json, to_db: str, name: str | None = None) -> tuple[str, ...]:
    """elink's reply: UIDs of ``to_db``, each once; BackendError where it has no link sets, or one with an error."""
    found: dict[str, None] = {}
    sets = said.get("linksets")
    if not isinstance(sets, list):
        raise BackendError(f"NCBI's reply has no 'linksets'; it has {sorted(said)}", transient=False)
    for link_set in sets:
        for message in [link_set.get("ERROR"), link_set.get("error")]:
            if message:
                raise _refused(str(message), "elink")
        for links in link_set.get("linksetdbs") or ():
            if links.get("dbto") == to_db and name in (None, links.get("linkname")):
                # UIDs come as numbers, as strings, or as objects with an "id".
                found.update(
                    (str(uid["id"] if isinstance(uid, dict) else uid), None) for uid in links.get("links", ())
                )
    return tuple(found)


def read_text(reply: Reply) -> str:
    """A reply that is plain text."""
    text = reply.body.decode("utf-8", "replace")
    error = re.match(
        r"\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE[^>]*>\s*)?<\w+>\s*<ERROR>(.*?)</ERROR>", text, re.S
    )
    if error:
        raise _refused(error[1].strip(), reply.url)
    if _PASSING.match(text.strip()) and len(text) < 500:
        raise _refused(" ".join(text.split()), reply.url)
    return text


def read_xml(reply: Reply) -> Any:
    """An XML reply as Bio.Entrez reads it, with the document types that come with Biopython only.

    Its parser would fetch any other one from wherever the reply says.
    """
    from importlib.resources import files

    import Bio.Entrez
    from Bio.Entrez.Parser import CorruptedXMLError, NotXMLError

    read_text(reply)
    head = reply.body[:2000].decode("utf-8", "replace")
    system = re.search(r'<!DOCTYPE\s+\w+\s+(?:PUBLIC\s+"[^"]*"|SYSTEM)\s+"([^"]+)"', head)
    dtd = system[1].rsplit("/", 1)[-1] if system else ""
    if not dtd or not files("Bio.Entrez").joinpath("DTDs", dtd).is_file():
        raise BackendError(
            f"{reply.url} answered XML of a type that is not known: {dtd or head[:80]!r}", url=reply.url
        )
    try:
        parse: Callable[[io.BytesIO], Any] = Bio.Entrez.read
        return parse(io.BytesIO(reply.body))
    except RuntimeError as error:
        # Bio.Entrez raises it for the ERROR element of a reply.
        raise _refused(str(error), reply.url) from error
    except (NotXMLError, CorruptedXMLError, ValueError) as error:
        raise BackendError(
            f"{reply.url} answered XML that cannot be read: {error}", url=reply.url, transient=True
        ) from error


def _part(said: Json, name: str) -> Json:
    part = said.get(name)
    if not isinstance(part, dict):
        raise BackendError(f"NCBI's reply has no {name!r}; it has {sorted(said)}", transient=False)
    return part


def _texts(part: Mapping[str, Any], name: str) -> list[str]:
    return [str(text) for text in part.get(name) or ()]


def _refused(message: str, url: str) -> OmicsError:
    """NCBI's own error message; some of them pass by themselves, such as a search backend that failed."""
    return BackendError(f"NCBI answered: {message}", url=url, transient=bool(_PASSING.search(message)))


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
