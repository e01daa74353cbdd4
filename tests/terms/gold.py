"""Questions with what they mean, and how well a reading agrees with that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from omics_nb.records import Query, Term
from omics_nb.terms import understand

TODAY = date(2026, 9, 15)
HERE = Path(__file__).parent
FILTERS = (
    "min_samples", "max_samples", "min_per_group", "published_from", "published_to", "sex", "age", "has_raw",
    "has_counts", "accessions", "platforms",
)  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """Entities with their identifiers as precision and recall; filters and intent as shares of exact questions."""

    precision: float
    recall: float
    filters: float
    intent: float
    differences: tuple[str, ...]

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def read(name: str) -> list[dict[str, Any]]:
    """The questions of a file: question, terms ("kind identifier"), excluded, filters, intent."""
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def agreement(questions: Iterable[dict[str, Any]]) -> Agreement:
    right = found = wanted = exact = intents = n = 0
    differences = []
    for gold in questions:
        query = understand(gold["question"], today=TODAY)
        has = [*_names(query.terms), *(f"not {name}" for name in _names(query.excluded))]
        should = [*gold["terms"], *(f"not {name}" for name in gold.get("excluded", ()))]
        n, right = n + 1, right + len(set(has) & set(should))
        found, wanted = found + len(set(has)), wanted + len(set(should))
        same_filters = filters(query) == gold.get("filters", {})
        exact, intents = exact + same_filters, intents + (query.intent == gold["intent"])
        if set(has) != set(should) or not same_filters or query.intent != gold["intent"]:
            differences.append(
                f"{gold['question']}: +{sorted(set(has) - set(should))} -{sorted(set(should) - set(has))}"
                f" {filters(query)} {query.intent}"
            )
    return Agreement(right / found, right / wanted, exact / n, intents / n, tuple(differences))


def filters(query: Query) -> dict[str, Any]:
    values = {name: getattr(query, name) for name in FILTERS}
    return {
        name: str(value) if isinstance(value, date) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value
    }


def _names(terms: Iterable[Term]) -> list[str]:
    return [f"{term.kind} {term.id or term.label}" for term in terms if term.kind != "word"]
