"""Design matrices by formula over the sample sheet, and the questions to ask before a fit.

Formulas are read by ``formula`` and made into matrices by formulaic. A column whose values are all numbers is a
covariate, unless it is the tested factor or its name says batch, patient or the like; ``C(age)`` makes levels of it
and ``numeric(age)`` strips a shared unit ("49 years").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DesignError
from ..records import Contrast
from .formula import Used, close_to, matching, quoted, read_formula, shown, some_of
from .groups import is_nuisance, with_groups
from .groups import propose_contrasts as propose_contrasts
from .least_squares import dependent_columns

Floats = npt.NDArray[np.float64]

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_NO_NUMBER = {"", "na", "n/a", "nan", "null", "none", "not available", "unknown", "missing", "--", "-"}


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A design matrix (samples × coefficients) of full rank, and how to compare two levels in it.

    ``samples``: those that are used, in the order of the sample sheet; ``left_out``: sample → why it is not.
    ``levels``: factor → its levels, the reference first; ``covariates``: columns used as numbers.
    """

    matrix: Floats
    names: tuple[str, ...]
    samples: tuple[str, ...]
    formula: str
    levels: Mapping[str, tuple[str, ...]]
    covariates: tuple[str, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    _frame: pd.DataFrame
    _spec: Any
    _columns: Mapping[str, str]

    @property
    def df_residual(self) -> int:
        return len(self.samples) - len(self.names)

    def contrast(self, factor: str, tested: str, reference: str) -> Floats:
        """Weights of the coefficients for ``tested`` minus ``reference``, all else equal.

        DesignError where the factor is not in the formula, a level has no sample, or the difference depends
        on another factor (an interaction), which one number cannot tell.
        """
        if factor not in self.levels:
            raise DesignError(
                f"the design {self.formula} does not hold the factor {factor!r}; add it: "
                f"{self.formula} + {quoted(factor)}",
                factor=factor,
            )
        difference = self._difference(Contrast(factor, tested, reference), {})
        if not np.allclose(difference, difference[0], atol=1e-9):
            raise DesignError(
                f"in {self.formula} the effect of {factor!r} differs between samples (an interaction), so "
                f"{tested!r} vs {reference!r} is not one number; say at which level by=(other factor, level), or ask "
                "how it differs by=(other factor, level, other level), or leave the interaction out of the design",
                factor=factor,
            )
        return np.asarray(difference[0])

    def effect(self, contrast: Contrast, at: tuple[str, str]) -> Floats:
        """Weights for ``contrast`` among samples of ``at`` = (factor, level), all else equal."""
        factor, level = at
        if factor not in self.levels:
            raise DesignError(f"the design {self.formula} does not hold the factor {factor!r}", factor=factor)
        difference = self._difference(contrast, {factor: self._place(factor, level)})
        if not np.allclose(difference, difference[0], atol=1e-9):
            raise DesignError(
                f"in {self.formula} the effect of {contrast.factor!r} depends on more than {factor!r}; use a design "
                f"with one interaction: ~ {quoted(factor)} * {quoted(contrast.factor)}",
                factor=factor,
            )
        return np.asarray(difference[0])

    def _difference(self, contrast: Contrast, at: Mapping[str, int]) -> Floats:
        factor, tested, reference = contrast
        return self._rows_with({**at, factor: self._place(factor, tested)}) - self._rows_with(
            {**at, factor: self._place(factor, reference)}
        )

    def _place(self, factor: str, level: str) -> int:
        have = self.levels[factor]
        if level not in have:
            raise DesignError(f"no samples of {level!r} in {factor!r} in this design; have {list(have)}")
        return have.index(level)

    def coefficient(self, name: str) -> Floats:
        """Weights that pick one coefficient by its name."""
        if name not in self.names:
            raise DesignError(f"no coefficient {name!r} in {self.formula}; have {list(self.names)}")
        return np.asarray([float(name == other) for other in self.names])

    def _rows_with(self, levels: Mapping[str, int]) -> Floats:
        frame = self._frame.copy()
        for factor, level in levels.items():
            frame[self._columns[factor]] = _categorical([level] * len(frame), len(self.levels[factor]))
        return np.asarray(self._spec.get_model_matrix(frame, context={}), dtype=np.float64)


def build_design(
    samples: pd.DataFrame,
    formula: str,
    *,
    factor: str | None = None,
    reference: str | None = None,
) -> Design:
    """The design of a sample sheet (one row a sample) by formula.

    ``factor`` is always taken as levels, ``reference`` as the first of them. Samples in which a used column
    is empty are left out, with a note. DesignError where the formula cannot be read, names no column, or
    gives a design that cannot be estimated: a factor with one level, more coefficients than samples,
    confounded coefficients (named).
    """
    sheet = with_groups(samples)
    text, used = read_formula(formula, [str(column) for column in sheet.columns])
    left_out, notes = _left_out(sheet, used)
    kept = sheet.loc[[sample for sample in sheet.index if sample not in left_out]]
    frame, levels, covariates, column_notes = _columns(kept, used, factor, reference)
    spec, names, matrix = _materialise(text, frame, used, levels)
    design = Design(
        matrix=matrix,
        names=names,
        samples=tuple(str(sample) for sample in kept.index),
        formula=shown(text, used),
        levels=levels,
        covariates=covariates,
        left_out=left_out,
        notes=(*notes, *column_notes),
        _frame=frame,
        _spec=spec,
        _columns={item.column: item.safe for item in used},
    )
    check_estimable(design)
    return design


def check_estimable(design: Design) -> None:
    """DesignError where there are more coefficients than samples can tell apart; confounded ones are
    named.
    """
    n_samples, n_coef = design.matrix.shape
    if n_coef > n_samples:
        many = ", ".join(f"{name!r} has {len(levels)} levels" for name, levels in design.levels.items())
        raise DesignError(
            f"{design.formula} has {n_coef} coefficients for {n_samples} samples ({many}); use fewer "
            "terms, or "
            f"numeric(...) for a column of numbers",
            n_coefficients=n_coef,
            n_samples=n_samples,
        )
    dependent = dependent_columns(design.matrix)
    if dependent:
        told = "; ".join(_confounded(design.names, j, others) for j, others in dependent.items())
        raise DesignError(
            f"{design.formula} cannot be estimated: {told}. Leave one of these terms out of the design",
            confounded=tuple(design.names[j] for j in dependent),
        )
    if design.df_residual < 1:
        raise DesignError(
            f"{design.formula} leaves no residual degrees of freedom ({n_coef} coefficients, {n_samples} "
            "samples); "
            "variance needs replicates: use fewer terms"
        )


def check_contrast(study_accession: str, samples: pd.DataFrame, contrast: Contrast) -> Contrast:
    """The contrast with its factor and levels as the sample sheet spells them (case and spaces are forgiven).

    DesignError says which factors or levels there are.
    """
    sheet = with_groups(samples)
    factor = matching(contrast.factor, [str(column) for column in sheet.columns])
    if factor is None:
        raise DesignError(
            f"no factor {contrast.factor!r} in the samples of {study_accession}; have "
            f"{list(map(str, sheet.columns))}{close_to(contrast.factor, sheet.columns)}",
            factor=contrast.factor,
        )
    levels = [str(level) for level in dict.fromkeys(sheet[factor]) if str(level) != ""]
    found = []
    for level in (contrast.tested, contrast.reference):
        match = matching(level, levels)
        if match is None:
            raise DesignError(
                f"no level {level!r} in {factor!r} of {study_accession}; have {_listed(sheet[factor])}"
                f"{close_to(level, levels)}",
                factor=factor,
                level=level,
            )
        found.append(match)
    if found[0] == found[1]:
        raise DesignError(
            f"tested and reference are both {found[0]!r}; choose two levels of {_listed(sheet[factor])}"
        )
    return Contrast(factor, found[0], found[1])


def contrast_groups(
    samples: pd.DataFrame, contrast: Contrast, used: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """ "tested" and "reference" → their samples among ``used``; DesignError where one has fewer than two."""
    column = with_groups(samples).loc[list(used), contrast.factor]
    groups = {
        "tested": tuple(str(sample) for sample in column.index[column == contrast.tested]),
        "reference": tuple(str(sample) for sample in column.index[column == contrast.reference]),
    }
    for role, members in groups.items():
        if len(members) < 2:
            level = getattr(contrast, role)
            raise DesignError(
                f"{len(members)} sample{'' if len(members) == 1 else 's'} of {level!r} in "
                f"{contrast.factor!r}: two of "
                "each are needed at least, for without replicates there is no variance to test against; "
                "levels and "
                f"their samples: {_listed(column)}",
                factor=contrast.factor,
                level=level,
            )
    return groups


def _left_out(sheet: pd.DataFrame, used: tuple[Used, ...]) -> tuple[dict[str, str], list[str]]:
    left_out: dict[str, str] = {}
    notes = []
    for item in used:
        column = sheet[item.column].astype(str).str.strip()
        empty = column == ""
        if item.kind == "numeric":
            empty |= column.str.casefold().isin(_NO_NUMBER)
        new = [str(sample) for sample in sheet.index[empty] if str(sample) not in left_out]
        left_out |= dict.fromkeys(new, f"no value in {item.column!r}")
        if new:
            notes.append(
                f"{len(new)} samples without a value in {item.column!r} are left out: {some_of(new)}."
            )
    if len(left_out) == len(sheet):
        raise DesignError(f"no sample has a value in all of {[item.column for item in used]}")
    return left_out, notes


def _columns(
    kept: pd.DataFrame, used: tuple[Used, ...], factor: str | None, reference: str | None
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]], tuple[str, ...], list[str]]:
    frame = pd.DataFrame(index=kept.index)
    levels: dict[str, tuple[str, ...]] = {}
    covariates = []
    notes = []
    for item in used:
        values = kept[item.column].astype(str).str.strip()
        if _is_covariate(item, values, factor):
            numbers = _numbers(item, values)
            frame[item.safe] = numbers
            covariates.append(item.column)
            notes.append(
                f"{item.column!r} is used as a number ({numbers.min():g} to {numbers.max():g});"
                f" if these are names, write C({quoted(item.column)})."
            )
            _refuse_single(item.column, numbers.nunique(), str(values.iloc[0]), len(kept))
        else:
            first = reference if item.column == factor else None
            found = tuple(sorted(set(values), key=lambda level: (level != first, _natural(level))))
            _refuse_single(item.column, len(found), found[0], len(kept))
            levels[item.column] = found
            frame[item.safe] = _categorical([found.index(value) for value in values], len(found))
    return frame, levels, tuple(covariates), notes


