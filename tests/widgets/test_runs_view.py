"""The table of runs: what is in the store, newest first, kept up to date, one click to a run's panel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omics_widgets import Column, RunsView, Table

from omics_nb import flows
from omics_nb.workflow import close_store
from tests.widgets.steered import GATED


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "data" / "runs.sqlite"
    monkeypatch.setenv("OMICS_DATA", str(place.parent))
    monkeypatch.delenv("OMICS_STORE", raising=False)
    yield place
    close_store(place)


def test_runs_are_listed_with_their_times_and_opened_by_a_click(run: Any, tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "gate").touch()
        first = flows.start(GATED, gate=str(tmp_path / "gate"))
        await asyncio.to_thread(first.result)
        second = flows.start(GATED, gate=str(tmp_path / "gate"), fails=True)
        await asyncio.to_thread(second._wait, 30)
        view = RunsView()
        await view.refresh()
        keys = [row[0] for row in view.table.rows]
        assert keys == [second.id, first.id]
        states = {row[0]: row[3] for row in view.table.rows}
        assert states == {first.id: "done", second.id: "failed"}
        assert view.table.rows[1][6] != ""
        view.table._handle_custom_msg({"open": first.id}, [])
        while view.panel.run_id != first.id:
            await asyncio.sleep(0.01)
        await view.panel.ended()
        assert view.panel.state == "done"
        view.close()

    run(test)


def test_the_run_of_the_address_is_opened_at_once_and_an_unknown_one_is_a_card(run: Any, html: Any) -> None:
    async def test() -> None:
        known = flows.start(GATED, gate="/")
        await asyncio.to_thread(known.result)
        view = RunsView(known.id)
        assert view.table.selected == known.id
        other = RunsView("no<b>run")
        assert "no&lt;b&gt;run" in html(other)
        for made in (view, other):
            made.close()

    run(test)


def test_a_table_opens_only_rows_that_it_has() -> None:
    opened: list[str] = []
    table = Table([Column("Key"), Column("Text", "main")], opened.append)
    table.show([["a", "x\x1b[31m"], ["b", None]])
    assert table.rows == [["a", "x�[31m"], ["b", None]]
    table._handle_custom_msg({"open": "c"}, [])
    table._handle_custom_msg({"open": "b"}, [])
    table.disabled = True
    table._handle_custom_msg({"open": "a"}, [])
    assert opened == ["b"]
