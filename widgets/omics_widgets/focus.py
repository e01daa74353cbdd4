"""Where a keyboard goes on once the control that had the focus is gone: the part that has appeared."""

from __future__ import annotations

from pathlib import Path

from anywidget import AnyWidget
from traitlets import Int, Unicode


class Focus(AnyWidget):
    """Shows nothing; ``to(selector)`` moves the focus there as soon as that is on the page.

    A plain message could come before the part has been drawn, and what is not drawn takes no focus.
    """

    _esm = Path(__file__).with_name("focus.js")
    target = Unicode("").tag(sync=True)
    asked = Int(0).tag(sync=True)

    def to(self, selector: str) -> None:
        """Focus what matches on the same page, unless the person has gone elsewhere meanwhile."""
        with self.hold_sync():
            self.target = selector
            self.asked += 1

    def __repr__(self) -> str:
        return f"Focus({self.target!r})"
