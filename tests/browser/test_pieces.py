"""The pieces that are scripts of our own, each alone on a page with a model in place of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omics_widgets import parts

from tests.browser.conftest import accessible

pytestmark = pytest.mark.browser
FOLDER = Path(parts.__file__).parent
#: What anywidget gives a piece, and what it would send to the kernel.
MODEL = """
class Model {
  constructor(state) { this.state = state; this.sent = []; this.listeners = new Map(); }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; }
  save_changes() {}
  send(message) { this.sent.push(message); }
  on(names, listener) {
    for (const name of names.split(" ")) this.listeners.set(name, [...this.listeners.get(name) ?? [], listener]);
  }
  off() {}
  change(state) {
    Object.assign(this.state, state);
    const changed = Object.keys(state).map((name) => this.listeners.get(`change:${name}`) ?? []);
    for (const listener of changed.flat()) listener();
  }
}
window.start = async (source, state) => {
  const piece = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`);
  window.model = new Model(state);
  piece.default.render({ model: window.model, el: document.querySelector("main") });
};
"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    made = context.new_page()
    made.set_default_timeout(20_000)
    complaints: list[str] = []
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    yield made
    context.close()
    assert complaints == []


def start(page: Any, name: str, **state: Any) -> None:
    style = parts.PALETTE + (FOLDER / f"{name}.css").read_text(encoding="utf-8")
    page.set_content(
        f"<!doctype html><title>x</title><style>{style}</style><main></main><script>{MODEL}</script>"
    )
    page.evaluate("([source, state]) => start(source, state)", [(FOLDER / f"{name}.js").read_text(), state])


def sent(page: Any) -> list[Any]:
    return list(page.evaluate("model.sent"))


def table(page: Any, n: int) -> None:
    kinds = [
        ("Study", "text"),
        ("Title", "main"),
        ("Why", "detail"),
        ("Samples", "number"),
        ("Organism", "text"),
    ]
    columns = [{"label": label, "kind": kind, "facet": label == "Organism"} for label, kind in kinds]
    organisms = ("human", "mouse", "rat; mouse")
    rows = [
        [f"GSE{i}", f"<b>Study</b> of gene {i * 7919 % n}", f"reason {i}", i * 31 % 997, organisms[i % 3]]
        for i in range(n)
    ]
    state = {"columns": columns, "rows": rows, "selected": "", "disabled": False, "caption": "Studies"}
    state |= {"ticked": [], "tickable": False}
    start(page, "table", **state, noun=["study", "studies"])


def test_ten_thousand_rows_scroll_and_filter_within_a_tenth_of_a_second(page: Any) -> None:
    table(page, 10_000)
    assert page.get_by_role("status").inner_text() == "10,000 studies"
    took = page.evaluate(
        """async () => {
        const grid = document.querySelector(".omics-grid"), filter = document.querySelector("input[type=search]");
        const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const timed = async (deed) => {
          const began = performance.now();
          deed();
          await drawn();
          return performance.now() - began;
        };
        const type = (text) => { filter.value = text; filter.dispatchEvent(new Event("input")); };
        const found = { scroll: [], filter: [] };
        for (let at = 1; at <= 5; at++) {
          found.scroll.push(await timed(() => { grid.scrollTop = at * 90000; }));
          found.filter.push(await timed(() => type(`gene ${at}`)));
          type("");
        }
        return { scroll: Math.min(...found.scroll), filter: Math.min(...found.filter) };
    }"""
    )
    assert took["scroll"] <= 100
    assert took["filter"] <= 100
    assert page.get_by_role("row").count() < 60


def test_a_table_is_narrowed_sorted_and_opened_by_keyboard(page: Any) -> None:
    table(page, 300)
    page.get_by_label("Organism").select_option("rat")
    assert page.get_by_role("status").inner_text() == "100 of 300 studies"
    page.get_by_role("button", name="Samples").press("Enter")
    header = page.get_by_role("columnheader", name="Samples")
    assert header.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Samples").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    first = page.locator(".omics-body .omics-row").first
    assert "<b>Study</b>" in first.inner_text()
    page.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    wanted = first.locator(".omics-cell").first.inner_text()
    page.keyboard.press("Enter")
    assert sent(page) == [{"open": wanted}]
    page.get_by_label("Filter").fill("no such thing")
    assert page.get_by_role("status").inner_text() == "0 of 300 studies"
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_label("Filter").fill("")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_rows_are_ticked_by_mouse_and_keyboard_and_all_that_are_listed_at_once(page: Any) -> None:
    table(page, 300)
    page.evaluate("model.change({ tickable: true, columns: model.get('columns') })")
    ticked = "model.get('ticked')"
    page.get_by_label("Choose GSE1", exact=True).click()
    assert page.evaluate(ticked) == ["GSE1"]
    page.keyboard.press("ArrowDown")  # the grid has the focus
    page.keyboard.press(" ")
    assert page.evaluate(ticked) == ["GSE1", "GSE2"]
    assert page.get_by_label("Choose GSE2", exact=True).is_checked()
    every = page.get_by_label("Choose all that are listed")
    assert every.evaluate("box => box.indeterminate")
    page.get_by_label("Filter").fill("GSE29")
    every.press(" ")
    assert page.evaluate(f"{ticked}.length") == 2 + 11
    every.press(" ")
    assert page.evaluate(ticked) == ["GSE1", "GSE2"]
    assert sent(page) == []  # none was opened
    page.evaluate("model.change({ disabled: true })")
    page.get_by_label("Choose GSE29", exact=True).locator("..").dispatch_event("click")
    assert page.evaluate(ticked) == ["GSE1", "GSE2"]
    page.evaluate("model.change({ disabled: false })")
    accessible(page, "main")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_chips_go_and_come_and_the_keyboard_keeps_its_place(page: Any) -> None:
    chips = [
        {"kind": "drug", "text": "<i>tamoxifen", "excluded": False},
        {"kind": "word", "text": "liver", "excluded": True},
    ]
    start(page, "chips", chips=chips, organisms=["Homo sapiens"], organism="", disabled=False)
    page.get_by_role("button", name="Remove drug <i>tamoxifen").click()
    page.evaluate("chips => model.change({ chips })", chips[1:])
    assert page.evaluate("document.activeElement.ariaLabel") == "Remove word liver"
    page.get_by_label("Add a condition").fill("mouse")
    page.keyboard.press("Enter")
    page.get_by_label("Organism").select_option("Homo sapiens")
    assert sent(page) == [{"remove": 0}, {"add": "mouse"}, {"organism": "Homo sapiens"}]


def test_a_form_says_what_is_wrong_beside_its_field_and_goes_there(page: Any) -> None:
    field = {"help": "", "limits": "", "unit": "", "required": True, "options": [], "value": ""}
    made = [
        {**field, "name": "study", "label": "Study", "kind": "text", "value": "GSE1"},
        {**field, "name": "n", "label": "Samples", "kind": "integer", "help": "how many", "unit": "samples"},
        {**field, "name": "log", "label": "Log", "kind": "flag", "value": True},
        {**field, "name": "how", "label": "How", "kind": "choice", "options": ["a", "b"], "value": "b"},
    ]
    start(page, "forms", fields=made, errors={}, disabled=False, action="Run", caption="quality")
    page.get_by_label("Samples").fill("many")
    page.get_by_role("button", name="Run").click()
    assert sent(page) == [{"submit": {"study": "GSE1", "n": "many", "log": True, "how": "b"}}]
    page.evaluate("model.change({ errors: { n: 'No <b>number</b>.' } })")
    number = page.get_by_label("Samples")
    assert number.get_attribute("aria-invalid") == "true"
    assert number.evaluate("input => input === document.activeElement")
    described = number.get_attribute("aria-describedby").split()
    assert [page.locator(f"[id='{part}']").inner_text() for part in described] == [
        "how many",
        "No <b>number</b>.",
    ]


def test_a_panel_draws_its_run_and_asks_for_what_is_pressed(page: Any) -> None:
    steps = [
        {"path": "hits", "state": "done", "time": "1 s", "remark": ""},
        {"path": "<b>x", "state": "running", "time": "", "remark": ""},
    ]
    shown = {
        "flow": "search",
        "progress": 40,
        "time": "3 s",
        "doing": "<b>x (reading)",
        "steps": steps,
        "error": "",
        "can": ["cancel", "pause"],
    }
    graph = {
        "nodes": [{"path": "hits", "layer": 0, "row": 0}, {"path": "<b>x", "layer": 1, "row": 0}],
        "edges": [[0, 1]],
    }
    state = {
        "run_id": "abc",
        "state": "running",
        "lines": ["a", "b"],
        "first_line": 0,
        "trouble": "",
        "remembered": False,
    }
    start(page, "run_panel", shown=shown, graph=graph, **state)
    assert page.get_by_role("status").inner_text() == "<b>x (reading)"
    assert page.get_by_role("img").get_attribute("aria-label") == "Steps of the run: hits done, <b>x running"
    page.evaluate("model.change({ lines: ['b', 'c'], first_line: 1 })")
    assert page.get_by_role("log").inner_text().split() == ["a", "b", "c"]
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    assert sent(page) == [{"do": "cancel", "from": ""}]
    page.evaluate(
        "shown => model.change({ state: 'cancelled', shown })", {**shown, "can": ["rerun"], "doing": ""}
    )
    assert page.evaluate("document.activeElement.innerText") == "Run again"
    page.get_by_label("Run again from").select_option("hits")
    page.get_by_role("button", name="Run again").click()
    assert sent(page)[-1] == {"do": "rerun", "from": "hits"}


def test_samples_are_dragged_or_chosen_into_their_list(page: Any) -> None:
    samples = [{"key": f"GSM{i}", "title": f"<b>{i}", "note": "x"} for i in range(4)]
    groups = {"GSM0": "tested", "GSM1": "reference", "GSM2": "out"}
    names = {"tested": "Tested: drug", "reference": "Reference: none"}
    start(page, "samples", samples=samples, groups=groups, names=names, disabled=False)
    page.get_by_text("Sample by sample: 1 tested, 1 reference, 2 left out").click()
    reference = page.get_by_role("region", name="Reference: none")
    page.get_by_role("listitem").filter(has_text="GSM0").drag_to(reference)
    assert sent(page) == [{"move": ["GSM0"], "to": "reference"}]
    page.get_by_label("Group of GSM3 <b>3").select_option("tested")
    assert sent(page)[-1] == {"move": ["GSM3"], "to": "tested"}
    page.evaluate("groups => model.change({ groups })", {**groups, "GSM3": "tested"})
    assert page.evaluate("document.activeElement.ariaLabel") == "Group of GSM3 <b>3"
    assert page.get_by_role("region", name="Tested: drug").get_by_role("listitem").count() == 2


def test_a_table_is_typed_pasted_and_told_what_is_wrong_in_its_cell(page: Any) -> None:
    start(page, "table_editor", value="study,contrast\nGSE1,\n", caption="Reports", known=["study", "contrast", "#who"],
          problems=[])  # fmt: skip
    cell = page.get_by_label("contrast, row 1")
    cell.fill("a; b; c")
    cell.press("Enter")  # the last row: another one
    page.keyboard.type("<b>x")
    page.get_by_label("study, row 2").fill("GSE2")
    page.get_by_label("study, row 2").press("Tab")
    assert sent(page)[-1] == {"table": "study,contrast\nGSE1,a; b; c\nGSE2,<b>x\n"}
    told = [
        {"row": 2, "column": "contrast", "message": "three texts <i>"},
        {"row": None, "column": "nope", "message": "?"},
    ]
    page.evaluate("problems => model.change({ problems })", told)
    wrong = page.get_by_label("contrast, row 2")
    assert wrong.get_attribute("aria-invalid") == "true"
    assert page.locator(f"[id='{wrong.get_attribute('aria-describedby')}']").inner_text() == "three texts <i>"
    page.get_by_label("Add a column").select_option("#who")
    page.keyboard.type("ana")
    page.get_by_role("button", name="Remove row 2").click()
    assert page.evaluate("document.activeElement.ariaLabel") == "study, row 1"
    assert sent(page)[-1] == {"table": "study,contrast,#who\nGSE1,a; b; c,ana\n"}
    page.evaluate(
        """() => {
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", ["GSE7\\tq", "GSE8\\tr"].join("\\n"));
        const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
        document.activeElement.dispatchEvent(event);
    }"""
    )
    assert sent(page)[-1] == {"table": "study,contrast,#who\nGSE7,q,ana\nGSE8,r,\n"}
    page.get_by_role("button", name="Remove column #who").click()
    assert sent(page)[-1]["table"].startswith("study,contrast\n")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(page, "main")
