"""Random-effects models of one effect in several studies, for many genes at once.

- Between-study variance by DerSimonian and Laird (1986), Control. Clin. Trials 7:177,
  https://doi.org/10.1016/0197-2456(86)90046-2, or by restricted maximum likelihood: W. Viechtbauer (2005), J. Educ.
  Behav. Stat. 30:261, https://doi.org/10.3102/10769986030003261
- Test and limits of G. Knapp, J. Hartung (2003), Stat. Med. 22:2693, https://doi.org/10.1002/sim.1482: t with one
  degree of freedom fewer than studies, its variance from how the studies scatter
- Heterogeneity Q and I²: J. P. T. Higgins, S. G. Thompson (2002), Stat. Med. 21:1539,
  https://doi.org/10.1002/sim.1186; prediction interval: Higgins et al. (2009), J. R. Stat. Soc. A 172:137,
  https://doi.org/10.1111/j.1467-985X.2008.00552.x

Effects and variances are genes × studies, NaN where a study lacks the gene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc

from .distributions import t_from_two_sided, t_two_sided

Floats = npt.NDArray[np.float64]
Between = Literal["reml", "dl"]
Test = Literal["adhoc", "knapp-hartung", "normal"]

_MOST_STEPS = 200
_SETTLED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """One a gene: the mean effect, its standard error, limits, statistic and P; ``tau2``, ``i2`` (per cent),
    ``q`` and its P, limits of the effect in a further study, and ``k``, the number of studies. NaN with fewer
    than two studies.
    """

    effect: Floats
    se: Floats
    low: Floats
    high: Floats
    statistic: Floats
    p_value: Floats
    tau2: Floats
    i2: Floats
    q: Floats
    q_p: Floats
    predicted_low: Floats
    predicted_high: Floats
    k: npt.NDArray[np.intp]
    weights: Floats


def pool(
    effects: Floats,
    variances: Floats,
    *,
    between: Between = "reml",
    test: Test = "adhoc",
    confidence: float = 0.95,
) -> Pooled:
    """The random-effects mean of each gene; ``weights``: per cent of each study in it.

    ``test``: "knapp-hartung"; "adhoc" is the same with a variance that is never below that of "normal", for by chance a
    few studies may lie closer together than their own errors allow.
    """
    there = np.isfinite(effects) & np.isfinite(variances) & (variances > 0)
    k = there.sum(axis=1)
    y, v = np.where(there, effects, 0.0), np.where(there, variances, np.inf)
    enough = k >= 2
    tau2 = np.full(len(y), np.nan)
    start = _dersimonian_laird(y[enough], v[enough], k[enough])
    tau2[enough] = start if between == "dl" else _reml(y[enough], v[enough], start)
    w = 1 / (v + tau2[:, None])
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (w * y).sum(axis=1) / total
        error = np.sqrt(1 / total)
        if test != "normal":
            scatter = np.sqrt((w * (y - mean[:, None]) ** 2).sum(axis=1) / (k - 1))
            error = error * (scatter if test == "knapp-hartung" else np.maximum(scatter, 1.0))
        df = np.where(test == "normal", np.inf, k - 1).astype(float)
        statistic = mean / error
    df[~enough] = np.nan
    critical = _critical(df, confidence)
    q, typical = _heterogeneity(y, v, k)
    spread = critical * np.sqrt(error**2 + tau2)
    with np.errstate(invalid="ignore", divide="ignore"):
        i2 = 100 * tau2 / (tau2 + typical)
        q_p = gammaincc(np.where(enough, k - 1, np.nan) / 2, q / 2)
    return Pooled(
        effect=mean,
        se=error,
        low=mean - critical * error,
        high=mean + critical * error,
        statistic=statistic,
        p_value=t_two_sided(statistic, df),
        tau2=tau2,
        i2=i2,
        q=np.where(enough, q, np.nan),
        q_p=q_p,
        predicted_low=mean - spread,
        predicted_high=mean + spread,
        k=k,
        weights=np.where(there, 100 * w / total[:, None], np.nan),
    )


def common_effect_p(effects: Floats, variances: Floats) -> Floats:
    """P of the mean effect if it were the same in all studies: weights by precision, a normal test."""
    there = np.isfinite(effects) & np.isfinite(variances) & (variances > 0)
    w = np.where(there, 1 / np.where(there, variances, 1.0), 0.0)
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (w * np.where(there, effects, 0.0)).sum(axis=1) / np.sqrt(total)
    return t_two_sided(np.where(there.sum(axis=1) >= 2, z, np.nan), np.full(len(z), np.inf))


def _critical(df: Floats, confidence: float) -> Floats:
    distinct, which = np.unique(df, return_inverse=True)
    values = [np.nan if np.isnan(d) else float(t_from_two_sided(1 - confidence, float(d))) for d in distinct]
    return np.array(values)[which]


def _heterogeneity(y: Floats, v: Floats, k: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Cochran's Q, and the typical variance within studies (Higgins and Thompson 2002)."""
    w = 1 / v
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (w * y).sum(axis=1) / total
        typical = (k - 1) * total / (total**2 - (w**2).sum(axis=1))
    return (w * (y - mean[:, None]) ** 2).sum(axis=1), typical


def _dersimonian_laird(y: Floats, v: Floats, k: npt.NDArray[np.intp]) -> Floats:
    q, _ = _heterogeneity(y, v, k)
    w = 1 / v
    total = w.sum(axis=1)
    return np.asarray(np.maximum(0.0, (q - (k - 1)) / (total - (w**2).sum(axis=1) / total)))


def _reml(y: Floats, v: Floats, start: Floats) -> Floats:
    """Fisher scoring; a step below 0 ends at 0."""
    tau2 = start.copy()
    going = np.arange(len(y))
    for _ in range(_MOST_STEPS):
        w = 1 / (v[going] + tau2[going, None])
        total, squares = w.sum(axis=1), (w**2).sum(axis=1)
        mean = (w * y[going]).sum(axis=1) / total
        surplus = (w**2 * (y[going] - mean[:, None]) ** 2).sum(axis=1) - (total - squares / total)
        information = squares - 2 * (w**3).sum(axis=1) / total + (squares / total) ** 2
        new = np.maximum(tau2[going] + surplus / information, 0.0)
        moved = np.abs(new - tau2[going]) > _SETTLED * (1 + new)
        tau2[going] = new
        going = going[moved]
        if len(going) == 0:
            break
    return tau2
