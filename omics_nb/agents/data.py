"""The data agent: an accession → a verified Study."""

from __future__ import annotations

from pydantic import InstanceOf

from ..analysis.groups import with_proposed_groups
from ..errors import AgentError
from ..records import Hit, Study
from ..sources import open_source


def fetch(study: str | InstanceOf[Hit], *, source: str | None = None) -> InstanceOf[Study]:
    """A study with its samples, matrices, annotation and the provenance of every file.

    ``study`` is an accession ("GSE42872") or a hit, which knows its source. Where only titles or source names tell
    the groups, the sample sheet has them as ``title group`` or ``source group``. NotFoundError for an accession that
    the source does not have, DataError for files that cannot be trusted.
    """
    if not isinstance(study, Hit | str):
        raise AgentError(f"fetch takes an accession or a hit, not {study!r:.80}")
    if isinstance(study, Hit):
        found = open_source(source or study.source).fetch(study.accession)
    else:
        found = open_source(source).fetch(study)
    return with_proposed_groups(found)
