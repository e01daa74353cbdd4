"""What people see of values: complete, escaped, marked, the same in HTML and in text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb import display
from omics_nb.display import markup, numbers, plain
from omics_nb.records import Hits, Query, Removed, Sent, Term
from tests.example_values import Values, same, values

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></table><iframe src=https://evil.example>",
    "javascript:alert(1)",
    '=HYPERLINK("https://evil.example","x")',
    "\u202egnp.exe \u2066x\u2069",
    "\x1b[31mred\x1b[0m\x07",
    "{{7*7}} ${x} %s {0} \ud800",
)
HTML: dict[str, Callable[[Values], str]] = {
    "query": lambda v: display.query_html(v.query),
    "hits": lambda v: display.hits_html(v.hits),
    "study": lambda v: display.study_html(v.study),
    "quality": lambda v: display.quality_html(v.quality),
    "result": lambda v: display.result_html(v.result),
    "figure": lambda v: v.figure._repr_html_(),
    "files": lambda v: display.files_html(v.files),
    "publications": lambda v: display.publications_html(v.publications),
    "raw_data": lambda v: display.raw_data_html(v.raw_data),
    "family": lambda v: display.family_html(v.family),
}
TEXT: dict[str, Callable[[Values], str]] = {
    "hits": lambda v: display.hits_text(v.hits),
    "study": lambda v: display.study_text(v.study),
    "quality": lambda v: display.quality_text(v.quality),
    "result": lambda v: display.result_text(v.result),
    "files": lambda v: display.files_text(v.files),
    "publications": lambda v: display.publications_text(v.publications),
    "raw_data": lambda v: display.raw_data_text(v.raw_data),
    "family": lambda v: display.family_text(v.family),
}
LAYOUT = {
    "details",
    "div",
    "dd",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h3",
    "img",
    "li",
    "p",
    "style",
    "summary",
    "ul",
}
TEXT_LEVEL = {"a", "code", "mark", "q", "span", "strong"}
TABLES = {"caption", "table", "tbody", "td", "th", "thead", "tr"}
VOID = {"br", "hr", "img", "meta", "link", "input"}


class Page(HTMLParser):
    """Elements, attributes and text of a piece of HTML; an element that is not closed is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def assert_harmless(page: Page) -> None:
    """No element or attribute that could run, load or send anything."""
    assert {tag for tag, _ in page.elements} <= LAYOUT | TEXT_LEVEL | TABLES
    for _, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"style", "srcset", "srcdoc"}
        ]
        assert (attributes.get("href") or "https://").startswith("https://")
        assert (attributes.get("src") or "data:image/svg+xml;base64,").startswith(
            "data:image/svg+xml;base64,"
        )


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", HTML)
def test_nothing_that_a_stranger_wrote_becomes_markup(name: str, hostile: str) -> None:
    html = HTML[name](values(lambda text: f"{hostile}{text[:2]}"))
    page = Page(html)
    assert_harmless(page)
    assert " ".join(display.clean(hostile).split()) in " ".join(page.text.split())


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", TEXT)
def test_text_holds_no_control_character_and_no_direction_override(name: str, hostile: str) -> None:
    text = TEXT[name](values(lambda _: hostile))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)


@pytest.mark.parametrize("name", sorted(set(HTML) - {"query", "figure"}))
def test_synthetic_data_wears_a_badge_and_real_data_does_not(name: str) -> None:
    assert "synthetic data" in Page(HTML[name](values(synthetic=True))).text
    assert "synthetic" not in Page(HTML[name](values(synthetic=False, source="mirror:/data/geo"))).text


@pytest.mark.parametrize("name", TEXT)
def test_text_marks_synthetic_data_and_says_the_source(name: str) -> None:
    assert "[synthetic] source: demo" in TEXT[name](values(synthetic=True))
    real = TEXT[name](values(synthetic=False, source="mirror:/data/geo"))
    assert "[synthetic]" not in real
    assert "source: mirror:/data/geo" in real


