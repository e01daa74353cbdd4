"""Small values of every record, made up, each string of which passes through ``say``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from omics_nb.figures.figure import Axis, Figure, Group, Points
from omics_nb.geo.around import (
    Family,
    Files,
    ListedFile,
    Member,
    Publication,
    Publications,
    RawData,
    SraRun,
)
from omics_nb.records import (
    Check,
    Contrast,
    DEResult,
    FileRecord,
    Hit,
    Hits,
    Quality,
    Query,
    Study,
    Term,
)


@dataclass(frozen=True)
class Values:
    """One value of each kind, all of the same study."""

    query: Query
    hits: Hits
    study: Study
    quality: Quality
    result: DEResult
    figure: Figure
    files: Files
    publications: Publications
    raw_data: RawData
    family: Family


def same(text: str) -> str:
    return text


def values(
    say: Callable[[str], str] = same, *, source: str = "demo", synthetic: bool = True, n_features: int = 60
) -> Values:
    """Values of one small study; ``say`` is applied to each string that a stranger could have written."""
    study = _study(say, source, synthetic, n_features)
    query = _query(say)
    return Values(
        query=query,
        hits=_hits(say, query, source, synthetic),
        study=study,
        quality=_quality(say, study),
        result=_result(say, study),
        figure=_figure(say),
        files=_files(say, source, synthetic),
        publications=Publications(
            say("GSE42872"),
            (
                Publication(
                    "28798664", say("A paper."), (say("Chen X"),) * 9, say("Front"), say("2017"), say("10/x")
                ),
                Publication("5683731"),
            ),
            source,
            (say("PubMed gives no title of 5683731."),),
            synthetic,
        ),
        raw_data=_raw_data(say, source, synthetic),
        family=Family(say("GSE42872"), (say("GSE1"),), (say("GSE2"), say("GSE3")), source, synthetic),
    )


def _figure(say: Callable[[str], str]) -> Figure:
    data = pd.DataFrame(
        {
            "gene": [say(f"GENE{n}") for n in range(4)],
            "logFC": [2.0, -1.5, 1.2, 0.1],
            "P": [4.0, 3.0, 2.0, 0.2],
            "called": [say("higher")] * 3 + [say("other")],
        }
    )
    return Figure(
        "volcano",
        say("Volcano plot"),
        say("3 genes are higher in treated samples."),
        table=data,
        data=data,
        layers=(Points("logFC", "P", "called", "gene", labels=(0, 1), told=("gene", "P")),),
        x=Axis(say("log2 fold change")),
        y=Axis(say("-log10 P")),
        groups=(
            Group(say("higher"), "#D55E00", "triangle-up"),
            Group(say("other"), "#9A9A9A", quiet=True),
        ),
        legend=say("agent"),
    )


def _files(say: Callable[[str], str], source: str, synthetic: bool) -> Files:
    return Files(
        say("GSE42872"),
        (
            ListedFile(say("GSE42872_series_matrix.txt.gz"), "matrix", say("https://x/matrix/"), 845_112),
            ListedFile(
                say("GSE42872_RAW.tar"), "supplement", say("https://x/suppl/"), 26_214_400, exact=False
            ),
            ListedFile(say("filelist.txt"), "supplement", say("https://x/suppl/"), None),
        ),
        source,
        (Member(say("GSM1_a.CEL.gz"), 4_280_320, say("GSE42872_RAW.tar")),),
        synthetic,
    )


def _raw_data(say: Callable[[str], str], source: str, synthetic: bool) -> RawData:
    words = [say(text) for text in ("SRX1", "GSM1", "PAIRED", "RNA-Seq", "HiSeq", "Homo sapiens")]
    runs = tuple(SraRun(say(f"SRR{number}"), *words, 10**9, None, say("SRP1")) for number in range(14))
    return RawData(
        say("GSE42872"),
        runs,
        route=say("SRA study SRP1"),
        tried=(say("SRA study SRP1"),),
        source=source,
        named=(say("SRP1"), say("PRJNA1")),
        notes=(say("1 of 6 samples have no run in SRA."),),
        synthetic=synthetic,
    )


def _query(say: Callable[[str], str]) -> Query:
    return Query(
        text=say("vemurafenib in melanoma, human, at least 6 samples"),
        terms=(
            Term(say("vemurafenib"), "drug", say("vemurafenib")),
            Term(say("melanoma"), "disease", say("melanoma"), "DOID:1909", (say("malignant melanoma"),)),
            Term(say("human"), "organism", say("Homo sapiens")),
        ),
        min_samples=6,
        published_from=date(2010, 1, 1),
        compare=(say("vemurafenib"), say("vehicle")),
        ignored=(say("in"),),
        notes=(say("No vocabulary lists the word 'resistance'."),),
    )


def _hits(say: Callable[[str], str], query: Query, source: str, synthetic: bool) -> Hits:
    hits = tuple(
        Hit(
            accession=say(f"GSE42{number}"),
            title=say(title),
            summary=say("A375 cells were treated for 24 hours."),
            organisms=(say("Homo sapiens"),),
            types=(say("Expression profiling by array"),),
            platforms=(say("GPL6244"),),
            n_samples=6 + number % 3,
            published=date(2012, 12, 10) if number % 2 else None,
            score=2.5 / number,
            reasons=(say("title has “melanoma”"), say("organism is Homo sapiens")),
            source=source,
            synthetic=synthetic,
        )
        for number, title in (
            (872, "Gene expression in melanoma cells after inhibition of BRAF by vemurafenib"),
            (873, "Time course of melanoma lines under treatment"),
        )
    )
    return Hits(
        query,
        hits,
        source,
        total=14,
        notes=(say("The word 'resistance' was dropped."),),
        backend_query=say("x"),
        synthetic=synthetic,
    )


def _study(say: Callable[[str], str], source: str, synthetic: bool, n_features: int) -> Study:
    rng = np.random.default_rng(7)
    accessions = [say(f"GSM10{number}") for number in range(6)]
    samples = pd.DataFrame(
        {
            "title": [say(f"A375 {agent}, rep {rep}") for agent in ("vehicle", "drug") for rep in (1, 2, 3)],
            "source_name": say("melanoma cell line"),
            "organism": say("Homo sapiens"),
            "platform": say("GPL6244"),
            say("agent"): [say("vehicle")] * 3 + [say("vemurafenib")] * 3,
        },
        index=_unlike(accessions),
    )
    features = _unlike([say(f"79{number:05d}") for number in range(n_features)])
    matrix = pd.DataFrame(rng.normal(8, 1, (n_features, 6)), index=features, columns=samples.index)
    symbols = pd.DataFrame({"symbol": [say(f"GENE{number}") for number in range(n_features)]}, index=features)
    return Study(
        accession=say("GSE42872"),
        title=say("Gene expression in melanoma cells after inhibition of BRAF by vemurafenib"),
        summary=say("A375 cells were treated with vemurafenib for 24 hours. " * 3),
        overall_design=say("Three replicates of each."),
        organisms=(say("Homo sapiens"),),
        types=(say("Expression profiling by array"),),
        published=date(2012, 12, 10),
        samples=samples,
        matrices={say("GPL6244"): matrix},
        features={say("GPL6244"): symbols},
        value_kind="expression",
        source=source,
        files=(
            FileRecord(
                say("GSE42872_series_matrix.txt.gz"),
                say("https://ftp.ncbi.nlm.nih.gov/geo/series/GSE42nnn/GSE42872/matrix/"),
                845_112,
                "0f" * 32,
                "2026-02-03T04:05:06+00:00",
            ),
        ),
        synthetic=synthetic,
        notes=(say("12 rows of the annotation name no gene."),),
        metadata={say("title"): (say("BRAF"),)},
    )


def _unlike(names: list[str]) -> pd.Index:
    """Names as an index without repeats, for a hostile ``say`` may make all alike."""
    return pd.Index(
        [f"{name}{' ' * number}" if name in names[:number] else name for number, name in enumerate(names)]
    )


def _quality(say: Callable[[str], str], study: Study) -> Quality:
    checks = (
        Check(say("missing values"), 0.0, "ok", say("No value is missing.")),
        Check(say("group sizes"), {say("vehicle"): 3, say("vemurafenib"): 3}, "ok", say("3 and 3 samples.")),
        Check(say("outliers"), (study.samples.index[1],), "warn", say("One sample lies far from its group.")),
        Check(say("metadata"), 0.25, "fail", say("Three of four samples lack their characteristics.")),
    )
    return Quality(
        accession=study.accession,
        platform=say("GPL6244"),
        checks=checks,
        score=0.72,
        scale="log2",
        outliers=(study.samples.index[1],),
        weights={check.name: 1.0 for check in checks},
        source=study.source,
        synthetic=study.synthetic,
    )


def _result(say: Callable[[str], str], study: Study) -> DEResult:
    matrix = study.matrices[say("GPL6244")]
    rng = np.random.default_rng(11)
    n = len(matrix)
    p = np.sort(rng.uniform(0, 1, n) ** 6)
    table = pd.DataFrame(
        {
            "symbol": study.features[say("GPL6244")]["symbol"].to_numpy(),
            "logFC": rng.normal(0, 1.5, n),
            "AveExpr": matrix.mean(axis=1).to_numpy(),
            "t": rng.normal(0, 3, n),
            "P.Value": p,
            "adj.P.Val": np.minimum.accumulate((p * n / np.arange(1, n + 1))[::-1])[::-1],
            "B": rng.normal(-3, 2, n),
        },
        index=matrix.index,
    )
    return DEResult(
        table=table,
        accession=study.accession,
        platform=say("GPL6244"),
        contrast=Contrast(say("agent"), say("vemurafenib"), say("vehicle")),
        design=say("~ agent"),
        method=say("limma"),
        groups={"tested": tuple(study.samples.index[3:]), "reference": tuple(study.samples.index[:3])},
        scale_decision=say(
            "Values are taken as they are, on a log2 scale (99th percentile 13.1 is at most 100)."
        ),
        source=study.source,
        synthetic=study.synthetic,
        notes=(say("Sample GSM101 was kept although it is an outlier."),),
        versions={"numpy": np.__version__},
    )
