"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import running_server, server_programs

pytest_plugins = ("tests.ncbi.fixtures",)

PROJECT = Path(__file__).resolve().parent.parent

# What a user may have set, and no test should meet.
_SETTINGS = (
    "OMICS_SOURCE",
    "OMICS_STORE",
    "OMICS_VALUES",
    "OMICS_CACHE_LIMIT",
    "OMICS_EMAIL",
    "NCBI_API_KEY",
    "OMICS_EUTILS_URL",
    "OMICS_GEO_URL",
    "OMICS_GEO_WEB_URL",
)

# A shell lets what it starts in the background ignore Ctrl-C, and its children inherit that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that lies beside the project, or a skip that says how to name it."""
    folder = Path(os.environ.get("OMICS_SHARED", PROJECT.parent / "shared"))
    if not (folder / "geo").is_dir():
        pytest.skip(
            f"no real data at {folder}; set OMICS_SHARED to the folder that holds geo/ and reference/"
        )
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """The folder of a PostgreSQL server, or a skip that says what to install."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'omics-nb[postgres]'")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    with running_server(programs) as folder:
        yield folder


@pytest.fixture(scope="session", autouse=True)
def _default_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and fixtures that several share, write below pytest's own folder and start from the default settings."""
    base = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        for name in _SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("OMICS_CONFIG", str(base / "no-settings.toml"))
        patch.setenv("OMICS_DATA", str(base / "data"))
        # Shared by all tests of a session: the demo archive is generated once.
        patch.setenv("OMICS_CACHE", str(base / "cache"))
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has runs of its own."""
    monkeypatch.setenv("OMICS_DATA", str(tmp_path_factory.mktemp("data")))
