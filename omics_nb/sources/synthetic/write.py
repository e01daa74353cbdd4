"""The files of the archive as GEO writes them: SOFT, series matrix, platform annotation, GDS and count
tables.

Each function gives the bytes of one file before compression. Formats:
https://www.ncbi.nlm.nih.gov/geo/info/soft.html and, for counts,
https://www.ncbi.nlm.nih.gov/geo/info/rnaseqcounts.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import zip_longest

import numpy as np

from .catalogue import DATASETS
from .describe import (
    SYNTHETIC,
    Pairs,
    library_name,
    platform_attributes,
    platforms_of,
    sample_attributes,
    series_attributes,
)
from .genes import genes
from .planted import row_name
from .platforms import PLATFORMS, annotation, features
from .sheet import Sample, samples, study_spec
from .simulate import seed_of
from .spec import StudySpec
from .values import values

_DATABASE = (("name", "Demo archive of omics_nb, not GEO"), ("institute", "none"), ("ref", SYNTHETIC))
_ANNOTATION_COLUMNS = (
    ("ID", "ID from Platform data table"),
    ("Gene title", "Entrez Gene name"),
    ("Gene symbol", "Entrez Gene symbol"),
    ("Gene ID", "Entrez Gene identifier"),
    ("Chromosome location", "Entrez gene chromosome and location"),
)
_FORMS = {"log2": "%.4f", "log ratio": "%.4f", "raw": "%.1f", "counts": "%d"}
_PRESENT = 100.0


def family_soft(accession: str) -> bytes:
    """``GSE_family.soft``: the series, its platforms with their tables, its samples with theirs."""
    study = study_spec(accession)
    lower = "lower-case entities" in study.odd
    lines = _entity("DATABASE", "GeoMiame", list(_DATABASE), lower=lower)
    lines += _entity("SERIES", accession, series_attributes(accession), lower=lower)
    for platform in platforms_of(study):
        lines += _platform(platform, lower=lower)
    for sample in samples(accession):
        own = study_spec(_home(study, sample))
        table = _sample_table(own, sample)
        pairs = [*sample_attributes(own, sample), ("data_row_count", str(max(len(table) - 1, 0)))]
        lines += _entity("SAMPLE", sample.accession, pairs, lower=lower)
        if table or own.scale != "counts":
            lines += [*_sample_columns(own), "!sample_table_begin", *table, "!sample_table_end"]
    end = "\r\n" if "CRLF" in study.odd else "\n"
    return _text(lines, end).encode("cp1252" if "cp1252" in study.odd else "utf-8")


def series_matrix(accession: str, platform: str) -> bytes:
    """The series matrix of one platform; its table is empty for sequencing."""
    study = study_spec(accession)
    own = [sample for sample in samples(accession) if sample.platform == platform]
    home = study_spec(_home(study, own[0]))
    ids, columns = _numbers(home.accession, platform) if home.scale != "counts" else ((), ())
    lines = _series_lines(series_attributes(accession))
    lines += ["", *_sample_lines(home, own, len(ids)), "!series_matrix_table_begin"]
    lines.append("\t".join(f'"{cell}"' for cell in ("ID_REF", *(sample.accession for sample in own))))
    cells = [
        ["" if cell == "null" else cell for cell in columns[sample.position]] for sample in own if columns
    ]
    names = [name if name.isdigit() else f'"{name}"' for name in ids]
    lines += ["\t".join(row) for row in zip(names, *cells, strict=True)]
    return _text([*lines, "!series_matrix_table_end"]).encode()


def platform_soft(accession: str) -> bytes:
    """``GPL_family.soft``, without samples."""
    return _text([*_entity("DATABASE", "GeoMiame", list(_DATABASE)), *_platform(accession)]).encode()


def platform_annot(accession: str) -> bytes:
    """``GPL.annot``, GEO's own annotation of a platform."""
    platform = PLATFORMS[accession]
    lines = [
        "^Annotation",
        "!Annotation_date = Jan 09 2015",
        f"!Annotation_platform = {accession}",
        f"!Annotation_platform_title = {platform.title}",
        f"!Annotation_platform_organism = {platform.organism}",
        *(f"#{name} = {text}" for name, text in _ANNOTATION_COLUMNS),
        "!platform_table_begin",
        "\t".join(name for name, _ in _ANNOTATION_COLUMNS),
    ]
    for feature in features(accession):
        cells = (
            "///".join(getattr(gene, part) for gene in feature.genes if getattr(gene, part))
            for part in _ANNOTATED
        )
        lines.append("\t".join((feature.id, *cells)))
    return _text([*lines, "!platform_table_end"]).encode()


_ANNOTATED = ("name", "symbol", "entrez_id", "location")


