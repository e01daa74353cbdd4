"""Every real file of the shared folder, read by omics_nb and by GEOparse, and held against the file itself.

``python -m tests.benchmarks.compare_files [FOLDER]``. Each reading is in a process of its own under a limit of time and
memory, so that a hang or a crash is a row. The judge is ``tests/geo/plain_soft.py``, which reads SOFT line by line and
is of another make than both. A tool is asked for what a person wants: of a family its samples and the matrix of VALUE
(omics_nb: one for each platform; GEOparse: ``pivot_samples``), of a GDS or a series matrix its matrix, of a platform
its identifiers. GEOparse is told the kind of file, which it would otherwise guess from the name. Outcomes:

typed error      the tool refuses the file by an error of its own
fewer samples    samples that the file holds or declares are not read or not in the matrix, and nothing says so
platforms mixed  one matrix holds samples of several platforms
values differ    identifiers or numbers are not those of the file
cut, unsaid      the file stops inside of a table, and what there is is given as if it were all
crash in pivot   the file is read, and an error that is none of the tool's own comes instead of its matrix
crash            such an error (KeyError …) instead of the file, the limit of time or memory, or death
no reader        the tool has none for the format

A file with several faults counts for the first.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import math
import multiprocessing
import os
import re
import resource
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.benchmarks.side_by_side import table
from tests.geo import plain_soft
from tests.geo.plain_soft import PlainEntity

SECONDS, BYTES = 60.0, 6 * 2**30
OUTCOMES = (
    "ok", "typed error", "fewer samples", "platforms mixed", "values differ", "cut, unsaid", "crash in pivot", "crash",
    "no reader",
)  # fmt: skip
Rows = list[tuple[str, float]]
Verdict = tuple[str, str]


@dataclass
class Reading:
    """What a tool made of a file. ``matrices``: for each, by sample, identifiers and values that are not missing.
    ``identifiers``: those of each platform. ``said``: all that the tool said of it.
    """

    samples: list[str]
    matrices: list[dict[str, Rows]] = field(default_factory=list)
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    said: str = ""


class PivotError(Exception):
    """The file was read, and its matrix could not be made."""


class NoReaderError(Exception):
    """The tool has none for this format."""


# --- the tools -------------------------------------------------------------------------------------------------------


def by_omics_nb(path: Path, kind: str) -> Reading:
    from omics_nb.geo import explain
    from omics_nb.geo.miniml import read_miniml
    from omics_nb.geo.parts import Parts
    from omics_nb.geo.series_matrix import read_series_matrix
    from omics_nb.geo.soft import read_family
    from omics_nb.geo.tables import read_texts
    from omics_nb.geo.values import add_dataset, add_family_values

    if kind == "matrix":
        matrix = read_series_matrix(path)
        return Reading(list(matrix.samples), [columns_of(matrix.values)], said=" ".join(matrix.notes))
    family = read_miniml(path) if kind == "miniml" else read_family(path)
    parts = Parts("GSE1")
    parts.add_family(family)
    if kind == "GDS":
        add_dataset(parts, family)
    else:
        add_family_values(parts, family)
    tables = {
        name: read_texts(entity.table, [0])[0]
        for name, entity in [*family.platforms.items(), *family.annotations.items()]
        if entity.table is not None
    }
    return Reading(
        list(parts.samples),
        [columns_of(matrix) for matrix in parts.matrices.values()],
        {name: frame.iloc[:, 0].tolist() for name, frame in tables.items()},
        " ".join(
            [
                *parts.notes,
                *explain.reconcile(parts),
                *explain.no_matrix(parts, empty_table=False, synthetic=False),
            ]
        ),
    )


def by_geoparse(path: Path, kind: str) -> Reading:
    import GEOparse

    if kind in ("matrix", "miniml"):
        raise NoReaderError
    found = GEOparse.get_GEO(filepath=str(path), geotype=kind, silent=True)
    if kind == "GDS":
        frame = found.table.set_index(found.table.columns[0]) if len(found.table) else found.table
        names = [name for name in frame.columns if name.startswith("GSM")]
        return Reading(names, [columns_of(frame[names])])
    gsms = {found.name: found} if kind == "GSM" else found.gsms
    gpls = {found.name: found} if kind == "GPL" else getattr(found, "gpls", {})
    reading = Reading(
        list(gsms),
        identifiers={
            name: [text(cell) for cell in gpl.table.iloc[:, 0]]
            for name, gpl in gpls.items()
            if len(gpl.table)
        },
    )
    if kind == "GSE" and gsms:
        try:
            pivot = found.pivot_samples("VALUE")
        except Exception as error:
            raise PivotError(said(error)) from error
        reading.matrices = [columns_of(pivot)]
    else:
        for name, gsm in gsms.items():
            has_values = {"ID_REF", "VALUE"} <= {*gsm.table.columns}
            reading.matrices.append(
                {name: rows(gsm.table.set_index("ID_REF")["VALUE"]) if has_values else []}
            )
    return reading


TOOLS: dict[str, Callable[[Path, str], Reading]] = {"omics_nb": by_omics_nb, "GEOparse": by_geoparse}


def columns_of(frame: Any) -> dict[str, Rows]:
    return {name: rows(frame[name]) for name in frame}


def rows(series: Any) -> Rows:
    """Names and values that are not missing; text that is a number counts as that number."""
    pairs = zip(series.index, series.tolist(), strict=True)
    return [(text(name), number) for name, value in pairs if math.isfinite(number := as_number(value))]


def text(cell: object) -> str:
    return "" if isinstance(cell, float) and math.isnan(cell) else str(cell)


def as_number(cell: Any) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


# --- the judge -------------------------------------------------------------------------------------------------------


@dataclass
class Truth:
    """What stands in a file. ``values`` only of samples that have any; ``cut``: a table has no end."""

    kind: str
    samples: list[str]
    platforms: dict[str, str] = field(default_factory=dict)
    values: dict[str, Rows] = field(default_factory=dict)
    identifiers: dict[str, list[str]] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    cut: bool = False


def truth_of(path: Path) -> Truth:
    if path.name.endswith("_series_matrix.txt.gz"):
        return matrix_truth(gzip.decompress(path.read_bytes()).decode())
    if path.suffix == ".xml":
        return Truth("miniml", re.findall(r'<Sample iid="(\w+)"', path.read_text("utf-8", "replace")))
    of: dict[str, list[PlainEntity]] = {}
    for entity in plain_soft.read(path):
        of.setdefault(entity.kind, []).append(entity)
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    cut = re.findall(rb"(?im)^!\w+_table_(begin|end)", raw)[-1:] == [b"begin"]
    samples, series = of.get("SAMPLE", []), of.get("SERIES", [])
    platforms = of.get("PLATFORM", []) + of.get("ANNOTATION", [])
    if "DATASET" in of:
        whole = next((entity for entity in of["DATASET"] if entity.rows), of["DATASET"][0])
        names = [name for name in whole.header or [] if name.startswith("GSM")]
        columns = {name: values_of(whole, name) for name in names}
        return Truth("GDS", names, values={name: found for name, found in columns.items() if found}, cut=cut)
    return Truth(
        "GSE" if series or (len(samples) > 1 and not platforms) else "GPL" if platforms else "GSM",
        [sample.name for sample in samples],
        {sample.name: "".join(attribute(sample, "platform_id")[:1]) for sample in samples},
        {sample.name: found for sample in samples if (found := values_of(sample, "VALUE"))},
        {entity.name: [row[0] for row in entity.rows] for entity in platforms if entity.rows},
        [name for one in series for name in attribute(one, "sample_id")],
        cut,
    )


def matrix_truth(content: str) -> Truth:
    cells = [[cell.strip('"') for cell in line.split("\t")] for line in content.splitlines()]
    begin = next(i for i, row in enumerate(cells) if row[0] == "!series_matrix_table_begin")
    header, *body = cells[begin + 1 : -1]
    entities = {
        name: [(row[0], number) for row in body if math.isfinite(number := as_number(row[place]))]
        for place, name in enumerate(header)
        if place
    }
    return Truth("matrix", header[1:], values={name: found for name, found in entities.items() if found})


def attribute(entity: PlainEntity, name: str) -> list[str]:
    wanted = f"!{entity.kind}_{name}".lower()
    parts = [line.partition("=") for line in entity.attributes]
    return [value.strip() for key, _, value in parts if key.strip().lower() == wanted]


def values_of(entity: PlainEntity, column: str) -> Rows:
    names = [name.strip().upper() for name in entity.header or []]
    if column.upper() not in names or len(names) < 2:
        return []
    place, key = names.index(column.upper()), names.index("ID_REF") if "ID_REF" in names else 0
    cells = [(row[key], row[place]) for row in entity.rows if len(row) > max(place, key)]
    return [(name, number) for name, cell in cells if math.isfinite(number := as_number(cell))]


def judge(truth: Truth, reading: Reading) -> Verdict:
    """The first of what is wrong, and all of it in words."""
    faults = list(samples_lost(truth, reading))
    for matrix in reading.matrices:
        platforms = sorted({truth.platforms[name] for name in matrix if name in truth.platforms})
        if len(platforms) > 1:
            faults.append(("platforms mixed", f"{' and '.join(platforms)} in one matrix"))
    found = {name: column for matrix in reading.matrices for name, column in matrix.items()}
    faults += [("values differ", why) for why in differences(truth.values, found)]
    faults += [("values differ", why) for why in names_differ(truth.identifiers, reading.identifiers)]
    if truth.cut and not reading.said:
        faults.append(("cut, unsaid", "the file stops inside of a table"))
    return (faults[0][0], "; ".join(why for _, why in faults)) if faults else ("ok", "")


def samples_lost(truth: Truth, reading: Reading) -> Iterator[Verdict]:
    n = len(truth.samples)
    if lost := set(truth.samples) - set(reading.samples):
        yield "fewer samples", f"{len(lost)} of {n} samples are not read"
        return
    in_matrix = {name for matrix in reading.matrices for name in matrix}
    if lost := set(truth.values) - in_matrix:
        yield "fewer samples", f"{len(lost)} of {n} samples have values and no column"
    empty = set(truth.samples) - in_matrix - set(truth.values)
    if in_matrix and empty and not names_one_of(empty, reading):
        yield "fewer samples", f"{len(empty)} of {n} samples have no values and no column, unsaid"
    absent = set(truth.declared) - set(truth.samples)
    if absent and not names_one_of(absent, reading):
        yield (
            "fewer samples",
            f"{len(absent)} of {len(truth.declared)} declared samples are not there, unsaid",
        )


def names_one_of(samples: set[str], reading: Reading) -> bool:
    """Whether the tool told of them; a message lists the first few."""
    return any(name in reading.said for name in samples)


def differences(wanted: Mapping[str, Rows], found: Mapping[str, Rows]) -> Iterator[str]:
    """What is not as in the file, counted."""
    names, values, last_bits, example = 0, 0, 0, ""
    for sample, cells in wanted.items():
        missing, extra = Counter(cells), Counter(found.get(sample, cells))
        missing, extra = missing - extra, extra - missing
        by_name = dict(extra.keys())
        for name, value in missing.elements():
            other = by_name.get(name)
            if other is None:
                names += 1
                example = example or f"{name!r} of {sample} is lost or renamed"
            elif math.isclose(other, value, rel_tol=1e-12):
                last_bits += 1
            else:
                values += 1
                example = example or f"{name!r} of {sample} is {other} and should be {value}"
        if extra and not missing:
            values += sum(extra.values())
            name, value = next(iter(extra))
            example = example or f"{name!r} of {sample} is {value} and should be missing"
    counts = [(names, "rows"), (values, "values"), (last_bits, "values in their last bits")]
    parts = [f"{count:,} {what}" for count, what in counts if count]
    if parts:
        yield ", ".join(parts) + (f" ({example})" if example else "")


def names_differ(wanted: Mapping[str, list[str]], found: Mapping[str, list[str]]) -> Iterator[str]:
    # A platform's only table is that of the platform, under whatever name.
    if len(wanted) == len(found) == 1:
        found = dict(zip(wanted, found.values(), strict=True))
    for platform, names in wanted.items():
        others = found.get(platform, [])
        if names != others:
            pairs = [(a, b) for a, b in zip(names, others, strict=False) if a != b]
            what = (
                "{!r} became {!r}".format(*pairs[0]) if pairs else f"{len(others):,} of {len(names):,} rows"
            )
            yield f"identifiers of {platform or 'the platform'}: {what}"


# --- a reading, in a process of its own ------------------------------------------------------------------------------


def verdict(tool: str, path: Path) -> Verdict:
    """The outcome and why. The process is forked, so that both tools are imported once."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_read, args=(there, tool, path))
    child.start()
    there.close()
    try:
        return here.recv() if here.poll(SECONDS) else ("crash", f"not done in {SECONDS:g} s")
    except EOFError:
        child.join()
        return "crash", f"died with {child.exitcode}"
    finally:
        child.kill()
        child.join()


