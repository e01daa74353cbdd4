"""The loopback NCBI as pytest fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omics_nb import settings as settings_module
from omics_nb.geo.http import Http
from omics_nb.settings import Settings

from .server import LoopbackNcbi


class Clock:
    """Time that passes only when somebody sleeps; ``slept`` are the sleeps in seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ncbi_http(ncbi_settings: Settings, clock: Clock) -> Iterator[Http]:
    """A connection to ``ncbi_server`` that never really sleeps; half of every jitter."""
    with Http(ncbi_settings, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5) as http:
        yield http


@pytest.fixture(scope="session")
def _ncbi_session(shared: Path) -> Iterator[LoopbackNcbi]:
    with LoopbackNcbi(shared / "geo", shared=shared) as ncbi:
        yield ncbi


@pytest.fixture
def ncbi_server(_ncbi_session: LoopbackNcbi) -> Iterator[LoopbackNcbi]:
    """A server of the real data, without faults and memories of other tests; no limit on requests."""
    _ncbi_session.reset()
    yield _ncbi_session
    _ncbi_session.reset()


@pytest.fixture
def ncbi_settings(ncbi_server: LoopbackNcbi, tmp_path: Path) -> Settings:
    """Settings that point at ``ncbi_server``, with an empty cache of their own."""
    folders = {"OMICS_CACHE": str(tmp_path / "cache"), "OMICS_DATA": str(tmp_path / "data")}
    return settings_module.load(
        {**ncbi_server.environment, **folders, "OMICS_CONFIG": str(tmp_path / "none.toml")}
    )