def dataset_soft(accession: str) -> bytes:
    """``GDS.soft``: values of one platform, samples in subsets."""
    dataset = DATASETS[accession]
    study = study_spec(dataset.series)
    own = [sample for sample in samples(dataset.series) if sample.platform == dataset.platform]
    ids, columns = _numbers(dataset.series, dataset.platform)
    lines = _entity("DATABASE", "Geo", list(_DATABASE))
    lines += _entity(
        "DATASET", accession, _dataset_pairs(accession, study, len(own), len(ids)), prefix="dataset"
    )
    lines += _subsets(accession, own)
    lines += [
        f"^DATASET = {accession}",
        "#ID_REF = Platform reference identifier",
        "#IDENTIFIER = identifier",
    ]
    lines += [f"#{s.accession} = Value for {s.accession}: {s.title}; src: {s.source_name}" for s in own]
    lines += [
        "!dataset_table_begin",
        "\t".join(("ID_REF", "IDENTIFIER", *(sample.accession for sample in own))),
    ]
    names = [row.genes[0].symbol if row.genes else "--Control" for row in features(dataset.platform)]
    lines += [
        "\t".join(row) for row in zip(ids, names, *(columns[sample.position] for sample in own), strict=True)
    ]
    return _text([*lines, "!dataset_table_end"]).encode()


def count_table(accession: str) -> bytes:
    """The counts of a study in the form that its specification names: NCBI's, or one of the authors'."""
    study = study_spec(accession)
    platform = study.platforms[0]
    own = samples(accession)
    table = values(accession, platform).astype(np.int64)
    rows = [(row_name(study, row.genes[0]), row.genes[0].symbol) for row in features(platform)]
    if study.counts == "ncbi":
        return _rows(
            "\t",
            ("GeneID", *(s.accession for s in own)),
            ((name, *counts) for (name, _), counts in _zip(rows, table)),
        )
    if study.counts == "symbols":
        return _rows(
            ",", ("", *(s.title for s in own)), ((name, *counts) for (name, _), counts in _zip(rows, table))
        )
    if study.counts == "ensembl":
        header = ("Geneid", "gene_name", *(sample.title.replace(" ", "_") for sample in own))
        return _rows("\t", header, ((name, symbol, *counts) for (name, symbol), counts in _zip(rows, table)))
    header = (
        "Geneid",
        "Chr",
        "Start",
        "End",
        "Strand",
        "Length",
        *(f"bam/{library_name(s)}.sorted.bam" for s in own),
    )
    comment = b"# Program:featureCounts v2.0.1; Command: none, the data are synthetic\n"
    return comment + _rows("\t", header, _located(rows, table))


def ncbi_annotation() -> bytes:
    """``Human.GRCh38.p13.annot.tsv``, the annotation of NCBI's counts; the first of its columns."""
    header = ("GeneID", "Symbol", "Description", "GeneType", "EnsemblGeneID", "Status", "ChrLoc")
    rows = (
        (g.entrez_id, g.symbol, g.name, "protein-coding", g.ensembl_id, "active", g.location) for g in genes()
    )
    return _rows("\t", header, rows)


def _home(study: StudySpec, sample: Sample) -> str:
    """The series that a sample was made for: a superseries only joins."""
    return next((part for part in study.parts if sample in samples(part)), study.accession)


