"""A study from whichever files of a series or GDS are at hand.

Values come from series matrices where these have any, else from the sample tables of the family file, else
from counts: NCBI's own, or the authors'. Each platform has a matrix of its own. What is missing, odd or was
left out is in the notes of the study, and samples that GEO declares are counted against those that were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np

from ..errors import FormatError, NotFoundError
from ..records import Study, StudyHeader
from . import explain, layout, supplement, values
from .counts import NCBI_ANNOTATION, NCBI_COUNTS
from .files import LocalFile
from .miniml import read_miniml
from .parts import UNKNOWN_PLATFORM, Parts, some
from .platforms import platform_features, read_platform
from .samples import sample_sheet, sample_text
from .series_matrix import SeriesMatrix, read_series_header, read_series_matrix
from .soft import Entity, Family, read_family

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"(?:Public on )?([A-Z][a-z]{2}) (\d{1,2}),? (\d{4})")
_KINDS = (
    # GEO splits some large matrices: GSE8052_series_matrix-1.txt.gz, GSE8052_series_matrix-2.txt.gz.
    (re.compile(r"_series_matrix(-\d+)?\.txt(\.gz)?$", re.IGNORECASE), "matrix"),
    (re.compile(r"^GPL\d+(_family)?\.(annot|soft)(\.gz)?$", re.IGNORECASE), "platform"),
    (re.compile(r"\.soft(\.gz)?$", re.IGNORECASE), "soft"),
    (re.compile(r"_family\.xml(\.tgz|\.gz)?$", re.IGNORECASE), "miniml"),
    (NCBI_COUNTS, "ncbi_counts"),
    (NCBI_ANNOTATION, "ncbi_annotation"),
)
_Files = Mapping[str, Sequence[LocalFile]]


def file_kind(name: str) -> str:
    """matrix, platform, soft, miniml, ncbi_counts, ncbi_annotation, or suppl for anything else; by name."""
    return next((kind for pattern, kind in _KINDS if pattern.search(name)), "suppl")


def read_study(accession: str, files: Sequence[LocalFile], *, source: str, synthetic: bool = False) -> Study:
    """The study that these files add up to.

    ``files`` are those of the series or GDS, and any of its platforms, the better annotation first.
    NotFoundError if there are none; FormatError or IntegrityError, with file and line, if one is damaged or
    not what it should be.
    """
    parts, by_kind = _start(accession, files)
    if parts.accession.startswith("GDS"):
        values.add_dataset(parts, _dataset_family(parts, by_kind))
    else:
        _read_series(parts, by_kind)
    _read_features(parts, by_kind["platform"])
    parts.notes += explain.reconcile(parts)
    parts.notes += explain.relations(parts)
    parts.notes += explain.no_matrix(parts, empty_table=bool(by_kind["matrix"]), synthetic=synthetic)
    parts.notes += explain.single_cells(parts, by_kind["suppl"])
    return _assemble(parts, files, source=source, synthetic=synthetic)


def read_header(accession: str, files: Sequence[LocalFile]) -> StudyHeader:
    """What a search needs to know of the study, read without its values. Errors as ``read_study``."""
    parts, by_kind = _start(accession, files)
    headers = [read_series_header(file.path) for file in by_kind["matrix"]]
    for file, header in zip(by_kind["matrix"], headers, strict=True):
        _check_accession(parts, [header.accession], file.name)
        parts.describe(header.metadata, header.samples)
    has_values = any(header.has_values for header in headers)
    if not headers or parts.missing:
        for family in _families(parts, by_kind, tables=False):
            parts.add_family(family)
            for dataset in family.datasets.values():
                values.add_dataset_samples(parts, dataset, family)
            has_values |= any(map(_has_rows, [*family.samples.values(), *family.datasets.values()]))
    has_values |= bool(by_kind["ncbi_counts"] or supplement.rank(file.name for file in by_kind["suppl"]))
    at_hand = [file.name for kind in ("suppl", "ncbi_counts") for file in by_kind[kind]]
    return _header(parts, has_values=has_values, files=(*explain.files_listed(parts), *at_hand))


def _start(accession: str, files: Sequence[LocalFile]) -> tuple[Parts, _Files]:
    accession = layout.parse_accession(accession, "GSE", "GDS")
    if not files:
        raise NotFoundError(f"there are no files of {accession} at hand", accession=accession)
    found: dict[str, list[LocalFile]] = {kind: [] for _, kind in _KINDS}
    found["suppl"] = []
    for file in files:
        found[file_kind(file.name)].append(file)
    return Parts(accession), found


def _families(parts: Parts, by_kind: _Files, *, tables: bool) -> list[Family]:
    """SOFT families; MINiML, which says the same, only where there is no SOFT."""
    soft, miniml = by_kind["soft"], by_kind["miniml"]
    parts.used |= {file.name for file in (soft or miniml)}
    found = []
    for file in soft or miniml:
        family = read_family(file.path) if soft else read_miniml(file.path, tables=tables)
        _check_accession(parts, [*family.series, *family.datasets], file.name)
        found.append(family)
    return found


def _check_accession(parts: Parts, said: Sequence[str], name: str) -> None:
    """FormatError for a file that says that it is of another study: its name alone would mix the two."""
    others = [name.upper() for name in said if re.fullmatch(r"G(SE|DS)\d+", name, re.IGNORECASE)]
    if others and parts.accession not in others:
        raise FormatError(
            f"{name} should be of {parts.accession} and says that it is of {', '.join(others)}",
            accession=parts.accession,
        )


def _has_rows(entity: Entity) -> bool:
    if entity.table is not None:
        return not entity.table.empty
    return entity.first("data_row_count", "0") not in ("0", "")


def _dataset_family(parts: Parts, by_kind: _Files) -> Family:
    if not by_kind["soft"]:
        raise NotFoundError(f"{parts.accession} has no SOFT file at hand", accession=parts.accession)
    file = by_kind["soft"][0]
    family = read_family(file.path)
    if not family.datasets:
        raise FormatError(f"{file.name} holds no dataset", accession=parts.accession)
    _check_accession(parts, list(family.datasets), file.name)
    parts.used.add(file.name)
    parts.add_family(family)
    return family


def _read_series(parts: Parts, by_kind: _Files) -> None:
    for file in by_kind["matrix"]:
        _add_matrix(parts, read_series_matrix(file.path), file.name)
    without_values = [name for name in parts.platforms if name not in parts.matrices]
    without_features = [name for name in parts.platforms if not _files_of(name, by_kind["platform"])]
    if not parts.samples or parts.missing or without_values or without_features:
        for family in _families(parts, by_kind, tables=True):
            parts.add_family(family)
            values.add_family_values(parts, family)
    if not parts.matrices and by_kind["ncbi_counts"]:
        annotation = next(iter(by_kind["ncbi_annotation"]), None)
        values.add_ncbi_counts(parts, by_kind["ncbi_counts"][0], annotation)
    if not parts.matrices:
        named = {file.name: file for file in by_kind["suppl"]}
        any(values.add_supplement(parts, named[name]) for name in supplement.rank(named))


def _files_of(platform: str, files: Iterable[LocalFile]) -> list[LocalFile]:
    return [file for file in files if re.match(rf"{platform}(\D|$)", file.name, re.IGNORECASE)]


def _add_matrix(parts: Parts, matrix: SeriesMatrix, name: str) -> None:
    _check_accession(parts, [matrix.accession], name)
    parts.describe(matrix.metadata, matrix.samples)
    parts.notes += matrix.notes
    parts.used.add(name)
    if not len(matrix.values):
        return
    if not np.isfinite(matrix.values.to_numpy()).any():
        parts.notes.append(f"{name}: the table holds no numbers, and was left out")
        return
    platform = matrix.platform or UNKNOWN_PLATFORM
    if platform not in parts.matrices:
        parts.matrices[platform] = matrix.values
        return
    before = parts.matrices[platform]
    if again := before.columns.intersection(matrix.values.columns).tolist():
        raise FormatError(
            f"{name} is a second series matrix of {platform}, with samples that the first has: {some(again)}",
            accession=parts.accession,
        )
    parts.notes.append(f"{name} was joined to the other series matrices of {platform}, by identifier")
    parts.matrices[platform] = values.joined(before, matrix.values)


def _read_features(parts: Parts, files: Sequence[LocalFile]) -> None:
    """Annotation of every platform that has a matrix: the first file that has a table, else the family's
    own.
    """
    for platform, matrix in parts.matrices.items():
        for file in _files_of(platform, files):
            _, frame, notes = read_platform(file.path)
            if len(frame):
                parts.features[platform] = frame
                parts.notes += notes
                parts.used.add(file.name)
                break
        for family in parts.families:
            if platform not in parts.features and platform in family.platforms:
                frame, notes = platform_features(family.platforms[platform])
                parts.notes += notes
                if len(frame):
                    parts.features[platform] = frame
        _note_annotation(parts, platform, list(matrix.index))


def _note_annotation(parts: Parts, platform: str, features: list[str]) -> None:
    known = parts.features.get(platform)
    if known is None:
        if platform != UNKNOWN_PLATFORM and parts.value_kind == "expression":
            parts.notes.append(
                f"no annotation of {platform} is at hand: its features have no gene symbols"
                + _way_to_annotation(platform)
            )
        return
    without = len(set(features).difference(known.index))
    if without:
        parts.notes.append(f"{without:,} of {len(features):,} rows of {platform} are not in its annotation")


def _way_to_annotation(platform: str) -> str:
    if not re.fullmatch(r"GPL\d+", platform):
        return ""
    return (
        f". For symbols in a mirror, put GEO's file into its folder as {layout.annot_file(platform)}, or, where GEO"
        f" has none, {layout.soft_file(platform)}; the source ncbi downloads it by itself"
    )


def _assemble(parts: Parts, files: Sequence[LocalFile], *, source: str, synthetic: bool) -> Study:
    samples = sample_sheet(parts.samples)
    if UNKNOWN_PLATFORM in parts.matrices:
        samples["platform"] = samples["platform"].replace("", UNKNOWN_PLATFORM)
    matrices = {}
    for platform, matrix in parts.matrices.items():
        ordered = samples.index[samples.index.isin(matrix.columns)].tolist()
        matrices[platform] = matrix if list(matrix.columns) == ordered else matrix[ordered]
    header = _header(parts, has_values=bool(matrices))
    return Study(
        accession=parts.accession,
        title=header.title,
        summary=header.summary,
        overall_design=header.overall_design,
        organisms=header.organisms,
        types=header.types,
        published=header.published,
        samples=samples,
        matrices=matrices,
        features={platform: parts.features[platform] for platform in matrices if platform in parts.features},
        value_kind=parts.value_kind,
        source=source,
        files=tuple(file.record for file in files if file.name in parts.used),
        synthetic=synthetic,
        notes=tuple(dict.fromkeys(parts.notes)),
        metadata=parts.metadata,
    )


def _header(parts: Parts, *, has_values: bool, files: Iterable[str] = ()) -> StudyHeader:
    meta = parts.metadata
    organisms = [
        value
        for sample in parts.samples.values()
        for name, found in sample.items()
        if name.startswith("organism")
        for value in found
    ]
    return StudyHeader(
        accession=parts.accession,
        title=_text(meta.get("title", ())) or f"{parts.accession} (no metadata at hand)",
        summary=_text(meta.get("summary", meta.get("description", ()))),
        overall_design=_text(meta.get("overall_design", ())),
        organisms=tuple(dict.fromkeys(name for name in organisms if name)),
        types=tuple(dict.fromkeys(text for text in meta.get("type", ()) if text)),
        platforms=tuple(name for name in parts.platforms if name != UNKNOWN_PLATFORM)
        or tuple(meta.get("platform_id", ())),
        published=_published(meta),
        n_samples=len(parts.samples) + len(parts.missing),
        sample_texts=tuple(sample_text(sample) for sample in parts.samples.values()),
        relations=tuple(meta.get("relation", ())),
        has_values=has_values,
        files=tuple(dict.fromkeys(files)),
    )


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).strip()


def _published(metadata: Mapping[str, Sequence[str]]) -> date | None:
    for text in (*metadata.get("status", ()), *metadata.get("update_date", ())):
        found = _DATE.search(text)
        if found and found[1] in _MONTHS:
            try:
                return date(int(found[3]), _MONTHS.index(found[1]) + 1, int(found[2]))
            except ValueError:
                continue
    return None
