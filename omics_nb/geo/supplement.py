"""Tables that authors upload beside their samples: counts, FPKM, lists of genes, in whatever shape.

Nothing fixes their form: tab, comma or blanks between cells, an index column or two, a header one cell short,
comment lines, columns that describe genes between those of samples, FPKM under the name of counts, workbooks.
What is read here is judged by its values, and its columns are matched to samples by name, never by order.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..errors import FormatError, MissingExtraError
from . import files
from .readers import MISSING
from .samples import Attributes
from .tables import unique_names

#: Columns that tell of a gene and may hold numbers; never samples.
_DESCRIBING = frozenset({
    "chr", "chrom", "chromosome", "start", "end", "stop", "strand", "length", "width", "genelength",
    "gene_length", "gene.length", "basemean", "log2foldchange", "logfc", "lfcse", "stat", "pvalue", "p.value",
    "padj", "fdr", "qvalue",
    "adj.p.val", "entrez", "entrezid", "entrez_id", "geneid", "gene_id", "mapinfo", "index",
    "row", "row.names", "unnamed:0",
})  # fmt: skip
_COUNTS = re.compile(r"(?<![a-z])(raw|counts?|readcounts?|featurecounts?|htseq)(?![a-z])", re.IGNORECASE)
_RAW = re.compile(r"(?<![a-z])(raw)(?![a-z])|featurecounts?|htseq", re.IGNORECASE)
_NORMALISED = re.compile(
    r"(?<![a-z])(norm[a-z]*|fpkm|rpkm|tpm|cpm|rlog|vst|log2?|scaled|rma|quantile)(?![a-z])", re.IGNORECASE
)
_NOT_VALUES = re.compile(
    r"(?<![a-z])(degs?|de|diff[a-z]*|deseq2?|edger|significant|sig|fold|foldchange|peaks?)(?![a-z])",
    re.IGNORECASE,
)
_TEXTS = re.compile(
    r"(?<![a-z])(annotation|readme|metadata|filelist|phenodata|coldata|clinical|samples?[ _-]?(sheet|info))(?![a-z])"
    r"|(barcodes|features|genes)\.tsv$",
    re.IGNORECASE,
)
_KEYS = frozenset({
    "gene", "genes", "geneid", "gene_id", "id", "id_ref", "ensembl", "symbol", "probe", "feature", "name",
})  # fmt: skip
# How a column is called whose cells are samples, and what accessions of samples, experiments and runs look like. A
# corner that says just "sample" may be meant for the columns beside it.
_SAMPLE_KEY = re.compile(r"run|gsm|(sample|run|library|geo|patient|subject)[ _.-]?(id|name|accession)", re.I)
_SAMPLE_NAME = r"GSM\d+|[SED]R[XRS]\d+|SAM(N|EA|D)\d+"
# A table of more rows than this is of genes, whatever is written in its corner.
_MOST_SAMPLES = 2_000
# What HTSeq and STAR count beside the genes.
_SUMMARIES = r"__[a-z][A-Za-z_]*|N_(?:unmapped|multimapping|noFeature|ambiguous)"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Beyond it float64 does not hold every whole number.
_MOST_EXACT = 2**53
_WORKBOOK_LIMIT = 1 << 30
_TABLES = (".txt", ".tsv", ".csv", ".tab", ".xlsx", ".xls", ".counts", ".count")
_NEVER = (
    ".tar",
    ".bw",
    ".bigwig",
    ".bed",
    ".wig",
    ".bam",
    ".narrowpeak",
    ".pdf",
    ".rds",
    ".rdata",
    ".mtx",
    ".idat",
    ".cel",
)


@dataclass(frozen=True, slots=True, eq=False)
class SupplementTable:
    """An author's table of values.

    ``values``: features × columns as the author named them; int64 where ``is_counts``, else float64.
    ``annotation``: the columns that hold no values of samples, index as ``values``. ``notes``: what was odd.
    """

    name: str
    values: pd.DataFrame
    annotation: pd.DataFrame
    is_counts: bool
    notes: tuple[str, ...] = ()


def rank(names: Iterable[str]) -> list[str]:
    """Names of files that may hold a matrix, the likeliest raw counts first; others are left out.

    By name only, so that it can be done before anything is downloaded.
    """
    scored = [(_score(name), place, name) for place, name in enumerate(names)]
    return [name for score, _, name in sorted(scored, key=lambda item: (-item[0], item[1])) if score > 0]


def _score(name: str) -> int:
    base = name.rsplit("/", 1)[-1].lower()
    stem = re.sub(r"\.(gz|zip|bz2)$", "", base)
    words = stem.replace("_", " ").replace("-", " ")
    if stem.endswith(_NEVER) or not stem.endswith(_TABLES) or _TEXTS.search(words):
        return 0
    score = 10 + (20 if _COUNTS.search(words) else 0) + (10 if _RAW.search(words) else 0)
    score -= 8 if _NORMALISED.search(words) else 0
    score -= 9 if _NOT_VALUES.search(words) else 0
    return max(score, 1)


def read_supplement(path: Path) -> SupplementTable:
    """A table of values for features × columns.

    Counts are non-negative whole numbers throughout; anything else is said not to be, whatever the file is
    called. FormatError if the file holds no such table; MissingExtraError for a workbook without openpyxl.
    """
    data = files.read_bytes(path)
    kind = files.kind_of(data[:4096])
    if kind == "zip":
        grid = _workbook(data, path.name)
    elif kind == "text":
        grid = _text_grid(data, path.name)
    else:
        raise FormatError(f"{path.name} is {kind}, not a table of text or an .xlsx workbook", path=str(path))
    return _table(grid, path.name)


def match_columns(columns: Sequence[str], samples: Mapping[str, Attributes]) -> dict[str, str]:
    """Column → sample accession, by accession, title or a word of the description; only what is beyond doubt.

    A column matches if exactly one sample goes by that name, and a sample if exactly one column does.
    """
    for names in (_accession_names, _title_names, _described_names):
        known: dict[str, set[str]] = {}
        for accession, attributes in samples.items():
            for name in names(accession, attributes):
                known.setdefault(name, set()).add(accession)
        found = {}
        for column in columns:
            hits = set().union(*(known.get(form, set()) for form in _forms(column)))
            if len(hits) == 1:
                found[column] = hits.pop()
        if found and len(set(found.values())) == len(found):
            return found
    return {}


def _accession_names(accession: str, _: Attributes) -> set[str]:
    return {accession.casefold()}


def _title_names(_: str, attributes: Attributes) -> set[str]:
    return {form for title in attributes.get("title", ()) for form in _forms(title)}


def _described_names(_: str, attributes: Attributes) -> set[str]:
    texts = [
        *attributes.get("title", ()),
        *attributes.get("description", ()),
        *attributes.get("source_name_ch1", ()),
    ]
    texts += attributes.get("characteristics_ch1", ())
    words = [word for text in texts for word in (text, *re.split(r"[\s,;:()\[\]]+", text))]
    return {form for word in words if len(word) > 1 for form in _forms(word)}


def _forms(name: str) -> set[str]:
    """A name as written, and without what pipelines put around it: paths, endings, marks for blanks."""
    name = name.strip().casefold()
    base = re.sub(
        r"(\.(bam|sam|fastq|fq|gz|txt|tsv|counts?|sorted|bed|trimmed))+$", "", name.rsplit("/", 1)[-1]
    )
    plain = re.sub(r"[^0-9a-z]+", "_", base).strip("_")
    found = {name, base, plain, plain.removeprefix("x") if re.match(r"x[0-9]", plain) else plain}
    accession = re.search(r"(?<![0-9a-z])gsm[0-9]+(?![0-9])", name)
    return {form for form in (*found, accession[0] if accession else "") if form}


@dataclass(frozen=True, slots=True)
class _Grid:
    """Cells by column, all text (pyarrow arrays), under a header as long as there are columns."""

    header: list[str]
    columns: list[Any]
    notes: list[str]


def _text_grid(data: bytes, name: str) -> _Grid:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16").encode()
    if b"\0" in data[:4096]:
        raise FormatError(f"{name} is binary, not a table of text", path=name)
    data = files.plain_lines(data.removeprefix(b"\xef\xbb\xbf"))
    start, above = _first_row(data)
    sample = [line for line in data[start : start + (1 << 18)].split(b"\n")[:100] if line.strip()]
    if not sample:
        raise FormatError(f"{name} holds no table: it has no lines but comments", path=name)
    mark = _delimiter(sample[:-1] if len(sample) > 2 else sample)
    width = len(_cells(sample[-2] if len(sample) > 2 else sample[-1], mark))
    notes = list(_other_bytes(data, name))
    if above and len(_cells(above, mark)) == width and not _numeric(_cells(sample[0], mark)[0]) and width > 1:
        header = [cell.lstrip("# ") for cell in _cells(above, mark)]
    else:
        header, start = _header(data, start, mark, width, name, notes)
    columns = _columns(data[start:], mark, max(width, len(header)), name, notes)
    return _Grid(header + [""] * (len(columns) - len(header)), columns, notes)


def _other_bytes(data: bytes, name: str) -> Iterator[str]:
    """A note on the first line that is not UTF-8."""
    # Most tables are ASCII, which is told without a copy of them.
    if data.isascii() or files.decode(data)[1] == "utf-8":
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        encoding = files.decode(line)[1]
        if encoding != "utf-8":
            yield f"{name}: some lines are not UTF-8 and were read as {encoding}, the first is line {number}"
            return


def _first_row(data: bytes) -> tuple[int, bytes]:
    """Where the lines begin that are no comments, and the comment just above, which may be the header."""
    start, above = 0, b""
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end]
        if line.strip() and not line.startswith(b"#"):
            break
        above = line if line.strip() else above
        start = end + 1
    return start, above


def _header(
    data: bytes, start: int, mark: str, width: int, name: str, notes: list[str]
) -> tuple[list[str], int]:
    """The names of the columns and where the rows begin. Titles above the header are stepped over."""
    while True:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        cells = _cells(data[start:end], mark)
        if sum(bool(cell) for cell in cells) > 1 or width < 3 or end >= len(data):
            break
        start = end + 1
    if len(cells) == width - 1:
        # R writes row names without a name for their column.
        return ["", *cells], end + 1
    if (
        len(cells) > 1
        and cells[0]
        and all(_numeric(cell) for cell in cells[1:])
        and cells[0].lower() not in _KEYS
    ):
        notes.append(f"{name}: the first line is no header; columns are named by their place")
        return ["", *(f"column {place}" for place in range(2, len(cells) + 1))], start
    return cells, end + 1


def _columns(data: bytes, mark: str, width: int, name: str, notes: list[str]) -> list[Any]:
    if mark != " ":
        try:
            return _fast_columns(data, mark, width)
        except pa.ArrowInvalid:
            pass
    rows = [_cells(line, mark) for line in data.split(b"\n") if line.strip()]
    ragged = [number for number, row in enumerate(rows, 1) if len(row) != width]
    if len(ragged) > len(rows) / 2:
        raise FormatError(
            f"{name} holds no table: most of its rows have not the {width} cells of its header", path=name
        )
    if ragged:
        notes.append(
            f"{name}: {len(ragged):,} rows have not {width} cells and were left out, the first is {ragged[0]}"
        )
    rows = [row for row in rows if len(row) == width]
    return [pa.array([row[place] for row in rows], type=pa.string()) for place in range(width)]


def _fast_columns(data: bytes, mark: str, width: int) -> list[Any]:
    names = [str(place) for place in range(width)]
    table = pyarrow.csv.read_csv(
        pa.py_buffer(data),
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=16 << 20),
        parse_options=pyarrow.csv.ParseOptions(delimiter=mark, quote_char='"', double_quote=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={column: pa.string() for column in names}, strings_can_be_null=False
        ),
    )
    return [table[column].combine_chunks() for column in names]


def _delimiter(lines: Sequence[bytes]) -> str:
    """The mark that cuts most lines into the same number of cells, and into most of them."""
    best, chosen = (0.0, 0), "\t"
    for mark in ("\t", ",", ";", " "):
        widths = [len(_cells(line, mark)) for line in lines[1:] or lines]
        usual = max(set(widths), key=widths.count)
        quality = (round(widths.count(usual) / len(widths), 1), usual) if usual > 1 else (0.0, 0)
        if quality > best:
            best, chosen = quality, mark
    return chosen


def _cells(line: bytes, mark: str) -> list[str]:
    text = files.decode(line)[0]
    if mark == " ":
        return re.split(r"[ \t]+", text.strip(" \t"))
    cells = next(csv.reader([text], delimiter=mark), []) if '"' in text else text.split(mark)
    return [cell.strip() for cell in cells]


def _numeric(cell: str) -> bool:
    # Python's float takes 1_1 as well, which is how samples are named.
    return cell in MISSING or bool(re.match(_NUMBER, cell))


def _workbook(data: bytes, name: str) -> _Grid:
    """The sheet with the most cells. Workbooks unpack to many times their size: that is looked at first."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError(
            f"{name} is a workbook; to read it run: pip install 'omics-nb[excel]'", extra="excel"
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > _WORKBOOK_LIMIT:
            raise FormatError(
                f"{name} unpacks to {size:,} bytes; workbooks above {_WORKBOOK_LIMIT:,} are not read",
                path=name,
            )
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        openpyxl.utils.exceptions.InvalidFileException,
    ) as error:
        raise FormatError(f"{name} is no .xlsx workbook: {error}", path=name) from error
    sheets = []
    for sheet in book:
        # How large it is said to be is wrong in workbooks of some programs; all cells are read.
        sheet.reset_dimensions()
        sheets.append([row for row in sheet.iter_rows(values_only=True) if any(c is not None for c in row)])
    book.close()
    rows = max(sheets, key=lambda sheet: sum(len(row) for row in sheet), default=[])
    while rows and len(rows) > 1 and sum(cell is not None for cell in rows[0]) < 2:
        rows = rows[1:]
    if len(rows) < 2:
        raise FormatError(f"{name} holds no table", path=name)
    notes: list[str] = []
    dates = sum(isinstance(cell, datetime) for row in rows[1:] for cell in row)
    if dates:
        notes.append(
            f"{name}: {dates:,} cells are dates; spreadsheets turn gene names such as MARCH1 into dates, and "
            "the names are lost"
        )
    width = max(len(row) for row in rows)
    texts = [[_cell_text(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    return _Grid(
        texts[0], [pa.array([row[at] for row in texts[1:]], type=pa.string()) for at in range(width)], notes
    )


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return cell.date().isoformat() if isinstance(cell, datetime) else str(cell).strip()


def _table(grid: _Grid, name: str) -> SupplementTable:
    numbers = {
        place: values
        for place, cells in enumerate(grid.columns)
        if (values := _as_numbers(cells)) is not None
    }
    key = _key_column(grid, numbers, name)
    kept = [
        place
        for place in numbers
        if place != key
        and not _describes(grid.header[place])
        and not (place < key and _counts_rows(numbers[place]))
    ]
    if not kept or not len(grid.columns[key]):
        raise FormatError(
            f"{name} holds no columns of numbers beside names of genes: {grid.header[:8]}", path=name
        )
    notes = list(grid.notes)
    index = pd.Index(grid.columns[key].to_pylist(), dtype=object, name=grid.header[key] or "feature")
    _refuse_samples(index, grid.header[key], [grid.header[place] for place in kept], name)
    if index.has_duplicates:
        notes.append(
            f"{name}: {int(index.duplicated().sum()):,} rows have a name that occurred before, "
            f"the first is {index[index.duplicated()][0]!r}"
        )
    values = np.column_stack([numbers[place] for place in kept])
    is_counts = _are_counts(values)
    if not is_counts and _COUNTS.search(name.replace("_", " ").replace("-", " ")):
        notes.append(
            f"{name}: called counts, but its values are not all whole numbers of at least 0: not used as such"
        )
    frame = pd.DataFrame(
        values.astype(np.int64) if is_counts else values,
        index=index,
        columns=unique_names([grid.header[p] for p in kept]),
    )
    rest = [place for place in range(len(grid.columns)) if place not in kept and place != key]
    notes += [
        f"{name}: column {grid.header[place]!r} holds text among its numbers, such as {text!r}: not taken for values"
        for place in rest
        if not _describes(grid.header[place]) and (text := _text_among_numbers(grid.columns[place]))
    ]
    annotation = pd.DataFrame(
        {
            title: grid.columns[place].to_pylist()
            for title, place in zip(_titles(grid, rest), rest, strict=True)
        },
        index=index,
    )
    summaries = index.str.fullmatch(_SUMMARIES)
    if summaries.any():
        notes.append(
            f"{name}: rows that count what is in no gene were left out: {', '.join(index[summaries])}"
        )
        frame, annotation = frame[~summaries], annotation[~summaries]
    return SupplementTable(name, frame, annotation, is_counts, tuple(notes))


def _refuse_samples(index: pd.Index, title: str, columns: Sequence[str], name: str) -> None:
    """FormatError where the rows are samples: ages and batches are numbers too, and would read as values of genes."""
    across = any(re.fullmatch(_SAMPLE_NAME, column) for column in columns)
    by_title = _SAMPLE_KEY.fullmatch(title.strip()) and len(index) <= _MOST_SAMPLES and not across
    if by_title or index.str.fullmatch(_SAMPLE_NAME).mean() > 0.5:
        raise FormatError(
            f"{name} has samples in its rows ({', '.join(map(str, index[:3]))} …), not genes. A table that describes "
            "samples gives groups (--groups FILE in the shell, study.with_factor in a cell); a table of values has "
            "features in rows and samples in columns",
            path=name,
        )


def _titles(grid: _Grid, places: Sequence[int]) -> list[str]:
    return unique_names([grid.header[place] or f"column {place + 1}" for place in places])


def _as_numbers(cells: Any) -> Any:
    """The column as float64 if every cell is a number or stands for a missing one, and one is; else None."""
    try:
        values = cells.cast(pa.float64())
    except pa.ArrowInvalid:
        plain = pc.utf8_trim_whitespace(cells)
        missing = pc.is_in(plain, value_set=pa.array(MISSING))
        try:
            values = pc.if_else(missing, None, plain).cast(pa.float64())
        except pa.ArrowInvalid:
            return None
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers if np.isfinite(numbers).any() else None


def _text_among_numbers(cells: Any) -> str:
    """The first cell that is no number, where most are; empty where most are not."""
    plain = pc.utf8_trim_whitespace(cells)
    odd = pc.invert(
        pc.or_(pc.match_substring_regex(plain, _NUMBER), pc.is_in(plain, value_set=pa.array(MISSING)))
    )
    texts = plain.filter(odd)
    return texts[0].as_py() if 0 < 2 * len(texts) < len(plain) else ""


def _key_column(grid: _Grid, numbers: Mapping[int, Any], name: str) -> int:
    """The column that names the rows: the first text without repeats, or just text, or the first."""
    texts = [
        place
        for place, cells in enumerate(grid.columns)
        if place not in numbers and not _text_among_numbers(cells)
    ]
    if not texts and grid.header[1:2] == ["column 2"]:
        raise FormatError(f"{name} has neither a header nor a column that names its rows", path=name)
    for place in texts:
        if pc.count_distinct(grid.columns[place]).as_py() == len(grid.columns[place]):
            return place
    return texts[0] if texts else 0


def _describes(title: str) -> bool:
    plain = "".join(title.lower().split())
    return not plain or plain in _DESCRIBING or plain in _KEYS


def _counts_rows(values: Any) -> bool:
    return bool(len(values) > 1 and np.array_equal(np.diff(values), np.ones(len(values) - 1)))


def _are_counts(values: Any) -> bool:
    whole = np.isfinite(values) & (values >= 0) & (values < _MOST_EXACT) & (values == np.floor(values))
    return bool(whole.all())
