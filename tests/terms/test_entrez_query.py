"""Searches for NCBI: valid whatever the question, and wrong ones refused before they are sent."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.display.reading import KINDS
from omics_nb.errors import FormatError, QuestionError
from omics_nb.records import Query, Term
from omics_nb.terms import understand, validate_term, write_term
from omics_nb.terms.entrez import FIELDS, quote
from tests.terms import gold


def term_of(text: str, *, strict: bool = True) -> str:
    return write_term(understand(text, today=gold.TODAY), strict=strict)


def test_a_question_becomes_what_a_librarian_would_write() -> None:
    term = term_of("lupus in human macrophages, RNA-seq, after 2018, at least 6 samples")
    assert '"Homo sapiens"[ORGN]' in term
    assert '"Expression profiling by high throughput sequencing"[GTYP]' in term
    assert "6:1000000[NSAM]" in term
    assert "2019/01/01:3000[PDAT]" in term
    assert term.endswith("AND gse[ETYP]")
    assert '("Lupus Erythematosus, Systemic"[MESH] OR "lupus erythematosus"[ALL] OR "lupus"[ALL])' in term


@pytest.mark.parametrize("name", ["questions.jsonl", "questions_held_out.jsonl"])
@pytest.mark.parametrize("strict", [True, False])
def test_every_search_is_valid(name: str, strict: bool) -> None:
    for question in gold.read(name):
        query = understand(question["question"], today=gold.TODAY)
        known = query.of(*set(KINDS) - {"word"})
        if (query.terms if strict else known) or set(gold.filters(query)) - {"sex", "age", "has_raw"}:
            term = write_term(query, strict=strict)
            assert validate_term(term) == term
        else:
            with pytest.raises(QuestionError, match="nothing in the question"):
                write_term(query, strict=strict)


def test_mesh_is_never_alone() -> None:
    for question in gold.read("questions.jsonl"):
        for clause in re.findall(
            r"\(([^()]*\[MESH\][^()]*)\)|(?:^|AND )(\"[^\"]*\"\[MESH\])", term_of(question["question"])
        ):
            assert "[ALL]" in clause[0]


def test_what_is_excluded_and_who_the_samples_come_from_are_not_sent() -> None:
    term = term_of("breast cancer, not mouse, women older than 60 years")
    assert "NOT" not in term
    assert "mouse" not in term
    assert "60" not in term


def test_alternatives_are_or_ed_and_concepts_and_ed() -> None:
    term = term_of("breast or ovarian cancer, liver")
    breast, ovarian, liver = (
        term.index('"breast cancer"'),
        term.index('"ovarian cancer"'),
        term.index('"liver"'),
    )
    assert " AND " not in term[breast:ovarian]
    assert " AND " in term[ovarian:liver]


def test_the_broad_variant_leaves_plain_words_out() -> None:
    assert '"resistance"[ALL]' in term_of("tamoxifen resistance")
    assert "resistance" not in term_of("tamoxifen resistance", strict=False)


def test_accessions_and_platforms_are_searched_as_such() -> None:
    assert term_of("GSE42872") == "GSE42872[ACCN] AND gse[ETYP]"
    assert "GPL570[RGPL]" in term_of("liver on GPL570")


def test_methylation_arrays_are_searched_under_all_three_types() -> None:
    term = term_of("methylation array of liver")
    for technology in ("array", "genome tiling array", "SNP array"):
        assert f'"Methylation profiling by {technology}"[GTYP]' in term


def test_short_abbreviations_are_not_searched_beside_longer_names() -> None:
    assert '"RA"' not in term_of("RA synovium")


def test_a_question_with_nothing_to_search_for_says_so() -> None:
    with pytest.raises(QuestionError, match="nothing in the question"):
        write_term(Query(text="the"))


@pytest.mark.parametrize("tag", [*FIELDS, *FIELDS.values(), "porgn", "porgn:__txid9606", "filter"])
def test_every_known_field_is_taken(tag: str) -> None:
    values = {"ETYP": "gse", "Entry Type": "gse", "NSAM": "6:10", "Number of Samples": "6", "GTYP": "Other"}
    values |= {
        "DataSet Type": '"other"',
        "PDAT": "2019:3000",
        "Publication Date": "2019/01/01",
        "UDAT": "2019",
    }
    values |= {"Update Date": "2019/01:2020/12/31"}
    assert validate_term(f"{values.get(tag, 'x')}[{tag}]")


@pytest.mark.parametrize(
    ("term", "hint"),
    [
        ("array [DTYP]", "GTYP"),
        ("6:10[n_samples]", "NSAM"),
        ("human[Organsim]", "ORGN"),
        ("liver[Titel]", "TITL"),
        ("x[Species]", "ORGN"),
    ],
)
def test_an_unknown_field_names_the_nearest_right_one(term: str, hint: str) -> None:
    with pytest.raises(QuestionError, match=rf"did you mean \[{hint}\]"):
        validate_term(term)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("", "empty"),
        ("(liver[ALL]", "not closed"),
        ("liver[ALL])", "never opened"),
        ('"liver[ALL]', "unpaired"),
        ("liver[ALL] AND", "nothing on one side"),
        ("AND liver", "nothing on one side"),
        ("liver AND OR brain", "nothing on one side"),
        ("() AND liver", "empty parentheses"),
        ("[ALL]", "no value"),
        ("series[ETYP]", "no entry type"),
        ("many[NSAM]", "no number of samples"),
        ("yesterday[PDAT]", "no date"),
        ('"Expression by array"[GTYP]', "nearest is 'Expression profiling by array'"),
    ],
)
def test_a_malformed_search_is_refused(term: str, message: str) -> None:
    with pytest.raises((FormatError, QuestionError), match=message):
        validate_term(term)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_signs_of_the_query_language_in_a_name_are_data(name: str) -> None:
    query = Query(
        text=name, terms=(Term(name, "disease", name, synonyms=(name * 2,)), Term("liver", "tissue", "liver"))
    )
    assert '"liver"[ALL]' in write_term(query)
    assert quote(name).count('"') == 2


def test_min_per_group_asks_for_two_groups() -> None:
    query = replace(understand("liver"), min_per_group=4)
    assert "8:1000000[NSAM]" in write_term(query)
