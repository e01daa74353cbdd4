"""A small lab: owners in processes of their own, one of them killed, its runs taken over by another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import simulate_lab as lab

N_RUNS = 40
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def check(found: lab.Measured) -> None:
    assert (found.lost, found.doubled) == (0, 0)
    assert found.runs == N_RUNS
    # The owner that was killed had started a quarter of all, which the next one asked for again.
    assert len(found.starts) >= N_RUNS * 5 // 4
    assert found.events


def test_a_lab_on_one_file_loses_and_doubles_nothing() -> None:
    check(lab.in_sqlite(N_RUNS))


@pytest.mark.slow
def test_a_lab_on_a_server_with_workers_loses_and_doubles_nothing(server: Path) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'omics-nb[dask]'")
    found = lab.in_postgres(N_RUNS)
    check(found)
    assert found.taken_over > 0


def test_what_is_lost_or_doubled_is_counted(tmp_path: Path) -> None:
    place = lab.Place(str(tmp_path / "runs.sqlite"), "")
    lab.own(place, 0, 2, str(tmp_path / "starts"))
    store = place.open()
    with store.write() as db:
        db.execute("DELETE FROM event WHERE run = 1 AND step = 'small[3]'")
        db.execute(
            "INSERT INTO event SELECT run, seq + 1000, at, kind, step, key, value, code, data FROM event "
            "WHERE run = 2 AND step = 'small[4]'"
        )
    assert lab.count_wrong(place, 2) == (1, 3)  # one step; another one twice, and a gap in both runs
    assert lab.count_wrong(place, 3) == (101, 3)
    lab.close_store(store)
