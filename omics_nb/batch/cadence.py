"""When something that runs every day or every week is due, by the clock on the wall of a place.

A time that the clock skips in spring is due as much later as the clock is put on (02:30 becomes 03:30); one that comes
twice in autumn is due the first time only. So there is always one time a day, and never two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import SettingsError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Cadence(NamedTuple):
    """``days`` of the week (0 is Monday) at ``at`` in the time zone ``zone``."""

    days: tuple[int, ...]
    at: time
    zone: str

    def due_after(self, moment: datetime) -> datetime:
        """The first time after a moment; both are aware, the answer is in UTC."""
        return next(self.times_after(moment))

    def times_after(self, moment: datetime) -> Iterator[datetime]:
        """Every time after a moment, in UTC and in order."""
        zone = ZoneInfo(self.zone)
        day = moment.astimezone(zone).date() - timedelta(days=1)
        while True:
            if day.weekday() in self.days:
                # fold=0: the first of two; of a time that is skipped, the one by the clock before.
                due = datetime.combine(day, self.at, zone).astimezone(UTC)
                if due > moment:
                    yield due
            day += timedelta(days=1)

    def __str__(self) -> str:
        days = "every day" if len(self.days) == 7 else "every " + ", ".join(DAYS[day] for day in self.days)
        return f"{days} at {self.at:%H:%M} ({self.zone})"


def cadence(every: str, at: str, *, on: str = "", zone: str = "") -> Cadence:
    """``every`` is day or week, ``at`` HH:MM, ``on`` days such as "mon,thu". SettingsError says what is wrong."""
    found = _TIME.fullmatch(at.strip())
    if found is None:
        raise SettingsError(f"a time is HH:MM, such as 02:30, not {at!r}")
    if every not in ("day", "week"):
        raise SettingsError(f"something runs every day or every week, not every {every!r}")
    names = [name.strip().casefold()[:3] for name in on.split(",") if name.strip()]
    unknown = [name for name in names if name not in DAYS]
    if unknown or (every == "day" and names) or (every == "week" and not names):
        raise SettingsError(
            f"--on names days of a weekly schedule: {', '.join(DAYS)}; got {on!r} for every {every}"
        )
    days = tuple(sorted({DAYS.index(name) for name in names})) if names else tuple(range(7))
    return Cadence(days, time(int(found[1]), int(found[2])), _checked_zone(zone or local_zone()))


def _checked_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"no time zone {zone!r} is known here; write one such as Europe/Berlin or UTC"
        ) from error
    return zone


def local_zone() -> str:
    """The name of this machine's time zone, UTC where it has none."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and "/" in named:
        return named
    link = Path("/etc/localtime")
    found = str(link.resolve()).partition("zoneinfo/")[2] if link.exists() else ""
    return found or "UTC"
