"""A folder laid out like GEO's FTP tree as a source: searched, kept while unchanged, honest when damaged."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omics_nb import settings
from omics_nb.errors import DataError, IntegrityError, NotFoundError, SettingsError, SourceError
from omics_nb.records import StudyHeader
from omics_nb.sources import Source, headers, open_source
from omics_nb.sources.headers import HeaderShelf
from omics_nb.sources.synthetic import ensure_archive
from omics_nb.terms.question import understand

MELANOMA = "series/GSE9000nnn/GSE9000003"
KIDNEY = "series/GSE9000nnn/GSE9000005"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small mirror: two series and a GDS of the demo archive, and the annotation of one platform."""
    archive = ensure_archive(settings.load().cache)
    mirror = tmp_path / "mirror"
    for part in (MELANOMA, KIDNEY, "datasets/GDS900nnn/GDS900001", "platforms/GPL900nnn/GPL900003"):
        shutil.copytree(archive / part, mirror / part)
    return mirror


@pytest.fixture
def kept_in(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "headers.json"


def find(source: Source, question: str) -> list[str]:
    return [hit.accession for hit in source.search(understand(question))]


def matrix_file(folder: Path) -> Path:
    return folder / MELANOMA / "matrix" / "GSE9000003_series_matrix.txt.gz"


def damage(folder: Path) -> None:
    """Cut both files of the melanoma study in their headers."""
    for path in (folder / MELANOMA).rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "needs a folder"),
        ("missing", "does not exist"),
        ("file", "is a file"),
        ("empty", "holds no studies"),
    ],
)
def test_a_folder_that_is_no_mirror_is_refused_with_the_layout(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=what) as caught:
        open_source(f"mirror:{tmp_path / name}" if name else "mirror")
    assert "series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz" in str(caught.value)


def test_the_spec_opens_the_same_source_from_another_working_directory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    source = open_source("mirror:mirror")
    assert source.spec == f"mirror:{folder.resolve()}"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (hit,) = open_source(source.spec).search(understand("vemurafenib"))
    study = open_source(hit.source).fetch(hit.accession)
    assert (hit.source, study.source, study.synthetic) == (source.spec, source.spec, False)


@pytest.mark.parametrize(
    ("question", "accession"),
    [
        ("vemurafenib", "GSE42872"),
        ("hepatocellular carcinoma", "GSE14520"),
        ("early onset colorectal cancer", "GSE4107"),
        ("renal cell carcinoma", "GSE781"),
        ("renal cell carcinoma", "GDS507"),
        ("NOD.scid mice", "GSE1623"),
        ("Stat3 oligodendrocyte", "GSE99709"),
        ("A375", "GSE42872"),
    ],
)
def test_real_studies_are_found_by_what_their_files_say(question: str, accession: str, shared: Path) -> None:
    assert accession in find(open_source(f"mirror:{shared / 'geo'}"), question)


def test_search_reads_organism_and_samples_from_the_files(shared: Path) -> None:
    hits = open_source(f"mirror:{shared / 'geo'}").search(understand("vemurafenib"))
    hit = hits.get("GSE42872")
    assert (hit.organisms, hit.n_samples, hit.platforms) == (("Homo sapiens",), 6, ("GPL6244",))
    assert hit.types == ("Expression profiling by array",)
    assert str(hit.published) == "2014-05-20"


def test_annotation_of_a_platform_reaches_the_studies_on_it(folder: Path) -> None:
    features = open_source(f"mirror:{folder}").fetch("GSE9000003").features["GPL900003"]
    assert "DUSP6" in set(features["symbol"])


def test_files_that_were_read_are_on_the_study_with_their_place(folder: Path) -> None:
    files = {record.name: record for record in open_source(f"mirror:{folder}").fetch("GSE9000003").files}
    assert files["GSE9000003_series_matrix.txt.gz"].location == str(matrix_file(folder))
    assert "GPL900003_family.soft.gz" in files


def test_a_damaged_study_is_named_in_the_notes_and_hides_no_other(folder: Path) -> None:
    damage(folder)
    source = open_source(f"mirror:{folder}")
    hits = source.search(understand("kidney"))
    assert {hit.accession for hit in hits} == {"GSE9000005", "GDS900001"}
    assert any("GSE9000003" in note and "truncated" in note for note in hits.notes)
    with pytest.raises(IntegrityError, match="truncated"):
        source.fetch("GSE9000003")


def test_a_search_that_only_damaged_files_could_answer_is_an_error_until_they_are_mended(
    folder: Path,
) -> None:
    whole = {path: path.read_bytes() for path in (folder / MELANOMA).rglob("*.gz")}
    damage(folder)
    source = open_source(f"mirror:{folder}")
    with pytest.raises(DataError, match=r"cannot be read.*GSE9000003: GSE9000003_\S+.* truncated") as caught:
        source.search(understand("vemurafenib"))
    assert caught.value.facts["accessions"] == ("GSE9000003",)
    for path, content in whole.items():
        path.write_bytes(content)
    assert find(source, "vemurafenib") == ["GSE9000003"]


