"""Parsed studies in the cache: opened a second time, a study is mapped from the disk and not parsed.

``<cache>/studies/<accession>-<key>/`` holds a study as ``read_study`` gave it: ``study.json`` what is no table, an
``.npy`` (numpy's format, column-major) the values of a matrix, Arrow files names of rows, the sample sheet and
annotation, ``files.json`` the sizes and checksums of all these. The key is over the content of GEO's files and over
the code that read them, so that nothing here is ever out of date.

Values are mapped copy-on-write: they are read from the disk as they are used, may be changed like any others, and
no change reaches the cache. Studies that are open survive their removal from the cache; Windows refuses to remove
them while they are open, and the next prune does.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa

from .. import __version__
from ..errors import SettingsError
from ..records import Study
from ..settings import Settings
from .cache import MANIFEST, Cache, checksum, remove_study, studies_folder, sync_folder
from .files import LocalFile
from .layout import parse_accession
from .lazy import Tables
from .study import read_study

_FORMAT = 1
# By measurement, smaller files are parsed within the 20 ms that a second opening may take.
_WORTH_BYTES = 256 * 2**10
_TEXTS = ("title", "summary", "overall_design", "value_kind")
_TUPLES = ("organisms", "types", "notes", "added")

_log = logging.getLogger(__name__)


def read_kept(
    accession: str, files: Sequence[LocalFile], *, source: str, synthetic: bool = False, settings: Settings
) -> Study:
    """The study as ``read_study`` gives it, from the cache where it was parsed before; else parsed and kept.

    Its ``features`` are ``Tables`` either way, so that a run sees the same value the first and the second time.
    Errors as ``read_study``. A cache that cannot be written costs time and no study; a warning is logged.
    """
    if sum(file.record.n_bytes for file in files) < _WORTH_BYTES:
        return _lazy(read_study(accession, files, source=source, synthetic=synthetic))
    name = f"{parse_accession(accession, 'GSE', 'GDS')}-{_key(accession, files, synthetic)}"
    folder = studies_folder(settings.cache) / name
    study = open_study(folder, files, source=source, synthetic=synthetic)
    if study is None:
        with _turn(folder):
            # Whoever had the turn before may have kept it.
            study = open_study(folder, files, source=source, synthetic=synthetic)
            if study is None:
                study = read_study(accession, files, source=source, synthetic=synthetic)
                keep_study(study, folder, settings)
    return _lazy(study)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """A study that many want at once is parsed by one of them. A dead process has no turn; Windows has no turns."""
    with ExitStack() as held:
        with suppress(ImportError, OSError):  # a cache that cannot be written costs time and no study
            from fcntl import LOCK_EX, flock

            turns = folder.parent.with_name("turns")
            turns.mkdir(parents=True, exist_ok=True)
            flock(held.enter_context((turns / folder.name[-1]).open("w")), LOCK_EX)
        yield


def _lazy(study: Study) -> Study:
    made = study.features
    return study if isinstance(made, Tables) else replace(study, features=Tables.of(made))


def _key(accession: str, files: Sequence[LocalFile], synthetic: bool) -> str:
    """What the parsed study depends on, hashed: the files in their order, what reads them, and what its notes tell."""
    # Excel tables need a package that may come later; a note on the study says that it was missing.
    parts = [code_version(), find_spec("openpyxl") is not None, accession.strip().upper(), synthetic]
    parts += [(file.name, file.record.sha256) for file in files]
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


@cache
def code_version() -> str:
    """Changes with everything that a parsed study depends on besides its files."""
    versions = (_FORMAT, __version__, pd.__version__, pa.__version__, np.__version__)
    digest = sha256(repr(versions).encode())
    # A version under development changes without its number.
    for path in sorted(Path(__file__).parent.glob("*.*")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


# --- opening ---------------------------------------------------------------------------------------------------------


def open_study(folder: Path, files: Sequence[LocalFile], *, source: str, synthetic: bool) -> Study | None:
    """The study kept in ``folder``, which came of these files; None where none is, or none that can be opened."""
    if not folder.is_dir():
        return None
    try:
        for name, (n_bytes, _) in json.loads((folder / MANIFEST).read_bytes()).items():
            found = (folder / name).stat().st_size
            if found != n_bytes:
                raise ValueError(f"{name} has {found:,} bytes, not {n_bytes:,}")
        study = _read(folder, files, source=source, synthetic=synthetic)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        # Falling back is right here and nowhere else: GEO's own files are at hand, whole, and parsing them gives the
        # same numbers; only time is lost. What cannot be opened is removed, so that it is lost once.
        _log.info("the parsed study %s cannot be opened (%s) and is parsed anew", folder, error)
        remove_study(folder)
        return None
    try:
        os.utime(folder / MANIFEST)
    except OSError as error:
        # A cache that may only be read serves all the same; what was used last is then nobody's concern.
        _log.debug("the last use of %s cannot be noted: %s", folder, error)
    return study


def _read(folder: Path, files: Sequence[LocalFile], *, source: str, synthetic: bool) -> Study:
    kept: dict[str, Any] = json.loads((folder / "study.json").read_bytes())
    texts: dict[str, Any] = {name: kept[name] for name in _TEXTS}
    lists: dict[str, Any] = {name: tuple(kept[name]) for name in _TUPLES}
    used = set(kept["used"])
    return Study(
        accession=kept["accession"],
        **texts,
        **lists,
        published=date.fromisoformat(kept["published"]) if kept["published"] else None,
        samples=_read_sheet(folder, kept["samples"])(),
        matrices={platform: _read_matrix(folder, recipe) for platform, recipe in kept["matrices"].items()},
        features=Tables(
            {platform: _read_sheet(folder, recipe) for platform, recipe in kept["features"].items()}
        ),
        source=source,
        files=tuple(file.record for file in files if file.name in used),
        synthetic=synthetic,
        metadata={name: tuple(lines) for name, lines in kept["metadata"].items()},
    )


def _read_matrix(folder: Path, recipe: dict[str, Any]) -> pd.DataFrame:
    path = folder / f"{recipe['file']}.npy"
    # Nothing can be mapped from an empty table.
    mode: Any = "c" if recipe["n_values"] else None
    values = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
    (rows,) = _map_texts(folder, recipe)
    return pd.DataFrame(values, _index(rows, recipe["rows"]), _columns(recipe), copy=False)


def _read_sheet(folder: Path, recipe: dict[str, Any]) -> Callable[[], pd.DataFrame]:
    """The making of a table of texts; its file is open from now on, so that it may be removed meanwhile."""
    rows, *columns = _map_texts(folder, recipe)

    def make() -> pd.DataFrame:
        index = _index(rows, recipe["rows"])
        cells = {
            place: pd.Series(_texts(column), index=index, dtype=dtype, copy=False)
            for place, (column, dtype) in enumerate(zip(columns, recipe["dtypes"], strict=True))
        }
        return pd.DataFrame(cells, index=index, copy=False).set_axis(_columns(recipe), axis=1)

    return make


def _map_texts(folder: Path, recipe: dict[str, Any]) -> list[Any]:
    with pa.memory_map(str(folder / f"{recipe['file']}.arrow")) as source:
        found: list[Any] = pa.ipc.open_file(source).get_batch(0).columns
        return found


def _texts(column: Any) -> np.ndarray[Any, Any]:
    """Python's strings; where cells repeat, one string stands for all that are equal, which is much faster."""
    if not pa.types.is_dictionary(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    words = column.dictionary.to_numpy(zero_copy_only=False)
    return np.asarray(words.take(column.indices.to_numpy()))


def _index(column: Any, labels: Sequence[Any]) -> pd.Index:
    name, dtype = labels
    index: pd.Index = pd.Index(_texts(column), dtype=dtype, name=name, copy=False)
    return index


def _columns(recipe: dict[str, Any]) -> pd.Index:
    names, name, dtype = recipe["columns"]
    columns: pd.Index = pd.Index(names, dtype=dtype, name=name)
    return columns


# --- keeping ---------------------------------------------------------------------------------------------------------


class _UnlikeError(Exception):
    """A table of a kind that cannot be kept exactly; its study is parsed each time."""


def keep_study(study: Study, folder: Path, settings: Settings) -> None:
    """Write the study beside its place, synced, then rename: there is a whole folder or none."""
    part = folder.with_name(f".part-{uuid4().hex}")
    try:
        part.mkdir(parents=True)
        _write(study, part)
        for path in part.iterdir():
            _sync(path)
        part.rename(folder)
        sync_folder(folder.parent)
        Cache(settings.cache).prune(settings.cache_limit)
    except SettingsError as error:
        _log.warning("%s was kept, and nothing older could be removed: %s", study.accession, error)
    except _UnlikeError as error:
        _log.info("%s is not kept parsed: %s", study.accession, error)
    except OSError as error:
        # Another process that has just kept the same study leaves nothing to do.
        if not folder.is_dir():
            _log.warning(
                "%s cannot be kept in %s (%s) and is parsed again next time",
                study.accession,
                folder.parent,
                error,
            )
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(study: Study, folder: Path) -> None:
    tables = iter(range(1 + len(study.matrices) + len(study.features)))
    kept = {
        **{name: getattr(study, name) for name in ("accession", *_TEXTS, *_TUPLES)},
        "published": study.published.isoformat() if study.published else None,
        "metadata": dict(study.metadata),
        "used": [record.name for record in study.files],
        "samples": _write_sheet(folder, f"{next(tables)}", study.samples),
        "matrices": {
            platform: _write_matrix(folder, f"{next(tables)}", frame)
            for platform, frame in study.matrices.items()
        },
        "features": {
            platform: _write_sheet(folder, f"{next(tables)}", frame)
            for platform, frame in study.features.items()
        },
    }
    (folder / "study.json").write_text(json.dumps(kept), encoding="utf-8")
    sizes = {path.name: (path.stat().st_size, checksum(path)) for path in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps(sizes), encoding="utf-8")


def _write_matrix(folder: Path, file: str, frame: pd.DataFrame) -> dict[str, Any]:
    dtypes = {*frame.dtypes}
    if len(dtypes) > 1 or not all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in dtypes):
        raise _UnlikeError(f"a matrix of {sorted(map(str, dtypes))}")
    np.save(folder / f"{file}.npy", np.asfortranarray(frame.to_numpy()), allow_pickle=False)
    recipe = _write_texts(folder, file, [frame.index])
    return {**recipe, **_labels(frame), "n_values": frame.size}


