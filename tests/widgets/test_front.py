"""The front page as HTML and as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from omics_widgets import front

import omics_nb as omics


def test_the_cards_lead_to_pages_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    shown = front.home("TNF & <b>")._repr_html_()
    assert '<form action="explore.ipynb" method="get">' in shown
    assert 'href="explore.ipynb?question=TNF+%26+%3Cb%3E&amp;source=demo&amp;ask=true"' in shown
    assert "<b>" not in shown
    assert shown.count("<h2>") == 3


def test_without_voila_there_are_links_and_no_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    shown = front.home()._repr_html_()
    assert "<form" not in shown
    assert 'href="explore.ipynb"' in shown


def test_a_source_of_your_settings_is_the_one_to_begin_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICS_SOURCE", "mirror:/data/<geo>")
    shown = front.Home(forms=True)._repr_html_()
    assert '<option value="mirror:/data/&lt;geo&gt;" selected>' in shown


def test_recent_runs_are_told_with_what_they_were_about() -> None:
    assert "Nothing yet" in front.recent_runs()._repr_html_()
    run = omics.start("simple_search", question="asthma <i>, human")
    run.result()
    shown = front.recent_runs(1)
    assert "asthma &lt;i&gt;, human" in shown._repr_html_()
    assert "simple search" in shown._repr_html_()
    assert repr(shown) == "RecentRuns(1)"


def test_a_store_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite").write_text("not a database, but long enough to be taken for one" * 50)
    monkeypatch.setenv("OMICS_STORE", str(tmp_path / "runs.sqlite"))
    assert "The runs cannot be read" in front.recent_runs()._repr_html_()
