"""Meta-analysis of one comparison over several studies, gene by gene.

Each study gives an effect and its standard error for every gene, the log2 fold change or Hedges' g, from the result of
its own analysis; the models are in ``random_effects``. Genes are told by their symbols. Of several features of one
gene that with the highest average expression stands for it, a choice that does not look at the test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from .. import display
from ..display.numbers import counted
from ..errors import AnalysisError, NotFoundError
from ..records import DEResult
from .limma import benjamini_hochberg
from .random_effects import Between, Test, common_effect_p, pool

Floats = npt.NDArray[np.float64]
Measure = Literal["logFC", "g"]
#: Methods whose changes are of log2 expression or counts; they may be pooled with each other.
_LOST = "a change of exactly 0 has no standard error in this table"


@dataclass(frozen=True, slots=True, eq=False)
class MetaAnalysis:
    """One comparison over several studies.

    ``table``: one row a gene (index the symbol), columns ``effect``, ``SE``, ``CI.L``, ``CI.R``, ``statistic``,
    ``P.Value``, ``adj.P.Val``, ``P.common`` and ``adj.P.common`` (if the effect were one and the same), ``tau2``,
    ``I2`` (per cent), ``Q``, ``Q.P``, ``PI.L``, ``PI.R`` (limits of the effect in a further study), ``studies``
    (how many have the gene), ``same`` (how many of them have the sign of the mean), smallest P first. ``effects``
    and ``errors``: genes × studies. ``concordance``: one row a pair of studies. ``studies``: one row a study.
    ``question``, ``skipped`` and ``asked`` (what was said beside the question) where it began with a question.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    errors: pd.DataFrame
    weights: pd.DataFrame
    studies: pd.DataFrame
    concordance: pd.DataFrame
    measure: Measure
    between: Between
    test: Test
    notes: tuple[str, ...] = ()
    question: str | None = None
    skipped: tuple[str, ...] = ()
    synthetic: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    def significant(self, adj_p: float = 0.05, min_abs_effect: float = 0.0) -> pd.DataFrame:
        """Genes with adjusted P ≤ ``adj_p`` and a mean effect of that size, smallest P first."""
        return self.table[(self.table["adj.P.Val"] <= adj_p) & (self.table["effect"].abs() >= min_abs_effect)]

    def forest(self, gene: str) -> pd.DataFrame:
        """What a forest plot of one gene shows: a row a study, then the mean and what a further study may find.

        Columns ``study``, ``effect``, ``SE``, ``CI.L``, ``CI.R``, ``weight`` (per cent), ``comparison``.
        NotFoundError for a gene that is in none.
        """
        name = _found(gene, self.table.index)
        rows = pd.DataFrame(
            {
                "study": self.studies.index,
                "effect": self.effects.loc[name].to_numpy(),
                "SE": self.errors.loc[name].to_numpy(),
            }
        )
        rows["CI.L"], rows["CI.R"] = (rows["effect"] + side * 1.959964 * rows["SE"] for side in (-1, 1))
        rows["weight"] = self.weights.loc[name].to_numpy()
        rows["comparison"] = self.studies["comparison"].to_numpy()
        mean = self.table.loc[name]
        pooled = [
            ("mean", mean["effect"], mean["SE"], mean["CI.L"], mean["CI.R"], 100.0, "random effects"),
            ("prediction", mean["effect"], np.nan, mean["PI.L"], mean["PI.R"], np.nan, "in a further study"),
        ]
        known = rows[rows["effect"].notna()]
        return pd.concat([known, pd.DataFrame(pooled, columns=rows.columns)], ignore_index=True)

    def __repr__(self) -> str:
        return f"MetaAnalysis({len(self.studies)} studies, {len(self.table)} genes, {self.measure})"

    def _repr_html_(self) -> str:
        return display.meta_html(self)

    def __str__(self) -> str:
        return display.meta_text(self)