@pytest.mark.parametrize("name", sorted(set(HTML) - {"query", "figure"}))
def test_html_says_the_source(name: str) -> None:
    assert "Source: mirror:/data/geo" in Page(HTML[name](values(source="mirror:/data/geo"))).text


@pytest.mark.parametrize("name", TEXT)
def test_results_of_ncbi_carry_its_disclaimer(name: str) -> None:
    real = values(synthetic=False, source="ncbi")
    links = [attributes["href"] for attributes in Page(HTML[name](real)).all("a")]
    assert markup.DISCLAIMER_URL in links
    assert markup.DISCLAIMER_URL in TEXT[name](real).replace("\n", "")
    assert markup.DISCLAIMER_URL not in HTML[name](values())


def test_accessions_lead_to_geo_unless_they_are_synthetic() -> None:
    page = Page(display.hits_html(values(synthetic=False, source="mirror:x").hits))
    assert page.all("a")[0]["href"] == "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE42872"
    assert page.all("a")[0]["rel"] == "noopener noreferrer"
    links = Page(display.hits_html(values(synthetic=True).hits)).all("a")
    assert [a["href"] for a in links] == ["https://identifiers.org/DOID:1909"]


@pytest.mark.parametrize("name", sorted(set(HTML) - {"query", "figure", "publications", "family"}))
def test_tables_have_captions_scopes_and_a_wrapper_that_scrolls(name: str) -> None:
    page = Page(HTML[name](values()))
    tables = page.all("table")
    assert tables
    assert len(page.all("caption")) == len(tables)
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}
    wrappers = [a for a in page.all("div") if a.get("class") == "omics-scroll"]
    assert len(wrappers) == len(tables)
    assert all(a["role"] == "region" and a["tabindex"] == "0" and a["aria-label"] for a in wrappers)


def test_figures_carry_their_text_form() -> None:
    page = Page(values().figure._repr_html_())
    assert page.all("img")[0]["alt"] == "Volcano plot. 3 genes are higher in treated samples."
    assert "3 genes are higher in treated samples." in page.text


def test_a_question_is_explained_in_sentences() -> None:
    query = replace(values().query, accessions=("GSE42872",), max_samples=20, published_to=date(2020, 12, 31))
    assert display.explain_query(query) == (
        "Accession: GSE42872.",
        "Organism: Homo sapiens (written “human”).",
        "Disease: melanoma [DOID:1909], also searched as malignant melanoma.",
        "Drug or perturbation: vemurafenib.",
        "Samples: 6 to 20.",
        "Published: 2010-01-01 to 2020-12-31.",
        "Comparison: vemurafenib against vehicle (the reference).",
        "Read past: in.",
        "No vocabulary lists the word 'resistance'.",
    )


def test_a_question_without_conditions_says_so() -> None:
    assert display.explain_query(Query("the of")) == ("No condition was recognised in the question.",)


def test_an_empty_result_explains_itself() -> None:
    empty = Hits(Query("xyzzy"), (), "demo", 0, notes=("No study has the word 'xyzzy'.",))
    assert "No study was found" in Page(display.hits_html(empty)).text
    assert "No study has the word 'xyzzy'." in Page(display.hits_html(empty)).text
    assert display.hits_text(empty).splitlines()[-2:] == [
        "No study was found; source: demo",
        "No study has the word 'xyzzy'.",
    ]


def test_an_empty_result_of_a_synthetic_source_wears_the_badge() -> None:
    import omics_nb as omics

    empty = omics.search("xyzzyplugh", source="demo")
    assert len(empty) == 0
    assert "synthetic data" in Page(display.hits_html(empty)).text
    assert "[synthetic] source: demo" in display.hits_text(empty)
    assert repr(empty).endswith("source demo, synthetic)")


def test_hits_that_are_synthetic_mark_a_search_that_does_not_say_so() -> None:
    hits = replace(values(synthetic=True).hits, synthetic=False)
    assert "synthetic data" in Page(display.hits_html(hits)).text
    assert "[synthetic] source: demo" in display.hits_text(hits)


