"""How fast and how well questions are read: against the limits, and against a plain dictionary of the same names.

Run by ``python -m tests.benchmarks.bench_question [--small]``. The questions are those of ``tests/terms/``; a
dictionary takes the longest run of words that is a name, whatever its case, as a look-up table does. Times are medians
within one run, the first question by a process of its own with an empty cache and then with a compiled vocabulary.
Where the ontologies are at hand, the same is done with the vocabulary that ``omics-nb vocab build`` makes of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from omics_nb.terms import understand
from omics_nb.terms.build import Input, build
from omics_nb.terms.concepts import concepts
from omics_nb.terms.lookup import FOLDER, forget, vocabulary
from omics_nb.terms.text import tokens
from tests.terms import gold

_LOOKUP_LIMIT_MS, _PARSE_LIMIT_MS = 1.0, 20.0
_ONTOLOGIES = (
    "uberon_ext.obo cl.obo DO_cancer_slim.obo DO_rare_slim.obo bto.obo hgnc_complete_set.txt "
    "mondo_exactmatch_doid.sssom.tsv mondo_exactmatch_mesh.sssom.tsv"
)
_FIRST = """
import time; start = time.perf_counter()
from omics_nb.terms import understand
understand("tamoxifen resistance in breast cancer"); print(time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="the embedded vocabulary only, to see that it runs"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {
            "OMICS_CACHE": f"{name}/cache",
            "OMICS_DATA": f"{name}/data",
            "OMICS_CONFIG": f"{name}/none",
        }
        first, again = _first_question(), _first_question()
        print(f"first question of a process {first:8.0f} ms with an empty cache, {again:.0f} ms after that")
        measure("embedded", dictionary=True)
        shared = Path(os.environ.get("OMICS_SHARED", "../shared")) / "ontology"
        if shared.is_dir() and not options.small:
            files = [shared / f"{item}.gz" for item in _ONTOLOGIES.split()]
            taken = _ms(
                lambda: build([Input(file, str(file)) for file in files], Path(name) / "data" / FOLDER)
            )
            print(f"\nvocab build of {len(files)} files {taken / 1000:14.1f} s")
            measure("built")


def measure(which: str, *, dictionary: bool = False) -> None:
    forget()
    questions = [*gold.read("questions.jsonl"), *gold.read("questions_held_out.jsonl")]
    known = vocabulary()
    keys = [token.norm for question in questions for token in tokens(question["question"])]
    lookup = statistics.median(_ms(lambda key=key: known.names([key])) for key in keys)
    times = sorted(_ms(lambda text=q["question"]: understand(text, today=gold.TODAY)) for q in questions)
    middle, late = times[len(times) // 2], times[int(len(times) * 0.95)]
    print(f"\n{which}: {known.version[:60]}")
    print(f"look-up of a name      {lookup:9.3f} ms, 1/{_LOOKUP_LIMIT_MS / lookup:.0f} of the limit")
    print(
        f"a whole question       {middle:9.2f} ms, 1/{_PARSE_LIMIT_MS / middle:.0f} of the limit; p95 {late:.2f} ms"
    )
    for name in ("questions.jsonl", "questions_held_out.jsonl"):
        asked = gold.read(name)
        found = gold.agreement(asked)
        print(
            f"{name:<27} P {found.precision:.3f}  R {found.recall:.3f}  F1 {found.f1:.3f}  "
            f"filters {found.filters:.3f}  intent {found.intent:.3f}  ({len(asked)} questions)"
        )
        if dictionary:
            precision, recall = _dictionary(asked)
            plain = 2 * precision * recall / (precision + recall)
            wrong = (1 - plain) / (1 - found.f1)
            print(
                f"{'  a plain dictionary':<27} P {precision:.3f}  R {recall:.3f}  F1 {plain:.3f}  "
                f"({wrong:.1f} times as much wrong)"
            )


def _dictionary(questions: Iterable[dict[str, Any]]) -> tuple[float, float]:
    """Precision and recall of the longest runs of words that are names in a table of all names."""
    table: dict[tuple[str, ...], str] = {}
    for concept in concepts():
        for name in (concept.label, *concept.synonyms):
            words = tuple(name.removeprefix("=").casefold().split())
            table.setdefault(words, f"{concept.kind} {concept.id or concept.label.removeprefix('=')}")
    right = found = wanted = 0
    for question in questions:
        words = [word.strip(".,;:?!()") for word in question["question"].casefold().split()]
        has, at = set(), 0
        while at < len(words):
            end = next((e for e in range(len(words), at, -1) if tuple(words[at:e]) in table), at)
            if end > at:
                has.add(table[tuple(words[at:end])])
            at = max(end, at + 1)
        should = {*question["terms"], *(f"not {name}" for name in question.get("excluded", ()))}
        right, found, wanted = right + len(has & should), found + len(has), wanted + len(should)
    return right / found, right / wanted


def _first_question() -> float:
    done = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, text=True, check=True)
    return 1000 * float(done.stdout)


def _ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
