"""An executed notebook as an HTML page that opens offline, by nbconvert, https://nbconvert.readthedocs.io."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

#: The page may show and run what it holds itself, and ask nobody for anything.
_POLICY = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; font-src data:; "
    "script-src 'unsafe-inline' 'unsafe-eval' data: blob:; media-src data:; connect-src data: blob:; form-action 'none'"
)
_REMOTE = re.compile(
    r'<script[^>]*\bsrc="(?:https?://[^"]*)?"[^>]*>\s*</script>|<link[^>]*\bhref="https?://[^>]*>'
)
_SILENT_IMAGE = re.compile(r"<img\b(?![^>]*\balt\s*=)")
#: What a keyboard must reach to scroll in it.
_SCROLLS = re.compile(r'<div class="((?:[\w-]+ )*(?:jp-Cell-inputWrapper|jp-OutputArea-output)(?: [\w-]+)*)"')
_lock = threading.Lock()


def page_of(notebook: Any, title: str) -> str:
    """The page of a notebook; scripts of other sites are left out, and the browser is told to ask for none."""
    with _lock:  # one exporter, whose templates are compiled once
        html, _ = _exporter().from_notebook_node(notebook, {"metadata": {"name": title}})
    html = _REMOTE.sub("", html)
    html = _SILENT_IMAGE.sub('<img alt="a figure without a description"', html)
    html = _SCROLLS.sub(r'<div tabindex="0" class="\1"', html)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return html.replace("<head>", f"<head>{policy}", 1)


@lru_cache(1)
def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters.highlight import Highlight2HTML
    from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

    exporter: Any = HTMLExporter

    class Page(exporter):  # type: ignore[misc]
        """As its base, which then takes the whole page apart for what three expressions above do as well."""

        def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> Any:
            language = nb.metadata.get("language_info", {})
            lexer = language.get("pygments_lexer", language.get("name"))
            resources = self._init_resources(resources)
            kinds = WidgetsDataTypeFilter(
                notebook_metadata=self._nb_metadata, parent=self, resources=resources
            )
            self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=self))
            self.register_filter("filter_data_type", kinds)
            return TemplateExporter.from_notebook_node(self, nb, resources, **kw)

    return Page(
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
        jupyter_widgets_base_url="",
        html_manager_semver_range="",
    )
