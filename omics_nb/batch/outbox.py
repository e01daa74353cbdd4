"""Mail that is to go out, in the store: written once, sent by whoever comes by, tried again, never sent twice.

A message is ``waiting``, then ``sending`` while somebody talks to the server, ``handed`` right before its text goes
over the wire, then ``sent``. Whoever dies while ``sending`` leaves a message that is safe to try again. One that was
``handed`` and not answered for may have been taken: it becomes ``unsure`` and waits for a person.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .. import settings
from ..errors import SettingsError
from ..workflow.store import Store
from ..workflow.tables import Connection

_TABLE = """
CREATE TABLE IF NOT EXISTS outbox (
    key TEXT PRIMARY KEY, recipient TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, due DOUBLE PRECISION NOT NULL, lease DOUBLE PRECISION NOT NULL, error TEXT NOT NULL
)
"""
LEASE_S = 120.0
_TIMEOUT_S = 30.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60.0, 6 * 3600.0
MOST_ATTEMPTS = 12
SCHEMES = ("smtp", "smtps", "smtp+starttls")


class Letter(NamedTuple):
    """A message of the outbox as people see it."""

    key: str
    recipient: str
    state: str
    attempts: int
    error: str


class _TemporaryError(Exception):
    """The server could not be talked to, or said not now: nothing was sent."""


def put(store: Store, key: str, message: EmailMessage) -> bool:
    """Leave a message under a key; False if there was one under it already, which stays as it is."""
    with store.write(synced=True) as db:
        db.execute(_TABLE)
        if db.execute("SELECT 1 FROM outbox WHERE key = ?", (key,)).fetchone() is not None:
            return False
        row = (key, str(message["To"]), message.as_string(), "waiting", 0, 0.0, 0.0, "")
        db.execute("INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return True


def letters(store: Store) -> list[Letter]:
    """Everything in the outbox, by key."""
    with store.write() as db:
        db.execute(_TABLE)
        found = db.execute(
            "SELECT key, recipient, state, attempts, error FROM outbox ORDER BY key"
        ).fetchall()
    return [Letter(*row) for row in found]


def deliver(store: Store, *, now: float | None = None) -> int:
    """Send what is due; gives how many were taken by the server. What fails waits for the next call."""
    moment = time.time() if now is None else now
    n_sent = 0
    while (claimed := _claim(store, moment)) is not None:
        key, recipient, text, attempts = claimed
        try:
            with _server() as server:
                _offer(server, recipient)
                _set(store, key, "handed", "")
                _hand_over(server, text)
        except _TemporaryError as error:
            given_up = attempts >= MOST_ATTEMPTS
            _set(store, key, "failed" if given_up else "waiting", str(error), due=moment + _wait_s(attempts))
        except smtplib.SMTPResponseException as error:
            _set(store, key, "failed", f"{error.smtp_code} {_words(error.smtp_error)}")
        except (OSError, smtplib.SMTPException) as error:
            _set(store, key, "unsure", f"the server did not say whether it took the message: {error}")
        else:
            _set(store, key, "sent", "")
            n_sent += 1
    return n_sent


def _claim(store: Store, now: float) -> tuple[str, str, str, int] | None:
    """Take a message that is due, or whose sender died before it could be taken."""
    with store.write(synced=True) as db:
        db.execute(_TABLE)
        db.execute(
            "UPDATE outbox SET state = 'unsure', error = 'its sender ended while it was handed over' "
            "WHERE state = 'handed' AND lease < ?",
            (now,),
        )
        found = _due(db, now)
        if found is None:
            return None
        key, recipient, text, attempts = found
        db.execute(
            "UPDATE outbox SET state = 'sending', attempts = attempts + 1, lease = ? WHERE key = ?",
            (now + LEASE_S, key),
        )
    return key, recipient, text, attempts + 1


def _due(db: Connection, now: float) -> tuple[str, str, str, int] | None:
    found: tuple[str, str, str, int] | None = db.execute(
        "SELECT key, recipient, message, attempts FROM outbox WHERE (state = 'waiting' AND due <= ?) "
        "OR (state = 'sending' AND lease < ?) ORDER BY key LIMIT 1",
        (now, now),
    ).fetchone()
    return found


def _set(store: Store, key: str, state: str, error: str, *, due: float = 0.0) -> None:
    with store.write(synced=True) as db:
        db.execute(
            "UPDATE outbox SET state = ?, error = ?, due = ? WHERE key = ?", (state, error[:500], due, key)
        )


def _wait_s(attempts: int) -> float:
    return min(_FIRST_WAIT_S * 2.0 ** (attempts - 1), _LONGEST_WAIT_S)


# --- the server ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _server() -> Iterator[smtplib.SMTP]:
    """A connection to the server of the settings, logged in."""
    place = urlsplit(server_address())
    host, port = (
        place.hostname or "localhost",
        place.port or {"smtps": 465, "smtp+starttls": 587}.get(place.scheme, 25),
    )
    try:
        kind = smtplib.SMTP_SSL if place.scheme == "smtps" else smtplib.SMTP
        server = kind(host, port, timeout=_TIMEOUT_S)
    except (OSError, smtplib.SMTPException) as error:
        raise _TemporaryError(f"the mail server {host}:{port} cannot be reached: {error}") from error
    try:
        with _refusals():
            if place.scheme == "smtp+starttls":
                server.starttls()
            if place.username:
                server.login(unquote(place.username), os.environ.get("OMICS_SMTP_PASSWORD", ""))
        yield server
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()
        server.close()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Before the text went over the wire every failure is safe to try again, unless the server says never."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        if 400 <= error.smtp_code < 500:
            raise _TemporaryError(f"{error.smtp_code} {_words(error.smtp_error)}") from error
        raise
    except (OSError, smtplib.SMTPException) as error:
        raise _TemporaryError(str(error)) from error


def _offer(server: smtplib.SMTP, recipient: str) -> None:
    with _refusals():
        server.ehlo_or_helo_if_needed()
        for code, answer in (server.mail(sender_address()), server.rcpt(recipient)):
            if code not in (250, 251):
                raise smtplib.SMTPResponseException(code, answer)


def _hand_over(server: smtplib.SMTP, text: str) -> None:
    code, answer = server.data(text.encode("utf-8"))
    if 400 <= code < 500:
        raise _TemporaryError(f"{code} {_words(answer)}")
    if code != 250:
        raise smtplib.SMTPResponseException(code, answer)


def _words(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def server_address() -> str:
    """The mail server of the settings. SettingsError if there is none, or its address cannot be one."""
    found = settings.load().smtp
    if not found or urlsplit(found).scheme not in SCHEMES or not urlsplit(found).hostname:
        raise SettingsError(
            "mail needs a server: OMICS_SMTP=smtp://HOST:25, smtps://USER@HOST:465 or smtp+starttls://USER@HOST:587"
        )
    if urlsplit(found).password:
        raise SettingsError(
            "the password of the mail server goes into OMICS_SMTP_PASSWORD, not into its address"
        )
    return found


def sender_address() -> str:
    """The address that mail comes from. SettingsError if there is none."""
    found = settings.load()
    sender = found.mail_from or found.email
    if not sender:
        raise SettingsError("mail needs a sender: set OMICS_MAIL_FROM to an address")
    return sender
