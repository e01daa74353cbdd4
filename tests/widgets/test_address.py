"""Parameters of the address: what fits is taken, anything else is not."""

from __future__ import annotations

import pytest
from omics_widgets import from_address


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "given"),
        ("other=1", "given"),
        ("run=4f2a&x=1", "4f2a"),
        ("run=a&run=b", "b"),
        ("run=%3Cb%3E%00%E2%80%AE", "<b>��"),
        ("run=" + "x" * 5000, "x" * 2000),
    ],
)
def test_text_is_taken_as_text(monkeypatch: pytest.MonkeyPatch, query: str, expected: str) -> None:
    monkeypatch.setenv("QUERY_STRING", query)
    assert from_address("run", "given") == expected


@pytest.mark.parametrize(
    ("query", "expected"), [("n=50", 50), ("n=-1", 7), ("n=1e9", 7), ("n=", 7), ("n=²", 7)]
)
def test_what_is_no_number_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, query: str, expected: int
) -> None:
    monkeypatch.setenv("QUERY_STRING", query)
    assert from_address("n", 7) == expected
