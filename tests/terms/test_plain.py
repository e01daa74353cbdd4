"""Plain words of the field are not taken for mistyped names."""

from __future__ import annotations

import pytest

from omics_nb.terms import understand


@pytest.mark.parametrize(
    "word", ["breath", "colony", "plural", "injection", "neutral", "strike", "tested", "narrow"]
)
def test_a_plain_word_stays_as_it_is(word: str) -> None:
    query = understand(f"{word} in liver")
    assert [term.text for term in query.of("word")] in ([word], [])
    assert query.notes == ()


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("doxycyclin", "doxycycline"),
        ("macropahge", "macrophage"),
        ("chemothrapy", "chemotherapy"),
        ("neuroblastmoa", "neuroblastoma"),
        ("hepatits", "hepatitis"),
    ],
)
def test_one_wrong_letter_in_a_long_word_is_mended_and_said(typed: str, label: str) -> None:
    query = understand(typed)
    assert query.terms[0].label == label
    assert any(f'"{typed}" is read as' in note for note in query.notes)
    assert query.confidence < 1