@lru_cache(maxsize=4)
def _numbers(accession: str, platform: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Row names, and for each biological sample its values as text."""
    form = _FORMS[study_spec(accession).scale] + "\n"
    columns = []
    for column in values(accession, platform).T:
        text = (form * len(column)) % tuple(column.tolist())
        columns.append(tuple(text.replace("nan", "null").split("\n")[:-1]))
    return tuple(feature.id for feature in features(platform)), tuple(columns)


def _entity(
    kind: str, name: str, pairs: Pairs, *, lower: bool = False, prefix: str | None = None
) -> list[str]:
    first = f"^{kind.lower() if lower else kind} = {name}"
    prefix = prefix or kind.capitalize()
    lines = [first]
    for attribute, value in pairs:
        # In the oldest files, contacts are lower case throughout.
        word = prefix.lower() if lower and attribute.startswith("contact") else prefix
        lines.append(f"!{word}_{attribute} = {value}")
    return lines


def _platform(accession: str, *, lower: bool = False) -> list[str]:
    columns, rows = annotation(accession)
    lines = _entity("PLATFORM", accession, platform_attributes(PLATFORMS[accession]), lower=lower)
    if columns:
        lines += [f"#{name} = {text}" for name, text in columns]
        lines += ["!platform_table_begin", "\t".join(name for name, _ in columns)]
        lines += ["\t".join(row) for row in rows] + ["!platform_table_end"]
    return lines


def _sample_columns(study: StudySpec) -> list[str]:
    what = {"raw": "signal", "log ratio": "log2 ratio of sample to reference"}.get(study.scale, "log2 signal")
    lines = ["#ID_REF = ", f"#VALUE = normalised {what}"]
    return [*lines, "#ABS_CALL = present (P) or absent (A)"] if study.scale == "raw" else lines


def _sample_table(study: StudySpec, sample: Sample) -> list[str]:
    """Header and rows; nothing where the study is of counts or the sample is empty."""
    if study.scale == "counts" or sample.position in study.empty:
        return []
    ids, columns = _numbers(study.accession, sample.platform)
    cells = columns[sample.position]
    if study.scale == "raw":
        lines = [
            f"{name}\t{cell}\t{'P' if float(cell) >= _PRESENT else 'A'}"
            for name, cell in zip(ids, cells, strict=True)
        ]
    else:
        lines = [f"{name}\t{cell}" for name, cell in zip(ids, cells, strict=True)]
    if "row order" in study.odd and sample.position % 5 == 4:
        # Submitted apart from the others: sorted the other way, and without the last controls.
        lines = lines[-11::-1]
    return ["ID_REF\tVALUE\tABS_CALL" if study.scale == "raw" else "ID_REF\tVALUE", *lines]


def _series_lines(pairs: Pairs) -> list[str]:
    lines, members = [], ""
    for name, value in pairs:
        if name != "sample_id":
            lines.append(f'!Series_{name}\t"{value}"')
        elif not members:
            # GEO writes all of them as one cell, with a blank after the last.
            members = "".join(f"{other} " for attribute, other in pairs if attribute == "sample_id")
            lines.append(f'!Series_sample_id\t"{members}"')
    return lines


def _sample_lines(study: StudySpec, own: Sequence[Sample], n_rows: int) -> list[str]:
    """One line an attribute, one cell a sample: where a sample lacks a characteristic, its later ones move
    up.
    """
    described = [sample_attributes(study, sample) for sample in own]
    names = dict.fromkeys(name for pairs in described for name, _ in pairs)
    lines = []
    for name in names:
        of_samples = [[value for attribute, value in pairs if attribute == name] for pairs in described]
        for cells in zip_longest(*of_samples, fillvalue=""):
            lines.append("\t".join((f"!Sample_{name}", *(f'"{cell}"' for cell in cells))))
    counts = ["0" if sample.position in study.empty else str(n_rows) for sample in own]
    return [*lines, "\t".join(("!Sample_data_row_count", *(f'"{count}"' for count in counts)))]


def _dataset_pairs(accession: str, study: StudySpec, n_samples: int, n_rows: int) -> Pairs:
    dataset = DATASETS[accession]
    platform = PLATFORMS[dataset.platform]
    return [
        ("title", dataset.title),
        ("description", f"{dataset.description} {SYNTHETIC}"),
        ("type", "Expression profiling by array"),
        ("platform", dataset.platform),
        ("platform_organism", platform.organism),
        ("platform_technology_type", platform.technology),
        ("feature_count", str(n_rows)),
        ("sample_organism", study.organism),
        ("sample_type", "RNA"),
        ("channel_count", "1"),
        ("sample_count", str(n_samples)),
        ("value_type", "count" if study.scale == "raw" else "transformed count"),
        ("reference_series", dataset.series),
        ("order", "none"),
        ("update_date", study.published),
    ]


def _subsets(accession: str, own: Sequence[Sample]) -> list[str]:
    lines: list[str] = []
    number = 0
    for kind, column in DATASETS[accession].subsets.items():
        for level in dict.fromkeys(sample.levels[column] for sample in own):
            number += 1
            members = ",".join(sample.accession for sample in own if sample.levels[column] == level)
            pairs = [
                ("dataset_id", accession),
                ("description", level),
                ("sample_id", members),
                ("type", kind),
            ]
            lines += _entity("SUBSET", f"{accession}_{number}", pairs, prefix="subset")
    return lines


def _zip(rows: Sequence[tuple[str, str]], table: np.ndarray) -> Iterable[tuple[tuple[str, str], list[int]]]:
    return zip(rows, table.tolist(), strict=True)


def _located(rows: Sequence[tuple[str, str]], table: np.ndarray) -> Iterable[tuple[object, ...]]:
    for (name, _), counts in _zip(rows, table):
        start = seed_of(name) % 90_000_000
        length = 800 + seed_of(name, "length") % 5000
        yield (
            name,
            f"chr{1 + seed_of(name, 'chromosome') % 19}",
            start,
            start + 4 * length,
            "+",
            length,
            *counts,
        )


def _rows(mark: str, header: Iterable[object], rows: Iterable[Iterable[object]]) -> bytes:
    return _text(mark.join(map(str, row)) for row in (header, *rows)).encode()


def _text(lines: Iterable[str], end: str = "\n") -> str:
    return end.join(lines) + end
