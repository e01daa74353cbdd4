"""Flows: wiring by names, checks before anything runs, and what a flow gives in memory."""

from __future__ import annotations

import asyncio
import functools
import re
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omics_nb.errors import FlowError
from omics_nb.workflow import Columns, Flow, step
from omics_nb.workflow.contracts import ContractError


def hits(query: str) -> list[str]:
    return [query, query.upper()]


def study(hits: list[str], pick: int = 0) -> str:
    return hits[pick]


def test_parameters_name_steps_and_inputs_in_any_order_of_listing() -> None:
    flow = Flow("f", [study, hits], output="study")
    assert flow.inputs == {"pick": False, "query": True}
    assert flow(query="a") == "a"
    assert flow(query="a", pick=1) == "A"


def test_the_last_step_listed_is_the_output_unless_one_is_named() -> None:
    assert Flow("f", [hits, study])(query="a") == "a"
    assert Flow("f", [hits, study], output="hits")(query="a") == ["a", "A"]
    with pytest.raises(FlowError, match="no step 'nothing' to give; it has hits, study"):
        Flow("f", [hits, study], output="nothing")


def test_a_cycle_is_refused_with_its_path_drawn() -> None:
    def a(c: int) -> int:
        return c

    def b(a: int) -> int:
        return a

    def c(b: int) -> int:
        return b

    with pytest.raises(FlowError, match=re.escape("has a cycle: a → b → c → a")) as caught:
        Flow("loop", [a, b, c])
    assert caught.value.path == ("a", "b", "c", "a")


def test_a_step_that_waits_for_itself_is_a_cycle() -> None:
    def a(a: int) -> int:
        return a

    with pytest.raises(FlowError, match="a → a"):
        Flow("loop", [a])


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(FlowError, match="two steps named 'hits'"):
        Flow("f", [hits, hits])
    assert Flow("f", [hits, step(hits, name="more")]).output == "more"


def test_a_flow_needs_steps() -> None:
    with pytest.raises(FlowError, match="has no steps"):
        Flow("f", [])


