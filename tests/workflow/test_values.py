"""Values as text and files: exact both ways, never pickle, damage is seen."""

from __future__ import annotations

import dataclasses
import enum
import json
import string
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pydantic
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from omics_nb import records
from omics_nb.errors import FlowError, IntegrityError, StoreError
from omics_nb.workflow import register, values
from omics_nb.workflow.values import Folder, decode, encode, file_names, item_texts


class Colour(enum.Enum):
    RED = 1
    BLUE = (1, 2)


class Pair(NamedTuple):
    left: int
    right: str = "r"


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float = 0.0
    notes: tuple[str, ...] = ()
    norm: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", self.x + self.y)


class Model(pydantic.BaseModel):
    name: str
    values: list[int] = []


register(Colour, Pair, Point, Model)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "values")


def same(value: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down; NaN is itself."""
    if type(value) is not type(other):
        return False
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(same, value, other))
    if isinstance(value, (dict, MappingProxyType)):
        return list(value) == list(other) and all(same(value[key], other[key]) for key in value)
    return bool(value == other or (value != value and other != other))


PLAIN: list[Any] = [
    None,
    True,
    0,
    -(10**30),
    1.0,
    -0.0,
    0.1,
    1e-300,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "µ → \ud800 \x00",
    b"",
    b"\x00\xff",
    3 + 4j,
    complex("nan+infj"),
    [],
    [1, [2.0, [None]]],
    (),
    (1, (2, "x")),
    {},
    {"a": 1, "b": {"c": (1,)}},
    {"$type": "fake", "fields": 1},
    {1: "int", "1": "str", (2, 3): "tuple", None: 0, 1.5: []},
    {3, 1, 2},
    frozenset({"a", "b"}),
    MappingProxyType({"k": (1, 2)}),
    date(2024, 2, 29),
    datetime(2024, 1, 2, 3, 4, 5, 678901),
    datetime(2024, 1, 2, tzinfo=UTC),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    time(12, 30, 1),
    timedelta(days=-1, microseconds=3),
    Decimal("1.10"),
    uuid.UUID(int=5),
    range(1, 10, 2),
    Path("a/b"),
    PurePosixPath("/x"),
    PureWindowsPath("c:/y"),
    Colour.BLUE,
    Pair(1, "z"),
    Point(1.0, 2.0, ("n",)),
    Model(name="m", values=[1, 2]),
    np.float64("nan"),
    np.float32(0.1),
    np.int8(-3),
    np.uint64(2**63),
    np.bool_(True),
    np.str_("s"),
    np.complex128(1j),
    np.datetime64("2020-01-01T00:00:00.123456789"),
    np.timedelta64(5, "s"),
    pd.Timestamp("2020-01-01 00:00:00.123456789", tz="Europe/Berlin"),
    pd.Timestamp("2020-01-01").as_unit("s"),
    pd.Timedelta("1s 1ns"),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}")
def test_a_value_comes_back_as_it_was(value: Any, folder: Folder) -> None:
    back = decode(encode(value, folder).text, folder)
    assert same(value, back), (value, back)


def test_missing_values_of_pandas_are_themselves(folder: Folder) -> None:
    back = decode(encode([pd.NA, pd.NaT, None], folder).text, folder)
    assert back[0] is pd.NA
    assert back[1] is pd.NaT
    assert back[2] is None


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, UTC])),
    st.decimals(allow_nan=False),
    st.sampled_from([Colour.RED, Pair(2, "q"), Path("p")]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.dictionaries(st.one_of(st.integers(), st.text(max_size=3)), inner, max_size=3),
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(TREES)
@example({"$ref": "0" * 64 + ".json"})
def test_any_tree_comes_back_as_it_was_and_has_one_text(folder: Folder, value: Any) -> None:
    encoded = encode(value, folder)
    back = decode(encoded.text, folder)
    assert same(value, back), (value, back)
    assert encode(back, folder).text == encoded.text
    assert file_names(encoded.text, folder) == set(encoded.files)


# --- frames ----------------------------------------------------------------------------------------------------------

nan = float("nan")
FRAMES: dict[str, pd.DataFrame] = {
    "plain": pd.DataFrame({"a": [1.0, nan], "b": ["x", "y"]}, index=pd.Index(["p", "q"], name="id")),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype=float), "b": pd.Series([], dtype=object)}),
    "no columns": pd.DataFrame(index=["a", "b"]),
    "number labels": pd.DataFrame(np.eye(2), columns=[3, 1]),
    "equal labels": pd.DataFrame(np.eye(2), columns=["a", "a"]),
    "mixed labels": pd.DataFrame(np.eye(3), columns=["a", 1, None]),
    "mixed cells": pd.DataFrame({"a": [1, "x"], "b": [None, nan], "c": [(1, 2), date(2020, 1, 1)]}),
    "kinds of missing": pd.DataFrame(
        {"a": ["x", None], "b": ["x", nan], "c": ["x", pd.NA], "d": [None, None]}
    ),
    "object integers": pd.DataFrame(
        {"a": np.array([1, 2], dtype=object), "b": np.array([True, None], dtype=object)}
    ),
    "categories": pd.DataFrame(
        {
            "a": pd.Categorical(["x", None, "z"], categories=["z", "y", "x"], ordered=True),
            "b": pd.Categorical([3, 1, 3]),
            "c": pd.Categorical([None, None, None]),
        }
    ),
    "moments": pd.DataFrame(
        {
            "ns": pd.to_datetime(["2020-01-01", None]),
            "s": pd.to_datetime(["2020-01-01", None]).astype("datetime64[s]"),
            "tz": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Berlin"),
            "delta": pd.to_timedelta([1, None]),
            "delta s": pd.to_timedelta([1, None]).astype("timedelta64[s]"),
        }
    ),
    "extensions": pd.DataFrame(
        {
            "a": pd.array([1, None], dtype="Int64"),
            "b": pd.array([True, None], dtype="boolean"),
            "c": pd.array(["x", None], dtype="string"),
            "d": pd.period_range("2020-01", periods=2, freq="M"),
            "e": pd.interval_range(0, 2),
            "f": pd.array([1.5, None], dtype="Float64"),
        }
    ),
    "complex": pd.DataFrame({"a": [1j, complex("nan")]}),
    "small types": pd.DataFrame(
        {"a": np.array([1, 2], "f2"), "b": np.array([1, 2], "u1"), "c": [True, False]}
    ),
    "foreign byte order": pd.DataFrame({"a": np.array([1.5, 2], dtype=">f8")}),
    "levels": pd.DataFrame(
        {("a", 1): [1], ("b", 2): [2]}, index=pd.MultiIndex.from_tuples([("x", 1)], names=["k", None])
    ),
    "frequency": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, freq="D", name="t")),
    "range index": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="r")),
    "name of labels": pd.DataFrame({"a": [1]}).rename_axis(columns="cc"),
    "categories as index": pd.DataFrame(
        {"a": [1, 2]}, index=pd.CategoricalIndex(["b", "a"], categories=["b", "a"])
    ),
    "wide": pd.DataFrame(np.arange(6_000.0).reshape(2, 3_000)),
    "from rows backwards": pd.DataFrame(np.arange(6).reshape(3, 2)).iloc[::-1],
    "no rows of moments": pd.DataFrame(
        {"a": pd.Series([], dtype="datetime64[ns]")}, index=pd.DatetimeIndex([])
    ),
    "lone surrogates": pd.DataFrame({"a": ["\ud800", "b"]}, dtype=object),
    "repeated index": pd.DataFrame({"a": [1, 2]}, index=["g", "g"]),
}


def assert_same_frame(frame: pd.DataFrame, back: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(frame, back, check_exact=True, check_freq=True, check_column_type=True)
    assert isinstance(back.index, type(frame.index))
    for at in range(frame.shape[1]):
        if frame.dtypes.iloc[at] == np.dtype(object):
            for one, other in zip(frame.iloc[:, at], back.iloc[:, at], strict=True):
                assert type(one) is type(other)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back_as_it_was(name: str, folder: Folder) -> None:
    frame = FRAMES[name]
    text = encode(frame, folder).text
    back = decode(text, folder)
    assert_same_frame(frame, back)
    assert encode(back, folder).text == text
    if back.size:
        back.iloc[0, 0] = back.iloc[0, 0]  # a frame that can be written to


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.text(string.printable, max_size=4), st.integers(-3, 3)),
            st.sampled_from(["float", "int", "text", "bool", "object", "date"]),
        ),
        max_size=5,
    ),
    st.integers(0, 6),
    st.data(),
)
def test_any_frame_comes_back_as_it_was(
    folder: Folder, columns: list[tuple[Any, str]], n_rows: int, data: st.DataObject
) -> None:
    cells = {
        "float": st.floats(width=64),
        "int": st.integers(-(2**63), 2**63 - 1),
        "text": st.one_of(st.text(max_size=5), st.none()),
        "bool": st.booleans(),
        "object": st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just(nan)),
        "date": st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)).map(pd.Timestamp),
    }
    dtypes = {
        "float": "float64",
        "int": "int64",
        "text": object,
        "bool": bool,
        "object": object,
        "date": "M8[ns]",
    }
    made = [
        pd.Series(data.draw(st.lists(cells[kind], min_size=n_rows, max_size=n_rows)), dtype=dtypes[kind])  # type: ignore[arg-type]
        for _, kind in columns
    ]
    frame = pd.DataFrame(dict(enumerate(made)), index=pd.RangeIndex(n_rows))
    frame.columns = pd.Index([label for label, _ in columns], dtype=object)
    assert_same_frame(frame, decode(encode(frame, folder).text, folder))


def test_series_indexes_and_arrays_come_back_as_they_were(folder: Folder) -> None:
    series = pd.Series([1.5, nan], index=["a", "b"], name=("x", 1))
    pd.testing.assert_series_equal(series, decode(encode(series, folder).text, folder), check_exact=True)
    for index in (pd.Index([1, 2], name="z"), pd.MultiIndex.from_product([["a"], [1, 2]], names=["p", "q"])):
        pd.testing.assert_index_equal(index, decode(encode(index, folder).text, folder))
    for array in (
        np.arange(6.0).reshape(2, 3),
        np.array([], dtype="i4"),
        np.array([1, "a", None], dtype=object),
    ):
        back = decode(encode(array, folder).text, folder)
        np.testing.assert_array_equal(array, back)
        assert array.dtype == back.dtype


def test_frames_are_parquet_that_others_can_open(folder: Folder) -> None:
    frame = pd.DataFrame(
        {"logFC": [1.0, 2.0], "symbol": ["A", "B"]}, index=pd.Index(["g1", "g2"], name="gene")
    )
    (name,) = encode(frame, folder).files
    assert name.endswith(".parquet")
    read = pq.read_table(folder.locate(name)).to_pandas()
    assert list(read.columns) == ["logFC", "symbol", "gene"]
    assert list(read["gene"]) == ["g1", "g2"]


def test_a_study_of_the_project_comes_back_as_it_was(folder: Folder) -> None:
    register(records.Study, records.FileRecord, records.Contrast)
    study = records.Study(
        accession="GSE1",
        title="t",
        summary="s",
        overall_design="d",
        organisms=("Homo sapiens",),
        types=(),
        published=date(2020, 1, 2),
        samples=pd.DataFrame({"platform": ["GPL1"]}, index=["GSM1"]),
        matrices=MappingProxyType({"GPL1": pd.DataFrame({"GSM1": [1.0, nan]}, index=["p1", "p2"])}),
        features={"GPL1": pd.DataFrame({"symbol": ["A", ""]}, index=["p1", "p2"])},
        value_kind="expression",
        source="demo",
        files=(records.FileRecord("f", "/x", 3, "ab", "2020"),),
        metadata={"title": ("t",)},
    )
    encoded = encode([study, records.Contrast("agent", "drug", "vehicle")], folder)
    back, contrast = decode(encoded.text, folder)
    assert contrast == records.Contrast("agent", "drug", "vehicle")
    assert len(encoded.files) == 3
    for item in dataclasses.fields(study):
        mine, its = getattr(study, item.name), getattr(back, item.name)
        if isinstance(mine, pd.DataFrame):
            assert_same_frame(mine, its)
        elif item.name in ("matrices", "features"):
            assert type(mine) is type(its)
            assert_same_frame(mine["GPL1"], its["GPL1"])
        else:
            assert same(mine, its)


# --- files -----------------------------------------------------------------------------------------------------------


def test_long_values_are_files_of_their_kind_and_short_ones_are_not(folder: Folder) -> None:
    assert encode("short", folder).files == {}
    kinds = {
        ".txt": "y" * 50_000,
        ".html": "<!DOCTYPE html>" + "y" * 50_000,
        ".json": list(range(20_000)),
        ".bin": b"y" * 50_000,
    }
    for suffix, value in kinds.items():
        encoded = encode(value, folder)
        assert [Path(name).suffix for name in encoded.files] == [suffix]
        assert len(encoded.text) < 120
        assert decode(encoded.text, folder) == value


def test_equal_values_are_one_file(folder: Folder) -> None:
    frame = pd.DataFrame({"a": [1.0]})
    assert encode(frame, folder) == encode(frame.copy(), folder)
    assert len(list(folder.path.glob("??/*"))) == 1


def test_no_value_is_pickled(folder: Folder) -> None:
    encode([FRAMES[name] for name in FRAMES], folder)
    for path in folder.path.glob("??/*"):
        assert path.suffix in (".parquet", ".arrow", ".json")


def test_a_damaged_or_missing_file_is_seen_when_it_is_read(folder: Folder) -> None:
    encoded = encode("y" * 50_000, folder)
    (name,) = encoded.files
    path = folder.locate(name)
    path.write_bytes(b"z" + path.read_bytes()[1:])
    with pytest.raises(IntegrityError, match="was changed"):
        decode(encoded.text, folder)
    path.unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        decode(encoded.text, folder)


def test_a_failed_write_leaves_nothing_behind(folder: Folder, tmp_path: Path) -> None:
    folder.path.write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        encode("y" * 50_000, folder)
    assert list(tmp_path.rglob("*.tmp")) == []


# --- refusals --------------------------------------------------------------------------------------------------------


class Stranger:
    pass


@dataclass
class NotRegistered:
    x: int = 0


class Sub(dict[str, int]):
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Stranger(), r"test_values.Stranger cannot be kept; give JSON values"),
        ({"a": [0, Stranger()]}, r"Stranger \(at a\[1\]\) cannot be kept"),
        (NotRegistered(), r"register it with workflow.register\(NotRegistered\)"),
        (Sub(), "Sub cannot be kept"),
        (OrderedDict(), "OrderedDict cannot be kept"),
        (lambda: 1, "function cannot be kept"),
        (np.longdouble(1), "longdouble cannot be kept"),
        (pd.DataFrame({"a": [Stranger()]}), "Stranger"),
        (
            pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])})
            .astype({"a": object})
            .assign(b=[Stranger(), 1]),
            "Stranger",
        ),
    ],
)
def test_what_cannot_come_back_is_refused(value: Any, message: str, folder: Folder) -> None:
    with pytest.raises(FlowError, match=message):
        encode(value, folder)


def test_a_value_within_itself_is_refused(folder: Folder) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(FlowError, match="refers to itself"):
        encode(loop, folder)


def test_types_that_are_not_known_or_have_changed_say_so(folder: Folder) -> None:
    text = encode(Point(1.0), folder).text
    with pytest.raises(FlowError, match="holds a 'Nobody', which is not registered"):
        decode(text.replace("Point", "Nobody"), folder)
    tree = json.loads(text)
    tree["$type"][1]["z"] = 1
    with pytest.raises(FlowError, match="the kept Point does not fit"):
        decode(json.dumps(tree), folder)
    del tree["$type"][1]["z"], tree["$type"][1]["y"]
    assert decode(json.dumps(tree), folder) == Point(1.0)


def test_only_known_shapes_are_registered_and_names_are_one_type(folder: Folder) -> None:
    with pytest.raises(FlowError, match="no dataclass"):
        register(Stranger)
    other = dataclasses.make_dataclass("Point", ["x"])
    other.__module__ = "elsewhere"
    with pytest.raises(FlowError, match="is registered as 'Point'"):
        register(other)
    register(other, name="elsewhere.Point")
    assert decode(encode(other(1), folder).text, folder) == other(1)


def test_items_of_a_list_have_texts_of_their_own(folder: Folder) -> None:
    long = ["y" * 20_000, (1, 2), 3]
    for value in (long, tuple(long)):
        text = encode(value, folder).text
        texts = item_texts(text, folder)
        assert texts is not None
        assert [decode(item, folder) for item in texts] == long
        assert texts == [encode(item, folder).text for item in long]
    assert item_texts(encode({"a": 1}, folder).text, folder) is None
    assert values.INLINE < 20_000
