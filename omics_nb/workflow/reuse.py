"""Values that were computed before, found by the key of a step: its code and its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import IntegrityError
from . import tables, values
from .live import Live, Task
from .store import Store
from .values import SKIPPED_TEXT


class Reusable(NamedTuple):
    """A value as text, the sizes of its files, the run that computed it."""

    text: str
    files: dict[str, int]
    run: str


class Reuse:
    """The values of one store; for the thread that writes to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uids: dict[int, str] = {}

    def look_up(self, live: Live, tasks: Sequence[Task]) -> dict[Any, Reusable]:
        """By key, the values of tasks that were computed before and whose files are all there."""
        forced, shared = live.begun.forced, live.begun.shared
        if forced is not None:
            below = (forced + "/", forced + "[")
            tasks = [task for task in tasks if task.path != forced and not task.path.startswith(below)]
        wanted = [task.key for task in tasks if task.key is not None and task.step.options.cache]
        found: dict[Any, tuple[str, str | int]] = {}
        if wanted:
            found.update(self._store.peek(tables.reusable, wanted))
        for task in tasks if shared else ():
            known = shared.get(task.path)
            if known is not None and task.key is not None and known.key == task.key:
                found[task.key] = (known.value or SKIPPED_TEXT, live.row.parent or "")
        usable: dict[Any, Reusable] = {}
        for key, (text, run) in found.items():
            files = self._files(text)
            if files is not None:
                if isinstance(run, int) and run not in self._uids:
                    self._uids[run] = self._store.peek(tables.uid_of, run)
                usable[key] = Reusable(text, files, run if isinstance(run, str) else self._uids[run])
        return usable

    def _files(self, text: str) -> dict[str, int] | None:
        """The files of a value that was kept earlier; None if one is no longer there."""
        if '"$' not in text:
            return {}
        try:
            names = values.file_names(text, self._store.folder)
        except IntegrityError:
            return None
        sizes = self._store.peek(tables.file_sizes, names) if names else {}
        there = set(sizes) == names and all(self._store.folder.has(name, sizes[name]) for name in names)
        return sizes if there else None
