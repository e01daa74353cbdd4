"""The loopback server: E-utilities, GEO's file tree over HTTP, acc.cgi and /geo/download, and faults.

Answers as NCBI does as far as recorded replies show it; what the records do not hold is derived from the
folder that is served. https://www.ncbi.nlm.nih.gov/books/NBK25499/
"""

from __future__ import annotations

import gzip
import html
import json
import mimetypes
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from . import query
from .archive import Record, read_archive, read_pubmed, read_recorded
from .faults import BAD_GATEWAY, BLOCKED, CHALLENGE, MAINTENANCE, Fault, spoil
from .sra import Package, read_packages, series_of

EUTILS = "/entrez/eutils/"
TREE = "/geo/"
WEB = "/web/geo/"
DATABASES = ("gds", "pubmed", "sra", "bioproject")
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-RateLimit-Limit,X-RateLimit-Remaining",
    "Cache-Control": "private",
    "Content-Security-Policy": "upgrade-insecure-requests",
    "Referrer-Policy": "origin-when-cross-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-XSS-Protection": "1; mode=block",
}
_EPOST = """<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE ePostResult PUBLIC "-//NLM//DTD epost 20090526//EN"
 "https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20090526/epost.dtd">
<ePostResult><QueryKey>1</QueryKey><WebEnv>MCID_loopback</WebEnv></ePostResult>
"""


@dataclass
class Seen:
    """A request as it came: parameters of the URL and of the form apart, for secrets belong into the form
    only.
    """

    method: str
    path: str
    params: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]

    @property
    def all(self) -> dict[str, str]:
        return self.params | self.form

    def __str__(self) -> str:
        return f"{self.path}?" + "&".join(f"{name}={value}" for name, value in sorted(self.all.items()))


@dataclass
class Answer:
    status: int
    body: bytes
    kind: str = "application/json; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


