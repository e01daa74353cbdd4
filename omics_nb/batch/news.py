"""What is new in a batch since the one before it: rows, outcomes, figures, genes that recur."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .ledger import RowInfo

if TYPE_CHECKING:
    from .batches import Batch


class News(NamedTuple):
    """Sentences, a row each; ``genes`` recur now and did not before."""

    since: str
    rows: tuple[str, ...]
    genes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"New since {self.since}:", *(f"  {text}" for text in self.rows)]
        if self.genes:
            lines.append(f"  genes that recur now: {' '.join(self.genes)}")
        return "\n".join(lines) if len(lines) > 1 else f"Nothing new since {self.since}."


def news_of(batch: Batch, before: Batch) -> News:
    """What differs between two batches; rows are matched by their parameters."""
    old = {_key(row): row for row in before.rows}
    told = [text for row in batch.rows if (text := _told(row, old.get(_key(row))))]
    gone = set(old) - {_key(row) for row in batch.rows}
    told += [f"{old[key].name} is no longer in the table" for key in sorted(gone)]
    known = set(before.genes()["gene"])
    genes = [str(gene) for gene in batch.genes()["gene"] if gene not in known]
    return News(f"{before.created:%Y-%m-%d %H:%M} UTC", tuple(told), tuple(genes))


def _key(row: RowInfo) -> str:
    return json.dumps(dict(row.parameters), sort_keys=True)


def _told(row: RowInfo, before: RowInfo | None) -> str:
    if before is None:
        return f"{row.name} is a new row"
    if row.state != before.state:
        return f"{row.name} was {before.state} and is {row.state}" + (
            f": {row.error[:200]}" if row.error else ""
        )
    changed = _changes(row, before)
    return f"{row.name}: {', '.join(changed)}" if changed else ""


def _changes(row: RowInfo, before: RowInfo) -> Sequence[str]:
    now, then = row.result.get("figures") or {}, before.result.get("figures") or {}
    return [f"{name} {then.get(name)} → {value}" for name, value in now.items() if then.get(name) != value]
