"""A store of its own for every test, let go of at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omics_nb import workflow


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "runs.sqlite"
    yield path
    workflow.close_store(path)
