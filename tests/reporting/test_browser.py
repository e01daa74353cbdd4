"""The report in a real browser: it opens offline, keeps to its policy, and fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omics_nb.reporting import build_report
from tests.example_values import values
from tests.test_display import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on the path; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    of = values()
    return (
        build_report(of.study, of.result, hits=of.hits)
        .save(tmp_path_factory.mktemp("report") / "r.html")
        .html
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_follows_the_theme(browser: Any, saved: Path, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on(
        "request", lambda request: None if request.url == saved.as_uri() else said.append(request.url[:60])
    )
    page.goto(saved.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
    assert all(page.evaluate("[...document.images].map(image => image.naturalWidth > 100)"))
    assert page.get_by_text("synthetic data").first.is_visible()
    assert [line for line in said if not line.startswith("data:image/svg+xml;base64,")] == []
    page.close()


def test_nothing_that_strangers_wrote_runs(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for number, hostile in enumerate(HOSTILE):
        of = values(lambda _, hostile=hostile: hostile)  # type: ignore[misc]
        path = tmp_path / f"{number}.html"
        built = build_report(of.study, of.result, hits=of.hits, quality=of.quality, figures=(of.figure,))
        built.save(path)
        page.goto(path.as_uri())
        assert page.evaluate("document.scripts.length") == 0
    assert dialogs == []
    page.close()
