"""What to know of an analysis before it runs: can it be estimated, is the scale right, is something hidden in it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import display
from ..errors import AnalysisError, DesignError, ScaleError
from ..records import Check, Study, Verdict
from .comparisons import Asked, Modelled, modelled
from .factors import role_of
from .formula import quoted
from .groups import SOURCE_GROUP, TITLE_GROUP, with_groups
from .pairing import pairing_of

_OWN_COLUMNS = ("title", "source_name", "organism", "platform")


@dataclass(frozen=True, slots=True, eq=False)
class Precheck:
    """The checks of one analysis; ``design`` and ``coefficients`` are empty where it cannot be estimated."""

    accession: str
    platform: str
    design: str
    coefficients: tuple[str, ...]
    checks: tuple[Check, ...]
    source: str
    synthetic: bool = False

    @property
    def ok(self) -> bool:
        """Nothing forbids the analysis."""
        return all(check.verdict != "fail" for check in self.checks)

    def check(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise AnalysisError(f"no check {name!r}; have {[check.name for check in self.checks]}")

    def __repr__(self) -> str:
        told = [f"{check.name} {check.verdict}" for check in self.checks if check.verdict != "ok"]
        return f"Precheck({self.accession}, {self.design or 'no design'}, {', '.join(told) or 'all ok'})"

    def _repr_html_(self) -> str:
        return display.precheck_html(self)

    def __str__(self) -> str:
        return display.precheck_text(self)


def check_design(
    study: Study,
    *,
    contrast: Asked,
    design: str | None = None,
    platform: str | None = None,
    method: str = "auto",
    by: Sequence[str] | None = None,
    block: str | None = None,
) -> Precheck:
    """What would be met on the way to a result: each a value, a verdict and a sentence that says what to do.

    Nothing is raised for what an analysis would refuse; the check fails with the refusal's own words.
    """
    platform = study.choose_platform(platform)
    matrix = study.matrices[platform]
    checks = [_scale(study, matrix, method)]
    try:
        asked = modelled(study, matrix, contrast, design, by)
    except DesignError as error:
        checks.insert(0, Check("estimable", (), "fail", f"{error}."))
        return Precheck(study.accession, platform, "", (), tuple(checks), study.source, study.synthetic)
    samples = study.samples.loc[list(asked.model.samples)]
    checks = [_estimable(asked), _freedom(asked), *checks, *_sheet(samples, asked, block)]
    names = asked.model.names
    return Precheck(
        study.accession, platform, asked.model.formula, names, tuple(checks), study.source, study.synthetic
    )


def sheet_warnings(samples: pd.DataFrame, asked: Modelled, block: str | None) -> tuple[str, ...]:
    """Sentences on balance, pairs and batches that an analysis should carry."""
    return tuple(check.sentence for check in _sheet(samples, asked, block) if check.verdict != "ok")


def _sheet(samples: pd.DataFrame, asked: Modelled, block: str | None) -> Iterator[Check]:
    sheet = with_groups(samples)
    yield _balance(asked)
    if len(asked.each) == 1:
        yield from _pairs(sheet, asked, block)
    yield from _hidden(sheet, asked, block)
    yield from _alike(sheet, asked)


def _estimable(asked: Modelled) -> Check:
    model = asked.model
    sentence = f"{len(model.samples)} samples for {len(model.names)} coefficients: {', '.join(model.names)}."
    return Check("estimable", model.names, "ok", sentence)


def _freedom(asked: Modelled) -> Check:
    df = asked.model.df_residual
    sentence = f"{df} residual degrees of freedom"
    if df < 3:
        return Check("freedom", df, "warn", f"{sentence}: variances rest mostly on what all genes share.")
    return Check("freedom", df, "ok", f"{sentence}.")


def _scale(study: Study, matrix: pd.DataFrame, method: str) -> Check:
    from .de import choose_method

    try:
        chosen, decision, _, notes = choose_method(study, matrix, method, None)
    except (AnalysisError, ScaleError) as error:
        return Check("scale", None, "fail", f"{error}.")
    verdict: Verdict = "warn" if notes else "ok"
    return Check("scale", chosen, verdict, " ".join([f"By {chosen}: {decision}", *notes]))


def _balance(asked: Modelled) -> Check:
    sizes = {role: len(members) for role, members in asked.comparisons.groups.items()}
    low, high = min(sizes.values()), max(sizes.values())
    levels = asked.overall
    said = f"{sizes['tested']} samples of {levels.tested} against {sizes['reference']} of {levels.reference}"
    if low < 3:
        return Check("balance", sizes, "warn", f"{said}: a group below three has little power.")
    if high > 4 * low:
        return Check("balance", sizes, "warn", f"{said}: more of the smaller group would help most.")
    return Check("balance", sizes, "ok", f"{said}.")


def _pairs(sheet: pd.DataFrame, asked: Modelled, block: str | None) -> Iterator[Check]:
    found = pairing_of(sheet, asked.each[0])
    if found is None:
        return
    column, n_pairs = found
    if column in (*asked.model.levels, block):
        yield Check("pairs", n_pairs, "ok", f"{column!r} pairs the groups ({n_pairs} pairs) and is used.")
        return
    factor = asked.overall.factor
    yield Check(
        "pairs",
        n_pairs,
        "warn",
        f"{column!r} pairs the groups ({n_pairs} pairs), which the design does not use: "
        f"~ {quoted(column)} + {quoted(factor)}.",
    )


def _hidden(sheet: pd.DataFrame, asked: Modelled, block: str | None) -> Iterator[Check]:
    """Columns that look like batches and are not in the design: as the groups (fail), or unevenly spread (warn)."""
    used = {*asked.model.levels, *asked.model.covariates, block, asked.overall.factor}
    factor = asked.overall.factor
    sides = [*asked.comparisons.groups["tested"], *asked.comparisons.groups["reference"]]
    for name in map(str, sheet.columns):
        values = [str(value).strip() for value in sheet.loc[sides, name]]
        if name in used or role_of(name, values)[0] != "batch" or len(set(values)) > len(values) / 2:
            continue
        strength = _cramers_v(values, [str(value) for value in sheet.loc[sides, factor]])
        if strength > 0.99:
            said = f"{name!r} divides the samples as {factor!r} does: no design can tell the two apart."
            yield Check("batch", strength, "warn", said)
        elif strength > 0.3:
            said = (
                f"{name!r} is unevenly spread over the groups (Cramér's V {strength:.2f}); take it into the design: "
                f"{asked.model.formula} + {quoted(name)}."
            )
            yield Check("batch", strength, "warn", said)
        else:
            said = f"{name!r} is evenly spread over the groups; in the design it may add power."
            yield Check("batch", strength, "ok", said)


def _alike(sheet: pd.DataFrame, asked: Modelled) -> Iterator[Check]:
    """Columns that divide the compared samples as the factor does, in other words: an effect may be that of either."""
    factor = asked.overall.factor
    used = {*asked.model.levels, *asked.model.covariates, factor, *_OWN_COLUMNS, TITLE_GROUP, SOURCE_GROUP}
    sides = [*asked.comparisons.groups["tested"], *asked.comparisons.groups["reference"]]
    groups = [str(value).strip() for value in sheet.loc[sides, factor]]
    found = []
    for name in map(str, sheet.columns):
        values = [str(value).strip() for value in sheet.loc[sides, name]]
        pairs = set(zip(groups, values, strict=True))
        # What only one side tells, as the dose of a drug, is no division.
        alike = "" not in values and len(pairs) == len(set(groups)) == len(set(values))
        if name in used or not alike or role_of(name, values)[0] == "batch" or all(map(_same_words, pairs)):
            continue
        found.append(f"{name!r} ({', '.join(dict.fromkeys(values))})")
    if found:
        said = f"{' and '.join(found)} {'divides' if len(found) == 1 else 'divide'} the samples as {factor!r} does: "
        yield Check("same groups", tuple(found), "warn", f"{said}what differs may be the effect of either.")


def _same_words(levels: tuple[str, str]) -> bool:
    one, other = (level.casefold() for level in levels)
    return one in other or other in one


def _cramers_v(one: Sequence[str], other: Sequence[str]) -> float:
    """Strength of association of two groupings, 0 to 1 (H. Cramér 1946)."""
    counts = pd.crosstab(pd.Series(one), pd.Series(other)).to_numpy(float)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    smallest = min(counts.shape) - 1
    if smallest < 1:
        return 0.0
    return float(np.sqrt(((counts - expected) ** 2 / expected).sum() / counts.sum() / smallest))
