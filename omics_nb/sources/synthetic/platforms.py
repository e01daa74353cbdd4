"""The synthetic arrays and sequencers, and what stands on them: identifiers and annotation as each maker
writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from .genes import HUMAN, MOUSE, RAT, Gene, genes
from .programs import FEMALE, MALE, MARKERS, RESPONSES
from .simulate import seed_of

Style = Literal["probe set", "transcript cluster", "bead", "oligo", "clone", "sequencing"]
Annotated = Literal["annot", "soft", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A GPL. ``share`` of the genes that are in no response or marker set stand on it, and all that are.

    ``annotated`` says which file of the platforms tree carries its annotation.
    """

    accession: str
    title: str
    organism: str
    style: Style
    share: float = 0.6
    annotated: Annotated = "soft"
    published: str = "Jan 09 2015"

    @property
    def technology(self) -> str:
        return {
            "sequencing": "high-throughput sequencing",
            "bead": "oligonucleotide beads",
            "clone": "spotted DNA/cDNA",
        }.get(self.style, "in situ oligonucleotide")


class Feature(NamedTuple):
    """A row of an array: its identifier and its genes, none for a control."""

    id: str
    genes: tuple[Gene, ...]


PLATFORMS: Mapping[str, Platform] = {
    platform.accession: platform
    for platform in (
        Platform(
            accession="GPL900001",
            title="[OmicsDemo-H1] Synthetic human 3' expression array H1",
            organism=HUMAN,
            style="probe set",
            annotated="annot",
        ),
        Platform(
            accession="GPL900002",
            title="[OmicsDemo-H2] Synthetic human 3' expression array H2",
            organism=HUMAN,
            style="probe set",
            share=0.35,
        ),
        Platform(
            accession="GPL900003",
            title="[OmicsDemoGene-1_0-st] Synthetic human gene array, transcript (gene) version",
            organism=HUMAN,
            style="transcript cluster",
        ),
        Platform(
            accession="GPL900004",
            title="OmicsDemo HumanBead-12 V1.0 synthetic expression beadchip",
            organism=HUMAN,
            style="bead",
            annotated="annot",
        ),
        Platform(
            accession="GPL900005",
            title="OmicsDemo-01 Synthetic Human 8x60K oligo microarray (probe name version)",
            organism=HUMAN,
            style="oligo",
        ),
        Platform(
            accession="GPL900006",
            title="OmicsDemo human cDNA 2K, synthetic",
            organism=HUMAN,
            style="clone",
            share=0.3,
        ),
        Platform(
            accession="GPL900007",
            title="[OmicsDemo-M1] Synthetic mouse 3' expression array M1",
            organism=MOUSE,
            style="probe set",
            annotated="annot",
        ),
        Platform(
            accession="GPL900008",
            title="OmicsDemo-02 Synthetic Mouse 4x44K oligo microarray (probe name version)",
            organism=MOUSE,
            style="oligo",
        ),
        Platform(
            accession="GPL900009",
            title="[OmicsDemo-R1] Synthetic rat 3' expression array R1",
            organism=RAT,
            style="probe set",
            annotated="annot",
        ),
        Platform(
            accession="GPL900010",
            title="[OmicsDemoGene-R-st] Synthetic rat gene array, transcript (gene) version",
            organism=RAT,
            style="transcript cluster",
        ),
        Platform(
            accession="GPL900020",
            title="Synthetic sequencer (Homo sapiens)",
            organism=HUMAN,
            style="sequencing",
            share=1.0,
        ),
        Platform(
            accession="GPL900021",
            title="Synthetic sequencer (Mus musculus)",
            organism=MOUSE,
            style="sequencing",
            share=1.0,
        ),
    )
}


