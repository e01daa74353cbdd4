"""The index on disk: finds what a reading of all headers finds, keeps what was committed, says what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from omics_nb.errors import DataError, IntegrityError, QuestionError, SettingsError, SourceError
from omics_nb.index import Index, add_studies, build, choice, open_index, search_headers
from omics_nb.index.headers import search_words
from omics_nb.index.recognise import recognise
from omics_nb.index.text import stems_in
from omics_nb.records import Hits, Query, StudyHeader, Term
from omics_nb.terms import understand

HTS, ARRAY = "Expression profiling by high throughput sequencing", "Expression profiling by array"
PROJECT = Path(__file__).resolve().parents[2]


def header(accession: str, title: str, summary: str = "", **facts: object) -> StudyHeader:
    plain = StudyHeader(
        accession, title, summary, "", ("Homo sapiens",), (ARRAY,), ("GPL570",), date(2015, 6, 1), 12
    )
    return replace(plain, **facts)  # type: ignore[arg-type]


STUDIES = (
    header("GSE1", "Tamoxifen resistance in breast cancer cells", "MCF-7 cells, resistant and sensitive."),
    header("GSE2", "Lung adenocarcinoma", "Tumours of patients with NSCLC.", n_samples=80, types=(HTS,)),
    header("GSE3", "Mammary carcinoma in mice", "A model of breast cancer.", organisms=("Mus musculus",)),
    header("GSE4", "Hepatic gene expression", "Livers after a high fat diet.", organisms=("Mus musculus",)),
    header("GSE5", "Breast tumours", "Tamoxifen.", n_samples=4, published=date(2020, 1, 1)),
    header("GSE6", "All breast cancer studies", relations=("SuperSeries of: GSE1", "SuperSeries of: GSE5")),
    header("GSE7", "TNF-alpha in synoviocytes", 'secret:x "quoted" a* b~2 [NOT] (c OR d)', published=None),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add_studies(tmp_path / "index", STUDIES, source="mirror:/data/geo")
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Index:
    return open_index(folder)


def found(index: Index, question: str) -> list[str]:
    return [hit.accession for hit in index.search(understand(question)).hits]


# What studies and questions are made of: names of one word and several, a kind of another, plain words, groups.
PIECES = st.sampled_from(
    "breast cancer|triple negative breast cancer|liver|hepatocyte|Kupffer cell|tamoxifen|lung|TP53|MCF-7|brain"
    "|hippocampus|fall|gill|x-7|control|versus|patients|breast and ovarian cancer|cell|tumours|ß α-synuclein|¦".split(
        "|"
    )
)
TEXTS = st.lists(PIECES, max_size=5).map(" ".join)
ORGANISMS = st.sampled_from([("Homo sapiens",), ("Mus musculus",), ("Homo sapiens", "Mus musculus"), ()])
HEADERS = st.builds(
    StudyHeader,
    st.just(""),
    TEXTS,
    TEXTS,
    TEXTS,
    ORGANISMS,
    st.sampled_from([(ARRAY,), (HTS,), (ARRAY, HTS), ()]),
    st.sampled_from([("GPL570",), ("GPL96", "GPL570"), ()]),
    st.sampled_from([None, date(2010, 5, 1), date(2020, 5, 1)]),
    st.integers(0, 20),
    st.lists(TEXTS, max_size=2).map(tuple),
    st.sampled_from([(), (), ("SuperSeries of: GSE1",), ("SuperSeries of: GSE2", "SuperSeries of: GSE3")]),
    st.booleans(),
)
CONDITIONS = st.sampled_from(
    ["human", "mouse", "RNA-seq", "at least 6 samples", "fewer than 10 samples", "since 2015", "before 2015",
     "GPL96", "not lung", "not mouse", "not RNA-seq", "GSE2"]
)  # fmt: skip
QUESTIONS = st.tuples(st.lists(PIECES, min_size=1, max_size=3), st.lists(CONDITIONS, max_size=2)).map(
    lambda parts: ", ".join([" ".join(parts[0]), *parts[1]])
)


def brute_force(headers: Sequence[StudyHeader], query: Query, limit: int) -> Hits:
    """``search_headers`` over all headers, told too what was recognised in each."""
    stems = [stems_in(item) for item in headers]
    concepts = [recognise(item, words).identifiers for item, words in zip(headers, stems, strict=True)]
    words = build(headers, concepts=concepts)
    return search_words(words, query, chosen=choice(limit), source="ncbi", synthetic=False)


def everything(hits: Hits) -> set[str]:
    """The accessions of the hits and of what is shown with them."""
    return {name for hit in hits for name in (hit.accession, *hit.merged)}


@given(st.lists(HEADERS, min_size=1, max_size=8), st.lists(QUESTIONS, min_size=1, max_size=6))
@settings(
    max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # shrinking takes minutes
def test_the_index_finds_ranks_and_explains_as_a_reading_of_all_headers_does(
    headers: list[StudyHeader], questions: list[str]
) -> None:
    headers = [replace(item, accession=f"GSE{number}") for number, item in enumerate(headers, start=1)]
    with TemporaryDirectory() as folder:
        add_studies(Path(folder) / "index", headers, source="ncbi")
        index = open_index(Path(folder) / "index")
        for question in questions:
            try:
                query = understand(question)
            except QuestionError:
                continue
            for limit in (2, 20):
                ours, oracle = index.search(query, limit=limit).hits, brute_force(headers, query, limit)
                assert (ours.hits, ours.total, ours.notes) == (oracle.hits, oracle.total, oracle.notes)
            # What is found beyond search_headers was recognised by a name that the question does not carry.
            if not query.excluded:
                read = search_headers(headers, query, limit=20, source="ncbi", synthetic=False)
                whole = index.search(query).hits
                more = {hit.accession for hit in whole} - everything(read)
                assert everything(read) <= everything(whole)
                assert all("concepts: " in "; ".join(whole.get(name).reasons) for name in more)


def test_words_that_the_best_studies_share_count_on_disk_as_in_memory(tmp_path: Path) -> None:
    shared = "MYCN amplification and chromaffin differentiation of the tumours"
    studies = [
        header(
            f"GSE{n}", f"Neuroblastoma {n}", f"{shared if n % 3 else 'Something else'} was seen. " + "x " * n
        )
        for n in range(1, 61)
    ]
    plain = header(
        "GSE90", "Study of neuroblastoma in a dish", "Nothing is said here of what was seen in it at all."
    )
    like = header(
        "GSE91", "Study of neuroblastoma in a dish", f"{shared} are said here of all that was in it."
    )
    add_studies(tmp_path, [*studies, plain, like], source="ncbi")
    query = understand("neuroblastoma")
    ours = open_index(tmp_path).search(query, limit=70).hits
    oracle = brute_force([*studies, plain, like], query, 70)
    assert (ours.hits, ours.total) == (oracle.hits, oracle.total)
    assert ours.get("GSE91").relevance > ours.get("GSE90").relevance
    assert "shares with the best studies: " in "; ".join(ours.get("GSE91").reasons)
    assert "MYCN" in "; ".join(ours.get("GSE91").reasons)
    assert "MYCN" not in "; ".join(ours.get("GSE90").reasons)


def test_a_kind_that_the_question_does_not_spell_is_found_as_a_concept(tmp_path: Path) -> None:
    study = header("GSE1", "Ageing of the hippocampus")
    add_studies(tmp_path, [study], source=None)
    query = understand("brain")
    query = replace(query, terms=tuple(replace(term, narrower=(), synonyms=()) for term in query.terms))
    assert not search_headers([study], query, limit=9, source="x", synthetic=False)
    (hit,) = open_index(tmp_path).search(query).hits
    assert "concepts: brain" in hit.reasons


def test_two_scores_snippets_and_facets_come_with_the_hits(index: Index) -> None:
    answer = index.search(understand("tamoxifen in breast cancer"), facets=True)
    first = answer.hits[0]
    assert first.score == pytest.approx(first.relevance * first.fitness, abs=1e-5)
    snippet = answer.snippets["GSE3"]
    assert (snippet.field, snippet.text[slice(*snippet.marks[0])]) == ("summary", "breast")
    assert STUDIES[2].summary[snippet.start :].startswith(snippet.text)
    assert answer.hits.facets["organism"] == {"Homo sapiens": 3, "Mus musculus": 1}
    assert answer.hits.facets["year"] == {"2015": 3, "2020": 1}
    assert answer.hits.facets["disease"]["breast cancer"] >= 3
    assert answer.hits.facets["type"] == {ARRAY: 4}


def test_results_can_be_searched_within_and_sorted(index: Index) -> None:
    query = understand("breast cancer")
    assert {hit.accession for hit in index.search(query, within=["GSE3", "gse5", "GSE4"]).hits} == {
        "GSE3",
        "GSE5",
    }
    hits = index.search(query).hits
    assert [
        hit.accession for hit in index.search(understand("tamoxifen"), within=hits, sort="date").hits
    ] == ["GSE5", "GSE1"]
    assert index.search(query, sort="date").hits[0].accession == "GSE5"
    assert index.search(query, sort="samples").hits[-1].accession == "GSE5"
    with pytest.raises(QuestionError, match="relevance, date, samples"):
        index.search(query, sort="size")  # type: ignore[arg-type]
    with pytest.raises(QuestionError, match="at least 1, not 0"):
        index.search(query, limit=0)


@pytest.mark.parametrize(
    ("text", "accessions"),
    [
        ("TNF-alpha", ["GSE7"]),
        ("secret:x", ["GSE7"]),
        ('"quoted"', ["GSE7"]),
        ("synov*", []),
        ("*", []),
        ("title:tamoxifen", []),
        ("tamoxifen\0", ["GSE1", "GSE5"]),
        ("breast^9 \\ ) AND (", []),
        ("y" * 100_000, []),
        ("breast " * 20_000, []),
        ("", []),
        ("¦", []),
    ],
)
def test_text_is_data_also_where_it_comes_as_a_ready_query(
    text: str, accessions: list[str], index: Index
) -> None:
    query = Query(text[:99], (Term(text, "word", text),))
    assert [hit.accession for hit in index.search(query).hits] == accessions
    same = search_headers(STUDIES, query, limit=20, source="x", synthetic=False)
    assert [hit.accession for hit in same] == [hit.accession for hit in index.search(query).hits]


@pytest.mark.parametrize(
    "name", ['E. "coli" K-12', "a\\", '\\"', "x TO *]", "y) OR (z", "-w", "nul\0", "v*", ""]
)
@pytest.mark.parametrize("n_things", [1, 3])
def test_values_of_conditions_are_data(name: str, n_things: int, tmp_path: Path) -> None:
    text = " ".join(["liver", "kidney", "spleen"][:n_things])
    studies = [
        header("GSE1", text, organisms=(name,)),
        header("GSE2", text),
        header("GSE3", text, platforms=(name,)),
    ]
    add_studies(tmp_path, studies, source="ncbi")
    index, query = open_index(tmp_path), understand(text)
    organism = Term(name, "organism", name)
    for asked, left in (
        (replace(query, terms=(*query.terms, organism)), ["GSE1"]),
        (replace(query, excluded=(organism,)), ["GSE2", "GSE3"]),
        (replace(query, platforms=(name,)), ["GSE3"]),
    ):
        ours, oracle = index.search(asked).hits, brute_force(studies, asked, 20)
        assert sorted(hit.accession for hit in ours) == left
        assert (ours.hits, ours.removed) == (oracle.hits, oracle.removed)


def test_only_what_changed_is_indexed_anew(folder: Path) -> None:
    before = open_index(folder)
    assert add_studies(folder, STUDIES, source="mirror:/data/geo") == (0, 0, 7, 7)
    changed = [
        *STUDIES[:6],
        replace(STUDIES[6], title="Osteoblasts in breast cancer"),
        header("GSE8", "Gliomas"),
    ]
    assert add_studies(folder, changed, source="mirror:/data/geo") == (1, 1, 6, 8)
    after = open_index(folder)
    assert found(after, "osteoblasts") == ["GSE7"]
    assert (found(after, "TNF-alpha"), found(after, "glioma")) == ([], ["GSE8"])
    assert found(before, "TNF-alpha") == ["GSE7"]
    assert add_studies(folder, STUDIES, source="mirror:/data/geo") == (0, 1, 6, 8)
    again = open_index(folder)
    assert found(again, "TNF-alpha") == ["GSE7"]
    # Rarity counts studies, not what was replaced.
    query = understand("breast cancer")
    fresh = brute_force([*STUDIES, header("GSE8", "Gliomas")], query, 20)
    assert [hit.score for hit in again.search(query).hits] == [hit.score for hit in fresh]


def test_of_two_studies_with_one_accession_the_last_is_kept(tmp_path: Path) -> None:
    add_studies(
        tmp_path,
        [
            header("GSE1", "First"),
            *(header(f"GSE{n}", "x") for n in range(2, 1500)),
            header("GSE1", "Second"),
        ],
        source=None,
    )
    entry = open_index(tmp_path).get("GSE1")
    assert entry is not None
    assert (entry.header.title, open_index(tmp_path).n_studies) == ("Second", 1499)


def test_one_process_writes_at_a_time_and_others_read(folder: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def slowly() -> Iterator[StudyHeader]:
        yield header("GSE8", "Gliomas")
        held.set()
        release.wait(60)

    writer = threading.Thread(target=add_studies, args=(folder, slowly()), kwargs={"source": None})
    writer.start()
    try:
        assert held.wait(60)
        with pytest.raises(SourceError, match="another process is writing"):
            add_studies(folder, STUDIES, source=None)
        assert found(open_index(folder), "tamoxifen") == ["GSE1", "GSE5"]
    finally:
        release.set()
        writer.join()
    assert found(open_index(folder), "glioma") == ["GSE8"]


def test_an_error_in_the_middle_leaves_the_last_state_and_frees_the_lock(folder: Path) -> None:
    def broken() -> Iterator[StudyHeader]:
        yield header("GSE8", "Gliomas")
        raise DataError("line 2 is damaged")

    with pytest.raises(DataError, match="line 2"):
        add_studies(folder, broken(), source=None)
    assert add_studies(folder, [header("GSE9", "Gliomas")], source=None) == (1, 0, 0, 8)
    assert found(open_index(folder), "glioma") == ["GSE9"]


def test_a_writer_that_is_killed_loses_only_what_it_had_not_committed(folder: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/index')\n"
        "from pathlib import Path\n"
        "from test_index_store import header\n"
        "from omics_nb.index import add_studies, store\n"
        "store._BATCH, store._COMMIT_EVERY = 10, 100\n"
        "def studies():\n"
        "    for n in range(100, 1000):\n"
        "        if n == 275: print('now', flush=True); sys.stdin.read()\n"
        "        yield header(f'GSE{n}', 'Glioma of the brain')\n"
        "add_studies(Path(sys.argv[1]), studies(), source=None)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.communicate()
    index = open_index(folder)
    index.check()
    assert index.n_studies == 7 + 100
    assert index.search(understand("glioma")).hits.total == 100
    more = [header(f"GSE{n}", "Glioma of the brain") for n in range(100, 300)]
    assert add_studies(folder, more, source=None) == (100, 0, 100, 207)


def test_a_damaged_index_says_so_and_how_to_build_it_anew(folder: Path) -> None:
    index = open_index(folder)
    index.check()
    (stored,) = folder.glob("*.store")
    whole = stored.read_bytes()
    stored.write_bytes(whole[:20] + bytes([whole[20] ^ 255]) + whole[21:])
    with pytest.raises(IntegrityError, match=r"\.store does not match its checksum.*omics-nb index add"):
        open_index(folder).check()
    stored.unlink()
    os.utime(folder / "meta.json")
    with pytest.raises(IntegrityError, match="build it anew: omics-nb index add"):
        open_index(folder)
    (folder / "meta.json").write_text("{")
    with pytest.raises(IntegrityError, match="omics-nb index add"):
        open_index(folder)
    (folder / "meta.json").unlink()
    with pytest.raises(IntegrityError, match=r"meta\.json is missing"):
        open_index(folder)


def test_an_index_of_another_format_is_refused(folder: Path) -> None:
    (folder / "about.json").write_text('{"format": 99}')
    os.utime(folder / "meta.json")
    with pytest.raises(IntegrityError, match="format 99"):
        open_index(folder)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no index in .*omics-nb index add"):
        open_index(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"holds no index but thesis\.txt"):
        add_studies(tmp_path, STUDIES, source=None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_index_is_an_answer(tmp_path: Path) -> None:
    assert add_studies(tmp_path, [], source=None) == (0, 0, 0, 0)
    assert open_index(tmp_path).search(understand("liver"), facets=True).hits.notes == (
        "The source holds no studies.",
    )


def test_what_cannot_be_indexed_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="GSE1 cannot be indexed"):
        add_studies(tmp_path, [header("GSE1", "x", organisms=("\ud800",))], source=None)


def test_info_tells_what_the_index_holds(index: Index) -> None:
    info = index.info()
    assert (info.n_studies, dict(info.sources)) == (7, {"mirror:/data/geo": 7})
    assert info.published == ("2015-06-01", "2020-01-01")
    assert info.n_bytes == sum(path.stat().st_size for path in index.folder.iterdir())


def test_the_library_below_is_imported_at_first_use_only() -> None:
    code = (
        "import sys, omics_nb.index, omics_nb.sources.mirror, omics_nb.cli; print('tantivy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
