"""Where the project's notebooks lie, and what a notebook says that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import DataError, MissingExtraError

_PACKAGE = Path(__file__).resolve().parent
#: In an installed wheel, then in a checkout.
_FOLDERS = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")


def find_notebook(name: str = "report.ipynb") -> Path:
    """The project's notebook of this name, in an installed package or a checkout; DataError if in neither."""
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"no notebook {name!r} in {' or '.join(str(folder) for folder in _FOLDERS)}", name=name)


def declared_parameters(notebook: Path) -> dict[str, dict[str, Any]]:
    """What the notebook's cell tagged ``parameters`` declares: name → name, inferred type, default, help."""
    try:
        import papermill
    except ImportError as error:
        raise MissingExtraError(
            "papermill is needed to read a notebook's parameters; run: pip install 'omics-nb[notebook]'",
            extra="notebook",
        ) from error
    if not notebook.is_file():
        raise DataError(f"no notebook at {notebook}", path=notebook)
    # papermill fills {names} in paths; a path is meant as it is here.
    path = str(notebook).replace("{", "{{").replace("}", "}}")
    found: dict[str, dict[str, Any]] = papermill.inspect_notebook(path)
    return found