def _write_sheet(folder: Path, file: str, frame: pd.DataFrame) -> dict[str, Any]:
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    recipe = _write_texts(folder, file, [frame.index, *columns])
    return {**recipe, **_labels(frame), "dtypes": [str(column.dtype) for column in columns]}


def _labels(frame: pd.DataFrame) -> dict[str, Any]:
    labels = frame.columns
    names = (*labels, frame.index.name or "", labels.name or "")
    if not all(type(name) is str for name in names) or isinstance(labels, pd.MultiIndex):
        raise _UnlikeError(f"labels that are no text: {names!r:.80}")
    return {
        "rows": [frame.index.name, str(frame.index.dtype)],
        "columns": [list(labels), labels.name, str(labels.dtype)],
    }


def _write_texts(folder: Path, file: str, columns: Sequence[pd.Series | pd.Index]) -> dict[str, Any]:
    arrays = [_arrow(column) for column in columns]
    batch = pa.record_batch(arrays, names=[str(place) for place in range(len(arrays))])
    with pa.ipc.new_file(str(folder / f"{file}.arrow"), batch.schema) as target:
        target.write_batch(batch)
    return {"file": file}


def _arrow(column: pd.Series | pd.Index) -> Any:
    cells = column.to_numpy(dtype=object)
    is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
    if not is_text or pd.api.types.infer_dtype(cells, skipna=False) not in ("string", "empty"):
        raise _UnlikeError(f"a column {column.name!r} that is not all text")
    try:
        array = pa.array(cells, type=pa.large_string())
    except UnicodeEncodeError as error:
        raise _UnlikeError(f"a column {column.name!r} with text that no file can hold: {error}") from error
    coded = array.dictionary_encode()
    return coded if 2 * len(coded.dictionary) <= len(array) else array


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
