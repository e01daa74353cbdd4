"""The error tree: drawn as it is, and every error survives a trip between processes."""

from __future__ import annotations

import inspect
import pickle

import pytest

from omics_nb import errors

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.OmicsError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_drawn_in_the_tree(kind: type[errors.OmicsError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_keeps_its_facts_between_processes(kind: type[errors.OmicsError]) -> None:
    back = pickle.loads(pickle.dumps(kind("what was wrong", accession="GSE1", line=7)))
    assert type(back) is kind
    assert str(back) == "what was wrong"
    assert (back.accession, back.line) == ("GSE1", 7)


def test_a_fact_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no 'line'; it has \\['accession'\\]"):
        _ = errors.DataError("x", accession="GSE1").line
