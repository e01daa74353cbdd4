"""Studies of a ranking that are one: a SuperSeries and its parts, and the same study under two accessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..records import StudyHeader
from .fitness import parts_of

# Shorter summaries ("See paper.") say nothing of sameness.
_SUMMARY_AT_LEAST = 40


def shown_with(
    order: Sequence[int], headers: Sequence[StudyHeader], asked: Collection[str] = ()
) -> dict[int, int]:
    """Study → the study of this order that it is shown with; those that stand for themselves are left out.

    A SuperSeries is shown with the first of its parts, a study with the first one that has its title, summary,
    organisms and types. ``asked`` accessions always stand for themselves.
    """
    place = {headers[study].accession: n for n, study in enumerate(order)}
    found: dict[int, int] = {}
    titled = Counter(_plain(headers[study].title) for study in order)
    first: dict[tuple[object, ...], int] = {}
    for study in order:
        header = headers[study]
        if header.accession in asked:
            continue
        parts = [place[name] for name in parts_of(header) if name in place and name != header.accession]
        if parts:
            found[study] = order[min(parts)]
        elif (
            titled[_plain(header.title)] > 1 and (same := first.setdefault(_sameness(header), study)) != study
        ):
            found[study] = same
    return {study: root for study in found if (root := _root(study, found)) != study}


def _sameness(header: StudyHeader) -> tuple[object, ...]:
    if len(header.summary) < _SUMMARY_AT_LEAST:
        return (header.accession,)
    return (_plain(header.title), _plain(header.summary), header.organisms, header.types)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _root(study: int, found: dict[int, int]) -> int:
    """Where the chain of a study ends; the study itself where it leads round in a circle."""
    seen = {study}
    here = study
    while here in found:
        here = found[here]
        if here in seen:
            return study
        seen.add(here)
    return here
