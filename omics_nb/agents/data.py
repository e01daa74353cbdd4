"""The data agent: an accession → a verified Study."""

from __future__ import annotations

from pydantic import InstanceOf

from ..records import Hit, Study
from ..sources import open_source


def fetch(study: str | InstanceOf[Hit], *, source: str | None = None) -> InstanceOf[Study]:
    """A study with its samples, matrices, annotation and the provenance of every file.

    ``study`` is an accession ("GSE42872") or a hit, which knows its source. NotFoundError for an accession that the
    source does not have, DataError for files that cannot be trusted.
    """
    if isinstance(study, Hit):
        return open_source(source or study.source).fetch(study.accession)
    return open_source(source).fetch(study)
