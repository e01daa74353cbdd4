"""What a report's files are called: by study, platform and groups."""

from __future__ import annotations

import hashlib
import re

from ..records import DEResult

_LONGEST = 100


def file_name(result: DEResult) -> str:
    """A name without a suffix: ASCII letters, digits, ``.`` and ``-``, at most 100 of them.

    Where that loses a letter or the end of a level, a digest of the whole takes its place, so that the report of one
    comparison does not replace that of another.
    """
    whole = " ".join(
        (result.accession, result.platform, result.contrast.tested, "vs", result.contrast.reference)
    )
    name = re.sub(r"[^A-Za-z0-9.]+", "-", whole).strip("-.")
    if whole.isascii() and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9].rstrip('-.')}-{digest}"
