"""The page from a question to a report, driven as a person would, on the embedded source."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import omics_widgets
import pytest
from omics_widgets import Explore, FigureView, HitsView, ResultView, StudySheet, Verbs

import omics_nb as omics
from omics_nb import flows
from omics_nb.errors import NotFoundError, OfflineError, QuestionError
from omics_nb.records import Contrast
from tests.example_values import values

HOSTILE = "<img src=x onerror=alert(1)>"
QUESTION = "tamoxifen resistance in breast cancer, human"
#: Runs in this process, whose libraries are loaded; that a page's own processes work is for the browser to show.
HERE = Verbs(begin=lambda flow, inputs: flows.start(flow, **inputs), prepare=lambda: None)


def explore(question: str = "", *, verbs: Verbs = HERE, **options: Any) -> Explore:
    return omics_widgets.explore(question, verbs=verbs, **options)


def figure_views(widget: Any) -> list[FigureView]:
    """The figures that a widget holds, however deep."""
    if isinstance(widget, FigureView):
        return [widget]
    return [view for child in getattr(widget, "children", ()) for view in figure_views(child)]


def shown(page: Explore) -> list[int]:
    return [step.number for step in page.steps if step.layout.display != "none"]


async def quiet(page: Explore) -> None:
    while any(task.state in {"running", "cancelling"} for task in page.tasks.values()):
        await asyncio.sleep(0.01)


async def tasks_over(page: Explore) -> None:
    """Wait until all that the page began by itself has ended, in whatever way."""
    while any(task._kept for task in page.tasks.values()):
        await asyncio.sleep(0.01)


def ask(page: Explore) -> None:
    """What the front end sends when Enter is pressed in the question."""
    page.box.field._handle_custom_msg({"ask": page.box.field.text}, [])


async def press(page: Explore, click: Callable[[], Any], task: str) -> None:
    """Click, and wait until what it started has ended."""
    ended = asyncio.Event()

    def look(change: dict[str, Any]) -> None:
        if change["new"] in {"done", "failed", "cancelled"}:
            ended.set()

    page.tasks[task].observe(look, "state")
    click()
    await ended.wait()
    page.tasks[task].unobserve(look, "state")
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_whole_journey_by_its_buttons(run: Any, words: Any, html: Any, tmp_path: Path) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo", reports=tmp_path / "out")
        assert shown(page) == [1]

        await press(page, lambda: ask(page), "search")
        assert shown(page) == [1, 2]
        assert "studies found" in words(page.hits)
        assert "Homo sapiens" in words(page.hits)

        first = page.found.hits[0].accession
        await press(page, page.hits._buttons[first].click, "open")
        assert shown(page) == [1, 2, 3, 4]
        assert page.hits.chosen == first
        assert "Quality of the values" in words(page.sheet)
        assert page.picker.contrast == omics.propose_contrasts(page.found.study)[0].contrast

        await press(page, page.picker.compare.click, "compare")
        await tasks_over(page)
        assert shown(page) == [1, 2, 3, 4, 5, 6]
        result = page.found.result
        assert result.contrast == page.picker.contrast
        assert str(result.top(1).index[0]) in words(page.result)
        while not page.result.explorer._gene.children:  # drawn after the numbers are there
            await asyncio.sleep(0.01)
        views = [view for part in page.result.children[1:] for view in figure_views(part)]
        [volcano, _, chosen] = views
        for view in (volcano, chosen):
            assert view.children[0].data
            assert "samples" in words(view) or "features" in words(view)

        await press(page, page.saver.save.click, "save")
        saved = page.found.saved
        assert saved.html.parent == tmp_path / "out"
        assert f'download="{saved.html.name}"' in html(page.saver)
        assert f'download="{saved.csv.name}"' in html(page.saver)

    run(test)


def test_synthetic_data_wear_a_badge_at_every_step(run: Any, words: Any) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo")
        await page.search()
        await page.open_study(page.found.hits[0])
        await page.compare()
        for part in (page.hits, page.sheet, page.result):
            assert "synthetic" in words(part)

    run(test)


def test_a_new_search_forgets_what_belonged_to_the_old_one(run: Any) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo")
        await page.search()
        await page.open_study(page.found.hits[0])
        await page.compare()
        page.box.question = "asthma, human"
        await page.search()
        assert shown(page) == [1, 2]
        assert page.found.study is None
        assert page.found.result is None
        assert page.hits.chosen == ""

    run(test)


def test_another_study_forgets_the_result_and_keeps_the_hits(run: Any) -> None:
    async def test() -> None:
        page = explore("breast cancer, tamoxifen", source="demo")
        hits = await page.search()
        await page.open_study(hits[0])
        await page.compare()
        await page.open_study(hits[1])
        assert page.found.hits is hits
        assert page.found.result is None
        assert shown(page) == [1, 2, 3, 4]

    run(test)


def test_enter_in_the_question_searches(run: Any) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo")
        ask(page)
        await asyncio.sleep(0.01)
        await quiet(page)
        assert page.found.hits is not None

    run(test)


def test_an_example_is_asked_as_it_stands(run: Any) -> None:
    async def test() -> None:
        page = explore(source="demo", examples=("asthma, human",))
        await press(page, page.box.examples[0].click, "search")
        assert page.found.hits.query.text == "asthma, human"

    run(test)


@pytest.mark.parametrize("index", range(4))
def test_every_example_finds_a_study_in_the_embedded_source(run: Any, index: int) -> None:
    async def test() -> None:
        page = explore(source="demo")
        await press(page, page.box.examples[index].click, "search")
        assert len(page.found.hits) > 0

    run(test)


def test_an_empty_question_is_a_card_that_says_what_to_do(run: Any, words: Any) -> None:
    async def test() -> None:
        page = explore("  ", source="demo")
        with pytest.raises(QuestionError):
            await page.search()
        assert "Search did not work" in words(page.tasks["search"])
        assert "What to do" in words(page.tasks["search"])
        assert shown(page) == [1]

    run(test)


def test_no_hits_are_explained(run: Any, words: Any) -> None:
    async def test() -> None:
        page = explore("zebrafish fin regeneration, at least 500 samples", source="demo")
        await page.search()
        assert "No study was found." in words(page.hits)
        assert page.found.hits.notes[0] in words(page.hits)

    run(test)


def test_an_error_on_the_way_leaves_the_page_usable(run: Any, words: Any) -> None:
    async def test() -> None:
        calls: list[str] = []

        def fetch(accession: str, *, source: str | None = None) -> Any:
            calls.append(accession)
            if len(calls) == 1:
                raise OfflineError("ftp.ncbi.nlm.nih.gov cannot be reached")
            return omics.fetch(accession, source=source)

        page = explore(QUESTION, source="demo", verbs=replace(HERE, fetch=fetch))
        hits = await page.search()
        button = page.hits._buttons[hits[0].accession]
        await press(page, button.click, "open")
        assert "cannot be reached" in words(page.tasks["open"])
        assert shown(page) == [1, 2]
        assert not button.disabled
        await press(page, button.click, "open")
        assert page.found.study.accession == hits[0].accession
        assert "cannot be reached" not in words(page.tasks["open"])

    run(test)


def test_while_something_runs_only_cancel_answers(run: Any) -> None:
    async def test() -> None:
        gate = threading.Event()

        def search(*arguments: Any, **options: Any) -> Any:
            gate.wait(30)
            return omics.search(*arguments, **options)

        page = explore(QUESTION, source="demo", verbs=replace(HERE, search=search))
        ask(page)
        while page.tasks["search"].state != "running":
            await asyncio.sleep(0.005)
        assert all(control.disabled for control in page.box.controls)
        assert not page.tasks["search"]._cancel.disabled
        page.tasks["search"]._cancel.click()
        while page.tasks["search"].state != "cancelled":
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.01)
        gate.set()
        assert not any(control.disabled for control in page.box.controls)
        assert page.found.hits is None

    run(test)


def test_a_study_without_values_is_shown_and_offers_no_comparison(run: Any, words: Any) -> None:
    async def test() -> None:
        made = values()
        empty = replace(
            made.study, matrices={}, notes=("The table is empty; counts may be in the supplement.",)
        )
        page = explore(
            verbs=replace(HERE, search=lambda *_, **__: made.hits, fetch=lambda *_, **__: empty), question="x"
        )
        await page.search()
        await page.open_study(made.hits[0])
        assert shown(page) == [1, 2, 3]
        assert "counts may be in the supplement" in words(page.sheet)

    run(test)


def test_each_platform_of_a_study_gets_its_quality(run: Any, words: Any) -> None:
    async def test() -> None:
        page = explore("renal carcinoma", source="demo")
        study = await page.open_study("GSE9000005")
        assert len(study.matrices) == 2
        for platform in study.matrices:
            assert f"Quality of the values on {platform}" in words(page.sheet)

    run(test)


def test_an_unknown_accession_says_so(run: Any, words: Any) -> None:
    async def test() -> None:
        page = explore(source="demo")
        with pytest.raises(NotFoundError):
            await page.open_study("GSE1")
        assert "GSE1" in words(page.tasks["open"])

    run(test)


def test_text_of_strangers_is_escaped_everywhere(run: Any, html: Callable[[Any], str]) -> None:
    async def test() -> None:
        made = values(lambda text: text + HOSTILE)
        views = (HitsView(lambda hit: None), StudySheet(), ResultView())
        views[0].show(made.hits)
        views[1].show(made.study, [made.quality])
        views[2].show(
            SimpleNamespace(result=made.result, figures=(made.figure,), warnings=(f"Careful {HOSTILE}",))
        )
        for view in views:
            assert HOSTILE not in html(view)
            assert "&lt;img src=x onerror" in html(view)

    run(test)


def test_the_page_says_what_it_is_in_one_stable_line(run: Any) -> None:
    async def test() -> None:
        assert repr(explore("asthma", source="mirror:folder")) == "Explore('asthma', source='mirror:folder')"

    run(test)


def test_a_contrast_that_a_person_chose_is_the_one_that_is_computed(run: Any) -> None:
    async def test() -> None:
        page = explore(QUESTION, source="demo")
        await page.open_study("GSE9000001")
        page.picker.swap.click()
        result = await page.compare()
        assert result.contrast == Contrast("agent", "vehicle", "tamoxifen")

    run(test)


def test_studies_open_whether_columns_or_only_titles_tell_the_groups(run: Any) -> None:
    async def test() -> None:
        page = explore(source="demo")
        for number in (3, 10, 27, 29):  # groups in columns, and groups that only titles or source names tell
            study = await page.open_study(f"GSE{9000000 + number}")
            assert page.picker.contrast is not None, study.accession
            assert not page.picker.compare.disabled

    run(test)


def test_real_studies_whose_titles_tell_the_groups_open_and_compare(run: Any, shared: Path) -> None:
    async def test() -> None:
        page = explore(source=f"mirror:{shared / 'geo'}")
        for accession in ("GSE42872", "GSE781"):
            await page.open_study(accession)
            result = await page.compare()
            assert len(result.significant()) > 1000

    run(test)


def test_what_is_adjusted_for_reaches_the_analysis(run: Any) -> None:
    async def test() -> None:
        page = explore(source="demo")
        await page.open_study("GSE9000003")
        page.picker.adjust.value = ["batch"]
        assert (await page.compare()).design == "~ batch + agent"

    run(test)


def test_a_chip_taken_away_searches_anew_and_a_failing_addition_keeps_what_was_found(
    run: Any, words: Any
) -> None:
    async def test() -> None:
        page = explore("tamoxifen in breast cancer, mouse", source="demo")
        first = await page.search()
        at = next(i for i, chip in enumerate(page.hits.chips.chips) if chip["kind"] == "organism")
        await press(page, lambda: page.hits.chips._handle_custom_msg({"remove": at}, []), "search")
        assert page.found.hits.query.of("organism") == ()
        assert page.found.hits.total > first.total
        before = page.found.hits
        await press(page, lambda: page.hits.chips._handle_custom_msg({"add": " "}, []), "search")
        assert page.tasks["search"].state == "failed"
        assert page.found.hits is before
        assert shown(page) == [1, 2]

    run(test)


def test_many_hits_are_a_table_and_a_row_opens_its_study(run: Any) -> None:
    async def test() -> None:
        made = values()
        many = replace(
            made.hits,
            hits=tuple(replace(made.hits[0], accession=f"GSE{at}") for at in range(1, 41)),
            total=40,
        )
        opened: list[str] = []
        view = HitsView(lambda hit: opened.append(hit.accession))
        view.show(many)
        assert view.form.value == "table"
        assert len(view.table.rows) == 40
        view.table._handle_custom_msg({"open": "GSE35"}, [])
        assert opened == ["GSE35"]
        view.fold("GSE35")
        assert view.table.layout.display is None
        assert view.table.selected == "GSE35"
        view.show(made.hits)
        assert view.form.value == "cards"
        assert view.table.layout.display == "none"

    run(test)


def test_ticked_studies_go_to_reports_and_a_meta_analysis_together(run: Any) -> None:
    async def test() -> None:
        made = values()
        two = replace(made.hits, hits=tuple(replace(made.hits[0], accession=f"GSE{at}") for at in (1, 2)))
        view = HitsView(lambda hit: None)
        view.show(two)
        assert view._together.layout.display == "none"
        view._boxes["GSE2"].value = True
        assert view.table.ticked == ["GSE2"]
        assert "needs two or more" in view._told.value
        view.table.ticked = ["GSE2", "GSE1"]  # as its tick boxes do
        assert view._boxes["GSE1"].value
        assert view.ticked == ("GSE1", "GSE2")
        hrefs = [unescape(href) for href in re.findall('href="([^"]+)"', view._told.value)]
        pages = {urlsplit(href).path: dict(parse_qsl(urlsplit(href).query)) for href in hrefs}
        assert pages["batch.ipynb"] == {"studies": '["GSE1", "GSE2"]', "source": two.source}
        assert pages["meta_analysis.ipynb"]["question"] == f"{two.query.text} GSE1, GSE2"
        view.clear.click()
        assert not any(box.value for box in view._boxes.values())
        many = replace(
            two, hits=tuple(replace(two[0], accession=f"GSE9000{at:03}") for at in range(200)), total=200
        )
        view.show(many)
        view.tick(hit.accession for hit in many)
        assert "200 studies" in view._told.value
        assert "too many for a link" in view._told.value

    run(test)
