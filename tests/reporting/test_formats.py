"""Every format of a report, read again by a program of its own: what was written is there, and nothing runs."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from omics_nb.errors import MissingExtraError
from omics_nb.reporting import Report, build_report
from omics_nb.reporting.markdown import escape
from tests.example_values import values
from tests.reporting.test_report import CREATED, report_of
from tests.test_display import HOSTILE

FORMULAS = [
    '=HYPERLINK("https://evil.example","x")',
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "=cmd|' /C calc'!A0",
    "SEPT2",
    "1e5",
]


@pytest.fixture(scope="module")
def report() -> Report:
    """With all figures drawn from the data."""
    of = values()
    return build_report(of.study, of.result, hits=of.hits, quality=of.quality, created=CREATED)


# PDF


@pytest.fixture(scope="module")
def pdf(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("weasyprint", reason="weasyprint is not installed")
    return report.save(tmp_path_factory.mktemp("pdf") / "r.pdf").files["pdf"]


def test_a_pdf_says_what_the_page_says(report: Report, pdf: Path) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    read = pypdf.PdfReader(pdf)
    words = " ".join(" ".join(page.extract_text() for page in read.pages).split())
    assert read.metadata.title == f"[synthetic data] {report.title}"
    assert read.trailer["/Root"]["/Lang"] == "en"
    assert read.trailer["/Root"]["/MarkInfo"]["/Marked"]
    for text in (report.warnings[0], report.findings[0].text, "Before you rely on this", "How to repeat it"):
        assert text in words
    assert "0f" * 8 in words.replace(" ", "")
    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in read.pages} == {(595, 842)}


def test_a_pdf_reads_no_file_and_asks_no_server(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", reason="weasyprint is not installed")
    from omics_nb.reporting.pdf import page_pdf

    asked: list[str] = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    secret = tmp_path / "secret.txt"
    secret.write_text("the-secret-of-this-machine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trap)
    thread = Thread(target=server.serve_forever)
    thread.start()
    host = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        made = page_pdf(
            f"<html><head><link rel=stylesheet href='{host}/a.css'><link rel=attachment href='{secret.as_uri()}'>"
            f"<style>@import url('{host}/b.css'); body {{ background: url('{secret.as_uri()}') }}</style></head>"
            f"<body><p>words</p><img src='{host}/c.png'><img src='{secret.as_uri()}'>"
            f"<object data='{secret.as_uri()}'></object></body></html>"
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert made.startswith(b"%PDF")
    assert asked == []
    assert b"EmbeddedFile" not in made
    assert b"the-secret" not in made


def test_where_weasyprint_is_missing_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'omics-nb\[pdf\]'"):
        report_of(values()).save(tmp_path / "r.pdf")
    assert list(tmp_path.iterdir()) == []


# Markdown


def test_markdown_holds_the_sections_the_numbers_and_the_pictures(report: Report, tmp_path: Path) -> None:
    text = report.save(tmp_path / "r.md").files["markdown"].read_text(encoding="utf-8")
    assert text.startswith("# vemurafenib against vehicle in GSE42872\n")
    headings = re.findall(r"^## (.*)$", text, flags=re.M)
    assert headings[:3] == ["Before you rely on this", "Findings", "Question"]
    assert headings[-3:] == ["Methods", "How to repeat it", "Versions"]
    assert report.findings[0].text.replace("|", r"\|") in text
    pictures = re.findall(r"!\[[^\]]*\]\(<([^>]+)>\)", text)
    assert len(pictures) == 7
    for name in pictures:
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<svg ")
    rows = [line for line in text.splitlines() if line.startswith("| 79")]
    assert len(rows) >= 30
    best = report.result.top(1)
    assert best["symbol"].iloc[0] in rows[0]


@pytest.mark.parametrize("hostile", [*HOSTILE, "| a | b |", "[x](javascript:alert(1))", "1. # > - *x* `y`"])
def test_markdown_shows_what_strangers_wrote_as_text(hostile: str, tmp_path: Path) -> None:
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    of = values(lambda _: hostile)
    text = report_of(of).save(tmp_path / "r.md").files["markdown"].read_text(encoding="utf-8")
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert not [token for token in (*tokens, *inline) if token.type.startswith("html_")]
    links = [str(token.attrs.get("href")) for token in inline if token.type == "link_open"]
    assert all(
        link.startswith(("https://doi.org/", "https://www.ncbi.nlm.nih.gov/", "https://identifiers.org/"))
        for link in links
    )


@pytest.mark.parametrize(
    "text", ["1. first", "- a", "# b", "a|b", "<b>", "*x*", "a_b_c", "`x`", "0.75", "-1.5", "&amp;"]
)
def test_escaped_text_is_read_as_it_was(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    tokens = markdown_it.MarkdownIt("commonmark").parse(escape(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(part.content for part in tokens[1].children) == text


# Excel


def workbook(report: Report, tmp_path: Path) -> Any:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    return openpyxl.load_workbook(report.save(tmp_path / "r.xlsx").files["xlsx"])


def test_a_workbook_gives_the_table_back(report: Report, tmp_path: Path) -> None:
    book = workbook(report, tmp_path)
    assert book.sheetnames == ["Summary", "Results", "Samples", "Quality", "Studies", "Files", "Methods"]
    header, *rows = book["Results"].values
    table = report.result.table
    assert list(header) == ["feature", *table.columns]
    again = pd.DataFrame(rows, columns=header).set_index("feature")
    assert list(again.index) == list(table.index)
    # openpyxl writes sixteen digits; the CSV is the file that is faithful to the last bit.
    np.testing.assert_allclose(
        again.iloc[:, 1:].to_numpy(dtype=float), table.iloc[:, 1:].to_numpy(), rtol=1e-15
    )
    summary = list(book["Summary"].values)
    assert ("Source", "demo (synthetic data)") in summary
    assert ("Found", report.findings[0].text) in summary
    assert book["Files"]["D2"].value == "0f" * 32


@pytest.mark.parametrize("name", FORMULAS)
def test_no_text_of_a_workbook_is_a_formula_or_a_date(name: str, tmp_path: Path) -> None:
    of = values()
    table = of.result.table.assign(symbol=name).rename(index={of.result.table.index[0]: name})
    changed = report_of(replace(of, result=replace(of.result, table=table)))
    cells = [cell for sheet in workbook(changed, tmp_path) for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b", "inlineStr"}
    named = [cell for cell in cells if cell.value == name]
    assert len(named) > len(table)
    assert all(cell.quotePrefix for cell in named if name.startswith(("=", "+", "-", "@")))
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        assert not any(b"<f>" in archive.read(part) for part in archive.namelist())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_workbook_holds_whatever_strangers_wrote(hostile: str, tmp_path: Path) -> None:
    book = workbook(report_of(values(lambda _: hostile)), tmp_path)
    assert book["Results"].max_row == 61


def test_missing_and_infinite_numbers_are_empty_cells(tmp_path: Path) -> None:
    of = values()
    table = of.result.table.copy()
    table.iloc[0, 1:3] = [np.nan, np.inf]
    book = workbook(report_of(replace(of, result=replace(of.result, table=table))), tmp_path)
    assert [cell.value for cell in book["Results"][2]][2:4] == [None, None]


# AnnData


def test_anndata_holds_values_groups_and_results(report: Report, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="anndata is not installed")
    data = anndata.read_h5ad(report.save(tmp_path / "r.h5ad").files["h5ad"])
    matrix = report.study.matrices["GPL6244"]
    np.testing.assert_array_equal(data.X, matrix.to_numpy().T)
    assert data.obs["group"].tolist() == ["reference"] * 3 + ["tested"] * 3
    np.testing.assert_array_equal(data.var["P.Value"].to_numpy(), report.result.table["P.Value"].to_numpy())
    assert list(data.uns["report"]["contrast"]) == ["agent", "vemurafenib", "vehicle"]
    assert list(data.uns["report"]["findings"]) == [said.text for said in report.findings]
    assert data.uns["synthetic"]


# RO-Crate


@pytest.fixture(scope="module")
def crate(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.save(tmp_path_factory.mktemp("crate") / "GSE42872.zip").files["crate"]


def contents(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files.pop("ro-crate-metadata.json"))


def test_a_crate_holds_every_format_with_its_hash(crate: Path) -> None:
    files, metadata = contents(crate)
    described = {entity["@id"]: entity for entity in metadata["@graph"] if entity["@type"] == "File"}
    assert set(described) == set(files)
    for name, data in files.items():
        assert described[name]["sha256"] == sha256(data).hexdigest()
        assert described[name]["contentSize"] == str(len(data))
    formats = {Path(name).suffix for name in files}
    assert {".html", ".pdf", ".md", ".json", ".csv", ".xlsx", ".h5ad", ".svg", ".py"} <= formats


def test_a_crate_keeps_the_rules_of_ro_crate_1_1(crate: Path) -> None:
    """https://www.researchobject.org/ro-crate/specification/1.1/: descriptor, root, flat graph, links that lead on."""
    _, metadata = contents(crate)
    assert metadata["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert len(entities) == len(metadata["@graph"])
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= set(root)
    assert re.match(r"\d{4}-\d\d-\d\dT", root["datePublished"])
    files = {name for name, entity in entities.items() if entity["@type"] == "File"}
    assert {part["@id"] for part in root["hasPart"]} == files
    for entity in entities.values():
        for value in entity.values():
            for link in value if isinstance(value, list) else [value]:
                if isinstance(link, dict):
                    assert set(link) == {"@id"}
                    assert link["@id"] in entities or link["@id"] == "https://w3id.org/ro/crate/1.1"


def test_the_library_for_crates_reads_it(crate: Path, report: Report) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate", reason="rocrate is not installed")
    read = rocrate.ROCrate(str(crate))
    assert read.name == report.title
    assert read.root_dataset["license"].id == "https://creativecommons.org/publicdomain/zero/1.0/"
    action = read.dereference("#analysis")
    assert action.type == "CreateAction"
    assert action["object"][0]["sha256"] == "0f" * 32
    assert {"omics-nb", "numpy"} <= {program["name"] for program in action["instrument"]}
    assert len(action["result"]) == len(read.data_entities)


def test_the_same_report_gives_the_same_pdf_but_for_the_clock(pdf: Path, crate: Path) -> None:
    first, again = (
        re.sub(rb"/(CreationDate|ModDate) ?\([^)]*\)", b"", data)
        for data in (pdf.read_bytes(), contents(crate)[0]["GSE42872.pdf"])
    )
    assert first == again


def test_the_crate_of_a_report_is_the_same_each_time(report: Report) -> None:
    from omics_nb.reporting.crate import _graph

    graph = list(_graph(report, {"r.csv": ("table", b"x")}, ["without pdf: …"]))
    assert graph == list(_graph(report, {"r.csv": ("table", b"x")}, ["without pdf: …"]))
    assert "without pdf" in graph[1]["description"]


# The notebook


def test_a_notebook_is_executed_anew_and_says_the_same(tmp_path: Path) -> None:
    import omics_nb as omics

    study = omics.fetch("GSE9000003", source="demo")
    mine = study.with_factor(
        "mine", ["drug" if a == "vemurafenib" else "none" for a in study.samples["agent"]]
    )
    result = omics.differential_expression(mine, contrast=("mine", "drug", "none"), design="~ batch + mine")
    report = omics.report(mine, result, question="What changes?")
    read = nbformat.read(report.save(tmp_path / "r.ipynb").files["notebook"], as_version=4)
    nbformat.validate(read)
    told = "".join(o.get("text", "") for cell in read.cells for o in cell.get("outputs", []))
    assert f"{len(result.significant()):,} of {result.n_tested:,} features tested" in told
    (parameters,) = (cell.source for cell in read.cells if "parameters" in cell.metadata.get("tags", ()))
    assert "out = 'report.html'" in parameters
    assert str(tmp_path) not in nbformat.writes(read)
