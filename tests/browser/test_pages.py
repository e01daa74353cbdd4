"""Each of our pages, bright and dark, wide and on a phone: whole, accessible, from this server alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import accessible, fits, picture
from tests.served import Dashboard

pytestmark = pytest.mark.browser
#: Those that compute as they open take longest.
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in ("batch_tour", "differential_expression")]
PAGES = [*"Home explore study runs usage tutorial batch".split(), *LONG]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_accessible_bright_and_dark_on_a_desk_and_on_a_phone(
    page: Any, dashboard: Dashboard, screenshots: Path, name: str
) -> None:
    for theme in ("light", "dark"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(dashboard.url(f"/voila/render/{name}.ipynb", theme=theme))
        page.get_by_role("heading", level=1).wait_for()
        page.locator("#loading").wait_for(state="hidden")
        if name == "study":
            page.get_by_role("button", name="Find genes that differ").wait_for()
        assert fits(page)
        accessible(page)
        picture(page, screenshots / f"page-{name}-{theme}.png")
        page.set_viewport_size({"width": 390, "height": 800})
        assert fits(page)
        picture(page, screenshots / f"page-{name}-{theme}-phone.png")
        assert page.get_by_role("alert").count() == 0
