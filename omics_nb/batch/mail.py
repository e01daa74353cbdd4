"""What is written to people when a batch has come to its end."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .outbox import deliver, put, sender_address, server_address

if TYPE_CHECKING:
    from .batches import Batch

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_FAILURES = 30


def check_addresses(addresses: tuple[str, ...]) -> None:
    """SettingsError if one is no address, or if there is no server to send by: before a night's work, not after it."""
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise SettingsError(f"{address!r} is no mail address; write one such as name@example.org")
    if addresses:
        server_address()
        sender_address()


def tell_end(batch: Batch) -> None:
    """Leave a message for each address of a batch in the outbox, once for each end that it comes to, and send it."""
    ledger = batch.ledger()
    for address in batch.plan.mail:
        key = f"batch:{batch.id}:{ledger.seq}:{address}"
        put(batch.run.store, key, _message(batch, address, key))
    deliver(batch.run.store)


def message_of(address: str, key: str, subject: str, text: str, when: datetime | None = None) -> EmailMessage:
    """A message with an identity of its own, by which a reader's program sees that two are one."""
    sender = sender_address()
    message = EmailMessage()
    message["From"], message["To"] = sender, address
    message["Subject"] = re.sub(r"\s+", " ", subject)[:200]
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
    message["Date"] = format_datetime(when or datetime.now(UTC))
    message.set_content(text)
    return message


def _message(batch: Batch, address: str, key: str) -> EmailMessage:
    told = ", ".join(f"{n} {state}" for state, n in batch.counts.items())
    subject, when = f"{batch.plan.name}: {told}", batch.finished or batch.created
    return message_of(address, key, subject, _text(batch, told), when)


def _text(batch: Batch, told: str) -> str:
    failed = [row for row in batch.rows if row.state in ("failed", "timed out")]
    lines = [
        f"The batch {batch.plan.name} has come to its end: {told}.",
        "",
        f"Page: {batch.plan.link.rstrip('/') + '/index.html' if batch.plan.link else batch.out / 'index.html'}",
        f"Runs: {batch.plan.target}",
    ]
    if failed:
        lines += [
            "",
            "Not done:",
            *(f"  {row.name}: {row.state}, {row.error[:300]}" for row in failed[:_FAILURES]),
        ]
        if len(failed) > _FAILURES:
            lines.append(f"  and {len(failed) - _FAILURES} more")
        lines += ["", f"Run them again: omics-nb batch retry {batch.id} --failed"]
    news = batch.news()
    if news is not None:
        lines += ["", str(news)]
    return "\n".join(lines) + "\n"
