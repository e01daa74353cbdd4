"""How far an opened study serves a question: values, comparison, replicates and quality, as checks with reasons.

What a search says of fitness comes from texts; this comes from the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .. import display
from ..records import Check, Contrast, Quality, Query, Study, Verdict
from .groups import with_groups

_HELD = {"ok": 1.0, "warn": 0.5, "fail": 0.0}
#: Checks of the quality that decide whether a comparison can be believed.
_OF_QUALITY = ("scale", "missing", "outliers", "duplicates", "sex", "batch", "hidden groups")
_FEW, _ENOUGH = 2, 4


@dataclass(frozen=True, slots=True)
class Fitness:
    """``score``: the share of the checks that held (a warning counts half); 0 without values or groups."""

    accession: str
    score: float
    checks: tuple[Check, ...]
    source: str
    synthetic: bool = False

    def __repr__(self) -> str:
        return f"Fitness({self.accession}, {self.score:.2f}, {len(self.checks)} checks)"

    def _repr_html_(self) -> str:
        return display.fitness_html(self)

    def __str__(self) -> str:
        return display.fitness_text(self)


def fitness(
    study: Study, quality: Quality, contrast: Contrast | None, *, query: Query | None = None
) -> Fitness:
    """The fitness of a study for ``contrast`` (None where its samples suggest none) and for the question.

    ``quality`` is of the matrix that is compared.
    """
    needed = (_values(study, quality), _groups(study, quality, contrast))
    checks = (*needed, *_asked(contrast, query), *_quality(quality))
    share = sum(_HELD[check.verdict] for check in checks) / len(checks)
    unfit = any(check.verdict == "fail" for check in needed)
    return Fitness(study.accession, 0.0 if unfit else share, checks, study.source, study.synthetic)


def names_of_question(contrast: Contrast, query: Query | None) -> tuple[str, ...]:
    """The things that the question names, organisms aside, and the comparison names too."""
    terms = [term for term in query.terms if term.kind != "organism"] if query else []
    words = dict.fromkeys(name.casefold() for term in terms for name in term.names)
    words |= dict.fromkeys(side.casefold() for side in (query.compare if query else None) or ())
    said = f"{contrast.tested} {contrast.reference}".casefold()
    return tuple(word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said))


def nearness(contrast: Contrast, query: Query | None) -> tuple[int, int]:
    """How near a comparison is to a question: the things that both name, then the longer words that both have.

    Words count by their first six letters, so that "resistance" finds "resistant".
    """
    said, asked = (_stems(text) for text in (" ".join(contrast), query.text if query else ""))
    return len(names_of_question(contrast, query)), len(said & asked)


def _stems(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[^\W\d_]{6,}", text.casefold())}


def _values(study: Study, quality: Quality) -> Check:
    if quality.platform is None or quality.platform not in study.matrices:
        return Check("values", 0, "fail", "The files of the study hold no matrix of values.")
    n_features, n_samples = study.matrices[quality.platform].shape
    said = f"{n_features:,} features of {n_samples:,} samples on {quality.platform}."
    return Check("values", n_features, "ok", said)


def _groups(study: Study, quality: Quality, contrast: Contrast | None) -> Check:
    if contrast is None:
        return Check("replicates", 0, "fail", "The samples suggest no two groups to compare.")
    sheet = with_groups(study.samples)
    matrix = study.matrices.get(quality.platform or "")
    used = sheet if matrix is None else sheet.loc[matrix.columns]
    levels = used[contrast.factor].astype(str)
    sizes = [int((levels == level).sum()) for level in (contrast.tested, contrast.reference)]
    least = min(sizes)
    verdict: Verdict = "ok" if least >= _ENOUGH else "warn" if least >= _FEW else "fail"
    said = f"{sizes[0]} samples of {contrast.tested} against {sizes[1]} of {contrast.reference}"
    more = {
        "ok": ".",
        "warn": f": with fewer than {_ENOUGH} in a group only large changes are found.",
        "fail": ": without replicates there is no variance to test against.",
    }
    return Check("replicates", least, verdict, said + more[verdict])


def _asked(contrast: Contrast | None, query: Query | None) -> Iterator[Check]:
    if contrast is None or query is None or not (query.terms or query.compare):
        return
    named = names_of_question(contrast, query)
    if named:
        yield Check("question", named, "ok", f"The comparison is of what was asked for: {', '.join(named)}.")
    else:
        said = f"The comparison ({contrast}) names nothing of the question: see that it answers it."
        yield Check("question", named, "warn", said)


def _quality(quality: Quality) -> Iterator[Check]:
    yield from (check for check in quality.checks if check.name in _OF_QUALITY)
