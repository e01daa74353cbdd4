"""How many of the studies found have which organism, type, platform, year, tissue and disease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..records import StudyHeader
from .recognise import recognise
from .text import stems_in

#: Fields that are counted by their values.
FACETS = ("organism", "type", "platform", "year", "tissue", "disease")
TOP = 20


def count_facets(headers: Sequence[StudyHeader]) -> dict[str, dict[str, int]]:
    """Facet → value → studies, the most frequent first, equal ones by name."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for header in headers:
        known = recognise(header, stems_in(header))
        for name, values in (
            ("organism", header.organisms),
            ("type", header.types),
            ("platform", header.platforms),
            ("year", (str(header.published.year),) if header.published else ()),
            ("tissue", known.tissues),
            ("disease", known.diseases),
        ):
            counts[name].update(dict.fromkeys(values, 1))
    return {
        name: dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:TOP])
        for name, found in counts.items()
    }
