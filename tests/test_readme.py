"""The README's Python does what it says: every block is run as it stands, on the embedded studies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_project import ROOT

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
IN_CELLS = [block for block in BLOCKS if "omics_nb.workflow" not in block]
RUNNER = [block for block in BLOCKS if "omics_nb.workflow" in block]
# These ask NCBI, or work on what NCBI gave.
NEEDS_NETWORK = re.compile(r"^.*(?:source=\"ncbi\"|\badata\b).*$", re.M)


def test_the_blocks_for_cells_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in IN_CELLS:
        exec(compile(NEEDS_NETWORK.sub("", block), "README.md", "exec"), names)
    assert {"hits", "study", "result", "query", "meta", "run"} <= set(names)
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "volcano.svg").is_file()


@pytest.mark.parametrize("block", RUNNER, ids=lambda block: "runner")
def test_the_runner_alone_runs_as_a_script(block: str, tmp_path: Path) -> None:
    script = tmp_path / "lengths.py"
    script.write_text(block + "    print(run.result())\n")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("3", "")