class LoopbackNcbi:
    """A server on this machine; a context manager.

    ``root`` is a folder laid out like GEO's file tree, ``shared`` one with recorded replies in ``eutils/``
    and ``sra/``. ``enforce_limit`` refuses the fourth request of a second (the eleventh with a key), as NCBI
    does.
    """

    def __init__(
        self, root: Path, *, shared: Path | None = None, port: int = 0, enforce_limit: bool = False
    ) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.private: set[str] = set()
        self.counts: dict[str, bytes] = {}
        self.enforce_limit = enforce_limit
        #: How many requests came too fast.
        self.refused = 0
        self.records: dict[str, Record] = read_archive(root)
        self.pubmed: dict[str, dict[str, Any]] = {}
        self.packages: dict[str, Package] = {}
        if shared is not None:
            self.packages = read_packages(shared / "sra")
            self.pubmed = read_pubmed(shared / "eutils")
            self.records = {**series_of(self.packages), **read_recorded(shared / "eutils"), **self.records}
        self._times: dict[str, deque[float]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.ncbi = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> LoopbackNcbi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            fault.resume.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point omics-nb here."""
        return {
            "OMICS_SOURCE": "ncbi",
            "OMICS_EUTILS_URL": self.url + EUTILS,
            "OMICS_GEO_URL": self.url + TREE,
            "OMICS_GEO_WEB_URL": self.url + WEB,
        }

    def fail(
        self, kind: str, where: str = "", *, times: int = 1, skip: int = 0, retry_after: str = ""
    ) -> Fault:
        """Switch a fault on for the next requests whose path and parameters match the pattern ``where``."""
        fault = Fault(kind, where, times, skip, retry_after)
        self.faults.append(fault)
        return fault

    def reset(self) -> None:
        """Forget requests, faults and what was set by a test."""
        for fault in self.faults:
            fault.resume.set()
        self.faults, self.seen, self.private, self.counts = [], [], set(), {}
        for record in self.records.values():
            record.filters.clear()
        self.enforce_limit, self.refused = False, 0
        self._times.clear()

    def requests(self, where: str = "") -> list[Seen]:
        """The requests that came and match."""
        return [seen for seen in self.seen if re.search(where, str(seen))]

    def note(self, seen: Seen) -> Fault | None:
        """Remember a request; the fault that hits it."""
        with self._lock:
            self.seen.append(seen)
            return next((fault for fault in self.faults if fault.takes(str(seen))), None)

    def rate(self, key: str, limit: int) -> tuple[int, int]:
        """Requests with this key or from this address in the last second, and what remains of the limit."""
        with self._lock:
            times, now = self._times.setdefault(key, deque()), time.monotonic()
            while times and times[0] <= now - 1:
                times.popleft()
            times.append(now)
            return len(times), max(0, limit - len(times))

    # E-utilities

    def eutils(self, tool: str, params: dict[str, str]) -> Answer:
        """The reply of a utility."""
        db = params.get("dbfrom") or params.get("db") or "pubmed"
        if db not in DATABASES:
            message = f"Invalid db name specified: {db}"
            return _json(
                tool,
                {"esummaryresult": [message]}
                if tool == "esummary"
                else {f"{tool}result": {"ERROR": message}},
            )
        ids = [uid for uid in re.split(r"[,\s]+", params.get("id", "")) if uid]
        if tool == "esearch":
            return self._search(db, params)
        if tool == "esummary":
            return self._summary(db, ids)
        if tool == "elink":
            return self._link(db, params["db"], ids, params.get("linkname"))
        if tool == "efetch":
            return self._fetch(db, ids, params)
        if tool == "epost":
            return Answer(200, _EPOST.encode(), "text/xml; charset=UTF-8")
        return Answer(404, b"<html><title>404 Not Found</title></html>", "text/html")

    def _search(self, db: str, params: dict[str, str]) -> Answer:
        if db == "gds":
            found = query.run(params.get("term", ""), self.records.values())
        else:
            words = set(re.findall(r"\w+", params.get("term", "")))
            pool = {uid: package.words for uid, package in self.packages.items()} if db == "sra" else {}
            found = query.Search(
                [uid for uid, names in pool.items() if names & words], params.get("term", "")
            )
        start, most = int(params.get("retstart", 0)), min(int(params.get("retmax", 20)), 10_000)
        page = found.uids[start : start + most]
        result: dict[str, Any] = {
            "count": str(len(found.uids)),
            "retmax": str(len(page)),
            "retstart": str(start),
            "idlist": page,
            "translationset": [],
            "querytranslation": found.translation,
        }
        if params.get("usehistory") == "y":
            result |= {"querykey": "1", "webenv": "MCID_loopback"}
        if found.missing:
            result["errorlist"] = {"phrasesnotfound": found.missing, "fieldsnotfound": []}
        if not found.uids:
            result["warninglist"] = {
                "phrasesignored": [],
                "quotedphrasesnotfound": [],
                "outputmessages": ["No items found."],
            }
        return _json("esearch", {"esearchresult": result})

    def _summary(self, db: str, ids: list[str]) -> Answer:
        if not ids:
            return _json("esummary", {"esummaryresult": ["Empty id list - nothing todo"]})
        known = {uid: record.summary for uid, record in self.records.items()} if db == "gds" else self.pubmed
        missing = {"error": "cannot get document summary"}
        result = {uid: known.get(uid, {"uid": uid, **missing}) for uid in ids}
        return _json("esummary", {"result": {"uids": ids, **result}})

    def _link(self, source: str, target: str, ids: list[str], name: str | None) -> Answer:
        links: list[str] = []
        for record in [self.records[uid] for uid in ids if uid in self.records] if source == "gds" else []:
            if target == "sra":
                links += [
                    uid
                    for uid, package in self.packages.items()
                    if package.series == record.summary["accession"]
                ]
            if target == "pubmed":
                links += [str(uid) for uid in record.summary["pubmedids"]]
        if (source, target) == ("pubmed", "gds"):
            papers = set(ids)
            links = [
                uid
                for uid, record in self.records.items()
                if papers & {str(p) for p in record.summary["pubmedids"]}
            ]
        kind = f"{source}_{target}"
        found = [{"dbto": target, "linkname": kind, "links": links}] if links and name in (None, kind) else []
        return _json("elink", {"linksets": [{"dbfrom": source, "ids": ids, "linksetdbs": found}]})

    def _fetch(self, db: str, ids: list[str], params: dict[str, str]) -> Answer:
        if db == "sra":
            packages = "".join(self.packages[uid].xml for uid in ids if uid in self.packages)
            xml = '<?xml version="1.0" encoding="UTF-8" ?>\n'
            xml += f"<EXPERIMENT_PACKAGE_SET>{packages}</EXPERIMENT_PACKAGE_SET>"
            return Answer(200, xml.encode(), "text/xml; charset=UTF-8")
        if db == "gds":
            parts = [
                f"{number}. {record.summary['title']}\n"
                f"(Submitter supplied) {record.summary['summary'][:200]} more...\n"
                f"Organism:\t{record.summary['taxon']}\nType:\t\t{record.summary['gdstype']}\n"
                f"Series\t\tAccession: {record.summary['accession']}\tID: {record.uid}\n"
                for number, record in enumerate(
                    (self.records[uid] for uid in ids if uid in self.records), start=1
                )
            ]
            return Answer(200, "\n".join(parts).encode(), "text/plain; charset=UTF-8")
        return Answer(400, b"<eFetchResult><ERROR>unsupported</ERROR></eFetchResult>", "text/xml")

    # GEO's web pages

    def web(self, path: str, params: dict[str, str]) -> Answer:
        """acc.cgi and /geo/download."""
        accession = params.get("acc", "").upper()
        if path == "download/":
            body = self.counts.get(params.get("file", ""))
            if body is not None:
                return Answer(200, body, "application/octet-stream")
            names = [name for name in self.counts if name.startswith(f"{accession}_") or accession == ""]
            links = "".join(
                f'<a href="?type=rnaseq_counts&amp;acc={accession}&amp;file={name}&amp;format=file">'
                f"{name}</a>"
                for name in names
            )
            return Answer(
                200, f"<html><body><h1>RNA-seq counts</h1>{links}</body></html>".encode(), "text/html"
            )
        if path != "query/acc.cgi":
            return Answer(404, b"<html><title>404 Not Found</title></html>", "text/html")
        platform = self._platform(accession) if accession.startswith("GPL") else b""
        if platform:
            return Answer(200, platform, "geo/text")
        if accession in self.private:
            text = f'Accession "{accession}" is currently private'
            text += " and is scheduled to be released on Jan 01, 2030."
        elif record := next((r for r in self.records.values() if r.summary["accession"] == accession), None):
            text = f"^SERIES = {accession}\n!Series_title = {record.summary['title']}\n"
            text += f"!Series_geo_accession = {accession}\n"
            text += "".join(f"!Series_relation = {relation}\n" for relation in record.relations)
        else:
            text = f'Could not find a public or private accession "{accession}".'
        return Answer(200, text.encode(), "geo/text")

    def _platform(self, accession: str) -> bytes:
        """A platform alone, cut out of its family file."""
        path = self.root / f"platforms/{accession[:-3]}nnn/{accession}/soft/{accession}_family.soft.gz"
        if not path.exists():
            return b""
        text = gzip.decompress(path.read_bytes())
        return text[text.index(b"^PLATFORM") :].partition(b"^SAMPLE")[0]

    # GEO's file tree

    def index(self, folder: Path, path: str) -> Answer:
        """The page that lists a folder, as ftp.ncbi.nlm.nih.gov writes it."""
        lines = []
        for entry in sorted(folder.iterdir()):
            name = entry.name + ("/" if entry.is_dir() else "")
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.stat().st_mtime))
            size = "  - " if entry.is_dir() else _rounded(entry.stat().st_size)
            link = f'<a href="{quote(name)}">{html.escape(name)}</a>'
            lines.append(f"{link}{' ' * max(1, 30 - len(name))}{when}  {size}")
        parent = html.escape(path.rstrip("/").rpartition("/")[0] + "/")
        page = (
            f'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html><head>'
            f"<title>Index of {html.escape(path)}</title></head><body>\n"
            f"<h1>Index of {html.escape(path)}</h1>\n"
            "<pre>Name                    Last modified"
            f'      Size  <hr><a href="{parent}">Parent Directory</a>                             -   \n'
            + "\n".join(lines)
            + "\n<hr></pre>\n</body></html>\n"
        )
        return Answer(200, page.encode(), "text/html;charset=UTF-8")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Finatra"
    sys_version = ""

    @property
    def ncbi(self) -> LoopbackNcbi:
        return self.server.ncbi  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: object) -> None: ...

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._serve(dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True)))

    def do_GET(self) -> None:
        self._serve({})

    def do_HEAD(self) -> None:
        self._serve({})

    def _serve(self, form: dict[str, str]) -> None:
        parsed = urlsplit(self.path)
        params = dict(parse_qsl(parsed.query, keep_blank_values=True))
        if parsed.path == "/_faults":
            self._switch(params | form)
            return
        seen = Seen(self.command, parsed.path, params, form, {k.lower(): v for k, v in self.headers.items()})
        fault = self.ncbi.note(seen)
        try:
            if parsed.path.startswith(EUTILS):
                self._eutils(seen, fault)
            elif parsed.path.startswith(WEB):
                answer = self.ncbi.web(parsed.path.removeprefix(WEB), seen.all)
                self._send(_instead(fault, answer), fault)
            else:
                self._tree(parsed.path, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _switch(self, params: dict[str, str]) -> None:
        """Faults by hand: /_faults?kind=challenge&where=esearch&times=3."""
        if "kind" in params:
            try:
                self.ncbi.fail(
                    params["kind"],
                    params.get("where", ""),
                    times=int(params.get("times", 1)),
                    skip=int(params.get("skip", 0)),
                    retry_after=params.get("retry_after", ""),
                )
            except ValueError as error:
                self._send(Answer(400, f"{error}\n".encode(), "text/plain"), None)
                return
        left = [
            {"kind": fault.kind, "where": fault.where, "times": fault.times} for fault in self.ncbi.faults
        ]
        self._send(Answer(200, json.dumps(left).encode()), None)

    def _eutils(self, seen: Seen, fault: Fault | None) -> None:
        key = seen.all.get("api_key", "")
        limit = 10 if key else 3
        count, remaining = self.ncbi.rate(key or self.client_address[0], limit)
        answer = self.ncbi.eutils(seen.path.removeprefix(EUTILS).removesuffix(".fcgi"), seen.all)
        if self.ncbi.enforce_limit and count > limit:
            answer = _rate_limited(429, count, limit)
            self.ncbi.refused += 1
        answer = _instead(fault, answer, count=count, limit=limit)
        answer.headers |= _HEADERS | {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(remaining),
        }
        if fault is None and "gzip" in self.headers.get("Accept-Encoding", ""):
            answer.body = gzip.compress(answer.body, compresslevel=1)
            answer.headers["Content-Encoding"] = "gzip"
        self._send(answer, fault)

    def _tree(self, path: str, fault: Fault | None) -> None:
        relative = unquote(path).removeprefix(TREE)
        target = (self.ncbi.root / relative).resolve()
        if (
            not path.startswith(TREE)
            or not target.is_relative_to(self.ncbi.root.resolve())
            or not target.exists()
        ):
            self._send(
                _instead(fault, Answer(404, b"<html><title>404 Not Found</title></html>", "text/html")), fault
            )
        elif target.is_dir():
            self._send(_instead(fault, self.ncbi.index(target, path)), fault)
        else:
            self._file(target, fault)

    def _file(self, target: Path, fault: Fault | None) -> None:
        body = target.read_bytes()
        state = target.stat()
        changed = "-changed" if fault and fault.kind == "changed" else ""
        tag = f'"{state.st_mtime_ns:x}-{state.st_size:x}{changed}"'
        headers = {
            "ETag": tag,
            "Last-Modified": formatdate(state.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        kind = (
            "application/x-gzip"
            if target.suffix in (".gz", ".tgz")
            else mimetypes.guess_type(target.name)[0] or "text/plain"
        )
        answer = _instead(fault, Answer(200, body, kind, headers))
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        holds = self.headers.get("If-Range") in (None, tag, headers["Last-Modified"])
        if wanted and holds and answer.status == 200 and not (fault and fault.kind == "no_range"):
            start = int(wanted[1])
            if start >= len(body):
                answer = Answer(416, b"", "text/plain", {"Content-Range": f"bytes */{len(body)}"})
            else:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                answer = Answer(206, answer.body[start:], kind, headers)
        self._send(answer, fault)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        kind = fault.kind if fault else ""
        body = spoil(kind, answer.body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if kind in ("early_close", "no_length"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body) // 2 if kind == "longer" else len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind in ("cut", "early_close", "slow"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
        if kind == "slow":
            assert fault is not None
            fault.started.set()
            fault.resume.wait(60)
            self.wfile.write(body[len(body) // 2 :])
        elif kind not in ("cut", "early_close"):
            self.wfile.write(body)
        if kind in ("cut", "early_close", "no_length", "longer"):
            self.close_connection = True


def _instead(fault: Fault | None, answer: Answer, *, count: int = 4, limit: int = 3) -> Answer:
    """What a fault sends in the place of an answer; the answer itself where the fault leaves or spoils it."""
    kind = fault.kind if fault else ""
    if fault is not None and kind in ("rate_limit", "rate_limit_200"):
        answer = _rate_limited(429 if kind == "rate_limit" else 200, count, limit)
        answer.headers |= {"Retry-After": fault.retry_after} if fault.retry_after else {}
        return answer
    if kind in ("bad_uid", "dropped"):
        return _doctored(kind, answer)
    pages = {
        "challenge": Answer(200, CHALLENGE, "text/html; charset=UTF-8"),
        "blocked": Answer(403, BLOCKED, "text/html"),
        "maintenance": Answer(200, MAINTENANCE, "text/html"),
        "bad_gateway": Answer(502, BAD_GATEWAY, "text/html"),
        "backend_down": Answer(500, b"No do_post output returned from 'uid' sub-process", "text/plain"),
        "backend_error": _json("esearch", {"esearchresult": {"ERROR": "Search Backend failed: read failed"}}),
        "not_found": Answer(404, b"<html><title>404 Not Found</title></html>", "text/html"),
        "redirect_away": Answer(302, b"", "text/html", {"Location": "http://files.example.org/evil.gz"}),
        "redirect_home": Answer(301, b"", "text/html", {"Location": "?moved"}),
        "unknown_key": Answer(
            400, b'{"error":"API key invalid","api-key":"REDACTED","type":"api-key","status":"unknown"}'
        ),
    }
    return pages.get(kind, answer)


def _doctored(kind: str, answer: Answer) -> Answer:
    said = json.loads(answer.body)
    if kind == "bad_uid":
        uid = said["result"]["uids"][-1]
        said["result"][uid] = {"uid": uid, "error": "cannot get document summary"}
    else:
        said["esearchresult"]["errorlist"] = {
            "phrasesnotfound": ["fleegle[MeSH Terms]"],
            "fieldsnotfound": [],
        }
    return Answer(200, json.dumps(said).encode())


def _rate_limited(status: int, count: int, limit: int) -> Answer:
    said = {
        "error": "API rate limit exceeded",
        "api-key": "127.0.0.1",
        "count": str(count),
        "limit": str(limit),
    }
    return Answer(status, json.dumps(said).encode(), "application/json")


def _json(tool: str, said: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps({"header": {"type": tool, "version": "0.3"}, **said}).encode())


def _rounded(size: int) -> str:
    value = float(size)
    for unit in ("", "K", "M"):
        if value < 1024:
            return f"{value:.1f}{unit}" if unit and value < 10 else f"{value:.0f}{unit}"
        value /= 1024
    return f"{value:.1f}G"
