"""``search``, ``fetch``, ``cells``, ``quality`` and ``de``: one study at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import FormatError
from .groups import GroupTable, groups_option, naming_lines
from .options import (
    as_json_option,
    asked_contrast,
    contrast_option,
    contrasts_option,
    design_option,
    fit_options,
    method_option,
    platform_option,
    source_option,
    told_fit,
)
from .output import jsonable, print_json, working, write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from ..index import Sort
    from ..records import DEResult, Study

#: Exit code of a search that found nothing; that of NotFoundError.
NOTHING_FOUND = 4


@click.command()
@click.argument("question", required=False)
@source_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--save", metavar="NAME", help="Keep this search under a name.")
@click.option("--saved", metavar="NAME", help="Ask a kept search again, and tell what is new.")
@click.option("--within", metavar="ACCESSIONS", help="Search only among these, separated by commas.")
@click.option(
    "--sort",
    type=click.Choice(["relevance", "date", "samples"]),
    default="relevance",
    help="Best, newest or largest first.",
)
@click.option(
    "--facets", is_flag=True, help="Count what was found by organism, type, year, tissue, disease …"
)
@click.option(
    "--embedder", metavar="PROVIDER:MODEL", help="Let vectors of openai, ollama or local have a part."
)
@as_json_option
def search(
    question: str | None,
    source: str | None,
    limit: int,
    save: str | None,
    saved: str | None,
    within: str | None,
    sort: Sort,
    facets: bool,
    embedder: str | None,
    as_json: bool,
) -> None:
    """Find studies for QUESTION, with the reasons each was found."""
    from ..agents.saved import save_search, saved_search
    from ..agents.search import search as find

    if (question is None) != (saved is not None) or (save and saved):
        raise click.UsageError("give a QUESTION, which --save NAME keeps, or --saved NAME alone")
    if saved and source:
        raise click.UsageError("--saved NAME asks the source that it was saved with; leave --source out")
    if (save or saved) and (within or facets or embedder or sort != "relevance"):
        raise click.UsageError(
            "a kept search has no --within, --sort, --facets or --embedder; search again with these"
        )
    with working("searching"):
        if saved:
            found = saved_search(saved)
        elif save:
            found = save_search(save, question or "", source=source, limit=limit)
        else:
            found = None
        among = [name.strip() for name in within.split(",")] if within else None
        hits = (
            found.hits
            if found
            else find(
                question or "",
                source=source,
                limit=limit,
                within=among,
                sort=sort,
                facets=facets,
                embedder=embedder,
            )
        )
    if as_json:
        print_json(found or hits)
    elif found and saved:
        click.echo(f"{found}\n\n{hits}")
    else:
        click.echo(str(hits))
    if not hits:
        raise SystemExit(NOTHING_FOUND)


@click.command()
@click.argument("accession")
@source_option
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write its tables into this folder."
)
@click.option("--h5ad", is_flag=True, help="With --out: also one AnnData file a platform.")
@as_json_option
def fetch(accession: str, source: str | None, out: Path | None, h5ad: bool, as_json: bool) -> None:
    """Read the study ACCESSION: its samples, matrices and where each file came from."""
    from .. import display
    from ..agents.data import fetch as read

    if h5ad and not out:
        raise click.UsageError("--h5ad needs a folder to write into: --out FOLDER")
    with working(f"reading {accession}"):
        study = read(accession, source=source)
        written = _write_study(study, out, h5ad) if out else []
    if as_json:
        print_json({**_study_facts(study), "written": [str(path) for path in written]})
        return
    click.echo(display.study_text(study))
    for path in written:
        click.echo(f"wrote {path}")


@click.command()
@click.argument("accession")
@source_option
@click.option("--sample", "samples", multiple=True, metavar="GSM", help="Only this sample; may be repeated.")
@click.option("--common", is_flag=True, help="Where samples differ in features, those that all have.")
@click.option(
    "--max-bytes", type=click.IntRange(min=1), default=4 * 2**30, show_default=True, help="Most to read."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The .h5ad to write."
)
@as_json_option
def cells(
    accession: str,
    source: str | None,
    samples: tuple[str, ...],
    common: bool,
    max_bytes: int,
    out: Path,
    as_json: bool,
) -> None:
    """Write the single cells of ACCESSION as one AnnData file: cells × features, with the sheet of their samples."""
    from ..agents import invoke

    if out.suffix != ".h5ad":
        raise click.UsageError(f"--out writes AnnData; {out.name} should end in .h5ad")
    with working(f"reading the cells of {accession}"):
        found = invoke(
            "cells",
            study=accession,
            samples=samples or None,
            common=common,
            max_bytes=max_bytes,
            source=source,
        )
        write_atomically(out, found.write_h5ad)
    n_cells, n_features = found.shape
    if as_json:
        print_json({**found.uns, "n_cells": n_cells, "n_features": n_features, "written": str(out)})
        return
    click.echo(
        f"{found.uns['accession']}: {n_cells:,} cells × {n_features:,} features ({found.uns['value_kind']})"
    )
    for line in (*found.uns["notes"], f"wrote {out}"):
        click.echo(line)


@click.command()
@click.argument("accession")
@source_option
@platform_option
@click.option("--factor", metavar="COLUMN", help="Judge the groups of this column of the sample sheet.")
@groups_option
@as_json_option
def quality(
    accession: str,
    source: str | None,
    platform: str | None,
    factor: str | None,
    groups: GroupTable | None,
    as_json: bool,
) -> None:
    """Say what speaks for and against the values of the study ACCESSION."""
    from ..agents.analysis import quality as judge
    from ..agents.data import fetch as read

    with working(f"reading {accession}"), naming_lines(groups):
        study = read(accession, source=source).with_factors(groups.columns if groups else {})
        found = judge(study, platform=platform, factor=factor)
    if as_json:
        print_json(found)
    else:
        click.echo(str(found))


@click.command()
@click.argument("accession")
@source_option
@platform_option
@contrasts_option
@design_option
@method_option
@groups_option
@fit_options
@click.option("--top", default=20, show_default=True, type=click.IntRange(min=1), help="Rows to print.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole table as CSV.")
@as_json_option
def de(
    accession: str,
    source: str | None,
    platform: str | None,
    contrasts: tuple[tuple[str, str, str], ...],
    design: str | None,
    method: str,
    groups: GroupTable | None,
    top: int,
    out: Path | None,
    as_json: bool,
    **fit: Any,
) -> None:
    """Differential expression in ACCESSION; without --contrast, of the comparison that its samples suggest."""
    from .. import display
    from ..agents import invoke
    from ..reporting import table_csv

    if out and out.suffix != ".csv":
        raise click.UsageError(f"--out writes CSV; {out.name} should end in .csv")
    with working(f"analysing {accession}"), naming_lines(groups):
        study = invoke("data", study=accession, source=source).with_factors(groups.columns if groups else {})
        result = invoke(
            "analysis",
            study=study,
            contrast=asked_contrast(contrasts),
            design=design,
            platform=platform,
            method=method,
            **told_fit(fit),
        )
    if out:
        write_atomically(out, lambda path: path.write_text(table_csv(result), encoding="utf-8"))
    if as_json:
        print_json(
            {**_result_facts(result), "top": _rows(result.top(top)), "written": str(out) if out else None}
        )
        return
    click.echo(display.result_text(result, n=top))
    if out:
        click.echo(f"wrote {out}")


@click.command()
@click.argument("accession")
@source_option
@platform_option
@contrast_option
@design_option
@method_option
@click.option(
    "--gene-sets",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A GMT file; without it the sets that come with omics_nb.",
)
@click.option("--kind", type=click.Choice(["gsea", "ora"]), default="gsea", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all sets as CSV.")
@as_json_option
def enrich(
    accession: str,
    source: str | None,
    platform: str | None,
    contrast: tuple[str, str, str] | None,
    design: str | None,
    method: str,
    gene_sets: Path | None,
    kind: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """The gene sets that a comparison in ACCESSION is about; without --contrast, the one its samples suggest."""
    from ..agents import invoke

    with working(f"analysing {accession}"):
        study = invoke("data", study=accession, source=source)
        result = invoke(
            "analysis", study=study, contrast=contrast, design=design, platform=platform, method=method
        )
        found = invoke("enrichment", result=result, gene_sets=gene_sets, kind=kind)
    if out:
        table = found.table.assign(source=result.source)
        write_atomically(out, lambda path: table.to_csv(path))
    if as_json:
        facts = {"collection": found.collection, "sha256": found.sha256, "kind": kind, "notes": found.notes}
        print_json({**_result_facts(result), **facts, "sets": found.table.reset_index().to_dict("records")})
        return
    click.echo(str(found))
    if out:
        click.echo(f"wrote {out}")


def _study_facts(study: Study) -> dict[str, Any]:
    return {
        "accession": study.accession,
        "title": study.title,
        "organisms": study.organisms,
        "types": study.types,
        "published": study.published,
        "value_kind": study.value_kind,
        "n_samples": study.n_samples,
        "matrices": {name: {"features": len(m), "samples": m.shape[1]} for name, m in study.matrices.items()},
        "sample_columns": list(map(str, study.samples.columns)),
        "files": study.files,
        "notes": study.notes,
        "source": study.source,
        "synthetic": study.synthetic,
    }


def _result_facts(result: DEResult) -> dict[str, Any]:
    return {
        "accession": result.accession,
        "platform": result.platform,
        "contrast": result.contrast._asdict(),
        "design": result.design,
        "method": result.method,
        "groups": result.groups,
        "scale_decision": result.scale_decision,
        "n_features": len(result.table),
        "n_tested": result.n_tested,
        "n_significant": len(result.significant()),
        "notes": result.notes,
        "source": result.source,
        "synthetic": result.synthetic,
        "versions": result.versions,
    }


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.reset_index().to_dict("records")


def _write_study(study: Study, folder: Path, h5ad: bool) -> list[Path]:
    """Sample sheet, matrices and annotation as CSV, and a JSON that says where all that came from."""
    # Made first: without the extra nothing is written.
    annotated = {platform: study.to_anndata(platform) for platform in study.matrices} if h5ad else {}
    stem = f"{study.accession}_synthetic" if study.synthetic else study.accession
    facts = json.dumps(jsonable(_study_facts(study)), indent=2, ensure_ascii=False)
    written = [
        write_atomically(
            folder / f"{stem}_study.json", lambda path: path.write_text(facts, encoding="utf-8")
        ),
        write_atomically(folder / f"{stem}_samples.csv", study.samples.to_csv),
    ]
    for platform, matrix in study.matrices.items():
        # The name comes from a file that a stranger wrote.
        if not re.fullmatch(r"\w[\w.-]*", platform):
            raise FormatError(
                f"{study.accession} names a platform {platform!r}; GPL and a number were expected"
            )
        base = f"{stem}_{platform}"
        written.append(write_atomically(folder / f"{base}_matrix.csv", matrix.to_csv))
        if platform in study.features:
            written.append(write_atomically(folder / f"{base}_features.csv", study.features[platform].to_csv))
        if platform in annotated:
            written.append(write_atomically(folder / f"{base}.h5ad", annotated[platform].write_h5ad))
    return written
