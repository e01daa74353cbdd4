"""The front page, addresses that fill forms in, and JupyterLab on the same server, in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from omics_widgets import copylink

from tests.browser.conftest import accessible, fits, picture
from tests.browser.test_pieces import MODEL
from tests.served import Dashboard

pytestmark = pytest.mark.browser
HOME = "/voila/render/Home.ipynb"
EXPLORE = "/voila/render/explore.ipynb"


def at_home(page: Any) -> None:
    page.get_by_role("heading", name="What was done last").wait_for()


def brightest(page: Any, part: str) -> int:
    """The largest of red, green and blue of what is behind a part of the page."""
    colour = page.locator(part).first.evaluate("part => getComputedStyle(part).backgroundColor")
    return max(int(value) for value in re.findall(r"\d+", colour)[:3])


def test_a_person_asks_from_the_front_page(page: Any, dashboard: Dashboard, screenshots: Path) -> None:
    page.goto(dashboard.url("/"))
    at_home(page)
    assert page.title() == "Public omics data"
    assert "token" not in page.url
    assert page.get_by_role("main").count() == 1
    picture(page, screenshots / "home-1-light.png")
    page.get_by_label("Your question").fill("lupus & <b>sle</b>")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("button", name=re.compile("^Open GSE")).first.wait_for()  # no second press
    assert page.get_by_label("Your question").input_value() == "lupus & <b>sle</b>"


def test_sample_data_are_one_click_away(page: Any, dashboard: Dashboard) -> None:
    page.goto(dashboard.url(HOME))
    page.get_by_role("link", name="Try with sample data").click()
    page.get_by_role("button", name="Open GSE9000001").wait_for()
    assert "tamoxifen" in page.get_by_label("Your question").input_value()


def test_the_front_page_is_whole_in_the_dark_and_on_a_phone(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(dashboard.url(HOME, theme="dark"))
    at_home(page)
    assert fits(page)
    assert brightest(page, ".omics-way") < 80
    picture(page, screenshots / "home-2-dark-phone.png")


def test_a_page_is_as_dark_as_its_browser_unless_its_address_says_otherwise(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(dashboard.url(EXPLORE))
    page.get_by_role("button", name="Search").click()
    page.locator(".omics-hit").first.wait_for()
    for part in ("body", ".omics-step", ".omics-question input", ".omics-source select", ".omics-chips li"):
        assert brightest(page, part) < 80, part
    accessible(page)
    picture(page, screenshots / "explore-9-dark-browser.png")
    page.emulate_media(color_scheme="light")  # as many machines do in the morning
    assert brightest(page, "body") > 200
    page.emulate_media(color_scheme="dark")
    page.goto(dashboard.url(EXPLORE, theme="light"))
    page.get_by_role("button", name="Search").wait_for()
    assert brightest(page, ".omics-question input") > 200


def test_what_an_address_cannot_set_is_told_and_runs_nothing(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.goto(dashboard.url(EXPLORE, question="asthma", limit="many", nope="<img src=x onerror=alert(1)>"))
    page.get_by_role("button", name="Search").wait_for()
    note = page.get_by_role("alert").first.inner_text()
    assert "limit must be a whole number" in note
    assert "does not take 'nope'" in note
    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_label("Your question").input_value() == "asthma"
    picture(page, screenshots / "home-3-address.png")


def test_two_people_have_a_kernel_each_and_leave_none(browser: Any, page: Any, dashboard: Dashboard) -> None:
    server = psutil.Process(dashboard.process.pid)
    before = set(server.children(recursive=True))
    page.goto(dashboard.url(EXPLORE, question="asthma"))
    context = browser.new_context()
    other = context.new_page()
    other.goto(dashboard.url(EXPLORE, question="lupus"))
    for each in (page, other):
        each.get_by_role("button", name="Search").wait_for()
    kernels = set(server.children(recursive=True)) - before
    assert len(kernels) == 2
    assert page.get_by_label("Your question").input_value() == "asthma"
    assert other.get_by_label("Your question").input_value() == "lupus"
    other.close(run_before_unload=True)
    page.close(run_before_unload=True)
    _, alive = psutil.wait_procs(kernels, timeout=30)
    assert alive == []
    context.close()


def test_in_lab_the_front_page_runs_and_its_links_open_notebooks(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.goto(dashboard.url("/lab/tree/Home.ipynb", reset=""))
    page.get_by_role("heading", name="Public omics data").wait_for()
    page.locator("text=/\\| Idle/").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    at_home(page)
    page.screenshot(path=screenshots / "home-4-lab.png")
    page.get_by_role("link", name="Try with sample data").click()
    page.get_by_role("tab", name="explore.ipynb").wait_for()


def with_copy_button(page: Any, link: str) -> None:
    """The button alone, on whatever page of the dashboard this is."""
    page.add_script_tag(content=MODEL)
    source = (Path(copylink.__file__).parent / "copylink.js").read_text(encoding="utf-8")
    page.evaluate("([source, state]) => start(source, state)", [source, {"link": link, "label": "Copy link"}])


def test_a_copied_link_is_whole_and_a_refused_clipboard_shows_it(page: Any, dashboard: Dashboard) -> None:
    page.goto(dashboard.url("/voila"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with_copy_button(page, "explore.ipynb?question=a+%26+b")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied.").wait_for()
    wanted = f"{dashboard.origin}/voila/render/explore.ipynb?question=a+%26+b"
    assert page.evaluate("navigator.clipboard.readText()") == wanted

    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    page.evaluate("model.change({ link: 'Home.ipynb' })")
    page.get_by_role("button", name="Copy link").click()
    shown = page.get_by_label("The link, to be copied")
    assert shown.input_value() == f"{dashboard.origin}/voila/render/Home.ipynb"
    assert shown.evaluate(
        "field => document.activeElement === field && field.selectionEnd === field.value.length"
    )
