"""Values held against the types that steps name: inputs before anything runs, results before they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import numpy as np
import pandas as pd
import pydantic
import pytest

from omics_nb.errors import RunFailedError
from omics_nb.workflow import Columns, Flow, list_runs, start, step
from omics_nb.workflow.contracts import ContractError

WAIT_S = 20


class Sheet(pydantic.BaseModel):
    name: str


class FullSheet(Sheet):
    rows: list[str]


@dataclass(frozen=True)
class Point:
    x: int


class Row(TypedDict):
    name: str
    values: list[int]
    note: NotRequired[str]


Table = Annotated[pd.DataFrame, Columns("logFC", "t")]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Accession = NewType("Accession", str)
TABLE = pd.DataFrame({"logFC": [1.0], "t": [2.0]})


def add(x: int) -> int:
    return x + 1


def double(add: int) -> int:
    return add * 2


FLOW = Flow("sums", [add, double])


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_an_input_of_another_type_is_refused_before_anything_runs(store: Path) -> None:
    drawn = re.escape("flow 'sums': input x → a str does not fit add(x: int)")
    with pytest.raises(ContractError, match=drawn) as caught:
        start(FLOW, {"x": "1"}, store=store)
    assert caught.value.path == ("x", "add")
    assert list_runs(store) == []
    with pytest.raises(ContractError, match=drawn):
        FLOW(x="1")


def test_an_input_is_held_against_every_step_that_takes_it_in_flows_within_too(store: Path) -> None:
    def texts(x: list[str]) -> int:
        return len(x)

    def either(x: list[Any]) -> int:
        return len(x)

    outer = Flow("outer", [either, Flow("inner", [texts])])
    with pytest.raises(
        ContractError, match=re.escape("input x → an int at [1] does not fit inner/texts(x: list[str])")
    ):
        start(outer, {"x": ["a", 2]}, store=store)


def test_what_a_step_runs_over_may_be_any_collection_of_such_items(store: Path) -> None:
    flow = Flow("each", [step(add, each={"x": "xs"})])
    for xs in ([1, 2], (1, 2), {1, 2}, frozenset({1, 2})):
        assert start(flow, {"xs": xs}, store=store).result(WAIT_S) == [2, 3]
    with pytest.raises(ContractError, match=re.escape("a str at [1] does not fit add(x: list[int])")):
        start(flow, {"xs": (1, "2")}, store=store)
    with pytest.raises(ContractError, match=re.escape("input xs → an int does not fit add(x: list[int])")):
        start(flow, {"xs": 3}, store=store)


def test_a_fork_holds_its_inputs_against_the_code_of_now(store: Path) -> None:
    run = start(FLOW, {"x": 1}, store=store)
    run.result(WAIT_S)
    with pytest.raises(ContractError, match="input x → a str does not fit"):
        run.rerun(with_={"x": "1"})

    def add(x: str) -> int:
        return len(x)

    with pytest.raises(ContractError, match=re.escape("input x → an int does not fit add(x: str)")):
        run.rerun(flow=Flow("sums", [add, double]))
    assert len(list_runs(store)) == 1


def test_what_inputs_were_checked_against_is_recorded(store: Path) -> None:
    def show(x: Share, name: str, other) -> str:  # type: ignore[no-untyped-def]
        return f"{name} {x}"

    run = start(Flow("told", [show]), {"x": 0.5, "name": "a", "other": 1}, store=store)
    run.result(WAIT_S)
    assert run.events()[0].data == {"contracts": {"x": "float[Ge(ge=0), Le(le=1)]", "name": "str"}}


# --- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("promised", "value"),
    [
        (list[int], [1, 2]),
        (list[float], [1, 2.5, np.float32(3)]),
        (list[int], [np.int64(1)]),
        (bool, np.bool_(True)),
        (Literal[1, 2], np.int64(2)),
        (list[Sheet], [Sheet(name="a"), FullSheet(name="b", rows=[])]),
        (list[Point], [Point(1)]),
        (dict[str, Table], {"a": TABLE}),
        (Mapping[str, int], {"a": 1}),
        (Sequence[str], ("a", "b")),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2, 3)),
        (set[str], {"a"}),
        (dict[str, list[int | None]], {"a": [1, None]}),
        (list[Any], [1, "a"]),
        (Row, {"name": "a", "values": [1]}),
        (Share, 0.5),
        (list[Share], [0, 1]),
        (Annotated[int, pydantic.Field(description="only told")], 5),
        (Literal["a", 1], 1),
        (Accession, "GSE1"),
    ],
)
def test_values_that_are_what_was_promised_are_taken(promised: Any, value: Any) -> None:
    assert made(promised, value)() is value


@pytest.mark.parametrize(
    ("promised", "value", "problem"),
    [
        (list[int], [1, "2"], "promises list[int] and gave a str at [1]"),
        (list[int], (1, 2), "gave a tuple"),
        (list[Sheet], [Sheet(name="a"), {"name": "b"}], "promises list[Sheet] and gave a dict at [1]"),
        (list[Point], [Point(1), None], "gave a NoneType at [1]"),
        (
            dict[str, Table],
            {"a": TABLE, "b": TABLE[["t"]]},
            "gave a frame without the columns logFC; it has t at ['b']",
        ),
        (dict[str, int], {1: 1}, "gave the key an int at [0]"),
        (dict[str, list[int]], {"a": [1], "b": [1, 2, "c"]}, "gave a str at ['b'][2]"),
        (tuple[int, str], (1, 2), "promises tuple[int, str] and gave an int at [1]"),
        (tuple[int, str], (1,), "gave a tuple of 1"),
        (tuple[int, ...], (1, "2"), "promises tuple[int, ...] and gave a str at [1]"),
        (Sequence[str], ["a", 1], "gave an int at [1]"),
        (set[str], {1}, "gave an int at [0]"),
        (Row, {"name": "a"}, "promises Row and gave a dict without values"),
        (Row, {"name": "a", "values": [1.5]}, "gave a float at ['values'][0]"),
        (Row, "a", "gave a str"),
        (Share, 1.5, "gave 1.5 (Input should be less than or equal to 1)"),
        (list[Share], [0.5, -1], "gave -1 (Input should be greater than or equal to 0) at [1]"),
        (Literal["a", "b"], "c", "promises Literal['a', 'b'] and gave 'c'"),
        (Literal["a", "b"], np.array(["a", "b"]), "promises Literal['a', 'b'] and gave a ndarray"),
        (Literal["a", "b"], TABLE, "gave a DataFrame"),
        (bool, np.array([True]), "promises bool and gave a ndarray"),
        (Accession, 1, "gave an int"),
        (int | list[str], [1], "gave a list"),
    ],
)
def test_values_that_are_something_else_are_refused_with_their_place(
    promised: Any, value: Any, problem: str
) -> None:
    with pytest.raises(ContractError, match=re.escape(problem)):
        made(promised, value)()


def made(promised: Any, value: Any) -> Flow:
    def make():  # type: ignore[no-untyped-def]
        return value

    make.__annotations__["return"] = promised
    return Flow("f", [make])


def test_a_step_that_breaks_its_promise_fails_and_its_value_is_not_kept(store: Path) -> None:
    def make(x: int) -> list[int]:
        return [x, str(x)]  # type: ignore[list-item]

    run = start(Flow("f", [step(make, retries=3, backoff_s=0)]), {"x": 1}, store=store)
    with pytest.raises(RunFailedError, match=re.escape("'make' promises list[int] and gave a str at [1]")):
        run.result(WAIT_S)
    assert [event.kind for event in run.events() if event.step] == ["started", "failed"]
