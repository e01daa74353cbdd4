"""How fast questions are read and studies found, and how well, as a table.

The index on disk is measured on 250,000 made studies, beside SQLite's FTS5 on a tenth of them.

Run: python tests/benchmarks/bench_search.py [FOLDER]. The folder (default: OMICS_SHARED, or ../shared beside the
project) holds corpus/geo_series_texts.jsonl.gz with real study texts and corpus/dev_relevance.json with the relevant
ones; without it only reading and the index are measured, on the project's own questions and on made studies.
"""

from __future__ import annotations

import gc
import gzip
import json
import math
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS / "terms"), str(TESTS / "benchmarks")]

import gold  # noqa: E402
from made_studies import made_questions, made_studies  # noqa: E402

from omics_nb.index import add_studies, build, open_index, search_headers  # noqa: E402
from omics_nb.index.text import stems_of  # noqa: E402
from omics_nb.records import Hits, Query, StudyHeader  # noqa: E402
from omics_nb.terms import understand  # noqa: E402

N_MADE = 250_000


def main(folder: Path) -> None:
    reading()
    with tempfile.TemporaryDirectory() as work:
        on_disk(Path(work))
        if (folder / "corpus").is_dir():
            studies = read_studies(folder / "corpus" / "geo_series_texts.jsonl.gz")
            add_studies(Path(work) / "real", studies, source="ncbi")
            relevance = json.loads((folder / "corpus" / "dev_relevance.json").read_text(encoding="utf-8"))
            speed(studies)
            quality(
                studies,
                Path(work) / "real",
                {name: set(item["relevant"]) for name, item in relevance.items()},
            )
            return
    print(f"no corpus in {folder}; retrieval is not measured")


def on_disk(work: Path) -> None:
    """The index and its peer, built and asked with the same questions."""
    code = "import time; t = time.perf_counter(); import tantivy; print(time.perf_counter() - t)"
    imports = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    queries = [understand(question) for question in made_questions(150)]
    names = statistics.mean(len(term.names) + len(term.narrower) for query in queries for term in query.terms)
    print(
        f"\nIndex on disk: {len(queries)} questions of 2 or 3 things, {names:.0f} names each,"
        " and organism, type, size and date"
    )
    print(
        f"import of tantivy {min(imports) * 1e3:.0f} ms; times beside the wall are of the process's own processor"
    )
    studies = list(made_studies(N_MADE))
    # A dump is read study by study; that all of them are at hand here should not cost the build time.
    gc.freeze()
    wall, own = time.perf_counter(), time.process_time()
    add_studies(work / "made", studies, source=None)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    size = sum(path.stat().st_size for path in (work / "made").iterdir()) / 1e6
    print(f"omics_nb  {N_MADE:,} studies: built in {wall:.0f} s ({own:.0f} s), {size:.0f} MB")
    index = open_index(work / "made")
    index.search(queries[0])
    report("search", [both_times(lambda q=query: index.search(q)) for query in queries])
    report("with facets", [both_times(lambda q=query: index.search(q, facets=True)) for query in queries])
    sqlite_fts5(work / "fts5.sqlite", studies[: N_MADE // 10], queries[:40])


def sqlite_fts5(path: Path, studies: Sequence[StudyHeader], queries: Sequence[Query]) -> None:
    """The peer: the same stems, names and filters, ranked by its BM25."""
    with closing(sqlite3.connect(path)) as connection:
        start = time.perf_counter()
        connection.execute("create virtual table words using fts5(text, content='', tokenize=\"ascii\")")
        connection.execute(
            "create table study (id integer primary key, organism, type, n_samples, published)"
        )
        for number, study in enumerate(studies, start=1):
            text = (
                f"{study.title} | {study.summary} | {study.overall_design} | {' | '.join(study.sample_texts)}"
            )
            connection.execute(
                "insert into words (rowid, text) values (?, ?)", (number, " ".join(stems_of(text)))
            )
            facts = (number, study.organisms[0], study.types[0], study.n_samples, str(study.published))
            connection.execute("insert into study values (?, ?, ?, ?, ?)", facts)
        connection.commit()
        built = time.perf_counter() - start
        print(
            f"SQLite FTS5 {len(studies):,} studies: built in {built:.0f} s, {path.stat().st_size / 1e6:.0f} MB"
        )
        report("search", [both_times(lambda q=query: fts5_search(connection, q)) for query in queries])


def fts5_search(connection: sqlite3.Connection, query: Query) -> list[tuple[int]]:
    names = {
        name
        for term in query.of("tissue", "cell_type", "disease", "drug")
        for name in (*term.names, *term.narrower)
    }
    match = " OR ".join(f'"{" ".join(stems)}"' for name in names if (stems := stems_of(name)))
    organisms = [name for term in query.of("organism") for name in term.names]
    types = [kind for term in query.of("assay") for kind in term.types]
    marks = [",".join("?" * len(values)) for values in (organisms, types)]
    return connection.execute(
        "select id from words join study on study.id = words.rowid where words match ?"
        f" and organism in ({marks[0]}) and type in ({marks[1]}) and n_samples >= ? and published >= ?"
        " order by bm25(words) limit 20",
        (match, *organisms, *types, query.min_samples, str(query.published_from)),
    ).fetchall()


def report(what: str, times: Sequence[tuple[float, float]]) -> None:
    columns = [sorted(column) for column in zip(*times, strict=True)]
    (p50, own50), (p95, own95) = (
        [column[int(share * len(times))] * 1e3 for column in columns] for share in (0.5, 0.95)
    )
    print(f"  {what:12} p50 {p50:5.1f} ms ({own50:5.1f})   p95 {p95:5.1f} ms ({own95:5.1f})")


def both_times(call: Callable[[], object]) -> tuple[float, float]:
    own = time.thread_time()
    return timed(call), time.thread_time() - own


def reading() -> None:
    start = time.perf_counter()
    understand("liver")
    first = time.perf_counter() - start
    print("Reading questions            first     p50     p95   entity F1  filters  intent")
    for name in ("questions.jsonl", "questions_held_out.jsonl", "questions_unseen.jsonl"):
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


def quality(studies: list[StudyHeader], folder: Path, relevance: dict[str, set[str]]) -> None:
    index = open_index(folder)
    methods: dict[str, Callable[[str], list[str]]] = {
        "omics_nb": lambda question: everything(
            search_headers(studies, understand(question), limit=10**6, source="bench", synthetic=False)
        ),
        "index on disk": lambda question: everything(index.search(understand(question), limit=10**6).hits),
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


def everything(hits: Hits) -> list[str]:
    """The accessions of the hits, and after each those that are shown with it."""
    return [name for hit in hits for name in (hit.accession, *hit.merged)]


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
