"""A dashboard server of the project's own, as `omics-nb dashboard` starts it, for tests that ask it as browsers do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TOKEN = "for-this-test"


@dataclass(frozen=True)
class Dashboard:
    """A running server and how to open a page of it."""

    port: int
    token: str
    process: subprocess.Popen[str]
    said: list[str]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str, **options: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in {"token": self.token, **options}.items())
        return f"{self.origin}{path}?{query}"


@contextmanager
def serving(
    base: Path, notebooks: Path = NOTEBOOKS, *options: str, **environment: str
) -> Iterator[Dashboard]:
    """Notebooks served by the project's own interpreter, with folders of their own below ``base``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", *options]
    folders = {"OMICS_DATA": str(base / "data"), "OMICS_CACHE": str(base / "cache")}
    server = subprocess.Popen(
        [sys.executable, "-m", "omics_widgets.dashboard", str(notebooks), *given],
        env=os.environ | folders | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    said: list[str] = []
    for line in server.stderr:
        said.append(line)
        if "Ctrl-C ends this server" in line:
            break
    else:
        server.wait(30)
        server.stderr.close()
        raise AssertionError("the dashboard did not start:\n" + "".join(said))
    drain = threading.Thread(
        target=lambda: said.extend(server.stderr or ())
    )  # a full pipe would stop the server
    drain.start()
    try:
        yield Dashboard(port, TOKEN, server, said)
    finally:
        server.terminate()  # a suite that a shell started in the background would have its Ctrl-C ignored
        server.wait(30)
        drain.join(30)
        server.stderr.close()
