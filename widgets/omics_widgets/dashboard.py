"""Notebooks as dashboards and in JupyterLab, from one server: ``omics-nb dashboard``.

A Jupyter server (https://jupyter-server.readthedocs.io) with JupyterLab and Voila
(https://voila.readthedocs.io) as its extensions, and with what a shared page needs: no request to other hosts,
sources and tracebacks hidden, no files served, a token, kernels that start at once and end when their page is
closed or forgotten. ``python -m omics_widgets.dashboard FOLDER [OPTION …]`` is the same, with the options of Jupyter.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import secrets
import shutil
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import omics_kernels
from jinja2.bccache import Bucket, BytecodeCache
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_server.serverapp import ServerApp
from omics_kernels.owner import CannotForkError, warm
from omics_kernels.provisioner import PRELOAD
from tornado.web import Finish
from traitlets.config import Config
from voila import notebook_renderer
from voila.exporter import VoilaExporter

from omics_nb import settings
from omics_nb.errors import SettingsError
from omics_nb.notebooks import find_notebook

from .links import fill

IDLE_S = 900  # a page that nobody uses loses its kernel after this long; one that is connected keeps it
HOME = "Home.ipynb"


def config() -> Config:
    """The settings of the server; options of the command line win over them."""
    return Config(
        ServerApp={
            "ip": "127.0.0.1",
            "open_browser": False,
            "answer_yes": True,
            "log_level": "WARN",
            "jpserver_extensions": {"jupyterlab": True, "voila.server_extension": True},
        },
        # Made here, so that the server need not tell of it in many lines of its own.
        IdentityProvider={"token": os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)},
        LabApp={
            "log_level": "WARN",
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        },
        VoilaConfiguration={
            "template": "omics",
            "allow_template_override": "NO",
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
            "prelaunch_hook": _before_a_page,
            "page_config_hook": _without_other_hosts,
        },
        VoilaExecutor={
            "cell_error_instruction": "Whoever runs this dashboard finds what went wrong in its log."
        },
        KernelProvisionerFactory={"default_provisioner_name": omics_kernels.PROVISIONER},
        KernelManager={"transport": "ipc"} if sys.platform == "linux" else {},
        MappingKernelManager={"cull_idle_timeout": IDLE_S, "cull_interval": 60, "cull_connected": False},
    )


def _before_a_page(request: Any, notebook: Any, **_: Any) -> Any:
    """What Voila does before it starts a page's kernel: the notebook, with what the address says in its parameters."""
    given = {name: request.get_query_arguments(name) for name in request.request.query_arguments}
    if given.pop("token", None):
        # It is in a cookie now; in the address it would be copied, and the kernel would be told of it.
        query = urlencode(given, doseq=True)
        request.redirect(request.request.path + (f"?{query}" if query else ""))
        raise Finish
    # Reading the token sets its cookie; without it the page's own call to shut its kernel down is refused.
    request.xsrf_token  # noqa: B018 - reading is the deed
    return fill(notebook, {name: values[-1] for name, values in given.items()})