def meta_analysis(
    results: Sequence[DEResult],
    *,
    measure: Measure = "logFC",
    between: Between = "reml",
    test: Test = "adhoc",
    min_studies: int = 2,
) -> MetaAnalysis:
    """The mean effect of each gene over ``results``, how far the studies differ in it, and how sure that is.

    ``measure``: "logFC" where values of all studies are log2 (arrays and counts), "g" (Hedges, in standard deviations)
    where their scales differ. ``between``: variance between studies by "reml" or "dl" (DerSimonian and Laird).
    ``test``: "adhoc" (Knapp and Hartung's t, never surer than the normal test), "knapp-hartung" or "normal",
    which takes the variance between studies for known. ``min_studies``: a gene that fewer have is left out.
    AnalysisError with fewer than two results, two of one study and platform, or results of several comparisons at
    once.
    """
    _check(results, min_studies)
    names = _names(results)
    columns = {name: _effects(result, measure) for name, result in zip(names, results, strict=True)}
    effects = pd.DataFrame({name: frame["effect"] for name, frame in columns.items()})
    errors = pd.DataFrame({name: frame["se"] for name, frame in columns.items()}).loc[effects.index]
    enough = (effects.notna() & errors.notna()).sum(axis=1) >= min_studies
    if not enough.any():
        raise AnalysisError(
            f"no gene is in {min_studies} of the studies {', '.join(names)}; are their features annotated with symbols "
            "of one organism?"
        )
    effects, errors = effects[enough], errors[enough]
    table, weights = _pooled(effects, errors, between, test)
    studies = _studies(names, results, columns)
    return MetaAnalysis(
        table=table,
        effects=effects.loc[table.index],
        errors=errors.loc[table.index],
        weights=weights.loc[table.index],
        studies=studies,
        concordance=_concordance(effects, errors),
        measure=measure,
        between=between,
        test=test,
        notes=_notes(results, int((~enough).sum()), min_studies, test),
        synthetic=any(result.synthetic for result in results),
        versions=results[0].versions,
    )


def standard_errors(result: DEResult) -> pd.Series[float]:
    """The standard error of each feature's log2 fold change, from the statistic that the method gives.

    A change of exactly 0 has a statistic of 0 and no standard error here (NaN).
    """
    table = result.table
    if "lfcSE" in table:
        return table["lfcSE"].where(table["lfcSE"] > 0)
    change = table[result.columns.change].abs()
    statistic = table["t"].abs() if "t" in table else np.sqrt(table["F"])
    return (change / statistic).where((statistic > 0) & (change > 0))


def _check(results: Sequence[DEResult], min_studies: int) -> None:
    if len(results) < 2:
        raise AnalysisError(f"a meta-analysis needs two results at least, not {len(results)}")
    if min_studies < 2:
        raise AnalysisError(f"min_studies is 2 or more, not {min_studies}")
    for result in results:
        if result.each:
            raise AnalysisError(
                f"the result of {result.accession} tests several comparisons; give one of its .each",
                accession=result.accession,
            )
        if "lfc" in result.options or result.options.get("shrink"):
            raise AnalysisError(
                f"the result of {result.accession} is of a threshold or shrunken, which leaves no plain effect; "
                "repeat it "
                "without lfc and shrink",
                accession=result.accession,
            )
        if not (result.table["symbol"] != "").any():
            raise AnalysisError(
                f"the features of {result.accession} have no gene symbols, by which studies are joined; see to_genes",
                accession=result.accession,
            )


def _names(results: Sequence[DEResult]) -> list[str]:
    names = [result.accession for result in results]
    if len(set(names)) < len(names):
        names = [f"{result.accession} {result.platform}" for result in results]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise AnalysisError(
            f"{', '.join(sorted(double))} is there twice; samples of one study must not count as two studies"
        )
    return names


def _effects(result: DEResult, measure: Measure) -> pd.DataFrame:
    """Effect and standard error of each gene, one row a symbol."""
    table = result.table
    frame = pd.DataFrame({"effect": table[result.columns.change], "se": standard_errors(result)})
    if measure == "g":
        frame = _hedges(result, frame)
    frame["average"] = table[result.columns.average]
    frame["symbol"] = table["symbol"].astype(str).str.strip().str.upper()
    # A probe for several genes is none of theirs.
    single = frame["symbol"].ne("") & ~frame["symbol"].str.contains(r"[/;,|\s]")
    known = frame[single & frame["effect"].notna() & frame["se"].notna()]
    best = known.sort_values("average", ascending=False, kind="stable").drop_duplicates("symbol")
    return best.set_index("symbol")[["effect", "se"]].sort_index()


