"""The compiled reader of rows (``rows.c``), where there is one for this machine; ``tables`` does without it too.

Wheels bring it for the usual platforms, and an installation from source builds it where it finds a C compiler.
``OMICS_COMPILED=0`` leaves it out.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

LIBRARY = "_rows.so"
_KINDS = {np.dtype(np.float64): 0, np.dtype(np.int32): 1, np.dtype(np.int64): 2}


@cache
def library() -> Any:
    """The library, ready to be called, or None where there is none for this machine."""
    path = Path(__file__).with_name(LIBRARY)
    if os.environ.get("OMICS_COMPILED") == "0" or not path.exists():
        return None
    try:
        found = ctypes.CDLL(str(path))
    except OSError:
        # Built for another machine: a folder that several share.
        return None
    for name in ("rows_read", "rows_line_ends"):
        getattr(found, name).restype = ctypes.c_int64
    powers = _powers()
    found.rows_set_powers.restype = None
    found.rows_set_powers(powers.ctypes.data_as(ctypes.c_void_p))
    return found


def compiled() -> bool:
    """Whether there is a compiled reader: without one, nothing else here may be called."""
    return library() is not None


def line_ends(rows: bytes | memoryview) -> int:
    """How many lines end in a text."""
    return int(library().rows_line_ends(_bytes(rows), ctypes.c_int64(len(rows))))


def read_rows(
    rows: bytes | memoryview,
    width: int,
    key: int,
    columns: Sequence[int],
    cells: np.ndarray[Any, Any],
    *,
    quoted: bool,
    missing: bytes,
) -> Any:
    """Names of the rows, a pyarrow array of bytes; the numbers in ``columns`` go to the first rows of ``cells``.

    ``cells``: rows × columns, by column in memory, float64, int32 or int64; with room for every line of the text.
    ``missing``: the names of what is missing, each with a tab behind it; of whole numbers, none is missing.
    None where a row has not ``width`` cells, or a cell is not beyond doubt a finite number of that kind.
    """
    places = np.full(width, -1, dtype=np.int32)
    places[list(columns)] = np.arange(len(columns), dtype=np.int32)
    # As large as the text; only what is used is kept.
    names, ends = np.empty(len(rows), dtype=np.uint8), np.empty(len(cells) + 1, dtype=np.int32)
    n_rows = library().rows_read(
        _bytes(rows),
        ctypes.c_int64(len(rows)),
        ctypes.c_int32(width),
        ctypes.c_int32(key),
        _address(places),
        ctypes.c_int32(_KINDS[cells.dtype]),
        ctypes.c_int32(quoted),
        missing,
        _address(cells),
        ctypes.c_int64(len(cells)),
        ctypes.c_int64(cells.strides[1] // cells.itemsize),
        _address(names),
        _address(ends),
    )
    if n_rows < 0:
        return None
    kept = [ends[: n_rows + 1].tobytes(), names[: ends[n_rows]].tobytes()]
    return pa.Array.from_buffers(pa.binary(), n_rows, [None, *map(pa.py_buffer, kept)])


def _bytes(rows: bytes | memoryview) -> ctypes.c_void_p:
    return _address(np.frombuffer(rows, dtype=np.uint8))


def _address(array: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _powers() -> np.ndarray[Any, Any]:
    """The leading 128 bits of 5^q for q from -342 to 308, high half first: Lemire 2021, section 5.

    Rounded up where the power is in the denominator, cut off where it is not.
    """
    found = []
    for q in range(-342, 309):
        power = 5 ** abs(q)
        if q < 0:
            bits = (power - 1).bit_length()
            power = 2 ** (bits + 127 if q >= -27 else 2 * bits + 128) // power + 1
        shift = power.bit_length() - 128
        leading = power >> shift if shift > 0 else power << -shift
        found.append((leading >> 64, leading & (2**64 - 1)))
    return np.array(found, dtype=np.uint64)
