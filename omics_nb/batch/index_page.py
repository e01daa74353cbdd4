"""The page of a batch: one self-contained file that opens offline, sorts, filters and follows a batch that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..display.markup import Html, el, join
from ..display.markup import table as plain_table
from ..display.numbers import counted
from ..workflow.tables import ACTIVE
from .ledger import ENDED, STATES, RowInfo, seconds_left
from .summary import columns_of, records_of

if TYPE_CHECKING:
    from .batches import Batch

_FOLDER = Path(__file__).parent
_POLICY = (
    "default-src 'none'; img-src 'self' data: file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
_OWN = ("row", "name", "state", "seconds", "peak_mb", "error")
_SHOWN_IN_CELL = 50
#: A table of more columns than these is wider than a screen; its rows are cards then.
_COLUMNS = 11
#: How many letters of an error are shown before it is opened.
_CAUSE = 240
_WHERE = re.compile(r"(?P<where>cell \d+ \(.*?\)): (?P<cause>.+)", re.DOTALL)
_STEP = re.compile(r"RunFailedError: (?P<step>step '[^']*') failed: (?P<cause>.+)", re.DOTALL)
_GENES = 30


def page_of_batch(batch: Batch) -> str:
    """The whole page. Genes that recur are told once the batch rests, as they are read from every row's file."""
    ledger = batch.ledger()
    rows = ledger.rows()
    running = ledger.state in ACTIVE
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        el("title", f"{batch.plan.name}: {ledger.state}"),
        Html(f"<style>{(_FOLDER / 'index.css').read_text(encoding='utf-8')}</style>"),
    )
    body = el(
        "body",
        el("header", el("h1", batch.plan.name), _facts(batch, running), _bar(rows), _left(batch)),
        el(
            "main",
            _tools(rows),
            None if running else _news(batch),
            _same(rows),
            _rows_table(rows),
            None if running else _genes(batch),
        ),
        el("footer", f"Written {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC by omics_nb; batch {batch.id}."),
        Html(f"<script>{(_FOLDER / 'index.js').read_text(encoding='utf-8')}</script>"),
        data_running="yes" if running else None,
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _facts(batch: Batch, running: bool) -> Html:
    finished = batch.finished
    pairs = [
        ("State", el("span", batch.state, class_=f"state {_slug(batch.state)}")),
        ("Runs", batch.plan.target),
        ("Source", batch.plan.source),
        ("Started", f"{batch.created:%Y-%m-%d %H:%M} UTC"),
        ("Ended", f"{finished:%Y-%m-%d %H:%M} UTC" if finished and not running else None),
        ("Summary", None if running else el("a", "summary.csv", href="summary.csv")),
    ]
    return el(
        "dl", [el("div", el("dt", name), el("dd", value)) for name, value in pairs if value is not None]
    )


def _bar(rows: Sequence[RowInfo]) -> Html:
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    told = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    parts = [
        el("span", class_=_slug(state), style=f"flex:{n}")
        for state, n in counts.items()
        if n and state != "waiting"
    ]
    rest = el("span", class_="waiting", style=f"flex:{counts['waiting']}") if counts["waiting"] else None
    return join([el("p", told, role="status"), el("div", parts, rest, class_="bar", aria_hidden="true")])


def _left(batch: Batch) -> Html | None:
    left = seconds_left(batch.ledger(), batch.plan.jobs)
    return None if left is None else el("p", f"About {max(left / 60, 1):.0f} min left.", class_="left")


def _tools(rows: Sequence[RowInfo]) -> Html:
    states = [state for state in STATES if any(row.state == state for row in rows)]
    choices = [el("option", "every state", value=""), *(el("option", state, value=state) for state in states)]
    return el(
        "div",
        el("label", "Find ", el("input", type="search", id="find", placeholder="in every column")),
        el("label", "Show ", el("select", choices, id="only")),
        el("span", id="shown", role="status"),
        class_="tools",
    )


def _same(rows: Sequence[RowInfo]) -> Html | None:
    told = _same_in_all(records_of(rows))
    pairs = ", ".join(f"{name} {_text(value)}" for name, value in told.items())
    return el("p", f"In every row: {pairs}.", class_="left") if told else None


def _rows_table(rows: Sequence[RowInfo]) -> Html:
    records = records_of(rows)
    same = _same_in_all(records)
    others = [name for name in columns_of(records) if name not in _OWN and name not in same]
    numeric = {name for name in others if _is_numeric([record.get(name) for record in records])}
    picture = any(row.result.get("thumb") for row in rows)
    wrong = any(row.error for row in rows)
    names = ["row", "output", "state", "time"]
    names += [*(["error"] if wrong else []), *(["figure"] if picture else []), *others]
    head = [
        el("th", el("button", name, type="button"), scope="col", class_=_kind(name, numeric))
        for name in names
    ]
    body = [
        _row(row, record, others, numeric, (wrong, picture))
        for row, record in zip(rows, records, strict=True)
    ]
    many = "cards" if len(names) > _COLUMNS else None
    return el(
        "div",
        el("table", el("thead", el("tr", head)), el("tbody", body), id="rows", class_=many),
        class_="scroll",
        role="region",
        tabindex=0,
        aria_label="Rows of the batch",
    )


def _same_in_all(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Columns that say the same in every row: told once above the table, which is narrower for it."""
    if len(records) < 2:
        return {}
    first = records[0]
    names = [name for name in columns_of(records) if name not in _OWN and first.get(name) is not None]
    return {name: first[name] for name in names if all(r.get(name) == first[name] for r in records)}


def _kind(name: str, numeric: set[str]) -> str | None:
    return "num" if name in numeric or name in ("row", "time") else None


def _is_numeric(values: Sequence[Any]) -> bool:
    told = [value for value in values if value is not None]
    return bool(told) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in told
    )


def _row(
    row: RowInfo, record: dict[str, Any], others: list[str], numeric: set[str], shown: tuple[bool, bool]
) -> Html:
    seconds = None if row.seconds is None or row.state not in ENDED else row.seconds
    cells = [
        el("td", row.row, class_="num", data_name="row"),
        el("th", _links(row), scope="row"),
        el(
            "td",
            el("span", row.state, class_=f"state {_slug(row.state)}"),
            el("small", row.at) if row.at else None,
        ),
        el(
            "td",
            "" if seconds is None else f"{seconds:.1f} s",
            class_="num",
            data_value=seconds,
            data_name="time",
        ),
    ]
    wrong, picture = shown
    if wrong:
        cells.append(el("td", _wrong(row.error) if row.error else "", class_="wrong"))
    if picture:
        cells.append(el("td", _picture(row), class_="picture"))
    for name in others:
        value = record.get(name)
        cells.append(
            el(
                "td",
                _text(value),
                class_="num" if name in numeric else None,
                data_value=_plain(value),
                data_name=name,
            )
        )
    return el("tr", cells, data_state=row.state)


def _wrong(error: str) -> Html:
    """An error with its cause first and where it arose below; what is long is behind its beginning, whole."""
    found = _WHERE.match(error)
    cause, where = (found["cause"], found["where"]) if found else (error, "")
    step = _STEP.match(cause)
    if step:
        cause, where = step["cause"], f"{where}; {step['step']}".removeprefix("; ")
    first = cause.strip().partition("\n")[0]
    if len(cause) <= _CAUSE:
        told = el("span", cause)
    else:
        begin = first if len(first) <= _CAUSE else f"{first[: _CAUSE - 1]}…"
        told = el("details", el("summary", begin), el("span", cause))
    return el("div", told, el("small", where) if where else None, class_="error")


def _links(row: RowInfo) -> Html:
    base = quote(row.name)
    if row.state not in ENDED or row.began is None:
        return Html(el("span", row.name))
    links = [el("a", row.name, href=f"{base}.html")]
    if row.result.get("report"):
        links.append(el("a", "report", href=f"{base}/{quote(str(row.result['report']))}"))
    links.append(el("a", "notebook", href=f"{base}.ipynb"))
    return join([link if at == 0 else join([" · ", link]) for at, link in enumerate(links)])


def _picture(row: RowInfo) -> Html | None:
    thumb = row.result.get("thumb")
    if not thumb:
        return None
    source = f"{quote(row.name)}/{quote(str(thumb))}"
    picture = el("img", src=source, alt=f"first figure of {row.name}", loading="lazy", width=120, height=80)
    large = row.result.get("report")
    page = f"{quote(row.name)}/{quote(str(large))}" if large else f"{quote(row.name)}.html"
    return el("a", picture, href=page)  # where it is large


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "; ".join(value)  # as a table writes it
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _slug(state: str) -> str:
    return state.replace(" ", "-")


def _news(batch: Batch) -> Html | None:
    news = batch.news()
    if news is None:
        return None
    genes = [el("li", "Genes that recur now: ", " ".join(news.genes))] if news.genes else []
    items = [*(el("li", text) for text in news.rows), *genes] or [el("li", "Nothing.")]
    return el("section", el("h2", f"New since {news.since}"), el("ul", items))


def _genes(batch: Batch) -> Html | None:
    found = batch.genes()
    if found.empty:
        return None
    rows = [
        (
            gene.gene,
            gene.studies,
            gene.comparisons,
            gene.up,
            gene.down,
            f"{gene.median_logFC:+.2f}",
            gene.rows,
        )
        for gene in found.head(_GENES).itertuples()
    ]
    first = f"; the first {_GENES}" if len(found) > _GENES else ""
    caption = f"{counted(len(found), 'gene')} at adjusted P ≤ 0.05 in more than one study{first}"
    names = ("gene", "studies", "comparisons", "up", "down", "median logFC", "rows")
    return el(
        "section", el("h2", "Genes that recur"), plain_table(caption, names, rows, numeric=(1, 2, 3, 4, 5))
    )


def fragment(batch: Batch) -> str:
    """What a batch shows in a cell: how far it is, its first rows, where its page is."""
    ledger = batch.ledger()
    rows = ledger.rows()
    records = records_of(rows[:_SHOWN_IN_CELL])
    names = [name for name in columns_of(records) if name != "peak_mb"]
    cells = [[_text(record.get(name)) for name in names] for record in records]
    counts = ", ".join(f"{n} {state}" for state, n in ledger.counts().items())
    more = f" (the first {_SHOWN_IN_CELL} of {len(rows)} rows)" if len(rows) > _SHOWN_IN_CELL else ""
    caption = f"Batch {batch.id}, {batch.plan.name}, {ledger.state}: {counts}{more}"
    return el("div", plain_table(caption, names, cells), el("p", f"Page: {batch.out / 'index.html'}"))
