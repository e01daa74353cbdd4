"""Outputs that are too large for a notebook go to files beside it, whole; the notebook says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

STREAM_BYTES = 1_000_000
DATA_BYTES = 16_000_000
_SUFFIXES = {
    "text/html": ".html",
    "image/png": ".png.base64",
    "image/svg+xml": ".svg",
    "text/plain": ".txt",
    "application/json": ".json",
}


class Overflow:
    """What the cells of one notebook put out beyond its limits, in files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, int] = {}
        self._sizes: dict[tuple[int, str], int] = {}
        self._open: dict[tuple[int, str], IO[str]] = {}

    def stream(self, cell: int, name: str, text: str, kept: list[Any]) -> str:
        """What of a stream's next piece belongs to the notebook; ``kept`` are the outputs of that cell so far."""
        at = (cell, name)
        size = self._sizes.get(at, 0) + len(text)
        self._sizes[at] = size
        if at in self._open:
            self._open[at].write(text)
            return ""
        if size <= STREAM_BYTES:
            return text
        before = "".join(
            out["text"] for out in kept if out.get("output_type") == "stream" and out["name"] == name
        )
        path = self.folder / f"cell-{cell}-{name}.txt"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open[at] = file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        file.write(before)
        file.write(text)
        room = max(STREAM_BYTES - len(before), 0)
        where = f"{self.folder.name}/{path.name}"
        return f"{text[:room]}\n… more than {STREAM_BYTES / 1e6:.0f} MB; all of it is in {where}\n"

    def data(self, cell: int, number: int, bundle: dict[str, Any]) -> dict[str, Any]:
        """A bundle of representations without those that are too large, which are written to files."""
        large = {kind: value for kind, value in bundle.items() if _size(value) > DATA_BYTES}
        if not large:
            return bundle
        self.folder.mkdir(parents=True, exist_ok=True)
        notes = []
        for kind, value in large.items():
            path = self.folder / f"cell-{cell}-{number + 1}{_SUFFIXES.get(kind, '.json')}"
            path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
            self.files[path.name] = path.stat().st_size
            notes.append(
                f"({kind}, {path.stat().st_size / 1e6:.0f} MB, is in {self.folder.name}/{path.name})"
            )
        left = {kind: value for kind, value in bundle.items() if kind not in large}
        shown = left.get("text/plain", "")
        return {**left, "text/plain": "\n".join([*([shown] if shown else []), *notes])}

    def close(self) -> None:
        """Finish the files."""
        for (cell, name), file in self._open.items():
            file.close()
            written = self.folder / f"cell-{cell}-{name}.txt"
            self.files[written.name] = written.stat().st_size
        self._open.clear()


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value))
