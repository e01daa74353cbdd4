"""Batches and saved searches that run every day or week. They live in the store; whoever runs `schedule run` runs them.

A schedule's time is claimed for a while in one transaction, its run has the time as its key, and its next time is
written once the run has ended: two schedulers do each time once, and one that dies in the middle is followed by
another, which goes on with the same run.

Missed times, of a machine that was off or busy, are a stated choice: ``once`` runs the last of them, ``all`` each in
order, ``skip`` none that is more than an hour late.
"""

from __future__ import annotations

import json
import time as clock
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from .. import flows
from ..agents.saved import saved_names, saved_search
from ..errors import NotFoundError, OmicsError, SettingsError
from ..workflow import open_run
from ..workflow.store import Store
from ..workflow.tables import ACTIVE
from . import outbox
from .batches import BATCH, Batch, get_batch, start_batch
from .cadence import Cadence
from .check import check_batch
from .mail import check_addresses
from .places import make_folder, write_whole

MISSED = ("once", "skip", "all")
LATE_S = 3600.0
LEASE_S = 600.0
_LONGEST_SLEEP_S = 60.0
_TABLE = """
CREATE TABLE IF NOT EXISTS schedule (
    name TEXT PRIMARY KEY, spec TEXT NOT NULL, due DOUBLE PRECISION NOT NULL, claimed DOUBLE PRECISION NOT NULL,
    run TEXT NOT NULL, note TEXT NOT NULL
)
"""


class Schedule(NamedTuple):
    """``what`` are the arguments of :func:`start_batch`, or ``{"search": name, "out": folder}``."""

    name: str
    cadence: Cadence
    missed: str
    what: Mapping[str, Any]
    due: float
    run: str = ""
    note: str = ""

    @property
    def is_search(self) -> bool:
        return "search" in self.what


# --- keeping ---------------------------------------------------------------------------------------------------------


def add(
    name: str, cadence: Cadence, what: Mapping[str, Any], *, missed: str = "once", now: float | None = None
) -> Schedule:
    """Keep a schedule; one of that name is replaced. What it runs is checked now. SettingsError, TableError."""
    if missed not in MISSED:
        raise SettingsError(f"missed times are handled by {', '.join(MISSED)}, not {missed!r}")
    if not name.strip() or len(name) > 80 or "/" in name:
        raise SettingsError(f"a schedule's name has up to 80 letters and no '/', not {name!r}")
    kept = _checked(what)
    due = cadence.due_after(_moment(now)).timestamp()
    spec = {
        "cadence": [list(cadence.days), f"{cadence.at:%H:%M}", cadence.zone],
        "missed": missed,
        "what": kept,
    }
    with flows.run_store().write(synced=True) as db:
        db.execute(_TABLE)
        db.execute("DELETE FROM schedule WHERE name = ?", (name,))
        db.execute("INSERT INTO schedule VALUES (?, ?, ?, 0, '', '')", (name, json.dumps(spec), due))
    return Schedule(name, cadence, missed, kept, due)


def _checked(what: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in what.items() if value not in (None, "", (), [])}
    check_addresses(tuple(kept.get("mail", ())))
    kept["out"] = str(Path(kept["out"]).expanduser().resolve())
    if "search" in kept:
        if kept["search"] not in saved_names():
            raise NotFoundError(
                f"no saved search {kept['search']!r}; have {', '.join(saved_names()) or 'none'}"
            )
        return kept
    for path in ("table", "notebook"):
        if path in kept and Path(kept[path]).exists():
            kept[path] = str(Path(kept[path]).resolve())
    options = {name: kept[name] for name in ("flow", "name", "source") if name in kept}
    check_batch(kept["table"], kept.get("notebook"), **options).require(
        skip_invalid=kept.get("skip_invalid", False)
    )
    return kept


def remove(name: str) -> None:
    """Forget a schedule; what it has run stays. NotFoundError."""
    _named(name)
    with flows.run_store().write(synced=True) as db:
        db.execute("DELETE FROM schedule WHERE name = ?", (name,))


def schedules() -> list[Schedule]:
    """Every schedule, by name."""
    with flows.run_store().write() as db:
        db.execute(_TABLE)
        rows = db.execute("SELECT name, spec, due, run, note FROM schedule ORDER BY name").fetchall()
    return [_read(*row) for row in rows]


def _named(name: str) -> Schedule:
    found = {item.name: item for item in schedules()}
    if name not in found:
        raise NotFoundError(f"no schedule {name!r}; have {', '.join(found) or 'none'}", name=name)
    return found[name]


def _read(name: str, spec: str, due: float, run: str, note: str) -> Schedule:
    told = json.loads(spec)
    days, at, zone = told["cadence"]
    cadence = Cadence(tuple(days), time.fromisoformat(at), zone)
    return Schedule(name, cadence, told["missed"], told["what"], due, run, note)


# --- running ---------------------------------------------------------------------------------------------------------


def run_due(*, now: Callable[[], float] = clock.time) -> list[str]:
    """Run what is due, one after the other, to its end; then send mail that waits. Gives the names that ran."""
    ran = []
    for found in schedules():
        while (slot := _claim(found.name, now())) is not None:
            current = _named(found.name)
            try:
                note = _run(current, slot)
            except OmicsError as error:  # told in the list; the others are to run all the same
                note = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            _settle(current, slot, note, now())
            if note != _BUSY:
                ran.append(current.name)
            else:
                break
    if outbox.letters(flows.run_store()):
        outbox.deliver(flows.run_store(), now=now())
    return ran


