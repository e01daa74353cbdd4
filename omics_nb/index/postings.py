"""Where the words of study headers stand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..records import StudyHeader
from .fitness import fitness
from .text import FIELD_NAMES, Stems, name_stems, stems_in

# Where a stem stands: study → its places among the study's ``Stems``.
_Places = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Words:
    """Words of a fixed set of headers: stem → where it stands. Built by ``build``.

    ``starts``: of each study, the places at which its fields begin. ``concepts``: identifier → the studies in which it
    was recognised; empty where nobody looked.
    """

    headers: tuple[StudyHeader, ...]
    postings: dict[str, _Places]
    starts: tuple[tuple[int, ...], ...]
    lengths: list[int]
    fitness: tuple[float, ...]
    concepts: Mapping[str, frozenset[int]]

    def field(self, study: int, place: int) -> str:
        """The field of a place."""
        return FIELD_NAMES[bisect_right(self.starts[study], place) - 1]

    def places(self, phrase: str) -> Mapping[int, Collection[int]]:
        """Study → where the phrase begins there, counted in words; its words must follow one another."""
        stems = name_stems(phrase)
        if not stems or not all(item in self.postings for item in stems):
            return {}
        if len(stems) == 1:
            return self.postings[stems[0]]
        # From the rarest word outwards: "cell" stands in most studies, "podocyte" in few.
        rarest = min(range(len(stems)), key=lambda offset: len(self.postings[stems[offset]]))
        found = {
            study: {at - rarest for at in places} for study, places in self.postings[stems[rarest]].items()
        }
        for offset, item in enumerate(stems):
            if offset != rarest:
                there = self.postings[item]
                found = {
                    study: starts
                    for study in found.keys() & there.keys()
                    if (starts := found[study].intersection([at - offset for at in there[study]]))
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
    return build_from(studies, map(stems_in, studies), only=only, concepts=concepts)


def build_from(
    studies: Sequence[StudyHeader],
    stems: Iterable[Stems],
    *,
    only: Collection[str] | None = None,
    concepts: Sequence[Collection[str]] = (),
) -> Words:
    """``build`` where the stems of each header are at hand."""
    postings: dict[str, _Places] = {}
    starts, lengths = [], []
    for number, item in enumerate(stems):
        starts.append(item.starts)
        lengths.append(item.n_words)
        for stem, places in _places(item.words, only).items():
            postings.setdefault(stem, {})[number] = tuple(places)
    named: dict[str, set[int]] = {}
    for number, identifiers in enumerate(concepts):
        for identifier in identifiers:
            named.setdefault(identifier, set()).add(number)
    seen = {identifier: frozenset(found) for identifier, found in named.items()}
    return Words(tuple(studies), postings, tuple(starts), lengths, tuple(map(fitness, studies)), seen)


def _places(words: Sequence[str], only: Collection[str] | None) -> dict[str, list[int]]:
    wanted = [(at, word) for at, word in enumerate(words) if (word if only is None else word in only)]
    places: dict[str, list[int]] = {}
    for at, word in wanted:
        places.setdefault(word, []).append(at)
    return places
