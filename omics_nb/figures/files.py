"""Figures as files: .svg, .png, and .csv for the data that they show."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from .figure import Figure


def save(figure: Figure, path: Path) -> Path:
    """Write the figure in the format of the path's suffix; folders are made. DataError for another suffix."""
    suffix = path.suffix.casefold()
    if suffix not in {".svg", ".png", ".csv"}:
        raise DataError(
            f"a figure is saved as .svg, .png or .csv (its data), not {path.name!r}", path=str(path)
        )
    made = figure.to_png() if suffix == ".png" else _text(figure, suffix).encode("utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}", path=str(path)) from error
    return path


def _text(figure: Figure, suffix: str) -> str:
    return (
        csv_text(figure)
        if suffix == ".csv"
        else f"<?xml version='1.0' encoding='utf-8'?>\n{figure.to_svg()}\n"
    )


def csv_text(figure: Figure) -> str:
    """The data as CSV: numbers with all digits, text quoted and as it is, missing values as NA."""
    text: str = figure.data.to_csv(
        index=False, na_rep="NA", quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"
    )
    return text
