"""The limit of requests that threads and processes share."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import SettingsError
from omics_nb.geo.rate import Limiter
from tests.ncbi.fixtures import Clock

FROZEN = 1_800_000_000.0


def test_turns_are_spaced_so_that_no_second_holds_more_than_the_limit(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=lambda: FROZEN)
    turns = [limiter.reserve("eutils", 3) for _ in range(10)]
    assert turns[0] == 0
    assert all(later - earlier > 1 / 3 for earlier, later in pairwise(turns))


def test_waiting_for_a_turn_sleeps_exactly_until_it(tmp_path: Path, clock: Clock) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=clock, sleep=clock.sleep)
    for _ in range(4):
        limiter.wait("eutils", 10)
    assert clock.slept == pytest.approx([0.11, 0.11, 0.11])


def test_buckets_do_not_wait_for_each_other(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=lambda: FROZEN)
    assert [limiter.reserve(name, 3) for name in ("eutils", "ftp", "www")] == [0, 0, 0]


def test_threads_and_processes_share_one_row_of_turns(tmp_path: Path) -> None:
    path = tmp_path / "turns.sqlite"
    script = (
        "import sys; from pathlib import Path; from omics_nb.geo.rate import Limiter\n"
        f"limiter = Limiter(Path(sys.argv[1]), clock=lambda: {FROZEN})\n"
        "print(*[limiter.reserve('eutils', 3) for _ in range(5)])"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    turns: list[float] = []
    limiter = Limiter(path, clock=lambda: FROZEN)
    threads = [threading.Thread(target=lambda: turns.append(limiter.reserve("eutils", 3))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        turns += map(float, other.communicate()[0].split())
    turns.sort()
    assert len(turns) == 15
    assert all(later - earlier > 1 / 3 for earlier, later in pairwise(turns))


def test_a_pause_that_the_server_asks_for_holds_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "turns.sqlite"
    Limiter(path, clock=lambda: FROZEN).hold("eutils", 17)
    assert Limiter(path, clock=lambda: FROZEN + 2).reserve("eutils", 3) == pytest.approx(15)


def test_a_lower_limit_that_the_server_tells_is_kept_for_an_hour(tmp_path: Path, clock: Clock) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=clock)
    limiter.learn("eutils", limit=3, remaining=2)
    limiter.reserve("eutils", 10)
    assert limiter.reserve("eutils", 10) == pytest.approx(1.1 / 3)
    clock.now += 3700
    limiter.reserve("eutils", 10)
    assert limiter.reserve("eutils", 10) == pytest.approx(0.11)


def test_nothing_remaining_though_we_sent_little_means_that_others_share_the_limit(
    tmp_path: Path, clock: Clock
) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=clock, sleep=clock.sleep)
    limiter.wait("eutils", 3)
    limiter.learn("eutils", limit=3, remaining=0)
    assert limiter.reserve("eutils", 3) == pytest.approx(1)


def test_a_clock_that_was_set_back_does_not_stop_everything(tmp_path: Path, clock: Clock) -> None:
    limiter = Limiter(tmp_path / "turns.sqlite", clock=clock)
    limiter.reserve("eutils", 3)
    clock.now -= 86_400
    assert limiter.reserve("eutils", 3) == 0


def test_a_cache_folder_that_cannot_be_used_says_which_setting_mends_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="OMICS_CACHE"):
        Limiter(tmp_path / "file" / "turns.sqlite").reserve("eutils", 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=12))
def test_whatever_the_pauses_between_requests_no_second_holds_more_than_the_limit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, bool]]
) -> None:
    clock = Clock()
    limiter = Limiter(tmp_path_factory.mktemp("rate") / "turns.sqlite", clock=clock, sleep=clock.sleep)
    at = []
    for pause, told in steps:
        clock.now += pause
        limiter.wait("eutils", 3)
        at.append(clock.now)
        if told:
            limiter.learn("eutils", limit=3, remaining=1)
    for start in at:
        assert sum(start <= time < start + 1 for time in at) <= 3