def test_a_page_under_the_name_of_a_matrix_hides_no_other_study(folder: Path) -> None:
    for path in (folder / MELANOMA).rglob("*.gz"):
        path.write_text("<!DOCTYPE html><html><body>reCAPTCHA</body></html>")
    hits = open_source(f"mirror:{folder}").search(understand("kidney"))
    assert {hit.accession for hit in hits} == {"GSE9000005", "GDS900001"}
    assert any("web page" in note for note in hits.notes)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_an_error_of_the_source(folder: Path) -> None:
    (folder / MELANOMA / "suppl").mkdir()
    (folder / MELANOMA / "suppl" / "GSE9000003_counts.txt").symlink_to("/proc/self/mem")
    with pytest.raises(SourceError, match=r"GSE9000003 in mirror:.* cannot be read"):
        open_source(f"mirror:{folder}").fetch("GSE9000003")


def test_new_changed_and_removed_studies_are_noticed_by_an_open_source(folder: Path) -> None:
    source = open_source(f"mirror:{folder}")
    assert find(source, "vemurafenib") == ["GSE9000003"]
    shutil.move(folder / MELANOMA, folder.parent / "aside")
    assert find(source, "vemurafenib") == []
    shutil.move(folder.parent / "aside", folder / MELANOMA)
    assert find(source, "vemurafenib") == ["GSE9000003"]


def test_headers_of_unchanged_files_are_the_very_same_object(folder: Path, kept_in: Path) -> None:
    shelf = HeaderShelf(folder, kept_in)
    assert shelf.look() is shelf.look()


def test_headers_are_kept_for_the_next_process_while_files_are_unchanged(folder: Path, kept_in: Path) -> None:
    before = HeaderShelf(folder, kept_in).look()
    path = matrix_file(folder)
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    # Size and time are as before: nothing is read, and all that is known comes from what was kept.
    assert HeaderShelf(folder, kept_in).look() == before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert "GSE9000003" in HeaderShelf(folder, kept_in).look().problems


def fail_to_read(accession: str, files: object) -> StudyHeader:
    raise PermissionError(13, "Permission denied", accession)


def test_a_problem_that_may_pass_is_not_kept_as_damage(
    folder: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = HeaderShelf(folder, kept_in)
    with monkeypatch.context() as patched:
        # The superuser may read everything, so a permission cannot be taken away for real here.
        patched.setattr(headers, "read_header", fail_to_read)
        assert set(shelf.look().problems) == {"GSE9000003", "GSE9000005", "GDS900001"}
        assert "Permission denied" in shelf.look().problems["GSE9000003"]
    assert json.loads(kept_in.read_text())["studies"] == {}
    assert not shelf.look().problems
    assert len(HeaderShelf(folder, kept_in).look().headers) == 3


def test_damage_is_kept_for_the_next_process(folder: Path, kept_in: Path) -> None:
    damage(folder)
    before = HeaderShelf(folder, kept_in).look()
    assert "truncated" in json.loads(kept_in.read_text())["studies"]["GSE9000003"]["problem"]
    assert HeaderShelf(folder, kept_in).look() == before


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"format": [0, "0"], "studies": {}}', '{"format": 1}']
)
def test_kept_headers_that_are_not_ours_are_read_anew(text: str, folder: Path, kept_in: Path) -> None:
    expected = HeaderShelf(folder, kept_in).look()
    kept_in.write_text(text)
    assert HeaderShelf(folder, kept_in).look() == expected


def test_a_cache_that_cannot_be_written_costs_no_study_and_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    look = HeaderShelf(folder, tmp_path / "in the way" / "headers.json").look()
    assert len(look.headers) == 3
    assert any("cannot be kept" in note for note in look.notes)


def test_nothing_half_written_is_left_beside_the_kept_headers(folder: Path, kept_in: Path) -> None:
    HeaderShelf(folder, kept_in).look()
    assert [path.name for path in kept_in.parent.iterdir()] == [kept_in.name]


def test_many_threads_may_search_at_once(folder: Path) -> None:
    source = open_source(f"mirror:{folder}")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: find(source, "vemurafenib"), range(16)))
    assert found == [["GSE9000003"]] * 16


def test_an_unknown_accession_names_what_is_near(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="near it: GSE9000003") as caught:
        open_source(f"mirror:{folder}").fetch("GSE9000033")
    assert "GSE9000003" in caught.value.facts["near"]


@pytest.mark.parametrize(
    ("accession", "series"),
    [("GSM90000033", ("GSE9000003",)), ("GPL900003", ("GSE9000003",)), ("GSM1", ()), ("GPL1", ())],
)
def test_a_sample_or_platform_is_no_study_but_says_whose_it_is(
    accession: str, series: tuple[str, ...], folder: Path
) -> None:
    with pytest.raises(NotFoundError, match=f"{accession} is a (sample|platform), not a study") as caught:
        open_source(f"mirror:{folder}").fetch(accession)
    assert caught.value.facts["series"] == series
    assert all(name in str(caught.value) for name in series)


def test_a_gds_is_a_study(folder: Path) -> None:
    study = open_source(f"mirror:{folder}").fetch("GDS900001")
    assert set(study.samples["disease state"]) == {"normal kidney", "renal clear cell carcinoma"}
