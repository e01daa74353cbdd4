"""Requests to NCBI: allowed hosts only, in turn, with patience where patience helps, and typed errors.

httpx follows no redirects and raises on bodies shorter than announced; the rest of what can go wrong between
here and NCBI is recognised in this module. Facts of an error that a program may use: ``status``, ``url``
(without parameters), ``transient`` (trying again can help), ``retry_after`` (seconds that the server asked
for).
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TypeVar

import httpx

from .. import __version__
from ..errors import (
    BackendError,
    BlockedError,
    NotFoundError,
    OfflineError,
    OmicsError,
    RateLimitError,
    SourceError,
)
from ..settings import Settings
from .files import kind_of
from .rate import Limiter

T = TypeVar("T")
Progress = Callable[[str], None]

NCBI_ORIGINS = (
    "https://eutils.ncbi.nlm.nih.gov",
    "https://ftp.ncbi.nlm.nih.gov",
    "https://www.ncbi.nlm.nih.gov",
)
RETRY_AFTER_CAP_S = 60.0
_MAX_REDIRECTS = 3
# NCBI states 50 a second for its web pages altogether, and nothing for the file tree.
_FILES_PER_SECOND = 20.0
_LARGEST_REPLY = 512 * 2**20
# httpx logs every URL at INFO; ours carry no secrets (they go by POST), but they do carry people's questions.
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_CHALLENGE = re.compile(
    rb"captcha|challenge|are you a robot|not a robot|unusual traffic|access denied|temporarily blocked"
    rb"|misuse|abuse",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try again: full jitter over ``first_wait_s`` × 2ⁿ, at most
    ``longest_wait_s``.

    An unreachable network is tried ``offline_attempts`` times only, for a person waits. Nothing is tried
    again once the waits would add up to more than ``total_wait_s``.
    """

    attempts: int = 5
    offline_attempts: int = 2
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    total_wait_s: float = 180.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: ``url`` without parameters, header names in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_html(self) -> bool:
        """True for a web page, whatever the status or content type said."""
        return kind_of(self.body) == "html"


