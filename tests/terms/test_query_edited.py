"""A query as a value: edited copies, the sides of its comparison, and JSON that gives it back."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.display import query_html
from omics_nb.errors import QuestionError
from omics_nb.records import Query, Term
from omics_nb.terms import understand

ASKED = "tamoxifen in MCF-7 versus T47D cells, not mouse, GSE42872, GPL570, at least 6 samples since 2019"


@pytest.fixture
def query() -> Query:
    return understand(ASKED, today=date(2026, 9, 15))


def labels(query: Query) -> list[str]:
    return [term.label for term in query.terms]


def test_a_term_goes_by_text_label_identifier_or_itself(query: Query) -> None:
    assert labels(query) == ["tamoxifen", "MCF-7", "T-47D"]
    assert labels(query.without("TAMOXIFEN")) == ["MCF-7", "T-47D"]
    assert labels(query.without("CVCL_0031", "t47d")) == ["tamoxifen"]
    assert labels(query.without(query.terms[0])) == ["MCF-7", "T-47D"]
    assert query.without("mouse").excluded == ()
    assert labels(query) == ["tamoxifen", "MCF-7", "T-47D"], "the query itself stays as it was"


def test_accessions_platforms_and_filters_go_by_name(query: Query) -> None:
    less = query.without("GSE42872", "gpl570", "min_samples", "published_from", "compare")
    assert (less.accessions, less.platforms, less.min_samples, less.published_from) == ((), (), None, None)
    assert (less.compare, less.compare_spans, less.sides) == (None, (), ())
    assert less.notes[-1].startswith("Edited: without GSE42872; ")


def test_what_is_not_there_is_not_removed_silently(query: Query) -> None:
    with pytest.raises(QuestionError, match="no 'liver'; it has tamoxifen, MCF-7, T-47D, Mus musculus, GSE"):
        query.without("liver")


def test_fields_and_terms_can_be_given(query: Query) -> None:
    more = query.with_(*understand("liver of mice").terms, sex="female", published_to="2022-03-01")
    assert labels(more)[-2:] == ["liver", "Mus musculus"]
    assert more.terms[-1].span == (0, 0), "its place was in another text"
    assert (more.excluded, more.sex, more.published_to) == ((), "female", date(2022, 3, 1))
    assert more.suggestions == ()
    assert more.notes[-1].startswith("Edited: with liver; with Mus musculus; with sex female")
    assert query.with_() == query


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sexes": "female"}, "no field 'sexes'.*it has terms, "),
        ({"sex": "unknown"}, "sex: Input should be 'female' or 'male'"),
        ({"min_samples": "six"}, "min_samples: Input should be a valid integer"),
        ({"min_samples": -1}, "min_samples cannot be -1"),
        ({"published_from": "soon"}, "published_from: .*date"),
        ({"max_samples": 3}, "leave nothing: at least 6 and at most 3"),
        ({"published_to": "2018-01-01"}, "leave nothing: from 2019-01-01 to 2018-01-01"),
        ({"intent": "dance"}, "intent: Input should be"),
    ],
)
def test_a_value_that_a_field_cannot_take_is_refused(
    query: Query, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(QuestionError, match=message):
        query.with_(**changes)


def test_a_new_comparison_has_no_place_in_the_text(query: Query) -> None:
    assert [side.text for side in query.sides] == ["MCF-7", "T47D cells"]
    assert [[term.label for term in side.terms] for side in query.sides] == [["MCF-7"], ["T-47D"]]
    assert all(query.text[slice(*side.span)] == side.text for side in query.sides)
    other = query.with_(compare=("case", "control"))
    assert [(side.text, side.span, side.terms) for side in other.sides] == [
        ("case", (0, 0), ()),
        ("control", (0, 0), ()),
    ]


def test_conditions_have_places(query: Query) -> None:
    places = [query.text[slice(*span)] for span in query.condition_spans]
    assert places == ["GSE42872", "GPL570", "at least 6", "since 2019"]


def test_a_term_carries_its_identifiers_elsewhere() -> None:
    gene, disease = understand("TP53 in breast cancer").terms
    assert (gene.id, gene.xrefs) == ("HGNC:11998", ("NCBIGene:7157",))
    assert (disease.id, disease.xrefs) == ("DOID:1612", ("MONDO:0007254",))


def test_the_question_is_shown_with_its_names_marked(query: Query) -> None:
    html = query_html(query)
    for mark in ("tamoxifen<span", "MCF-7<span", "mouse<span", "at least 6<span", "GPL570<span"):
        assert f">{mark}" in html
    assert html.count("<mark ") == 8
    assert 'title="tamoxifen (CHEBI:41774)"' in html
    assert "https://www.cellosaurus.org/CVCL_0031" in html
    assert f"Vocabulary: {query.vocabulary}." in html


_texts = st.text(max_size=12)
_spans = st.tuples(st.integers(0, 99), st.integers(0, 99))
_terms = st.builds(
    Term,
    text=_texts,
    kind=st.sampled_from(["organism", "disease", "gene", "word"]),
    label=_texts,
    id=st.none() | _texts,
    synonyms=st.lists(_texts, max_size=2).map(tuple),
    span=_spans,
    mesh=st.none() | _texts,
    types=st.lists(_texts, max_size=2).map(tuple),
    narrower=st.lists(_texts, max_size=2).map(tuple),
    group=st.integers(0, 3),
    xrefs=st.lists(_texts, max_size=2).map(tuple),
)
_queries = st.builds(
    Query,
    text=_texts,
    terms=st.lists(_terms, max_size=3).map(tuple),
    excluded=st.lists(_terms, max_size=2).map(tuple),
    accessions=st.lists(_texts, max_size=2).map(tuple),
    min_samples=st.none() | st.integers(0, 50),
    max_samples=st.none() | st.integers(50, 99),
    published_from=st.none() | st.dates(max_value=date(2010, 1, 1)),
    published_to=st.none() | st.dates(min_value=date(2010, 1, 1)),
    compare=st.none() | st.tuples(_texts, _texts),
    compare_spans=st.just(()) | st.tuples(_spans, _spans),
    condition_spans=st.lists(_spans, max_size=2).map(tuple),
    sex=st.sampled_from([None, "female", "male"]),
    age=st.none() | _texts,
    has_raw=st.booleans(),
    confidence=st.floats(0, 1),
    notes=st.lists(_texts, max_size=2).map(tuple),
)


@given(_queries)
def test_any_query_comes_back_from_its_json(query: Query) -> None:
    assert Query.from_json(query.to_json()) == query


@given(_queries)
def test_any_query_can_be_shown(query: Query) -> None:
    assert query_html(query).count("<mark") == query_html(query).count("</mark>")
    assert str(query)
