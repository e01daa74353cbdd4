"""A study while it is put together from its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ..records import ValueKind
from .samples import Attributes
from .soft import Family

#: Stands for the platform where no file names one.
UNKNOWN_PLATFORM = "unknown"


@dataclass(slots=True)
class Parts:
    """What was read so far. What comes first stays: the best files are added first.

    ``metadata``: series attribute → values; ``samples``: accession → attributes; ``matrices`` and
    ``features`` by platform; ``used``: names of the files that gave something.
    """

    accession: str
    metadata: dict[str, tuple[str, ...]] = field(default_factory=dict)
    samples: dict[str, Attributes] = field(default_factory=dict)
    matrices: dict[str, pd.DataFrame] = field(default_factory=dict)
    features: dict[str, pd.DataFrame] = field(default_factory=dict)
    value_kind: ValueKind = "expression"
    notes: list[str] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    @property
    def platforms(self) -> list[str]:
        """Platforms that the samples name, in their order."""
        return list(dict.fromkeys(platform_of(sample) for sample in self.samples.values()))

    @property
    def declared(self) -> list[str]:
        """Samples that the series says it has."""
        text = " ".join(self.metadata.get("sample_id", ())).replace(",", " ")
        return list(dict.fromkeys(text.split()))

    @property
    def missing(self) -> list[str]:
        """Samples that the series says it has and no file describes."""
        return [name for name in self.declared if name not in self.samples]

    def describe(self, metadata: Mapping[str, Sequence[str]], samples: Mapping[str, Attributes]) -> None:
        """Add what a file says of the series and its samples."""
        for name, values in metadata.items():
            self.metadata.setdefault(name, tuple(values))
        for accession, attributes in samples.items():
            self.samples.setdefault(accession, attributes)

    def add_family(self, family: Family) -> None:
        """Add what a family file says; its tables are left for later."""
        samples = {name: sample.attributes for name, sample in family.samples.items()}
        for entity in [*family.series.values(), *family.datasets.values()]:
            self.describe(entity.attributes, {})
        self.describe({}, samples)
        self.families.append(family)
        self.notes += family.notes


def platform_of(sample: Attributes) -> str:
    """The platform that a sample names, or ``unknown``."""
    return next((name for name in sample.get("platform_id", ()) if name), UNKNOWN_PLATFORM)


def some(names: Iterable[str], n: int = 5) -> str:
    """The first few of the names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:n]) + (f" and {len(listed) - n:,} more" if len(listed) > n else "")
