"""Room is made: old runs are removed, and value files that no run needs."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import tables
from .opened import Place, open_store


class Pruned(NamedTuple):
    """What was removed."""

    n_runs: int
    n_files: int
    n_bytes: int


def prune(
    store: Place,
    *,
    keep_days: float = 30.0,
    grace_s: float = 3600.0,
    dry_run: bool = False,
) -> Pruned:
    """Remove runs that ended more than ``keep_days`` ago, and value files that no run needs.

    What a run needs is never removed, nor a file younger than ``grace_s`` seconds, which a step may be about to name.
    """
    opened = open_store(store)
    limit = time.time() - keep_days * 86_400
    # Writers wait meanwhile, so that no run can come to need a file between the look and the removal.
    with opened.write(synced=True) as db:
        rows = tables.run_rows(db, states=tables.ENDED, limit=2**31 - 1)
        old = [(row.id,) for row in rows if (row.finished or row.created) < limit]
        gone = {run for (run,) in old}
        files = db.execute("SELECT name, run FROM file").fetchall()
        needed = {name for name, run in files if run not in gone}
        if not dry_run:
            # By key: an index of ``reuse`` by run would make every step cost more.
            sql = "DELETE FROM reuse WHERE run = ? AND key IN (SELECT key FROM event WHERE event.run = ?)"
            db.executemany(sql, [(run, run) for run in gone])
            for table in ("event WHERE run", "file WHERE run", "run WHERE id"):
                db.executemany(f"DELETE FROM {table} = ?", old)  # noqa: S608 - words from here
            sql = "DELETE FROM owner WHERE expires < ? AND id NOT IN (SELECT owner FROM run WHERE owner IS NOT NULL)"
            db.execute(sql, (limit,))
        n_files = n_bytes = 0
        for path in sorted(opened.folder.path.glob("??/*")):  # temporary files too
            known = path.stat()
            if path.parent.name + path.name not in needed and known.st_mtime < time.time() - grace_s:
                n_files, n_bytes = n_files + 1, n_bytes + known.st_size
                if not dry_run:
                    path.unlink()
    return Pruned(len(old), n_files, n_bytes)
