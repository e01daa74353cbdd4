"""Which gene sets a result is about: over-representation of its significant genes, or a walk down the whole ranking.

Both by gseapy (Z. Fang, X. Liu, G. Peltz (2023), Bioinformatics 39:btac757,
https://doi.org/10.1093/bioinformatics/btac757): the hypergeometric test, and the preranked GSEA of A. Subramanian
et al. (2005), Proc. Natl. Acad. Sci. 102:15545, https://doi.org/10.1073/pnas.0506580102. No network is used. The
sets that come with the package are some seventy that the project wrote from textbooks, with human symbols; a GMT
file brings others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import display
from ..errors import AnalysisError, DataError, MissingExtraError
from ..records import DEResult
from .limma import benjamini_hochberg

Kind = Literal["gsea", "ora"]
Direction = Literal["both", "higher", "lower"]

EMBEDDED = Path(__file__).parent / "gene_sets" / "pathways.gmt"


@dataclass(frozen=True, slots=True, eq=False)
class GeneSets:
    """Set → its genes, and → what it is about; ``name`` and ``sha256`` say which collection it is."""

    genes: Mapping[str, tuple[str, ...]]
    about: Mapping[str, str]
    name: str
    sha256: str

    def __repr__(self) -> str:
        return f"GeneSets({self.name}, {len(self.genes)} sets)"


@dataclass(frozen=True, slots=True, eq=False)
class Enrichment:
    """Gene sets of one result, smallest P first.

    ``table``: index the set, columns ``about``, ``size`` (genes of it that were measured), for "gsea" ``ES``, ``NES``
    (above 0: its genes are higher in the tested group), ``P.Value``, ``FDR``, ``genes`` (the leading edge); for "ora"
    ``found``, ``expected``, ``odds``, ``P.Value``, ``FDR`` (Benjamini-Hochberg over all sets), ``genes``.
    """

    table: pd.DataFrame
    kind: Kind
    collection: str
    sha256: str
    result: DEResult
    n_genes: int
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def significant(self, fdr: float = 0.05) -> pd.DataFrame:
        return self.table[self.table["FDR"] <= fdr]

    def __repr__(self) -> str:
        return (
            f"Enrichment({self.result.accession}, {self.kind}, {len(self.table)} sets of {self.collection})"
        )

    def _repr_html_(self) -> str:
        return display.enrichment_html(self)

    def __str__(self) -> str:
        return display.enrichment_text(self)


def enrich(
    result: DEResult,
    *,
    gene_sets: str | Path | Mapping[str, Sequence[str]] | GeneSets | None = None,
    kind: Kind = "gsea",
    direction: Direction = "both",
    adj_p: float = 0.05,
    min_abs_logfc: float = 0.0,
    min_size: int = 5,
    max_size: int = 500,
    permutations: int = 1000,
    seed: int = 0,
) -> Enrichment:
    """Gene sets that the result is about.

    ``gene_sets``: a GMT file, set → genes, or None for those that come with the package. ``kind``: "gsea" walks
    down all genes by their statistic; "ora" asks whether the genes at ``adj_p`` and ``min_abs_logfc`` (of one
    ``direction``) are of a set more often than the other measured genes. ``min_size``, ``max_size``: of a set, in
    measured genes. Genes are told by symbol, case ignored; of several features of one gene that with the smallest
    P stands for it.

    AnalysisError where the result has no symbols, none of its genes is in a set, or there is nothing to ask.
    """
    sets = read_gene_sets(gene_sets)
    genes = _by_gene(result)
    measured = {
        name: [gene for gene in dict.fromkeys(gene.upper() for gene in members) if gene in genes.index]
        for name, members in sets.genes.items()
    }
    used = {name: members for name, members in measured.items() if min_size <= len(members) <= max_size}
    if not used:
        raise AnalysisError(
            f"none of the {len(sets.genes)} sets of {sets.name} has {min_size} to {max_size} of the "
            f"{len(genes):,} genes "
            f"of {result.accession}; are the symbols of the same organism?"
        )
    if kind == "gsea":
        table = _walked(result, genes, used, (min_size, max_size, permutations, seed))
        options: dict[str, Any] = {"permutations": permutations, "seed": seed}
    elif kind == "ora":
        table = _over_represented(result, genes, used, direction, adj_p, min_abs_logfc)
        options = {"direction": direction, "adj_p": adj_p, "min_abs_logfc": min_abs_logfc}
    else:
        raise AnalysisError(f"kind is 'gsea' or 'ora', not {kind!r}")
    table.insert(0, "about", [sets.about.get(name, "") for name in table.index])
    return Enrichment(
        table=table.sort_values(["P.Value", "FDR"], kind="stable"),
        kind=kind,
        collection=sets.name,
        sha256=sets.sha256,
        result=result,
        n_genes=len(genes),
        notes=_notes(result, sets, len(used), kind, permutations),
        options=options | {"min_size": min_size, "max_size": max_size},
        versions=_versions(),
    )


def read_gene_sets(source: str | Path | Mapping[str, Sequence[str]] | GeneSets | None = None) -> GeneSets:
    """Gene sets of a GMT file (set, description, genes, by tabs), of a mapping, or those of the package.

    DataError where the file cannot be read or a line is not of that form.
    """
    if isinstance(source, GeneSets):
        return source
    if isinstance(source, Mapping):
        lines = [f"{name}\t\t" + "\t".join(genes) for name, genes in source.items()]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        genes = {str(name): tuple(map(str, members)) for name, members in source.items()}
        return GeneSets(genes, {}, "sets of your own", digest)
    path = EMBEDDED if source is None else Path(source)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a GMT file: {error}") from error
    found, about = _parsed(text, path)
    name = "the sets of omics_nb" if source is None else path.name
    return GeneSets(found, about, name, hashlib.sha256(raw).hexdigest())


def _parsed(text: str, path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    found: dict[str, tuple[str, ...]] = {}
    about: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, *rest = line.split("\t")
        genes = tuple(gene.strip() for gene in rest[1:] if gene.strip())
        if not name or not genes or name in found:
            why = (
                "names a set a second time" if name in found else "has no set, description and genes by tabs"
            )
            raise DataError(f"line {number} of {path.name} {why}: {line[:60]!r}", line=number)
        found[name], about[name] = genes, rest[0].strip()
    if not found:
        raise DataError(f"{path.name} holds no gene set")
    return found, about


def _by_gene(result: DEResult) -> pd.DataFrame:
    """The tested features, one a gene (index the symbol in capitals)."""
    names = result.columns
    tested = result.table[result.table[names.p].notna()]
    symbols = tested["symbol"].astype(str).str.strip().str.upper()
    single = symbols.ne("") & ~symbols.str.contains(r"[/;,|\s]")
    if not single.any():
        raise AnalysisError(
            f"the features of {result.accession} have no gene symbols, for which the annotation of "
            f"{result.platform} is needed; a mirror takes it as platforms/…/annot/{result.platform}.annot.gz",
            accession=result.accession,
        )
    genes = tested[single].assign(gene=symbols[single]).sort_values(names.p, kind="stable")
    return genes.drop_duplicates("gene").set_index("gene")


def _ranking(result: DEResult, genes: pd.DataFrame) -> pd.Series[float]:
    """The statistic by which genes are ranked, with the sign of the change, highest first."""
    if result.each:
        raise AnalysisError(
            "a test of several comparisons has no direction to rank by; use kind='ora' or one of .each"
        )
    if "t" in genes:
        values = genes["t"]
    elif "stat" in genes:
        values = genes["stat"]
    else:
        values = np.sign(genes[result.columns.change]) * np.sqrt(genes["F"])
    finite: pd.Series[float] = values[np.isfinite(values)]
    return finite.sort_values(ascending=False, kind="stable")


def _walked(
    result: DEResult,
    genes: pd.DataFrame,
    sets: Mapping[str, list[str]],
    settings: tuple[int, int, int, int],
) -> pd.DataFrame:
    gseapy = _gseapy()
    min_size, max_size, permutations, seed = settings
    if permutations < 100:
        raise AnalysisError(f"GSEA needs 100 permutations at least, not {permutations}")
    found = gseapy.prerank(
        rnk=_ranking(result, genes),
        gene_sets=dict(sets),
        min_size=min_size,
        max_size=max_size,
        permutation_num=permutations,
        seed=seed,
        threads=2,
        outdir=None,
        no_plot=True,
        verbose=False,
    ).res2d.set_index("Term")
    # As many permutations as there are cannot show a smaller one.
    least = 1 / (permutations + 1)
    return pd.DataFrame(
        {
            "size": [len(sets[name]) for name in found.index],
            "ES": found["ES"].astype(float),
            "NES": found["NES"].astype(float),
            "P.Value": np.maximum(found["NOM p-val"].astype(float), least),
            "FDR": np.maximum(found["FDR q-val"].astype(float), least),
            "genes": [str(text).replace(";", "; ") for text in found["Lead_genes"]],
        },
        index=pd.Index(found.index, name="set"),
    )


def _over_represented(
    result: DEResult,
    genes: pd.DataFrame,
    sets: Mapping[str, list[str]],
    direction: Direction,
    adj_p: float,
    min_abs_logfc: float,
) -> pd.DataFrame:
    names = result.columns
    change = genes[names.change]
    chosen = (genes[names.adj_p] <= adj_p) & (change.abs() >= min_abs_logfc)
    if direction != "both":
        chosen &= change > 0 if direction == "higher" else change < 0
    picked = list(genes.index[chosen])
    if not picked:
        raise AnalysisError(
            f"no gene of {result.accession} is at {names.adj_p} ≤ {adj_p:g}; use kind='gsea', which needs no threshold"
        )
    found = _gseapy().enrich(
        gene_list=picked, gene_sets=dict(sets), background=list(genes.index), outdir=None, no_plot=True
    )
    hits = found.results.set_index("Term")
    sizes = pd.Series({name: len(members) for name, members in sets.items()})
    p_value = hits["P-value"].astype(float).reindex(sizes.index).fillna(1.0)
    overlap = hits["Overlap"].str.split("/").str[0].astype(int).reindex(sizes.index).fillna(0).astype(int)
    table = pd.DataFrame(
        {
            "size": sizes,
            "found": overlap,
            "expected": sizes * len(picked) / len(genes),
            "odds": hits["Odds Ratio"].astype(float).reindex(sizes.index).fillna(0.0),
            "P.Value": p_value,
            "FDR": benjamini_hochberg(p_value),
            "genes": hits["Genes"].astype(str).str.replace(";", "; ").reindex(sizes.index).fillna(""),
        }
    )
    return table.rename_axis("set")


def _gseapy() -> Any:
    try:
        import gseapy
    except ImportError as error:
        raise MissingExtraError(
            "gseapy is not installed; run: pip install 'omics-nb[enrichment]'", extra="enrichment"
        ) from error
    return gseapy


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"gseapy": version("gseapy"), "pandas": version("pandas")}


def _notes(result: DEResult, sets: GeneSets, n_used: int, kind: Kind, permutations: int) -> tuple[str, ...]:
    notes = []
    if n_used < len(sets.genes):
        notes.append(
            f"{len(sets.genes) - n_used} of {len(sets.genes)} sets have too few or too many measured genes."
        )
    symbols = result.table["symbol"].astype(str)
    # Mouse and rat write Tp53; a name in capitals stands for its human orthologue, which holds for most genes.
    if (symbols.str.fullmatch(r"[A-Z][a-z0-9]+").mean() > 0.3) and sets.sha256 == read_gene_sets().sha256:
        notes.append(
            "The sets have human symbols; genes of this organism were matched by name, as if orthologues."
        )
    if kind == "gsea":
        notes.append(
            f"The smallest P and FDR that {permutations:,} permutations can show are {1 / (permutations + 1):.2g}."
        )
    return tuple(notes)
