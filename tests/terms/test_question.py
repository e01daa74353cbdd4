"""Reading questions: what was meant, where it stood, and what was not understood."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.errors import QuestionError
from omics_nb.records import Query
from omics_nb.terms import understand
from omics_nb.terms.concepts import ambiguities, concepts
from omics_nb.terms.lookup import Vocabulary, compile_into
from tests.terms import gold

TODAY = date(2026, 9, 15)


def read(text: str) -> Query:
    return understand(text, today=TODAY)


def labels(query: Query, *kinds: str) -> list[str]:
    return [term.label for term in query.terms if not kinds or term.kind in kinds]


@pytest.mark.parametrize("name", ["questions.jsonl", "questions_held_out.jsonl", "questions_unseen.jsonl"])
def test_questions_are_read_as_a_person_reads_them(name: str) -> None:
    found = gold.agreement(gold.read(name))
    assert found.f1 >= 0.92, found.differences
    assert found.filters >= 0.97, found.differences
    assert found.intent >= 0.95, found.differences


def test_there_are_enough_questions_and_a_third_was_held_out() -> None:
    tuned = gold.read("questions.jsonl")
    held_out = [*gold.read("questions_held_out.jsonl"), *gold.read("questions_unseen.jsonl")]
    assert len(tuned) + len(held_out) >= 150
    assert len(held_out) >= (len(tuned) + len(held_out)) / 3
    assert not {q["question"] for q in tuned} & {q["question"] for q in held_out}


def test_a_span_is_the_place_of_the_text() -> None:
    query = read("  Tamoxifen resistance in M. musculus mammary glands, GSE42872")
    assert query.terms
    assert all(query.text[slice(*term.span)] == term.text for term in query.terms)


def test_identifiers_come_with_the_terms() -> None:
    query = read("macrophages of lupus patients, human, RNA-seq, TP53, MCF-7, tamoxifen, kidney")
    assert {term.kind: term.id for term in query.terms} == {
        "cell_type": "CL:0000235",
        "disease": "DOID:8857",
        "organism": "NCBITaxon:9606",
        "assay": "Expression profiling by high throughput sequencing",
        "gene": "HGNC:11998",
        "cell_line": "CVCL_0031",
        "drug": "CHEBI:41774",
        "tissue": "UBERON:0002113",
    }


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("liver since 2015", "published_from", date(2015, 1, 1)),
        ("liver after 2018", "published_from", date(2019, 1, 1)),
        ("liver after March 2018", "published_from", date(2018, 4, 1)),
        ("liver before 2012", "published_to", date(2011, 12, 31)),
        ("liver until 2012", "published_to", date(2012, 12, 31)),
        ("liver published in 2019", "published_to", date(2019, 12, 31)),
        ("liver, last 5 years", "published_from", date(2021, 9, 15)),
        ("liver, in the past two years", "published_from", date(2024, 9, 15)),
        ("liver, last year", "published_from", date(2025, 1, 1)),
        ("liver 2010-2012", "published_from", date(2010, 1, 1)),
        ("liver from 2021/2022", "published_to", date(2022, 12, 31)),
        ("liver since 2019-03-07", "published_from", date(2019, 3, 7)),
        ("liver, at least 6 samples", "min_samples", 6),
        ("liver >= 12 samples", "min_samples", 12),
        ("liver, more than 10 samples", "min_samples", 11),
        ("liver n>=6", "min_samples", 6),
        ("liver, a dozen samples", "min_samples", 12),
        ("liver, 10+ samples", "min_samples", 10),
        ("liver, fewer than 10 arrays", "max_samples", 9),
        ("liver, up to 1,000 patients", "max_samples", 1000),
        ("liver, between 10 and 50 samples", "max_samples", 50),
        ("liver, 3 replicates per group", "min_per_group", 3),
        ("liver of women", "sex", "female"),
        ("liver of men only", "sex", "male"),
        ("liver with raw counts", "has_counts", True),
        ("liver with CEL files", "has_raw", True),
        ("liver on GPL570", "platforms", ("GPL570",)),
        ("liver, more than 10 but fewer than 100 samples", "min_samples", 11),
        ("liver, more than 10 but fewer than 100 samples", "max_samples", 99),
        ("liver, at least 15 controls", "min_samples", 15),
        ("liver, one sample of it", "min_samples", None),
        ("liver of women over 50, GSE1", "age", "over 50"),
        ("liver of women over 50", "sex", "female"),
        ("liver, adults aged 18-50", "age", "adults aged 18-50"),
        ("liver of adults, older than 60 years", "age", "older than 60 years"),
        ("liver of older adults", "age", "older adults"),
        ("liver of children and adults", "age", None),
        ("male infertility", "sex", None),
        ("men with male infertility", "sex", "male"),
        ("adult T-cell leukemia", "age", None),
        ("pediatric ALL", "age", "pediatric"),
        ("neonatal jaundice", "age", None),
        ("liver with processed counts", "has_counts", True),
        ("gse 42872 and GDS507", "accessions", ("GSE42872", "GDS507")),
    ],
)
def test_conditions_are_read_from_words(text: str, field: str, value: object) -> None:
    assert getattr(read(text), field) == value


@pytest.mark.parametrize(
    "text",
    [
        "COVID-19 patients",
        "type 2 diabetes donors",
        "trisomy 21 patients",
        "men and women",
        "GSE2034 samples",
    ],
)
def test_numbers_in_names_are_no_conditions(text: str) -> None:
    query = read(text)
    assert (query.min_samples, query.max_samples, query.sex) == (None, None, None)


def test_after_a_year_is_explained() -> None:
    assert '"after 2018" is read as published from 2019-01-01 on.' in read("liver after 2018").notes


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("asthma versus healthy controls", ("asthma", "healthy controls")),
        ("normal vs tumour kidney", ("tumour", "normal")),
        ("cells treated with vehicle or vemurafenib", ("vemurafenib", "vehicle")),
        ("tamoxifen resistant compared with sensitive breast cancer", ("tamoxifen resistant", "sensitive")),
        (
            "difference between Crohn's disease and ulcerative colitis",
            ("Crohn's disease", "ulcerative colitis"),
        ),
        ("muscle before and after exercise", ("after exercise", "before exercise")),
        ("compare the transcriptome of M1 and M2 macrophages", ("M1", "M2 macrophages")),
        ("blood before and 7 days after vaccination", ("after vaccination", "before vaccination")),
        ("breast cancer in human liver", None),
    ],
)
def test_comparisons_name_the_tested_side_first(text: str, sides: tuple[str, str] | None) -> None:
    assert read(text).compare == sides


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("breast cancer, not mouse", ["Mus musculus"]),
        ("breast cancer, no cell lines", ["cell lines"]),
        ("diabetes without obesity in human liver", ["obesity"]),
        ("cancer but not breast cancer", ["breast cancer"]),
        ("liver, no more than 10 samples", []),
        ("non-small cell lung cancer", []),
        ("patients not treated", []),
        ("blood, not treated with methotrexate", ["methotrexate"]),
        ("zebrafish, leave out morpholino experiments", ["morpholino"]),
        ("excluding: mouse and liver", ["Mus musculus", "liver"]),
        ("not interested in cell lines: glioblastoma, human", ["cell lines"]),
    ],
)
def test_negations_exclude(text: str, excluded: list[str]) -> None:
    assert [term.label for term in read(text).excluded] == excluded


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("breast cancer", "breast cancer"),
        ("M. musculus", "Mus musculus"),
        ("hepatic", "liver"),
        ("obese", "obesity"),
        ("TNFα", "TNF"),
        ("TNF-alpha", "TNF"),
        ("MIP-2", "CXCL2"),
        ("BRCA", "BRCA genes"),
        ("ob mice", "LEP"),
        ("cardiovascular disease", "cardiovascular system disease"),
        ("macrophages", "macrophage"),
        ("oesophageal cancer", "esophageal cancer"),
        ("Alzheimers disease", "Alzheimer's disease"),
        ("diabtes", "diabetes mellitus"),
        ("RNA seq", "RNA-seq"),
        ("RNAseq", "RNA-seq"),
        ("MCF 7", "MCF-7"),
        ("MS patients", "multiple sclerosis"),
        ("proteome by MS", "protein profiling by mass spectrometry"),
        ("AML blasts", "acute myeloid leukemia"),
        ("lupus", "lupus erythematosus"),
        ("breast cancer stem cells", "breast cancer"),
        ("ER+ breast cancer", "estrogen receptor-positive breast cancer"),
        ("ER- breast cancer", "estrogen receptor-negative breast cancer"),
        ("CD4+ T cells", "CD4-positive, alpha-beta T cell"),
        ("CD4 T cells", "CD4-positive, alpha-beta T cell"),
        ("effector CD8-positive, alpha-beta T cell", "effector CD8-positive, alpha-beta T cell"),
        ("liver, cancer", "liver"),
        ("Lupus Erythematosus, Systemic", "systemic lupus erythematosus"),
        ("MEK inhibitor", "MEK inhibitor"),
        ("Dnmt3a ko", "DNMT3A"),
        ("type I IFN", "type I interferon"),
        ("male infertility", "male infertility"),
        ("hyphae", "hypha"),
        ("P. patens", "Physcomitrium patens"),
    ],
)
def test_one_name_wins_its_place(text: str, label: str) -> None:
    assert labels(read(text))[0] == label


def test_a_minus_after_a_marker_is_heeded_and_a_knockout_is_no_minus() -> None:
    assert labels(read("CD4- T cells"), "cell_type") == ["T cell"]
    assert labels(read("ER+ and ER- breast cancer"), "disease") == [
        "estrogen receptor-positive breast cancer",
        "estrogen receptor-negative breast cancer",
    ]
    assert labels(read("Nrf2-/- mouse")) == ["NFE2L2", "knockout", "Mus musculus"]
    assert labels(read("Nrf2(-/-) knockout mouse"), "drug") == ["knockout"]
    assert labels(read("MCF-7 - treated"), "cell_line") == ["MCF-7"]


def test_a_cell_of_a_disease_names_both() -> None:
    query = read("pancreatic cancer stem cells")
    assert [term.text for term in query.terms] == ["pancreatic cancer", "stem cells"]
    query = read("breast cancer stem cells")
    assert [term.text for term in query.terms] == ["breast cancer", "cancer stem cells"]


def test_the_first_letter_of_a_word_is_taken_for_right() -> None:
    assert labels(read("weather"), "tissue") == []
    assert read("deletion in liver").notes == ()


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("liver", "find"),
        ("are GSE1 and GSE2 correct?", "validate"),
        ("GSE1 versus GSE2", "compare"),
        ("which pathways are enriched in asthma", "analyse"),
        ("reanalyse asthma arrays", "analyse"),
        ("overview of asthma", "summarise"),
    ],
)
def test_what_a_person_wants_is_read_from_the_verbs(text: str, intent: str) -> None:
    assert read(text).intent == intent


@pytest.mark.parametrize("text", ["the mice we met", "all is let off", "a set that was kept as the rest"])
def test_plain_words_are_no_abbreviations(text: str) -> None:
    assert set(labels(read(text), "gene", "disease", "tissue")) == set()


def test_a_group_that_is_without_a_disease_is_not_the_disease() -> None:
    query = read("non-diabetic obese mice")
    assert labels(query, "disease") == ["obesity"]
    assert [term.text for term in query.of("word")] == ["non-diabetic"]
    assert labels(read("non-small cell lung cancer"), "disease") == ["lung non-small cell carcinoma"]


def test_a_comparison_keeps_the_wider_of_two_diseases() -> None:
    assert len(labels(read("NAFLD vs NASH liver"), "disease")) == 2
    assert len(labels(read("NASH liver, a kind of NAFLD"), "disease")) == 1


@pytest.mark.parametrize("name", ["PRJNA123456", "SRP012345", "E-MTAB-1234", "PMID: 12345678"])
def test_an_accession_of_another_archive_is_told_to_be_one(name: str) -> None:
    assert any(f"{name} is of " in suggestion for suggestion in read(f"{name} liver").suggestions)


def test_alternatives_share_a_group() -> None:
    groups = [term.group for term in read("breast or ovarian cancer, lung").terms]
    assert groups == [1, 1, 0]


def test_shared_heads_are_completed() -> None:
    assert labels(read("lung and colon adenocarcinoma")) == ["lung adenocarcinoma", "colon adenocarcinoma"]


def test_words_not_understood_are_searched_as_words() -> None:
    query = read("breast cancer flibbertigibbet")
    assert [term.text for term in query.of("word")] == ["flibbertigibbet"]
    assert query.confidence < 1
    assert any("flibbertigibbet" in reason for reason in query.confidence_reasons)


def test_small_talk_and_amounts_are_no_conditions() -> None:
    query = read("Hi, I'm a PhD student, could you find liver treated with aspirin for 24h or 10 nM please")
    assert [term.label for term in query.terms] == ["liver", "aspirin"]


def test_stop_words_are_listed_as_ignored() -> None:
    assert set(read("please find studies of the liver").ignored) == {"please", "find", "studies", "of", "the"}


def test_a_question_without_organism_is_asked_for_one() -> None:
    assert any("organism" in suggestion for suggestion in read("breast cancer RNA-seq").suggestions)
    assert not any("organism" in suggestion for suggestion in read("human breast cancer RNA-seq").suggestions)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("liver\0", "control character"),
        ("?!... --", "no word"),
        ("x" * 2001, "limit is 2,000"),
        ("liver after 2020, before 2015", "leave nothing"),
        ("liver, more than 50 samples, fewer than 10 samples", "leave nothing"),
        ("liver since 2019-17", "no date"),
    ],
)
def test_a_question_that_cannot_be_read_says_why(text: str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        read(text)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = read(text)
    except QuestionError:
        return
    assert Query.from_json(query.to_json()) == query
    assert all(query.text[slice(*term.span)] == term.text for term in (*query.terms, *query.excluded))


def test_json_that_is_no_query_is_refused() -> None:
    for text in (
        "",
        "[]",
        '{"text": "x", "colour": 1}',
        '{"text": "x", "terms": [{"text": "x", "kind": "word", "label": "x", "y": 1}]}',
        '{"text": "x", "published_from": "soon"}',
    ):
        with pytest.raises(QuestionError, match="no query"):
            Query.from_json(text)


def test_a_question_asks_the_vocabulary_seldom_and_by_its_indexes() -> None:
    """The guard of the 20 ms that ``tests/benchmarks/bench_question.py`` measures: work, not time, is counted."""
    connection = sqlite3.connect(":memory:")
    compile_into(connection, concepts(), "test")
    known = Vocabulary(connection, ambiguities())
    asked: list[str] = []
    for question in gold.read("questions.jsonl"):
        understand(question["question"], today=TODAY, vocabulary=known)
        connection.set_trace_callback(asked.append)
        before = len(asked)
        understand(question["question"], today=TODAY, vocabulary=known)
        connection.set_trace_callback(None)
        assert len(asked) - before <= 8, question["question"]
    plans = {step for query in asked for *_, step in connection.execute(f"explain query plan {query}")}
    assert plans
    assert not [step for step in plans if step.startswith("SCAN")]


def test_nothing_of_the_vocabulary_is_loaded_by_the_import_of_the_package() -> None:
    code = (
        "import sys, omics_nb; print([m for m in sys.modules if m.startswith(('omics_nb.terms', 'sqlite3'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
