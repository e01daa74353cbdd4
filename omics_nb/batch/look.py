"""Rows against the source that they ask: is there such a study, has it values, does it have these groups and columns?

Each study is looked at once, whatever number of rows ask for it, and of what was seen only the sample sheet is kept.
Sources on this disk are read, which leaves the parsed study in the cache for the rows; NCBI is asked which files it has
of the study, through the shared limit and cache, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from ..errors import (
    DesignError,
    NoMatrixError,
    NotFoundError,
    OmicsError,
    PrivateRecordError,
    SourceError,
)
from ..records import Contrast, Study

#: Roles of files that a study's values may be in.
_WITH_VALUES = ("matrix", "soft", "supplement", "counts")


class Trouble(NamedTuple):
    """``meaning`` of the parameter that it is about."""

    meaning: str
    message: str


class UnansweredError(Exception):
    """A source did not answer, which is no fault of any row."""


class Looks:
    """What the sources say of rows; ``given`` maps what parameters mean to the row's values, None where it has none."""

    def __init__(self) -> None:
        self._study = cache(_study)
        self._comparison = cache(_comparison)

    def troubles(self, given: Mapping[str, Any], source: str) -> Iterator[Trouble]:
        """What is wrong with a row whose values have their form. UnansweredError where the source is silent."""
        if not given.get("accession"):
            return
        study = self._study(str(given["accession"]).strip().upper(), source)
        if isinstance(study, SourceError) and not isinstance(study, (NotFoundError, PrivateRecordError)):
            raise UnansweredError(f"{source} could not be asked: {study}") from study
        if isinstance(study, OmicsError):
            yield Trouble("accession", f"cannot be used: {study}")
        elif study is not None and given.keys() & {"contrast", "design"}:
            yield from self._compared(study, given)

    def _compared(self, study: Study, given: Mapping[str, Any]) -> Iterator[Trouble]:
        platform = given.get("platform") or None
        try:
            study = study.with_factors(given.get("groups") or {})
            # Which of several matrices is meant must be said where a comparison is given; a proposal says its own.
            if not study.matrices or platform or ("platform" in given and given.get("contrast")):
                platform = study.choose_platform(platform)
        except NoMatrixError as error:
            yield Trouble("platform" if study.matrices else "accession", f"cannot be used: {error}")
        except (OmicsError, AttributeError, TypeError, ValueError) as error:
            yield Trouble("groups", f"cannot be used: {error}")
        else:
            contrast = _frozen(given["contrast"] or ()) if "contrast" in given else None
            yield from self._comparison(study, platform, contrast, given.get("design") or None)


def _study(accession: str, source: str) -> Study | OmicsError | None:
    """What is known of a study, or why it cannot be had; None where its files are known and no more."""
    try:
        return _looked_at(accession, source)
    except OmicsError as error:
        return error


def _looked_at(accession: str, source: str) -> Study | None:
    """The study with its sample sheet and the samples of its matrices."""
    import pandas as pd

    from ..agents.data import fetch
    from ..agents.data import files as list_files

    if source.partition(":")[0] == "ncbi":
        listed = list_files(accession, source=source)
        if not any(file.role in _WITH_VALUES for file in listed.files):
            have = ", ".join(file.name for file in listed.files) or "none"
            raise NotFoundError(f"{source} has no values of {accession}; its files are {have}")
        return None
    study = fetch(accession, source=source)
    empty = {name: pd.DataFrame(columns=matrix.columns) for name, matrix in study.matrices.items()}
    return replace(study, matrices=empty, features={})


def _comparison(study: Study, platform: str | None, contrast: Any, design: str | None) -> tuple[Trouble, ...]:
    """What the analysis would refuse, in its own words. ``contrast`` is None where it is not known, and empty where
    the best that the samples suggest is taken.
    """
    found = []
    try:
        each = _contrasts(study, platform, contrast)
    except DesignError as error:
        each = ()
        found.append(Trouble("contrast", f"cannot be used: {error}"))
    try:
        _check_columns(study, design)
    except DesignError as error:
        found.append(Trouble("design", f"cannot be used: {error}"))
    if each and not found:
        try:
            _check_estimable(study, platform, each, design)
        except DesignError as error:
            found.append(Trouble("design" if design else "contrast", f"cannot be used: {error}"))
    return tuple(found)


def _contrasts(study: Study, platform: str | None, contrast: Any) -> tuple[Contrast, ...]:
    from ..analysis.contrasts import read_contrasts
    from ..analysis.design import check_contrast

    if contrast is None:
        return ()
    if not contrast:
        from ..agents.analysis import best_proposal

        return (best_proposal(study, platform).contrast,)
    return tuple(check_contrast(study.accession, study.samples, one) for one in read_contrasts(contrast))


def _check_columns(study: Study, design: str | None) -> None:
    from ..analysis.formula import read_formula
    from ..analysis.groups import with_groups

    if design:
        read_formula(design, [str(column) for column in with_groups(study.samples).columns])


def _check_estimable(
    study: Study, platform: str | None, each: tuple[Contrast, ...], design: str | None
) -> None:
    from ..analysis.comparisons import modelled

    matrix = study.matrices[platform or next(iter(study.matrices))]
    modelled(study, matrix, each if len(each) > 1 else each[0], design)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
