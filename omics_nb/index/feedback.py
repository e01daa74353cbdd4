"""Words that the best studies for a question have in common, as a small part of the others' relevance.

Pseudo-relevance feedback: what the first ten studies say beside the question (for neuroblastoma MYCN, say) tells a
study of the thing from one that mentions it. Terms are chosen and weighted as in Rocchio's method: their mean
frequency in those studies times their rarity (Manning, Raghavan and Schütze, Introduction to Information Retrieval
(2008), chapter 9).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from ..terms.concepts import word_list
from .text import FIELD_NAMES, Stems, stems_of

#: Share of the highest relevance that a study would get which had all of these words without end.
FEEDBACK = 0.5
BEST = 10
_WORDS = 40
_FEWEST_STUDIES = 3  # that have a word: rarer ones are names of one lab's samples
_FEWEST_BEST = 2
_MOST_COUNTED = 3
_SHOWN = 4
#: The number of the field that comes after title, summary and design.
AFTER = FIELD_NAMES.index("samples")


def own_text(stems: Stems) -> list[str]:
    """The stems of title, summary and design."""
    return stems.words[: stems.starts[AFTER]]


class Texts(Protocol):
    """Titles, summaries and designs of the studies at hand, and how common a stem is in all of the collection."""

    def bag(self, study: int) -> Mapping[str, int]:
        """The stems of one study, with how often each stands."""
        ...

    def holding(self, stem: str) -> int:
        """How many studies of the collection have a stem."""
        ...

    def counts(self, stems: Collection[str]) -> Mapping[str, Mapping[int, int]]:
        """Stem → study → how often it stands there."""
        ...


class Shared(NamedTuple):
    """What is added to the relevance of each study, and the words of it, the weightiest first."""

    added: dict[int, float]
    words: dict[int, list[str]]


def shared_words(
    texts: Texts,
    relevance: Mapping[int, float],
    best: Sequence[int],
    asked: Collection[str],
    lengths: Sequence[float],
    n_studies: int,
) -> Shared:
    """What the words of the ``best`` studies add for every study; ``asked`` stems are the question's own.

    ``lengths`` of all studies at hand are relative to the mean. Nothing is added where the best are most of them.
    """
    if len(relevance) <= 2 * BEST:
        return Shared({}, {})
    weights = _weights(texts, best, asked, n_studies)
    total, highest = sum(weights.values()), max(relevance.values())
    found = texts.counts(weights)
    added: dict[int, float] = {}
    words: dict[int, list[str]] = {}
    for stem, weight in weights.items():
        for study, count in found.get(stem, {}).items():
            if study in relevance:
                part = weight / total * count / (count + 1.0 + 0.5 * lengths[study])
                added[study] = added.get(study, 0.0) + FEEDBACK * highest * part
                words.setdefault(study, []).append(stem)
    return Shared(added, {study: stems[:_SHOWN] for study, stems in words.items()})


def _weights(texts: Texts, best: Sequence[int], asked: Collection[str], n_studies: int) -> dict[str, float]:
    """The words that tell the best studies from the others, the weightiest first."""
    bags = [texts.bag(study) for study in best[:BEST]]
    present: Counter[str] = Counter()
    for bag in bags:
        present.update(bag.keys())
    skipped = _stop_stems()
    weighed = {}
    for stem, n_best in present.items():
        told = len(stem) > 2 and not stem.isdigit() and stem not in skipped and stem not in asked
        if n_best >= _FEWEST_BEST and told and (n_found := texts.holding(stem)) >= _FEWEST_STUDIES:
            count = sum(min(bag.get(stem, 0), _MOST_COUNTED) for bag in bags)
            weighed[stem] = math.log(max(n_studies, 2) / n_found) * count / (_MOST_COUNTED * len(bags))
    return dict(sorted(weighed.items(), key=lambda item: (-item[1], item[0]))[:_WORDS])


@lru_cache(maxsize=1)
def _stop_stems() -> frozenset[str]:
    return frozenset(stem for word in word_list("stopwords") for stem in stems_of(word))
