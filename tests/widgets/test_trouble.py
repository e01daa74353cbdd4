"""The card of an error: what, why, what to do, details; for all of our errors, and for faults of our own."""

from __future__ import annotations

import inspect

import pytest
from omics_widgets import error_card
from omics_widgets.trouble import advice

from omics_nb import errors

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.OmicsError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_the_tree_says_why_and_what_to_do(kind: type[errors.OmicsError]) -> None:
    card = error_card(kind("the <reason>", accession="GSE1"), "Search")
    assert "Search did not work" in card
    assert "the &lt;reason&gt;" in card
    assert len(advice(kind("x"))) > 20
    assert "fault of the program" not in card


def test_details_are_folded_and_name_no_folder() -> None:
    try:
        try:
            int("x")
        except ValueError as cause:
            raise errors.FormatError("line 3 is no number", line=3) from cause
    except errors.FormatError as error:
        card = error_card(error, "Reading")
    folded = card[card.index("<details>") :]
    assert "FormatError" in folded
    assert "ValueError" in folded
    assert "test_trouble.py" in folded
    assert "/test_trouble.py" not in folded


def test_a_fault_of_the_program_says_so_and_leaks_no_source() -> None:
    try:
        raise KeyError("secret_name")
    except KeyError as error:
        card = error_card(error, "Search")
    assert "fault of the program" in card
    assert "raise KeyError" not in card