def test_missing_and_unknown_inputs_say_the_nearest_name() -> None:
    flow = Flow("f", [hits, study])
    with pytest.raises(FlowError, match="takes no input 'quory'.*did you mean 'query'"):
        flow(quory="a")
    with pytest.raises(FlowError, match="needs 'query': step 'hits' waits for it"):
        flow(pick=1)
    with pytest.raises(FlowError, match="takes no input 'pik'; it takes query, pick; did you mean 'pick'"):
        flow(query="a", pik=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout_s": 1.0}, "cannot stop a function"),
        ({"timeout_s": 1.0, "isolation": "inline"}, "cannot stop a function"),
        ({"retries": -1}, "retries is 0 or more"),
        ({"weight": 0}, "weight above 0"),
        ({"limit": 0}, "limit at least 1"),
        ({"isolation": "cloud"}, "isolation is one of"),
        ({"isolation": "async"}, "async functions take isolation='async'"),
        ({"on_failure": "ignore"}, "on_failure is one of"),
        ({"each": {"nothing": "items"}}, "no parameter 'nothing'"),
        ({"each": {"a": "b", "c": "d"}}, "one parameter and its list"),
        ({"retry": 3}, "takes no 'retry'"),
    ],
)
def test_options_that_cannot_work_are_refused_when_they_are_given(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(FlowError, match=message):
        step(hits, **options)


def test_what_cannot_be_wired_by_name_is_refused() -> None:
    def spread(*args: int) -> int:
        return len(args)

    with pytest.raises(FlowError, match="cannot take"):
        Flow("f", [spread])
    with pytest.raises(FlowError, match="needs a name"):
        Flow("f", [lambda: 1])
    with pytest.raises(FlowError, match="is a function"):
        Flow("f", [3])  # type: ignore[list-item]


def test_partials_and_callable_objects_are_steps_too() -> None:
    @dataclass
    class Scale:
        factor: int

        def __call__(self, value: int) -> int:
            return value * self.factor

    def add(value: int, more: int) -> int:
        return value + more

    flow = Flow(
        "f",
        [
            step(functools.partial(add, more=3), name="value2"),
            step(Scale(10), name="scaled"),
            lambda_sum,
        ],
    )
    assert flow(value=1) == 14


def lambda_sum(value2: int, scaled: int) -> int:
    return value2 + scaled


def test_a_decorated_step_is_still_the_function() -> None:
    @step(retries=2)
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8
    assert double.options.retries == 2
    assert Flow("f", [double])(x=1) == 2


def test_a_step_runs_for_each_item_and_gives_the_list() -> None:
    def square(item: int, power: int) -> int:
        return item**power

    def total(square: list[int]) -> int:
        return sum(square)

    flow = Flow("f", [step(square, each={"item": "items"}), total])
    assert flow.inputs == {"items": True, "power": True}
    assert flow(items=[1, 2, 3], power=2) == 14
    assert flow(items=[], power=2) == 0
    untyped = Flow("f", [step(lambda item: item, name="same", each={"item": "items"})])
    with pytest.raises(FlowError, match="runs for each item of 'items', which is no list: int"):
        untyped(items=3)


def test_a_flow_is_a_step_and_takes_what_its_inputs_name() -> None:
    inner = Flow("qc", [step(lambda raw, floor=0: max(raw, floor), name="norm"), lambda_twice])
    flow = Flow("outer", [step(lambda x: x + 1, name="raw"), inner, step(lambda qc: qc + 100, name="end")])
    assert [node.path for node in flow.nodes] == ["raw", "qc/norm", "qc/twice", "end"]
    assert flow(x=1) == 104
    assert flow(x=1, floor=10) == 120


def twice(norm: int) -> int:
    return 2 * norm


lambda_twice = step(twice)


def test_a_flow_runs_for_each_item_too() -> None:
    inner = Flow("qc", [step(lambda sample: sample + 1, name="norm"), lambda_twice])
    flow = Flow("outer", [step(inner, each={"sample": "samples"}), step(lambda qc: qc, name="end")])
    assert flow(samples=[1, 2]) == [4, 6]


def test_a_condition_skips_a_step_and_what_needs_it_but_not_what_has_a_default() -> None:
    flow = Flow(
        "f",
        [
            step(lambda x: x * 2, name="maybe", when=lambda x: x > 0),
            step(lambda maybe: maybe + 1, name="needs"),
            step(lambda maybe=None, needs="none": (maybe, needs), name="end"),
        ],
    )
    assert flow(x=1) == (2, 3)
    assert flow(x=-1) == (None, "none")


def test_async_steps_run_in_memory_within_and_without_a_loop() -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    flow = Flow("f", [later])

    async def inside() -> int:
        return int(flow(x=1))

    assert flow(x=1) == 2
    assert asyncio.run(inside()) == 2


# --- contracts -------------------------------------------------------------------------------------------------------


class Sheet(pydantic.BaseModel):
    name: str


class FullSheet(Sheet):
    rows: list[str]


@dataclass(frozen=True)
class Point:
    x: int


Table = Annotated[pd.DataFrame, Columns("logFC", "t")]
Wide = Annotated[pd.DataFrame, Columns("logFC", "t", "B")]


def test_types_that_clash_are_refused_with_the_path_drawn() -> None:
    def number(x: int) -> int:
        return x

    def text(number: str) -> str:
        return number

    with pytest.raises(
        ContractError, match=re.escape("number() → int does not fit text(number: str)")
    ) as caught:
        Flow("f", [number, text])
    assert caught.value.path == ("number", "text")


def test_types_are_compared_into_a_flow_and_out_of_it() -> None:
    def number(x: int) -> int:
        return x

    def texts(number: str) -> list[str]:
        return [number]

    def each_one(text: str) -> int:
        return len(text)

    inner = Flow("inner", [texts, step(each_one, each={"text": "texts"})])
    with pytest.raises(
        ContractError, match=re.escape("number() → int does not fit inner/texts(number: str)")
    ):
        Flow("outer", [number, inner])
    with pytest.raises(ContractError, match=re.escape("does not fit outer/inner/texts(number: str)")):
        Flow("outermost", [number, Flow("outer", [inner])])

    def words(x: int) -> list[int]:
        return [x]

    with pytest.raises(ContractError, match=re.escape("does not fit inner/texts(number: list[str])")):
        Flow("each", [words, step(inner, each={"number": "words"})])

    def total(inner: list[int]) -> int:
        return sum(inner)

    def wrong(inner: int) -> int:
        return inner

    assert Flow("outer", [inner, total])(number="abc") == 3
    with pytest.raises(ContractError, match=re.escape("inner() → list[int] does not fit wrong(inner: int)")):
        Flow("outer", [inner, wrong])


def test_a_condition_is_held_to_its_types_too() -> None:
    def number(x: int) -> int:
        return x

    def short(number: str) -> bool:
        return len(number) < 3

    with pytest.raises(ContractError, match=re.escape("number() → int does not fit end(number: str)")):
        Flow("f", [number, step(lambda x: x, name="end", when=short)])


def test_frames_say_which_columns_they_have_and_need() -> None:
    def table(x: int) -> Table:
        return pd.DataFrame({"logFC": [1.0], "t": [2.0]})

    def wide(table: Wide) -> int:
        return len(table)

    def narrow(table: Annotated[pd.DataFrame, Columns("t")]) -> int:
        return len(table)

    with pytest.raises(
        ContractError, match=re.escape("DataFrame[logFC, t] does not fit wide(table: DataFrame[B,")
    ):
        Flow("f", [table, wide])
    assert Flow("f", [table, narrow])(x=1) == 1


@pytest.mark.parametrize(
    ("given_type", "wanted_type", "fits"),
    [
        (int, float, True),
        (bool, int, True),
        (float, int, False),
        (int | None, int, True),
        (str | None, int, False),
        (list[int], list[int], True),
        (list[int], list[str], False),
        (dict[str, int], dict[str, int], True),
        (Any, int, True),
        (pd.DataFrame, Any, True),
        (FlowError, Exception, True),
        (Exception, FlowError, False),
        (Sheet, Sheet, True),
        (FullSheet, Sheet, True),
        (Sheet, FullSheet, False),
        (Point, Sheet, False),
        (list[FullSheet], list[Sheet], True),
    ],
)
def test_types_fit_where_a_value_of_one_may_be_the_other(
    given_type: Any, wanted_type: Any, fits: bool
) -> None:
    def a() -> Any:
        return None

    def b(a: Any) -> None:
        return None

    a.__annotations__["return"], b.__annotations__["a"] = given_type, wanted_type
    if fits:
        Flow("f", [a, b])
    else:
        with pytest.raises(ContractError):
            Flow("f", [a, b])


def test_a_fan_out_takes_a_list_of_what_each_item_is() -> None:
    def items() -> list[int]:
        return [1]

    def one(item: int) -> str:
        return str(item)

    def wrong(item: str) -> str:
        return item

    def joined(one: list[str]) -> str:
        return "".join(one)

    def not_joined(one: str) -> str:
        return one

    each = step(one, each={"item": "items"})
    assert Flow("f", [items, each, joined])() == "1"
    with pytest.raises(ContractError, match=re.escape("one() → list[str] does not fit not_joined(one: str)")):
        Flow("f", [items, each, not_joined])
    with pytest.raises(
        ContractError, match=re.escape("items() → list[int] does not fit wrong(item: list[str])")
    ):
        Flow("f", [items, step(wrong, each={"item": "items"})])


# --- an oracle -------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    n = draw(st.integers(1, 12))
    return {
        f"s{i}": draw(st.lists(st.sampled_from([f"s{j}" for j in range(i)]), unique=True)) if i else []
        for i in range(n)
    }


@given(graphs(), st.randoms(use_true_random=False))
def test_any_graph_in_any_order_gives_what_plain_calls_give(graph: dict[str, list[str]], random: Any) -> None:
    functions = {}
    for name, sources in graph.items():
        namespace: dict[str, Any] = {}
        exec(f"def {name}(x, {', '.join(sources)}): return [x, {name!r}, {', '.join(sources)}]", namespace)
        functions[name] = namespace[name]
    listed = list(functions.values())
    random.shuffle(listed)
    output = random.choice(list(graph))
    values: dict[str, Any] = {}
    for name, sources in graph.items():
        values[name] = functions[name](7, **{source: values[source] for source in sources})
    assert Flow("f", listed, output=output)(x=7) == values[output]
