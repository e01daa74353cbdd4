"""Build the wheel, install it into a clean environment elsewhere, and use it there as a stranger would.

Run by ``make wheel``; needs the package index that pip is set to use. First with the core dependencies alone, then
with the notebook extra, each at the newest versions that pyproject.toml allows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        away = Path(name)
        run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(away / "dist")],
            cwd=ROOT,
        )
        (wheel,) = (away / "dist").glob("*.whl")
        venv.create(away / "env", with_pip=True)
        scripts = away / "env" / "bin"
        environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("OMICS_", "PYTHON", "VIRTUAL_ENV"))
            },
            "OMICS_DATA": str(away / "data"),
            "OMICS_CACHE": str(away / "cache"),
            "OMICS_CONFIG": str(away / "settings.toml"),
            "PYTHONWARNINGS": "default",
        }

        run([scripts / "python", "-m", "pip", "install", "--quiet", wheel], cwd=away)
        found = run(
            [scripts / "omics-nb", "search", "melanoma vemurafenib", "--json"], cwd=away, env=environment
        )
        hits = json.loads(found)["hits"]
        assert hits, "the embedded source found nothing for its own topic"
        run(
            [scripts / "omics-nb", "de", hits[0]["accession"], "--out", "table.csv"],
            cwd=away,
            env=environment,
        )
        assert (away / "table.csv").stat().st_size > 0
        bare = subprocess.run(
            [scripts / "python", "-c", "import omics_widgets"], capture_output=True, text=True
        )
        assert "pip install 'omics-nb[notebook]'" in bare.stderr, "a missing extra must say how to get it"

        run([scripts / "python", "-m", "pip", "install", "--quiet", f"{wheel}[notebook]"], cwd=away)
        run(
            [scripts / "python", "-c", "import omics_widgets; print(omics_widgets.explore)"],
            cwd=away,
            env=environment,
        )
        print(run([scripts / "omics-nb", "demo", "--out", "reports"], cwd=away, env=environment))
        written = sorted(path.suffix for path in (away / "reports").iterdir())
        assert {".html", ".ipynb", ".json", ".csv"} <= set(written), f"the report lacks files: {written}"
        run([scripts / "omics-nb", "doctor"], cwd=away, env=environment)
    print("the wheel works away from its checkout")


def run(command: list[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command printed; a failure shows all that it said."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"{' '.join(map(str, command))}\nfailed with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout


if __name__ == "__main__":
    main()
