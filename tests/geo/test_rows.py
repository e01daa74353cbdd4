"""The compiled reader of rows: the same as the others to the last bit, or nothing."""

from __future__ import annotations

import math
import os
import random
import shutil
import struct
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omics_nb.geo import readers, rows, tables
from omics_nb.geo.counts import read_ncbi_counts
from omics_nb.geo.series_matrix import read_series_matrix

ROOT = Path(__file__).resolve().parents[2]
needs_it = pytest.mark.skipif(
    not rows.compiled(), reason="omics_nb was installed without its compiled reader"
)


def read(cells: list[str], kind: type = np.float64, *, quoted: bool = False) -> list[float] | None:
    text = "".join(f"name\t{cell}\n" for cell in cells).encode()
    room = np.zeros((len(cells), 1), dtype=kind, order="F")
    names = rows.read_rows(text, 2, 0, [1], room, quoted=quoted, missing=b"null\tNA\t\t")
    return None if names is None else room[:, 0].tolist()


def same(found: list[float] | None, cells: list[str]) -> bool:
    return found is not None and struct.pack(f"<{len(found)}d", *found) == struct.pack(
        f"<{len(cells)}d", *map(float, cells)
    )


@needs_it
@pytest.mark.parametrize("form", ["{!r}", "{:.17g}", "{:.16e}", "{:.18e}", "{:.25e}"])
def test_every_double_comes_back_to_the_last_bit(form: str) -> None:
    made = random.Random(1)
    values = [struct.unpack("<d", made.randbytes(8))[0] for _ in range(20_000)]
    cells = [form.format(value) for value in values if math.isfinite(value)]
    assert same(read(cells), cells)


@needs_it
def test_small_numbers_of_any_length_are_exact() -> None:
    made = random.Random(2)
    cells = [f"{made.uniform(-30, 30):.{made.randrange(18)}f}" for _ in range(50_000)]
    cells += [f"{made.random() * 10 ** made.randrange(-325, -300):.17g}" for _ in range(5_000)]
    cells += ["0", "-0", "+.5", "5.", "000.1e+05", "9007199254740993", "5e-324", "1.7976931348623157e308"]
    assert same(read(cells), cells)


@needs_it
def test_what_lies_halfway_goes_to_the_even_one_or_is_left_to_others() -> None:
    made = random.Random(3)
    n_read = 0
    with localcontext(prec=800):
        for _ in range(2_000):
            value = abs(struct.unpack("<d", made.randbytes(8))[0])
            above = math.nextafter(value, math.inf)
            if math.isfinite(above):
                cell = format((Decimal(value) + Decimal(above)) / 2, f".{made.choice([17, 18, 19, 30])}e")
                found = read([cell])
                n_read += found is not None
                assert found is None or same(found, [cell]), cell
    assert n_read > 500


usual = st.from_regex(r"-?[0-9]{0,16}(\.[0-9]{0,16})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@needs_it
@settings(max_examples=300)
@given(
    st.lists(
        usual | st.sampled_from(["null", "NA", "", "-", "1\r", "1 ", "0x10", "inf", "1e400"]), min_size=1
    )
)
def test_it_reads_what_python_reads_and_gives_up_on_the_rest(cells: list[str]) -> None:
    found = read(cells)
    plain = [cell for cell in cells if cell not in ("null", "NA", "")]
    if found is not None:
        assert [math.isnan(value) for value in found] == [cell not in plain for cell in cells]
        assert same([value for value in found if not math.isnan(value)], plain)
    elif len(plain) == 1:
        assert plain[0].strip(" \r") != plain[0] or not is_finite(plain[0]) or len(plain[0]) > 19


def is_finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


@needs_it
def test_whole_numbers_are_read_at_the_width_that_holds_them() -> None:
    assert read(["0", "-7", "2147483647"], np.int32) == [0, -7, 2147483647]
    assert read(["2147483648"], np.int32) is None
    assert read(["2147483648", "-999999999999999999"], np.int64) == [2147483648, -999999999999999999]
    for cell in ("1.0", "1e5", "", "NA", "99999999999999999999", "+1", "-"):
        assert read([cell], np.int64) is None, cell


@needs_it
def test_quotes_are_taken_off_where_cells_may_stand_in_them() -> None:
    assert read(['"1.5"', "2"], quoted=True) == [1.5, 2]
    assert read(['"1.5"'], quoted=False) is None


@needs_it
@pytest.mark.parametrize("text", [b"a\t1\nb\n", b"a\t1\t\n", b"a\n", b"\t\t\n"])
def test_rows_of_another_width_are_left_to_others(text: bytes) -> None:
    room = np.zeros((2, 1), order="F")
    assert rows.read_rows(text, 2, 0, [1], room, quoted=False, missing=b"NA\t") is None


@needs_it
def test_more_rows_than_there_is_room_for_are_not_written() -> None:
    room = np.zeros((4, 1), order="F")
    assert rows.read_rows(b"a\t1\n" * 3, 2, 0, [1], room[:2], quoted=False, missing=b"NA\t") is None
    assert room[2:].tolist() == [[0], [0]]


@needs_it
def test_empty_lines_are_no_rows_and_the_last_line_needs_no_end() -> None:
    room = np.zeros((5, 1), order="F")
    names = rows.read_rows(b"\na\t1\n\n\nb\t2.5", 2, 0, [1], room, quoted=False, missing=b"NA\t")
    assert names.to_pylist() == [b"a", b"b"]
    assert room[:2, 0].tolist() == [1, 2.5]


@needs_it
def test_real_files_are_the_same_without_it(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((shared / "geo").rglob("*_series_matrix.txt.gz"))
    (counts,) = (shared / "counts").glob("*_raw_counts_*.tsv.gz")
    compiled = [read_series_matrix(path).values for path in paths] + [read_ncbi_counts(counts)]
    for module in (tables, readers):
        monkeypatch.setattr(module, "compiled", lambda: False)
    plain = [read_series_matrix(path).values for path in paths] + [read_ncbi_counts(counts)]
    assert sum(frame.size for frame in plain) > 1_500_000
    for one, other in zip(compiled, plain, strict=True):
        assert one.index.equals(other.index)
        assert one.to_numpy().dtype == other.to_numpy().dtype
        assert one.to_numpy().tobytes() == other.to_numpy().tobytes()


def test_without_it_everything_is_read_all_the_same() -> None:
    script = """
import numpy as np
from omics_nb.geo import rows
from omics_nb.geo.tables import Block, read_numbers
assert not rows.compiled()
found = read_numbers(Block(("ID", "S1"), b"001\\t0.1\\nNA\\tnull\\n", "made"), [1])
assert found.names() == ["001", "NA"] and found.values[0, 0] == 0.1 and np.isnan(found.values[1, 0])
"""
    environment = os.environ | {"OMICS_COMPILED": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_library_of_another_machine_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / rows.LIBRARY).write_bytes(b"\x7fELF of another machine")
    monkeypatch.setattr(rows, "__file__", str(tmp_path / "rows.py"))
    assert rows.library.__wrapped__() is None


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_source_compiles_without_a_warning(tmp_path: Path) -> None:
    source = ROOT / "omics_nb" / "geo" / "rows.c"
    command = [
        "cc",
        "-O3",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        str(tmp_path / "made.so"),
    ]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_where_there_is_a_compiler_the_installation_has_the_reader() -> None:
    assert rows.compiled() or os.environ.get("OMICS_COMPILED") == "0"