def _chance() -> float:
    """0 to 1. Not ``random.random``, whose state would count as code of the steps of a run, and differs each time."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


class Http:
    """A connection to NCBI for one piece of work; a context manager.

    ``transport``, ``clock``, ``sleep`` and ``random`` are there for tests. ``progress`` is told of every wait
    that a person would notice. ``origins`` may be asked; without them, NCBI's.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _chance,
        patience: Patience | None = None,
        progress: Progress | None = None,
        origins: frozenset[str] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.sleep = sleep
        self.patience = patience or Patience()
        self.progress = progress or _no_progress
        self._jitter = jitter
        self.origins = origins or allowed_origins(settings)
        self._limiter = Limiter(settings.cache / "ncbi" / "turns.sqlite", clock=clock, sleep=sleep)
        self._client = httpx.Client(
            transport=transport,
            verify=_certificates(),
            timeout=_TIMEOUT,
            headers={
                "User-Agent": f"omics_nb/{__version__}" + (f" ({settings.email})" if settings.email else "")
            },
            # A proxy from the environment is of no use for a server on this very machine.
            mounts=None
            if transport
            else {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None},
        )

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self,
        url: str,
        read: Callable[[Reply], T],
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        bucket: str | None = None,
        per_second: float = _FILES_PER_SECOND,
        check: Callable[[Reply], None] | None = None,
    ) -> T:
        """What ``read`` makes of the reply; ``read`` raises for a reply that is an error in disguise.

        GET with ``params``, or POST with ``form``. ``check`` looks at a reply of any status before its status
        is judged. Errors that are transient are tried again.
        """

        def once() -> T:
            with self.open(url, params=params, form=form, bucket=bucket, per_second=per_second) as response:
                body = _whole_body(response, url)
                if key := self.settings.api_key:
                    # NCBI repeats the key in some of its errors, and errors are shown.
                    body = body.replace(key.encode(), b"(the API key)")
                reply = Reply(plain_url(url), response.status_code, response.headers, body)
            if check:
                check(reply)
            raise_for_status(reply.status, reply.headers, reply.body, reply.url)
            return read(reply)

        return self.patiently(once, bucket=bucket or host_of(url))

    @contextmanager
    def open(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        bucket: str | None = None,
        per_second: float = _FILES_PER_SECOND,
    ) -> Iterator[httpx.Response]:
        """The response to one request, its body still to be streamed, after at most three allowed
        redirects.
        """
        method = "GET" if form is None else "POST"
        for _ in range(_MAX_REDIRECTS + 1):
            check_allowed(url, self.origins)
            self._take_turn(bucket or host_of(url), per_second)
            try:
                with self._client.stream(
                    method, url, params=params, data=form, headers=headers, follow_redirects=False
                ) as response:
                    self._learn(bucket or host_of(url), response.headers)
                    if not (response.has_redirect_location and method == "GET"):
                        yield response
                        return
                    url, params = str(response.url.join(response.headers["location"])), None
            except httpx.HTTPError as error:
                raise translate(error, url) from error
        raise BackendError(
            f"{plain_url(url)} was redirected more than {_MAX_REDIRECTS} times", url=plain_url(url)
        )

    def patiently(self, call: Callable[[], T], *, bucket: str) -> T:
        """``call()``, again after a wait for as long as its error says that this can help."""
        waited, attempt = 0.0, 0
        while True:
            attempt += 1
            try:
                return call()
            except OmicsError as error:
                most, wait_s = self._attempts_for(error), self._wait_after(error, attempt)
                if attempt >= most or waited + wait_s > self.patience.total_wait_s:
                    raise
                if isinstance(error, RateLimitError):
                    self._limiter.hold(bucket, wait_s)
                # The wait comes first: a line of a terminal ends before a URL does.
                self.progress(f"trying again in {wait_s:.0f} s (attempt {attempt + 1} of {most}): {error}")
            waited += wait_s
            self.sleep(wait_s)

    def _attempts_for(self, error: OmicsError) -> int:
        """How often to try in all where this is what goes wrong."""
        if not error.facts.get("transient"):
            return 1
        most = self.patience.offline_attempts if isinstance(error, OfflineError) else self.patience.attempts
        return min(int(str(error.facts.get("attempts", most))), self.patience.attempts)

    def _wait_after(self, error: OmicsError, attempt: int) -> float:
        """Seconds before the next attempt."""
        asked = error.facts.get("retry_after")
        if isinstance(asked, float) and asked > 0:
            # A tenth of jitter on top, so that many who were sent away do not come back at once.
            return min(asked, RETRY_AFTER_CAP_S) * (1 + 0.1 * self._jitter())
        ceiling = min(self.patience.first_wait_s * 2.0 ** (attempt - 1), self.patience.longest_wait_s)
        # NCBI counts by the second: less than one second is no wait after a rate limit.
        floor = 1.0 if isinstance(error, RateLimitError) else 0.0
        return floor + ceiling * self._jitter()

    def _take_turn(self, bucket: str, per_second: float) -> None:
        wait_s = self._limiter.reserve(bucket, per_second)
        if wait_s >= 2:
            self.progress(f"waiting {wait_s:.0f} s for our turn at {bucket}")
        if wait_s > 0:
            self.sleep(wait_s)

    def _learn(self, bucket: str, headers: httpx.Headers) -> None:
        try:
            limit, remaining = float(headers["x-ratelimit-limit"]), float(headers["x-ratelimit-remaining"])
        except (KeyError, ValueError):
            return
        self._limiter.learn(bucket, limit, remaining)


def allowed_origins(settings: Settings) -> frozenset[str]:
    """NCBI's own hosts over HTTPS and the ones that the settings name; nothing else is ever asked."""
    configured = (settings.eutils_url, settings.geo_url, settings.geo_web_url)
    return frozenset([*NCBI_ORIGINS, *map(_origin, configured)])


def check_allowed(url: str, origins: frozenset[str]) -> None:
    """SourceError if ``url`` leads to a host that is not on the list; links in GEO's texts can lead
    anywhere.
    """
    if _origin(url) not in origins:
        raise SourceError(
            f"{plain_url(url)} is not on a host that files are taken from;"
            f" allowed are {', '.join(sorted(origins))}",
            url=plain_url(url),
        )


