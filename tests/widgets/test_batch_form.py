"""A batch from a form: checked as the table changes, run, followed row by row, cancelled."""

from __future__ import annotations

import asyncio
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
        assert "is no parameter of acts.ipynb" in form.problems.value
        form.table.value = "do,n\nwork,<b>\n"
        await until(lambda: "&lt;b&gt;" in form.problems.value)
        assert form.run.disabled
        form.table.value = "do\tn\nwork\t1\n"
        await until(lambda: "1 rows for acts.ipynb, all right" in form.problems.value)
        assert not form.run.disabled
        form.table.value = ""
        await until(lambda: "the table is empty" in form.trouble.value)
        assert form.run.disabled

    asyncio.run(main())


def test_rows_are_followed_to_their_end_and_failed_ones_retried(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do,n\nwork,1\nfail,2\n", str(acts), out=str(tmp_path / "out"))
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

    asyncio.run(main())


def test_a_batch_is_cancelled_from_its_form(tmp_path: Path, acts: Path) -> None:
    async def main() -> None:
        form = BatchForm("do\nhang\n", str(acts), out=str(tmp_path / "out"))
        form.run.click()
        await until(lambda: "1 running" in form.told.value)
        form.cancel.click()
        await until(lambda: "is cancelled" in form.told.value)
        assert form.again.layout.display is None
        shown = BatchForm("do\nwork\n", str(acts), out=str(tmp_path / "b"), batch_id=form.batch.id)  # type: ignore[union-attr]
        await until(lambda: "is cancelled" in shown.told.value)

    asyncio.run(main())
