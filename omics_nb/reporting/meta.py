"""The report of a meta-analysis: studies, whether they agree, genes, forest plots, methods, how to repeat it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import figures
from ..analysis.meta import MetaAnalysis
from ..display import markup, meta
from ..display.markup import Html, el, join
from ..display.numbers import counted
from ..errors import DataError
from ..figures import Figure, figure_body
from .citations import cited_by
from .document import Citation, Repeat, SavedReport, Statement
from .export import plain, write_together
from .page import Section, code_body, methods_body, statements_body, whole_page

_GENES_SHOWN = 30
_MEASURES = {
    "logFC": "the log2 fold change of each gene and its standard error, from the study's own analysis",
    "g": "Hedges' g of each gene, in standard deviations, from the test statistic of the study's own analysis",
}
_TESTS = {
    "adhoc": "Knapp and Hartung's t-test, whose standard error is never taken below that of the normal test",
    "knapp-hartung": "Knapp and Hartung's t-test",
    "normal": "a normal test, which takes the variance between studies for known",
}


@dataclass(frozen=True, slots=True, eq=False)
class MetaReport:
    """A meta-analysis as a document; ``created`` is an ISO time in UTC. Numbers come from the tables of ``meta``."""

    title: str
    meta: MetaAnalysis
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...]
    findings: tuple[Statement, ...]
    methods: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    repeat: Repeat | None
    created: str

    def to_html(self) -> str:
        """One page that needs no other file, no network and no script."""
        mark = "[synthetic data] " if self.meta.synthetic else ""
        return whole_page(mark + self.title, _header(self), self.warnings, _sections(self))

    def to_json(self) -> str:
        """Everything as one JSON document; tables are ``{"index": […], "columns": {name: […]}}``."""
        of = self.meta
        tables = {
            name: getattr(of, name) for name in ("studies", "concordance", "table", "effects", "errors")
        }
        names = ("title", "created", "warnings", "findings", "methods", "citations", "repeat")
        document = {
            "format": "omics_nb meta-analysis",
            "synthetic": of.synthetic,
            "question": of.question,
            "skipped": of.skipped,
            **{name: getattr(self, name) for name in names},
            **tables,
            "versions": of.versions,
        }
        return json.dumps(plain(document), allow_nan=False, separators=(",", ":"))

    def save(self, path: str | Path) -> SavedReport:
        """Write it in the format of the suffix: .html (with .json and .csv beside it), .pdf, .md, .json or .csv.

        DataError for another suffix; MissingExtraError where PDF needs a package that is not installed.
        """
        target = Path(path)
        kind = target.suffix.casefold()
        kinds = (".html", ".json", ".csv") if kind == ".html" else (kind,)
        made = {target.with_suffix(one): _content(self, one, target) for one in kinds}
        if kind == ".md":
            names = _pictures(self, target)
            made |= {target.with_name(names[figure.title]): figure.to_svg() for figure in self.figures}
        write_together(made)
        return SavedReport({one.removeprefix("."): target.with_suffix(one) for one in kinds})

    def __repr__(self) -> str:
        return f"MetaReport({self.title!r}, {self.created})"

    def _repr_html_(self) -> str:
        return self.meta._repr_html_()


def build_meta_report(
    meta: MetaAnalysis, *, genes: Sequence[str] = (), n_forests: int = 6, created: str | None = None
) -> MetaReport:
    """The report, with a forest plot of each of ``genes`` or of the ``n_forests`` with the smallest P."""
    shown = tuple(genes) or tuple(str(gene) for gene in meta.table.index[:n_forests])
    methods = tuple(_methods(meta))
    return MetaReport(
        title=_title(meta),
        meta=meta,
        figures=tuple(_forest(meta, gene) for gene in shown),
        warnings=tuple(_warnings(meta)),
        findings=tuple(_findings(meta)),
        methods=methods,
        citations=cited_by(methods),
        repeat=_repeat(meta),
        created=created or datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _title(of: MetaAnalysis) -> str:
    about = f"{of.question}: " if of.question else ""
    return f"{about}{counted(len(of.studies), 'study', 'studies')} taken together"


def _forest(of: MetaAnalysis, gene: str) -> Figure:
    names = {"study": "name", "effect": "estimate", "CI.L": "low", "CI.R": "high"}
    rows = of.forest(gene).rename(columns=names)[["name", "estimate", "low", "high", "comparison"]]
    known = rows[rows["low"].notna() & rows["high"].notna()]
    unit = "log2 fold change" if of.measure == "logFC" else "Hedges' g"
    pooled = [name for name in ("mean", "prediction") if name in set(known["name"])]
    return figures.forest(known, title=gene, unit=unit, pooled=pooled, synthetic=of.synthetic)


def _warnings(of: MetaAnalysis) -> Iterator[str]:
    if of.synthetic:
        yield "These data are synthetic: generated to try the program out. They say nothing about biology."
    yield from of.notes


def _findings(of: MetaAnalysis) -> Iterator[Statement]:
    found, table = of.significant(0.05), of.table
    up = int((found["effect"] > 0).sum())
    yield Statement(
        f"{len(found):,} of {len(table):,} genes have adj.P.Val ≤ 0.05 allowing for differences between the studies: "
        f"{up:,} higher and {len(found) - up:,} lower in the tested groups.",
        "genes: adj.P.Val, effect",
    )
    common = table[table["adj.P.common"] <= 0.05]
    agreed = int((common["same"] == common["studies"]).sum())
    yield Statement(
        f"If the effect is one and the same in all studies, {len(common):,} genes have adj.P.common ≤ 0.05; in "
        f"{agreed:,} of them all studies have the same direction.",
        "genes: adj.P.common, same, studies",
    )


def _methods(of: MetaAnalysis) -> Iterator[Statement]:
    how = "; ".join(f"{name}: {row['method']}, {row['design']}" for name, row in of.studies.iterrows())
    yield Statement(
        f"Each study gave {_MEASURES[of.measure]} ({how}). Genes were joined by symbol; of several features of one "
        "gene that with the highest average expression stood for it.",
        "studies: method, design",
        ("Hedges 1981",) if of.measure == "g" else (),
    )
    between = (
        "restricted maximum likelihood" if of.between == "reml" else "the method of DerSimonian and Laird"
    )
    cites = ("Viechtbauer 2005",) if of.between == "reml" else ("DerSimonian 1986",)
    yield Statement(
        f"Effects were pooled by a random-effects model, with the variance between studies by {between}, and tested by "
        f"{_TESTS[of.test]}. P.common is of the model in which all studies share one effect.",
        "genes: effect, tau2, P.Value, P.common",
        cites if of.test == "normal" else (*cites, "Knapp 2003"),
    )
    yield Statement(
        "P-values were adjusted by the procedure of Benjamini and Hochberg.",
        "genes: adj.P.Val",
        ("Benjamini 1995",),
    )


def _repeat(of: MetaAnalysis) -> Repeat | None:
    """None where results were given: what they came from is in their own reports."""
    if not of.question:
        return None
    asked: Mapping[str, object] = of.asked
    comparisons: Mapping[str, tuple[str, str, str]] = of.asked["comparisons"]
    words = ["omics-nb", "meta", "--source", str(asked["source"]), "--studies", str(asked["limit"])]
    for accession, one in comparisons.items():
        words += ["--comparison", accession, *one]
    words += [
        "--method",
        str(asked["method"]),
        "--measure",
        of.measure,
        "--between",
        of.between,
        "--test",
        of.test,
    ]
    words += ["--min-studies", str(asked["min_studies"]), "--report", "meta-analysis.html", "--", of.question]
    told = {**asked, "measure": of.measure, "between": of.between, "test": of.test}
    lines = [f"    {name}={value!r}," for name, value in told.items()]
    python = [
        "import omics_nb as omics",
        "",
        "meta = omics.meta_analysis(",
        f"    {of.question!r},",
        *lines,
        ")",
    ]
    return Repeat(
        shlex.join(words), "\n".join([*python, "omics.meta_report(meta).save('meta-analysis.html')"])
    )


def _header(report: MetaReport) -> Html:
    sources = "; ".join(dict.fromkeys(report.meta.studies["source"]))
    return el(
        "header",
        el("h1", report.title),
        markup.source_line(sources, synthetic=report.meta.synthetic),
        el("p", "Created ", el("time", report.created, datetime=report.created), class_="omics-dim"),
    )


def _sections(report: MetaReport) -> list[Section]:
    of = report.meta
    skipped = (
        join([el("h3", f"Passed over ({len(of.skipped)})"), markup.notes(of.skipped)]) if of.skipped else None
    )
    listed: list[tuple[str, str, Html | None]] = [
        ("findings", "Findings", join([statements_body(report.findings), meta.meta_facts(of)])),
        ("studies", "The studies", join([meta.meta_studies(of), skipped])),
        ("agreement", "Do they agree?", meta.meta_agreement(of)),
        ("genes", "Genes", meta.meta_genes(of, n=_GENES_SHOWN)),
        ("forests", "Forest plots", join(figure_body(figure) for figure in report.figures) or None),
        ("methods", "Methods", methods_body(report.methods, report.citations)),
        ("repeat", "How to repeat it", _repeat_body(report)),
        ("versions", "Versions", markup.table("Software", ("Package", "Version"), list(of.versions.items()))),
    ]
    return [(key, title, body) for key, title, body in listed if body is not None]


def _repeat_body(report: MetaReport) -> Html:
    if report.repeat is None:
        return el(
            "p", "It was made of results that were given; the report of each says how to make that one again."
        )
    shell = [el("h3", "In a shell"), code_body(report.repeat.command, wrapped=True)]
    return join([*shell, el("h3", "In Python"), code_body(report.repeat.python)])


def _pictures(report: MetaReport, path: Path) -> dict[str, str]:
    return {figure.title: f"{path.stem}-forest-{at + 1}.svg" for at, figure in enumerate(report.figures)}


def _content(report: MetaReport, suffix: str, path: Path) -> str | bytes:
    if suffix == ".html":
        return report.to_html()
    if suffix == ".json":
        return report.to_json()
    if suffix == ".csv":
        table = report.meta.table.assign(source="; ".join(dict.fromkeys(report.meta.studies["source"])))
        return str(table.to_csv(index_label="gene", lineterminator="\n"))
    if suffix == ".pdf":
        from .pdf import page_pdf

        return page_pdf(report.to_html())
    if suffix == ".md":
        from .markdown import to_markdown

        return to_markdown(report.to_html(), _pictures(report, path))
    raise DataError(
        f"a meta-analysis is saved as .html, .pdf, .md, .json or .csv, not {path.name!r}", path=str(path)
    )
