"""Schedules: every day and week by the clock on the wall, missed times, no overlap, what is new."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import omics_nb as omics
from omics_nb.batch import list_batches, schedules, start_batch
from omics_nb.batch.cadence import cadence
from omics_nb.cli import main
from omics_nb.errors import NotFoundError, SettingsError, TableError
from tests.batch.conftest import write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(start: str, n: int, at: str, **options: Any) -> list[str]:
    found = cadence(options.pop("every", "day"), at, zone=options.pop("zone", BERLIN), **options)
    return [f"{moment:%m-%d %H:%M}" for moment in islice(found.times_after(utc(start)), n)]


def test_a_time_that_the_clock_skips_is_due_as_much_later() -> None:
    assert times("2027-03-26 12:00", 3, "02:30") == ["03-27 01:30", "03-28 01:30", "03-29 00:30"]


def test_a_time_that_comes_twice_is_due_the_first_time_only() -> None:
    assert times("2027-10-29 12:00", 3, "02:30") == ["10-30 00:30", "10-31 00:30", "11-01 01:30"]


def test_weekly_times_keep_the_hour_on_the_wall() -> None:
    found = times("2027-03-20 00:00", 3, "06:00", every="week", on="mon,Thursday")
    assert found == ["03-22 05:00", "03-25 05:00", "03-29 04:00"]


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.times(),
    st.sampled_from(
        [BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "America/Sao_Paulo"]
    ),
)
def test_there_is_one_time_a_day_and_never_two(start: datetime, at: Any, zone: str) -> None:
    found = cadence("day", f"{at:%H:%M}", zone=zone)
    moments = list(islice(found.times_after(start.replace(tzinfo=UTC)), 6))
    days = [moment.astimezone(ZoneInfo(zone)).date() for moment in moments]
    assert days == [days[0] + timedelta(days=n) for n in range(6)]
    assert moments[0] - start.replace(tzinfo=UTC) <= timedelta(hours=49)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("day", "25:00"), "a time is HH:MM"),
        (("hour", "10:00"), "every day or every week, not every 'hour'"),
        (("day", "10:00", "mon"), "--on names days of a weekly schedule"),
        (("week", "10:00"), "--on names days"),
        (("week", "10:00", "someday"), "--on names days"),
        (("day", "10:00", "", "Mars/Phobos"), "no time zone 'Mars/Phobos'"),
    ],
)
def test_what_is_no_cadence_says_what_would_be_one(options: tuple[str, ...], said: str) -> None:
    every, at, on, zone = (*options, "", "")[:4]
    with pytest.raises(SettingsError, match=said):
        cadence(every, at, on=on, zone=zone)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text("n\n1\n")
    return tmp_path / "t.csv"


@pytest.fixture
def what(tmp_path: Path, table: Path) -> dict[str, Any]:
    notebook = write_notebook(tmp_path / "n.ipynb", "assert n < 9\nn", parameters="n = 0")
    return {"table": str(table), "notebook": str(notebook), "out": str(tmp_path / "out")}


def at(text: str) -> Any:
    return lambda: utc(text).timestamp()


def add(what: dict[str, Any], missed: str = "once") -> None:
    schedules.add(
        "nightly", cadence("day", "02:00", zone="UTC"), what, missed=missed, now=at("2027-01-01 00:00")()
    )


def due() -> str:
    return f"{datetime.fromtimestamp(schedules.schedules()[0].due, UTC):%m-%d %H:%M}"


def test_a_batch_runs_when_it_is_due_and_not_before(tmp_path: Path, what: dict[str, Any]) -> None:
    add(what)
    assert schedules.run_due(now=at("2027-01-01 01:59")) == []
    assert schedules.run_due(now=at("2027-01-01 02:00")) == ["nightly"]
    assert schedules.run_due(now=at("2027-01-01 02:01")) == []
    assert (tmp_path / "out" / "2027-01-01-0200" / "0001-1.html").exists()
    [kept] = schedules.schedules()
    assert due() == "01-02 02:00"
    assert kept.note == f"2027-01-01 02:00: batch {kept.run}, 1 done"


@pytest.mark.parametrize(
    ("missed", "folders"),
    [
        ("once", ["2027-01-03-0200"]),
        ("skip", []),
        ("all", ["2027-01-01-0200", "2027-01-02-0200", "2027-01-03-0200"]),
    ],
)
def test_missed_times_are_handled_as_the_schedule_states(
    missed: str, folders: list[str], tmp_path: Path, what: dict[str, Any]
) -> None:
    add(what, missed)
    schedules.run_due(now=at("2027-01-03 12:00"))
    assert sorted(path.name for path in (tmp_path / "out").glob("*")) == folders
    assert due() == "01-04 02:00"


def test_what_is_new_since_last_time_is_on_the_page(
    tmp_path: Path, table: Path, what: dict[str, Any]
) -> None:
    add(what)
    schedules.run_due(now=at("2027-01-01 02:00"))
    table.write_text("n\n1\n9\n")
    schedules.run_due(now=at("2027-01-02 02:00"))
    page = (tmp_path / "out" / "2027-01-02-0200" / "index.html").read_text()
    assert "0002-9 is a new row" in page
    table.write_text("n\n1\n9\n")
    schedules.run_due(now=at("2027-01-03 02:00"))
    assert "<li>Nothing.</li>" in (tmp_path / "out" / "2027-01-03-0200" / "index.html").read_text()


def test_two_schedulers_do_each_time_once(what: dict[str, Any]) -> None:
    add(what)
    both = [
        threading.Thread(target=schedules.run_due, kwargs={"now": at("2027-01-01 02:00")}) for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(list_batches()) == 1


def test_a_time_is_not_run_while_the_run_before_is_at_work(
    tmp_path: Path, acts: Path, what: dict[str, Any]
) -> None:
    add(what)
    mark = tmp_path / "mark"
    slow = start_batch([{"do": "gate", "mark": str(mark)}], acts, out=tmp_path / "slow")
    schedules._remember("nightly", slow.id)
    assert schedules.run_due(now=at("2027-01-01 02:00")) == []
    assert schedules.schedules()[0].note == "the run before is still at work"
    Path(f"{mark}.open").touch()
    slow.wait(60)
    assert schedules.run_due(now=at("2027-01-01 02:02")) == ["nightly"]


def test_a_scheduler_that_died_is_followed_by_another_on_the_same_run(
    tmp_path: Path, what: dict[str, Any]
) -> None:
    add(what)
    slot = schedules._claim("nightly", at("2027-01-01 02:00")())
    assert slot is not None
    folder = tmp_path / "out" / "2027-01-01-0200"
    begun = start_batch(what["table"], what["notebook"], out=folder, key=f"schedule:nightly:{slot:.0f}").wait(
        60
    )
    assert schedules.run_due(now=at("2027-01-01 02:05")) == []  # the claim holds
    assert schedules.run_due(now=at("2027-01-01 02:30")) == ["nightly"]
    assert [batch.id for batch in list_batches()] == [begun.id]


def test_a_table_that_went_bad_is_told_and_the_next_time_comes(table: Path, what: dict[str, Any]) -> None:
    add(what)
    table.write_text("n\nmany\n")
    schedules.run_due(now=at("2027-01-01 02:00"))
    assert schedules.schedules()[0].note.startswith(
        "TableError: t.csv: 1 rows for n.ipynb, 1 of them cannot run"
    )
    assert due() == "01-02 02:00"


def test_what_cannot_run_is_not_kept(table: Path, what: dict[str, Any]) -> None:
    table.write_text("m\n1\n")
    with pytest.raises(TableError, match="column 'm': is no parameter"):
        add(what)
    with pytest.raises(NotFoundError, match="no saved search 'x'"):
        add({"search": "x", "out": "o"})
    with pytest.raises(NotFoundError, match="no schedule 'x'; have none"):
        schedules.remove("x")


def test_a_saved_search_tells_what_is_new(tmp_path: Path) -> None:
    omics.save_search("melanoma", "melanoma, human", source="demo")
    add({"search": "melanoma", "out": str(tmp_path / "out")})
    schedules.run_due(now=at("2027-01-01 02:00"))
    text = (tmp_path / "out" / "2027-01-01-0200" / "search.txt").read_text()
    assert text.startswith("melanoma: ")
    assert (tmp_path / "out" / "2027-01-01-0200" / "new.json").read_text() == "[]\n"
    assert "studies, 0 new" in schedules.schedules()[0].note


def test_schedules_from_a_shell(tmp_path: Path, what: dict[str, Any]) -> None:
    def shell(*words: str) -> Any:
        return CliRunner().invoke(main, ["schedule", *words])

    asked = [f"--{name}={what[name]}" for name in ("table", "notebook", "out")]
    made = shell("add", "nightly", "--every", "day", "--at", "02:30", "--zone", BERLIN, *asked)
    assert made.exit_code == 0, made.output
    assert made.output.startswith("nightly: every day at 02:30 (Europe/Berlin), next ")
    assert "missed: once" in shell("list").output
    assert shell("run", "--once").output.startswith("Nothing is due. Next: nightly, ")
    assert shell("add", "n", "--every", "day", "--at", "2", *asked).exit_code == 3
    assert shell("add", "n", "--every", "day", "--at", "02:30", "--out", "x").exit_code == 2
    assert shell("remove", "nightly").exit_code == 0
    assert "No schedules" in shell("list").output
