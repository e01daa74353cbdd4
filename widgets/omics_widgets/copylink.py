"""A button that copies the address of a page with its form filled in, for a mail, a lab book or a colleague.

The page's own address may follow it, so that a reload comes back to where a person was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from traitlets import Bool, Unicode

from . import links


class LinkButton(AnyWidget):
    """Copies ``link``, made absolute in the browser; a page that may not use the clipboard shows it to be copied.

    With ``remember`` a dashboard's own address becomes the link's, whenever that changes.

    ::

        button = LinkButton("explore.ipynb", question="asthma")
        button.point_to(question="asthma, human", source="demo")
    """

    _esm = Path(__file__).with_name("copylink.js")
    _css = Path(__file__).with_name("copylink.css")
    link = Unicode("").tag(sync=True)
    label = Unicode("Copy link").tag(sync=True)
    remembered = Bool(False).tag(sync=True)

    def __init__(self, notebook: str, *, remember: bool = False, **parameters: Any) -> None:
        self._notebook = notebook
        super().__init__(link=links.link(notebook, **parameters), remembered=remember)

    def point_to(self, **parameters: Any) -> None:
        """What the link fills in from now on; SettingsError if the notebook does not take that from an address."""
        self.link = links.link(self._notebook, **parameters)

    def __repr__(self) -> str:
        return f"LinkButton({self.link!r})"
