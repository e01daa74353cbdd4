"""The data agents: an accession → a verified Study, and what surrounds it: files, papers, raw reads, family, cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from pydantic import InstanceOf

from ..analysis.groups import with_proposed_groups
from ..errors import AgentError, DataError, NotFoundError, SourceError
from ..geo import around, genes
from ..geo import cells as cell_files
from ..geo.around import Family, Files, Publications, RawData
from ..geo.genes import GeneMatrix, How
from ..geo.parts import some
from ..records import Hit, Study
from ..sources import KnowsLinks, ListsFiles, OpensFiles, Source, open_source

#: How a record is named: by its accession, or by a hit or study, which know their source.
Named = str | InstanceOf[Hit] | InstanceOf[Study]


def fetch(study: str | InstanceOf[Hit], *, source: str | None = None) -> InstanceOf[Study]:
    """A study with its samples, matrices, annotation and the provenance of every file.

    ``study`` is an accession ("GSE42872") or a hit, which knows its source. Where only titles or source names tell
    the groups, the sample sheet has them as ``title group`` or ``source group``. NotFoundError for an accession that
    the source does not have, DataError for files that cannot be trusted.
    """
    if not isinstance(study, Hit | str):
        raise AgentError(f"fetch takes an accession or a hit, not {study!r:.80}")
    if isinstance(study, Hit):
        found = open_source(source or study.source).fetch(study.accession)
    else:
        found = open_source(source).fetch(study)
    return with_proposed_groups(found)


def to_genes(
    study: InstanceOf[Study], *, platform: str | None = None, how: How = "max-mean"
) -> InstanceOf[GeneMatrix]:
    """One platform's matrix by gene symbol, and what that step lost.

    ``how``: "max-mean" keeps the feature with the highest mean of each gene, "median" takes the median of its features
    in each sample, "all" keeps every feature. DataError where no annotation tells symbols.
    """
    platform = study.choose_platform(platform)
    features = study.features.get(platform)
    if features is None or "symbol" not in features:
        raise DataError(
            f"no gene symbols of {platform} are at hand, so its features cannot be told to be of any gene",
            accession=study.accession,
            platform=platform,
        )
    return genes.to_genes(study.matrices[platform], features["symbol"], how=how)


def files(study: Named, *, source: str | None = None) -> InstanceOf[Files]:
    """Every file that the source has of a study, platform or sample: name, role, place, size; nothing is downloaded.

    NotFoundError for an accession that the source does not have; SourceError where the source cannot list files.
    """
    accession, opened = _asked(study, source)
    if not isinstance(opened, ListsFiles):
        raise SourceError(
            f"the source {opened.spec} cannot list its files; those that a study was read from are in study.files",
            source=opened.spec,
        )
    return opened.files(accession)


def publications(study: Named, *, source: str | None = None) -> InstanceOf[Publications]:
    """The papers of a study. "ncbi" asks PubMed for title, authors, journal and DOI; elsewhere the numbers alone.

    None is an answer. NotFoundError for a study that the source does not have.
    """
    accession, opened = _asked(study, source)
    if isinstance(opened, KnowsLinks):
        return opened.publications(accession)
    return around.publications_of(_read(study, opened))


def raw_data(study: Named, *, source: str | None = None) -> InstanceOf[RawData]:
    """The SRA runs of a study with size and layout, by "ncbi"; elsewhere what its own lines say of raw data.

    That there is none is an answer. NotFoundError for a study that the source does not have.
    """
    accession, opened = _asked(study, source)
    if isinstance(opened, KnowsLinks):
        return opened.raw_data(accession)
    return around.raw_data_of(_read(study, opened))


def family(study: Named, *, source: str | None = None) -> InstanceOf[Family]:
    """The SuperSeries that a study is part of, and the SubSeries that it is made of; none is an answer."""
    accession, opened = _asked(study, source)
    if isinstance(opened, KnowsLinks):
        return opened.family(accession)
    read = _read(study, opened)
    return around.family_of(
        read.metadata.get("relation", ()), read.accession, source=read.source, synthetic=read.synthetic
    )


def cells(
    study: Named,
    *,
    samples: Sequence[str] | None = None,
    common: bool = False,
    max_bytes: int = 4 * 2**30,
    source: str | None = None,
) -> Any:
    """Single cells as AnnData, cells × features, from 10x triplets, Cell Ranger's ``.h5`` or ``.h5ad``.

    ``samples`` limits them to some accessions; ``obs`` has each cell's sample with what the study's sheet says of it,
    ``uns`` where all that came from. Samples whose features differ are refused, unless ``common`` keeps the features
    that all have. NotFoundError where there are no such files; DataError for more than ``max_bytes`` of them, before
    any is downloaded, and for files that cannot be trusted.
    """
    from ..geo import singlecell

    singlecell.require_anndata()  # before a download of hours, not after it
    accession, opened = _asked(study, source)
    if not isinstance(opened, OpensFiles):
        raise SourceError(f"the source {opened.spec} cannot open single files", source=opened.spec)
    listed = opened.files(accession)
    names = cell_files.sizes_of(listed)
    chosen = cell_files.find_cells(names, [samples] if isinstance(samples, str) else samples)
    if not chosen:
        raise NotFoundError(
            f"{opened.spec} has no single-cell files of {listed.accession}, such as matrix.mtx with features and"
            f" barcodes, .h5 or .h5ad; its supplementary files are {some(names) or 'none'}",
            accession=listed.accession,
        )
    cell_files.check_size(chosen, listed, max_bytes)
    sheet = study if isinstance(study, Study) else _sheet(opened, listed)
    read, used = [], []
    for one in chosen:
        with TemporaryDirectory(prefix="omics-") as folder:
            got = opened.open_files(listed, one.names, Path(folder), max_bytes=max_bytes)
            read.append((one, singlecell.read_cells(one, got, Path(folder))))
            used += got
    left = cell_files.left_out(names, chosen) if samples is None else []
    notes = [f"{len(left):,} files beside these were left out: {some(left)}"] if left else []
    if not sheet.n_samples:
        notes += sheet.notes
    return singlecell.join_cells(sheet, read, used, source=opened.spec, common=common, notes=notes)


def _sheet(opened: Source, listed: Files) -> Study:
    """The study for its sample sheet; where the source has its cells and nothing else, a study without one."""
    try:
        return with_proposed_groups(opened.fetch(listed.accession))
    except NotFoundError as error:
        return _without_sheet(opened, listed, str(error))


def _without_sheet(opened: Source, listed: Files, why: str) -> Study:
    return Study(
        accession=listed.accession,
        title="",
        summary="",
        overall_design="",
        organisms=(),
        types=(),
        published=None,
        samples=pd.DataFrame(index=pd.Index([], dtype=object, name="sample")),
        matrices={},
        features={},
        value_kind="counts",
        source=opened.spec,
        files=(),
        synthetic=opened.synthetic,
        notes=(f"cells without a sample sheet: {why}",),
    )


def _asked(study: str | Hit | Study, source: str | None) -> tuple[str, Source]:
    """Which record of which source is meant; a hit and a study know theirs."""
    if isinstance(study, str):
        return study, open_source(source)
    if not isinstance(study, Hit | Study):
        raise AgentError(f"an accession, a hit or a study was expected, not {study!r:.80}")
    return study.accession, open_source(source or study.source)


def _read(study: str | Hit | Study, opened: Source) -> Study:
    """The study itself where it is of this source, else read from there."""
    if isinstance(study, Study) and study.source == opened.spec:
        return study
    return opened.fetch(study if isinstance(study, str) else study.accession)
