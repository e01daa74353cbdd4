"""What is known of the files of a study in a folder, believed while they are unchanged: nothing is hashed twice.

A file is unchanged if its size, times and inode are, as in git's index; and as there, a file that was changed just
before it was hashed is not believed, for it may have been changed once more within the same tick of its clock
(https://git-scm.com/docs/racy-git).
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..records import FileRecord
from .files import LocalFile, local_file
from .parsed import code_version

# FAT, the coarsest of the usual file systems, keeps times to two seconds.
_TICK_NS = 2_000_000_000

_NOTHING: dict[str, dict[str, Any]] = {"files": {}, "platforms": {}}

_log = logging.getLogger(__name__)


class Digests:
    """The files of one study. What was found out is kept in the file ``kept_in`` by ``save``."""

    def __init__(self, kept_in: Path) -> None:
        self._kept_in = kept_in
        self._before = _load(kept_in)
        self._now: dict[str, dict[str, Any]] = {"files": {}, "platforms": {}}

    def local_file(self, path: Path) -> LocalFile:
        """As ``files.local_file``, and hashed only if it is new or changed."""
        now = time.time_ns()
        stamp = _stamp(path)
        known = self._before["files"].get(str(path))
        if known is None or known[0] != stamp:
            file = local_file(path)
            if stamp is None or stamp[1] > now - _TICK_NS:
                return file
            known = [stamp, list(astuple(file.record))]
        self._now["files"][str(path)] = known
        return LocalFile(path, FileRecord(*known[1]))

    def platforms(
        self, files: Sequence[LocalFile], read: Callable[[], Sequence[str] | None]
    ) -> Sequence[str]:
        """What ``read`` says of these files, asked once for each content of theirs; None is no answer to keep."""
        content = sha256("".join(file.record.sha256 for file in files).encode()).hexdigest()
        found = self._before["platforms"].get(content)
        if found is None:
            found = read()
        if found is not None:
            self._now["platforms"][content] = list(found)
        return found or ()

    def save(self) -> None:
        """Keep what is known for the next time, if it is not kept already."""
        if self._now == self._before:
            return
        try:
            self._kept_in.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix=".digests-", dir=self._kept_in.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump({"code": code_version(), **self._now}, stream)
                Path(part).replace(self._kept_in)
            finally:
                with suppress(FileNotFoundError):
                    Path(part).unlink()
        except OSError as error:
            _log.warning(
                "digests of files cannot be kept in %s (%s); they are hashed again next time",
                self._kept_in.parent,
                error,
            )


def _stamp(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _load(path: Path) -> dict[str, Any]:
    """What was kept; nothing where there is no such file or it is not ours: then all is found out anew."""
    try:
        kept = json.loads(path.read_bytes())
        return {name: kept[name] for name in _NOTHING} if kept["code"] == code_version() else _NOTHING
    except (OSError, ValueError, KeyError, TypeError):
        return _NOTHING
