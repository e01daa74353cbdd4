"""Figures in a form: one can point at them, read them and take their files."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from omics_widgets import FigureChoice, FigureView
from omics_widgets import figures as module

from omics_nb.figures import Figure, ma, p_histogram, volcano
from tests.example_values import values


@pytest.fixture
def three() -> list[Figure]:
    result = values().result
    return [volcano(result), ma(result), p_histogram(result)]


def test_a_figure_is_plotly_s_widget_with_its_words_below(
    three: list[Figure], words: Callable[[Any], str]
) -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    view = FigureView(three[0])
    assert [trace.name for trace in view.children[0].data] == [
        trace["name"] for trace in three[0].to_plotly()["data"]
    ]
    assert view.children[0]._config["displaylogo"] is False
    assert three[0].text in words(view)
    assert "The same as a table" in words(view)


def test_the_files_are_made_when_they_are_asked_for(three: list[Figure], html: Callable[[Any], str]) -> None:
    view = FigureView(three[2])
    assert "download=" not in html(view)
    view.get_files.click()
    links = dict(re.findall(r'href="data:[^;]+;base64,([^"]+)" download="([^"]+)"', html(view)))
    made = {name: base64.b64decode(data) for data, name in links.items()}
    assert made["p_histogram.svg"].decode() == three[2].to_svg()
    assert made["p_histogram.csv"].decode() == three[2].to_csv()
    assert made["p_histogram.png"].startswith(b"\x89PNG")


def test_without_plotly_a_figure_is_a_picture(
    three: list[Figure], html: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INTERACTIVE", False)
    assert "data:image/svg+xml;base64," in html(FigureView(three[0]))


def test_of_several_figures_one_is_drawn_at_a_time(three: list[Figure], words: Callable[[Any], str]) -> None:
    choice = FigureChoice(three, chosen="ma")
    assert [label for label, _ in choice.picker.options] == ["Volcano plot", "MA plot", "P-values"]
    assert three[1].title in words(choice)
    choice.picker.value = "p_histogram"
    assert three[2].title in words(choice)
    assert three[1].title not in words(choice)
    again = choice.children[1]
    choice.picker.value = "volcano"
    choice.picker.value = "p_histogram"
    assert choice.children[1] is again


def test_no_figures_are_no_choice() -> None:
    assert FigureChoice([]).children == ()
