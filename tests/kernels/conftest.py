"""Kernels of our kernelspec, started as every Jupyter client starts them, and none of them left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import omics_kernels
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

#: The provisioner in a kernelspec of a test's own, with few libraries, whose server is ready sooner.
FEW = ["ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.debugger", "ipywidgets"]


@dataclass
class Kernel:
    """A kernel and a client of it."""

    manager: KernelManager
    client: BlockingKernelClient

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    @property
    def server(self) -> psutil.Process:
        return psutil.Process(psutil.Process(self.pid).ppid())

    @property
    def why_plain(self) -> str | None:
        return self.manager.provisioner.why_plain

    def run(self, code: str) -> list[dict[str, Any]]:
        """What a cell sends back, message by message, up to its end."""
        asked = self.client.execute(code, stop_on_error=False)
        said = []
        while True:
            message = self.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["content"].get("execution_state") == "idle":
                return said
            said.append(message)

    def text(self, code: str) -> str:
        """What a cell prints; an error is a failure."""
        said = self.run(code)
        errors = [message["content"] for message in said if message["msg_type"] == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return "".join(m["content"]["text"] for m in said if m["msg_type"] == "stream").strip()

    def value(self, code: str) -> Any:
        """The value of an expression that can be JSON."""
        return json.loads(self.text(f"import json; print(json.dumps({code}))"))


Start = Callable[..., Kernel]


@pytest.fixture(autouse=True)
def _our_kernelspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(omics_kernels.JUPYTER_PATH))


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts kernels, by the name of a kernelspec; arguments as of ``KernelManager.start_kernel``."""
    started: list[Kernel] = []

    def start(name: str = omics_kernels.KERNEL, **arguments: Any) -> Kernel:
        manager = KernelManager(kernel_name=name)
        manager.start_kernel(**arguments)
        client = manager.client()
        started.append(Kernel(manager, client))
        client.start_channels()
        client.wait_for_ready(timeout=60)
        return started[-1]

    yield start
    for kernel in started:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
    assert [kernel.pid for kernel in started if lives(kernel.pid)] == []


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a kernelspec whose server loads little."""
    return write_spec(tmp_path, monkeypatch, "few", FEW)


def write_spec(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, preload: list[str]) -> str:
    """A kernelspec like ours with other libraries, where Jupyter finds it."""
    ours = omics_kernels.JUPYTER_PATH / "kernels" / omics_kernels.KERNEL / "kernel.json"
    spec = json.loads(ours.read_text())
    spec["metadata"]["kernel_provisioner"]["config"] = {"preload": preload}
    target = folder / "jupyter" / "kernels" / name
    target.mkdir(parents=True)
    (target / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", os.pathsep.join([str(folder / "jupyter"), os.environ["JUPYTER_PATH"]]))
    return name


def lives(pid: int) -> bool:
    """Whether a process runs; one that its parent has not waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended_by(signum: signal.Signals) -> int:
    return -int(signum)
