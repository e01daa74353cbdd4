"""Matrices from what is no series matrix: sample tables of a family, a GDS, counts of NCBI or of the
authors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from ..errors import FormatError, MissingExtraError
from . import supplement
from .counts import read_ncbi_annotation, read_ncbi_counts
from .files import LocalFile
from .parts import UNKNOWN_PLATFORM, Parts, platform_of, some
from .platforms import as_features, named_by_symbols
from .soft import Entity, Family
from .tables import Block, Numbers, read_numbers, read_texts, repeated_rows


def add_family_values(parts: Parts, family: Family) -> None:
    """One matrix for each platform that has none yet."""
    by_platform: dict[str, list[Entity]] = {}
    for sample in family.samples.values():
        by_platform.setdefault(platform_of(sample.attributes), []).append(sample)
    for platform, samples in by_platform.items():
        if platform not in parts.matrices:
            matrix, notes = family_matrix(samples)
            parts.notes += notes
            if len(matrix.columns):
                parts.matrices[platform] = matrix


def family_matrix(samples: Sequence[Entity]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """VALUE of the sample tables as features × samples, float64, and notes; no columns if no table has
    values.

    Rows in the order of the first sample; where others have rows of their own these follow. A feature that is
    twice in a table is matched with the same occurrence in the others. Samples without values are in the
    notes.
    """
    numbers, notes = _value_columns(samples)
    if not numbers:
        return pd.DataFrame(), tuple(notes)
    first = next(iter(numbers.values()))
    if all(column.keys.equals(first.keys) for column in numbers.values()):
        values = np.empty((len(first.values), len(numbers)), order="F")
        for place, column in enumerate(numbers.values()):
            values[:, place] = column.values[:, 0]
        matrix = pd.DataFrame(values, index=first.names(), columns=list(numbers), copy=False)
    else:
        matrix = _aligned(
            {name: pd.Series(column.values[:, 0], column.names()) for name, column in numbers.items()}
        )
        notes.append("samples have different features, or in another order; they were matched by identifier")
    matrix.index = pd.Index(matrix.index, dtype=object, name="ID_REF")
    matrix.columns = pd.Index(matrix.columns, dtype=object)
    return matrix, (*notes, *repeated_rows(matrix.index))


def _value_columns(samples: Sequence[Entity]) -> tuple[dict[str, Numbers], list[str]]:
    """VALUE of every sample that has numbers in it, and notes on the others."""
    tables: dict[str, tuple[Block, int]] = {}
    empty, without = [], []
    for sample in samples:
        table = sample.table
        if table is None or table.empty:
            empty.append(sample.name)
        elif (place := _value_place(table)) is None:
            without.append(f"{sample.name} (has {some(table.header)})")
        else:
            tables[sample.name] = (table, place)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        numbers = dict(zip(tables, pool.map(_read_values, tables.values()), strict=True))
    text = [name for name, column in numbers.items() if not np.isfinite(column.values).any()]
    numbers = {name: column for name, column in numbers.items() if name not in text}
    notes = []
    for names, what in (
        (empty if len(empty) < len(samples) else [], "samples have an empty table"),
        (without, "samples have a table without identifiers or a column VALUE, and were left out"),
        (text, "samples have no number in VALUE, and were left out"),
        (
            [name for name, (table, _) in tables.items() if _upper(table).count("VALUE") > 1],
            "samples have several columns VALUE, of which the first was taken",
        ),
        (_short(samples, numbers), "samples have another number of rows than they declare"),
    ):
        if names:
            notes.append(f"{len(names)} of {len(samples)} {what}: {some(names)}")
    odd = [f"{name}: {note}" for name, column in numbers.items() for note in column.notes]
    if odd:
        notes.append(odd[0] + (f"; and {len(odd) - 1} more notes of that kind" if len(odd) > 1 else ""))
    return numbers, notes


def _short(samples: Sequence[Entity], numbers: Mapping[str, Numbers]) -> list[str]:
    """Samples that have not as many rows as they say, and how many of how many."""
    found = []
    for sample in samples:
        declared = sample.first("data_row_count")
        if (
            sample.name in numbers
            and declared.isdecimal()
            and int(declared) != len(numbers[sample.name].values)
        ):
            found.append(f"{sample.name} ({len(numbers[sample.name].values):,} of {int(declared):,})")
    return found


def _value_place(table: Block) -> int | None:
    """The first column VALUE, where another column says what the values are of."""
    names = _upper(table)
    place = names.index("VALUE") if "VALUE" in names else None
    return None if place == _key_place(table) else place


def _upper(table: Block) -> list[str]:
    return [name.upper() for name in table.header]


def _read_values(table: tuple[Block, int]) -> Numbers:
    block, place = table
    return read_numbers(block, [place], key=_key_place(block))


def _key_place(table: Block) -> int:
    """The column of identifiers: ID_REF, or else the first that is not of values."""
    names = _upper(table)
    others = [place for place, name in enumerate(names) if name != "VALUE" and not name.startswith("GSM")]
    return names.index("ID_REF") if "ID_REF" in names else next(iter(others), 0)


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Two matrices of different samples as one; rows that the first has not follow its own."""
    if first.index.equals(second.index):
        return pd.concat([first, second], axis=1)
    columns = {str(name): column for frame in (first, second) for name, column in frame.items()}
    return _aligned(columns).rename_axis("ID_REF")


