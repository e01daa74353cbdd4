"""`explore.ipynb` as a person meets it: in a browser, served by Voila, on the embedded studies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.browser.conftest import Seen, accessible, fits, picture
from tests.served import Dashboard

pytestmark = pytest.mark.browser
EXPLORE = "/voila/render/explore.ipynb"


def volcano(page: Any) -> Any:
    return page.locator(".omics-figure-volcano .js-plotly-plot")


def look_closely(page: Any, figure: Any) -> None:
    """Point at a gene, zoom into its surroundings, take the figure's files."""
    point = figure.locator(".scatterlayer .trace").last.locator(".point").first
    figure.scroll_into_view_if_needed()
    point.wait_for()
    box = point.bounding_box()
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*at)
    told = figure.locator(".hoverlayer .hovertext")
    told.wait_for()
    assert "P.Value" in (told.text_content() or "")
    before = figure.evaluate("plot => plot._fullLayout.xaxis.range")
    page.mouse.move(at[0] - 60, at[1] - 50)
    page.mouse.down()
    page.mouse.move(at[0] + 60, at[1] + 50, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "([old, plot]) => plot._fullLayout.xaxis.range[0] !== old", arg=[before[0], figure.element_handle()]
    )
    after = figure.evaluate("plot => plot._fullLayout.xaxis.range")
    assert after[1] - after[0] < (before[1] - before[0]) / 2
    page.get_by_text("Double-click to zoom back out").wait_for()
    page.wait_for_function("getComputedStyle(document.querySelector('.notifier-note')).opacity > 0.3")
    accessible(page, ".plotly-notifier")  # a tip that fades in would be too pale now
    view = page.locator(".omics-figure-volcano")
    view.get_by_role("button", name="Get the files").click()
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            view.get_by_role("link", name=kind).click()
        assert download.value.suggested_filename == f"volcano.{kind.lower()}"
        assert Path(download.value.path()).stat().st_size > 1_000


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.tagName"))


