"""Reports by the hundred: a notebook or a flow for each row of a table, with nothing lost.

::

    from omics_nb import batch

    batch.check_batch("studies.csv", "report.ipynb")              # every problem, each by its row; nothing runs
    made = batch.start_batch("studies.csv", "report.ipynb", out="reports", jobs=4)   # returns at once
    made.counts, made.rows, made.table(), made.genes()
    made.wait()
    made.cancel(); made.resume(); made.resume(retry_failed=True)
    batch.get_batch(made.id)                                      # in another process, after a crash

``made`` shows itself in a cell. Within a row's notebook, ``batch.tell(n_cells=4120)`` puts a figure into the summary,
and ``batch.secret(value)`` reads what a cell ``secret:NAME`` refers to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batches import Batch as Batch
    from .batches import get_batch as get_batch
    from .batches import list_batches as list_batches
    from .batches import start_batch as start_batch
    from .check import check_batch as check_batch
    from .kernel import secret as secret
    from .kernel import tell as tell
    from .table import read_table as read_table

_HOME_OF = {
    **dict.fromkeys("Batch get_batch list_batches start_batch".split(), "batches"),
    **dict.fromkeys("secret tell".split(), "kernel"),
    "check_batch": "check",
    "read_table": "table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
