"""What can go wrong between a client and NCBI, each seen in the wild, to be switched on for a request."""

from __future__ import annotations

import gzip
import re
import threading
from dataclasses import dataclass, field

#: Fault → what it does. The first group takes the place of a reply, the second spoils one.
KINDS = {
    "rate_limit": "status 429 with NCBI's JSON; with `retry_after`, that header",
    "rate_limit_200": "the same JSON with status 200",
    "challenge": "a reCAPTCHA page with status 200",
    "blocked": "the page for addresses that were blocked, status 403",
    "backend_down": "status 500, text 'No do_post output returned…'",
    "backend_error": "status 200, JSON whose ERROR says that the search backend failed",
    "bad_gateway": "status 502, a web page",
    "maintenance": "status 200, a web page that is no challenge",
    "not_found": "status 404",
    "redirect_away": "status 302 to a host of somebody else",
    "redirect_home": "status 301 to the same place under another query",
    "unknown_key": "status 400, JSON: API key invalid",
    "cut": "announces the whole length, sends half and closes",
    "early_close": "announces no length, sends half and closes",
    "no_length": "announces no length, sends all and closes",
    "half": "announces and sends half, in good order: JSON or gzip that stops",
    "member_cut": "a gzip file cut between two members",
    "longer": "sends more than it announces",
    "bit_flip": "one bit in the middle is another",
    "swapped": "another file's content under this name",
    "empty": "status 200 with no body",
    "slow": "sends half, then waits until `resume` is set",
    "no_range": "answers a Range request with the whole file",
    "changed": "another ETag than before, so that If-Range fails",
    "bad_uid": "one record of a summary is an error",
    "dropped": "reports a phrase as dropped",
}


@dataclass
class Fault:
    """One of ``KINDS`` for requests whose path and parameters match ``where``, ``times`` of them after
    ``skip``.
    """

    kind: str
    where: str = ""
    times: int = 1
    skip: int = 0
    retry_after: str = ""
    resume: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; have {', '.join(KINDS)}")

    def takes(self, request: str) -> bool:
        """Whether this request is hit; counts down."""
        if self.times <= 0 or not re.search(self.where, request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


CHALLENGE = b"""<!DOCTYPE html>
<html lang="en"><head><title>Checking your browser - reCAPTCHA</title>
<script src="https://www.google.com/recaptcha/enterprise.js"></script></head>
<body><h1>Checking your browser before accessing www.ncbi.nlm.nih.gov</h1>
<div class="g-recaptcha"></div></body></html>
"""
BLOCKED = b"""<html><head><title>NCBI - WWW Error Blocked Diagnostic</title></head>
<body><h2>Access Denied</h2>
<p>Your access to the NCBI website at www.ncbi.nlm.nih.gov has been temporarily blocked due to a possible
misuse/abuse situation involving your site.</p></body></html>
"""
MAINTENANCE = b"""<html><head><title>NCBI</title></head>
<body><p>This service is being moved. Come back soon.</p></body></html>
"""
BAD_GATEWAY = b"""<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center></body></html>
"""


def spoil(kind: str, body: bytes) -> bytes:
    """The body of a fault that changes what is sent; others leave it."""
    if kind == "half":
        return body[: len(body) // 2]
    if kind == "member_cut":
        text = gzip.decompress(body)
        return gzip.compress(text[: len(text) // 2], compresslevel=1, mtime=0)
    if kind == "bit_flip":
        middle = len(body) // 2
        return body[:middle] + bytes([body[middle] ^ 0x10]) + body[middle + 1 :]
    if kind == "swapped":
        return b"ID_REF\tGSM1\n1007_s_at\t7.1\n" * 200
    return b"" if kind == "empty" else body
