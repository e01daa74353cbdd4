"""Notebooks as dashboards, on this machine: ``python -m omics_widgets.dashboard [FOLDER] [Voila's options]``.

Voila (https://voila.readthedocs.io) with what a shared page needs: no request to other hosts, sources and
tracebacks hidden, no files served, a token, kernels that end when their page is closed or forgotten.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from traitlets.config import Config

IDLE_S = 900  # a page that nobody uses loses its kernel after this long; one that is connected keeps it


def config() -> Config:
    """The settings of a dashboard server; options of the command line win over them."""
    return Config(
        Voila={"ip": "127.0.0.1", "open_browser": False, "auto_token": True},
        VoilaConfiguration={
            "template": "omics",
            "classic_tree": True,
            # Extensions for JupyterLab that a dashboard does not need only delay its page.
            "extension_allowlist": [
                "@jupyter-widgets/jupyterlab-manager",
                "@voila-dashboards/widgets-manager8",
                # Widgets of anywidget, such as plotly's figures, and figures that a cell shows.
                "anywidget",
                "jupyterlab-plotly",
            ],
            "file_allowlist": [],
            "strip_sources": True,
            "show_tracebacks": False,
            "prelaunch_hook": _give_xsrf_cookie,
            "page_config_hook": _without_other_hosts,
        },
        KernelManager={"transport": "ipc"} if sys.platform == "linux" else {},
        MappingKernelManager={"cull_idle_timeout": IDLE_S, "cull_interval": 60, "cull_connected": False},
    )


def _give_xsrf_cookie(request: Any, **_: Any) -> None:
    # Reading the token sets its cookie; without it the page's own call to shut its kernel down is refused.
    request.xsrf_token  # noqa: B018 - reading is the deed


def _without_other_hosts(page: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
    # MathJax would come from a CDN, at the first formula on a page.
    return page | {
        "disabledExtensions": [*page.get("disabledExtensions", []), "@jupyterlab/mathjax2-extension:plugin"]
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    from voila.app import Voila

    own = str(files(__package__).joinpath("jupyter"))
    others = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = f"{own}{os.pathsep}{others}" if others else own
    Voila.launch_instance(list(sys.argv[1:] if arguments is None else arguments), config=config())


if __name__ == "__main__":
    main()
