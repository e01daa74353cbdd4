"""Kernels that start at once: forks of a process that has loaded the libraries already.

A kernelspec asks for them by name, so JupyterLab, Voila, papermill, nbclient and nbval use them unchanged::

    papermill --kernel omics explore.ipynb out.ipynb          # our kernelspec
    JUPYTER_DEFAULT_PROVISIONER_NAME=omics-fork jupyter lab   # every Python kernel of this environment

Each process that starts kernels owns one fork server for each way of starting them (interpreter, libraries,
variables that Python and the libraries read when they load). Where there is no fork to be had, the same
kernel starts as a plain process, and the log says why. Nothing here knows of ``omics_nb``; the libraries to load are
names in the kernelspec or :data:`omics_kernels.provisioner.PRELOAD`.
"""

from __future__ import annotations

from pathlib import Path

KERNEL = "omics"  # the name of our kernelspec
PROVISIONER = "omics-fork"  # the name of the entry point in jupyter_client.kernel_provisioners
JUPYTER_PATH = Path(__file__).parent / "jupyter"  # holds kernels/omics, for where no wheel has installed it
