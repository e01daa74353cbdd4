"""A report as one HTML page that opens offline: no script, no other file, and a policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..display import markup, question, result, study
from ..display.enrichment import enrichment_body
from ..display.markup import Html, el, join
from ..display.summary import summary_body
from ..figures import figure_body
from .document import Citation, Report, Statement

_SAMPLES_SHOWN = 60
_TOP_SHOWN = 30
_SETS_SHOWN = 20
#: Figures that say what the data are worth; the others say what was found.
OF_SAMPLES = frozenset({"box", "density", "pca", "correlation"})
_PAGE_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

Section = tuple[str, str, Html]


def report_page(report: Report) -> str:
    """The whole report as an HTML document with a table of contents; every text in it is escaped."""
    mark = "[synthetic data] " if report.synthetic else ""
    return whole_page(mark + report.title, _header(report), report.warnings, _sections(report))


def whole_page(title: str, header: Html, warnings: Sequence[str], sections: Sequence[Section]) -> str:
    """A document that opens offline: ``header``, warnings first, then ``sections`` with a table of contents."""
    style = Html(markup.STYLE + _PAGE_STYLE)
    main = join([_warned(warnings), [_section(*section) for section in sections]])
    body = el(
        "div",
        el("a", "Skip to the report", href="#report", class_="report-skip"),
        header,
        el("div", _contents(sections), el("main", main, id="report"), class_="report-columns"),
        _footer(),
        class_="omics-nb report",
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", style),
    )
    return "<!DOCTYPE html>\n" + el("html", head, el("body", body), lang="en") + "\n"


def report_card(report: Report) -> str:
    """What a notebook shows: warnings, findings and figures, and how to keep the whole."""
    keep = el("p", "The whole report: ", el("code", "report.save('report.html')"), class_="omics-dim")
    return markup.card(
        el("h3", report.title),
        markup.source_line(report.source, synthetic=report.synthetic),
        markup.notes(report.warnings, kind="warn"),
        statements_body(report.findings),
        statements_body(report.comparison),
        [figure_body(figure, with_table=False) for figure in report.figures],
        keep,
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _header(report: Report) -> Html:
    accession = markup.accession_link(report.study.accession, synthetic=report.synthetic)
    return el(
        "header",
        el("h1", report.title),
        el("p", accession, ": ", report.study.title, class_="report-study"),
        markup.source_line(report.source, synthetic=report.synthetic),
        el("p", "Created ", el("time", report.created, datetime=report.created), class_="omics-dim"),
    )


def _contents(shown: Sequence[Section]) -> Html:
    items = [el("li", el("a", title, href=f"#{key}")) for key, title, _ in shown]
    return el("nav", el("h2", "Contents"), el("ol", items), aria_label="Contents")


def _warned(warnings: Sequence[str]) -> Html | None:
    if not warnings:
        return None
    heading = el("h2", "Before you rely on this", id="warnings-heading")
    listed = markup.notes(warnings, kind="warn")
    return el("section", heading, listed, aria_labelledby="warnings-heading", class_="report-warnings")


def _section(key: str, title: str, body: Html) -> Html:
    heading = el("h2", title, id=f"{key}-heading")
    return el("section", heading, body, id=key, aria_labelledby=f"{key}-heading")


def _sections(report: Report) -> list[Section]:
    listed: list[tuple[str, str, Html | None]] = [
        ("findings", "Findings", statements_body(report.findings)),
        ("question", "Question", _question(report)),
        ("studies", "Choice of the study", _choice(report)),
        ("study", "The study", _study(report)),
        ("said", "What the study says itself", _said(report)),
        ("files", "Where the data came from", study.files_table(report.study.files)),
        ("quality", "Quality", _quality(report)),
        ("design", "Design and comparison", _design(report)),
        ("results", "Results", _results(report)),
        ("figures", "Figures", _figures(report, of_samples=False)),
        ("enrichment", "Gene sets", _gene_sets(report)),
        ("methods", "Methods", _methods(report)),
        ("repeat", "How to repeat it", _repeat(report)),
        ("versions", "Versions", _versions(report)),
    ]
    return [(key, title, body) for key, title, body in listed if body is not None]


def statements_body(said: Iterable[Statement]) -> Html:
    return el("ul", [el("li", _statement(statement)) for statement in said], class_="omics-plain")


def _statement(statement: Statement) -> Html:
    return join(
        [statement.text, _cited(statement), " ", el("span", f"[{statement.evidence}]", class_="omics-dim")]
    )


def _cited(statement: Statement) -> list[object]:
    return [[" ", el("a", f"({key})", href=f"#{_anchor(key)}")] for key in statement.cites]


def _anchor(key: str) -> str:
    return "cite-" + key.casefold().replace(" ", "-")


def _said(report: Report) -> Html | None:
    said = report.said
    return summary_body(said) if said and (said.sentences or said.notes) else None


def _question(report: Report) -> Html | None:
    if report.query is not None:
        return question.query_body(report.query)
    return el("p", el("q", report.question)) if report.question else None


def _choice(report: Report) -> Html | None:
    considered = question.hits_body(report.hits) if report.hits else None
    return join([markup.notes(report.notes), considered]) or None


def _study(report: Report) -> Html:
    of = report.study
    return join(
        [
            el("p", markup.accession_link(of.accession, synthetic=of.synthetic), ": ", of.title),
            markup.facts(study.study_facts(of)),
            _prose("Summary", of.summary),
            _prose("Overall design", of.overall_design),
            study.matrices_table(of),
            study.samples_table(of, limit=_SAMPLES_SHOWN),
        ]
    )


def _prose(name: str, text: str) -> Html | None:
    return join([el("h3", name), el("p", text)]) if text.strip() else None


def _quality(report: Report) -> Html:
    shown = {check.name for check in report.quality.checks}
    fit = study.fitness_body(report.fitness, below=shown) if report.fitness else None
    return join([fit, study.quality_body(report.quality), _figures(report, of_samples=True)])


def _design(report: Report) -> Html:
    return join([statements_body(report.comparison), result.groups_table(report.result)])


def _results(report: Report) -> Html:
    of = report.result
    shown = el("p", "Every feature is in the CSV file that was saved beside this page.", class_="omics-dim")
    facts = markup.facts(result.result_facts(of))
    return join([facts, result.counts_table(of), result.top_table(of, n=_TOP_SHOWN), shown])


def _figures(report: Report, *, of_samples: bool) -> Html | None:
    shown = [figure for figure in report.figures if (figure.name in OF_SAMPLES) == of_samples]
    return join(figure_body(figure) for figure in shown) or None


def _gene_sets(report: Report) -> Html | None:
    if report.enrichment is not None:
        return enrichment_body(report.enrichment, n=_SETS_SHOWN)
    return el("p", report.no_enrichment) if report.no_enrichment else None


def _methods(report: Report) -> Html:
    return methods_body(report.methods, report.citations)


def methods_body(methods: Sequence[Statement], citations: Sequence[Citation]) -> Html:
    """The methods paragraph and the publications that it cites."""
    return join(
        [
            el("p", [[_statement(statement), " "] for statement in methods]),
            el("h3", "References"),
            el("ul", [_reference(citation) for citation in citations]),
        ]
    )


def _reference(citation: Citation) -> Html:
    return el("li", citation.text, " ", markup.link(citation.url, citation.url), id=_anchor(citation.key))


def _repeat(report: Report) -> Html:
    return join(
        [
            el("h3", "In a shell"),
            code_body(report.repeat.command, wrapped=True),
            el("h3", "In Python"),
            code_body(report.repeat.python),
            *_in_notebook(report),
        ]
    )


def _in_notebook(report: Report) -> list[Html]:
    """The values for the cell of parameters of the notebook that makes such a report."""
    lines = "\n".join(f"{name} = {value!r}" for name, value in report.repeat.parameters.items())
    said = el(
        "p", "In ", el("code", "report.ipynb"), ", set these in its cell of parameters and run all cells:"
    )
    return [el("h3", "As a notebook"), said, code_body(lines, wrapped=True)]


def code_body(text: str, *, wrapped: bool = False) -> Html:
    return el("pre", el("code", text), tabindex=0, class_="report-wrapped" if wrapped else None)


def _versions(report: Report) -> Html:
    return markup.table("Software", ("Package", "Version"), list(report.versions.items()))


def _footer() -> Html:
    return el(
        "footer",
        el("p", "Made by omics_nb. Numbers come from the tables named in brackets.", class_="omics-dim"),
    )