def test_the_features_with_a_p_value_are_counted_as_tested() -> None:
    result = values().result
    table = result.table.copy()
    table.loc[table.index[:9], ["P.Value", "adj.P.Val"]] = float("nan")
    assert "Features tested51 of 60" in Page(display.result_html(replace(result, table=table))).text


def test_scores_searches_facets_and_what_was_removed_are_shown() -> None:
    hits = values().hits
    first = replace(
        hits[0], relevance=2.5, fitness=1.15, score=2.875, snippet="summary: … A375 …", embedding=0.5
    )
    hits = replace(
        hits,
        hits=(first,),
        searches=(Sent("strict", '"melanoma"[ALL]', 12, '"melanoma"[All Fields]'), Sent("broad", "x", 1)),
        removed=(Removed("not <mouse>", 2, ("GSE1", "GSE2")),),
        facets={"organism": {"Homo sapiens": 3}, "year": {}},
        weights=("The score is relevance × fitness.",),
    )
    page = Page(display.hits_html(hits)).text
    for said in (
        "2.88",
        "relevance 2.50 × fitness 1.15, embedding 0.50",
        "summary: … A375 …",
        '"melanoma"[All Fields]',
        "not <mouse>",
        "GSE1, GSE2",
        "Homo sapiens 3",
        "The score is relevance × fitness.",
    ):
        assert said in page
    text = display.hits_text(hits)
    assert "relevance 2.50 × fitness 1.15" in text
    assert "organism: Homo sapiens 3" in text
    assert 'strict search, 12 records: "melanoma"[ALL]' in text


def test_reasons_of_a_hit_are_shown_in_both_forms() -> None:
    hits = values().hits
    assert "title has “melanoma”; organism is Homo sapiens" in Page(display.hits_html(hits)).text
    assert "    title has “melanoma”; organism is Homo sapiens" in display.hits_text(hits)


@pytest.mark.parametrize("name", TEXT)
def test_text_fits_a_terminal(name: str) -> None:
    assert max(plain.columns(line) for line in TEXT[name](values()).splitlines()) <= plain.WIDTH


def test_the_counts_at_thresholds_are_those_of_the_table() -> None:
    result = values().result
    up = int(((result.table["adj.P.Val"] <= 0.05) & (result.table["logFC"] >= 1)).sum())
    down = int(((result.table["adj.P.Val"] <= 0.05) & (result.table["logFC"] <= -1)).sum())
    assert f"adj.P.Val ≤ 0.05 and |logFC| ≥ 1: {up} higher, {down} lower" in display.result_text(result)


def test_missing_numbers_are_shown_as_na() -> None:
    result = values().result
    table = result.table.copy()
    table.loc[table.index[0], ["t", "B"]] = float("nan")
    assert "NA" in display.result_text(replace(result, table=table))


def test_a_study_without_values_says_so() -> None:
    assert "none in the files at hand" in display.study_text(replace(values().study, matrices={}))


@given(st.text())
def test_any_text_comes_out_of_html_as_it_went_in(text: str) -> None:
    page = Page(markup.el("p", text, title=text))
    assert page.text == display.clean(text)
    assert page.all("p")[0]["title"] == display.clean(text)


@given(st.lists(st.tuples(st.text(), st.text(), st.integers()), min_size=1))
def test_columns_stay_aligned_and_within_the_width_for_any_text(rows: list[tuple[str, str, int]]) -> None:
    short = [(plain.shorten(name, 20), text, number) for name, text, number in rows]
    lines = plain.table_text(("name", "text", "n"), short, numeric={2}, flexible=1, width=80).split("\n")
    assert len(lines) == len(rows) + 1
    assert len({plain.columns(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (845_112, "845.1 kB"), (2e12, "2.0 TB")],
)
def test_sizes_are_shown_in_the_unit_that_fits(n_bytes: int, shown: str) -> None:
    assert numbers.size(int(n_bytes)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(True, "yes"), (0.123456, "0.1235"), ({"a": 3}, "a: 3"), ((), "none"), (None, "")]
)
def test_values_of_checks_are_shown_in_short(value: object, shown: str) -> None:
    from omics_nb.display.study import value_text

    assert value_text(value) == shown


