"""Interactive figures: plain JSON that plotly takes, harmless, quick, and with the same words beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from omics_nb import figures
from omics_nb.analysis.de import differential_expression
from omics_nb.errors import DataError
from omics_nb.figures import interactive
from omics_nb.figures.colours import groups_of
from omics_nb.figures.figure import Grid
from omics_nb.figures.labels import outline, place_names
from omics_nb.records import Contrast, DEResult, Study
from tests.analysis.conftest import MakeStudy
from tests.figures.test_figures import DRAWINGS, Draw

EVIL = "<b onmouseover=alert(1)>x</b>$\\frac{1}{2}$"


@pytest.fixture(params=list(DRAWINGS))
def draw(request: pytest.FixtureRequest) -> Draw:
    return DRAWINGS[request.param]


@pytest.fixture
def result(array_study: Study) -> DEResult:
    return differential_expression(array_study, contrast=("treatment", "drug", "vehicle"))


@pytest.fixture(scope="module")
def crowd() -> DEResult:
    """A result of 54,675 features, 400 of which are called."""
    rng = np.random.default_rng(1)
    n = 54_675
    change = np.concatenate(
        [rng.normal(0, 0.3, n - 400), rng.choice([-1, 1], 400) * rng.uniform(1.5, 4, 400)]
    )
    p = np.concatenate([rng.uniform(0.01, 1, n - 400), rng.uniform(1e-12, 1e-6, 400)])
    table = pd.DataFrame(
        {
            "symbol": [f"G{i}" for i in range(n)],
            "logFC": change, "AveExpr": rng.uniform(3, 14, n), "t": change,
            "P.Value": p, "adj.P.Val": np.minimum(p * 100, 1), "B": 0.0,
        },
        index=[f"{i}_at" for i in range(n)],
    )  # fmt: skip
    return DEResult(table, "GSE1", "GPL1", Contrast("a", "b", "c"), "~ a", "limma", {}, "", "test")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def test_plotly_takes_the_document_as_it_is(draw: Draw, array_study: Study, result: DEResult) -> None:
    go = pytest.importorskip("plotly.graph_objects", reason="plotly is not installed")
    document = draw(array_study, result).to_plotly()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    drawn = go.Figure(data=document["data"], layout=document["layout"])
    assert len(drawn.data) == len(document["data"]) >= 1


def test_the_document_asks_no_other_host_and_has_no_mathematics(array_study: Study, result: DEResult) -> None:
    document = figures.volcano(result).to_plotly()
    assert "http" not in json.dumps(document)
    assert document["config"]["typesetMath"] is False
    assert document["config"]["displaylogo"] is False
    assert document["config"]["showSendToCloud"] is False


def test_markup_of_strangers_is_escaped(make_study: MakeStudy) -> None:
    study = make_study(
        np.random.default_rng(0).normal(8, 1, (30, 6)), {"arm": [EVIL] * 3 + ["plain"] * 3},
        symbols=[EVIL] * 30, accession=f"GSE1{EVIL}",
    )  # fmt: skip
    result = differential_expression(study, contrast=Contrast("arm", EVIL, "plain"))
    for draw in DRAWINGS.values():
        for text in strings(draw(study, result).to_plotly()):
            assert "<b onmouse" not in text
            assert "<script" not in text


def test_a_crowd_is_thinned_to_its_shape_and_says_so(crowd: DEResult) -> None:
    figure = figures.volcano(crowd)
    assert len(figure.data) == 54_675
    document = figure.to_plotly()
    drawn = {trace["name"]: len(trace["x"]) for trace in document["data"]}
    assert drawn["below the thresholds"] <= interactive.MOST_QUIET
    assert drawn["higher in b"] + drawn["lower in b"] == 400
    assert len(json.dumps(document)) < 500_000
    said = interactive.thinned(figure)
    assert said == (
        f"Drawn here: {drawn['below the thresholds']:,} of 54,275 below the thresholds, which keep the shape of all."
    )
    assert said in str(figures.figure_words(figure, said))


def test_all_of_a_small_figure_is_drawn(result: DEResult) -> None:
    figure = figures.volcano(result)
    assert sum(len(trace["x"]) for trace in figure.to_plotly()["data"]) == len(figure.data) == 200
    assert interactive.thinned(figure) == ""


def test_pointing_at_a_gene_tells_its_numbers(result: DEResult) -> None:
    best = result.top(1)
    change = best["logFC"].iloc[0]
    (told,) = (
        told
        for trace in figures.volcano(result).to_plotly()["data"]
        for name, told in zip(trace["text"], trace["customdata"], strict=True)
        if name == best["symbol"].iloc[0]
    )
    assert told[0] == best.index[0]
    assert told[1] == f"{change:.4g}"


def test_names_that_one_asks_for_are_written(result: DEResult) -> None:
    document = figures.volcano(result, n_labels=0, labels=["gene150", "F160"]).to_plotly()
    assert {note["text"] for note in document["layout"]["annotations"]} == {"GENE150", "GENE160"}
    with pytest.raises(DataError, match="'GENE15O' with a result; did you mean 'GENE15"):
        figures.volcano(result, labels=["GENE15O"])


@given(
    hnp.arrays(np.float64, st.integers(1, 4_000), elements=st.floats(-50, 50)),
    st.integers(100, 1_000),
    st.randoms(use_true_random=False),
)
def test_a_thinned_crowd_keeps_its_extent(x: np.ndarray, most: int, random: Any) -> None:
    y = np.array([random.random() for _ in x])
    kept = outline(x, y, most)
    assert len(kept) <= max(most, 0)
    assert len(set(kept.tolist())) == len(kept)
    if len(x) <= most:
        assert len(kept) == len(x)
    elif len(kept) < most:  # a grid of 16 cells, at the coarsest
        assert np.ptp(x[kept]) >= np.ptp(x) * (1 - 2 / 16)


SPOT = st.tuples(st.floats(0, 400), st.floats(0, 300))


@given(st.lists(st.tuples(SPOT, st.text("AB1", min_size=1, max_size=9)), max_size=30))
def test_no_name_covers_another_or_leaves_the_area(named: list[tuple[tuple[float, float], str]]) -> None:
    spots, names = [spot for spot, _ in named], [name for _, name in named]
    boxes = []
    for place in place_names(spots, names, (0, 0, 400, 300), size=8):
        long = 0.62 * 8 * len(names[place.which])
        x, y = spots[place.which][0] + place.dx, spots[place.which][1] + place.dy
        left = x if place.right else x - long
        boxes.append((left, y - 5.2, left + long, y + 5.2))
    for i, a in enumerate(boxes):
        assert a[0] >= -1e-9
        assert a[2] <= 400 + 1e-9
        for b in boxes[:i]:
            assert a[0] >= b[2] - 1e-9 or b[0] >= a[2] - 1e-9 or a[1] >= b[3] - 1e-9 or b[1] >= a[3] - 1e-9


def test_groups_differ_in_colour_and_mark() -> None:
    looks = [(group.colour, group.marker) for group in groups_of(str(i) for i in range(56))]
    assert len(set(looks)) == 56
    assert len({colour for colour, _ in looks[:7]}) == len({mark for _, mark in looks[:7]}) == 7


def test_a_heat_map_shows_the_annotation_that_one_asks_for(array_study: Study, result: DEResult) -> None:
    figure = figures.heat_map(array_study, result, annotate="batch")
    (grid,) = (layer for layer in figure.layers if isinstance(layer, Grid))
    assert grid.groups == ("1", "1", "2", "2", "1", "1", "2", "2")
    assert grid.columns[:2] == ("GSM1", "GSM3")
    assert figure.legend == "batch"
    cells = figure.data[list(grid.columns)].to_numpy()
    np.testing.assert_allclose(cells.mean(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("suffix", ["svg", "png", "csv"])
def test_a_figure_is_saved_by_its_suffix(suffix: str, result: DEResult, tmp_path: Path) -> None:
    figure = figures.volcano(result)
    path = figure.save(tmp_path / "new" / f"volcano.{suffix}")
    content = path.read_bytes()
    begins = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "csv": b'"feature"'}
    assert content.startswith(begins[suffix])


def test_the_csv_of_a_figure_gives_its_data_back(result: DEResult) -> None:
    figure = figures.volcano(result)
    again = pd.read_csv(StringIO(figure.to_csv()), float_precision="round_trip", dtype={"symbol": str})
    pd.testing.assert_frame_equal(again, figure.data, check_exact=True)


def test_other_suffixes_and_places_that_cannot_be_written_are_refused(
    result: DEResult, tmp_path: Path
) -> None:
    figure = figures.p_histogram(result)
    with pytest.raises(DataError, match=r"saved as \.svg, \.png or \.csv"):
        figure.save(tmp_path / "x.pdf")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        figure.save(tmp_path / "file" / "x.svg")


def test_every_figure_has_words_and_a_table(draw: Draw, array_study: Study, result: DEResult) -> None:
    figure = draw(array_study, result)
    assert figure.text.endswith(".")
    assert 1 <= len(figure.table) <= 60
    html = figure._repr_html_()
    assert "The same as a table" in html
    assert html.count("<tr>") == len(figure.table) + 1


def test_a_cell_shows_plotly_s_document_a_picture_and_the_words(
    result: DEResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    import IPython.display

    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(IPython.display, "publish_display_data", shown.append)
    figure = figures.ma(result)
    figure._ipython_display_()
    drawn, said = shown
    assert drawn["application/vnd.plotly.v1+json"] == figure.to_plotly()
    assert "data:image/svg+xml;base64," in drawn["text/html"]
    assert figure.text in said["text/plain"]
    assert "The same as a table" in said["text/html"]


def test_a_forest_plot_needs_its_columns() -> None:
    with pytest.raises(DataError, match="name, estimate, low, high"):
        figures.forest(pd.DataFrame({"name": ["a"]}), title="x")


def test_figures_of_a_study_with_missing_values_are_drawn(array_study: Study) -> None:
    values = array_study.matrices["GPL1"].copy()
    values.iloc[::3, 2] = np.nan
    study = replace(array_study, matrices={"GPL1": values})
    for draw in (figures.box, figures.density, figures.correlation, figures.pca):
        document = draw(study, color_by="treatment").to_plotly()
        assert json.dumps(document, allow_nan=False)
