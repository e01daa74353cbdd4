"""What a batch leaves: its page in a browser, exports for other programs, genes that recur; by shell and by Python."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from omics_nb.batch import Batch, check_batch, start_batch
from omics_nb.batch.coerce import coerce
from omics_nb.batch.declared import Parameter
from omics_nb.batch.export import write
from omics_nb.batch.index_page import _wrong
from omics_nb.batch.summary import as_cell, frame_of, recurring
from omics_nb.cli import main
from omics_nb.errors import DataError
from tests.batch.conftest import write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies
CODE = """\
from omics_nb import batch
batch.tell(length=len(text) * 1.5, verdict=text)
if text == "bad":
    raise ValueError("<script>alert(1)</script>")
import base64
from IPython.display import Image, display
from PIL import Image as Picture
import io
sink = io.BytesIO()
Picture.new("RGB", (900, 600), "red").save(sink, "PNG")
display(Image(sink.getvalue()))
"""
TEXTS = ["=1+1", "plain", "<img src=x onerror=alert(1)>", "bad"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICS_DATA", str(folder / "data"))
        patch.setenv("OMICS_CONFIG", str(folder / "none.toml"))
        notebook = write_notebook(folder / "n.ipynb", CODE, parameters='text = "x"')
        rows = [{"text": text, "#who": "@ana"} for text in TEXTS]
        yield start_batch(rows, notebook, out=folder / "out", name="{row}", title="Night <1>").wait(120)


def test_key_figures_are_columns_of_the_summary(done: Batch) -> None:
    table = done.table()
    assert table["verdict"].tolist()[:3] == TEXTS[:3]
    assert table["length"].tolist()[:2] == [6.0, 7.5]
    assert table["#who"].tolist() == ["@ana"] * 4


def test_csv_is_faithful(done: Batch, tmp_path: Path) -> None:
    import pandas as pd

    read = pd.read_csv(write(done, tmp_path / "r.csv"), keep_default_na=False)
    assert read["text"].tolist() == TEXTS


def test_no_text_of_a_workbook_is_a_formula(done: Batch, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(write(done, tmp_path / "r.xlsx"))
    cells = [cell for line in book["summary"].iter_rows() for cell in line]
    assert "f" not in {cell.data_type for cell in cells}
    assert "=1+1" in [cell.value for cell in cells]


def test_json_holds_every_row(done: Batch, tmp_path: Path) -> None:
    facts = json.loads(write(done, tmp_path / "r.json").read_text())
    assert [row["state"] for row in facts["rows"]] == ["done", "done", "done", "failed"]
    assert facts["id"] == done.id


def test_a_zip_holds_the_files_of_the_rows_and_nobody_elses(done: Batch, tmp_path: Path) -> None:
    (done.out / "private.txt").write_text("mine")
    with zipfile.ZipFile(write(done, tmp_path / "r.zip")) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {
        "batch.json",
        "index.html",
        "summary.csv",
        "1.ipynb",
        "1.html",
        "1/row.json",
        "1/thumb.png",
    } <= set(names)
    assert "private.txt" not in names


def test_a_crate_names_every_file_with_its_hash(done: Batch, tmp_path: Path) -> None:
    crates = pytest.importorskip("rocrate.rocrate")
    with zipfile.ZipFile(write(done, tmp_path / "r.crate.zip")) as archive:
        archive.extractall(tmp_path / "crate")
        names = set(archive.namelist()) - {"ro-crate-metadata.json"}
    crate = crates.ROCrate(tmp_path / "crate")
    files = {entity["name"]: entity["sha256"] for entity in crate.get_entities() if entity.type == "File"}
    assert set(files) == names
    for name, digest in files.items():
        assert hashlib.sha256((tmp_path / "crate" / name).read_bytes()).hexdigest() == digest
    actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    assert [action["actionStatus"].rpartition("/")[2] for action in actions] == [
        *["CompletedActionStatus"] * 3,
        "FailedActionStatus",
    ]


def test_another_ending_says_which_there_are(done: Batch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.crate\.zip, \.csv, \.xlsx"):
        write(done, tmp_path / "r.pdf")


def test_a_batch_in_a_cell_escapes_what_it_shows(done: Batch) -> None:
    html = done._repr_html_()
    assert "<img src=x" not in html
    assert "Night &lt;1&gt;" in html
    assert repr(done).startswith(f"Batch({done.id}, 'Night <1>', failed: ")


def test_genes_that_recur_count_each_comparison_once(tmp_path: Path, done: Batch) -> None:
    rows = []
    tables = {
        "a": "TP53,2.0,0.01,GSE1,x\nNA,1.0,0.01,GSE1,x\n",
        "b": "TP53,-1.0,0.02,GSE2,y\nNA,3.0,0.02,GSE2,y\nMYC,1,0.03,GSE2,y\n",
        "c": "TP53,2.0,0.01,GSE1,x\n",  # the same comparison again
        "d": "TP53,-2.0,0.01,GSE1,x\n",
        "e": "SOX2,2.0,0.01,GSE1,agent: a vs b\n",  # two comparisons of one study are no second study
        "f": "SOX2,2.0,0.01,GSE1,agent: c vs b\n",
    }
    for name, text in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "genes.csv").write_text("gene,logFC,adj_p,study,comparison\n" + text)
        rows.append(done.rows[0]._replace(name=name, state="done", result={"genes": 1}))
    found = recurring(tmp_path, rows)
    assert found["gene"].tolist() == ["NA", "TP53"]  # the stronger first; NA is a name here
    assert found.iloc[1].to_dict() == {
        "gene": "TP53", "studies": 2, "comparisons": 2, "up": 1, "down": 1, "median_logFC": 0.5, "rows": "a b c d"
    }  # fmt: skip


def test_results_are_written_as_a_table_accepts_them(tmp_path: Path, done: Batch) -> None:
    import pandas as pd

    given = {
        "study": "GSE9000003",
        "contrast": ["agent", "vemurafenib", "vehicle"],
        "design": "~ batch + agent",
    }
    figures = [{"tested": 1650, "up": 6}, {}]
    rows = [
        done.rows[0]._replace(row=at, parameters=given, remarks={}, state="done", result={"figures": found})
        for at, found in enumerate(figures, 1)
    ]
    frame = frame_of(rows)
    assert frame["tested"].astype(str).tolist() == ["1650", "<NA>"]
    assert frame["contrast"].tolist() == ["agent; vemurafenib; vehicle"] * 2
    table = tmp_path / "again.csv"
    frame[["study", "contrast", "design"]].to_csv(table, index=False)
    again = check_batch(table, "report.ipynb")
    assert [dict(row.parameters) for row in again.require()] == [given] * 2
    assert pd.read_csv(table)["contrast"][0] == "agent; vemurafenib; vehicle"


@pytest.mark.parametrize(
    "value",
    [["a", "b"], ["a;b", "c"], [], ["", "a"], ["[x", "y"], ["a"], [["f", "a", "b"], ["f", "c", "b"]], [1, 2]],
)
def test_a_list_reads_back_as_it_was(value: list[Any]) -> None:
    written = as_cell(value)
    assert coerce(written, Parameter("x", "list"), loose=True) == value


def test_the_cause_stands_before_the_cell_and_the_step_that_it_came_through() -> None:
    long = "cell 4 (run = omics.start_report(): RunFailedError: step 'chosen' failed: NotFoundError: no GSE9"
    shown = str(_wrong(long))
    assert shown.index("NotFoundError: no GSE9") < shown.index("cell 4")
    assert "step &#x27;chosen&#x27;</small>" in shown


def test_what_all_rows_say_is_told_once(done: Batch) -> None:
    page = (done.out / "index.html").read_text(encoding="utf-8")
    assert "In every row: #who @ana." in page


def test_a_retry_says_that_the_table_was_mended_since(tmp_path: Path, acts: Path) -> None:
    table = tmp_path / "my tables" / "ten.csv"
    table.parent.mkdir()
    table.write_text("do\nfail\n")
    made = start_batch(table, acts, out=tmp_path / "out").wait(60)
    assert made.changed_table == ""
    table.write_text("do\nwork\n")
    told = CliRunner().invoke(main, ["batch", "retry", made.id, "--failed"])
    assert told.exit_code == 8
    assert "ten.csv has changed since batch" in told.stderr
    assert "finished rows stay done" in told.stderr
    assert f"batch run '{table}'" in " ".join(told.stderr.split())


@pytest.mark.browser
def test_the_page_sorts_filters_and_asks_nobody(done: Batch) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    asked: list[str] = []
    told: list[str] = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto((done.out / "index.html").as_uri())

        def shown() -> list[str]:
            rows = page.locator("#rows tbody tr:visible th").all_inner_texts()
            return [row.partition(" ")[0] for row in rows]

        assert shown() == ["1", "2", "3", "4"]
        page.get_by_role("button", name="length").click()
        assert shown() == ["1", "2", "3", "4"]  # what is missing comes last
        page.get_by_role("button", name="length").click()
        assert shown()[0] == "3"
        page.get_by_label("Find").fill("plain")
        assert shown() == ["2"]
        assert "1 of 4 rows" in page.locator("#shown").inner_text()
        page.get_by_label("Find").fill("")
        page.get_by_label("Show").select_option("failed")
        assert shown() == ["4"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert "<script>alert(1)</script>" in page.locator(".error").first.inner_text()
        page.get_by_label("Show").select_option("")
        page.get_by_role("link", name="2", exact=True).click()
        page.wait_for_url("**/2.html")
        assert "plain" in page.content()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert told == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_of_many_columns_fits_the_screen_and_tells_the_cause_first(wide: Batch, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium")
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.goto((wide.out / "index.html").as_uri())
        for part in ("html", ".scroll"):
            assert page.locator(part).evaluate("part => part.scrollWidth <= part.clientWidth"), part
        [error] = page.locator(".error").all()
        assert error.inner_text().startswith("ValueError: no matrix")
        assert "the end" not in error.inner_text()
        error.locator("summary").click()
        assert "the end" in error.inner_text()
        assert "cell 3 (" in error.locator("small").inner_text()
        page.get_by_role("button", name="p11").click()
        page.get_by_role("button", name="p11").click()
        assert page.locator("#rows tbody th").first.inner_text().startswith("2")
        browser.close()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    """A batch of many parameters, one of whose rows fails with a long error."""
    folder = tmp_path_factory.mktemp("wide")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICS_DATA", str(folder / "data"))
        patch.setenv("OMICS_CONFIG", str(folder / "none.toml"))
        names = [f"p{at}" for at in range(12)]
        code = "if p11 == 1: raise ValueError('no matrix ' + 'of any kind ' * 40 + 'the end')"
        notebook = write_notebook(
            folder / "n.ipynb", code, parameters="\n".join(f"{n} = None" for n in names)
        )
        rows = [{**dict.fromkeys(names, "a long value " * 3), "p11": at} for at in (1, 2)]
        yield start_batch(rows, notebook, out=folder / "out", name="{row}").wait(120)


def shell(*words: str) -> Any:
    return CliRunner().invoke(main, ["batch", *words])


def test_the_whole_way_from_a_shell(tmp_path: Path, acts: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("do,n\nwork,1\nfail,2\nwork,x\n")
    asked = (str(table), "--notebook", str(acts))
    checked = shell("check", *asked)
    assert checked.exit_code == 6
    assert "row 3 (line 4), column 'n': 'x' is no whole number" in checked.output
    run = shell("run", *asked, "--out", str(tmp_path / "out"))
    assert run.exit_code == 6
    assert not (tmp_path / "out").exists()
    run = shell("run", *asked, "--out", str(tmp_path / "out"), "--skip-invalid", "--title", "night")
    assert run.exit_code == 8
    assert "0002-fail  failed: cell 3" in run.output
    assert "night" in shell("list").output
    facts = json.loads(shell("status", "--json").stdout)
    assert facts["counts"] == {"done": 1, "failed": 1}
    assert "0001-work,done" in shell("results").stdout
    assert json.loads(shell("results", "--json", "--genes").stdout) == []
    assert shell("results", "--to", str(tmp_path / "r.zip")).exit_code == 0
    resumed = shell("resume")
    assert resumed.exit_code == 8
    assert f"omics-nb batch retry {facts['id']} --failed" in resumed.stderr
    assert shell("retry", facts["id"], "--failed").exit_code == 8
    assert shell("cancel", facts["id"]).exit_code == 8


def test_rows_may_be_flows(tmp_path: Path) -> None:
    rows = [{"question": "melanoma, human", "limit": 3}, {"question": "zzz qqq xxx"}]
    batch = start_batch(rows, flow="simple_search", out=tmp_path / "out", source="demo").wait(120)
    first = json.loads((tmp_path / "out" / "0001-melanoma-human.ipynb").read_text())
    assert batch.rows[0].state == "done", batch.rows[0].error
    assert "Hits(" in json.dumps(first["cells"][-2]["outputs"])
