"""The quality of one matrix of a study: checks with a value, a verdict and a sentence each.

A check that holds counts whole in the score, a warning half, a failure not at all, each by its weight. What
cannot be judged (no counts, no sex column, no symbols) is left out and weighs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, ScaleError
from ..records import Check, Quality, Study, Verdict
from .formula import quoted, read_formula
from .groups import is_nuisance, propose_contrasts, with_groups
from .hidden import hidden_split
from .values import Comparable, comparable, principal_components, sample_correlation

Floats = npt.NDArray[np.float64]

#: What each check weighs in the score.
WEIGHTS = {
    "values": 4.0,
    "groups": 4.0,
    "scale": 3.0,
    "metadata": 2.0,
    "missing": 2.0,
    "outliers": 2.0,
    "duplicates": 2.0,
    "sex": 2.0,
    "batch": 2.0,
    "hidden groups": 2.0,
    "distribution": 1.0,
    "library size": 1.0,
    "detected genes": 1.0,
}

#: How many robust standard deviations further from its neighbours than the rest makes a sample an outlier.
OUTLIER_CUTOFF = 5.0
#: A batch that explains more of the first components is warned of.
_BATCH_SHARE = 0.25
_Y_GENES = ("RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY", "EIF2S3Y")
_OWN_COLUMNS = ("title", "source_name", "organism", "platform")


def quality(
    study: Study, *, platform: str | None = None, factor: str | None = None, design: str | None = None
) -> Quality:
    """Every check that the study allows; ``factor`` is what the groups are judged by, else the likeliest
    proposal.

    ``design`` is the formula of an analysis: a batch that it takes in is no longer warned of. A study without a matrix
    is judged too: its check "values" fails and says what its notes say.
    NoMatrixError where there are several matrices and none was chosen, DesignError for an unknown factor.
    """
    if not study.matrices:
        checks = [_metadata(study.samples), _no_values(study)]
        return _graded(study, None, checks, "unknown", ())
    platform = study.choose_platform(platform)
    samples = study.samples.loc[study.matrices[platform].columns]
    chosen = _factor(study, platform, factor)
    in_design = _columns_of(design, samples)
    checks = [_metadata(samples)]
    try:
        values = comparable(study, platform)
    except ScaleError as error:
        checks += [Check("scale", None, "fail", f"{error}."), _groups(samples, chosen)]
        return _graded(study, platform, checks, "unknown", ())
    correlation = sample_correlation(values.values)
    outliers = _far_from_all(values.samples, correlation)
    checks += [
        _scale(study, values),
        _missing(study, platform),
        _distribution(study, values),
        _outliers(values, outliers),
        _duplicates(values.samples, correlation),
        _groups(samples, chosen),
        *_library(study, platform),
        *_sex(study, platform, values, samples),
        *_batch(samples, values, chosen, in_design),
        *_hidden(study, platform, values, samples, outliers),
    ]
    return _graded(study, platform, checks, values.decision.scale, tuple(outliers))


def outlier_samples(values: Comparable) -> dict[str, float]:
    """Samples far from all others → how many robust standard deviations.

    Distance is 1 - Pearson correlation; of each sample, the mean to its two nearest neighbours (so that a
    small group of its own kind is no outlier), against median and MAD of all, where a tenth of the median is
    the least deviation that is taken seriously. None with fewer than four samples.
    """
    return _far_from_all(values.samples, sample_correlation(values.values))


def _far_from_all(samples: tuple[str, ...], correlation: Floats) -> dict[str, float]:
    distance = 1 - correlation
    if len(samples) < 4 or not np.isfinite(distance).all():
        return {}
    np.fill_diagonal(distance, np.inf)
    nearest = np.sort(distance, axis=1)[:, :2].mean(axis=1)
    middle = float(np.median(nearest))
    deviation = max(1.4826 * float(np.median(np.abs(nearest - middle))), 0.1 * middle, 1e-12)
    z = (nearest - middle) / deviation
    return {samples[i]: float(z[i]) for i in np.flatnonzero(z > OUTLIER_CUTOFF)}


def _graded(
    study: Study, platform: str | None, checks: list[Check], scale: str, outliers: tuple[str, ...]
) -> Quality:
    weights = {check.name: WEIGHTS[check.name] for check in checks}
    held = {"ok": 1.0, "warn": 0.5, "fail": 0.0}
    score = sum(weights[check.name] * held[check.verdict] for check in checks) / sum(weights.values())
    return Quality(
        accession=study.accession,
        platform=platform,
        checks=tuple(checks),
        score=score,
        scale=scale,
        outliers=outliers,
        weights=weights,
        source=study.source,
        synthetic=study.synthetic,
    )


def _graduated(value: float, ok: float, warn: float) -> Verdict:
    """ "ok" up to ``ok``, "warn" up to ``warn``, "fail" beyond."""
    return "ok" if value <= ok else "warn" if value <= warn else "fail"


def _factor(study: Study, platform: str, factor: str | None) -> str | None:
    if factor is not None:
        if factor not in with_groups(study.samples).columns:
            study.factor(factor)
        return factor
    proposals = [proposal for proposal in propose_contrasts(study) if proposal.platform == platform]
    return proposals[0].contrast.factor if proposals else None


def _no_values(study: Study) -> Check:
    return Check("values", 0, "fail", "The study has no matrix of values. " + " ".join(study.notes))


def _metadata(samples: pd.DataFrame) -> Check:
    columns = [name for name in samples.columns if name not in _OWN_COLUMNS]
    if not columns or samples.empty:
        return Check(
            "metadata", 0.0, "warn", "No sample has characteristics; groups must be read from titles."
        )
    filled = samples[columns].astype(str).apply(lambda column: column.str.strip() != "")
    share = float(filled.to_numpy().mean())
    gaps = [f"{name} ({int((~filled[name]).sum())} empty)" for name in columns if not filled[name].all()]
    sentence = f"{share:.0%} of the {len(columns)} characteristics of {len(samples)} samples are filled"
    sentence += f"; gaps in {', '.join(gaps[:5])}." if gaps else "."
    return Check("metadata", share, _graduated(1 - share, 0.1, 0.5), sentence)


def _scale(study: Study, values: Comparable) -> Check:
    decision = values.decision
    if decision.counts_like and study.value_kind != "counts":
        sentence = (
            f"{decision.sentence} All are whole numbers: rounded intensities, or counts by another name?"
        )
        return Check("scale", decision.scale, "warn", sentence)
    return Check("scale", decision.scale, "ok", decision.sentence)


def _missing(study: Study, platform: str) -> Check:
    matrix = study.matrices[platform].to_numpy()
    lost = (
        np.isnan(matrix) if np.issubdtype(matrix.dtype, np.floating) else np.zeros(matrix.shape, dtype=bool)
    )
    share = float(lost.mean())
    empty = int(lost.all(axis=1).sum())
    sentence = f"{share:.2%} of the {matrix.size:,} values are missing" if share else "No value is missing"
    sentence += f"; {empty:,} features have none at all." if empty else "."
    return Check("missing", share, _graduated(share, 0.01, 0.2), sentence)


def _distribution(study: Study, values: Comparable) -> Check:
    quartiles = [np.quantile(column[np.isfinite(column)], [0.25, 0.5, 0.75]) for column in _columns(values)]
    low, middle, high = np.array(quartiles).T
    width = float(np.median(high - low))
    shift = float(np.max(np.abs(middle - np.median(middle))) / width) if width > 0 else 0.0
    sentence = f"Sample medians differ by up to {shift:.0%} of the interquartile range of the values"
    verdict: Verdict = "ok" if shift <= 0.25 else "warn"
    if verdict == "ok":
        sentence += ": samples are on a common scale."
    elif study.value_kind == "counts":
        sentence += ": libraries differ in more than size; TMM normalisation corrects for it."
    else:
        sentence += ": samples do not look normalised; see their densities before comparing them."
    return Check("distribution", shift, verdict, sentence)


def _columns(values: Comparable) -> Floats:
    """Samples × features, those with values."""
    columns = np.ascontiguousarray(values.values.T)
    return np.asarray(columns[np.isfinite(columns).any(axis=1)])


def _outliers(values: Comparable, outliers: dict[str, float]) -> Check:
    if len(values.samples) < 4:
        return Check("outliers", (), "warn", f"{len(values.samples)} samples are too few to tell an outlier.")
    if not outliers:
        return Check("outliers", (), "ok", "No sample stands apart from all others (correlation distance).")
    listed = ", ".join(f"{name} ({z:.1f})" for name, z in outliers.items())
    share = len(outliers) / len(values.samples)
    sentence = (
        f"{listed}: further from the nearest samples than the rest, in robust standard deviations (above "
        f"{OUTLIER_CUTOFF:g}); look at the PCA and consider leaving out."
    )
    return Check("outliers", tuple(outliers), _graduated(share, 0, 0.1), sentence)


def _duplicates(samples: tuple[str, ...], correlation: Floats) -> Check:
    first, second = np.nonzero(np.triu(correlation > 1 - 1e-7, k=1))
    pairs = tuple((samples[i], samples[j]) for i, j in zip(first, second, strict=True))
    if not pairs:
        return Check("duplicates", (), "ok", "No two samples hold the same values.")
    listed = ", ".join(f"{a} and {b}" for a, b in pairs[:5])
    return Check("duplicates", pairs, "fail", f"The same values under two names: {listed}; keep one of each.")


def _groups(samples: pd.DataFrame, factor: str | None) -> Check:
    if factor is None:
        sentence = "No column divides the samples into groups that can be compared; choose groups by hand."
        return Check("groups", {}, "warn", sentence)
    column = with_groups(samples)[factor].astype(str)
    sizes = Counter(value for value in column if value)
    comparable_levels = [n for n in sizes.values() if n >= 2]
    listed = ", ".join(f"{level} {n}" for level, n in sizes.most_common(8))
    if len(comparable_levels) < 2:
        return Check(
            "groups", dict(sizes), "fail", f"{factor}: {listed}; two groups of two samples are needed."
        )
    if min(sizes.values()) < 3:
        return Check(
            "groups", dict(sizes), "warn", f"{factor}: {listed}; a group below three has little power."
        )
    return Check("groups", dict(sizes), "ok", f"{factor}: {listed}.")


def _library(study: Study, platform: str) -> Iterator[Check]:
    if study.value_kind != "counts":
        return
    counts = study.matrices[platform]
    sizes = counts.sum(axis=0)
    ratio = float(sizes.max() / max(float(sizes.min()), 1.0))
    yield Check(
        "library size",
        {str(name): float(size) for name, size in sizes.items()},
        _graduated(ratio, 3, 10),
        f"Library sizes from {sizes.min():,.0f} to {sizes.max():,.0f} reads, a ratio of {ratio:.1f}.",
    )
    detected = (counts > 0).sum(axis=0)
    low = [str(name) for name, n in detected.items() if n < 0.5 * float(detected.median())]
    sentence = f"{detected.min():,} to {detected.max():,} genes are detected in a sample"
    sentence += f"; fewer than half the median in {', '.join(low)}." if low else "."
    yield Check("detected genes", dict(detected.astype(int)), "warn" if low else "ok", sentence)


def _sex(study: Study, platform: str, values: Comparable, samples: pd.DataFrame) -> Iterator[Check]:
    column = next(
        (name for name in samples.columns if str(name).strip().casefold() in {"sex", "gender"}), None
    )
    marker = _sex_marker(study, platform, values)
    if column is None or marker is None:
        return
    stated = np.array([_sex_of(str(value)) for value in samples[column]])
    female, male = marker[stated == "F"], marker[stated == "M"]
    if len(female) < 2 or len(male) < 2:
        return
    gap = float(np.median(female) - np.median(male))
    if gap < 2:
        return
    middle = float(np.median(female) + np.median(male)) / 2
    swapped = ((stated == "F") & (marker < middle)) | ((stated == "M") & (marker > middle))
    names = tuple(values.samples[i] for i in np.flatnonzero(swapped))
    if not names:
        yield Check("sex", (), "ok", "XIST and Y-linked genes agree with the stated sex of every sample.")
        return
    sentence = (
        f"XIST and Y-linked genes contradict the stated sex of {', '.join(names)}: samples may be swapped."
    )
    yield Check("sex", names, "fail", sentence)


def _sex_marker(study: Study, platform: str, values: Comparable) -> Floats | None:
    """XIST minus the Y-linked genes, one a sample, high in females; None where the genes are not known."""
    features = study.features.get(platform)
    if features is None or "symbol" not in features.columns:
        return None
    symbols = (
        features["symbol"][~features.index.duplicated()].reindex(values.features).astype(str).str.upper()
    )
    sides = []
    for names in (("XIST",), _Y_GENES):
        rows = values.values[symbols.isin(names).to_numpy()]
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) == 0:
            return None
        # The probe that varies most is the one that works.
        sides.append(rows[rows.var(axis=1).argmax()])
    return np.asarray(sides[0] - sides[1])


def _sex_of(text: str) -> str:
    word = text.strip().casefold()
    return {"f": "F", "female": "F", "woman": "F", "m": "M", "male": "M", "man": "M"}.get(word, "")


def _columns_of(design: str | None, samples: pd.DataFrame) -> frozenset[str]:
    if design is None:
        return frozenset()
    columns = [str(name) for name in with_groups(samples).columns]
    return frozenset(used.column for used in read_formula(design, columns)[1])


def _batch(
    samples: pd.DataFrame, values: Comparable, factor: str | None, in_design: frozenset[str]
) -> Iterator[Check]:
    columns = [str(name) for name in samples.columns if name not in _OWN_COLUMNS and is_nuisance(str(name))]
    columns = [
        name for name in columns if name != factor and 2 <= samples[name].nunique() <= len(samples) // 2
    ]
    if not columns:
        return
    scores = _first_components(values)
    confounded = [name for name in columns if factor is not None and _same_division(samples, name, factor)]
    shares = {name: _explained(scores, np.array([str(value) for value in samples[name]])) for name in columns}
    if confounded:
        sentence = (
            f"{confounded[0]!r} divides the samples as {factor!r} does: their effects cannot be told apart."
        )
        yield Check("batch", shares, "fail", sentence)
        return
    # The strongest of those that the design leaves out is what one could still do something about.
    left_out = {name: share for name, share in shares.items() if name not in in_design}
    if not any(share >= _BATCH_SHARE for share in left_out.values()):
        left_out = shares
    name, share = max(left_out.items(), key=lambda item: item[1])
    sentence = f"{name!r} explains {share:.0%} of the first two principal components beyond chance"
    if name in in_design:
        yield Check("batch", shares, "ok", f"{sentence}; it is in the design.")
    elif share < _BATCH_SHARE:
        yield Check("batch", shares, "ok", f"{sentence}.")
    else:
        formula = f"~ {quoted(name)} + {quoted(factor) if factor else 'factor'}"
        yield Check("batch", shares, "warn", f"{sentence}; take it into the design: {formula}.")


def _hidden(
    study: Study, platform: str, values: Comparable, samples: pd.DataFrame, outliers: dict[str, float]
) -> Iterator[Check]:
    """Whether samples, outliers aside, fall into groups that the sheet does not tell; sex is named where it is that."""
    kept = np.array([name not in outliers for name in values.samples])
    try:
        components = principal_components(values.values[:, kept], n_components=2)
    except DataError:
        return
    split = hidden_split(components.scores, components.explained, with_groups(samples)[kept])
    if split is None:
        yield Check("hidden groups", (), "ok", "No clear division of the samples is missing from the sheet.")
        return
    names = tuple(np.array(values.samples)[kept][np.array(split.above)])
    said = f"Component {split.component} ({split.share:.0%} of the variance) divides the samples into {len(names)} and "
    said += f"{int(kept.sum()) - len(names)}, which no column of the sheet tells"
    marker = _sex_marker(study, platform, values)
    if marker is not None and abs(np.corrcoef(marker[kept], split.above)[0, 1]) > 0.9:
        said += "; by XIST and Y-linked genes it is the sex. Add it as a factor: study.with_factor('sex', …)."
    else:
        said += ": a batch that nobody wrote down? Ask, or add it as a factor: study.with_factor('batch', …)."
    yield Check("hidden groups", names, "warn", said)


def _first_components(values: Comparable) -> Floats:
    try:
        return principal_components(values.values, n_components=2).scores
    except DataError:
        return np.zeros((len(values.samples), 0))


def _explained(scores: Floats, groups: npt.NDArray[np.str_]) -> float:
    """Adjusted share of the variance of the scores that lies between groups, 0 at least."""
    total = float(((scores - scores.mean(axis=0)) ** 2).sum())
    levels = np.unique(groups)
    n = len(groups)
    if total == 0 or len(levels) >= n:
        return 0.0
    within = sum(
        float(((scores[groups == level] - scores[groups == level].mean(axis=0)) ** 2).sum())
        for level in levels
    )
    return max(0.0, 1 - (within / (n - len(levels))) / (total / (n - 1)))


def _same_division(samples: pd.DataFrame, name: str, factor: str) -> bool:
    pairs = pd.DataFrame(
        {"batch": samples[name].astype(str), "factor": with_groups(samples)[factor].astype(str)}
    )
    # Every batch holds one level only: nothing within a batch to compare.
    return (
        bool((pairs.groupby("batch")["factor"].nunique() == 1).all())
        and samples[name].nunique() <= pairs["factor"].nunique()
    )
