"""A batch from a form: checked as the table changes, run, followed row by row, cancelled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from omics_widgets.batch import BatchForm

from tests.batch.conftest import write_notebook

pytestmark = pytest.mark.filterwarnings("default")  # nbclient and zmq warn of their own dependencies


@pytest.fixture
def acts(tmp_path: Path) -> Path:
    """A notebook that does what its row says."""
    return write_notebook(tmp_path / "acts.ipynb")


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def test_nothing_runs_until_the_table_is_right(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do,m\nwork,1\n", str(acts), out=str(tmp_path / "out"))
        assert form.run.disabled
        await until(lambda: "is no parameter of acts.ipynb" in form.problems.value)
        assert form.run.disabled
        form.table.value = "do,n\nwork,<b>\n"
        await until(lambda: "&lt;b&gt;" in form.problems.value)
        assert form.run.disabled
        form.table.value = "do\tn\nwork\t1\n"
        await until(lambda: "1 rows for acts.ipynb, all right" in form.problems.value)
        assert not form.run.disabled
        form.table.value = ""
        await until(lambda: "the table is empty" in form.trouble.value)
        assert form.run.disabled
        form.close()

    asyncio.run(main())


def test_rows_that_the_source_does_not_know_are_told_in_the_form(tmp_path: Path) -> None:
    async def main() -> None:
        form = BatchForm("study\nGSE9000099\n", out=str(tmp_path / "out"), source="demo")
        await until(lambda: "demo has no study GSE9000099" in form.problems.value)
        assert form.run.disabled
        assert [item["row"] for item in form.table.problems] == [1]
        form.close()

    asyncio.run(main())


def uploaded(name: str, content: bytes) -> dict[str, Any]:
    """A file as the browser hands it over."""
    facts = {"type": "", "size": len(content), "last_modified": datetime.now(UTC)}
    return {"name": name, "content": content, **facts}


def test_an_uploaded_table_is_text_to_mend_or_a_file_as_it_is(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do\nwork\n", str(acts), out=str(tmp_path / "out"))
        form.upload.value = (uploaded("t.csv", b"do,n\nfail,1\n"),)
        await until(lambda: form.table.value == "do,n\nfail,1\n")
        form.upload.value = (uploaded("t.jsonl", b'{"n": 1}\n{"n": 2}\n{"n": "x"}\n'),)
        await until(lambda: "t.jsonl: 1 problem(s)" in form.problems.value)
        form.table.value = "do\nwork\n"
        await until(lambda: "1 rows for acts.ipynb, all right" in form.problems.value)
        form.close()

    asyncio.run(main())


def test_a_batch_outlives_its_form_and_is_found_again(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        mark = tmp_path / "mark"
        form = BatchForm(f"do,mark\ngate,{mark}\n", str(acts), out=str(tmp_path / "out"))
        await until(lambda: not form.run.disabled)
        form.run.click()
        await until(lambda: form.batch is not None and mark.exists())
        assert form.batch is not None
        assert form.batch.run._driven() is None  # another process has it
        assert form.link.link == f"batch.ipynb?batch={form.batch.id}"
        form.close()
        Path(f"{mark}.open").touch()
        again = BatchForm(
            "do\nwork\n", str(acts), out=str(tmp_path / "b"), batch_id=form.link.link.partition("=")[2]
        )
        await until(lambda: "is done: 1 done" in again.told.value)
        await until(
            lambda: [row[3] for row in again.batches.rows] == ["done"]
        )  # it is read again every two seconds
        again.close()

    asyncio.run(main())


def test_rows_are_followed_to_their_end_and_failed_ones_retried(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do,n\nwork,1\nfail,2\n", str(acts), out=str(tmp_path / "out"))
        await until(lambda: not form.run.disabled)
        form.run.click()
        await until(lambda: "is failed: 1 done, 1 failed" in form.told.value)
        assert form.bar.value == form.bar.max == 2
        assert "ValueError: no such gene: 42" in form.rows.value
        assert 'role="log"' in form.history.value
        assert form.retry.layout.display is None
        assert form.cancel.layout.display == "none"
        first = form.batch
        form.retry.click()
        await until(lambda: form.batch is not first or form.history.value.count("0002-fail failed") == 1)
        assert (tmp_path / "out" / "index.html").exists()
        form.close()

    asyncio.run(main())


def test_a_batch_is_cancelled_from_its_form(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do\nhang\n", str(acts), out=str(tmp_path / "out"))
        await until(lambda: not form.run.disabled)
        form.run.click()
        await until(lambda: "1 running" in form.told.value)
        form.cancel.click()
        await until(lambda: "is cancelled" in form.told.value)
        assert form.again.layout.display is None
        shown = BatchForm("do\nwork\n", str(acts), out=str(tmp_path / "b"), batch_id=form.batch.id)  # type: ignore[union-attr]
        await until(lambda: "is cancelled" in shown.told.value)
        form.close()
        shown.close()

    asyncio.run(main())
