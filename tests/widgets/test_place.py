"""A page that is opened again comes back to where it was: its link says the study, the groups and the run."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from omics_widgets import Explore, open_study

from omics_nb.errors import DesignError
from omics_nb.records import Contrast
from tests.widgets.test_journey import HERE, QUESTION, explore, shown, tasks_over


def place(page: Explore) -> dict[str, Any]:
    """What the page's link fills in, as a notebook's cell would have it."""
    told = {name: values[0] for name, values in parse_qs(urlsplit(page.link.link).query).items()}
    return told | {name: json.loads(told[name]) for name in ("ask", "comparison") if name in told}


async def again(page: Explore) -> Explore:
    """Another page, opened by the link of this one."""
    opened = explore(**place(page))
    await asyncio.sleep(0)
    await tasks_over(opened)
    return opened


def test_each_step_is_in_the_link_and_a_page_opened_by_it_comes_back(run: Any) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo")
        assert place(page) == {"question": QUESTION, "source": "demo"}
        await page.search()
        assert shown(await again(page)) == [1, 2]
        await page.open_study(page.found.hits[0])
        page.picker.swap.click()
        swapped = await again(page)
        assert swapped.picker.contrast == page.picker.contrast
        assert swapped.hits.chosen == page.hits.chosen
        result = await page.compare()
        back = await again(page)
        assert back.found.result.table.equals(result.table)
        assert back.panel.run_id == page.panel.run_id
        assert back.found.hits == page.found.hits
        assert shown(back) == [1, 2, 3, 4, 5, 6]

    run(test)


def test_groups_put_together_by_hand_and_what_is_adjusted_for_come_back(run: Any) -> None:
    async def test() -> None:
        page = explore(source="demo")
        await page.open_study("GSE9000003")
        page.picker.adjust.value = ["batch"]
        moved = next(key for key, to in page.picker.samples.groups.items() if to == "tested")
        page.picker.samples._handle_custom_msg({"move": [moved], "to": "out"}, [])
        back = await again(page)
        assert back.picker.samples.groups == page.picker.samples.groups
        assert back.picker.contrast == page.picker.contrast
        assert back.picker.design == page.picker.design == "~ batch + `chosen groups`"

    run(test)


def test_a_run_that_this_store_lacks_is_told_and_the_groups_are_there(run: Any, words: Any) -> None:
    async def test() -> None:
        wanted = {"contrast": ["agent", "vehicle", "tamoxifen"]}
        page = explore(source="demo", study="GSE9000001", comparison=wanted, run="abcdef")
        await asyncio.sleep(0)
        await tasks_over(page)
        assert "abcdef" in words(page)
        assert page.picker.contrast == Contrast("agent", "vehicle", "tamoxifen")
        assert shown(page) == [1, 3, 4]

    run(test)


@pytest.mark.parametrize(
    "wanted",
    [
        {"contrast": ["agent", "gold", "vehicle"]},
        {"contrast": "agent"},
        {"contrast": ["agent", "tamoxifen", "vehicle"], "groups": [1]},
        {"contrast": ["agent", "tamoxifen", "vehicle"], "platform": ["GPL900001"]},
    ],
)
def test_a_comparison_that_does_not_fit_is_a_card_and_changes_nothing(
    run: Any, words: Any, wanted: dict[str, Any]
) -> None:
    async def test() -> None:
        page = explore(source="demo", study="GSE9000001", comparison=wanted)
        await asyncio.sleep(0)
        await tasks_over(page)
        assert "did not work" in words(page)
        assert page.picker.contrast == Contrast("agent", "tamoxifen", "vehicle")
        with pytest.raises(DesignError):
            page.picker.choose(wanted)

    run(test)


def test_the_page_of_a_study_comes_back_to_its_result(run: Any) -> None:
    async def test() -> None:
        page = open_study("GSE9000001", source="demo", verbs=HERE)
        await asyncio.sleep(0)
        await tasks_over(page)
        result = await page.compare()
        told = place(page)
        assert page.link.link.startswith("study.ipynb?")
        back = open_study(told.pop("study"), **told, verbs=HERE)
        await asyncio.sleep(0)
        await tasks_over(back)
        assert back.found.result.table.equals(result.table)

    run(test)


def test_another_study_leaves_the_run_of_the_first(run: Any) -> None:
    async def test() -> None:
        page = explore("breast cancer, tamoxifen", source="demo")
        hits = await page.search()
        await page.open_study(hits[0])
        await page.compare()
        assert "run" in place(page)
        await page.open_study(hits[1])
        assert page.panel.state == ""
        assert "run" not in place(page)

    run(test)
