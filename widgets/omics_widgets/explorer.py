"""A result to explore: volcano, table and the values of one gene, linked; thresholds that a person sets."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from html import escape, unescape
from typing import Any

from ipywidgets import HTML, FloatText, HBox, VBox

from omics_nb import figures
from omics_nb.display.markup import clean, el
from omics_nb.display.numbers import counted
from omics_nb.display.result import counts_at, threshold_text
from omics_nb.errors import AnalysisError
from omics_nb.records import DEResult, Study

from .figures import FigureView
from .parts import block, marked
from .table import Cell, Column, Table
from .trouble import error_card

MOST_ROWS = 5_000
_SMALLEST_P = 1e-300
_ARROW = {
    "xref": "x", "yref": "y", "showarrow": True, "arrowhead": 2, "arrowwidth": 2, "ax": 0, "ay": -34,
    "bgcolor": "#ffffff", "bordercolor": "#111111", "borderpad": 3, "font": {"size": 13, "color": "#111111"},
}  # fmt: skip
_ADVICE = "Click a point or a row for the values of that gene in each sample; both show which it is."


class ResultExplorer(VBox):
    """Shows a result and its study; ``selected`` is the feature whose values are shown, or empty."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept: set[asyncio.Future[None]] = set()
        self.selected = ""
        self._names: list[dict[str, Any]] = []
        self.adj_p = _threshold("Adjusted P at most", 0.05, 0.01)
        self.change = _threshold("log2 fold change at least", 1.0, 0.1)
        self._lead = HTML()
        self._trouble = HTML()
        self._volcano = marked(VBox(), "omics-volcano")
        self._gene = marked(VBox(), "omics-gene")
        self.table = Table((), self._row_chosen, caption="Features by P-value", noun=("feature", "features"))
        super().__init__(
            [
                self._lead,
                marked(HBox([self.adj_p, self.change]), "omics-fields"),
                marked(HBox([self._volcano, self._gene]), "omics-beside"),
                self._trouble,
                self.table,
            ]
        )
        for field in (self.adj_p, self.change):
            field.observe(lambda _: self._post(self.redraw), "value")

    async def show(self, result: DEResult, study: Study) -> None:
        """This result, with the values of its study; the feature with the smallest P is shown first."""
        self._result, self._study = result, study
        names = result.columns
        numbers = [
            Column(str(name), "number", "6.5rem", format="change" if name == names.change else "p")
            for name in (names.change, names.p, names.adj_p)
        ]
        self.table.columns = [
            column._asdict()
            for column in (
                Column("Feature", width="minmax(0, 1.2fr)"),
                Column("Symbol", "main", "minmax(0, 1fr)"),
                *numbers,
                Column("Direction", width="8rem", facet=True),
            )
        ]
        await self.redraw()
        top = result.top(1)
        if len(top):
            await self.select(str(top.index[0]))

    async def redraw(self) -> None:
        """Volcano, table and counts at the thresholds that stand in their fields."""
        adj_p, change = self.adj_p.value, self.change.value
        if not (0 < adj_p <= 1 and change >= 0):
            raise AnalysisError(
                f"an adjusted P is above 0 and at most 1, a fold change 0 or more, not {adj_p:g} and {change:g}"
            )
        result = self._result

        def draw() -> tuple[figures.Figure, list[list[Cell]]]:
            return figures.volcano(result, adj_p=adj_p, min_abs_logfc=change), _rows(result, adj_p, change)

        figure, rows = await asyncio.to_thread(draw)
        up, down = counts_at(result, adj_p, change)
        said = (
            f"{counted(up, 'feature')} higher and {down:,} lower at {threshold_text(result, adj_p, change)}."
        )
        self._lead.value = block(el("p", said, role="status"), el("p", _ADVICE, class_="omics-dim"))
        self._trouble.value = ""
        self._volcano.children = [self._linked(FigureView(figure))]
        self.table.show(rows)
        self._mark()

    async def select(self, feature: str) -> None:
        """The values of this feature, by identifier or symbol; marked in the volcano and in the table."""
        known = self._result.table
        if feature not in known.index and "symbol" in known:
            same = known.loc[known["symbol"].astype(str) == feature, self._result.columns.p]
            feature = str(same.idxmin()) if same.notna().any() else feature
        self.selected = self.table.selected = feature
        self._mark()
        study, result = self._study, self._result
        drawn = await asyncio.to_thread(
            figures.gene, study, feature, result.contrast.factor, platform=result.platform
        )
        if self.selected == feature:  # else another was chosen meanwhile
            self._trouble.value = ""
            self._gene.children = [HTML(block(el("h3", self._symbol(feature)))), FigureView(drawn)]

    def _symbol(self, feature: str) -> str:
        """What people call a feature; its identifier where it has no other name."""
        table = self._result.table
        known = "symbol" in table and feature in table.index
        return clean(str(table["symbol"].loc[feature])) if known else clean(feature)

    def _linked(self, view: FigureView) -> FigureView:
        """The figure, whose points can be clicked where it is more than a picture."""
        plot = view.children[0]
        for trace in getattr(plot, "data", ()):
            trace.on_click(self._point_chosen)
        if hasattr(plot, "update_layout"):
            self._names = [name.to_plotly_json() for name in plot.layout.annotations]
        return view

    def _mark(self) -> None:
        """An arrow to the selected feature in the volcano, with its name."""
        plot: Any = self._volcano.children[0].children[0] if self._volcano.children else None
        table, names = self._result.table, self._result.columns
        # A picture takes no mark, and a feature may have no result.
        if not hasattr(plot, "update_layout") or self.selected not in table.index:
            return
        x, p = (float(table[name].loc[self.selected]) for name in (names.change, names.p))
        if not math.isnan(x + p):
            y = -math.log10(max(p, _SMALLEST_P))
            mark = _ARROW | {"x": x, "y": y, "text": escape(self._symbol(self.selected))}
            plot.update_layout(annotations=[*self._names, mark])

    def _row_chosen(self, feature: str) -> None:
        self._post(lambda: self.select(feature))

    def _point_chosen(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds and trace.text is not None:
            name = unescape(str(trace.text[points.point_inds[0]]))
            self._post(lambda: self.select(name))

    def _post(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do this on the loop; a callback may be on another thread. What goes wrong becomes a card."""

        async def guarded() -> None:
            try:
                await work()
            except Exception as error:
                self._trouble.value = error_card(error, "Drawing")

        def begin() -> None:
            task = asyncio.ensure_future(guarded())
            self._kept.add(task)
            task.add_done_callback(self._kept.discard)

        self._loop.call_soon_threadsafe(begin)


def _threshold(label: str, value: float, step: float) -> FloatText:
    made = FloatText(value=value, step=step, description=label, style={"description_width": "initial"})
    return marked(made, "omics-field", "omics-threshold")


def _rows(result: DEResult, adj_p: float, change: float) -> list[list[Cell]]:
    """The features with the smallest P, numbers to three digits as people read them."""
    names = result.columns
    top = result.top(MOST_ROWS)
    symbols = top["symbol"].astype(str) if "symbol" in top else top.index.astype(str)
    rows: list[list[Cell]] = []
    for feature, symbol, fold, p, adjusted in zip(
        top.index, symbols, top[names.change], top[names.p], top[names.adj_p], strict=True
    ):
        passes = adjusted <= adj_p and abs(fold) >= change
        direction = ("higher" if fold > 0 else "lower") if passes else "not significant"
        rows.append([str(feature), str(symbol), _short(fold), _short(p), _short(adjusted), direction])
    return rows


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.3g}")
