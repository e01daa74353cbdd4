"""Simulated studies with known truth: false discoveries are held, and as much is found as limma finds.

The studies come from the model that makes the embedded ones. ``make test`` looks at a few of them, ``make
test-all`` at two hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from omics_nb.analysis import counts as rnaseq
from omics_nb.analysis import deseq2, edger
from omics_nb.analysis.least_squares import lm_fit
from omics_nb.analysis.limma import benjamini_hochberg, e_bayes
from omics_nb.sources.synthetic import expect_two_groups, simulate_counts, simulate_expression

N_GENES, N_PER_GROUP = 1_000, 5
LEVEL = 0.05
DESIGN = np.column_stack([np.ones(2 * N_PER_GROUP), np.repeat([1.0, 0.0], N_PER_GROUP)])


@dataclass(frozen=True)
class Found:
    """Share of false ones among what was found, and share of the genes that change by more than twofold that was."""

    false: float
    power: float


PLAN = expect_two_groups(N_GENES, N_PER_GROUP, N_PER_GROUP, seed=5, share_changed=0.1, baseline=(5.0, 13.0))
CHANGED, LARGE = PLAN.effects != 0, np.abs(PLAN.effects) > 1


def judged(p_value: np.ndarray) -> Found:
    with np.errstate(invalid="ignore"):
        called = benjamini_hochberg(p_value) <= LEVEL
    n = max(int(called.sum()), 1)
    return Found(float(called[~CHANGED].sum() / n), float(called[LARGE].mean()))


def array_values(seed: int) -> np.ndarray:
    return simulate_expression(PLAN.expected, seed=seed)


def count_values(seed: int) -> np.ndarray:
    return simulate_counts(PLAN.expected, seed=seed).astype(np.float64)


def limma_p(seed: int) -> np.ndarray:
    return e_bayes(lm_fit(array_values(seed), DESIGN)).p_value[:, 1]


def voom_p(seed: int) -> np.ndarray:
    counts = count_values(seed)
    voomed = rnaseq.voom(counts, DESIGN, library_sizes=counts.sum(axis=0) * rnaseq.tmm_factors(counts))
    return e_bayes(rnaseq.voom_fit(voomed, DESIGN)).p_value[:, 1]


def edger_p(seed: int) -> np.ndarray:
    counts = count_values(seed)
    fitted = edger.ql_fit(counts, DESIGN, counts.sum(axis=0) * rnaseq.tmm_factors(counts))
    return edger.ql_test(fitted, [0, 1])["PValue"].to_numpy()


def deseq2_p(seed: int) -> np.ndarray:
    counts = count_values(seed)
    fitted = deseq2.fit(counts, DESIGN, deseq2.size_factors(counts))
    return deseq2.wald_test(fitted, [0, 1]).table["pvalue"].to_numpy()


METHODS: dict[str, Any] = {"limma": limma_p, "voom": voom_p, "edger": edger_p, "deseq2": deseq2_p}
# DESeq2's Wald test takes the dispersion for known, and with five against five misses the level: 8.79 % over the 200
# studies, here and by R's DESeq2 (``bench_power``).
MOST_FALSE = {"limma": 0.05, "voom": 0.05, "edger": 0.05, "deseq2": 0.1}


def over_studies(method: str, n_studies: int) -> tuple[float, float, float]:
    """Mean false discovery proportion, its standard error, mean power."""
    found = [judged(METHODS[method](seed)) for seed in range(n_studies)]
    false = np.array([one.false for one in found])
    return (
        float(false.mean()), float(false.std(ddof=1) / np.sqrt(n_studies)), float(np.mean([one.power for one in found]))
    )  # fmt: skip


@pytest.mark.parametrize("method", list(METHODS))
def test_false_discoveries_are_held_in_a_few_studies(method: str) -> None:
    false, error, power = over_studies(method, 8)
    assert false <= MOST_FALSE[method] + 3 * error
    assert power > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("method", list(METHODS))
def test_false_discoveries_are_held_over_two_hundred_studies(method: str) -> None:
    false, error, power = over_studies(method, 200)
    assert false <= MOST_FALSE[method]
    assert error < 0.005
    assert power > 0.6


def test_moderation_finds_more_than_the_plain_t_test() -> None:
    from scipy.stats import ttest_ind

    moderated, plain = [], []
    for seed in range(8):
        values = array_values(seed)
        moderated.append(judged(limma_p(seed)).power)
        tested = ttest_ind(values[:, N_PER_GROUP:], values[:, :N_PER_GROUP], axis=1)
        plain.append(judged(tested.pvalue).power)
    assert np.mean(moderated) > np.mean(plain) + 0.02