def _categorical(codes: list[int], n_levels: int) -> pd.Categorical[str]:
    names = [f"L{i}" for i in range(n_levels)]
    return pd.Categorical([names[code] for code in codes], categories=names)


def _is_covariate(item: Used, values: pd.Series[str], factor: str | None) -> bool:
    if item.column == factor or item.kind == "C":
        return False
    if item.kind == "numeric":
        return True
    return all(_NUMBER.fullmatch(value) for value in values) and not is_nuisance(item.column)


def _numbers(item: Used, values: pd.Series[str]) -> pd.Series[float]:
    matches = [_NUMBER.match(value) for value in values]
    bad = [value for value, match in zip(values, matches, strict=True) if match is None]
    if bad:
        raise DesignError(f"{item.column!r} is not a column of numbers: {some_of(bad)}", factor=item.column)
    units = {value[match.end() :].strip() for value, match in zip(values, matches, strict=True) if match}
    if len(units) > 1:
        raise DesignError(
            f"{item.column!r} mixes the units {sorted(units)}; numbers must share one", factor=item.column
        )
    return pd.Series([float(match[0]) for match in matches if match], index=values.index)


def _refuse_single(column: str, n_levels: int, level: str, n_samples: int) -> None:
    if n_levels < 2:
        raise DesignError(
            f"{column!r} has one value only ({level!r} in all {n_samples} samples); leave it out of the "
            "design",
            factor=column,
        )