def _aligned(columns: Mapping[str, pd.Series[float]]) -> pd.DataFrame:
    numbered = {
        name: column.set_axis(pd.MultiIndex.from_arrays([column.index, column.groupby(level=0).cumcount()]))
        for name, column in columns.items()
    }
    index = pd.MultiIndex.from_tuples(
        list(dict.fromkeys(key for column in numbered.values() for key in column.index))
    )
    frame = pd.DataFrame({name: column.reindex(index) for name, column in numbered.items()}, index=index)
    return frame.droplevel(1)


def add_dataset(parts: Parts, family: Family) -> None:
    """The matrix of a GDS, its samples, and what its table says of the features."""
    dataset = next(iter(family.datasets.values()))
    add_dataset_samples(parts, dataset, family)
    table = dataset.table
    if table is None or table.empty:
        parts.notes.append(f"the table of {parts.accession} is empty")
        return
    key = _key_place(table)
    places = [place for place, name in enumerate(table.header) if name in parts.samples and place != key]
    if len({table.header[place] for place in places}) < len(places):
        raise FormatError(
            f"{table.origin}, line {table.first_line}: a sample has more than one column: {', '.join(table.header)}",
            path=table.origin,
            line=table.first_line,
        )
    numbers = read_numbers(table, places, key=key)
    names = pd.Index(numbers.names(), dtype=object, name="ID_REF")
    platform = dataset.first("platform") or UNKNOWN_PLATFORM
    columns = pd.Index([table.header[place] for place in places], dtype=object)
    parts.matrices[platform] = pd.DataFrame(numbers.values, index=names, columns=columns, copy=False)
    rest = [place for place in range(len(table.header)) if place not in places and place != key]
    frame, notes = read_texts(table, rest)
    parts.features[platform], more = as_features(frame.set_axis(names), table.origin)
    parts.notes += [*numbers.notes, *repeated_rows(names), *notes, *more]


def add_dataset_samples(parts: Parts, dataset: Entity, family: Family) -> None:
    """Samples of a GDS: its columns say title and source (``Value for GSM1: title; src: …``), its subsets the
    rest.
    """
    samples: dict[str, Mapping[str, tuple[str, ...]]] = {}
    described = dict(dataset.columns)
    for name in (*described, *(dataset.table.header if dataset.table else ())):
        text = described.get(name, "")
        if re.fullmatch(r"GSM\d+", name):
            title, _, origin = text.partition(": ")[2].partition("; src: ")
            samples[name] = {
                "title": (title,),
                "source_name_ch1": (origin,),
                "organism_ch1": dataset.all("sample_organism"),
                "platform_id": dataset.all("platform"),
                "characteristics_ch1": _subset_facts(name, family),
            }
    parts.describe({}, samples)
    declared = dataset.first("sample_count")
    if declared.isdecimal() and int(declared) != len(samples):
        parts.notes.append(f"{parts.accession} declares {declared} samples, and its table has {len(samples)}")


