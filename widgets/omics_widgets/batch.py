"""A batch from a form: a table to paste or upload, checked as it changes, and the batches of the store as they run.

A batch belongs to a process of its own, so a page that is closed or reloaded finds it again, by the address.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ipywidgets import (
    HTML,
    BoundedIntText,
    Box,
    Combobox,
    Dropdown,
    FileUpload,
    HBox,
    IntProgress,
    Text,
    VBox,
)

from omics_nb import detached, settings
from omics_nb.batch import Batch, check_batch, get_batch, list_batches
from omics_nb.batch.batches import default_jobs
from omics_nb.batch.ledger import ENDED, RowInfo, seconds_left
from omics_nb.batch.names import DEFAULT
from omics_nb.batch.table import SUFFIXES
from omics_nb.display.markup import el, join
from omics_nb.display.markup import table as html_table
from omics_nb.errors import QuestionError
from omics_nb.workflow.tables import ACTIVE

from .copylink import LinkButton
from .parts import block, button, marked, style_sheet, visible
from .table import Cell, Column, Table
from .table_editor import TableEditor
from .trouble import error_card

LOOK_S = 0.5
_LIST_S = 2.0
_LISTED = 50
_SHOWN = 200
_LOGGED = 100
_CAPTION = "A row for each report, a column for each parameter; or paste cells from a spreadsheet"
_REMARK = "#remark"
_WIDE = {"description_width": "initial"}
_TEXTS = (".csv", ".tsv", ".txt")
EXAMPLE = "study,question\nGSE9000001,What does tamoxifen change?\nGSE9000003,What does vemurafenib change?\n"
_COLUMNS = (
    Column("Batch", width="7.5rem"),
    Column("What", "main", "minmax(0, 2fr)"),
    Column("Folder", "detail"),
    Column("State", "state", "6.5rem", facet=True),
    Column("Rows", width="minmax(0, 1fr)"),
    Column("Started (UTC)", width="9.5rem"),
)


class BatchForm(VBox):
    """A table, the notebook that its rows run, and the batches that came of such. ``batch`` is the one that is shown.

    ``batch_id`` shows a batch of the store at once: one that was cut off goes on by its button. ``studies`` are the
    rows of the table to begin with.
    """

    def __init__(
        self,
        table: str = EXAMPLE,
        notebook: str = "report.ipynb",
        *,
        out: str | None = None,
        source: str | None = None,
        batch_id: str = "",
        notebooks: Sequence[str] = ("report.ipynb", "differential_expression.ipynb", "counts.ipynb"),
        studies: Sequence[str] = (),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.batch: Batch | None = None
        self._told: dict[int, str] = {}
        self._log: list[str] = []
        self._kept: set[asyncio.Task[Any]] = set()
        self._file: tuple[str, bytes] | None = None
        self._asked = 0
        rows = [f"{study},\n" for study in studies]
        first = "".join(["study,question\n", *rows]) if rows else table
        self._make_form(first, notebook, out, source, notebooks)
        self._make_view()
        fields = [
            marked(field, "omics-field")
            for field in (self.notebook, self.source, self.jobs, self.out, self.name)
        ]
        options = marked(HBox(fields), "omics-fields")
        form = [self.table, HBox([self.upload]), options, self.problems, HBox([self.run])]
        head = HTML(block(el("h2", "Your batches")))
        super().__init__([style_sheet(), *form, self.trouble, self.view, head, self.batches])
        marked(self, "omics-page", "omics-explore", "omics-batch")
        for control in (self.table, self.notebook, self.name, self.source):
            control.observe(lambda _: self._post(self._check), "value")
        self.table.observe(lambda _: self._forget_file(), "value")
        self.upload.observe(lambda change: self._post(lambda: self._take(change["new"])), "value")
        self._check()
        if batch_id:
            self._guarded(lambda: self._show(get_batch(batch_id)))
        self._listing = self._task(self._list())

    def _make_form(
        self, table: str, notebook: str, out: str | None, source: str | None, notebooks: Sequence[str]
    ) -> None:
        self.table = TableEditor(table, caption=_CAPTION)
        self.upload = FileUpload(
            accept=",".join(SUFFIXES), description="Upload a table", layout={"width": "auto"}
        )
        names = list(dict.fromkeys([notebook, *notebooks]))
        self.notebook = Dropdown(
            options=names, value=notebook, description="Notebook that each row runs", style=_WIDE
        )
        self.source = Combobox(
            value=source or settings.load().source,
            options=("demo", "ncbi", "mirror:"),
            description="Source, or mirror:FOLDER",
            continuous_update=False,
            ensure_option=False,
            style=_WIDE,
        )
        self.jobs = BoundedIntText(
            default_jobs(), min=1, max=64, description="Rows that run at once", style=_WIDE
        )
        folder = out or str(settings.load().data / "batches" / time.strftime("%Y-%m-%d-%H%M%S"))
        self.out = Text(folder, description="Folder for the reports", style=_WIDE)
        self.name = Text(DEFAULT, description="Names of the reports", continuous_update=False, style=_WIDE)
        self.problems, self.trouble = HTML(), HTML()
        self.run = button("Run", lambda: self._post(self._start), "omics-run-batch", primary=True)

    def _make_view(self) -> None:
        self.bar = IntProgress(0, min=0, max=1)
        self.told = marked(HTML(), "omics-status")
        self.cancel = button("Cancel", lambda: self._post(self._cancel), "omics-cancel")
        self.again = button("Go on", lambda: self._post(self._resume), "omics-resume")
        self.retry = button("Retry failed rows", lambda: self._post(self._retry), "omics-retry")
        self.link = LinkButton("batch.ipynb", remember=True)
        self.rows, self.history = HTML(), HTML()
        buttons = Box(
            [self.bar, self.told, self.cancel, self.again, self.retry, self.link],
            layout={"display": "flex", "flex_flow": "row wrap", "align_items": "center"},
        )
        self.view = VBox([buttons, self.rows, self.history])
        self.batches = Table(
            _COLUMNS, self._chosen, caption="Your batches, newest first", noun=("batch", "batches")
        )
        visible(self.view, False)

    # --- what a callback may do --------------------------------------------------------------------------------------

    def _post(self, act: Callable[[], object]) -> None:
        """Callbacks may be on any thread; widgets are touched on the loop of the cell alone."""
        self._loop.call_soon_threadsafe(self._guarded, act)

    def _guarded(self, act: Callable[[], object]) -> None:
        self.trouble.value = ""
        try:
            act()
        except Exception as error:
            self.trouble.value = error_card(error, "The batch")

    def _task(self, work: Any) -> asyncio.Task[Any]:
        task = self._loop.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    # --- the table ---------------------------------------------------------------------------------------------------

    def _take(self, uploaded: Sequence[Any]) -> None:
        """Show an uploaded text as text, to be mended there; a workbook or JSON lines are kept as they are."""
        if not uploaded:
            return
        name, content = str(uploaded[0]["name"]), bytes(uploaded[0]["content"])
        if Path(name).suffix.casefold() in _TEXTS:
            from omics_nb.geo.files import decode

            self.table.value = decode(content)[0]
            return
        self._file = (name, content)
        self._check()

    def _forget_file(self) -> None:
        self._file = None

    def _table_file(self, folder: Path) -> Path:
        """The table as a file, which is read as any other: a cell of text is what its parameter makes of it."""
        if self._file is None and not self.table.value.strip():
            raise QuestionError(
                "the table is empty; its first line names parameters, each further line is a row"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if self._file is not None:
            path = folder / f"table{Path(self._file[0]).suffix.casefold()}"
            path.write_bytes(self._file[1])
            return path
        text = self.table.value.strip("\n") + "\n"
        path = folder / ("table.tsv" if "\t" in text.partition("\n")[0] else "table.csv")
        path.write_text(text, encoding="utf-8")
        return path

    def _check(self) -> None:
        """Check the table beside the loop: the source is looked at, which may take a while the first time."""
        self.run.disabled = True
        self._asked += 1
        self.problems.value = block(el("p", "Looking at the table …"), role="status")
        self._task(self._checked(self._asked))

    async def _checked(self, turn: int) -> None:
        asked = (self.notebook.value, self.name.value, self.source.value)
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = self._table_file(Path(folder))
                found = await asyncio.to_thread(
                    check_batch, path, asked[0], name=asked[1], source=asked[2] or None
                )
        except Exception as error:
            if turn == self._asked:
                self.problems.value = ""
                self.trouble.value = error_card(error, "The batch")
            return
        if turn == self._asked:  # the table may have changed meanwhile
            self.table.known = [*found.target.parameters, _REMARK]
            self.table.problems = [
                {"row": item.row, "column": item.column, "message": item.message} for item in found.problems
            ]
            self.problems.value = block(_problems(found, self._file), role="status")
            self.run.disabled = bool(found.problems)

    # --- the batch ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        folder = Path(self.out.value).expanduser()
        path, notebook = self._table_file(folder), self.notebook.value
        options = {
            "out": folder,
            "name": self.name.value,
            "source": self.source.value or None,
            "jobs": self.jobs.value,
            "title": folder.name,
        }
        self.run.disabled = True
        self._begin(lambda: detached.start_batch(path, notebook, **options))

    def _begin(self, begin: Callable[[], Batch]) -> None:
        """Show the batch that ``begin`` gives; its process takes a moment to be there."""
        visible(self.view, True)
        self.told.value = block("Starting …", role="status")
        self._task(self._begun(begin))

    async def _begun(self, begin: Callable[[], Batch]) -> None:
        try:
            self._show(await asyncio.to_thread(begin))
        except Exception as error:
            self.told.value = ""
            self.trouble.value = error_card(error, "The batch")
        finally:
            self.run.disabled = False

    def _cancel(self) -> None:
        if self.batch is not None:
            self.batch.cancel()
            self.told.value = block("Cancelling …")

    def _resume(self) -> None:
        if (batch := self.batch) is not None:
            self._begin(lambda: detached.resume_batch(batch))

    def _retry(self) -> None:
        if (batch := self.batch) is not None:
            self._begin(lambda: detached.resume_batch(batch, retry_failed=True))

    # --- showing -----------------------------------------------------------------------------------------------------

    def _chosen(self, batch_id: str) -> None:
        self._post(lambda: self._show(get_batch(batch_id)))

    def _show(self, batch: Batch) -> None:
        self.batch = batch
        self._told.clear()
        self._log.clear()
        self.link.point_to(batch=batch.id)
        self.batches.selected = batch.id
        visible(self.view, True)
        self._task(self._follow(batch))

    async def _follow(self, batch: Batch) -> None:
        """Show a batch until it rests; the store is read beside the loop, twice a second."""
        while self.batch is batch:
            try:
                ledger = await asyncio.to_thread(batch.ledger)
                rows = await asyncio.to_thread(ledger.rows)
            except Exception as error:
                self.trouble.value = error_card(error, "Following the batch")
                return
            self._draw(batch, ledger.state, rows, seconds_left(ledger, batch.plan.jobs))
            if ledger.state not in ACTIVE:
                return
            await asyncio.sleep(LOOK_S)

    async def _list(self) -> None:
        """The batches of the store, kept up to date."""
        try:
            while True:
                rows = await asyncio.to_thread(_listed)
                if rows != self.batches.rows:
                    self.batches.show(rows)
                await asyncio.sleep(_LIST_S)
        except Exception as error:
            self.trouble.value = error_card(error, "Reading the batches")

    def close(self) -> None:
        self._listing.cancel()
        self.batch = None
        super().close()

    def _draw(self, batch: Batch, state: str, rows: Sequence[RowInfo], left: float | None) -> None:
        n_ended = sum(row.state in ENDED for row in rows)
        counts = {
            name: sum(row.state == name for row in rows) for name in dict.fromkeys(row.state for row in rows)
        }
        self.bar.max, self.bar.value = len(rows), n_ended
        self.bar.bar_style = "danger" if counts.get("failed") else "success" if state == "done" else ""
        told = ", ".join(f"{n} {name}" for name, n in counts.items())
        rest = "" if left is None else f"; about {max(left / 60, 1):.0f} min left"
        self.told.value = block(f"Batch {batch.id} is {state}: {told}{rest}.", role="status")
        visible(self.cancel, state in ACTIVE)
        visible(self.again, state in ("interrupted", "paused", "cancelled"))
        visible(self.retry, state not in ACTIVE and any(row.state in ("failed", "timed out") for row in rows))
        self.rows.value = block(_rows(batch, rows))
        self._note(rows)

    def _note(self, rows: Sequence[RowInfo]) -> None:
        for row in rows:
            now = f"{row.name} {row.state}" + (
                f" {row.at}" if row.at else f": {row.error}" if row.error else ""
            )
            if row.state != "waiting" and self._told.get(row.row) != now:
                self._told[row.row] = now
                self._log.append(f"{time.strftime('%H:%M:%S')}  {now}")
        self.history.value = block(
            el("pre", "\n".join(self._log[-_LOGGED:]), role="log", aria_label="What has happened")
        )

    def __repr__(self) -> str:
        return f"BatchForm({self.notebook.value!r}, {len(self.table.value.splitlines()) - 1} rows)"


def _listed() -> list[list[Cell]]:
    return [
        [
            batch.id,
            f"{batch.plan.name} ({batch.plan.target})",
            batch.plan.out,
            batch.state,
            ", ".join(f"{n} {state}" for state, n in batch.counts.items()),
            f"{batch.created:%Y-%m-%d %H:%M}",
        ]
        for batch in list_batches(limit=_LISTED)
    ]


def _problems(checked: Any, file: tuple[str, bytes] | None) -> Any:
    what = f"{file[0]}: " if file else ""
    if not checked.problems:
        return el("p", f"{what}{checked.n_rows} rows for {checked.target.name}, all right.")
    cells = [
        (item.row or "", item.column or "", item.value or "", item.message)
        for item in checked.problems[:_SHOWN]
    ]
    headers = ("row", "column", "value", "what would be right")
    return html_table(
        f"{what}{len(checked.problems)} problem(s); nothing runs until the table is right", headers, cells
    )


def _rows(batch: Batch, rows: Sequence[RowInfo]) -> Any:
    shown = [row for row in rows if row.state != "waiting"][-_SHOWN:]
    cells = [
        (
            row.row,
            row.name,
            row.state,
            "" if row.seconds is None else f"{row.seconds:.1f} s",
            ", ".join(f"{name} {value}" for name, value in (row.result.get("figures") or {}).items()),
            row.error or row.at,
        )
        for row in shown
    ]
    headers = ("row", "output", "state", "time", "figures", "said")
    index = batch.out / "index.html"
    # A page from a server may not lead to a file by a click, in most browsers; its address can be copied.
    page = el("p", "Index page: ", el("a", str(index), href=index.as_uri(), target="_blank"))
    return join([html_table("Rows", headers, cells, numeric=(0, 3)), page]) if cells else page