def run_forever(
    *, now: Callable[[], float] = clock.time, sleep: Callable[[float], None] = clock.sleep
) -> None:
    """Run what is due, whenever it is; ends by an interrupt."""
    while True:
        run_due(now=now)
        nearest = min((found.due for found in schedules()), default=now() + _LONGEST_SLEEP_S)
        sleep(min(max(nearest - now(), 1.0), _LONGEST_SLEEP_S))


_BUSY = "the run before is still at work"


def _claim(name: str, now: float) -> float | None:
    """The time that a schedule is to run for, claimed for this process; None if nothing is due or another has it."""
    with flows.run_store().write(synced=True) as db:
        row = db.execute(
            "SELECT name, spec, due, run, note FROM schedule WHERE name = ? AND due <= ? AND claimed < ?",
            (name, now, now),
        ).fetchone()
        if row is None:
            return None
        found = _read(*row)
        slot = _slot(found, now)
        if slot is None:
            following = found.cadence.due_after(_moment(now)).timestamp()
            note = f"skipped {_told(found, found.due)}, which was missed"
            db.execute("UPDATE schedule SET due = ?, note = ? WHERE name = ?", (following, note, name))
            return None
        db.execute("UPDATE schedule SET due = ?, claimed = ? WHERE name = ?", (slot, now + LEASE_S, name))
    return slot


def _slot(found: Schedule, now: float) -> float | None:
    """Which of the times that have come is run; None for none."""
    slot = found.due
    if found.missed != "all":
        for later in found.cadence.times_after(datetime.fromtimestamp(slot, UTC)):
            if later.timestamp() > now:
                break
            slot = later.timestamp()
    return None if found.missed == "skip" and now - slot > LATE_S else slot


def _settle(found: Schedule, slot: float, note: str, now: float) -> None:
    """Write what came of a time, and the next one; a busy schedule keeps its time."""
    following = (
        found.due if note == _BUSY else found.cadence.due_after(datetime.fromtimestamp(slot, UTC)).timestamp()
    )
    with flows.run_store().write(synced=True) as db:
        db.execute(
            "UPDATE schedule SET due = ?, claimed = ?, note = ? WHERE name = ?",
            (following, now + _LONGEST_SLEEP_S if note == _BUSY else 0.0, note, found.name),
        )


def _run(found: Schedule, slot: float) -> str:
    folder = Path(found.what["out"]) / _told(found, slot).replace(":", "").replace(" ", "-")
    return _search(found, slot, folder) if found.is_search else _batch(found, slot, folder)


def _told(found: Schedule, slot: float) -> str:
    return f"{datetime.fromtimestamp(slot, ZoneInfo(found.cadence.zone)):%Y-%m-%d %H:%M}"


def _batch(found: Schedule, slot: float, folder: Path) -> str:
    """Begin, or go on with, the batch of a time, and see it to its end."""
    before = _previous(found)
    if before is not None and before.state in ACTIVE:
        return _BUSY
    key = f"schedule:{found.name}:{slot:.0f}"
    batch = _by_key(key)
    if batch is None:
        what = {name: value for name, value in found.what.items() if name not in ("table", "out")}
        previous = before.id if before is not None else ""
        batch = start_batch(found.what["table"], out=folder, key=key, fresh=True, previous=previous, **what)
    elif batch.state in ("interrupted", "paused"):
        batch.resume()
    _remember(found.name, batch.id)
    batch.wait()
    counts = ", ".join(f"{n} {state}" for state, n in batch.counts.items())
    return f"{_told(found, slot)}: batch {batch.id}, {counts}"


def _previous(found: Schedule) -> Batch | None:
    try:
        return get_batch(found.run) if found.run else None
    except OmicsError:  # it was pruned
        return None


def _by_key(key: str) -> Batch | None:
    from ..workflow import tables

    store: Store = flows.run_store()
    with store.read() as db:
        row = tables.run_by_key(db, key)
    return None if row is None else Batch(open_run(store, row.uid, flow=BATCH))


def _remember(name: str, run: str) -> None:
    with flows.run_store().write(synced=True) as db:
        db.execute("UPDATE schedule SET run = ? WHERE name = ?", (run, name))


def _search(found: Schedule, slot: float, folder: Path) -> str:
    """Ask a saved search again; write what it found, and a letter if any of it is new."""
    result = saved_search(str(found.what["search"]))
    make_folder(folder)
    write_whole(folder / "search.txt", f"{result}\n")
    new = [{"accession": hit.accession, "title": hit.title} for hit in result.new]
    write_whole(folder / "new.json", json.dumps(new, ensure_ascii=False, indent=1) + "\n")
    for address in found.what.get("mail", ()) if new else ():
        key = f"schedule:{found.name}:{slot:.0f}:{address}"
        outbox.put(flows.run_store(), key, _letter(found, address, key, str(result), len(new)))
    return f"{_told(found, slot)}: {len(result.hits)} studies, {len(new)} new"


def _letter(found: Schedule, address: str, key: str, text: str, n_new: int) -> Any:
    from .mail import message_of

    return message_of(address, key, f"{found.name}: {n_new} new", f"{text}\n")


def _moment(now: float | None) -> datetime:
    return datetime.fromtimestamp(clock.time() if now is None else now, UTC)