def _read(there: Connection, tool: str, path: Path) -> None:
    warnings.simplefilter("ignore")
    truth = truth_of(path)
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, old[1]))
    try:
        reading = TOOLS[tool](path, truth.kind)
    except NoReaderError:
        there.send(("no reader", ""))
    except PivotError as error:
        there.send(("crash in pivot", str(error)))
    except Exception as error:
        own = type(error).__module__.split(".")[0] == tool
        there.send(("typed error" if own else "crash", said(error)))
    else:
        resource.setrlimit(resource.RLIMIT_AS, old)
        there.send(judge(truth, reading))


# --- the table -------------------------------------------------------------------------------------------------------


def files_in(folder: Path) -> list[Path]:
    """SOFT of every kind, series matrices and MINiML."""
    ends = (".soft.gz", ".annot.gz", "_series_matrix.txt.gz", ".xml")
    paths = [
        path for part in ("geo", "miniml") for path in (folder / part).rglob("*") if path.name.endswith(ends)
    ]
    return sorted([*paths, *(path for path in (folder / "soft_zoo").rglob("*") if path.is_file())])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(os.environ.get("OMICS_SHARED", "../shared"))
    )
    parser.add_argument("--only", default="", help="files whose path contains this")
    options = parser.parse_args()
    paths = [path for path in files_in(options.folder) if options.only in str(path)]
    tools = [tool for tool in TOOLS if importlib.util.find_spec(tool)]
    for tool in tools:
        importlib.import_module(tool)
    found = {path: {tool: verdict(tool, path) for tool in tools} for path in paths}
    counts = {tool: Counter(one[tool][0] for one in found.values()) for tool in tools}
    print(f"\n**{len(paths)} real files**\n")
    print(
        table(
            ["outcome", *tools], [[name, *(str(counts[tool][name]) for tool in tools)] for name in OUTCOMES]
        )
    )
    print("\n**Those that are not ok everywhere**\n")
    for path, one in found.items():
        if {outcome for outcome, _ in one.values()} - {"ok", "no reader"}:
            print(path.relative_to(options.folder))
            for tool, (outcome, why) in one.items():
                print(f"    {tool:9} {outcome}{f': {shortened(why)}' if why else ''}")


def shortened(why: str, n: int = 150) -> str:
    return why if len(why) <= n else f"{why[:n]}…"


if __name__ == "__main__":
    main()
