"""The understood question as chips: what is taken away or added changes the query, and only that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from omics_widgets.chips import QueryChips, added, chips_of, of_organism

import omics_nb as omics
from omics_nb.errors import QuestionError
from omics_nb.query import Query

QUESTION = "tamoxifen resistance in breast cancer, human, not mouse, at least 6 samples, since 2015, GPL570"


@pytest.fixture
def query() -> Query:
    return omics.understand(QUESTION)


def texts(query: Query) -> list[str]:
    return [f"{'not ' if chip.excluded else ''}{chip.kind}: {chip.text}" for chip in chips_of(query)]


def test_every_condition_is_a_chip(query: Query) -> None:
    shown = texts(query)
    for text in (
        "drug: tamoxifen",
        "organism: Homo sapiens",
        "not organism: Mus musculus",
        "samples: at least 6",
        "published: from 2015-01-01",
        "platform: GPL570",
    ):
        assert text in shown


def test_each_chip_can_be_taken_away_and_takes_nothing_else_along(query: Query) -> None:
    for chip in chips_of(query):
        rest = list(chips_of(query.without(chip.by)))
        assert rest == [other for other in chips_of(query) if other != chip]


def test_what_is_added_joins_what_was_there(query: Query) -> None:
    more = added(query, "RNA-seq, not cell line MCF-7, at most 50 samples, GPL96")
    assert {"platform: GPL570", "platform: GPL96", "samples: at most 50", "samples: at least 6"} <= set(
        texts(more)
    )
    assert len(more.of("assay")) == 1
    assert "not organism: Mus musculus" in texts(more)
    assert more.published_from == date(2015, 1, 1)


def test_the_organism_is_exchanged(query: Query) -> None:
    assert [term.label for term in of_organism(query, "Rattus norvegicus").of("organism")] == [
        "Rattus norvegicus"
    ]
    assert of_organism(query, "").of("organism") == ()


def test_the_front_end_says_only_which_chip(query: Query) -> None:
    edits: list[Callable[[], Query]] = []
    chips = QueryChips(edits.append)
    chips.show(query)
    assert chips.organism == "Homo sapiens"
    first = next(chips_of(query))
    chips._handle_custom_msg({"remove": 0}, [])
    assert edits.pop()() == query.without(first.by)
    chips._handle_custom_msg({"add": "liver"}, [])
    assert [term.label for term in edits.pop()().of("tissue")] == ["liver"]
    for nonsense in ({"remove": 99}, {"remove": "0"}, {"organism": "Elf"}, {}):
        chips._handle_custom_msg(nonsense, [])
    chips.disabled = True
    chips._handle_custom_msg({"remove": 0}, [])
    assert edits == []


def test_an_addition_that_cannot_be_read_is_a_question_error(query: Query) -> None:
    with pytest.raises(QuestionError):
        added(query, "   ")