def tab_to(page: Any, text: str) -> None:
    """Press Tab until the focus is on what bears this text."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        passed.append(focused(page))
        if passed[-1].startswith(text):
            return
    pytest.fail(f"Tab never came to {text!r}; it passed {passed}")


def focus_comes_to(page: Any, heading: str) -> None:
    """The part that has just appeared has the focus, for the button that brought it is gone or was switched off."""
    page.wait_for_function("text => document.activeElement.innerText.endsWith(text)", arg=heading)


def appears(page: Any, wanted: Any) -> None:
    """Wait for what is wanted, or for the card of an error, whose words are then the failure."""
    alert = page.get_by_role("alert")
    wanted.or_(alert).first.wait_for()
    assert alert.count() == 0, alert.first.inner_text()


def test_a_person_goes_from_a_question_to_a_report(
    page: Any, dashboard: Dashboard, screenshots: Path, tmp_path: Path
) -> None:
    page.goto(dashboard.url(EXPLORE))
    page.get_by_label("Your question").fill(
        "dexamethasone in airway smooth muscle, human, at least 6 samples"
    )
    picture(page, screenshots / "explore-1-ask.png")
    page.get_by_role("button", name="Search").click()

    card = page.locator(".omics-hit").first
    appears(page, card)
    assert "dexamethasone" in card.inner_text().lower()
    picture(page, screenshots / "explore-2-studies.png")
    spot = card.locator("h3").bounding_box()
    page.mouse.click(spot["x"] + 30, spot["y"] + 8)  # anywhere on the card

    appears(page, page.get_by_text("Quality of the values").first)
    page.get_by_label("Tested group").wait_for()
    page.get_by_text("Sample by sample").click()
    picture(page, screenshots / "explore-3-study.png")
    page.get_by_role("button", name="Find genes that differ").click()

    appears(page, volcano(page))
    look_closely(page, volcano(page))
    row = page.locator(".omics-step-5 .omics-body .omics-row").nth(2)
    row.click()
    page.locator(".omics-gene h3", has_text=row.locator(".omics-kind-main").inner_text()).wait_for()
    assert page.locator(".omics-numbers tbody tr").count() > 10
    assert page.get_by_text("synthetic data").first.is_visible()

    page.get_by_role("button", name="Save report").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download report").click()
    report = tmp_path / download.value.suggested_filename
    download.value.save_as(report)
    assert report.name.startswith("GSE")
    assert report.read_text(encoding="utf-8").lower().startswith("<!doctype html")
    picture(page, screenshots / "explore-4-result.png")
    assert fits(page)
    accessible(page)

    page.set_viewport_size({"width": 390, "height": 800})
    assert fits(page)
    picture(page, screenshots / "explore-5-phone.png")


def test_the_keyboard_alone_suffices_on_a_dark_page(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.goto(dashboard.url(EXPLORE, theme="dark"))
    page.get_by_role("button", name="Search").wait_for()
    tab_to(page, "INPUT")
    page.keyboard.press("Control+A")
    page.keyboard.type("tamoxifen resistance in breast cancer, human")
    page.keyboard.press("Enter")
    appears(page, page.get_by_role("button", name="Open GSE9000001"))

    tab_to(page, "Open GSE9000001")
    page.keyboard.press("Enter")
    appears(page, page.get_by_role("button", name="Find genes that differ"))
    focus_comes_to(page, "Look at the data")

    tab_to(page, "Find genes that differ")
    page.keyboard.press("Enter")
    appears(page, volcano(page))
    focus_comes_to(page, "Result")
    tab_to(page, "Save report")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Download report").wait_for()
    tab_to(page, "Download report")
    accessible(page)
    picture(page, screenshots / "explore-6-dark.png")


def test_several_studies_are_ticked_and_become_a_table_of_reports(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.goto(dashboard.url(EXPLORE, question="systemic lupus erythematosus"))
    page.get_by_role("button", name="Search").click()
    appears(page, page.locator(".omics-hit").first)
    page.get_by_role("checkbox", name="Choose GSE9000020").check()
    page.get_by_role("status").get_by_text("1 study chosen").wait_for()
    page.get_by_label("Show as").select_option("table")
    page.get_by_role("grid", name="Studies").get_by_label("Choose GSE9000019").click()
    page.get_by_role("status").get_by_text("2 studies chosen").wait_for()
    assert page.locator(".omics-step-3").is_hidden()  # a tick opens nothing
    accessible(page)
    picture(page, screenshots / "explore-10-ticked-table.png")
    page.get_by_label("Show as").select_option("cards")
    page.get_by_role("checkbox", name="Choose GSE9000019").wait_for()
    assert page.get_by_role("checkbox", name="Choose GSE9000019").is_checked()
    picture(page, screenshots / "explore-11-ticked-cards.png")
    meta = page.get_by_role("link", name="Meta-analysis of these").get_attribute("href")
    page.get_by_role("link", name="Make reports of these").click()
    page.get_by_text("2 rows for report.ipynb, all right.").wait_for()
    cells = page.locator("input").evaluate_all("all => all.map((input) => input.value)")
    assert {"GSE9000019", "GSE9000020"} <= set(cells)
    page.goto(f"{dashboard.origin}/voila/render/{meta}")
    appears(page, page.get_by_role("heading", name="One gene in a forest"))
    page.get_by_text("GSE9000020").first.wait_for()


def test_a_page_that_is_opened_again_comes_back_to_where_it_was(
    page: Any, dashboard: Dashboard, screenshots: Path
) -> None:
    page.goto(dashboard.url(EXPLORE, source="demo"))
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Open GSE9000001").click()
    page.get_by_role("button", name="Swap groups").click()
    page.wait_for_function("location.search.includes('vehicle%22%2C+%22tamoxifen')")
    page.reload()  # with the study open and groups chosen
    meaning = page.get_by_text("higher in vehicle (4 samples)")
    appears(page, meaning)
    assert page.locator(".omics-hit.omics-chosen").inner_text().startswith("1. ")

    page.get_by_role("button", name="Find genes that differ").click()
    page.wait_for_function("new URL(location).searchParams.get('run')")
    run = page.evaluate("new URL(location).searchParams.get('run')")
    page.reload()  # in the middle of the work
    appears(page, volcano(page))
    page.locator(".omics-run-head .omics-is-done").wait_for()
    picture(page, screenshots / "explore-8-again.png")
    told = page.locator(".omics-lead").inner_text()
    link = page.url
    assert f"run={run}" in link
    assert "token" not in link

    other = page.context.new_page()
    other.goto(link)  # a colleague, or another day
    appears(other, volcano(other))
    assert other.locator(".omics-lead").inner_text() == told
    assert "vehicle than in tamoxifen" in told
    other.close(run_before_unload=True)
    page.goto(dashboard.url("/voila/render/runs.ipynb"))
    page.locator(".omics-body .omics-row").first.wait_for()
    assert page.locator(".omics-body .omics-row", has_text="vehicle against tamoxifen").count() == 1


def test_a_question_typed_fast_is_asked_as_it_was_typed(page: Any, dashboard: Dashboard) -> None:
    page.goto(dashboard.url(EXPLORE))
    question = page.get_by_label("Your question")
    question.fill("")
    question.press_sequentially("tamoxifen resistance in breast cancer, human")
    question.press("Enter")
    appears(page, page.locator(".omics-chips", has_text="Homo sapiens"))
    assert focused(page) == "INPUT"


def test_an_error_is_a_card_and_the_page_goes_on(page: Any, dashboard: Dashboard, screenshots: Path) -> None:
    page.goto(dashboard.url(EXPLORE))
    question = page.get_by_label("Your question")
    question.fill("   ")
    page.get_by_role("button", name="Search").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Search did not work" in alert.inner_text()
    assert "What to do" in alert.inner_text()
    picture(page, screenshots / "explore-7-error.png")

    question.fill("asthma")
    question.press("Enter")
    alert.wait_for(state="detached")
    appears(page, page.get_by_role("button", name=re.compile("^Open GSE")).first)


def test_a_page_that_is_closed_leaves_no_kernel(page: Any, dashboard: Dashboard) -> None:
    server = psutil.Process(dashboard.process.pid)
    before = set(server.children(recursive=True))
    page.goto(dashboard.url(EXPLORE))
    page.get_by_role("button", name="Search").wait_for()
    kernels = set(server.children(recursive=True)) - before
    assert kernels
    page.close(run_before_unload=True)
    _, alive = psutil.wait_procs(kernels, timeout=30)
    assert alive == []


def test_the_page_names_its_parts_and_hides_its_source(page: Any, dashboard: Dashboard) -> None:
    page.goto(dashboard.url("/voila"))
    page.get_by_role("link", name="explore").click()
    page.get_by_role("button", name="Search").wait_for()
    assert "token" not in page.url
    assert page.title() == "Ask public omics data"
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "Ask public omics data"
    assert page.get_by_role("heading", level=2).first.inner_text().endswith("Ask")
    assert "from omics_widgets" not in page.content()


def test_strangers_and_files_stay_outside(page: Any, dashboard: Dashboard, seen: Seen) -> None:
    plain = dashboard.url(EXPLORE).partition("?")[0]
    assert page.request.get(plain, max_redirects=0).status == 302
    for name in ("explore.ipynb", "picture.png"):
        assert page.request.get(dashboard.url(f"/voila/files/{name}")).status in {403, 404}
