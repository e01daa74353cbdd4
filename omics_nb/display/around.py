"""What surrounds a study: files, papers, raw reads, the series above and below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .markup import Html, accession_link, card, el, facts, fold, join, link, notes, source_line, table
from .numbers import counted, size
from .plain import source_text, table_text, wrap

if TYPE_CHECKING:
    from typing import TypeAlias

    from ..geo.around import Family, Files, ListedFile, Publication, Publications, RawData, SraRun

    Around: TypeAlias = Files | Publications | RawData | Family

_SRA = "https://www.ncbi.nlm.nih.gov/sra?term="
_PROJECT = "https://www.ncbi.nlm.nih.gov/bioproject/"
_ROWS_SHOWN = 12
_AUTHORS_SHOWN = 8


def files_sentence(found: Files) -> str:
    """ "GSE781: 3 files, 12.0 MB"."""
    about = "" if all(file.exact for file in found.files) else "about "
    return f"{found.accession}: {counted(len(found.files), 'file')}, {about}{size(found.n_bytes)}"


def files_html(found: Files) -> str:
    rows = [(_placed(file), file.role, file_size(file)) for file in found.files]
    return card(
        _heading("Files of ", found),
        _origin(found),
        table(files_sentence(found), ("File", "Role", "Size"), rows, numeric={2})
        if rows
        else el("p", "There are none."),
        [
            fold(
                f"What {archive} holds",
                table(counted(len(inside), "file"), ("File", "Size"), inside, numeric={1}),
            )
            for archive, inside in _archives(found).items()
        ],
    )


def files_text(found: Files) -> str:
    rows: list[tuple[str, ...]] = [(file.name, file.role, file_size(file)) for file in found.files]
    for archive, inside in _archives(found).items():
        rows += [(f"  {name}", f"in {archive}", n_bytes) for name, n_bytes in inside]
    listed = [table_text(("file", "role", "size"), rows, numeric={2}, flexible=0)] if rows else []
    return "\n".join([wrap(files_sentence(found)), _origin_text(found), *listed])


def file_size(file: ListedFile) -> str:
    """Its size; "about" where the source shows it rounded."""
    if file.n_bytes is None:
        return "not shown"
    return size(file.n_bytes) if file.exact else f"about {size(file.n_bytes)}"


def publications_sentence(found: Publications) -> str:
    """ "GSE781: 1 paper"."""
    return f"{found.accession}: {counted(len(found.papers), 'paper') if found.papers else 'no paper'}"


def publications_html(found: Publications) -> str:
    return card(
        _heading("Papers of ", found),
        _origin(found),
        el("ul", [el("li", _cited(paper)) for paper in found.papers], class_="omics-plain")
        if found.papers
        else el("p", "None is named."),
        notes(found.notes),
    )


def publications_text(found: Publications) -> str:
    cited = [wrap(paper, indent="  ") for paper in found.papers]
    return "\n".join(
        [wrap(publications_sentence(found)), _origin_text(found), *cited, *_notes_text(found.notes)]
    )


def raw_data_sentence(found: RawData) -> str:
    """The answer in one line: runs, none, or not known here."""
    if found.runs:
        known = f"{counted(len(found.runs), 'run')}, {'/'.join(found.layouts)}, {size(found.n_bytes)}"
        return f"{found.accession}: {known} ({found.route})"
    if not found.asked and (studies := [name for name in found.named if not name.startswith("PRJ")]):
        return f"{found.accession}: raw data in SRA as {', '.join(studies)}, the runs of which are not known here"
    if not found.asked:
        return f"{found.accession}: whether SRA has raw data is not known here"
    tried = f" (asked by {', '.join(found.tried)})" if found.tried else ""
    if studies := [name for name in found.named if not name.startswith("PRJ")]:
        return f"{found.accession}: the record names {', '.join(studies)}, of which SRA gives no runs{tried}"
    return f"{found.accession}: no raw data in SRA{tried}"


def raw_data_html(found: RawData) -> str:
    headers = ("Run", "Experiment", "Sample", "Layout", "Strategy", "Instrument", "Spots", "Size")
    rows = [(link(_SRA + run.accession, run.accession), *_run_cells(run)) for run in found.runs[:_ROWS_SHOWN]]
    return card(
        _heading("Raw data of ", found),
        _origin(found),
        el("p", raw_data_sentence(found)),
        facts([("Named by the record", join(_spaced([_archive_link(name) for name in found.named])))]),
        notes(found.notes),
        table(_first_of(found), headers, rows, numeric={6, 7}) if rows else None,
    )


def raw_data_text(found: RawData) -> str:
    headers = ("run", "experiment", "sample", "layout", "strategy", "instrument", "spots", "size")
    rows = [(run.accession, *_run_cells(run)) for run in found.runs[:_ROWS_SHOWN]]
    named = [wrap(f"named by the record: {', '.join(found.named)}")] if found.named else []
    listed = [_first_of(found), table_text(headers, rows, numeric={6, 7}, flexible=5)] if rows else []
    return "\n".join(
        [wrap(raw_data_sentence(found)), _origin_text(found), *named, *_notes_text(found.notes), *listed]
    )


def family_sentence(found: Family) -> str:
    """ "GSE1: part of SuperSeries GSE2" or "GSE2: SuperSeries of GSE1, GSE3"."""
    said = []
    if found.parents:
        said.append(f"part of SuperSeries {', '.join(found.parents)}")
    if found.children:
        said.append(f"SuperSeries of {', '.join(found.children)}")
    return f"{found.accession}: {'; '.join(said) or 'in no SuperSeries, and none itself'}"


def family_html(found: Family) -> str:
    def linked(names: Sequence[str]) -> Html:
        return join(_spaced([accession_link(name, synthetic=found.synthetic) for name in names]))

    return card(
        _heading("Family of ", found),
        _origin(found),
        facts(
            [
                ("Part of the SuperSeries", linked(found.parents) or "none"),
                ("SuperSeries of", linked(found.children) or "none"),
            ]
        ),
    )


def family_text(found: Family) -> str:
    return "\n".join([wrap(family_sentence(found)), _origin_text(found)])


def _heading(before: str, found: Around) -> Html:
    return el("h3", before, accession_link(found.accession, synthetic=found.synthetic))


def _origin(found: Around) -> Html:
    return source_line(found.source, synthetic=found.synthetic)


def _origin_text(found: Around) -> str:
    return source_text(found.source, synthetic=found.synthetic)


def _placed(file: ListedFile) -> Html:
    """Its name, and below it the folder, or the whole location where that does not end with the name."""
    return join([file.name, el("code", file.location.removesuffix(file.name), class_="omics-place")])


def _archives(found: Files) -> dict[str, list[tuple[str, str]]]:
    inside: dict[str, list[tuple[str, str]]] = {}
    for member in found.members:
        inside.setdefault(member.archive, []).append((member.name, size(member.n_bytes)))
    return inside


def _cited(paper: Publication) -> Html:
    """Title first, for that is what a reader looks for; then authors, journal, and links to DOI and PubMed."""
    more = " et al" if len(paper.authors) > _AUTHORS_SHOWN else ""
    return join(
        _spaced(
            [
                el("strong", f"{paper.title.rstrip('.')}.") if paper.title else None,
                f"{', '.join(paper.authors[:_AUTHORS_SHOWN])}{more}." if paper.authors else None,
                f"{paper.journal} {paper.published}.".replace(" .", ".") if paper.journal else None,
                link(f"https://doi.org/{paper.doi}", f"doi:{paper.doi}") if paper.doi else None,
                link(f"https://pubmed.ncbi.nlm.nih.gov/{paper.pubmed_id}/", f"PMID {paper.pubmed_id}"),
            ],
            " ",
        )
    )


def _spaced(parts: Sequence[object], between: str = ", ") -> list[object]:
    shown = [part for part in parts if part is not None]
    return [piece for part in shown for piece in (between, part)][1:]


def _archive_link(name: str) -> Html:
    return link((_PROJECT if name.startswith("PRJ") else _SRA) + name, name)


def _run_cells(run: SraRun) -> tuple[str, ...]:
    return (
        run.experiment,
        run.sample,
        run.layout,
        run.strategy,
        run.instrument,
        "not said" if run.n_spots is None else f"{run.n_spots:,}",
        "not said" if run.n_bytes is None else size(run.n_bytes),
    )


def _first_of(found: RawData) -> str:
    all_runs = counted(len(found.runs), "run")
    return f"The first {_ROWS_SHOWN} of {all_runs}" if len(found.runs) > _ROWS_SHOWN else f"All {all_runs}"


def _notes_text(texts: Sequence[str]) -> list[str]:
    return [wrap(f"! {note}") for note in texts]
