"""Every benchmark, one after another: ``make bench``. Each prints ratios against a limit or a peer in one run."""

from __future__ import annotations

import runpy
from pathlib import Path

for script in sorted(Path(__file__).parent.glob("bench_*.py")):
    print(f"\n== {script.stem.removeprefix('bench_')}\n", flush=True)
    runpy.run_path(str(script), run_name="__main__")
