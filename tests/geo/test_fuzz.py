"""Real files with seeded damage: an error of our tree or a result, never a crash, a hang or a wrong number."""

from __future__ import annotations

import gzip
import html
import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from omics_nb.errors import OmicsError
from omics_nb.geo.files import local_file, plain_lines
from omics_nb.geo.miniml import parse_miniml
from omics_nb.geo.parts import Parts
from omics_nb.geo.platforms import platform_features
from omics_nb.geo.samples import sample_sheet
from omics_nb.geo.series_matrix import parse_series_matrix
from omics_nb.geo.soft import parse_family
from omics_nb.geo.study import read_header, read_study
from omics_nb.geo.supplement import read_supplement
from omics_nb.geo.values import add_dataset, add_family_values, family_matrix

TOKENS = [
    b"\t", b"\n", b"\r", b"\r\n", b'"', b"\xff", b"\x00", b"null", b"1e999", b"-", b"=", b"^", b"!", b"#", b"<", b"&",
    b"^SAMPLE = GSM1\n", b"\n!sample_table_begin\n", b"\n!sample_table_end\n", b"\n!series_matrix_table_begin\n",
    b"\n!series_matrix_table_end\n", b"\n^SERIES = GSE2\n", b"\n!Series_title = x\n", b"\n#ID_REF = \n",
    b"\xef\xbb\xbf", b",", b"0x1", b"1_0",
]  # fmt: skip


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to four random changes: bytes flipped, parts cut out, doubled or swapped, tokens of the formats put in."""
    for _ in range(chance.randint(1, 4)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + chance.choice([1, 10, 200, 5_000]))
        kind = chance.randrange(6)
        if kind == 0 and data:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:to] + data[at:to] + data[to:]
        elif kind == 3:
            data = data[: max(at, 1)]
        else:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
    return data or b"x"


def read_family_whole(data: bytes) -> None:
    text = plain_lines(data)
    family = parse_family(text, "fuzzed.soft")
    parts = Parts("GSE1")
    parts.add_family(family)
    if family.datasets:
        add_dataset(parts, family)
    add_family_values(parts, family)
    sample_sheet(parts.samples)
    for platform in family.platforms.values():
        platform_features(platform)
    written = numbers_of_entities(text)
    for matrix in parts.matrices.values():
        for sample, column in matrix.items():
            numbers = written.get(str(sample)) or written[next(iter(family.datasets))]
            assert_written(column, numbers)


def read_matrix_whole(data: bytes) -> None:
    text = plain_lines(data)
    found = parse_series_matrix(text, "fuzzed_series_matrix.txt")
    sample_sheet(found.samples)
    expected = plain_rows(text)
    for name, row in zip(found.values.index, found.values.to_numpy(), strict=True):
        assert any(same(row.tolist(), values) for values in expected[name]), name


def read_xml_whole(data: bytes) -> None:
    family = parse_miniml(data, "fuzzed.xml", tables={})
    matrix, _ = family_matrix(list(family.samples.values()))
    text = re.sub(
        "[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", "\n".join(map(text_of, plain_lines(data).split(b"\n")))
    )
    written = numbers_beside_cells(html.unescape(text).split("\n"), "\t")
    for _, column in matrix.items():
        assert_written(column, written)


def read_table_whole(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    table = read_supplement(path)
    lines = [text_of(line) for line in plain_lines(data).split(b"\n")]
    # Which mark stands between the cells is for the reader to find out: the number must be there under one of them.
    written = [numbers_beside_cells(lines, mark) for mark in ("\t", ",", ";", "[ \t]+")]
    either = {name: set().union(*(of.get(name, ()) for of in written)) for of in written for name in of}
    for _, column in table.values.items():
        assert_written(column, either)


def assert_written(column: pd.Series, written: dict[str, set[float]]) -> None:
    """Each number stands in the text, in a line that has a cell with the name of its row."""
    for name, value in column.items():
        assert math.isnan(value) or value in written.get(str(name).strip(), ()), (name, value)


def numbers_of_entities(text: bytes) -> dict[str, dict[str, set[float]]]:
    """As ``numbers_beside_cells``, by the entity that was begun last."""
    lines: dict[str, list[str]] = {}
    entity = ""
    for line in map(text_of, text.split(b"\n")):
        if begins := re.fullmatch(r"\^\s*[A-Za-z]+\s*=(.*)", line):
            entity = begins[1].strip()
        lines.setdefault(entity, []).append(line)
    return {name: numbers_beside_cells(rows, "\t") for name, rows in lines.items()}


def numbers_beside_cells(lines: list[str], mark: str) -> dict[str, set[float]]:
    """Cell → every number in any line that has it, read the plainest way."""
    found: dict[str, set[float]] = {}
    for line in lines:
        cells = [cell.strip() for cell in re.split(mark, line)]
        numbers = {value for cell in cells if not math.isnan(value := number(cell.strip('"').encode()))}
        for cell in {cell.strip('" ') for cell in cells} | set(cells):
            found.setdefault(cell, set()).update(numbers)
    return found


def text_of(raw: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def plain_rows(text: bytes) -> dict[str, list[list[float]]]:
    """Rows by name, read the plainest way: short ones end in missing values, long ones have no others."""
    rows: dict[str, list[list[float]]] = {}
    lines = text.split(b"\n")
    begin = next(
        (at for at, line in enumerate(lines) if line.strip().lower() == b"!series_matrix_table_begin"),
        len(lines) - 2,
    )
    width = lines[begin + 1].count(b"\t") + 1 if begin + 1 < len(lines) else 0
    for line in lines[begin + 2 :]:
        cells = line.split(b"\t")
        name = text_of(cells[0])
        name = name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name
        long = any(cell.strip() for cell in cells[width:])
        values = [math.nan if long else number(cell) for cell in cells[1:width]]
        rows.setdefault(name, []).append(values + [math.nan] * (width - 1 - len(values)))
    return rows


def number(cell: bytes) -> float:
    cell = cell.strip()
    cell = cell[1:-1] if len(cell) > 1 and cell[:1] == cell[-1:] == b'"' else cell
    if not re.fullmatch(rb"[-+0-9.eE]+|[-+]?inf(inity)?", cell, re.IGNORECASE):
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan


def same(row: list[float], other: list[float]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(row, other, strict=True))


def run(read: Callable[[bytes], object], sources: list[bytes], *, times: int, seed: int) -> tuple[int, int]:
    chance, good, refused = random.Random(seed), 0, 0
    for _ in range(times):
        data = mutate(chance.choice(sources), chance)
        try:
            read(data)
            good += 1
        except OmicsError:
            refused += 1
    return good, refused


def unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def families(shared: Path) -> list[bytes]:
    found = [unpacked(path) for path in sorted((shared / "soft_zoo").rglob("*")) if path.is_file()]
    return [data for data in found if len(data) < 150_000]


def with_tables(xml: bytes) -> bytes:
    """The tables, which are files of their own, inside the XML: some rows in the place of their names."""
    width = xml[xml.index(b"<Sample") :].partition(b"</Sample>")[0].count(b"<Column ")
    rows = "".join(
        f"p{row}\t" + "\t".join(f"{row / 7 + place!r}" for place in range(1, width)) + "\n"
        for row in range(20)
    )
    return re.sub(rb"(<External-Data[^>]*>)[^<]*", rb"\1\n" + rows.encode(), xml).replace(
        b"External-Data", b"Internal-Data"
    )


def small_matrices(shared: Path) -> list[bytes]:
    found = []
    for path in sorted((shared / "geo/series").rglob("*_series_matrix.txt.gz")):
        data = unpacked(path)
        table = data.index(b"!series_matrix_table_begin")
        rows = data[table:].split(b"\n")[:60]
        found.append(data[:table] + b"\n".join(rows) + b"\n!series_matrix_table_end\n")
    return found


@pytest.mark.parametrize("times", [250, pytest.param(5_000, marks=pytest.mark.slow)])
def test_damaged_families_are_refused_or_read(shared: Path, times: int) -> None:
    good, refused = run(read_family_whole, families(shared), times=times, seed=1)
    assert good
    assert refused


@pytest.mark.parametrize("times", [250, pytest.param(5_000, marks=pytest.mark.slow)])
def test_damaged_matrices_are_refused_or_read_without_a_wrong_number(shared: Path, times: int) -> None:
    good, refused = run(read_matrix_whole, small_matrices(shared), times=times, seed=2)
    assert good
    assert refused


@pytest.mark.parametrize("times", [150, pytest.param(3_000, marks=pytest.mark.slow)])
def test_damaged_xml_is_refused_or_read(shared: Path, times: int) -> None:
    sources = [with_tables(path.read_bytes()) for path in sorted((shared / "miniml").iterdir())]
    good, refused = run(read_xml_whole, sources, times=times, seed=3)
    assert good
    assert refused


@pytest.mark.parametrize("times", [150, pytest.param(3_000, marks=pytest.mark.slow)])
def test_damaged_tables_of_authors_are_refused_or_read(shared: Path, tmp_path: Path, times: int) -> None:
    sources = [unpacked(path)[:20_000] for path in sorted((shared / "counts").rglob("*")) if path.is_file()]
    path = tmp_path / "GSE1_counts.txt"
    good, _ = run(lambda data: read_table_whole(path, data), sources, times=times, seed=4)
    assert good


@pytest.mark.parametrize("times", [60, pytest.param(1_500, marks=pytest.mark.slow)])
def test_damaged_files_make_no_study_or_a_whole_one(shared: Path, tmp_path: Path, times: int) -> None:
    names = [
        "GSE235nnn/GSE235534/soft/GSE235534_family.soft.gz",
        "GSE99nnn/GSE99709/matrix/GSE99709_series_matrix.txt.gz",
    ]
    chance, outcomes = random.Random(5), set()
    for _ in range(times):
        source = shared / "geo/series" / chance.choice(names)
        raw = source.read_bytes()
        # Damage to the packed bytes must be found; damage to the text may be read.
        data = (
            mutate(raw, chance)
            if chance.random() < 0.5
            else gzip.compress(mutate(gzip.decompress(raw), chance), 1)
        )
        path = tmp_path / source.name
        path.write_bytes(data)
        accession = source.name.split("_")[0]
        for read in (read_study, read_header):
            try:
                if read is read_study:
                    study = read_study(accession, [local_file(path)], source="x")
                    assert study.samples.index.is_unique
                else:
                    read_header(accession, [local_file(path)])
                outcomes.add("read")
            except OmicsError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}
