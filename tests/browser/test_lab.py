"""The same page in JupyterLab, served by the same server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Seen
from tests.served import NOTEBOOKS, Dashboard, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A copy of the notebook, for JupyterLab saves what it shows."""
    base = tmp_path_factory.mktemp("lab")
    folder = base / "notebooks"
    folder.mkdir()
    (folder / "explore.ipynb").write_bytes((NOTEBOOKS / "explore.ipynb").read_bytes())
    with serving(base, folder, "--LabApp.expose_app_in_browser=True") as server:
        yield server


def test_a_person_goes_from_a_question_to_a_report_in_lab(
    browser: Any, dashboard: Dashboard, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page, seen = context.new_page(), Seen()
    page.set_default_timeout(60_000)
    seen.watch(page, dashboard.port)
    page.goto(dashboard.url("/lab/tree/explore.ipynb", reset=""))
    page.get_by_text("| Idle").wait_for()
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    question = page.get_by_label("Your question")
    question.fill("tamoxifen resistance in breast cancer, human")
    question.press("Enter")
    page.get_by_role("button", name="Open GSE9000001").click()
    page.get_by_role("button", name="Find genes that differ").click()
    page.locator(".omics-figure-volcano .js-plotly-plot").wait_for()
    page.locator(".omics-step-5 .omics-body .omics-row").first.wait_for()
    page.get_by_role("button", name="Save report").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download report").click()
    download.value.save_as(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").lower().startswith("<!doctype html")
    assert page.get_by_role("alert").count() == 0
    assert seen.foreign == []
    context.close()
