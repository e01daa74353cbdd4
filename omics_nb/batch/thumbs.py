"""A small picture of a notebook: its first figure."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

_WIDTH = 320


def write_thumb(notebook: Any, folder: Path) -> str | None:
    """Write the first picture among the outputs, small; its name, None where there is none that can be read."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            written = output.get("data", {}).get("image/png")
            if isinstance(written, str):
                return _shrunk(written, folder)
    return None


def _shrunk(written: str, folder: Path) -> str | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(base64.b64decode(written))) as picture:
            picture.thumbnail((_WIDTH, _WIDTH))
            folder.mkdir(parents=True, exist_ok=True)
            picture.convert("RGBA").save(folder / "thumb.png", optimize=True)
    except (binascii.Error, UnidentifiedImageError, Image.DecompressionBombError, OSError):
        return None  # what is no picture has no small one
    return "thumb.png"