def _hedges(result: DEResult, frame: pd.DataFrame) -> pd.DataFrame:
    """Hedges' g and its standard error from the t-statistic.

    L. V. Hedges (1981), J. Educ. Stat. 6:107, https://doi.org/10.3102/10769986006002107. The degrees of freedom
    are those of the two groups; a moderated t has more, which makes the correction for small samples a little too
    strong.
    """
    n = [len(result.groups[side]) for side in ("tested", "reference")]
    df = n[0] + n[1] - 2
    correction = float(np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) * np.sqrt(2 / df)) if df > 1 else 1.0
    g = correction * frame["effect"] / frame["se"] * np.sqrt(1 / n[0] + 1 / n[1])
    error = np.sqrt(1 / n[0] + 1 / n[1] + g**2 / (2 * (n[0] + n[1])))
    return pd.DataFrame({"effect": g, "se": error})


def _pooled(
    effects: pd.DataFrame, errors: pd.DataFrame, between: Between, test: Test
) -> tuple[pd.DataFrame, pd.DataFrame]:
    y, v = effects.to_numpy(), errors.to_numpy() ** 2
    pooled = pool(y, v, between=between, test=test)
    common = common_effect_p(y, v)
    same = (np.sign(y) == np.sign(pooled.effect)[:, None]).sum(axis=1)
    table = pd.DataFrame(
        {
            "effect": pooled.effect,
            "SE": pooled.se,
            "CI.L": pooled.low,
            "CI.R": pooled.high,
            "statistic": pooled.statistic,
            "P.Value": pooled.p_value,
            "adj.P.Val": benjamini_hochberg(pooled.p_value),
            "P.common": common,
            "adj.P.common": benjamini_hochberg(common),
            "tau2": pooled.tau2,
            "I2": pooled.i2,
            "Q": pooled.q,
            "Q.P": pooled.q_p,
            "PI.L": pooled.predicted_low,
            "PI.R": pooled.predicted_high,
            "studies": pooled.k,
            "same": same,
        },
        index=effects.index,
    )
    weights = pd.DataFrame(pooled.weights, index=effects.index, columns=effects.columns)
    return table.sort_values(["P.Value", "P.common"], kind="stable"), weights


def _studies(
    names: Sequence[str], results: Sequence[DEResult], columns: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    rows = [
        {
            "comparison": str(result.contrast),
            "tested": len(result.groups["tested"]),
            "reference": len(result.groups["reference"]),
            "method": result.method,
            "design": result.design,
            "platform": result.platform,
            "genes": len(columns[name]),
            "source": result.source,
        }
        for name, result in zip(names, results, strict=True)
    ]
    return pd.DataFrame(rows, index=pd.Index(names, name="study"))


def _concordance(effects: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """For each pair of studies: genes in both, correlation of the effects, and the share of one direction among
    the genes that both find beyond two standard errors.
    """
    sure = (effects / errors).abs() > 2
    rows = []
    for i, one in enumerate(effects.columns):
        for other in effects.columns[i + 1 :]:
            both = effects[[one, other]].dropna()
            clear = sure.loc[both.index, one] & sure.loc[both.index, other]
            same = np.sign(both[one][clear]) == np.sign(both[other][clear])
            rows.append(
                {
                    "study": one,
                    "other": other,
                    "genes": len(both),
                    "correlation": both[one].corr(both[other]) if len(both) > 2 else np.nan,
                    "clear": int(clear.sum()),
                    "same direction": float(same.mean()) if clear.any() else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _notes(results: Sequence[DEResult], n_left_out: int, min_studies: int, test: Test) -> tuple[str, ...]:
    notes = []
    if n_left_out:
        notes.append(f"{n_left_out:,} genes are in fewer than {min_studies} of the studies and left out.")
    factors = {result.contrast.factor for result in results}
    levels = {(result.contrast.tested.casefold(), result.contrast.reference.casefold()) for result in results}
    if len(levels) > 1:
        listed = "; ".join(f"{result.accession} {result.contrast}" for result in results)
        notes.append(
            f"The comparisons have different names ({listed}): see that tested and reference mean the same in "
            "all, for a "
            "study the other way round cancels the rest."
        )
    elif len(factors) > 1:
        notes.append(f"The factor has different names: {', '.join(sorted(factors))}.")
    if test != "normal" and len(results) < 4:
        notes.append(
            f"With {len(results)} studies the test has {counted(len(results) - 1, 'degree')} of freedom and little "
            "power; P.common, "
            "which takes the effect for one and the same everywhere, is beside it."
        )
    return tuple(notes)


def _found(gene: str, index: pd.Index) -> str:
    name = re.sub(r"\s", "", gene).upper()
    if name not in index:
        raise NotFoundError(f"no gene {gene!r} in the meta-analysis of {len(index):,} genes", gene=gene)
    return name
