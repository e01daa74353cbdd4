"""Exploring a result: thresholds, volcano, table and the values of one gene, linked to each other."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from omics_widgets import ResultExplorer

import omics_nb as omics


@pytest.fixture(scope="module")
def found() -> tuple[Any, Any]:
    study = omics.fetch("GSE9000001", source="demo")
    return omics.differential_expression(study, contrast=("agent", "tamoxifen", "vehicle")), study


def plot(view: ResultExplorer) -> Any:
    return view._volcano.children[0].children[0]


def marked(view: ResultExplorer) -> list[str]:
    return [name.text for name in plot(view).layout.annotations if name.showarrow]


def test_the_best_feature_is_shown_first_in_all_three(run: Any, found: tuple[Any, Any], words: Any) -> None:
    result, study = found

    async def test() -> None:
        view = ResultExplorer()
        await view.show(result, study)
        best = result.top(1)
        assert view.selected == view.table.selected == best.index[0]
        assert view.table.rows[0][0] == best.index[0]
        assert marked(view) == [best["symbol"].iloc[0]]
        assert best["symbol"].iloc[0] in words(view._gene)

    run(test)


def test_a_row_and_a_point_choose_a_feature_everywhere(run: Any, found: tuple[Any, Any], words: Any) -> None:
    result, study = found

    async def test() -> None:
        view = ResultExplorer()
        await view.show(result, study)
        second = view.table.rows[1]
        view.table._handle_custom_msg({"open": second[0]}, [])
        while second[1] not in words(view._gene):
            await asyncio.sleep(0.01)
        assert marked(view) == [second[1]]
        trace = plot(view).data[-1]
        view._point_chosen(trace, SimpleNamespace(point_inds=[0]), None)
        while trace.text[0] not in words(view._gene):
            await asyncio.sleep(0.01)
        assert result.table.loc[view.table.selected, "symbol"] == trace.text[0]

    run(test)


def test_thresholds_are_those_of_counts_table_and_volcano(
    run: Any, found: tuple[Any, Any], words: Any
) -> None:
    result, study = found

    async def test() -> None:
        view = ResultExplorer()
        await view.show(result, study)
        before = plot(view)
        view.change.value = 2.0
        while plot(view) is before:
            await asyncio.sleep(0.01)
        passing = result.table[(result.table["adj.P.Val"] <= 0.05) & (result.table["logFC"].abs() >= 2)]
        called = [row for row in view.table.rows if row[5] != "not significant"]
        assert len(called) == len(passing)
        assert f"{(passing['logFC'] > 0).sum()} features higher" in words(view._lead)

    run(test)


def test_a_threshold_that_cannot_be_is_a_card(run: Any, found: tuple[Any, Any], words: Any) -> None:
    result, study = found

    async def test() -> None:
        view = ResultExplorer()
        await view.show(result, study)
        view.adj_p.value = 7
        while "not 7" not in words(view._trouble):
            await asyncio.sleep(0.01)
        view.adj_p.value = 0.1
        while words(view._trouble):
            await asyncio.sleep(0.01)

    run(test)
