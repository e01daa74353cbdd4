"""Files of GEO's formats with made values, of any size, written quickly and packed as GEO packs: one gzip stream."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_THOUSANDTHS = np.array([f"{number / 1000:6.3f}" for number in range(100_000)], dtype="S6")
_THREE = np.array([f"{number:03}" for number in range(1000)], dtype="S3")
# zlib's default level takes six times as long for files that are a tenth smaller.
_LEVEL = 4


def write_matrix(path: Path, n_rows: int, n_samples: int, decimals: int = 3) -> Path:
    """A series matrix of log2 values with 3 or 6 decimals and a header as long as GEO's."""
    samples = [_sample(number) for number in range(n_samples)]
    facts = [_facts(number) for number in range(n_samples)]
    head = ['!Series_title\t"made"', '!Series_geo_accession\t"GSE1"']
    for place, (name, _) in enumerate(facts[0]):
        head.append(f"!Sample_{name}\t" + "\t".join(f'"{sample[place][1]}"' for sample in facts))
    head.append("!series_matrix_table_begin")
    head.append('"ID_REF"\t' + "\t".join(f'"{name}"' for name in samples))
    with gzip.open(path, "wb", compresslevel=_LEVEL) as out:
        out.write(("\n".join(head) + "\n").encode())
        chance = np.random.default_rng(1)
        for names in _names(n_rows, quoted=True):
            out.write(_rows([names, *_values(chance, len(names), n_samples, decimals)]))
        out.write(b"!series_matrix_table_end\n")
    return path


def write_family(path: Path, n_rows: int, n_samples: int) -> Path:
    """A family SOFT of one platform, whose samples have values, calls and their P-values."""
    chance = np.random.default_rng(1)
    with gzip.open(path, "wb", compresslevel=_LEVEL) as out:
        declared = "".join(f"!Series_sample_id = {_sample(number)}\n" for number in range(n_samples))
        out.write(f"^SERIES = GSE1\n!Series_title = made\n!Series_geo_accession = GSE1\n{declared}".encode())
        out.write(b"^PLATFORM = GPL1\n!Platform_title = made\n!Platform_geo_accession = GPL1\n")
        out.write(b"#ID = probe\n#Gene Symbol = symbol\n#Gene Title = title\n#GO = terms\n")
        out.write(b"!platform_table_begin\nID\tGene Symbol\tGene Title\tGO\n")
        terms = "0005515 // protein binding // inferred from physical interaction /// " * 5
        for names in _names(n_rows):
            rows = [name.decode().strip() for name in names]
            text = "".join(f"{name}\tGENE{name[:-3]}\ta gene of some length\t{terms}\n" for name in rows)
            out.write(text.encode())
        out.write(b"!platform_table_end\n")
        call = np.full(n_rows, b"P", dtype="S1")
        for number in range(n_samples):
            facts = "".join(f"!Sample_{name} = {text}\n" for name, text in _facts(number))
            out.write(f"^SAMPLE = {_sample(number)}\n{facts}!Sample_data_row_count = {n_rows}\n".encode())
            out.write(b"#ID_REF = probe\n#VALUE = log2\n#ABS_CALL = call\n#DETECTION P-VALUE = P\n")
            out.write(b"!sample_table_begin\nID_REF\tVALUE\tABS_CALL\tDETECTION P-VALUE\n")
            for names in _names(n_rows):
                value, p = _values(chance, len(names), 2, 6)
                out.write(_rows([names, value, call[: len(names)], p]))
            out.write(b"!sample_table_end\n")
    return path


def write_counts(path: Path, n_rows: int, n_samples: int) -> Path:
    """Counts as NCBI computes them."""
    chance = np.random.default_rng(1)
    with gzip.open(path, "wb", compresslevel=_LEVEL) as out:
        out.write(("GeneID\t" + "\t".join(map(_sample, range(n_samples))) + "\n").encode())
        for row in range(n_rows):
            found = chance.negative_binomial(1, 1 / (1 + chance.lognormal(4, 2)), n_samples)
            out.write((f"{100_000 + row}\t" + "\t".join(map(str, found.tolist())) + "\n").encode())
    return path


def _sample(number: int) -> str:
    return f"GSM{1_000_000 + number}"


def _facts(number: int) -> list[tuple[str, str]]:
    """What a sample says of itself, about as much as real ones do."""
    return [
        ("title", f"patient {number}, {'tumor' if number % 2 else 'normal'}"),
        ("geo_accession", _sample(number)),
        ("status", "Public on Nov 25 2003"),
        ("type", "RNA"),
        ("channel_count", "1"),
        ("source_name_ch1", "kidney"),
        ("organism_ch1", "Homo sapiens"),
        ("taxid_ch1", "9606"),
        ("characteristics_ch1", f"tissue: {'tumor' if number % 2 else 'normal'}"),
        ("characteristics_ch1", f"age: {20 + number % 60}"),
        ("characteristics_ch1", f"patient: {number}"),
        ("molecule_ch1", "total RNA"),
        ("extract_protocol_ch1", "Trizol extraction of total RNA was performed as the maker says. " * 4),
        ("label_ch1", "biotin"),
        ("hyb_protocol", "Fragments were hybridised for 16 hours at 45 degrees and washed. " * 4),
        ("data_processing", "Robust multi-array averaging, values are log2. " * 3),
        ("platform_id", "GPL1"),
        ("contact_name", "A,B,Maker"),
        ("contact_institute", "An institute"),
        ("series_id", "GSE1"),
    ]


def _names(n_rows: int, *, quoted: bool = False, size: int = 1000) -> Iterator[np.ndarray]:
    """Names of rows, some at a time."""
    for start in range(0, n_rows, size):
        names = (f"{200_000 + row}_s_at" for row in range(start, min(start + size, n_rows)))
        yield np.array([f'"{name}"' if quoted else name for name in names], dtype="S")


def _values(chance: np.random.Generator, n_rows: int, n_columns: int, decimals: int) -> list[np.ndarray]:
    """Columns of log2 values as text."""
    thousandths = np.clip(chance.normal(8000, 2000, (n_columns, n_rows)), 1, 99_999).astype(np.int64)
    texts = _THOUSANDTHS[thousandths]
    if decimals == 6:
        texts = np.strings.add(texts, _THREE[chance.integers(0, 1000, texts.shape)])
    return list(texts)


def _rows(columns: list[np.ndarray]) -> bytes:
    """The columns as lines, without the blanks and zero bytes that filled their cells."""
    cells = [column.view(np.uint8).reshape(len(column), -1) for column in columns]
    tab = np.full((len(columns[0]), 1), ord("\t"), np.uint8)
    parts = [part for cell in cells for part in (cell, tab)]
    parts[-1] = np.full_like(tab, ord("\n"))
    return np.concatenate(parts, axis=1).tobytes().translate(None, b" \0")
