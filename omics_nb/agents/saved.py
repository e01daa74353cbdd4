"""Searches kept by name: what is found now, and what of it is new since the last time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, InstanceOf

from .. import settings
from ..errors import DataError, NotFoundError, QuestionError
from ..records import Hit, Hits, Query
from ..terms import understand
from .search import search

_NAME = re.compile(r"[A-Za-z0-9][\w .-]{0,79}", re.ASCII)


class Seen(NamedTuple):
    """When a search first and last found a study, as ISO times in UTC."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """``hits`` as found now. ``new`` were not found before; ``gone`` were found before and are not now.

    Both are among the first ``limit`` only: a study can be gone because others came before it. ``seen`` has every
    study that the search ever found.
    """

    name: str
    hits: Hits
    new: tuple[Hit, ...]
    gone: tuple[str, ...]
    seen: Mapping[str, Seen]

    def __str__(self) -> str:
        listed = [f"  {hit}" for hit in self.new]
        gone = [f"no longer found: {', '.join(self.gone)}"] if self.gone else []
        asked = f"for {self.hits.query.text!r} in {self.hits.source}"
        first = f"{self.name}: {len(self.hits)} studies, {len(self.new)} new, {asked}"
        return "\n".join([first, *listed, *gone])


def save_search(
    name: str,
    question: str | InstanceOf[Query],
    *,
    source: str | None = None,
    limit: Annotated[int, Field(ge=1)] = 20,
) -> InstanceOf[SavedSearch]:
    """Search, and keep question, source and what was found under ``name``; a search of that name is replaced.

    QuestionError for a name that could not be that of a file.
    """
    path = _path(name)
    query = question if isinstance(question, Query) else understand(question)
    asked = source or settings.load().source
    return _run(path, name, query, asked, limit, {}, ())


def saved_search(name: str) -> InstanceOf[SavedSearch]:
    """The search of this name, asked again, with what is new since the last time. NotFoundError lists the names."""
    path = _path(name)
    if not path.exists():
        have = ", ".join(saved_names()) or "none"
        raise NotFoundError(f"no saved search {name!r}; have {have}", name=name)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        query, source, limit = Query.from_json(kept["query"]), str(kept["source"]), int(kept["limit"])
        seen = {accession: Seen(*times) for accession, times in kept["seen"].items()}
        found = [str(accession) for accession in kept["found"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, QuestionError) as error:
        raise DataError(
            f"the saved search {path} cannot be read: {error}; save it anew", file=str(path)
        ) from error
    return _run(path, name, query, source, limit, seen, found)


def saved_names() -> tuple[str, ...]:
    """The names of the saved searches, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.json")))


def _run(
    path: Path,
    name: str,
    query: Query,
    source: str,
    limit: int,
    before: Mapping[str, Seen],
    last: Sequence[str],
) -> SavedSearch:
    hits = search(query, source=source, limit=limit)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found = {
        hit.accession: Seen(before[hit.accession].first if hit.accession in before else now, now)
        for hit in hits
    }
    seen = {**before, **found}
    _keep(
        path, {"query": query.to_json(), "source": source, "limit": limit, "found": list(found), "seen": seen}
    )
    new = tuple(hit for hit in hits if hit.accession not in before)
    return SavedSearch(name, hits, new, tuple(item for item in last if item not in found), seen)


def _keep(path: Path, kept: Mapping[str, object]) -> None:
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"the search cannot be saved in {path}: {error.strerror or error}") from error


def _folder() -> Path:
    return settings.load().data / "searches"


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise QuestionError(
            f"a search is saved under up to 80 letters, digits, blanks, '.', '-' and '_', not {name[:90]!r}"
        )
    return _folder() / f"{name}.json"
