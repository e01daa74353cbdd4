"""Every benchmark, one after another, and the table of files: ``make bench``.

Each benchmark prints ratios against a limit or a peer in one run.
"""

from __future__ import annotations

import runpy
from pathlib import Path

folder = Path(__file__).parent
for script in [*sorted(folder.glob("bench_*.py")), folder / "compare_files.py"]:
    print(f"\n== {script.stem.removeprefix('bench_')}\n", flush=True)
    runpy.run_path(str(script), run_name="__main__")
