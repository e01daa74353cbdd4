"""What is compared with what: two levels, several pairs at once, all levels of a factor, or a difference of effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import DesignError
from ..records import Contrast, Study
from .design import Design, Floats, build_design, check_contrast, contrast_groups
from .formula import default_formula, quoted
from .groups import reference_level, with_groups

#: One contrast, several of one factor, or the name of a factor for all its levels against the reference.
Asked = Contrast | Sequence[str] | Sequence[Sequence[str]] | str


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """``weights``: coefficients × comparisons; ``labels``: a name for each; ``groups``: role → its samples."""

    weights: Floats
    labels: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Modelled:
    """The design, the comparisons as its coefficients, and what they are called: ``overall`` and ``each``."""

    model: Design
    comparisons: Comparisons
    overall: Contrast
    each: tuple[Contrast, ...]
    groups: tuple[dict[str, tuple[str, ...]], ...]


def modelled(
    study: Study, matrix: pd.DataFrame, contrast: Asked, design: str | None, by: Sequence[str] | None = None
) -> Modelled:
    """The comparisons as the sample sheet spells them, the design, and the samples of both sides of each.

    ``by``: (factor, level) asks for the effect among the samples of that level, (factor, level, other level) for how
    the effect differs between the two. DesignError says what is wrong and what would be right.
    """
    samples = study.samples.loc[matrix.columns]
    each = tuple(
        check_contrast(study.accession, study.samples, one) for one in _contrasts(study, samples, contrast)
    )
    if by is not None and (isinstance(by, str) or len(by) not in {2, 3}):
        raise DesignError(
            f"by is (factor, level) for the effect at that level, or (factor, level, other level) for how the effect "
            f"differs between the two, not {by!r}"
        )
    first = each[0]
    formula = design or _formula(first.factor, by)
    model = build_design(samples, formula, factor=first.factor, reference=first.reference)
    groups = tuple(contrast_groups(samples, one, model.samples) for one in each)
    weights = np.column_stack([_weights(model, one, by) for one in each])
    _check_independent(weights, each)
    together = {
        role: tuple(dict.fromkeys(sample for sides in groups for sample in sides[role]))
        for role in ("tested", "reference")
    }
    labels = tuple(f"{one.tested} vs {one.reference}" for one in each)
    return Modelled(model, Comparisons(weights, labels, together), _together(each), each, groups)


def _contrasts(study: Study, samples: pd.DataFrame, contrast: Asked) -> tuple[Contrast, ...]:
    if isinstance(contrast, str):
        return _all_levels(study, samples, contrast)
    if len(contrast) == 3 and all(isinstance(part, str) for part in contrast):
        return (Contrast(*(str(part) for part in contrast)),)
    several = [one for one in contrast if not isinstance(one, str) and len(one) == 3]
    if not contrast or len(several) != len(contrast):
        raise DesignError(
            "a contrast is (factor, tested, reference), three texts, a list of such, or the name of a factor, not "
            f"{contrast!r}"
        )
    found = tuple(Contrast(*(str(part) for part in one)) for one in several)
    factors = {one.factor for one in found}
    if len(factors) > 1:
        raise DesignError(f"contrasts that are tested together are of one factor, not of {sorted(factors)}")
    return found


def _all_levels(study: Study, samples: pd.DataFrame, factor: str) -> tuple[Contrast, ...]:
    sheet = with_groups(samples)
    if factor not in sheet.columns:
        study.factor(factor)
    sizes = sheet[factor].astype(str).value_counts(sort=False)
    levels = [str(level) for level, n in sizes.items() if str(level) and n >= 2]
    if len(levels) < 2:
        raise DesignError(
            f"{factor!r} has {len(levels)} level with two samples or more; two are needed", factor=factor
        )
    known = reference_level(levels)
    reference = known[0] if known else levels[0]
    return tuple(Contrast(factor, level, reference) for level in levels if level != reference)


def _formula(factor: str, by: Sequence[str] | None) -> str:
    return default_formula(factor) if by is None else f"~ {quoted(by[0])} * {quoted(factor)}"


def _weights(model: Design, contrast: Contrast, by: Sequence[str] | None) -> np.ndarray:
    if by is None:
        return model.contrast(*contrast)
    effects = [model.effect(contrast, (by[0], level)) for level in by[1:]]
    return effects[0] if len(effects) == 1 else effects[0] - effects[1]


def _check_independent(weights: np.ndarray, each: Sequence[Contrast]) -> None:
    if np.linalg.matrix_rank(weights) < weights.shape[1]:
        listed = "; ".join(str(one) for one in each)
        raise DesignError(f"these contrasts follow from each other, so leave one out: {listed}")


def _together(each: Sequence[Contrast]) -> Contrast:
    sides = [
        " or ".join(dict.fromkeys(getattr(one, role) for one in each)) for role in ("tested", "reference")
    ]
    return Contrast(each[0].factor, *sides)
