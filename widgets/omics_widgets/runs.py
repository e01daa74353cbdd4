"""The runs of the store: a table with filter and facets, and the panel of the one that is opened."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from ipywidgets import HTML, VBox

from omics_nb import flows
from omics_nb.display.markup import el

from .parts import block, marked, style_sheet
from .run_panel import RunPanel
from .table import Cell, Column, Table
from .trouble import error_card

REFRESH_S = 2.0
_COLUMNS = (
    Column("Run", width="7.5rem"),
    Column("What", "main", "minmax(0, 3fr)"),
    Column("Inputs", "detail"),
    Column("State", "state", "6.5rem", facet=True),
    Column("Done", "number", "4rem", unit=" %"),
    Column("Started (UTC)", width="9.5rem"),
    Column("Ended (UTC)", width="9.5rem"),
    Column("Took", "number", "5rem", unit=" s"),
    Column("By", width="5rem", facet=True),
)


class RunsView(VBox):
    """The newest runs, kept up to date; opening one shows its panel, and puts its id into the address.

    ``run`` opens one at once. ``choose(id)`` does what a click does.
    """

    def __init__(self, run: str = "", *, limit: int = 200) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self.table = Table(_COLUMNS, self._chosen, caption="Runs, newest first", noun=("run", "runs"))
        self.panel = RunPanel(remember=True)
        self._trouble = HTML()
        self._advice = HTML()
        super().__init__([style_sheet(), self._advice, self._trouble, self.table, self.panel])
        marked(self, "omics-page", "omics-explore")
        if run:
            self.choose(run)
        self._watching = asyncio.ensure_future(self._watch())

    def choose(self, run_id: str) -> None:
        """Open a run. An id that the store does not have becomes a card."""
        try:
            self.panel.follow(run_id)
        except Exception as error:
            self._trouble.value = error_card(error, f"Opening run {run_id}")
            return
        self._trouble.value = ""
        self.table.selected = self.panel.run_id

    def _chosen(self, run_id: str) -> None:
        self._loop.call_soon_threadsafe(self.choose, run_id)

    async def refresh(self) -> None:
        """Read the store and show what is new."""
        rows = await asyncio.to_thread(_rows, self._limit)
        if rows != self.table.rows:
            self.table.show(rows)
        advice = "Click a run, or press Enter on it, for its steps, its log, and what can be done with it."
        none = "There are no runs yet. The forms and `omics-nb report` make some."
        self._advice.value = block(el("p", advice if rows else none, class_="omics-dim"))

    async def _watch(self) -> None:
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(REFRESH_S)
        except Exception as error:
            self._trouble.value = error_card(error, "Reading the runs")

    def close(self) -> None:
        self._watching.cancel()
        super().close()

    def __repr__(self) -> str:
        return "RunsView()"


def _rows(limit: int) -> list[list[Cell]]:
    from omics_nb.workflow import list_runs

    return [_row(run) for run in list_runs(flows.run_store(), limit=limit)]


def _row(run: Any) -> list[Cell]:
    given = "; ".join(f"{name} = {_brief(value)}" for name, value in run.inputs.items())
    took = (run.finished - run.created).total_seconds() if run.finished else None
    return [
        *(run.id, run.flow_name if run.name == run.flow_name else f"{run.name} ({run.flow_name})"),
        *(given, run.state, int(run.progress)),
        *(_moment(run.created), _moment(run.finished), None if took is None else round(took, 1), run.owner),
    ]


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
