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
_lock = threading.Lock()


def page_of(notebook: Any, title: str) -> str:
    """The page of a notebook; scripts of other sites are left out, and the browser is told to ask for none."""
    with _lock:  # one exporter, whose templates are compiled once
        html, _ = _exporter().from_notebook_node(notebook, {"metadata": {"name": title}})
    html = _REMOTE.sub("", html)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return html.replace("<head>", f"<head>{policy}", 1)


@lru_cache(1)
def _exporter() -> Any:
    from nbconvert import HTMLExporter

    return HTMLExporter(
        mathjax_url="",
        require_js_url="",
        jquery_url="",
        mermaid_js_url="",
        jupyter_widgets_base_url="",
        html_manager_semver_range="",
    )
