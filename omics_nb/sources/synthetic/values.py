"""The values of each study: what its samples would show, noise, and what went wrong in the laboratory."""

from __future__ import annotations

import numpy as np

from .genes import genes
from .planted import applies, change_of, changes_of
from .platforms import Feature, features
from .programs import FEMALE, MALE, MARKERS
from .sheet import levels, study_spec
from .simulate import Floats, degrade, seed_of, simulate_counts, simulate_expression
from .spec import StudySpec

# Log2 signals: of a gene that is off, of one that marks its tissue, the floor and ceiling of a scanner.
_OFF, _MARKER, _FLOOR, _CEILING = 4.5, 10.5, 5.0, 14.5
_HOUSEKEEPING = ("RPL", "RPS1", "RPS2", "ACTB", "GAPDH", "EIF1", "EEF", "TUBA1", "B2M", "HSP90AB", "PPIA")
_SHARE_FLAGGED = 0.01


def values(accession: str, platform: str) -> Floats:
    """Features × biological samples as the submitter had them: log2, raw, log ratio or counts.

    NaN where a spot was flagged and in samples that are empty.
    """
    study = study_spec(accession)
    result = _measured(study, platform)
    for position in study.outliers:
        result[:, position] = _spoiled(
            study, result[:, position], _seed(study, platform, f"outlier {position}")
        )
    for one, other in study.swaps:
        result[:, [one, other]] = result[:, [other, one]]
    result = _on_scale(study, result, _seed(study, platform, "reference"))
    if "nulls" in study.odd:
        random = np.random.RandomState(_seed(study, platform, "flags"))
        result[random.random_sample(result.shape) < _SHARE_FLAGGED] = np.nan
    result[:, list(study.empty)] = np.nan
    return result


def _seed(study: StudySpec, platform: str, purpose: str) -> int:
    return seed_of(study.accession, platform, purpose)


def _measured(study: StudySpec, platform: str) -> Floats:
    """What is expected, with noise: log2 signals, or counts as floats."""
    expected = _expected(study, platform)
    seed = _seed(study, platform, "values")
    if study.scale != "counts":
        return simulate_expression(expected, seed=seed, sd=study.noise, prior_df=10.0)
    random = np.random.RandomState(_seed(study, platform, "libraries"))
    factors = [random.uniform(0.6, 1.6) for _ in levels(study.accession)]
    counts = simulate_counts(expected, seed=seed, dispersion=study.noise, library_factors=factors)
    return counts.astype(np.float64)


def _on_scale(study: StudySpec, measured: Floats, seed: int) -> Floats:
    result: Floats = measured
    if study.scale == "raw":
        result = np.exp2(measured)
    if study.scale == "log ratio":
        # Against a pool of many cell lines, which has most genes at a middling level.
        own = measured.mean(axis=1, keepdims=True)
        noise = np.random.RandomState(seed).normal(0.0, 0.5, size=own.shape)
        result = measured - (0.7 * own + 0.3 * measured.mean() + noise)
    return result


def _spoiled(study: StudySpec, column: Floats, seed: int) -> Floats:
    if study.scale != "counts":
        return degrade(column, seed=seed)
    spoiled: Floats = np.exp2(degrade(np.log2(column + 1.0), seed=seed)) - 1.0
    return spoiled.clip(min=0.0).round()


def _expected(study: StudySpec, platform: str) -> Floats:
    """Features × samples on the log2 scale, noise left out."""
    rows = features(platform)
    signal = np.zeros((len(rows), len(levels(study.accession))))
    for effect in study.effects:
        changes = changes_of(study.accession, effect.response)
        change = np.array([change_of(row, changes) for row in rows])
        shown = np.array([applies(effect, row) for row in levels(study.accession)], dtype=float)
        signal += effect.strength * np.outer(change, shown)
    base = _baseline(study, rows, seed_of(platform, "probes"))
    # Room for what was planted, so that neither floor nor ceiling eats it.
    base = np.maximum(base, np.where(signal.min(axis=1) < 0, _FLOOR - signal.min(axis=1), 0.0))
    base = np.where(signal.max(axis=1) > 0, np.minimum(base, _CEILING - signal.max(axis=1)), base)
    if study.scale == "counts":
        base = _as_log_counts(base)
    shifts = _sex_signal(study, rows) + _batch_signal(study, rows) + _subject_signal(study, rows)
    result: Floats = base[:, None] + signal + shifts
    return result


def _as_log_counts(base: Floats) -> Floats:
    """An array's log2 signal as log2 of mean counts: a wider range, and next to nothing for genes that are
    off.
    """
    result: Floats = 1.3 * base - 0.7 - 6.0 * np.maximum(5.6 - base, 0.0)
    return result


def _baseline(study: StudySpec, rows: tuple[Feature, ...], seed: int) -> Floats:
    """Log2 signal by gene, the same in all studies, but for the genes that mark a tissue; and each probe's
    own.
    """
    symbols = [gene.human_symbol for gene in genes()]
    usual = dict(
        zip(symbols, 4.5 + 7.5 * np.random.RandomState(900).beta(1.6, 2.2, size=len(symbols)), strict=True)
    )
    here = set(MARKERS.get(study.tissue, ()))
    elsewhere = set().union(FEMALE, MALE, *MARKERS.values()) - here
    base = np.array([_signal(row, usual, here, elsewhere) for row in rows])
    probe = np.where(base > _OFF, 0.6, 0.3) * np.random.RandomState(seed).standard_normal(len(rows))
    result: Floats = np.clip(base + probe, 4.0, 13.5)
    return result


def _signal(row: Feature, usual: dict[str, float], here: set[str], elsewhere: set[str]) -> float:
    if not row.genes:
        return 6.0
    symbol = row.genes[0].human_symbol
    if symbol in here:
        return _MARKER + 0.25 * (usual[symbol] - 7.0)
    if symbol.startswith(_HOUSEKEEPING) and symbol not in MALE:
        return max(usual[symbol], 11.0)
    return _OFF if symbol in elsewhere else usual[symbol]


def _sex_signal(study: StudySpec, rows: tuple[Feature, ...]) -> Floats:
    female = np.array([row["sex"] == "F" for row in levels(study.accession)])
    symbols = [row.genes[0].human_symbol if row.genes else "" for row in rows]
    of_female = np.array([symbol in FEMALE for symbol in symbols])
    of_male = np.array([symbol in MALE for symbol in symbols])
    size = 10.0 if study.scale == "counts" else 5.0
    result: Floats = size * (np.outer(of_female, female) + np.outer(of_male, ~female))
    return result


def _batch_signal(study: StudySpec, rows: tuple[Feature, ...]) -> Floats:
    if study.batch is None:
        return np.zeros((len(rows), 1))
    random = np.random.RandomState(seed_of(study.accession, "batch"))
    shifts = study.batch.sd * random.standard_normal((len(rows), len(study.batch.names)))
    shifts[random.random_sample(len(rows)) < 0.5] = 0.0
    result: Floats = shifts[:, [study.batch.names.index(row["batch"]) for row in levels(study.accession)]]
    return result


def _subject_signal(study: StudySpec, rows: tuple[Feature, ...]) -> Floats:
    if study.subject is None:
        return np.zeros((len(rows), 1))
    numbers = [int(row["n"]) - 1 for row in levels(study.accession)]
    random = np.random.RandomState(seed_of(study.accession, "subjects"))
    own: Floats = study.subject_sd * random.standard_normal((len(rows), max(numbers) + 1))
    return own[:, numbers]