def is_loopback(url: str) -> bool:
    """True where ``url`` leads to this very machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def plain_url(url: str) -> str:
    """``url`` without parameters, user or fragment, fit for a message."""
    return f"{_origin(url)}{httpx.URL(url).path}"


def host_of(url: str) -> str:
    """Host and port of ``url``; requests to one host share their turns."""
    return _origin(url).partition("://")[2]


def html_error(body: bytes, url: str, status: int) -> SourceError:
    """The error for a web page where data was expected: a challenge (BlockedError) or a server's error
    page.
    """
    if _CHALLENGE.search(body[:200_000]):
        return BlockedError(
            f"{plain_url(url)} answered with a challenge page instead of data (status {status});"
            " open it once in a web browser, wait, or write to info@ncbi.nlm.nih.gov naming your address",
            url=plain_url(url),
            status=status,
        )
    return BackendError(
        f"{plain_url(url)} answered with a web page instead of data (status {status}): {_gist(body)}",
        url=plain_url(url),
        status=status,
        transient=status >= 500 or status == 200,
    )


def checked(reply: Reply) -> Reply:
    """``reply`` itself unless it is a web page, which is never data."""
    if reply.is_html:
        raise html_error(reply.body, reply.url, reply.status)
    return reply


def raise_for_status(status: int, headers: Mapping[str, str], body: bytes, url: str) -> None:
    """NotFoundError, RateLimitError, BlockedError or BackendError for a status of 300 and above."""
    if status < 300:
        return
    url = plain_url(url)
    if status == 429:
        asked = retry_after(headers)
        pause = f", and for a pause of {asked:,.0f} s" if asked else ""
        raise RateLimitError(
            f"{url} asks for fewer requests (status 429){pause}",
            url=url,
            status=429,
            transient=True,
            retry_after=asked,
        )
    if status in (404, 410):
        raise NotFoundError(f"{url} does not exist (status {status})", url=url, status=status)
    if kind_of(body) == "html" and status not in (401, 403):
        raise html_error(body, url, status)
    if status in (401, 403):
        raise BlockedError(f"{url} refuses us (status {status}): {_gist(body)}", url=url, status=status)
    raise BackendError(
        f"{url} failed with status {status}: {_gist(body)}",
        url=url,
        status=status,
        transient=status in (408, 425, 500, 502, 503, 504),
        retry_after=retry_after(headers),
    )


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that ``Retry-After`` asks for, as a number or as an HTTP date; None without a usable one."""
    value = str(headers.get("retry-after", "")).strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError):
        return None
    return float(max(0.0, at - (time.time() if now is None else now)))


def translate(error: httpx.HTTPError, url: str) -> SourceError:
    """Our error for one of httpx: unreachable is OfflineError, cut or silent is BackendError."""
    url = plain_url(url)
    why = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return OfflineError(
            f"{url} cannot be reached: {why}; with no network, search the sources demo and mirror:FOLDER",
            url=url,
            transient=True,
        )
    if isinstance(error, httpx.TimeoutException):
        return BackendError(f"{url} did not answer in time: {why}", url=url, transient=True)
    if isinstance(error, httpx.TransportError):
        return BackendError(f"{url} cut the connection: {why}", url=url, transient=True)
    return BackendError(f"{url} answered what cannot be read: {why}", url=url, transient=False)


def first_bytes(response: httpx.Response, n_bytes: int = 200_000) -> bytes:
    """The beginning of a body that is only needed for a message."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) >= n_bytes:
            break
    return bytes(body[:n_bytes])


def _whole_body(response: httpx.Response, url: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_REPLY:
            raise BackendError(f"{plain_url(url)} sent more than {_LARGEST_REPLY} bytes", url=plain_url(url))
    return bytes(body)


def _origin(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SourceError(f"{url[:200]!r} is not a URL: {error}") from error
    port = f":{parsed.port}" if parsed.port else ""
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    return f"{parsed.scheme}://{host}{port}"


def _gist(body: bytes) -> str:
    """The first words of a reply, without tags, for a message."""
    text = re.sub(
        r"<(script|style)\b.*?</\1>|<[^>]*>", " ", body[:4000].decode("utf-8", "replace"), flags=re.S | re.I
    )
    words = " ".join(text.split())
    return repr(words[:160]) if words else "nothing"


@cache
def _certificates() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes longer than a request on a fast line."""
    return httpx.create_ssl_context()


def _no_progress(_: str) -> None: ...