def _subset_facts(sample: str, family: Family) -> tuple[str, ...]:
    return tuple(
        f"{subset.first('type') or 'subset'}: {subset.first('description')}"
        for subset in family.subsets.values()
        if sample in re.split(r"[,\s]+", ",".join(subset.all("sample_id")))
    )


def add_ncbi_counts(parts: Parts, counts: LocalFile, annotation: LocalFile | None) -> None:
    """Counts that NCBI computed, and its annotation of the genes."""
    values = read_ncbi_counts(counts.path)
    parts.notes += [f"{counts.name}: {note}" for note in repeated_rows(values.index)]
    if not parts.samples:
        parts.samples = {str(name): {} for name in values.columns}
    _place(parts, values, {str(name): str(name) for name in values.columns}, counts.name)
    parts.value_kind = "counts"
    parts.used.add(counts.name)
    parts.notes.append(f"the matrix of {parts.accession} holds counts that NCBI computed, from {counts.name}")
    if annotation:
        features, notes = read_ncbi_annotation(annotation.path)
        parts.notes += notes
        parts.features.update(dict.fromkeys(parts.matrices, features))
        parts.used.add(annotation.name)


def add_supplement(parts: Parts, file: LocalFile) -> bool:
    """Whether an author's table gave the study its values; if not, the notes say why."""
    try:
        table = supplement.read_supplement(file.path)
    except (FormatError, MissingExtraError) as error:
        parts.notes.append(f"{file.name} was not used: {error}")
        return False
    columns = [str(name) for name in table.values.columns]
    if parts.samples:
        matched = supplement.match_columns(columns, parts.samples)
        if 2 * len(matched) < min(len(columns), len(parts.samples)) or len(matched) < 2:
            parts.notes.append(
                f"{file.name} was not used: its columns ({some(columns)}) do not go by the samples' names"
            )
            return False
    else:
        matched = {name: name for name in columns}
        parts.samples = {name: {"title": (name,)} for name in columns}
        parts.notes.append(
            f"{parts.accession} has no metadata at hand: its samples are the columns of {file.name}, under "
            "the names that its authors gave them"
        )
    _place(parts, table.values, matched, file.name)
    parts.value_kind = "counts" if table.is_counts else "expression"
    parts.used.add(file.name)
    kind = "counts" if table.is_counts else "values that are not counts"
    parts.notes += [
        *table.notes,
        f"the matrix of {parts.accession} holds {kind} from the authors' file {file.name}",
    ]
    features, notes = as_features(table.annotation, file.name)
    if not features["symbol"].any() and named_by_symbols(features.index):
        features = features.assign(symbol=features.index)
        notes = (*notes, f"the rows of {file.name} read like gene symbols and are shown as such")
    if len(table.annotation.columns) or features["symbol"].any():
        parts.features.update(dict.fromkeys(parts.matrices, features))
        parts.notes += notes
    return True


def _place(parts: Parts, values: pd.DataFrame, matched: Mapping[str, str], name: str) -> None:
    """The columns as one matrix for each platform of their samples."""
    unknown = [str(column) for column in values.columns if matched.get(str(column)) not in parts.samples]
    if unknown:
        parts.notes.append(
            f"{name}: {len(unknown)} columns belong to no sample and were left out: {some(unknown)}"
        )
    by_platform: dict[str, dict[str, str]] = {}
    for column in map(str, values.columns):
        if column not in unknown:
            platform = platform_of(parts.samples[matched[column]])
            by_platform.setdefault(platform, {})[column] = matched[column]
    for platform, columns in by_platform.items():
        parts.matrices[platform] = values[list(columns)].rename(columns=columns)
