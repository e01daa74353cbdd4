"""Searching study headers: what is found, in which order, why, and what conditions removed."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.index import ONE_WORD, build, choice, search_headers, stem, words
from omics_nb.records import Hits, StudyHeader
from omics_nb.terms import understand

HTS, ARRAY = "Expression profiling by high throughput sequencing", "Expression profiling by array"


def header(accession: str, title: str, summary: str = "", **facts: object) -> StudyHeader:
    plain = StudyHeader(
        accession=accession,
        title=title,
        summary=summary,
        overall_design="",
        organisms=("Homo sapiens",),
        types=(ARRAY,),
        platforms=("GPL570",),
        published=date(2015, 6, 1),
        n_samples=12,
    )
    return replace(plain, **facts)  # type: ignore[arg-type]


STUDIES = (
    header("GSE1", "Tamoxifen resistance in breast cancer cells", "MCF-7 cells, resistant and sensitive."),
    header("GSE2", "Lung adenocarcinoma", "Tumours of patients with NSCLC.", n_samples=80, types=(HTS,)),
    header(
        "GSE3",
        "Mammary carcinoma in mice",
        "A model of breast cancer.",
        organisms=("Mus musculus",),
        n_samples=4,
    ),
    header("GSE4", "Hepatic gene expression", "Livers after a high fat diet.", organisms=("Mus musculus",)),
    header(
        "GSE5", "Breast tumours", "Tamoxifen.", n_samples=4, published=date(2020, 1, 1), platforms=("GPL96",)
    ),
    header("GSE6", "All breast cancer studies", relations=("SuperSeries of: GSE1", "SuperSeries of: GSE5")),
)


def search(question: str, studies: Sequence[StudyHeader] = STUDIES, limit: int = 20) -> Hits:
    return search_headers(studies, understand(question), limit=limit, source="test", synthetic=True)


def found(question: str, studies: Sequence[StudyHeader] = STUDIES) -> list[str]:
    return [hit.accession for hit in search(question, studies)]


def test_a_study_that_names_everything_comes_first() -> None:
    assert found("tamoxifen resistance in breast cancer")[0] == "GSE1"


def test_synonyms_find_what_the_question_does_not_spell() -> None:
    assert found("liver") == ["GSE4"]
    assert found("non-small cell lung cancer") == ["GSE2"]
    assert "GSE3" in found("breast tumor")


def test_other_forms_of_a_word_are_the_same_word() -> None:
    assert stem("resistant") == stem("resistance")
    assert stem("tumours") == stem("tumour")
    assert stem("il6") == "il6"


def test_reasons_name_fields_words_and_conditions() -> None:
    hit = search("tamoxifen in breast cancer, human, at least 6 samples").get("GSE1")
    text = "; ".join(hit.reasons)
    assert "title: breast cancer" in text
    assert "organism Homo sapiens" in text
    assert "12 samples ≥ 6" in text


def test_what_a_study_does_not_name_is_said() -> None:
    assert "not found: tamoxifen" in search("tamoxifen in breast cancer").get("GSE3").reasons


@pytest.mark.parametrize(
    ("question", "condition", "removed"),
    [
        ("breast cancer, human", "organism Homo sapiens", "GSE3"),
        ("breast cancer, at least 6 samples", "at least 6 samples", "GSE3, GSE5"),
        ("breast cancer, fewer than 10 samples", "at most 9 samples", "GSE1, GSE6"),
        ("breast cancer since 2018", "published from 2018-01-01", "GSE1, GSE3, GSE6"),
        ("breast cancer before 2018", "published up to 2017-12-31", "GSE5"),
        ("breast cancer on GPL96", "platform GPL96", "GSE1, GSE3, GSE6"),
        ("breast cancer, not tamoxifen", "not tamoxifen", "GSE1, GSE5"),
        ("breast cancer, not mouse", "not Mus musculus", "GSE3"),
        ("lung cancer or breast cancer, microarray", "type expression microarray", "GSE2"),
    ],
)
def test_each_condition_says_what_it_removed(question: str, condition: str, removed: str) -> None:
    hits = search(question)
    assert any(f'"{condition}" removed' in note and f": {removed}." in note for note in hits.notes), (
        hits.notes
    )
    assert not {hit.accession for hit in hits} & set(removed.split(", "))


AGEING = header("GSE7", "Falls and muscle in ageing: patients who fall versus controls", "Fall. " * 20)
LEANING = header("GSE8", "Liver biopsies", "Weight may fall.")


def test_one_plain_word_of_several_is_said_and_comes_last() -> None:
    (hit,) = search("does the sky fall", [*STUDIES, AGEING])
    assert hit.accession == "GSE7"
    assert hit.reasons[0] == "only the word 'fall' of the question matches"
    # "liver" stands in nearly all of these and "fall" in few, so that by rarity alone GSE7 would come first.
    livers = [header(f"GSE{number}", "Biopsies", "Of the liver.") for number in range(20, 60)]
    hits = search("liver fall", [AGEING, LEANING, *livers], limit=100)
    assert (hits[0].accession, hits[-1].accession) == ("GSE8", "GSE7")
    assert [hit.accession for hit in hits if hit.reasons[0].startswith(ONE_WORD)] == ["GSE7"]
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]


def test_one_word_that_is_all_that_was_asked_is_enough() -> None:
    (hit,) = search("fall", [*STUDIES, AGEING])
    assert not any(reason.startswith(ONE_WORD) for reason in hit.reasons)
    for hit in search("tamoxifen in breast cancer"):
        assert not any(reason.startswith(ONE_WORD) for reason in hit.reasons)


def test_an_organism_that_is_not_wanted_removes_studies_that_have_others_too() -> None:
    both = header("GSE7", "Breast cancer grafts", organisms=("Homo sapiens", "Mus musculus"))
    hits = search("breast cancer, not mouse", [*STUDIES, both])
    assert not {"GSE3", "GSE7"} & {hit.accession for hit in hits}
    assert any('"not Mus musculus" removed 2: GSE3, GSE7.' in note for note in hits.notes)


def test_a_superseries_is_shown_with_the_first_of_its_parts() -> None:
    hits = search("breast cancer")
    assert [hit.accession for hit in hits if hit.merged] == ["GSE1"]
    assert hits.get("GSE6") is hits.get("GSE1")
    assert "part of SuperSeries GSE6, which is shown with it" in hits.get("GSE1").reasons
    assert (hits.total, len(hits)) == (4, 3)
    assert not any("are shown" in note for note in hits.notes)


def test_a_superseries_that_says_it_most_often_gives_its_place_to_a_part() -> None:
    loud = replace(STUDIES[5], title="Breast cancer, breast cancer", summary="Breast cancer controls. " * 9)
    assert "GSE6" not in found("breast cancer", studies=(*STUDIES[:5], loud))
    alone = search("breast cancer", studies=(loud,))[0]
    assert (alone.accession, alone.merged) == ("GSE6", ())
    assert "superseries (ranked 30 % lower for it)" in alone.reasons


def test_a_superseries_that_is_asked_for_by_its_accession_stands_for_itself() -> None:
    assert found("GSE6, GSE1") == ["GSE1", "GSE6"]


def test_superseries_that_name_one_another_are_both_shown() -> None:
    round_about = [
        header("GSE1", "Glioma", relations=("SuperSeries of: GSE2",)),
        header("GSE2", "Glioma", relations=("SuperSeries of: GSE1",)),
    ]
    assert set(found("glioma", round_about)) == {"GSE1", "GSE2"}


def test_the_same_study_under_two_accessions_is_one_hit() -> None:
    same = [
        header(name, "Glioma", "Gene expression of gliomas and of normal brain.") for name in ("GSE8", "GSE7")
    ]
    (hit,) = search("glioma", same)
    assert (hit.accession, hit.merged) == ("GSE7", ("GSE8",))
    assert "GSE8 has the same title and summary and is shown with it" in hit.reasons
    other = replace(same[0], organisms=("Mus musculus",))
    assert len(search("glioma", [other, same[1]])) == 2
    assert len(search("glioma", [header("GSE7", "Glioma", "x"), header("GSE8", "Glioma", "x")])) == 2


def test_relevance_and_fitness_are_two_scores_and_the_weights_are_shown() -> None:
    hits = search("breast cancer")
    assert all(hit.score == pytest.approx(hit.relevance * hit.fitness, abs=1e-5) for hit in hits)
    told = header("GSE7", "Breast cancer", "Tumours of patients and healthy controls.")
    plain, grouped = (search("breast cancer", [item])[0] for item in (replace(told, summary=""), told))
    assert (plain.fitness, grouped.fitness) == (1.0, 1.15)
    assert hits.weights[0] == "The score is relevance × fitness."
    assert "names groups to compare 1.15" in hits.weights[2]


SAMPLES = (
    *(f"tumor {n}; tissue: breast; Sex: F; age: {60 + n}" for n in range(3)),
    "adjacent normal; tissue: breast; Sex: F; age: 44",
)


def test_where_a_comparison_is_asked_for_fitness_sees_samples_values_and_type() -> None:
    told = header("GSE7", "Breast cancer", sample_texts=SAMPLES)
    few, bare, other = (
        header("GSE8", "Breast cancer", n_samples=2),
        header("GSE9", "Breast cancer", has_values=False),
        header("GSE10", "Breast cancer", types=("Other",)),
    )
    hits = search("breast cancer, tumor versus normal", [told, few, bare, other])
    assert {hit.accession: hit.fitness for hit in hits} == {
        "GSE7": 1.2,
        "GSE8": 0.8,
        "GSE9": 0.8,
        "GSE10": 0.8,
    }
    assert hits[0].accession == "GSE7"
    assert "its samples tell both groups (ranked 20 % higher for it)" in hits[0].reasons
    assert "samples: 3 tumor, 1 normal" in hits[0].reasons
    assert {hit.fitness for hit in search("breast cancer", [told, few, bare, other])} == {1.0}


@pytest.mark.parametrize(
    ("question", "condition", "left"),
    [
        ("breast cancer in women", "female samples", ["GSE7", "GSE8"]),
        ("breast cancer in men", "male samples", ["GSE8"]),
        ("breast cancer, aged 60 to 70 years", "age: aged 60 to 70 years", ["GSE7", "GSE8"]),
        ("breast cancer, older than 80 years of age", "age: older than 80 years of age", ["GSE8"]),
        ("breast cancer in children", "age: children", ["GSE8"]),
        ("breast cancer, tumor versus normal, 1 per group", "tumor and normal", ["GSE7", "GSE8"]),
        (
            "breast cancer, tumor versus healthy, 3 per group",
            "tumor and healthy, at least 3 of each",
            ["GSE8"],
        ),
    ],
)
def test_what_samples_tell_otherwise_is_removed_and_listed(
    question: str, condition: str, left: list[str]
) -> None:
    """GSE8 tells nothing of its samples, so that nobody can say that it does not fit."""
    hits = search(
        question, [header("GSE7", "Breast cancer", sample_texts=SAMPLES), header("GSE8", "Breast cancer")]
    )
    assert sorted(hit.accession for hit in hits) == left
    assert any("do not tell" in reason for reason in hits.get("GSE8").reasons)
    removed = [item.accessions for item in hits.removed if item.condition.startswith(condition)]
    assert removed == ([] if "GSE7" in left else [("GSE7",)])
    assert [str(item) for item in hits.removed] == [note for note in hits.notes if "removed" in note]


@pytest.mark.parametrize(
    ("facts", "raw", "counts"),
    [
        ({"files": ("GSE7_RAW.tar",)}, "has the files of the single samples", "give no counts"),
        ({"files": ("CEL", "CHP")}, "raw data: CEL", "give no counts"),
        ({"files": ("GSM1_a.CEL.gz",)}, "raw data: GSM1_a.CEL.gz", "give no counts"),
        ({"files": ("GSE7_normalised.txt.gz",)}, "no raw data among its files: GSE7_norm", "give no counts"),
        ({"files": ()}, "is not known", "give no counts"),
        ({"types": (HTS,), "relations": ("SRA: SRP1",)}, "raw reads are in SRA", "is not known"),
        ({"types": (HTS,), "relations": ("BioProject: PRJNA1",)}, "is not known", "is not known"),
        ({"types": (HTS,), "files": ("GSE7_raw_counts.txt.gz",)}, "is not known", "counts, by the name"),
        ({"types": (HTS,), "files": ("GSE7_RAW.tar",)}, "is not known", "is not known"),
        ({"types": (HTS,), "files": ("GSE7_fpkm.txt", "b.fastq.gz")}, "raw data: b.fastq.gz", "is not known"),
        ({"types": (HTS,), "files": ("NCBI counts",)}, "is not known", "NCBI has counts of it"),
    ],
)
def test_what_a_record_tells_of_its_files_is_held_against_the_question(
    facts: dict[str, object], raw: str, counts: str
) -> None:
    study = header("GSE7", "Breast cancer", **facts)
    other = header("GSE8", "Breast cancer", types=(HTS,), relations=("SRA: SRP9",), files=("x_counts.csv",))
    for question, condition, said in (
        ("breast cancer with raw data", "has raw data", raw),
        ("breast cancer with raw counts", "has counts", counts),
    ):
        hits = search(question, [study, other])
        removed = [item.accessions for item in hits.removed if item.condition == condition]
        if said.startswith(("no raw", "give no")):
            assert ([hit.accession for hit in hits], removed) == (["GSE8"], [("GSE7",)])
        else:
            assert removed == []
            assert any(said in reason for reason in hits.get("GSE7").reasons)


def test_patients_are_the_samples_that_name_no_control() -> None:
    sheet = (*(f"PBMC {n}; disease state: SLE" for n in range(3)), "PBMC 4; healthy", "PBMC 5; healthy")
    study = header("GSE7", "Lupus", sample_texts=sheet)
    (hit,) = search("lupus, patients versus healthy controls", [study])
    assert "samples: 3 that name no control, 2 healthy controls" in hit.reasons
    # "flare" is no such word: samples that do not carry it are not taken for it.
    (hit,) = search("lupus, flare versus healthy controls", [study])
    assert "the samples' texts do not tell both groups" in hit.reasons


def test_hits_can_be_counted_sorted_and_searched_within() -> None:
    hits = search_headers(
        STUDIES, understand("breast cancer"), source="x", synthetic=True, chosen=choice(facets=True)
    )
    assert hits.facets["organism"] == {"Homo sapiens": 3, "Mus musculus": 1}
    assert hits.facets["disease"]["breast cancer"] == 4
    assert list(hits.facets) == ["organism", "type", "platform", "year", "tissue", "disease"]
    among = choice(within=hits, sort="date")
    again = search_headers(STUDIES, understand("tamoxifen"), source="x", synthetic=True, chosen=among)
    assert [hit.accession for hit in again] == ["GSE5", "GSE1"]
    largest = search_headers(
        STUDIES, understand("breast cancer"), source="x", synthetic=True, chosen=choice(sort="samples")
    )
    assert [hit.n_samples for hit in largest] == [12, 4, 4]


def test_a_hit_shows_where_the_question_stands_in_its_text() -> None:
    assert search("breast cancer").get("GSE3").snippet == "summary: … A model of breast cancer …"
    assert search("lung")[0].snippet == ""


def test_a_name_within_a_name_is_one_mention() -> None:
    studies = [
        header("GSE1", "Triple negative breast cancer"),
        header("GSE2", "Quite ordinary breast cancer"),
    ]
    scores = [hit.score for hit in search("breast cancer", studies)]
    assert scores[0] == scores[1]


def test_accessions_are_found_whatever_else_is_asked() -> None:
    assert found("GSE4") == ["GSE4"]
    hits = search("GSE999")
    assert len(hits) == 0
    assert any("GSE999 is not among the 6 studies" in note for note in hits.notes)


def test_an_empty_result_says_what_would_be_found_without_each_condition() -> None:
    hits = search("breast cancer, more than 500 samples")
    assert (len(hits), hits.total) == (0, 0)
    assert 'Without "at least 501 samples" there would be 4.' in hits.notes


def test_an_empty_result_names_words_that_no_study_has() -> None:
    assert any('No study names "zebrafish gill"' in n or "gill" in n for n in search("gill").notes)
    assert search("liver", studies=()).notes[0] == "The source holds no studies."


def test_the_limit_is_said() -> None:
    hits = search("breast cancer", limit=2)
    assert (len(hits), hits.total) == (2, 4)
    assert "2 of 4 matching studies are shown." in hits.notes


def test_hits_are_marked_with_their_source() -> None:
    assert {(hit.source, hit.synthetic) for hit in search("breast cancer")} == {("test", True)}


def test_the_order_does_not_depend_on_the_order_of_the_headers() -> None:
    assert found("breast cancer tamoxifen") == found("breast cancer tamoxifen", studies=STUDIES[::-1])


def test_hits_are_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/index'); import test_ranking as t;"
        "print([(h.accession, h.score, h.reasons) for h in t.search('tamoxifen resistance in breast cancer')])"
    )
    seeds = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent.parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(set(seeds)) == 1


def test_equal_studies_come_in_the_order_of_their_numbers() -> None:
    same = [header(f"GSE{number}", "Breast cancer") for number in (100, 20, 3)]
    assert found("breast cancer", studies=same) == ["GSE3", "GSE20", "GSE100"]


def test_headers_that_were_added_later_are_found() -> None:
    studies = list(STUDIES)
    assert found("glioblastoma", studies) == []
    studies.append(header("GSE7", "Glioblastoma"))
    assert found("glioblastoma", studies) == ["GSE7"]


@pytest.mark.parametrize(
    "text", ['TNF-alpha "AND" (OR', "title:x secret:y", "a* ~b [NOT]", "breast^4 && cancer || x"]
)
def test_signs_of_query_languages_are_data(text: str) -> None:
    search(text)


@given(
    st.lists(st.text(alphabet="abc xyz-'¦\0", max_size=30), min_size=1, max_size=6),
    st.text("abc xyz", min_size=1),
)
@settings(max_examples=150, deadline=None)
def test_the_index_finds_phrases_as_a_reading_of_the_texts_does(texts: list[str], phrase: str) -> None:
    headers = [header(f"GSE{i}", text, organisms=(), types=(), platforms=()) for i, text in enumerate(texts)]
    wanted = [stem(word) for word in words(phrase)]

    def count(text: str) -> int:
        stems = [stem(word) for word in words(text)]
        return sum(stems[i : i + len(wanted)] == wanted for i in range(len(stems))) if wanted else 0

    oracle = {i: count(text) for i, text in enumerate(texts) if count(text)}
    assert {key: len(starts) for key, starts in build(headers).places(phrase).items()} == oracle


def test_real_conditions_are_found_better_than_by_plain_bm25(shared: Path) -> None:
    with gzip.open(shared / "corpus" / "geo_series_texts.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    studies = [
        header(row["accession"], row["title"], row["summary"], overall_design=row["overall_design"])
        for row in rows
    ]
    relevance = json.loads((shared / "corpus" / "dev_relevance.json").read_text(encoding="utf-8"))
    ours, plain = [], []
    for condition, judged in relevance.items():
        relevant = set(judged["relevant"])
        ours.append(
            _average_precision([hit.accession for hit in search(condition, studies, limit=10**6)], relevant)
        )
        plain.append(_average_precision(_bm25(studies, condition), relevant))
    assert sum(ours) >= 1.3 * sum(plain), (ours, plain)
    start = time.thread_time()
    search("tamoxifen resistance in breast cancer, at least 6 samples", studies)
    assert time.thread_time() - start < 1.0


def _average_precision(order: Sequence[str], relevant: set[str]) -> float:
    right, total = 0, 0.0
    for place, accession in enumerate(order, start=1):
        if accession in relevant:
            right += 1
            total += right / place
    return total / len(relevant)


def _bm25(studies: Sequence[StudyHeader], question: str) -> list[str]:
    """Okapi BM25 (k1 1.2, b 0.75) over all text of a study, without any knowledge of the field."""
    texts = [
        re.findall(r"[a-z0-9]+", f"{s.title} {s.summary} {s.overall_design}".casefold()) for s in studies
    ]
    holding = Counter(word for text in texts for word in set(text))
    mean = sum(map(len, texts)) / len(texts)
    scores = []
    for study, text in zip(studies, texts, strict=True):
        counts = Counter(text)
        score = 0.0
        for word in re.findall(r"[a-z0-9]+", question.casefold()):
            rarity = math.log(1 + (len(texts) - holding[word] + 0.5) / (holding[word] + 0.5))
            score += rarity * counts[word] * 2.2 / (counts[word] + 1.2 * (0.25 + 0.75 * len(text) / mean))
        scores.append((-score, study.accession))
    return [accession for score, accession in sorted(scores) if score < 0]
