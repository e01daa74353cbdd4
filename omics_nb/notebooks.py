"""Where the project's notebooks lie."""

from __future__ import annotations

from pathlib import Path

from .errors import DataError

_PACKAGE = Path(__file__).resolve().parent
#: In an installed wheel, then in a checkout.
_FOLDERS = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")


def find_notebook(name: str = "report.ipynb") -> Path:
    """The project's notebook of this name, in an installed package or a checkout; DataError if in neither."""
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"no notebook {name!r} in {' or '.join(str(folder) for folder in _FOLDERS)}", name=name)
