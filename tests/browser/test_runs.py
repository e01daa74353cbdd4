"""Runs as people meet them in dashboards: they outlive their page, are cancelled at once, and are found again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest

from tests.browser.conftest import Seen, accessible, picture
from tests.served import NOTEBOOKS, Dashboard, serving

pytestmark = pytest.mark.browser
ROOT = NOTEBOOKS.parent
PARAMETERS = 'run = ""'
FORM = "from omics_widgets import form\nfrom tests.widgets.steered import GATED\n\nform(GATED, follow=run)"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The page of all runs, and a form for a flow that ends when a file appears."""
    base = tmp_path_factory.mktemp("runs")
    folder = base / "notebooks"
    folder.mkdir()
    (folder / "runs.ipynb").write_bytes((NOTEBOOKS / "runs.ipynb").read_bytes())
    v4 = nbformat.v4
    cell = v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters", "link:run"]})
    made = v4.new_notebook(cells=[v4.new_markdown_cell("# Gated"), cell, v4.new_code_cell(FORM)])
    nbformat.write(made, folder / "gated.ipynb")
    with serving(base, folder, PYTHONPATH=f"{ROOT}:{ROOT / 'widgets'}") as server:
        yield server


def begin(page: Any, dashboard: Dashboard, gate: Path) -> str:
    """Start the flow by its form; the id of the run."""
    page.goto(dashboard.url("/voila/render/gated.ipynb"))
    page.get_by_role("textbox", name="Gate").fill(str(gate))
    page.get_by_role("button", name="Run", exact=True).click()
    state(page, "running")
    page.wait_for_function("new URL(location).searchParams.get('run')")
    return parse_qs(urlsplit(page.url).query)["run"][0]


def state(page: Any, wanted: str) -> None:
    page.locator(f".omics-run-head .omics-is-{wanted}").wait_for()


def test_a_run_is_found_again_after_a_reload_and_cancelled_at_once(
    page: Any, dashboard: Dashboard, tmp_path: Path, screenshots: Path
) -> None:
    run = begin(page, dashboard, tmp_path / "never")
    page.reload()
    state(page, "running")
    assert run in page.url
    assert "started" in page.get_by_role("log").inner_text()
    page.get_by_text(re.compile(r"first \(look \d+\)")).wait_for()
    picture(page, screenshots / "run-1-running.png")
    took_ms = page.evaluate(
        """() => new Promise((done) => {
        const badge = document.querySelector(".omics-run-head .omics-state"), began = performance.now();
        const look = () => /cancell/.test(badge.textContent) && done(performance.now() - began);
        new MutationObserver(look).observe(badge, { childList: true, characterData: true, subtree: true });
        [...document.querySelectorAll(".omics-run button")].find((b) => b.textContent === "Cancel").click();
    })"""
    )
    assert took_ms <= 300
    state(page, "cancelled")
    page.get_by_role("button", name="Run again").wait_for()
    accessible(page)
    picture(page, screenshots / "run-2-cancelled.png")


def test_two_people_have_runs_and_pages_of_their_own(
    page: Any, dashboard: Dashboard, browser: Any, seen: Seen, tmp_path: Path
) -> None:
    first = begin(page, dashboard, tmp_path / "first")
    context = browser.new_context()
    other = context.new_page()
    seen.watch(other, dashboard.port)
    second = begin(other, dashboard, tmp_path / "second")
    assert first != second
    (tmp_path / "second").touch()
    state(other, "done")
    other.get_by_text("OPEN!").wait_for()
    state(page, "running")
    context.close()

    page.goto(dashboard.url("/voila/render/runs.ipynb", theme="dark"))
    page.get_by_label("State").select_option("running")
    row = page.locator(".omics-body .omics-row").filter(has_text=first)
    row.click()
    state(page, "running")
    (tmp_path / "first").touch()
    state(page, "done")
    accessible(page)