@cache
def features(accession: str) -> tuple[Feature, ...]:
    """The rows of a platform's arrays in file order; for a sequencer, one a gene by Entrez identifier."""
    platform = PLATFORMS[accession]
    random = np.random.RandomState(seed_of(accession, "features"))
    known = _with_a_role()
    chosen = [
        gene
        for gene in genes(platform.organism)
        if random.random_sample() < platform.share or gene.human_symbol in known
    ]
    if platform.style == "sequencing":
        return tuple(Feature(gene.symbol, (gene,)) for gene in chosen)
    sets: list[tuple[Gene, ...]] = [(gene,) for gene in chosen]
    # Some genes have a second probe, and some probes cannot tell two genes apart.
    sets += [(chosen[place],) for place in random.permutation(len(chosen))[: len(chosen) // 12]]
    pairs = random.permutation(len(chosen))[:24].reshape(12, 2)
    sets += [(chosen[first], chosen[second]) for first, second in pairs]
    order = random.permutation(len(sets))
    probes = [
        Feature(_ID[platform.style](n, random.randint(5)), sets[place]) for n, place in enumerate(order)
    ]
    return tuple(probes + [Feature(_control(platform.style, n), ()) for n in range(20)])


def annotation(accession: str) -> tuple[Sequence[tuple[str, str]], list[list[str]]]:
    """The columns of a platform's table with their descriptions, and its rows, as its kind of maker writes
    them.
    """
    columns, row = _TABLES[PLATFORMS[accession].style]
    return columns, [row(feature) for feature in features(accession)]


@cache
def _with_a_role() -> frozenset[str]:
    named = set(FEMALE) | set(MALE)
    return frozenset(named.union(*RESPONSES.values(), *MARKERS.values()))


def _probe_set(n: int, draw: int) -> str:
    return f"{900001 + 7 * n}_{('at', 'at', 'at', 's_at', 'x_at')[draw]}"


_ID: Mapping[str, Callable[[int, int], str]] = {
    "probe set": _probe_set,
    "transcript cluster": lambda n, _: str(97000001 + 5 * n),
    "bead": lambda n, _: f"ILMN_{9000001 + 3 * n}",
    "oligo": lambda n, _: f"A_99_P{900001 + 11 * n}",
    "clone": lambda n, _: str(n + 1),
}


def _control(style: Style, n: int) -> str:
    return {
        "probe set": f"AFFX-Demo{n:02d}_at",
        "transcript cluster": str(98000001 + n),
        "bead": f"ILMN_9900{n:03d}",
        "oligo": f"DarkCorner{n:02d}",
        "clone": str(9001 + n),
    }[style]


def _join(feature: Feature, field: str, separator: str = " /// ") -> str:
    return separator.join(getattr(gene, field) for gene in feature.genes)


def _assignment(gene: Gene) -> str:
    cells = ("---", gene.symbol, gene.name or "---", gene.location or "---", gene.entrez_id or "---")
    return " // ".join(cells)


def _transcript_row(feature: Feature) -> list[str]:
    assigned = " /// ".join(_assignment(gene) for gene in feature.genes) or "---"
    return [feature.id, "main" if feature.genes else "control->affx", assigned]


_TABLES: Mapping[str, tuple[Sequence[tuple[str, str]], Callable[[Feature], list[str]]]] = {
    "probe set": (
        (
            ("ID", "Probe set identifier"),
            ("Gene Title", "Title of the gene represented by the probe set"),
            ("Gene Symbol", "A gene symbol, when one is available"),
            ("ENTREZ_GENE_ID", 'Entrez Gene Database UID DELIMIT:" /// "'),
        ),
        lambda f: [
            f.id,
            _join(f, "name"),
            _join(f, "symbol"),
            _join(f, "entrez_id") if any(g.entrez_id for g in f.genes) else "",
        ],
    ),
    "transcript cluster": (
        (
            ("ID", "Transcript cluster identifier"),
            ("category", "Array design category of the transcript cluster"),
            ("gene_assignment", "accession // gene symbol // gene title // cytoband // entrez gene id"),
        ),
        _transcript_row,
    ),
    "bead": (
        (
            ("ID", "Unique identifier for the probe"),
            ("ILMN_Gene", "Internal gene symbol"),
            ("Entrez_Gene_ID", "Entrez Gene identifier"),
            ("Symbol", "Gene symbol from the source database"),
            ("Definition", "Gene description from the source"),
        ),
        lambda f: [f.id, _join(f, "symbol"), _join(f, "entrez_id"), _join(f, "symbol"), _join(f, "name")],
    ),
    "oligo": (
        (
            ("ID", "Probe name"),
            ("SPOT_ID", "Spot identifier"),
            ("CONTROL_TYPE", "Control type"),
            ("GENE_SYMBOL", "Gene Symbol"),
            ("GENE_NAME", "Gene Name"),
        ),
        lambda f: [f.id, f.id, "FALSE" if f.genes else "pos", _join(f, "symbol"), _join(f, "name")],
    ),
    "clone": (
        (
            ("ID", "Spot number"),
            ("CLONE_ID", "Clone identifier"),
            ("DESCRIPTION", "Gene title"),
            ("GENE SYMBOL", "Gene symbol"),
        ),
        lambda f: [f.id, f"DEMO:{f.id}" if f.genes else "EMPTY", _join(f, "name"), _join(f, "symbol")],
    ),
    "sequencing": ((), lambda _: []),
}
