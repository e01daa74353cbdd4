"""A real PostgreSQL server in a temporary folder, reached by a socket in that folder and by nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def server_programs() -> Path | None:
    """The folder of initdb and pg_ctl, from Debian's package or the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    there = shutil.which("initdb")
    return found[-1].parent if found else Path(there).parent if there else None


@contextmanager
def running_server(programs: Path, *, fsync: bool = False) -> Iterator[Path]:
    """The folder of a server that runs inside the block."""
    # Not below pytest's own folder: the path of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    options: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        options |= {"user": "postgres", "group": "postgres"}
    subprocess.run([programs / "initdb", "-D", folder / "data", "-U", "omics", "-A", "trust"], **options)
    settings = (
        f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync={'on' if fsync else 'off'}"
    )
    control = [programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", settings, "start"], **options)
    try:
        yield folder
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **options)
        shutil.rmtree(folder)


def new_database(folder: Path, name: str) -> str:
    """The address of an empty database on the server."""
    import psycopg

    with psycopg.connect(f"postgresql:///postgres?host={folder}&user=omics", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return f"postgresql:///{name}?host={folder}&user=omics"
