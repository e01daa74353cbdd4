"""The page of one study: opened by its accession, looked at, compared, as far as a person wants."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from omics_widgets import open_study

from omics_nb.errors import QuestionError
from tests.widgets.test_journey import HERE


def headings(page: Any, words: Any) -> list[str]:
    return [words(step._heading) for step in page.steps if step.layout.display != "none"]


def test_a_study_that_is_named_opens_by_itself_and_its_groups_can_be_compared(run: Any, words: Any) -> None:
    async def test() -> None:
        page = open_study("gse9000001", source="demo", verbs=HERE)
        while page.found.study is None:
            await asyncio.sleep(0.01)
        assert page.found.study.accession == "GSE9000001"
        await page.compare()
        assert headings(page, words) == [
            "1 Open a study",
            "2 Look at the data",
            "3 Compare two groups",
            "4 Result",
            "5 Take it with you",
        ]

    run(test)


def test_nothing_opens_before_a_study_is_named(run: Any, words: Any) -> None:
    async def test() -> None:
        page = open_study(source="demo", verbs=HERE)
        assert headings(page, words) == ["1 Open a study"]
        with pytest.raises(QuestionError, match="type an accession"):
            await page.open_asked()
        page.box.field._handle_custom_msg({"ask": "  "}, [])
        while "No study is named" not in words(page.tasks["open"]):
            await asyncio.sleep(0.01)
        page.box.field._handle_custom_msg({"ask": "GSE9000005"}, [])
        while page.found.study is None:
            await asyncio.sleep(0.01)
        assert "No study is named" not in words(page.tasks["open"])
        assert repr(page) == "StudyPage('GSE9000005', source='demo')"

    run(test)
