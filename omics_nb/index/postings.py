"""Where the words of study headers stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..records import StudyHeader
from .fitness import fitness
from .text import FIELD_NAMES, field_texts, name_stems, stems_of

# Where a stem stands: (study, field) → its places, counted in words.
_Places = dict[tuple[int, str], tuple[int, ...]]


@dataclass(frozen=True)
class Words:
    """Words of a fixed set of headers: stem → where it stands. Built by ``build``.

    ``concepts``: identifier → the studies in which it was recognised; empty where nobody looked.
    """

    headers: tuple[StudyHeader, ...]
    postings: dict[str, _Places]
    lengths: list[int]
    fitness: tuple[float, ...]
    concepts: Mapping[str, frozenset[int]]

    def places(self, phrase: str) -> dict[tuple[int, str], set[int]]:
        """(study, field) → where the phrase begins there, counted in words; its words must follow one another."""
        stems = name_stems(phrase)
        if not stems:
            return {}
        if not all(item in self.postings for item in stems):
            return {}
        # From the rarest word outwards: "cell" stands in most studies, "podocyte" in few.
        rarest = min(range(len(stems)), key=lambda offset: len(self.postings[stems[offset]]))
        found = {key: {at - rarest for at in places} for key, places in self.postings[stems[rarest]].items()}
        for offset, item in enumerate(stems):
            if offset != rarest:
                there = self.postings[item]
                found = {
                    key: starts
                    for key in found.keys() & there.keys()
                    if (starts := found[key].intersection(at - offset for at in there[key]))
                }
        return found


def build(
    headers: Iterable[StudyHeader],
    *,
    only: Collection[str] | None = None,
    concepts: Sequence[Collection[str]] = (),
) -> Words:
    """The words of these headers; with ``only``, the places of these stems alone.

    ``concepts``: for each header, the identifiers of what was recognised in it.
    """
    studies = tuple(headers)
    stems = ([stems_of(text) for text in field_texts(header).values()] for header in studies)
    return build_from(studies, stems, only=only, concepts=concepts)


def build_from(
    studies: Sequence[StudyHeader],
    stems: Iterable[Sequence[Sequence[str]]],
    *,
    only: Collection[str] | None = None,
    concepts: Sequence[Collection[str]] = (),
) -> Words:
    """``build`` where the stems of the ``field_texts`` of each header are at hand."""
    postings: dict[str, _Places] = {}
    lengths = [0] * len(studies)
    for number, fields in enumerate(stems):
        for name, items in zip(FIELD_NAMES, fields, strict=True):
            lengths[number] += len(items) - items.count("")
            places: dict[str, list[int]] = {}
            for place, item in enumerate(items):
                if item and (only is None or item in only):
                    places.setdefault(item, []).append(place)
            for item, where in places.items():
                postings.setdefault(item, {})[number, name] = tuple(where)
    named: dict[str, set[int]] = {}
    for number, identifiers in enumerate(concepts):
        for identifier in identifiers:
            named.setdefault(identifier, set()).add(number)
    seen = {identifier: frozenset(found) for identifier, found in named.items()}
    return Words(tuple(studies), postings, lengths, tuple(map(fitness, studies)), seen)
