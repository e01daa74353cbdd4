"""What was planted in each study: the known truth that tests and benchmarks hold results against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from ...errors import DesignError
from ...records import Contrast
from .catalogue import DATASETS
from .genes import Gene, genes
from .platforms import Feature, features
from .programs import FEMALE, MALE, MARKERS, RESPONSES
from .sheet import Levels, Sample, levels, samples, study_spec
from .simulate import seed_of
from .spec import DatasetSpec, Effect, StudySpec

_LEAST = 1e-12
# Genes without a part in a response never change more than those that make it known (log2).
_MOST = 1.5


@dataclass(frozen=True, slots=True)
class Truth:
    """What was planted in a study.

    ``effects``: platform → feature → log2 fold change of ``contrast``, features that do not change left out;
    ``genes`` the same by symbol. ``design`` is the formula that the study asks for. ``batches``: sample →
    batch, which the sheet tells in ``batch_column`` or not at all. ``outliers``: spoiled samples. ``swaps``:
    pairs of samples whose values stand under each other's name. ``sexes``: sample → "F" or "M" of the person
    or animal that the sheet means; the values of swapped samples have each other's. ``empty``: samples
    without values.
    """

    accession: str
    contrast: Contrast | None
    design: str
    effects: Mapping[str, Mapping[str, float]]
    genes: Mapping[str, float]
    batches: Mapping[str, str] = field(default_factory=dict)
    batch_column: str | None = None
    outliers: tuple[str, ...] = ()
    swaps: tuple[tuple[str, str], ...] = ()
    sexes: Mapping[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()


def truth(accession: str, contrast: Contrast | None = None) -> Truth:
    """What was planted in a study of the archive, for its own contrast or another of its factors.

    A GDS has the truth of its series on its platform, in the words of its subsets. A superseries has no
    contrast of its own; its parts have theirs. Where a further factor changes the response (an interaction),
    the effect is the mean over the samples of each group, which is what an additive model of a balanced
    design estimates. NotFoundError for an accession that is not of the archive, DesignError for a contrast
    between levels that the study has not.
    """
    if accession in DATASETS:
        return _truth_of_dataset(DATASETS[accession], contrast)
    study = study_spec(accession)
    contrast = contrast or study.contrast
    changes = _contrast_changes(study, contrast) if contrast else {}
    rows = samples(accession)
    symbols = symbols_of(study)
    return Truth(
        accession=accession,
        contrast=contrast,
        design=study.formula,
        effects={platform: _by_feature(study, platform, changes) for platform in study.platforms},
        genes={symbols[symbol]: change for symbol, change in changes.items()},
        batches={row.accession: row.levels["batch"] for row in rows if "batch" in row.levels},
        batch_column=study.batch.column if study.batch else None,
        outliers=tuple(row.accession for row in rows if row.position in study.outliers),
        swaps=_swapped(study, rows),
        sexes={row.accession: row.levels["sex"] for row in rows},
        empty=tuple(row.accession for row in rows if row.position in study.empty),
    )


def _truth_of_dataset(dataset: DatasetSpec, contrast: Contrast | None) -> Truth:
    names = {column: kind for kind, column in dataset.subsets.items()}
    of_series = (
        contrast._replace(factor=dataset.subsets.get(contrast.factor, contrast.factor)) if contrast else None
    )
    whole = truth(dataset.series, of_series)
    mine = {row.accession for row in samples(dataset.series) if row.platform == dataset.platform}
    return replace(
        whole,
        accession=dataset.accession,
        contrast=whole.contrast and whole.contrast._replace(factor=names[whole.contrast.factor]),
        design=dataset.formula,
        effects={dataset.platform: whole.effects[dataset.platform]},
        batches={sample: batch for sample, batch in whole.batches.items() if sample in mine},
        outliers=tuple(sample for sample in whole.outliers if sample in mine),
        swaps=tuple(pair for pair in whole.swaps if pair[0] in mine),
        sexes={sample: sex for sample, sex in whole.sexes.items() if sample in mine},
        empty=tuple(sample for sample in whole.empty if sample in mine),
    )


@cache
def changes_of(accession: str, response: str) -> Mapping[str, float]:
    """A response at full strength as this study shows it: the named genes and some more, by human symbol."""
    study = study_spec(accession)
    has = symbols_of(study)
    roles = set(FEMALE).union(MALE, *RESPONSES.values(), *MARKERS.values())
    others = [symbol for symbol in has if symbol not in roles]
    random = np.random.RandomState(seed_of(accession, response))
    n_more = max(effect.more for effect in study.effects if effect.response == response)
    chosen = random.permutation(len(others))[:n_more]
    usual = min(float(np.median(np.abs(list(RESPONSES[response].values())))), _MOST)
    sizes = usual * random.uniform(0.4, 0.9, size=n_more) * random.choice([-1.0, 1.0], size=n_more)
    more = {others[place]: round(float(size), 2) for place, size in zip(chosen, sizes, strict=True)}
    return {**more, **{symbol: change for symbol, change in RESPONSES[response].items() if symbol in has}}


def change_of(feature: Feature, changes: Mapping[str, float]) -> float:
    """The change of a feature, 0.0 for controls. A probe of two genes measures the first: nothing
    cross-hybridises.
    """
    return changes.get(feature.genes[0].human_symbol, 0.0) if feature.genes else 0.0


def applies(effect: Effect, row: Levels) -> bool:
    """Whether a sample with these levels shows the effect."""
    return all(row.get(factor) == level for factor, level in effect.when.items())


def symbols_of(study: StudySpec) -> Mapping[str, str]:
    """Human symbol → the symbol in the study's organism."""
    return {gene.human_symbol: gene.symbol for gene in genes(study.organism)}