def test_links_other_than_https_become_text() -> None:
    assert markup.link("javascript:alert(1)", "here") == "here"


def test_displays_are_the_same_on_every_run() -> None:
    for show in HTML.values():
        assert show(values(same)) == show(values(same))


def test_the_repr_of_every_value_is_one_line_without_the_data() -> None:
    of = values()
    assert repr(of.query) == "Query('vemurafenib in melanoma, human, at least 6 samples', 3 terms)"
    assert repr(of.hits).startswith("Hits(2 of 14 for 'vemurafenib in melanoma")
    assert repr(of.study) == "Study(GSE42872, 6 samples, matrices: GPL6244, source demo, synthetic)"
    assert str(of.study) == repr(of.study)
    assert repr(of.quality) == ("Quality(GSE42872, GPL6244, score 0.72, 4 checks, source demo, synthetic)")
    assert repr(of.result) == (
        "DEResult(GSE42872, agent: vemurafenib vs vehicle, limma, 60 features, source demo, synthetic)"
    )
    assert str(of.result) == repr(of.result)
    assert str(of.hits[0]).endswith("by vemurafenib (8 samples, source demo, synthetic)")
    assert repr(of.figure) == "Figure('volcano', '3 genes are higher in treated samples.')"
    assert str(of.figure) == of.figure.text


def test_real_data_names_its_source_and_is_not_called_synthetic() -> None:
    of = values(source="mirror:/data/geo", synthetic=False)
    for shown in (repr(of.hits), repr(of.study), repr(of.quality), repr(of.result), str(of.hits[0])):
        assert shown.endswith("source mirror:/data/geo)")


def test_nothing_that_was_read_is_left_out_of_the_explanation() -> None:
    query = Query(
        "A375, not mouse, female, GPL570",
        terms=(Term("A375", "cell_line", "A375"),),
        excluded=(Term("mouse", "organism", "Mus musculus"),),
        platforms=("GPL570",),
        sex="female",
        min_per_group=3,
        has_raw=True,
        suggestions=("Name an assay.",),
    )
    assert display.explain_query(query) == (
        "Cell line: A375.",
        "Not: Mus musculus.",
        "Platform: GPL570.",
        "Read, and held against what the samples' texts tell: sex female, at least in each group 3.",
        "Read, and held against the files that records tell of: raw data.",
        "Suggestion: Name an assay.",
    )


def test_every_kind_of_term_has_a_name_to_be_shown_by() -> None:
    from typing import get_args

    from omics_nb.display import reading
    from omics_nb.records import TermKind

    assert set(reading.KINDS) == set(get_args(TermKind))


def test_a_study_counts_the_samples_that_it_declares_and_lacks() -> None:
    study = values().study
    assert "6 of" not in study._repr_html_()
    lacking = replace(
        study, metadata={"sample_id": (" ".join(map(str, study.samples.index)) + " GSM7 ", "GSM8")}
    )
    assert len(lacking.declared) == 8
    assert "6 of 8 declared" in Page(lacking._repr_html_()).text
    assert "samples: 6 of 8 declared" in display.study_text(lacking)


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ([[2.66512, 14.5641]], ["2.665", "14.56", "0"]),
        ([[0.2, float("nan")], [float("nan"), 184_913.4]], ["0.2", "184,913", "2"]),
        ([[0, 2_345_678]], ["0", "2,345,678", "0"]),
        ([[float("nan")]], ["NA", "NA", "1"]),
        ([], ["none", "none", "0"]),
    ],
)
def test_a_matrix_tells_the_range_of_its_values(cells: list[list[float]], shown: list[str]) -> None:
    study = replace(values().study, matrices={"GPL1": pd.DataFrame(cells)}, features={})
    row = display.study_html(study).partition("GPL1</th>")[2].partition("</tr>")[0]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row)[3:] == shown
