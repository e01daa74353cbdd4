"""Builds the compiled reader of rows into the wheel, or leaves it out: omics_nb reads the same without it, only slower.

The C compiler is ``CC``, else Python's own, else ``cc``; with ``OMICS_COMPILED=0`` none is asked. For another platform
than this one, ``make wheels`` sets ``CC`` to a cross compiler and ``OMICS_PLATFORM`` to the platform's tag.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "omics_nb/geo/rows.c"
LIBRARY = "omics_nb/geo/_rows.so"


class CompiledRows(BuildHookInterface):
    """https://hatch.pypa.io/latest/plugins/build-hook/custom/"""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("OMICS_COMPILED") == "0":
            return
        root, platform = Path(self.root), os.environ.get("OMICS_PLATFORM")
        self.folder = Path(tempfile.mkdtemp())
        library = root / LIBRARY if version == "editable" else self.folder / Path(LIBRARY).name
        compiler = _compiler()
        problem = _build(compiler, root / SOURCE, library) if compiler else "no C compiler was found"
        if problem and platform:
            raise RuntimeError(f"the reader of rows could not be built for {platform}: {problem}")
        if problem:
            # One that was built before may be of another source.
            library.unlink(missing_ok=True)
            self.app.display_warning(f"omics_nb is installed without its compiled reader of rows: {problem}")
        elif version != "editable":
            tag = platform or sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data |= {"pure_python": False, "tag": f"py3-none-{tag}"}
            build_data["force_include"][str(library)] = LIBRARY

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


def _compiler() -> list[str]:
    """The words of the command, or none where there is no compiler."""
    if sys.platform == "win32" and "CC" not in os.environ:
        return []
    for said in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc"):
        words = shlex.split(said or "")
        if words and shutil.which(words[0]):
            return words
    return []


def _build(compiler: list[str], source: Path, library: Path) -> str:
    """What went wrong, or nothing."""
    position = [] if "windows" in " ".join(compiler) else ["-fPIC"]
    command = [*compiler, "-O3", "-shared", *position, "-fvisibility=hidden", "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{' '.join(command)}: {done.stderr.strip()[-500:]}" if done.returncode else ""
