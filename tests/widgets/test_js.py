"""The scripts of the pieces, tested by node's own runner; Playwright brings a node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("js")


def test_the_scripts_of_the_pieces_pass_their_own_tests() -> None:
    driver = pytest.importorskip(
        "playwright._impl._driver", reason="playwright brings the node that runs them"
    )
    node, _ = driver.compute_driver_executable()
    files = sorted(map(str, FOLDER.glob("*.test.mjs")))
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", *files], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout
