"""Keeps the pages of a batch true while it runs, and closes it at its end: index, summary, exports, mail.

It is a thread of the process that drives the batch, and only reads the store. Whoever asks for the results of a batch
whose process was killed in between closes it in its place: all of it may be done twice and comes out the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from ..errors import OmicsError
from ..workflow.tables import ACTIVE, ENDED

if TYPE_CHECKING:
    from .batches import Batch

_LOOK_S = 0.5
#: The page is written again after at least so many times as long as it took to write.
_REST = 20
_lock = threading.RLock()
#: Batches that were closed here → the number of their last event then.
_closed: dict[str, int] = {}


def keep(batch: Batch) -> None:
    """Begin to look after a batch that this process drives."""
    threading.Thread(target=_follow, args=(batch,), name=f"batch-{batch.id}", daemon=True).start()


def _follow(batch: Batch) -> None:
    from .batches import Batch
    from .ledger import Ledger

    own = Batch(batch.run)
    with contextlib.suppress(OmicsError):  # the run's own waiters are told of a store that is gone
        ledger = Ledger(own.run)
        next_at, changed = 0.0, True
        while True:
            changed = ledger.look() or changed
            if ledger.state not in ACTIVE:
                break
            if changed and time.monotonic() >= next_at:
                began = time.monotonic()
                write_index(own)
                changed = False
                next_at = time.monotonic() + max(1.0, _REST * (time.monotonic() - began))
            _wait(own)
        finish(own)


def _wait(batch: Batch) -> None:
    """Until the run has ended, for a moment at most."""
    with contextlib.suppress(OmicsError, TimeoutError):
        batch.run.result(_LOOK_S)


def write_index(batch: Batch) -> None:
    """Write the page of all rows as they are now."""
    from .index_page import page_of_batch
    from .places import INDEX, write_whole

    with _lock:
        write_whole(batch.out / INDEX, page_of_batch(batch))


def finish(batch: Batch) -> None:
    """Write what a batch that has come to rest leaves; mail is put into the outbox once."""
    from . import export
    from .places import stop_marker

    with (
        _lock
    ):  # who waits for the batch and who looks after it come to its end at once; one of them is enough
        seq = batch.ledger().seq
        if _closed.get(batch.id) == seq:
            return
        write_index(batch)
        export.write_summary(batch)
        if batch.state in ENDED:
            stop_marker(batch.out, batch.id).unlink(missing_ok=True)
            if batch.plan.mail:
                from .mail import tell_end

                tell_end(batch)
        _closed[batch.id] = seq
