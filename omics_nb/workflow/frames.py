"""Frames, series and arrays as files that the field can open (Parquet, NumPy's .npy, .h5ad), exact both ways.

Parquet alone loses what pandas knows: NaN becomes null, an object column of integers an int64 one, a label that is no
text a text. So the columns are written as Arrow's own types and a recipe beside them, in the file's metadata, says
how to make the very frame again.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_RECIPE = b"recipe"
#: Parquet spends about a kilobyte on each column; wider frames are Arrow files.
_MOST_PARQUET_COLUMNS = 2_000
_MISSING: dict[str, Any] = {"none": None, "nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT}

Put = Callable[[Any, str], str]
Tree = Callable[[Any], Any]


def to_tree(value: Any, put: Put, tree: Tree) -> dict[str, Any] | None:
    """The tree of a NumPy, pandas or AnnData value; None if it is of no type that is known here."""
    kind = type(value)
    if kind is pd.DataFrame:
        return {"$frame": _put_frame(value, put, tree)}
    if kind is pd.Series:
        frame = value.to_frame(name="values")
        return {"$series": _put_frame(frame, put, tree), "name": tree(value.name)}
    if isinstance(value, pd.Index):
        return {"$index": _put_frame(pd.DataFrame(index=value), put, tree)}
    if kind is np.ndarray and value.dtype.kind == "O":
        return {"$objects": [tree(item) for item in value.ravel()], "shape": list(value.shape)}
    if kind is np.ndarray:
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return {"$array": put(file.getbuffer(), ".npy")}
    if value is pd.NA or value is pd.NaT:
        return {"$missing": "NA" if value is pd.NA else "NaT"}
    if kind is pd.Timestamp:
        zone = None if value.tz is None else str(value.tz)
        return {"$timestamp": value.asm8.view("i8").item(), "unit": value.unit, "zone": zone}
    if kind is pd.Timedelta:
        return {"$interval": value.asm8.view("i8").item(), "unit": value.unit}
    if isinstance(value, np.generic) and value.dtype.kind in "biufcSUmM" and kind is not np.longdouble:
        plain = value.view("i8").item() if value.dtype.kind in "mM" else value.item()
        return {"$scalar": tree(plain), "dtype": value.dtype.str}
    if kind.__name__ == "AnnData":
        with _temporary() as path:
            value.write_h5ad(path)
            return {"$anndata": put(path.read_bytes(), ".h5ad")}
    return None


def from_tree(
    tag: str, found: dict[str, Any], get: Callable[[str], bytes], decode: Callable[[str], Any]
) -> Any:
    """The value of a tree that :func:`to_tree` made."""
    if tag == "$frame":
        return _get_frame(get(found[tag]), decode)
    if tag == "$series":
        return _get_frame(get(found[tag]), decode)["values"].rename(found["name"])
    if tag == "$index":
        return _get_frame(get(found[tag]), decode).index
    if tag == "$array":
        return np.load(io.BytesIO(get(found[tag])), allow_pickle=False)
    if tag == "$objects":
        array = np.empty(len(found[tag]), dtype=object)
        array[:] = found[tag]
        return array.reshape(found["shape"])
    if tag == "$missing":
        return _MISSING[found[tag]]
    if tag == "$timestamp":
        moment = pd.Timestamp(np.datetime64(found[tag], found["unit"]))
        return moment if found["zone"] is None else moment.tz_localize("UTC").tz_convert(found["zone"])
    if tag == "$interval":
        return pd.Timedelta(np.timedelta64(found[tag], found["unit"]))
    if tag == "$scalar":
        dtype = np.dtype(found["dtype"])
        return np.int64(found[tag]).view(dtype) if dtype.kind in "mM" else dtype.type(found[tag])
    if tag == "$anndata":
        import anndata

        with _temporary() as path:
            path.write_bytes(get(found[tag]))
            return anndata.read_h5ad(path)
    raise ValueError(f"a kept value has the tag {tag!r}, which this version does not know")


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "value"


# --- frames ----------------------------------------------------------------------------------------------------------


def _put_frame(frame: pd.DataFrame, put: Put, tree: Tree) -> str:
    arrays: list[Any] = []
    names: list[str] = []

    def add(label: object, values: Any) -> dict[str, Any]:
        array, recipe = _to_arrow(values, tree)
        name = str(label)
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
        arrays.append(array)
        return recipe

    taken: set[str] = set()
    columns = [add(label, frame.iloc[:, at]) for at, label in enumerate(frame.columns)]
    recipe = {
        "columns": columns,
        "labels": _labels(frame.columns, lambda values: {"items": [tree(item) for item in values]}, tree),
        "index": _labels(frame.index, lambda values: add(values.name or "index", pd.Series(values)), tree),
        "n_rows": len(frame),
        "attrs": tree(frame.attrs),
    }
    schema = pa.schema([pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)])
    table = pa.Table.from_arrays(arrays, schema=schema.with_metadata({_RECIPE: json.dumps(recipe)}))
    sink = pa.BufferOutputStream()
    if len(arrays) > _MOST_PARQUET_COLUMNS:
        with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
            file.write_table(table)
        return put(memoryview(sink.getvalue()), ".arrow")
    texts = [name for name, array in zip(names, arrays, strict=True) if pa.types.is_string(array.type)]
    pq.write_table(table, sink, compression="zstd", use_dictionary=texts)
    return put(memoryview(sink.getvalue()), ".parquet")


def _get_frame(data: bytes, decode: Callable[[str], Any]) -> pd.DataFrame:
    source = pa.BufferReader(data)
    table = pa.ipc.open_file(source).read_all() if data[:6] == b"ARROW1" else pq.read_table(source)
    recipe = json.loads(table.schema.metadata[_RECIPE])
    columns = recipe["columns"]
    made = [_from_arrow(table.column(at), item, decode) for at, item in enumerate(columns)]
    rest = iter(range(len(columns), table.num_columns))
    index = _get_labels(
        recipe["index"], lambda item: _from_arrow(table.column(next(rest)), item, decode), decode
    )
    labels = _get_labels(recipe["labels"], lambda item: decode(json.dumps(item["items"])), decode)
    for at, item in enumerate(made):
        if item.dtype == object:  # of the bare array pandas 3 would make a column of text
            made[at] = pd.Series(item, index=index, dtype=object, copy=False)
    frame = pd.DataFrame(dict(enumerate(made)), index=index) if made else pd.DataFrame(index=index)
    frame.columns = labels
    frame.attrs = decode(json.dumps(recipe["attrs"]))
    return frame


def _labels(index: pd.Index, store: Callable[[pd.Index], dict[str, Any]], tree: Tree) -> dict[str, Any]:
    """How to make an index again; ``store`` keeps the values of one level and gives their recipe."""
    names = [tree(name) for name in index.names]
    if type(index) is pd.RangeIndex:
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [index.get_level_values(at) for at in range(index.nlevels)]
    return {
        "many": isinstance(index, pd.MultiIndex),
        "levels": [store(level) for level in levels],
        "dtypes": [_dtype(level) for level in (index.levels if isinstance(index, pd.MultiIndex) else levels)],
        "names": names,
        "freq": index.freqstr if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) else None,
    }


def _get_labels(
    recipe: dict[str, Any], load: Callable[[dict[str, Any]], Any], decode: Callable[[str], Any]
) -> pd.Index:
    names = [decode(json.dumps(name)) for name in recipe["names"]]
    if "range" in recipe:
        start, stop, step = recipe["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    dtypes = [None if dtype is None else pd.api.types.pandas_dtype(dtype) for dtype in recipe["dtypes"]]
    levels: list[Any] = [
        pd.Index(load(level), dtype=dtype) for level, dtype in zip(recipe["levels"], dtypes, strict=True)
    ]
    if recipe["many"]:
        return pd.MultiIndex.from_arrays(levels, names=names)
    index = levels[0].rename(names[0])
    if recipe["freq"] is not None:
        index.freq = recipe["freq"]
    made: pd.Index = index
    return made


def _dtype(values: Any) -> str | None:
    """A dtype as text; a categorical one has to say its categories elsewhere."""
    return None if isinstance(values.dtype, pd.CategoricalDtype) else str(values.dtype)


def _to_arrow(values: pd.Series, tree: Tree) -> tuple[Any, dict[str, Any]]:
    """A column as an Arrow array and the recipe that makes it again."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        array, inner = _to_arrow(pd.Series(values.astype(object).to_numpy()), tree)
        categories = dtype.categories
        return array, {
            "as": "category",
            "inner": inner,
            "categories": [tree(item) for item in categories],
            "dtype": str(categories.dtype),
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        plain = values.to_numpy().astype(dtype.newbyteorder("="), copy=False)
        return pa.array(plain, from_pandas=False), {"as": "numpy", "dtype": dtype.str}
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return _moments_to_arrow(values.to_numpy()), {"as": "moments", "dtype": dtype.str}
    if not isinstance(dtype, np.dtype) and hasattr(values.array, "__arrow_array__"):
        return pa.array(values.array), {"as": "extension", "dtype": str(dtype)}
    return _objects_to_arrow(values, tree)


def _moments_to_arrow(values: Any) -> Any:
    unit = np.datetime_data(values.dtype)[0]
    if unit == "s":  # Parquet has no seconds; as integers no unit is changed on the way and NaT is a number
        return pa.array(values.view("i8"))
    kind = pa.timestamp(unit) if values.dtype.kind == "M" else pa.duration(unit)
    return pa.array(values, type=kind, from_pandas=True)


def _objects_to_arrow(values: pd.Series, tree: Tree) -> tuple[Any, dict[str, Any]]:
    items = values.to_numpy(dtype=object) if values.dtype == object else values.astype(object).to_numpy()
    kinds = {type(item) for item in items}
    absent = {_absent(item) for item in items if type(item) is not str}
    dtype = str(values.dtype)
    if kinds <= {str} or (
        len(absent) == 1 and None not in absent and kinds <= {str, *map(type, _MISSING.values())}
    ):
        missing = next(iter(absent), None)
        try:
            texts = pa.array([item if type(item) is str else None for item in items], type=pa.string())
        except UnicodeEncodeError:
            pass
        else:
            return texts, {"as": "text", "missing": missing, "dtype": dtype}
    trees = [json.dumps(tree(item)) for item in items]
    return pa.array(trees, type=pa.string()), {"as": "json", "dtype": dtype}


def _absent(item: object) -> str | None:
    if type(item) is float:
        return "nan" if item != item else None
    return next((name for name, known in _MISSING.items() if item is known), None)


def _from_arrow(column: Any, recipe: dict[str, Any], decode: Callable[[str], Any]) -> Any:
    how, dtype = recipe["as"], recipe["dtype"]
    if how == "numpy":
        return column.to_numpy().astype(dtype, copy=False)
    if how == "moments":
        plain = column.to_numpy()
        return plain.view(dtype) if pa.types.is_integer(column.type) else plain.astype(dtype, copy=False)
    if how == "extension":
        kind = pd.api.types.pandas_dtype(dtype)
        return kind.__from_arrow__(column)  # type: ignore[union-attr]
    if how == "category":
        values = _from_arrow(column, recipe["inner"], decode)
        categories = pd.Index(
            decode(json.dumps(recipe["categories"])), dtype=pd.api.types.pandas_dtype(dtype)
        )
        return pd.Categorical(values, categories=categories, ordered=recipe["ordered"])
    items = np.empty(len(column), dtype=object)
    if how == "json":
        for at, text in enumerate(column.to_pylist()):
            items[at] = decode(text)
    else:
        items[:] = column.to_pylist()
        if recipe["missing"] not in (None, "none"):
            items[np.asarray(column.is_null())] = _MISSING[recipe["missing"]]
    return items if dtype == "object" else pd.array(items, dtype=dtype)
