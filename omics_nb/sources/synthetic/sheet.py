"""From a specification to samples: who they are, what is true of them, and what the sheet says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...errors import NotFoundError
from .catalogue import STUDIES
from .platforms import PLATFORMS
from .simulate import seed_of
from .spec import Batch, StudySpec

_FIRST_SAMPLE = 90_000_001
_SEX = {"F": "female", "M": "male"}
# Characteristics that no table of keys and values would hold.
_FURTHER_LINES = {"no colon": "cadaver donor", "repeated key": "treatment: harvested after 6 h"}
# Levels that a sample has whether or not the sheet tells them.
_UNTOLD = ("n", "sex", "batch")

Levels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """A GSM as it is described: ``characteristics`` are GEO's lines, ``levels`` what they were made from.

    ``position`` counts the biological samples of the study; a sample on two arrays has two GSM of one
    position.
    """

    accession: str
    title: str
    source_name: str
    platform: str
    position: int
    levels: Levels
    characteristics: tuple[str, ...]


def study_spec(accession: str) -> StudySpec:
    """The specification of a series; NotFoundError if the archive has no such series."""
    if accession not in STUDIES:
        raise NotFoundError(
            f"the demo archive has no series {accession!r}; it has {', '.join(STUDIES)}", accession=accession
        )
    return STUDIES[accession]


@cache
def samples(accession: str) -> tuple[Sample, ...]:
    """The samples of a series, by platform, then in the order of its arms; of a superseries, those of its
    parts.
    """
    study = study_spec(accession)
    if study.parts:
        return tuple(sample for part in study.parts for sample in samples(part))
    rows = levels(accession)
    first = _first_sample(accession)
    return tuple(
        _sample(study, platform, position, row, first + place * len(rows) + position)
        for place, platform in enumerate(study.platforms)
        for position, row in enumerate(rows)
    )


@cache
def levels(accession: str) -> tuple[Levels, ...]:
    """What is true of each biological sample of a series: factor → level, also ``n``, ``sex``, ``batch``."""
    study = study_spec(accession)
    rows = []
    for place, arm in enumerate(study.arms):
        for n in range(arm.n):
            row = {**arm.levels, "n": str(n + 1), "sex": arm.sexes[n % len(arm.sexes)]}
            if study.batch:
                row["batch"] = _batch_name(study.batch, place, n)
            rows.append(row)
    random = np.random.RandomState(seed_of(accession, "sheet"))
    for column, (low, high) in study.ranges.items():
        for row, number in zip(rows, random.randint(low, high + 1, size=len(rows)), strict=True):
            row[column] = str(number)
    return tuple(_tied(study, rows))


def _batch_name(batch: Batch, arm: int, n: int) -> str:
    place = n if batch.in_turn else arm + (n % 4 == 3)
    return batch.names[place % len(batch.names)]


def _tied(study: StudySpec, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Samples of one subject share what is drawn of the subject."""
    if study.subject:
        first: dict[str, dict[str, str]] = {}
        for row in rows:
            row[study.subject] = row["n"]
            known = first.setdefault(row["n"], row)
            row.update({column: known[column] for column in study.ranges})
    return rows


@cache
def _first_sample(accession: str) -> int:
    """Samples are numbered through the archive, in the order of its series."""
    number = _FIRST_SAMPLE
    for other, study in STUDIES.items():
        if other == accession:
            break
        number += sum(arm.n for arm in study.arms) * len(study.platforms)
    return number


def _sample(study: StudySpec, platform: str, position: int, row: Levels, number: int) -> Sample:
    words = {**row, "n": int(row["n"]), "array": PLATFORMS[platform].title.partition("]")[0].lstrip("[")}
    return Sample(
        accession=f"GSM{number}",
        title=study.sample_title.format_map(words),
        source_name=study.source_name.format_map(words),
        platform=platform,
        position=position,
        levels=row,
        characteristics=_characteristics(study, position, row),
    )


def _characteristics(study: StudySpec, position: int, row: Levels) -> tuple[str, ...]:
    found = {**study.same, **{name: level for name, level in row.items() if name not in _UNTOLD}}
    if study.sex_column:
        # Old submissions abbreviate it, newer ones write it out.
        found[study.sex_column] = row["sex"] if study.sex_column == "Gender" else _SEX[row["sex"]]
    if study.batch and study.batch.column:
        found[study.batch.column] = row["batch"]
    if position in study.lacking:
        # The sheet forgot what was drawn last, or failing that the last column.
        del found[list(study.ranges or found)[-1]]
    lines = [f"{name}: {level}" for name, level in found.items()]
    if "tight colon" in study.odd and position % 3 == 1:
        lines = [line.replace("Gender: ", "Gender:") for line in lines]
    lines += [line for oddity, line in _FURTHER_LINES.items() if oddity in study.odd]
    return tuple(lines)
