"""The page of batches: a table runs from it, and a reloaded page finds the batch again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import fits, picture
from tests.served import Dashboard

pytestmark = pytest.mark.browser


def test_a_batch_runs_from_its_page_and_is_found_again_after_a_reload(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(dashboard.url("/voila/render/batch.ipynb", studies='["GSE9000099"]'))
    page.get_by_text("demo has no study GSE9000099").first.wait_for()
    picture(page, screenshots / "batch-problem.png")
    page.goto(dashboard.url("/voila/render/batch.ipynb", studies='["GSE9000003"]'))
    page.get_by_text("1 rows for report.ipynb, all right.").wait_for()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile(r"batch=[0-9a-f]{12}"))
    page.reload()
    page.get_by_text(re.compile(r"Batch [0-9a-f]{12} is done: 1 done\.")).wait_for(timeout=90_000)
    page.get_by_role("heading", name="Your batches").wait_for()
    assert fits(page)
    picture(page, screenshots / "batch-done.png")
    page.set_viewport_size({"width": 390, "height": 800})
    assert fits(page)
    picture(page, screenshots / "batch-done-phone.png")
