"""What a report's files are called: by study, platform and groups, so that no comparison replaces another."""

from __future__ import annotations

import re

from ..records import DEResult

_LONGEST = 100


def file_name(result: DEResult) -> str:
    """A name without a suffix: letters, digits, ``.``, ``_`` and ``-``, at most 100 of them."""
    parts = (result.accession, result.platform, result.contrast.tested, "vs", result.contrast.reference)
    return re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(parts).replace("_", " ")).strip("-.")[:_LONGEST]
