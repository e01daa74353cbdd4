"""What a synthetic study is made from: its words, its samples, what was planted and what is odd about its
files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...records import Contrast
from .genes import HUMAN

Scale = Literal["log2", "raw", "log ratio", "counts"]
# NCBI's own count table; the authors', by symbol as CSV, by Ensembl identifier, or as featureCounts has it;
# or none, because reads were deposited and nothing else.
Counts = Literal["ncbi", "symbols", "ensembl", "featureCounts", "none"]
Oddity = Literal[
    "lower-case entities", "CRLF", "cp1252", "nulls", "tight colon", "no colon", "repeated key", "row order"
]


@dataclass(frozen=True, slots=True)
class Arm:
    """``n`` samples with the same levels. ``sexes`` is gone through in turn: "F", "FM", "FFM"."""

    n: int
    levels: Mapping[str, str]
    sexes: str = "F"


@dataclass(frozen=True, slots=True)
class Effect:
    """What samples with these levels (all of ``when``) differ by.

    A response of ``programs`` at a strength, and ``more`` genes drawn at random, up or down by less than the
    response's own; the same ones wherever the study names the response.
    """

    response: str
    when: Mapping[str, str]
    strength: float = 1.0
    more: int = 40


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples were handled in batches, each with its own shift (``sd``, log2) of half of the features.

    ``column`` is the characteristic that says so, or None where the sheet is silent. In turn, batches are
    balanced over arms; otherwise three of four samples of an arm share one.
    """

    names: tuple[str, ...]
    column: str | None
    sd: float = 0.6
    in_turn: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """A series. Templates are filled with a sample's levels and ``n``, its number within the arm.

    ``same``: characteristics of all samples. ``subject``: the characteristic that ties the n-th samples of
    all arms together. ``ranges``: further characteristics, drawn evenly from whole numbers. ``sex_column``:
    where the sheet says the sex, if it does. ``noise``: residual sd (log2), for counts the dispersion.
    ``outliers``, ``swaps``, ``lacking`` (a characteristic is missing), ``empty`` (no table): samples by
    position. ``parts``: the series that a superseries joins; it has no samples of its own.
    """

    accession: str
    title: str
    summary: str
    overall_design: str
    published: str
    organism: str = HUMAN
    platforms: tuple[str, ...] = ()
    scale: Scale = "log2"
    counts: Counts | None = None
    type: str = "Expression profiling by array"
    tissue: str = ""
    same: Mapping[str, str] = field(default_factory=dict)
    arms: tuple[Arm, ...] = ()
    effects: tuple[Effect, ...] = ()
    contrast: Contrast | None = None
    formula: str = ""
    sample_title: str = ""
    source_name: str = ""
    subject: str | None = None
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sex_column: str | None = None
    batch: Batch | None = None
    noise: float = 0.25
    subject_sd: float = 0.35
    outliers: tuple[int, ...] = ()
    swaps: tuple[tuple[int, int], ...] = ()
    lacking: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    parts: tuple[str, ...] = ()
    odd: frozenset[Oddity] = frozenset()
    matrix: bool = True
    treatment_protocol: str = ""
    growth_protocol: str = ""
    extract_protocol: str = (
        "Total RNA was extracted with a column kit and its integrity checked by capillary electrophoresis."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A GDS: one platform of a series, its samples grouped by some of their characteristics (GDS type →
    column).

    ``formula`` is that of the series in the words of the subsets.
    """

    accession: str
    series: str
    platform: str
    title: str
    description: str
    subsets: Mapping[str, str]
    formula: str