def _without_other_hosts(page: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
    # Told of no address, Voila's page typesets formulas by the MathJax that it brings, not by one from elsewhere.
    return page | {"fullMathjaxUrl": "null", "mathjaxConfig": "null"}


class _Compiled(BytecodeCache):
    """Templates that were compiled once in this process."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        code = self._codes.get((bucket.key, bucket.checksum))
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


class QuickExporter(VoilaExporter):
    """Voila's exporter, which would compile its fifteen templates anew for every page: a third of its work."""

    compiled = _Compiled()

    def _create_environment(self) -> Any:
        environment = super()._create_environment()
        environment.bytecode_cache = self.compiled
        return environment


class Dashboard(ServerApp):
    """The server; it says in a few lines where it is, and has a kernel's libraries loaded before a page asks."""

    name = "omics-dashboard"
    description = "Notebooks as dashboards and in JupyterLab, from one server."

    def start_app(self) -> None:
        """As of any server, with our words where it has said its own."""
        self.log.addFilter(_worth_reading)
        super().start_app()
        if (
            KernelProvisionerFactory.instance(parent=self).default_provisioner_name
            == omics_kernels.PROVISIONER
        ):
            threading.Thread(target=_warm, name="warm-kernels", daemon=True).start()
        print(*self.told(), sep="\n", file=sys.stderr, flush=True)

    def told(self) -> list[str]:
        """Where the server is, and what its user should know, in lines."""
        token = f"?token={self.identity_provider.token}" if self.identity_provider.token else ""
        local = f"{self.connection_url}{token}"
        lines = [
            f"The dashboard is running at {local}",
            f"JupyterLab is at {self.connection_url}lab{token}",
            f"Notebooks: {self.root_dir}. Ctrl-C ends this server and its kernels.",
        ]
        if self.ip not in {"127.0.0.1", "localhost", "::1"}:
            lines[0] = f"The dashboard is running at {self.public_url}{token}"
            lines.append(
                f"It listens on all networks of this machine ({self.ip}), and what is sent is not encrypted. "
                f"Whoever has the address with its token can run any program as {getpass.getuser()}."
            )
        if _is_root():
            lines.append(
                "You are root: a cell may do anything to this machine. A user of its own for this would be safer."
            )
        return lines


def _worth_reading(record: logging.LogRecord) -> bool:
    # Trust is about outputs that a file brings along; a page shows none of them.
    return not record.getMessage().endswith(" is not trusted")


def _warm() -> None:
    # Without a fork server kernels start all the same, and their log says what was wrong.
    with contextlib.suppress(CannotForkError):
        warm([sys.executable, "-m", "ipykernel_launcher"], PRELOAD)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def notebooks_folder(given: Path | None = None) -> Path:
    """The folder to serve: ``given``, or a checkout's, or a copy in the data folder of what was installed.

    Copies that are there already are left as they are, for they are yours. SettingsError if ``given`` is no folder.
    """
    if given is not None:
        if not given.is_dir():
            raise SettingsError(f"there is no folder {given}; name one that holds notebooks", path=given)
        return given.resolve()
    ours = find_notebook(HOME).parent
    if ours.name != "_notebooks":
        return ours
    mine = settings.load().data / "notebooks"
    mine.mkdir(parents=True, exist_ok=True)
    for notebook in ours.glob("*.ipynb"):
        if not (mine / notebook.name).exists():
            shutil.copyfile(notebook, mine / notebook.name)
    return mine


def serve(
    notebooks: Path | None = None,
    *,
    port: int | None = None,
    public: bool = False,
    lab: bool = False,
    options: Sequence[str] = (),
) -> None:
    """Serve until interrupted; the front page is ``Home.ipynb``, or JupyterLab with ``lab``.

    ``port`` must be free; without it the first free one from 8888 on is taken. ``public`` listens on all networks.
    ``options`` are Jupyter's. SettingsError for a folder that is not there, and for root on all networks.
    """
    if public and _is_root():
        raise SettingsError(
            "root must not serve to a network: any cell could do anything; use a user of its own"
        )
    folder = notebooks_folder(notebooks)
    chosen = config()
    front = "/lab" if lab else f"/voila/render/{HOME}" if (folder / HOME).is_file() else "/voila"
    chosen.ServerApp.update(root_dir=str(folder), default_url=front, allow_root=_is_root())
    if port is not None:
        chosen.ServerApp.update(port=port, port_retries=0)
    if public:
        chosen.ServerApp.update(ip="0.0.0.0", allow_remote_access=True)  # noqa: S104 - it was asked for
    _let_jupyter_find_ours()
    notebook_renderer.VoilaExporter = QuickExporter  # it asks for no other by its settings
    warnings.filterwarnings(
        "ignore", category=DeprecationWarning, module="traitlets"
    )  # which Voila asks to see
    Dashboard.launch_instance(list(options), config=chosen)


def _let_jupyter_find_ours() -> None:
    """Our template, kernelspec and settings of Lab, also where they are not installed as Jupyter's own."""
    own = files(__package__).joinpath("jupyter")
    for variable, folders in {
        "JUPYTER_PATH": [own, omics_kernels.JUPYTER_PATH],
        "JUPYTER_CONFIG_PATH": [own.joinpath("etc")],
    }.items():
        others = [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
        os.environ[variable] = os.pathsep.join([*map(str, folders), *others])


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m omics_widgets.dashboard [FOLDER] [Jupyter's options]``."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    folder = Path(words.pop(0)) if words and not words[0].startswith("-") else None
    serve(folder, options=words)


if __name__ == "__main__":
    main()
