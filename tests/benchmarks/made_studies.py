"""Study-sized headers for benchmarks: a zipf vocabulary, with names of the embedded vocabulary strewn in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from omics_nb.records import StudyHeader
from omics_nb.terms import concepts

N_WORDS = 150
_N_KNOWN = 60_000
_ORGANISMS = ("Homo sapiens", "Mus musculus", "Rattus norvegicus", "Danio rerio", "Arabidopsis thaliana")


def made_studies(n: int, seed: int = 1) -> Iterator[StudyHeader]:
    """``n`` studies: a title of 10 words, a summary of 100 and a design of 40, and four samples' characteristics.

    Words are drawn with probability ∝ 1 / (rank + 3); about one in 25 is a tissue, cell type, disease, drug or gene.
    """
    random = np.random.default_rng(seed)
    names = [concept.label.removeprefix("=") for concept in _concepts(seed)]
    words = np.array([_word(number) for number in range(_N_KNOWN)], dtype=object)
    of_words, of_names = _zipf(len(words)), _zipf(len(names))
    types = concepts.dataset_types()
    for first in range(0, n, 10_000):
        size = min(10_000, n - first)
        drawn = words[np.searchsorted(of_words, random.random((size, N_WORDS)))]
        known = np.searchsorted(of_names, random.random((size, 6)))
        facts = random.random((size, 5))
        for row in range(size):
            text, named, fact = drawn[row].tolist(), [names[i] for i in known[row]], facts[row]
            text[3], text[20], text[60], text[90], text[120] = named[:5]
            yield StudyHeader(
                f"GSE{first + row + 1}",
                " ".join(text[:10]),
                " ".join(text[10:110]) + ".",
                " ".join(text[110:]) + (" versus control" if fact[4] < 0.5 else ""),
                (_ORGANISMS[int(fact[0] ** 2 * 5)],),
                (types[int(fact[1] ** 2 * len(types))],),
                (f"GPL{int(fact[2] ** 3 * 3000)}",),
                date(2001, 1, 1) + timedelta(days=int(fact[3] * 8700)),
                int(4 + fact[4] ** 4 * 300),
                tuple(f"sample {i} source: {named[5]} group: {i % 2}" for i in range(4)),
            )


def made_questions(n: int, seed: int = 1) -> list[str]:
    """Questions after things that the studies name, the frequent ones more often, each with four conditions."""
    random = np.random.default_rng(seed + 1)
    found = _concepts(seed)
    of_names = _zipf(len(found))
    questions: list[str] = []
    while len(questions) < n:
        drawn = [found[i] for i in np.searchsorted(of_names, random.random(40))]
        disease = next(c.label for c in drawn if c.kind == "disease")
        place = next(c.label for c in drawn if c.kind in ("tissue", "cell_type"))
        drug = next((c.label for c in drawn if c.kind == "drug"), "") if len(questions) % 2 else ""
        organism, assay = (
            ("human", "mouse")[len(questions) % 2],
            ("RNA-seq", "microarray")[len(questions) % 3 % 2],
        )
        least, year = 6 + len(questions) % 3 * 2, 2008 + len(questions) % 5
        questions.append(
            f"{drug} {place} {disease}, {organism}, {assay}, at least {least} samples, since {year}"
        )
    return questions


def _concepts(seed: int) -> list[concepts.Concept]:
    """What studies are about, the most frequent first."""
    kinds = ("tissue", "cell_type", "disease", "drug", "gene")
    found = [concept for concept in concepts.concepts() if concept.kind in kinds]
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[i] for i in order]


def _zipf(n: int) -> np.ndarray:
    weights = np.cumsum(1 / (np.arange(n) + 3))
    return weights / weights[-1]


def _word(number: int) -> str:
    """A word of its own for each number: syllables that no stemming ends."""
    word = ""
    while True:
        number, rest = divmod(number, 80)
        word += "bdfgklmnprstvzxw"[rest % 16] + "aiouo"[rest // 16 % 5]
        if not number:
            return word + "q"
