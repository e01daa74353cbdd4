"""The provisioner that jupyter_client finds by its entry point and a kernelspec chooses by its name.

Interface: https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import List, Unicode

from .owner import CannotForkError, ForkedKernel, fork_kernel

#: What the kernels of this project load anyway. A library that asks at its import whether it is in a notebook (the
#: inline backend of matplotlib, plotly.io) must not be here unless the server tells it so: there it is in none.
PRELOAD = (
    # The kernel itself, and what it would load as it starts.
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "tornado.platform.asyncio",
    "psutil",
    "zmq.utils.garbage",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    # Tables, statistics, figures.
    "numpy",
    "pandas",
    "scipy.stats",
    "formulaic",
    "matplotlib.pyplot",
    # Forms, and what they call.
    "ipywidgets",
    "anywidget",
    "omics_nb.flows",
    "omics_nb.sources.demo",
    "omics_nb.geo.study",
    "omics_widgets.journey",
    "omics_widgets.front",
    "omics_widgets.warm",
)
_told: set[str] = set()


class ForkProvisioner(LocalProvisioner):
    """Launches kernels as forks, and as plain processes where that cannot be."""

    preload = List(
        Unicode(), default_value=list(PRELOAD), config=True, help="Modules that the fork server imports."
    )
    why_plain: str | None = None  # why the kernel is no fork, in a sentence

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel; like a plain one it has its own session, streams, environment and folder."""
        asked = self._scrub_kwargs(kwargs)
        try:
            # A thread: the first kernel of a process waits for the fork server to load its libraries.
            kernel = await asyncio.to_thread(fork_kernel, cmd, tuple(self.preload), **asked)
        except CannotForkError as error:
            self._tell(str(error))
            return await super().launch_kernel(cmd, **kwargs)
        self._adopt(kernel, kwargs)
        return self.connection_info

    def _adopt(self, kernel: ForkedKernel, kwargs: dict[str, Any]) -> None:
        self.process = kernel  # type: ignore[assignment]  # what the base class asks of a Popen, it answers
        self.pid = kernel.pid
        # None, so that signals are sent by the fork server: it alone knows whether the number is still the kernel's.
        self.pgid = None
        self.cwd = kwargs.get("cwd") or pathlib.Path.cwd()

    def _tell(self, why: str) -> None:
        self.why_plain = why
        note = self.log.debug if why in _told else self.log.warning
        _told.add(why)
        note("Kernel %s starts as a plain process: %s", self.kernel_id, why)

    async def get_provisioner_info(self) -> dict[str, Any]:
        """As of any provisioner, with ``why_plain``: None for a fork, else why the kernel is none."""
        return await super().get_provisioner_info() | {"why_plain": self.why_plain}
