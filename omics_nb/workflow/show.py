"""A run as HTML: state, progress, one row a step; everything escaped, for names and errors come from anywhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .run import Run

_COLOURS = {
    "done": "#2e7d32",
    "reused": "#00695c",
    "skipped": "#757575",
    "running": "#1565c0",
    "failed": "#c62828",
    "retrying": "#ef6c00",
    "cancelled": "#6d4c41",
    "interrupted": "#ef6c00",
}


def run_html(run: Run) -> str:
    """A bar and a table; the words carry all that the colours do."""
    state, progress, error = run.state, run.progress, run.error
    rows = "".join(
        f"<tr><td style='text-align:left'>{escape(info.path)}</td><td>{_state(info.state)}</td>"
        f"<td>{'' if info.seconds is None else f'{info.seconds:.2f} s'}</td>"
        f"<td style='text-align:left'>{escape(_remark(info.source, info.error, info.attempt))}</td></tr>"
        for info in run.steps.values()
    )
    return (
        f"<div><b>{escape(run.flow_name)}</b> run {escape(run.id)}: {_state(state)} "
        f"<progress max='100' value='{progress:.1f}' aria-label='progress of the run'></progress> {progress:.0f}%"
        + (f"<div style='color:{_COLOURS['failed']}'>{escape(error)}</div>" if error else "")
        + "<table><thead><tr><th style='text-align:left'>step</th><th>state</th><th>time</th>"
        f"<th style='text-align:left'>remark</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _state(state: str) -> str:
    return f"<span style='color:{_COLOURS.get(state, 'inherit')}'>{escape(state)}</span>"


def _remark(source: str | None, error: str | None, attempt: int) -> str:
    told = [error or "", f"from run {source}" if source else "", f"attempt {attempt}" if attempt > 1 else ""]
    return "; ".join(part for part in told if part)
