"""A batch from a form: a table to type or paste, checked as it changes, then every row as it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, IntProgress, Text, VBox

from omics_nb import settings
from omics_nb.batch import Batch, check_batch, get_batch, start_batch
from omics_nb.batch.ledger import ENDED, RowInfo, seconds_left
from omics_nb.batch.names import DEFAULT
from omics_nb.display.markup import el, join
from omics_nb.display.markup import table as html_table
from omics_nb.errors import QuestionError
from omics_nb.workflow.tables import ACTIVE

from .parts import block, button, marked, style_sheet, visible
from .table_editor import TableEditor
from .trouble import error_card

LOOK_S = 0.5
_SHOWN = 200
_CAPTION = "A row for each report, a column for each parameter; or paste cells from a spreadsheet"
_REMARK = "#remark"
_WIDE = {"description_width": "initial"}
_LOGGED = 100
EXAMPLE = "study,question\nGSE9000001,What does tamoxifen change?\nGSE9000003,What does vemurafenib change?\n"


class BatchForm(VBox):
    """A table, the notebook that its rows run, and the batch that comes of it. ``batch`` is the one that is shown.

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
        notebooks: Sequence[str] = ("report.ipynb", "tutorial.ipynb"),
        studies: Sequence[str] = (),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self.batch: Batch | None = None
        self._told: dict[int, str] = {}
        self._log: list[str] = []
        self._kept: set[asyncio.Task[Any]] = set()
        rows = [f"{study},\n" for study in studies]
        self._make_form("".join(["study,question\n", *rows]) if rows else table, notebook, out, notebooks)
        self._make_view()
        fields = [marked(field, "omics-field") for field in (self.notebook, self.out, self.name)]
        form = [self.table, marked(HBox(fields), "omics-fields"), self.problems, HBox([self.run])]
        super().__init__([style_sheet(), *form, self.trouble, self.view])
        marked(self, "omics-page", "omics-explore", "omics-batch")
        for control in (self.table, self.notebook, self.name):
            control.observe(lambda _: self._post(self._check), "value")
        self._check()
        if batch_id:
            self._guarded(lambda: self._show(get_batch(batch_id)))

    def _make_form(self, table: str, notebook: str, out: str | None, notebooks: Sequence[str]) -> None:
        self.table = TableEditor(table, caption=_CAPTION)
        names = list(dict.fromkeys([notebook, *notebooks]))
        self.notebook = Dropdown(
            options=names, value=notebook, description="Notebook that each row runs", style=_WIDE
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
        self.rows, self.history = HTML(), HTML()
        buttons = HBox([self.bar, self.told, self.cancel, self.again, self.retry])
        self.view = VBox([buttons, self.rows, self.history])
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

    def _table_file(self, folder: Path) -> Path:
        """The table as a file, which is read as any other: a cell of text is what its parameter makes of it."""
        if not self.table.value.strip():
            raise QuestionError(
                "the table is empty; its first line names parameters, each further line is a row"
            )
        folder.mkdir(parents=True, exist_ok=True)
        text = self.table.value.strip("\n") + "\n"
        path = folder / ("table.tsv" if "\t" in text.partition("\n")[0] else "table.csv")
        path.write_text(text, encoding="utf-8")
        return path

    def _check(self) -> None:
        import tempfile

        self.run.disabled = True
        with tempfile.TemporaryDirectory() as folder:
            checked = check_batch(self._table_file(Path(folder)), self.notebook.value, name=self.name.value)
        self.table.known = [*checked.target.parameters, _REMARK]
        self.table.problems = [
            {"row": item.row, "column": item.column, "message": item.message} for item in checked.problems
        ]
        self.problems.value = block(_problems(checked), role="status")
        self.run.disabled = bool(checked.problems)

    def _start(self) -> None:
        folder = Path(self.out.value).expanduser()
        made = start_batch(
            self._table_file(folder),
            self.notebook.value,
            out=folder,
            name=self.name.value,
            source=self._source,
        )
        self._show(made)

    def _cancel(self) -> None:
        if self.batch is not None:
            self.batch.cancel()
            self.told.value = block("Cancelling …")

    def _resume(self) -> None:
        if self.batch is not None:
            self._show(self.batch.resume())

    def _retry(self) -> None:
        if self.batch is not None:
            self._show(self.batch.resume(retry_failed=True))

    # --- showing -----------------------------------------------------------------------------------------------------

    def _show(self, batch: Batch) -> None:
        self.batch = batch
        self._told.clear()
        self._log.clear()
        visible(self.view, True)
        task = self._loop.create_task(self._follow(batch))
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

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


def _problems(checked: Any) -> Any:
    if not checked.problems:
        return el("p", f"{checked.n_rows} rows for {checked.target.name}, all right.")
    cells = [
        (item.row or "", item.column or "", item.value or "", item.message)
        for item in checked.problems[:_SHOWN]
    ]
    headers = ("row", "column", "value", "what would be right")
    return html_table(
        f"{len(checked.problems)} problem(s); nothing runs until the table is right", headers, cells
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
    page = el("p", f"Everything is in {batch.out}; open index.html there.")
    return join([html_table("Rows", headers, cells, numeric=(0, 3)), page]) if cells else page