def row_name(study: StudySpec, gene: Gene) -> str:
    """What a study's count table calls a gene: by Entrez or Ensembl identifier, or by symbol."""
    return {"ncbi": gene.entrez_id, "ensembl": gene.ensembl_id}.get(study.counts or "", gene.symbol)


def _swapped(study: StudySpec, rows: tuple[Sample, ...]) -> tuple[tuple[str, str], ...]:
    named = {(row.platform, row.position): row.accession for row in rows}
    platforms = dict.fromkeys(row.platform for row in rows)
    return tuple((named[p, one], named[p, other]) for p in platforms for one, other in study.swaps)


def _contrast_changes(study: StudySpec, contrast: Contrast) -> dict[str, float]:
    """Human symbol → expected log2 fold change; genes whose changes cancel are left out."""
    rows = levels(study.accession)
    groups = {level: [row for row in rows if row.get(contrast.factor) == level] for level in contrast[1:]}
    for level, members in groups.items():
        if not members:
            have = (
                sorted({row[contrast.factor] for row in rows if contrast.factor in row}) or "no such factor"
            )
            raise DesignError(
                f"{study.accession} has no samples with {contrast.factor} = {level!r}; have {have}"
            )
    total: dict[str, float] = {}
    for effect in study.effects:
        if contrast.factor not in effect.when:
            continue
        share = {
            level: sum(applies(effect, row) for row in members) / len(members)
            for level, members in groups.items()
        }
        weight = effect.strength * (share[contrast.tested] - share[contrast.reference])
        for symbol, change in changes_of(study.accession, effect.response).items():
            total[symbol] = total.get(symbol, 0.0) + weight * change
    return {symbol: change for symbol, change in total.items() if abs(change) > _LEAST}


def _by_feature(study: StudySpec, platform: str, changes: Mapping[str, float]) -> dict[str, float]:
    if study.counts == "none":
        return {}
    rows = features(platform)
    names = (
        [row_name(study, row.genes[0]) for row in rows]
        if study.scale == "counts"
        else [row.id for row in rows]
    )
    found = zip(names, (change_of(row, changes) for row in rows), strict=True)
    return {name: change for name, change in found if change}
