"""One limit of requests a second, shared by every thread and process of a user.

NCBI counts by address (3 a second) or by API key (10), not by program, so the turns are kept in a SQLite file
in the cache folder. https://www.ncbi.nlm.nih.gov/books/NBK25497/#chapter2.Usage_Guidelines_and_Requiremen
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import SettingsError

WINDOW_S = 1.0
# Evenly spaced and a tenth slower than allowed: a burst that is within the limit when it leaves can arrive
# closer together than it left.
_SLACK = 1.1
# A turn further away than this was booked under a clock that has since been set back.
_FURTHEST_S = 600.0
_REMEMBER_LIMIT_S = 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    bucket TEXT PRIMARY KEY, next_at REAL NOT NULL, told REAL, told_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (bucket TEXT NOT NULL, at REAL NOT NULL);
"""


class Limiter:
    """Turns for requests, booked in the SQLite file ``path``; buckets are independent of each other.

    ``clock`` gives seconds of the wall clock, for it is the one clock that processes share.
    SettingsError where the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sleep = sleep

    def wait(self, bucket: str, per_second: float) -> float:
        """Return when it is this request's turn; gives the seconds waited."""
        wait_s = self.reserve(bucket, per_second)
        if wait_s > 0:
            self._sleep(wait_s)
        return wait_s

    def reserve(self, bucket: str, per_second: float) -> float:
        """Book the next turn and give the seconds until it comes."""
        with self._transaction() as db:
            now = self._clock()
            next_at, told = self._row(db, bucket, now)
            at = max(now, next_at)
            spacing = _SLACK * WINDOW_S / min(per_second, told or per_second)
            db.execute(
                "INSERT INTO buckets (bucket, next_at) VALUES (?, ?)"
                " ON CONFLICT (bucket) DO UPDATE SET next_at = excluded.next_at",
                (bucket, at + spacing),
            )
            db.execute("DELETE FROM turns WHERE at < ?", (now - 10 * WINDOW_S,))
            db.execute("INSERT INTO turns VALUES (?, ?)", (bucket, at))
        return at - now

    def hold(self, bucket: str, seconds: float) -> None:
        """Nobody's turn comes before ``seconds`` from now: the server asked for a pause."""
        with self._transaction() as db:
            now = self._clock()
            next_at, _ = self._row(db, bucket, now)
            db.execute(
                "INSERT INTO buckets (bucket, next_at) VALUES (?, ?)"
                " ON CONFLICT (bucket) DO UPDATE SET next_at = excluded.next_at",
                (bucket, max(next_at, now + seconds)),
            )

    def learn(self, bucket: str, limit: float, remaining: float) -> None:
        """Take in what a reply said: ``X-RateLimit-Limit`` and ``X-RateLimit-Remaining``.

        A limit below ours is kept for an hour. Nothing remaining although we sent less than the limit means
        that somebody else shares it: the next turn comes a full window later.
        """
        with self._transaction() as db:
            now = self._clock()
            next_at, _ = self._row(db, bucket, now)
            (ours,) = db.execute(
                "SELECT count(*) FROM turns WHERE bucket = ? AND at > ? AND at <= ?",
                (bucket, now - WINDOW_S, now),
            ).fetchone()
            if remaining <= 0 and ours < limit:
                next_at = max(next_at, now + WINDOW_S)
            db.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, ?) ON CONFLICT (bucket) DO UPDATE"
                " SET next_at = excluded.next_at, told = excluded.told, told_at = excluded.told_at",
                (bucket, next_at, limit if limit > 0 else None, now),
            )

    @staticmethod
    def _row(db: sqlite3.Connection, bucket: str, now: float) -> tuple[float, float | None]:
        row = db.execute("SELECT next_at, told, told_at FROM buckets WHERE bucket = ?", (bucket,)).fetchone()
        if row is None:
            return now, None
        next_at, told, told_at = row
        if next_at - now > _FURTHEST_S:
            next_at = now
        if told is None or not 0 <= now - told_at <= _REMEMBER_LIMIT_S:
            told = None
        return next_at, told

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as db:
                # Turns are worth nothing after a power cut, so nothing is synced.
                db.execute("PRAGMA synchronous = OFF")
                db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";")[:-1]:
                    db.execute(statement)
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(
                f"the cache folder {self.path.parent} cannot be used to share NCBI's request limit ({error});"
                " name a writable folder in OMICS_CACHE",
                path=self.path,
            ) from error
