"""What a folder of GEO's file tree holds, read from the HTML index that its web server makes.

https://ftp.ncbi.nlm.nih.gov/geo/ shows one line a file: a link, a date and a rounded size ("751K").
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import BackendError, NotFoundError
from .http import Http, Reply, html_error, plain_url

_LINK = re.compile(
    r"""<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))[^>]*>.*?</a>([^<]*)""", re.I | re.S
)
_SIZE = re.compile(r"(?<![\w.:-])(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*$", re.I)
_UNIT = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. ``listed`` is the range of bytes that its rounded size stands for, where one is
    shown.
    """

    name: str
    url: str
    is_folder: bool
    listed: range | None

    @property
    def about_bytes(self) -> int | None:
        """The middle of the range; None where the index shows no size."""
        return None if self.listed is None else (self.listed.start + self.listed.stop) // 2


def list_folder(http: Http, url: str) -> tuple[Entry, ...]:
    """The entries of the folder at ``url``, in the order of the index; NotFoundError if there is no such
    folder.
    """
    url = url if url.endswith("/") else url + "/"
    return http.ask(url, lambda reply: parse_index(reply, url))


def list_folder_if_any(http: Http, url: str) -> tuple[Entry, ...]:
    """The entries of the folder at ``url``; none if there is no such folder, as for a record without such
    files.
    """
    try:
        return list_folder(http, url)
    except NotFoundError:
        return ()


def parse_index(reply: Reply, url: str) -> tuple[Entry, ...]:
    """Links of an index that lead to the folder's own entries; BackendError for a page that is no index."""
    text = reply.body.decode("utf-8", "replace")
    if re.match(r"\s*(<!doctype|<html)", text, re.I) and not re.search(r"</html\s*>\s*$", text, re.I):
        raise BackendError(
            f"the index of {plain_url(url)} is cut off after {len(reply.body):,} bytes",
            url=plain_url(url),
            transient=True,
        )
    entries = {}
    for double, single, bare, rest in _LINK.findall(text):
        target = urljoin(url, html.unescape(double or single or bare).partition("?")[0])
        name = _own_name(target, url)
        if name:
            entries[name] = Entry(name, target, target.endswith("/"), _listed(html.unescape(rest)))
    if not entries and not re.search(r"index of|parent directory", text, re.I):
        if reply.is_html:
            raise html_error(reply.body, url, reply.status)
        raise BackendError(
            f"{plain_url(url)} did not answer with the index of a folder", url=plain_url(url), transient=True
        )
    return tuple(entries.values())


def _own_name(target: str, folder: str) -> str:
    """The name of what lies directly in the folder; empty for links to anywhere else."""
    if not target.startswith(folder):
        return ""
    name = unquote(urlsplit(target).path[len(urlsplit(folder).path) :]).removesuffix("/")
    return "" if "/" in name or name in ("", ".", "..") else name


def _listed(text: str) -> range | None:
    found = _SIZE.search(text.strip())
    if not found:
        return None
    unit = _UNIT[found[2].upper()]
    value = float(found[1]) * unit
    # Servers round up, down or to the nearest, to at most one decimal; bytes are exact.
    step = 0.0 if unit == 1 else unit / 10 if "." in found[1] else float(unit)
    return range(max(0, int(value - step)), int(value + step) + 1)
