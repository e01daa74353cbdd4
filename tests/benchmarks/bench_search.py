"""How fast questions are read and studies found, and how well, as a table.

Run: python tests/benchmarks/bench_search.py [FOLDER]. The folder (default: OMICS_SHARED, or ../shared beside the
project) holds corpus/geo_series_texts.jsonl.gz with real study texts and corpus/dev_relevance.json with the relevant
ones; without it only reading is measured, on the project's own questions.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS / "terms")]

import gold  # noqa: E402

from omics_nb.index import build, search_headers  # noqa: E402
from omics_nb.records import StudyHeader  # noqa: E402
from omics_nb.terms import understand  # noqa: E402


def main(folder: Path) -> None:
    reading()
    if not (folder / "corpus").is_dir():
        print(f"no corpus in {folder}; retrieval is not measured")
        return
    studies = read_studies(folder / "corpus" / "geo_series_texts.jsonl.gz")
    relevance = json.loads((folder / "corpus" / "dev_relevance.json").read_text(encoding="utf-8"))
    speed(studies)
    quality(studies, {name: set(judged["relevant"]) for name, judged in relevance.items()})


def reading() -> None:
    start = time.perf_counter()
    understand("liver")
    first = time.perf_counter() - start
    print("Reading questions            first     p50     p95   entity F1  filters  intent")
    for name in ("questions.jsonl", "questions_held_out.jsonl"):
        questions = gold.read(name)
        times = sorted(timed(lambda item=item: understand(item["question"])) for item in questions)
        found = gold.agreement(questions)
        print(
            f"{name:26}  {first * 1e3:5.0f} ms {statistics.median(times) * 1e3:4.1f} ms"
            f" {times[int(0.95 * len(times))] * 1e3:4.1f} ms"
            f"   {found.f1:9.3f}  {found.filters:7.3f}  {found.intent:6.3f}"
        )


def speed(studies: list[StudyHeader]) -> None:
    start = time.perf_counter()
    build(studies)
    built = time.perf_counter() - start
    queries = [understand(item["question"]) for item in gold.read("questions_held_out.jsonl")]
    search_headers(studies, queries[0], limit=20, source="bench", synthetic=False)
    times = sorted(
        timed(lambda query=query: search_headers(studies, query, limit=20, source="bench", synthetic=False))
        for query in queries
    )
    print(
        f"\nLocal search of {len(studies):,} studies: built in {built:.1f} s,"
        f" p50 {statistics.median(times) * 1e3:.0f} ms, p95 {times[int(0.95 * len(times))] * 1e3:.0f} ms"
    )


def quality(studies: list[StudyHeader], relevance: dict[str, set[str]]) -> None:
    methods: dict[str, Callable[[str], list[str]]] = {
        "omics_nb": lambda question: [
            hit.accession
            for hit in search_headers(
                studies, understand(question), limit=10**6, source="bench", synthetic=False
            )
        ],
        "plain BM25": plain_bm25(studies),
        "keyword overlap": keyword_overlap(studies),
    }
    print(f"\n{'condition':18}{'method':18}  P@10  nDCG@10  AUPRC")
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for condition, relevant in relevance.items():
        for name, method in methods.items():
            measured = measures(method(condition), relevant)
            rows.setdefault(name, []).append(measured)
            print(f"{condition:18}{name:18}" + "  {:.2f}    {:.3f}  {:.3f}".format(*measured))
    for name, values in rows.items():
        means = [statistics.mean(column) for column in zip(*values, strict=True)]
        print(f"{'mean':18}{name:18}" + "  {:.2f}    {:.3f}  {:.3f}".format(*means))


def measures(order: Sequence[str], relevant: set[str]) -> tuple[float, float, float]:
    """Precision at 10, normalised discounted cumulative gain at 10, and average precision."""
    gains = [accession in relevant for accession in order]
    dcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:10]))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, len(relevant))))
    right, area = 0, 0.0
    for place, gain in enumerate(gains, start=1):
        right += gain
        area += gain * right / place
    return sum(gains[:10]) / 10, dcg / ideal, area / len(relevant)


def plain_bm25(studies: list[StudyHeader]) -> Callable[[str], list[str]]:
    """Okapi BM25 (k1 1.2, b 0.75) over title, summary and design."""
    counts = [Counter(plain_words(f"{s.title} {s.summary} {s.overall_design}")) for s in studies]
    lengths = [sum(count.values()) for count in counts]
    holding = Counter(word for count in counts for word in count)
    mean = statistics.mean(lengths)

    def rank(question: str) -> list[str]:
        scores = []
        for study, count, length in zip(studies, counts, lengths, strict=True):
            score = sum(
                math.log(1 + (len(counts) - holding[word] + 0.5) / (holding[word] + 0.5))
                * (count[word] * 2.2 / (count[word] + 1.2 * (0.25 + 0.75 * length / mean)))
                for word in plain_words(question)
            )
            scores.append((-score, study.accession))
        return [accession for score, accession in sorted(scores) if score < 0]

    return rank


def keyword_overlap(studies: list[StudyHeader]) -> Callable[[str], list[str]]:
    """How many words of the question a study holds."""
    held = [set(plain_words(f"{s.title} {s.summary} {s.overall_design}")) for s in studies]

    def rank(question: str) -> list[str]:
        asked = set(plain_words(question))
        scores = [(-len(asked & have), study.accession) for study, have in zip(studies, held, strict=True)]
        return [accession for score, accession in sorted(scores) if score < 0]

    return rank


def plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.casefold())


def read_studies(path: Path) -> list[StudyHeader]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        StudyHeader(
            row["accession"],
            row["title"],
            row["summary"],
            row["overall_design"],
            (),
            (),
            (),
            published=None,
            n_samples=0,
        )
        for row in rows
    ]


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    default = os.environ.get("OMICS_SHARED", str(TESTS.parent.parent / "shared"))
    main(Path(sys.argv[1] if len(sys.argv) > 1 else default))
