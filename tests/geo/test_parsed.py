"""Parsed studies in the cache: the same to the last bit, safe to use, and gone where anything is wrong with them."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from omics_nb import settings as settings_module
from omics_nb.errors import IntegrityError
from omics_nb.geo import digests
from omics_nb.geo.cache import KeptStudy, cache_info, cache_prune, cache_verify, kept_studies
from omics_nb.geo.digests import Digests
from omics_nb.geo.files import LocalFile, local_file
from omics_nb.geo.lazy import Tables
from omics_nb.geo.parsed import keep_study, open_study, read_kept
from omics_nb.geo.study import read_study
from omics_nb.records import FileRecord, Study
from omics_nb.settings import Settings
from omics_nb.sources import open_source

AT = "2024-05-01T00:00:00+00:00"


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings with an empty cache."""
    return replace(settings_module.load(), cache=tmp_path / "cache")


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A mirror with one series matrix that is large enough to be kept parsed."""
    path = tmp_path / "geo/series/GSEnnn/GSE7/matrix/GSE7_series_matrix.txt.gz"
    path.parent.mkdir(parents=True)
    write_matrix(path, seed=1)
    return path


def write_matrix(path: Path, *, seed: int) -> None:
    names = [f"GSM{number}" for number in range(10)]
    head = "".join(
        f"!Sample_{name}\t" + "\t".join(cells) + "\n"
        for name, cells in (
            ("title", names),
            ("geo_accession", names),
            ("platform_id", ["GPL1"] * 10),
            ("characteristics_ch1", [f"agent: {'ab'[number % 2]}" for number in range(10)]),
        )
    )
    values = np.random.default_rng(seed).normal(8, 2, (3_600, 10)).tolist()
    rows = "".join(f"{place}_at\t" + "\t".join(map(repr, row)) + "\n" for place, row in enumerate(values))
    text = (
        f'!Series_title\t"made"\n!Series_status\t"Public on May 01 2024"\n{head}!series_matrix_table_begin\n'
        f"ID_REF\t{chr(9).join(names)}\n{rows}!series_matrix_table_end\n"
    )
    path.write_bytes(gzip.compress(text.encode(), 1))
    # As old as files usually are: a file that was written just now is hashed again.
    os.utime(path, (1_700_000_000, 1_700_000_000))


def kept_folder(own: Settings) -> Path:
    (found,) = kept_studies(own.cache)
    return found.path


def check_same(one: Study, other: Study) -> None:
    """Every field, to the last bit and with every name and type."""
    for name in (field.name for field in fields(Study)):
        left, right = getattr(one, name), getattr(other, name)
        if name == "samples":
            check_same_frame(left, right)
        elif name in ("matrices", "features"):
            assert list(left) == list(right), name
            for platform in left:
                check_same_frame(left[platform], right[platform])
        else:
            assert left == right, name
            assert repr(left) == repr(right), name


def check_same_frame(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert type(one) is type(other) is pd.DataFrame
    for left, right in ((one.index, other.index), (one.columns, other.columns)):
        assert (left.dtype, left.name, type(left), list(left)) == (
            right.dtype,
            right.name,
            type(right),
            list(right),
        )
    assert list(one.dtypes) == list(other.dtypes)
    for place in range(one.shape[1]):
        left, right = one.iloc[:, place].to_numpy(), other.iloc[:, place].to_numpy()
        assert left.tobytes() == right.tobytes() if left.dtype.kind in "iuf" else list(left) == list(right)


# --- the same to the last bit ----------------------------------------------------------------------------------------

_NAMES = st.one_of(st.none(), st.text(max_size=5))
_DTYPES = st.sampled_from(["<f8", "<f4", "<i8", "<i4", "<u2", ">f8"])
_TEXT_DTYPES = st.sampled_from([object, "string"])


@st.composite
def _labels(draw: st.DrawFn, size: int) -> pd.Index:
    names = draw(st.lists(st.text(max_size=4), min_size=size, max_size=size))
    return pd.Index(names, dtype=draw(_TEXT_DTYPES), name=draw(_NAMES))


@st.composite
def _matrices(draw: st.DrawFn) -> pd.DataFrame:
    n_rows, n_columns, dtype = draw(st.integers(0, 5)), draw(st.integers(0, 4)), np.dtype(draw(_DTYPES))
    size = n_rows * n_columns * dtype.itemsize
    # Any bits at all: each kind of NaN, negative zero, the smallest and largest numbers.
    values = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(n_rows, n_columns)
    return pd.DataFrame(values, index=draw(_labels(n_rows)), columns=draw(_labels(n_columns)))


@st.composite
def _sheets(draw: st.DrawFn) -> pd.DataFrame:
    n_rows, n_columns = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    index = draw(_labels(n_rows))
    cells = st.lists(
        st.one_of(st.sampled_from(["", "a", "NA", "001"]), st.text()), min_size=n_rows, max_size=n_rows
    )
    columns = {
        place: pd.Series(draw(cells), index=index, dtype=draw(_TEXT_DTYPES)) for place in range(n_columns)
    }
    return pd.DataFrame(columns, index=index).set_axis(draw(_labels(n_columns)), axis=1)


_TEXT_TUPLES = st.lists(st.text(), max_size=3).map(tuple)
_RECORDS = st.builds(
    FileRecord, st.text(min_size=1), st.text(), st.integers(0), st.just("0" * 64), st.just(AT)
)
_STUDIES = st.fixed_dictionaries(
    {
        "accession": st.just("GSE7"),
        **{name: st.text() for name in ("title", "summary", "overall_design", "source")},
        **dict.fromkeys(("organisms", "types", "notes", "added"), _TEXT_TUPLES),
        "published": st.one_of(st.none(), st.dates()),
        "samples": _sheets(),
        "matrices": st.dictionaries(st.sampled_from(["GPL1", "GPL2", "../x"]), _matrices(), max_size=2),
        "features": st.dictionaries(st.text(max_size=4), _sheets(), max_size=2),
        "value_kind": st.sampled_from(["expression", "counts"]),
        "files": st.lists(_RECORDS, max_size=3, unique_by=lambda record: record.name).map(tuple),
        "synthetic": st.booleans(),
        "metadata": st.dictionaries(st.text(), _TEXT_TUPLES, max_size=3),
    }
)


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(_STUDIES)
def test_any_study_is_opened_as_it_was_kept(own: Settings, parts: dict[str, Any]) -> None:
    assert set(parts) == {field.name for field in fields(Study)}
    study = Study(**parts)
    folder = own.cache / "studies" / "GSE7-x"
    keep_study(study, folder, own)
    files = [LocalFile(Path(record.name), record) for record in study.files]
    opened = open_study(folder, files, source=study.source, synthetic=study.synthetic)
    shutil.rmtree(own.cache)
    assert opened is not None
    check_same(study, opened)


@pytest.mark.parametrize(
    "accession", ["GSE4107", "GSE42872", "GSE781", "GSE14520", "GSE1623", "GSE151648", "GDS507", "GDS4019"]
)
def test_real_studies_are_opened_as_they_are_parsed(accession: str, own: Settings, shared: Path) -> None:
    source = open_source(f"mirror:{shared / 'geo'}", settings=own)
    source.fetch(accession)
    assert [study.accession for study in kept_studies(own.cache)] == [accession]
    opened = source.fetch(accession)
    files = [local_file(Path(record.location)) for record in opened.files]
    check_same(opened, read_study(accession, files, source=source.spec))


def test_a_study_is_parsed_once_for_the_same_content_wherever_it_lies(
    matrix: Path, tmp_path: Path, own: Settings
) -> None:
    shutil.copytree(tmp_path / "geo", tmp_path / "copy")
    first = open_source(f"mirror:{tmp_path / 'geo'}", settings=own).fetch("GSE7")
    second = open_source(f"mirror:{tmp_path / 'copy'}", settings=own).fetch("GSE7")
    assert len(kept_studies(own.cache)) == 1
    assert (first.source, second.source) == (f"mirror:{tmp_path / 'geo'}", f"mirror:{tmp_path / 'copy'}")
    assert second.files[0].location == str(tmp_path / "copy" / matrix.relative_to(tmp_path / "geo"))
    check_same(replace(first, source="", files=()), replace(second, source="", files=()))


def test_changed_files_are_another_study(matrix: Path, tmp_path: Path, own: Settings) -> None:
    source = open_source(f"mirror:{tmp_path / 'geo'}", settings=own)
    before = source.fetch("GSE7").matrix()
    write_matrix(matrix, seed=2)
    after = source.fetch("GSE7").matrix()
    assert not np.array_equal(before, after)
    assert len(kept_studies(own.cache)) == 2


def test_annotation_that_comes_later_reaches_a_study_that_is_kept(
    matrix: Path, tmp_path: Path, own: Settings
) -> None:
    source = open_source(f"mirror:{tmp_path / 'geo'}", settings=own)
    assert not source.fetch("GSE7").features
    path = tmp_path / "geo/platforms/GPLnnn/GPL1/annot/GPL1.annot.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(
        gzip.compress(
            b"^Annotation\n!platform_table_begin\nID\tGene symbol\n0_at\tTP53\n!platform_table_end\n"
        )
    )
    for _ in range(2):
        assert source.fetch("GSE7").features["GPL1"]["symbol"]["0_at"] == "TP53"


def test_small_files_are_parsed_each_time(own: Settings) -> None:
    study = open_source("demo", settings=own).fetch("GSE9000003")
    assert kept_studies(own.cache) == []
    assert isinstance(study.features, Tables)


def _with_text(study: Study, text: object) -> Study:
    return replace(study, samples=study.samples.assign(odd=[text, *[""] * 9]))


@pytest.mark.parametrize(
    "change",
    [
        lambda study: _with_text(study, None),
        lambda study: _with_text(study, float("nan")),
        lambda study: _with_text(study, 1),
        lambda study: _with_text(study, "\ud800"),
        lambda study: replace(study, matrices={"GPL1": study.matrix().astype({"GSM1": "int64"})}),
        lambda study: replace(study, matrices={"GPL1": study.matrix().set_axis(range(10), axis=1)}),
        lambda study: replace(study, matrices={"GPL1": study.matrix().reset_index(drop=True)}),
    ],
)
def test_what_could_not_be_opened_as_it_was_is_not_kept(change: Any, matrix: Path, own: Settings) -> None:
    study = read_study("GSE7", [local_file(matrix)], source="x")
    keep_study(change(study), own.cache / "studies" / "GSE7-x", own)
    assert list((own.cache / "studies").iterdir()) == []


# --- safe to use -----------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(matrix: Path, own: Settings) -> Study:
    """The study of ``matrix``, mapped from the cache."""
    for _ in range(2):
        study = read_kept("GSE7", [local_file(matrix)], source="x", settings=own)
    return study


def test_values_may_be_changed_and_the_cache_is_not(opened: Study, matrix: Path, own: Settings) -> None:
    before = opened.matrix().copy()
    opened.matrix().iloc[0, 0] = 77.0
    opened.matrix().to_numpy()[1] = -1.0
    opened.samples.loc["GSM0", "agent"] = "changed"
    again = read_kept("GSE7", [local_file(matrix)], source="x", settings=own)
    assert opened.matrix().iloc[0, 0] == 77.0
    assert again.matrix().equals(before)
    assert again.samples.loc["GSM0", "agent"] == "a"
    assert cache_verify(own).ok


def test_values_are_read_from_the_disk_as_they_are_used(opened: Study) -> None:
    values = opened.matrix().to_numpy()
    assert type(values) is np.ndarray
    while isinstance(values.base, np.ndarray):
        values = values.base
    assert type(values) is np.memmap


def test_an_open_study_survives_its_removal_from_the_cache(
    opened: Study, matrix: Path, own: Settings
) -> None:
    assert cache_prune(own, 0).left_bytes == 0
    assert list((own.cache / "studies").iterdir()) == []
    check_same(opened, read_study("GSE7", [local_file(matrix)], source="x"))


def test_an_open_study_can_be_pickled_and_needs_the_cache_no_more(opened: Study, own: Settings) -> None:
    data = pickle.dumps(opened)
    shutil.rmtree(own.cache)
    check_same(pickle.loads(data), opened)


def test_annotation_is_made_when_it_is_asked_for_and_once() -> None:
    made: list[str] = []

    def make() -> pd.DataFrame:
        made.append("GPL1")
        return pd.DataFrame({"symbol": ["TP53"]})

    tables = Tables({"GPL1": make})
    assert ("GPL1" in tables, list(tables), len(tables), repr(tables)) == (True, ["GPL1"], 1, "Tables(GPL1)")
    assert made == []
    with ThreadPoolExecutor(4) as pool:
        (only,) = {id(frame) for frame in pool.map(lambda _: tables["GPL1"], range(8))}
    assert id(tables["GPL1"]) == only
    assert made
    assert tables.get("GPL2") is None


def test_a_run_keeps_the_same_value_of_a_study_that_was_parsed_or_opened(
    matrix: Path, own: Settings, tmp_path: Path
) -> None:
    from omics_nb import flows
    from omics_nb.workflow.values import Folder, decode, encode

    assert flows.list_flows()
    parsed, opened = (read_kept("GSE7", [local_file(matrix)], source="x", settings=own) for _ in range(2))
    folder = Folder(tmp_path / "values")
    assert encode(parsed, folder) == encode(opened, folder)
    check_same(decode(encode(opened, folder).text, folder), opened)


# --- what is wrong is gone -------------------------------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _garble(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


@pytest.mark.parametrize("harm", [_cut, _garble, Path.unlink])
@pytest.mark.parametrize("pattern", ["files.json", "study.json", "0.arrow", "1.npy", "1.arrow"])
def test_a_damaged_study_is_parsed_anew_and_kept_again(
    pattern: str, harm: Any, opened: Study, matrix: Path, own: Settings
) -> None:
    path = kept_folder(own) / pattern
    before, whole = path.read_bytes(), read_study("GSE7", [local_file(matrix)], source="x")
    harm(path)
    check_same(read_kept("GSE7", [local_file(matrix)], source="x", settings=own), whole)
    assert path.read_bytes() == before
    assert cache_verify(own).ok


@pytest.mark.parametrize("text", ["{}", "[]", '{"study.json": 3}', '{"study.json": [1, 2]}'])
def test_a_list_of_files_that_is_not_ours_is_no_study(
    text: str, opened: Study, matrix: Path, own: Settings
) -> None:
    (kept_folder(own) / "files.json").write_text(text)
    check_same(read_kept("GSE7", [local_file(matrix)], source="x", settings=own), opened)


def test_a_damaged_source_file_is_an_error_and_nothing_is_kept(matrix: Path, own: Settings) -> None:
    matrix.write_bytes(matrix.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="truncated"):
        read_kept("GSE7", [local_file(matrix)], source="x", settings=own)
    assert kept_studies(own.cache) == []


def test_several_that_keep_the_same_study_leave_one(matrix: Path, own: Settings) -> None:
    files = [local_file(matrix)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: read_kept("GSE7", files, source="x", settings=own), range(4)))
    assert [path.name for path in (own.cache / "studies").iterdir()] == [kept_folder(own).name]


def test_a_synthetic_study_is_kept_apart_from_a_real_one_of_the_same_files(
    matrix: Path, own: Settings
) -> None:
    for synthetic in (True, False):
        read_kept("GSE7", [local_file(matrix)], source="x", synthetic=synthetic, settings=own)
    assert len(kept_studies(own.cache)) == 2


def test_a_cache_that_cannot_be_pruned_costs_no_study_and_is_said(
    matrix: Path, own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    (own.cache / "ncbi").mkdir(parents=True)
    (own.cache / "ncbi/index.sqlite").write_bytes(b"no database" * 1000)
    study = read_kept("GSE7", [local_file(matrix)], source="x", settings=own)
    assert study.matrix().shape == (3_600, 10)
    assert "nothing older could be removed" in caplog.text
    assert len(kept_studies(own.cache)) == 1


def test_a_cache_that_cannot_be_written_costs_no_study_and_is_said(
    matrix: Path, tmp_path: Path, own: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    (own.cache).mkdir()
    for name in ("studies", "digests", "headers"):
        (own.cache / name).write_text("in the way")
    study = open_source(f"mirror:{tmp_path / 'geo'}", settings=own).fetch("GSE7")
    assert study.matrix().shape == (3_600, 10)
    assert "GSE7 cannot be kept in" in caplog.text
    assert "digests of files cannot be kept in" in caplog.text


# --- one limit for all -----------------------------------------------------------------------------------------------


def _study(name: str, own: Settings, *, used: int) -> KeptStudy:
    sheet = pd.DataFrame({"platform": [""]}, index=["GSM1"], dtype=object)
    parts = {
        field.name: {} if field.name in ("matrices", "features", "metadata") else ()
        for field in fields(Study)
    }
    texts = dict.fromkeys(("title", "summary", "overall_design", "source"), "")
    made: dict[str, Any] = {
        **parts,
        **texts,
        "accession": name,
        "samples": sheet,
        "published": date(2024, 5, 1),
    }
    folder = own.cache / "studies" / f"{name}-x"
    keep_study(Study(**{**made, "value_kind": "counts", "synthetic": False}), folder, own)
    os.utime(folder / "files.json", (used, used))
    (found,) = (study for study in kept_studies(own.cache) if study.accession == name)
    return found


def test_opening_a_study_counts_as_its_use(own: Settings) -> None:
    old, new = _study("GSE1", own, used=1_000), _study("GSE2", own, used=2_000)
    assert [study.accession for study in cache_info(own).studies] == ["GSE2", "GSE1"]
    assert open_study(old.path, [], source="x", synthetic=False) is not None
    assert [study.accession for study in cache_info(own).studies] == ["GSE1", "GSE2"]
    assert cache_prune(own, old.n_bytes).removed == (new.path,)


def test_keeping_a_study_pushes_the_oldest_out_of_a_full_cache(own: Settings) -> None:
    first = _study("GSE1", own, used=1_000)
    _study("GSE2", own, used=2_000)
    small = replace(own, cache_limit=2 * first.n_bytes)
    _study("GSE3", small, used=3_000)
    assert [study.accession for study in cache_info(own).studies] == ["GSE3", "GSE2"]


def test_a_study_larger_than_the_limit_is_not_kept(matrix: Path, own: Settings) -> None:
    study = read_kept("GSE7", [local_file(matrix)], source="x", settings=replace(own, cache_limit=1_000))
    assert study.matrix().shape == (3_600, 10)
    assert kept_studies(own.cache) == []


def test_verify_finds_a_bit_that_no_length_tells_of(opened: Study, matrix: Path, own: Settings) -> None:
    path = kept_folder(own) / "1.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found = cache_verify(own)
    assert [(place, reason) for place, reason in found.damaged] == [
        (path.parent, "1.npy has changed since it was written")
    ]
    assert kept_studies(own.cache) == []


def test_what_a_killed_process_left_is_swept_when_it_is_old(own: Settings) -> None:
    left = own.cache / "studies" / ".part-left"
    left.mkdir(parents=True)
    cache_prune(own, 10**9)
    assert left.exists()
    os.utime(left, (0, 0))
    cache_prune(own, 10**9)
    assert not left.exists()


# --- nothing is hashed twice -----------------------------------------------------------------------------------------


def _hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def noted(path: Path) -> LocalFile:
        found.append(path.name)
        return local_file(path)

    # Whether bytes are read cannot be seen from outside.
    monkeypatch.setattr(digests, "local_file", noted)
    return found


def _look(kept_in: Path, path: Path) -> LocalFile:
    known = Digests(kept_in)
    found = known.local_file(path)
    known.save()
    return found


def test_an_unchanged_file_is_hashed_once(
    matrix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _hashed(monkeypatch)
    first, second = _look(tmp_path / "d.json", matrix), _look(tmp_path / "d.json", matrix)
    assert first == second == local_file(matrix)
    assert hashed == [matrix.name]


def test_a_file_that_was_changed_just_now_is_hashed_again(
    matrix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(matrix)
    hashed = _hashed(monkeypatch)
    for _ in range(2):
        _look(tmp_path / "d.json", matrix)
    assert hashed == [matrix.name] * 2


def test_a_change_that_keeps_size_and_time_is_seen(matrix: Path, tmp_path: Path) -> None:
    before, times = _look(tmp_path / "d.json", matrix), matrix.stat()
    data = bytearray(matrix.read_bytes())
    data[100] ^= 1
    matrix.write_bytes(data)
    os.utime(matrix, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = _look(tmp_path / "d.json", matrix)
    assert after == local_file(matrix)
    assert after.record.sha256 != before.record.sha256


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"code": "x", "files": {}, "platforms": {}}'])
def test_what_was_kept_by_others_is_not_believed(text: str, matrix: Path, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(text)
    assert _look(tmp_path / "d.json", matrix) == local_file(matrix)
    assert set(json.loads((tmp_path / "d.json").read_text())["files"]) == {str(matrix)}


def test_platforms_are_asked_for_once_for_each_content(matrix: Path, tmp_path: Path) -> None:
    def ask(answer: list[str] | None) -> list[str]:
        known = Digests(tmp_path / "d.json")
        found = known.platforms([known.local_file(matrix)], lambda: answer)
        known.save()
        return list(found)

    assert [ask(None), ask(["GPL1"]), ask(["GPL2"])] == [[], ["GPL1"], ["GPL1"]]
    write_matrix(matrix, seed=2)
    assert ask(["GPL3"]) == ["GPL3"]