def _materialise(
    text: str, frame: pd.DataFrame, used: tuple[Used, ...], levels: Mapping[str, tuple[str, ...]]
) -> tuple[Any, tuple[str, ...], Floats]:
    import formulaic
    from formulaic.errors import FormulaicError

    try:
        # A formula without any column has no frame to take its length from.
        model = formulaic.Formula(text).get_model_matrix(frame.assign(v=0.0), context={})
    except (FormulaicError, SyntaxError, ValueError, TypeError, AttributeError, IndexError) as error:
        # formulaic draws the place on further lines, with terminal colours.
        reason = str(error).partition("\n")[0]
        raise DesignError(f"the design {shown(text, used)!r} cannot be read: {reason}") from error
    if not hasattr(model, "model_spec") or model.shape[1] == 0:
        raise DesignError(f"the design {shown(text, used)!r} holds no term")
    by_safe = {item.safe: item for item in used}

    def told(match: re.Match[str]) -> str:
        item = by_safe[match["column"]]
        if match["level"] is None:
            return item.column
        return f"{item.column}[{match['treatment'] or ''}{levels[item.column][int(match['level'])]}]"

    pattern = re.compile(r"(?P<column>v\d+)(?:\[(?P<treatment>T\.)?L(?P<level>\d+)\])?")
    names = tuple(pattern.sub(told, str(column)) for column in model.columns)
    return model.model_spec, names, np.asarray(model, dtype=np.float64)


def _confounded(names: tuple[str, ...], dependent: int, others: tuple[int, ...]) -> str:
    if not others:
        return f"{names[dependent]} is zero in every sample"
    return f"{names[dependent]} cannot be told apart from {' with '.join(names[j] for j in others)}"


def _listed(column: pd.Series[Any]) -> str:
    counts = column[column.astype(str) != ""].astype(str).value_counts(sort=False)
    shown = [f"{level!r} ({n})" for level, n in list(counts.items())[:20]]
    return ", ".join(shown) + (f" and {len(counts) - 20} more" if len(counts) > 20 else "")


def _natural(text: str) -> tuple[tuple[int, float, str], ...]:
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return tuple(
        (0, float(part), "") if i % 2 else (1, 0.0, part.casefold()) for i, part in enumerate(parts) if part
    )
