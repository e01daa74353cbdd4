"""A report says what the tables say, carries its evidence, and is harmless whatever strangers wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omics_nb.errors import DataError
from omics_nb.records import Contrast
from omics_nb.reporting import Report, build_report
from tests.example_values import Values, same, values
from tests.test_display import HOSTILE, Page

CREATED = "2026-02-03T04:05:06+00:00"


def report_of(of: Values, **others: object) -> Report:
    given = {"hits": of.hits, "quality": of.quality, "figures": (of.figure,), "created": CREATED, **others}
    return build_report(of.study, of.result, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(values())


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(report.to_html().removeprefix("<!DOCTYPE html>"))


def real(say: Callable[[str], str] = same) -> Values:
    return values(say, source="mirror:../shared/geo", synthetic=False)


def test_findings_are_counted_from_the_table(report: Report) -> None:
    table = report.result.table
    called = table["adj.P.Val"] <= 0.05
    up, down = int((called & (table["logFC"] > 0)).sum()), int((called & (table["logFC"] < 0)).sum())
    assert report.findings[0].text == (
        f"{up + down} of 60 features tested have adj.P.Val ≤ 0.05: {up} higher and {down} lower in "
        "vemurafenib than in vehicle."
    )
    assert report.findings[0].evidence == "GSE42872, GPL6244: adj.P.Val, logFC"


def test_findings_count_the_features_that_were_tested_not_all() -> None:
    of = values()
    table = of.result.table.copy()
    table.loc[table.index[:9], ["P.Value", "adj.P.Val"]] = np.nan
    found = report_of(replace_result(of, table=table)).findings
    assert " of 51 features tested have " in found[0].text


def test_the_smallest_p_is_named_with_its_row(report: Report) -> None:
    first = report.result.table.loc[report.result.table["P.Value"].idxmin()]
    found = report.findings[2]
    assert found.text.startswith(f"The smallest P belongs to {first['symbol']} ({first.name}): ")
    assert f"P.Value {first['P.Value']:.2e}" in found.text
    assert f"row {first.name}" in found.evidence


def test_every_sentence_carries_the_accession_that_it_rests_on(report: Report) -> None:
    said = (*report.findings[:3], *report.comparison, *report.methods)
    assert all(statement.evidence.startswith("GSE42872") for statement in said)


def test_a_result_without_any_p_has_no_smallest_one() -> None:
    of = values()
    empty = of.result.table.assign(**dict.fromkeys(("logFC", "t", "P.Value", "adj.P.Val", "B"), np.nan))
    built = report_of(replace_result(of, table=empty.assign(reason="no values in any sample")))
    assert not any("smallest P" in statement.text for statement in built.findings)
    assert "60 of 60 features have no P.Value: no values in any sample (60)." in built.warnings


def replace_result(of: Values, **changes: object) -> Values:
    return replace(of, result=replace(of.result, **changes))  # type: ignore[arg-type]


def test_warnings_begin_with_synthetic_data_then_failed_checks_and_hold_all_notes(report: Report) -> None:
    assert report.warnings == (
        "These data are synthetic: generated to try the program out. They say nothing about biology.",
        "Quality, metadata: Three of four samples lack their characteristics.",
        "Quality, outliers: One sample lies far from its group.",
        "Sample GSM101 was kept although it is an outlier.",
        "12 rows of the annotation name no gene.",
    )
    assert not any("synthetic" in warning for warning in report_of(real()).warnings)


def test_small_groups_are_warned_of() -> None:
    of = values()
    groups = {"tested": of.result.groups["tested"][:2], "reference": of.result.groups["reference"][:1]}
    warnings = report_of(replace_result(of, groups=groups)).warnings
    assert any("The tested group (agent = vemurafenib) has only 2 samples" in warning for warning in warnings)
    assert any("The reference group (agent = vehicle) has only 1 sample;" in warning for warning in warnings)


def test_arrays_cite_limma_and_counts_cite_voom_and_tmm_too() -> None:
    arrays = [citation.key for citation in report_of(real()).citations]
    assert arrays == ["Barrett 2013", "Smyth 2004", "Ritchie 2015", "Benjamini 1995"]
    counts = report_of(replace_result(real(), method="voom"))
    assert {"Law 2014", "Robinson 2010", "Chen 2016"} <= {citation.key for citation in counts.citations}
    assert any("(voom)" in statement.text for statement in counts.methods)


def test_limma_trend_tells_the_filter_and_the_scaling_as_voom_does() -> None:
    built = report_of(replace_result(real(), method="limma-trend"))
    said = " ".join(statement.text for statement in built.methods)
    assert "filterByExpr" in said
    assert "(TMM)" in said
    assert "(limma-trend)" in said
    assert "(voom)" not in said
    assert {"Law 2014", "Robinson 2010", "Chen 2016"} <= {citation.key for citation in built.citations}


@pytest.mark.parametrize(
    ("method", "options", "told", "key"),
    [
        ("limma", {"robust": True}, "estimated robustly", "Phipson 2016"),
        ("limma", {"trend": True}, "follows a trend", "Law 2014"),
        ("limma", {"quantile": True}, "quantile normalisation", "Bolstad 2003"),
        ("limma", {"sample_weights": True}, "Each sample was given a weight", "Ritchie 2006"),
        ("voom", {"sample_weights": True}, "Each sample was given a weight", "Liu 2015"),
        ("limma", {"block": "patient"}, "Samples with the same patient", "Smyth 2005"),
        ("limma", {"log2": True}, "Logarithms were taken because", None),
        ("limma", {"log2": False}, "Logarithms were not taken because", None),
    ],
)
def test_each_option_of_the_fit_is_told_once_with_its_publication(
    method: str, options: dict[str, bool | str], told: str, key: str | None
) -> None:
    plain = report_of(replace_result(real(), method=method))
    built = report_of(replace_result(real(), method=method, options=options))
    (statement,) = (said for said in built.methods if said not in plain.methods)
    assert told in statement.text
    assert statement.evidence == f"GSE42872: options, {next(iter(options))}"
    assert statement.cites == ((key,) if key else ())
    assert set(statement.cites) <= {citation.key for citation in built.citations}


def test_every_option_that_an_analysis_takes_is_told() -> None:
    from omics_nb.analysis.de import OPTIONS

    given: dict[str, object] = dict.fromkeys(OPTIONS, True)
    given |= {"block": "patient", "by": ("sex", "male", "female")}
    plain = report_of(real())
    built = report_of(replace_result(real(), options=given))
    assert len(built.methods) == len(plain.methods) + len(given)


def test_synthetic_data_does_not_cite_geo(report: Report) -> None:
    assert "Barrett 2013" not in [citation.key for citation in report.citations]


def test_the_scale_decision_is_in_the_methods_word_for_word(report: Report) -> None:
    assert report.result.scale_decision in [statement.text for statement in report.methods]


def test_results_of_another_study_are_refused() -> None:
    of = values()
    with pytest.raises(DataError, match="the result is of GSE1, the study is GSE42872"):
        report_of(replace_result(of, accession="GSE1"))


def test_a_result_or_quality_of_another_source_or_platform_is_refused() -> None:
    of = values()
    with pytest.raises(DataError, match=r"the result is of GSE42872 from ncbi, the study is from demo"):
        report_of(replace_result(of, source="ncbi"))
    with pytest.raises(DataError, match=r"the quality is of GSE42872 from ncbi, the study is from demo"):
        report_of(of, quality=replace(of.quality, source="ncbi"))
    with pytest.raises(DataError, match=r"the result is of platform GPL1, GSE42872 has matrices of GPL6244"):
        report_of(replace_result(of, platform="GPL1"))
    with pytest.raises(DataError, match=r"the quality is of platform GPL1, the result of GPL6244"):
        report_of(of, quality=replace(of.quality, platform="GPL1"))


@pytest.mark.parametrize("method", ["limma", "voom", "limma-trend"])
def test_the_command_repeats_the_method(method: str) -> None:
    words = shlex.split(report_of(replace_result(real(), method=method)).repeat.command)
    assert words[words.index("--method") + 1] == method


def test_the_command_survives_a_shell_whatever_the_names_hold() -> None:
    of = replace_result(real(), contrast=Contrast("agent", "$(rm -rf ~)", "it's; vehicle"))
    words = shlex.split(report_of(of).repeat.command)
    assert words[:6] == ["omics-nb", "report", "--source", "mirror:../shared/geo", "--study", "GSE42872"]
    assert words[words.index("--contrast") + 1 :][:3] == ["agent", "$(rm -rf ~)", "it's; vehicle"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_python_to_repeat_it_is_python_whatever_the_names_hold(hostile: str) -> None:
    python = report_of(values(lambda _: hostile)).repeat.python
    compile(python, "repeat", "exec")
    assert python.replace("\n", "").isprintable()


def test_the_repr_is_one_line_and_the_same_on_every_run(report: Report) -> None:
    assert (
        repr(report) == f"Report(GSE42872, agent: vemurafenib vs vehicle, {CREATED}, source demo, synthetic)"
    )


def test_notes_on_the_choice_are_shown() -> None:
    of = values()
    shown = report_of(of, notes=("Passed over: GSE42873 has no values.",)).to_html()
    assert "Passed over: GSE42873 has no values." in shown


# The page


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_study_makes_a_harmless_page(hostile: str) -> None:
    html = report_of(values(lambda text: f"{hostile}{text[:2]}")).to_html()
    shown = Page(html.removeprefix("<!DOCTYPE html>"))
    tags = {tag for tag, _ in shown.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form", "svg", "video", "audio"}
    for _, attributes in shown.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"style", "srcset", "srcdoc"}
        ]
        assert re.match(r"https://|#", attributes.get("href") or "#")
        assert (attributes.get("src") or "data:").startswith(
            "data:image/svg+xml;base64,"
        ) or "src" not in attributes
    html.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", html)


def test_the_page_loads_nothing_and_its_policy_forbids_it(page: Page) -> None:
    (policy,) = [
        a["content"] or "" for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "script-src" not in rules
    assert all((a["src"] or "").startswith("data:") for a in page.all("img"))
    assert not page.all("link") + page.all("script")


def test_the_policy_lets_exactly_the_page_s_own_style_through(report: Report) -> None:
    html = report.to_html()
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{digest}&#x27;" in html
    assert "url(" not in style
    assert "@import" not in style


def test_the_contents_lead_to_every_section(page: Page) -> None:
    targets = [
        (a["href"] or "").removeprefix("#") for a in page.all("a") if (a["href"] or "").startswith("#")
    ]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)
    assert {"findings", "question", "studies", "study", "files", "quality"} <= set(targets)
    assert {"design", "results", "figures", "methods", "repeat", "versions"} <= set(targets)


def test_the_page_has_landmarks_a_language_and_a_title(page: Page) -> None:
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert len(page.all(landmark)) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert "[synthetic data] vemurafenib against vehicle in GSE42872" in page.text


def test_the_page_shows_provenance_design_numbers_and_how_to_repeat_it(page: Page) -> None:
    for shown in (
        "0f" * 32,
        "845.1 kB",
        "https://ftp.ncbi.nlm.nih.gov/geo/series/GSE42nnn/GSE42872/matrix/",
        "~ agent",
    ):
        assert shown in page.text
    assert "omics-nb report --source demo --study GSE42872 --contrast agent vemurafenib vehicle" in page.text
    assert "Samplesat least 6" in page.text
    assert "title has “melanoma”" in page.text


def test_the_notebook_s_display_of_a_report_is_marked_and_short(report: Report) -> None:
    card = Page(report._repr_html_())
    assert "synthetic data" in card.text
    assert report.findings[0].text in card.text
    assert len(card.all("table")) == 0


def test_figures_are_images_that_hold_the_whole_svg(page: Page) -> None:
    (image,) = page.all("img")
    encoded = (image["src"] or "").removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(encoded).decode() == values().figure.to_svg()
    assert image["alt"] == "Volcano plot. 3 genes are higher in treated samples."


def test_a_report_without_question_hits_or_figures_leaves_their_sections_out() -> None:
    of = values()
    bare = build_report(of.study, of.result, quality=of.quality, figures=(), created=CREATED)
    ids = [a.get("id") for _, a in Page(bare.to_html().removeprefix("<!DOCTYPE html>")).elements]
    assert not {"question", "studies", "figures"} & set(ids)


def test_quality_and_figures_are_made_where_they_are_not_given() -> None:
    of = values()
    built = build_report(of.study, of.result, created=CREATED)
    assert [figure.name for figure in built.figures] == [
        "volcano",
        "ma",
        "p_histogram",
        "heat_map",
        "box",
        "pca",
        "correlation",
    ]
    assert built.quality.accession == "GSE42872"
    assert built.quality.checks
    card = Page(built._repr_html_())
    assert len(card.all("img")) == 7


def test_a_figure_that_the_data_do_not_allow_is_left_out_with_its_reason() -> None:
    of = values()
    empty = of.result.table.assign(**dict.fromkeys(("logFC", "t", "P.Value", "adj.P.Val", "B"), np.nan))
    built = build_report(of.study, replace(of.result, table=empty), quality=of.quality, created=CREATED)
    assert "heat_map" not in [figure.name for figure in built.figures]
    assert any(
        warning.startswith("The heat map could not be drawn from these data: ") for warning in built.warnings
    )


def test_the_question_is_part_of_the_command() -> None:
    of = real()
    words = shlex.split(report_of(of, question="-- what; of it?").repeat.command)
    assert words[-2:] == ["--", "-- what; of it?"]


def test_a_report_has_a_text_form(report: Report) -> None:
    lines = str(report).split("\n")
    assert lines[:3] == [
        "vemurafenib against vehicle in GSE42872",
        "[synthetic] source: demo",
        "! These data are synthetic: generated to try the program out. They say nothing about biology.",
    ]
    assert any("of 60 features tested have adj.P.Val ≤ 0.05" in line for line in lines)


def test_a_report_on_groups_of_ones_own_is_repeated_by_its_python() -> None:
    import omics_nb as omics

    study = omics.fetch("GSE9000003", source="demo")
    tested = study.samples["agent"] == "vemurafenib"
    study = study.with_factor("mine", ["drug" if is_tested else "none" for is_tested in tested])
    result = omics.differential_expression(study, contrast=("mine", "drug", "none"), robust=True)
    report = omics.report(study, result)
    assert report.repeat.command.startswith("printf %s 'sample,mine")
    steps = report.repeat.python.rpartition("\n")[0]
    again: dict[str, Any] = {}
    exec(steps, again)
    assert again["result"].table.equals(result.table)
    assert again["result"].options == {"robust": True}


def test_two_comparisons_never_share_a_file_name() -> None:
    from omics_nb.reporting import file_name

    def name(tested: str, reference: str = "control") -> str:
        return file_name(replace(values().result, contrast=Contrast("agent", tested, reference)))

    assert re.fullmatch(r"[A-Za-z0-9.-]+-drug-vs-control", name("drug"))
    levels = ["drug", "TNFα", "TNFβ", "x" * 200, "x" * 200 + "y", "../../etc"]
    assert len({name(level) for level in levels}) == len(levels)
    assert all(len(name(level)) <= 100 and re.fullmatch(r"[A-Za-z0-9.-]+", name(level)) for level in levels)


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ("~ agent", "each feature has a mean for each level of agent, and nothing else is allowed for"),
        ("~ batch + agent", "the effect of agent is estimated with differences by batch allowed for"),
        ("~ `cell line` + C(batch) + agent", "with differences by cell line and batch allowed for"),
        ("~ sex * agent", "differences by sex, which may change the effect of each other, allowed for"),
    ],
)
def test_the_design_is_told_in_words_beside_its_formula(design: str, said: str) -> None:
    (told,) = (
        statement.text
        for statement in report_of(replace_result(real(), design=design)).comparison
        if statement.text.startswith("The model is")
    )
    assert told.startswith(f"The model is {design}: ")
    assert said in told


@pytest.fixture(scope="module")
def with_sets() -> Report:
    import omics_nb as omics

    study = omics.fetch("GSE9000003", source="demo")
    result = omics.differential_expression(study, contrast=("agent", "vemurafenib", "vehicle"))
    return omics.report(study, result, enrichment=omics.enrich(result, kind="ora", min_size=2))


def test_gene_sets_are_a_section_a_finding_and_a_method(with_sets: Report) -> None:
    assert with_sets.enrichment is not None
    found = with_sets.enrichment.significant()
    said = [statement.text for statement in with_sets.findings]
    assert any(
        text.startswith(f"{len(found)} of {len(with_sets.enrichment.table)} gene sets") for text in said
    )
    shown = Page(with_sets.to_html().removeprefix("<!DOCTYPE html>"))
    assert "gene sets with the smallest P" in shown.text
    assert str(with_sets.enrichment.table.index[0]) in shown.text
    assert "Fang 2023" in {citation.key for citation in with_sets.citations}
    assert any("hypergeometric test" in statement.text for statement in with_sets.methods)


def test_gene_sets_are_in_the_document_for_programs_and_in_the_workbook(
    with_sets: Report, tmp_path: Path
) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    assert with_sets.enrichment is not None
    read = json.loads(with_sets.to_json())
    assert read["enrichment"]["kind"] == "ora"
    assert read["enrichment"]["table"]["index"] == list(with_sets.enrichment.table.index)
    book = openpyxl.load_workbook(with_sets.save(tmp_path / "r.xlsx").files["xlsx"])
    assert book["Gene sets"].max_row == len(with_sets.enrichment.table) + 1


def test_gene_sets_of_another_result_are_refused(with_sets: Report) -> None:
    other = replace(with_sets.result, contrast=Contrast("agent", "vehicle", "vemurafenib"))
    with pytest.raises(DataError, match="give that of one result"):
        build_report(with_sets.study, other, enrichment=with_sets.enrichment)
