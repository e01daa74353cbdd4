"""The embedded archive: the same everywhere, read as real files are, true to what was planted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import formulaic
import numpy as np
import pandas as pd
import pytest

from omics_nb import settings
from omics_nb.errors import DesignError, NotFoundError, SettingsError
from omics_nb.records import Contrast, Study
from omics_nb.sources import open_source
from omics_nb.sources.demo import Truth, open_demo, truth
from omics_nb.sources.synthetic import archive
from omics_nb.sources.synthetic.catalogue import DATASETS, STUDIES
from omics_nb.sources.synthetic.describe import SYNTHETIC
from omics_nb.terms.question import understand

# Of all texts of the archive. Where a change of them is meant, raise archive.VERSION and put the new one.
CONTENT = "c6a09798c53a22f8763ce0f9b6876d4356d793505022dfbd47de9fd17bdd1d7b"
WITH_CONTRAST = [name for name, study in STUDIES.items() if study.contrast and study.counts != "none"]
WITH_SWAPS = [name for name, study in STUDIES.items() if study.swaps]
WITH_OUTLIERS = [name for name, study in STUDIES.items() if study.outliers]


def fetch(accession: str) -> Study:
    return open_source("demo").fetch(accession)


def log2_values(study: Study, platform: str) -> pd.DataFrame:
    matrix = study.matrices[platform].dropna(axis=1, how="all").dropna()
    if study.value_kind == "counts":
        matrix = matrix[(matrix >= 10).mean(axis=1) > 0.5]
        return np.log2((matrix + 0.5) / matrix.sum() * 1e6)
    return np.log2(matrix) if STUDIES_OF[study.accession].scale == "raw" else matrix


STUDIES_OF = {**STUDIES, **{name: STUDIES[dataset.series] for name, dataset in DATASETS.items()}}


def without_accidents(matrix: pd.DataFrame, known: Truth) -> pd.DataFrame:
    """Swapped samples under their own names, spoiled ones left out."""
    names = dict(known.swaps) | {other: one for one, other in known.swaps}
    mended = matrix.rename(columns=names)[list(matrix.columns)]
    return mended.drop(columns=list(known.outliers), errors="ignore")


def estimate(values: pd.DataFrame, samples: pd.DataFrame, known: Truth) -> pd.Series:
    """Least-squares estimate of the contrast for each feature, under the study's own design."""
    factor, tested, reference = known.contrast
    frame = samples.loc[values.columns].copy()
    levels = [reference, *sorted(set(frame[factor]) - {reference})]
    frame[factor] = pd.Categorical(frame[factor], levels)
    design = pd.DataFrame(formulaic.model_matrix(known.design, frame))
    column = [n for n in design if n.endswith(f"[T.{tested}]") and factor in n]
    assert len(column) == 1
    fit = np.linalg.lstsq(design.to_numpy(float), values.to_numpy().T, rcond=None)[0]
    return pd.Series(fit[list(design).index(column[0])], values.index)


def test_the_texts_of_the_archive_are_those_that_were_published() -> None:
    assert archive.content_digest() == CONTENT


def test_generating_twice_gives_the_same_files(tmp_path: Path) -> None:
    first = archive.ensure_archive(settings.load().cache)
    archive.write_archive(tmp_path)
    manifests = [json.loads((folder / archive.MANIFEST).read_text()) for folder in (first, tmp_path)]
    assert manifests[0] == manifests[1]


def test_the_archive_holds_what_a_newcomer_may_want_to_try() -> None:
    studies = STUDIES.values()
    assert len(studies) >= 24
    assert {study.organism for study in studies} == {"Homo sapiens", "Mus musculus", "Rattus norvegicus"}
    assert {study.scale for study in studies} == {"log2", "raw", "log ratio", "counts"}
    assert {study.counts for study in studies} == {
        None,
        "ncbi",
        "symbols",
        "ensembl",
        "featureCounts",
        "none",
    }
    assert any(len(study.platforms) > 1 for study in studies)
    assert any(study.parts for study in studies)
    assert any(study.subject for study in studies)
    assert any(study.batch and study.batch.column is None for study in studies)


def test_no_accession_can_be_one_of_geo() -> None:
    samples = [sample for study in STUDIES for sample in truth(study).sexes]
    assert all(int(name[3:]) > 9_000_000 for name in STUDIES)
    assert all(int(name[3:]) > 90_000_000 for name in samples)
    assert all(int(name[3:]) > 900_000 for study in STUDIES.values() for name in study.platforms)
    assert all(int(name[3:]) > 900_000 for name in DATASETS)


def test_every_sample_has_an_accession_of_its_own() -> None:
    samples = [sample for name, study in STUDIES.items() if not study.parts for sample in truth(name).sexes]
    assert len(samples) == len(set(samples))


QUESTIONS = {
    "tamoxifen resistance in breast cancer, human, at least 6 samples": "GSE9000001",
    "vemurafenib in melanoma": "GSE9000003",
    "colorectal cancer vs normal mucosa": "GSE9000004",
    "lung adenocarcinoma": "GSE9000006",
    "glioblastoma": "GSE9000007",
    "androgen response of prostate cancer cells": "GSE9000008",
    "hypoxia": "GSE9000010",
    "dexamethasone in asthma, RNA-seq": "GSE9000011",
    "influenza infection": "GSE9000012",
    "COVID-19 airway epithelium": "GSE9000013",
    "T cell activation": "GSE9000014",
    "interferon beta monocytes": "GSE9000015",
    "lupus PBMC": "GSE9000019",
    "lupus monocytes": "GSE9000020",
    "Alzheimer hippocampus": "GSE9000021",
    "type 2 diabetes islets": "GSE9000022",
    "psoriasis skin": "GSE9000023",
    "cardiac hypertrophy rat": "GSE9000024",
    "rat hippocampus": "GSE9000025",
    "LPS macrophages mouse": "GSE9000026",
    "liver steatosis mouse": "GSE9000027",
    "sepsis whole blood": "GSE9000028",
    "muscle ageing": "GSE9000029",
}


@pytest.mark.parametrize(("question", "accession"), QUESTIONS.items())
def test_questions_that_people_try_first_find_their_study(question: str, accession: str) -> None:
    hits = open_source("demo").search(understand(question))
    assert hits[0].accession == accession
    assert hits[0].synthetic


@pytest.mark.parametrize("accession", [*STUDIES, *DATASETS])
def test_every_study_is_read_and_marked_as_synthetic(accession: str) -> None:
    study = fetch(accession)
    assert study.accession == accession
    assert study.synthetic
    assert study.source == "demo"
    assert SYNTHETIC in study.summary
    assert sorted(study.samples.index) == sorted(truth(accession).sexes)
    assert study.published is not None
    assert all(len(record.sha256) == 64 for record in study.files)


@pytest.mark.parametrize("accession", [*STUDIES, *DATASETS])
def test_every_matrix_has_annotated_features_or_names_that_say_enough(accession: str) -> None:
    study = fetch(accession)
    spec = STUDIES_OF[accession]
    if spec.counts == "none":
        assert not study.matrices
        assert study.notes
    for platform, matrix in study.matrices.items():
        assert len(matrix) > 1000
        assert matrix.index.is_unique
        if spec.counts in ("symbols", "featureCounts"):
            assert {"Actb", "ACTB"} & set(matrix.index)
        else:
            symbols = study.features[platform]["symbol"].reindex(matrix.index).fillna("")
            assert (symbols != "").mean() > 0.95


@pytest.mark.parametrize("accession", [*WITH_CONTRAST, *DATASETS])
def test_planted_effects_are_in_the_values(accession: str) -> None:
    study, known = fetch(accession), truth(accession)
    assert set(study.matrices) == set(known.effects)
    for platform, effects in known.effects.items():
        values = without_accidents(log2_values(study, platform), known)
        found = estimate(values, study.samples, known)
        planted = pd.Series(effects).reindex(found.index).fillna(0.0)
        assert (planted != 0).sum() >= 25
        found -= found[planted == 0].median()
        assert abs(found[planted == 0]).median() < 0.25
        assert np.corrcoef(found[planted != 0], planted[planted != 0])[0, 1] > 0.95
        assert np.polyfit(planted, found, 1)[0] == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("accession", WITH_SWAPS)
def test_values_of_swapped_samples_show_the_sex_of_the_other(accession: str) -> None:
    study, known = fetch(accession), truth(accession)
    platform = next(iter(study.matrices))
    symbols = study.features[platform]["symbol"] if study.features.get(platform) is not None else None
    values = np.log2(study.matrices[platform] + 1)
    values.index = [s.upper() for s in (values.index if symbols is None else symbols.reindex(values.index))]
    female = values.loc[["XIST"]].mean() > values.loc[["DDX3Y"]].mean()
    mismatched = {
        name for name, sex in known.sexes.items() if name in values and female[name] != (sex == "F")
    }
    of_platform = [pair for pair in known.swaps if pair[0] in values]
    assert mismatched == {name for pair in of_platform for name in pair}


@pytest.mark.parametrize("accession", WITH_OUTLIERS)
def test_spoiled_samples_agree_least_with_the_others(accession: str) -> None:
    study, known = fetch(accession), truth(accession)
    platform = next(iter(study.matrices))
    values = study.matrices[platform]
    values = np.log2(values + 1) if STUDIES[accession].scale in ("raw", "counts") else values
    agreement = pd.DataFrame(np.corrcoef(values.to_numpy().T), values.columns, values.columns).median()
    assert set(agreement.nsmallest(len(known.outliers)).index) == set(known.outliers)


def test_batches_shift_the_values_whether_or_not_the_sheet_tells() -> None:
    told, untold = truth("GSE9000003"), truth("GSE9000002")
    assert told.batch_column == "batch"
    assert dict(fetch("GSE9000003").samples["batch"]) == told.batches
    assert untold.batch_column is None
    values = fetch("GSE9000002").matrix()
    groups = pd.Series(untold.batches)[values.columns]
    means = values.T.groupby(groups).mean()
    assert abs(means.diff().iloc[-1]).quantile(0.9) > 0.8


def test_a_sample_that_lacks_a_characteristic_has_an_empty_cell_and_the_others_their_own() -> None:
    samples = fetch("GSE9000006").samples
    assert list(samples.index[samples["age"] == ""]) == [samples.index[4]]
    assert set(samples["Sex"]) == {"female", "male"}


def test_a_key_that_a_sample_has_twice_keeps_both_values_and_one_without_a_colon_is_kept() -> None:
    assert set(fetch("GSE9000017").samples["treatment"]) == {"ionising radiation; harvested after 6 h"}
    assert set(fetch("GSE9000022").samples["characteristics"]) == {"cadaver donor"}


def test_samples_with_rows_of_their_own_are_matched_by_identifier() -> None:
    study, known = fetch("GSE9000005"), truth("GSE9000005")
    shorter = study.matrices["GPL900001"].isna().sum()
    assert sorted(shorter[shorter > 0]) == [10, 10]
    assert len(known.effects["GPL900001"]) > 50


def test_a_superseries_has_the_samples_of_its_parts() -> None:
    whole = fetch("GSE9000018")
    parts = [fetch(name) for name in STUDIES["GSE9000018"].parts]
    assert set(whole.samples.index) == {name for part in parts for name in part.samples.index}
    assert whole.matrix().equals(parts[1].matrix())


def test_the_truth_of_a_dose_study_grows_with_the_dose() -> None:
    sizes = [
        abs(truth("GSE9000015", Contrast("dose", f"{dose} U/ml", "0 U/ml")).genes["MX1"])
        for dose in (10, 100, 1000)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_the_truth_of_an_interaction_is_the_mean_over_the_groups() -> None:
    assert truth("GSE9000026").genes["Il6"] == pytest.approx(5.0 * (1 + 0.35) / 2)


def test_truth_says_what_it_does_not_know() -> None:
    with pytest.raises(NotFoundError, match="GSE9000001"):
        truth("GSE1")
    with pytest.raises(DesignError, match="vemurafenib"):
        truth("GSE9000003", Contrast("agent", "aspirin", "vehicle"))


def test_two_processes_may_generate_the_archive_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from omics_nb.sources.synthetic import ensure_archive; "
        "print(ensure_archive(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate()[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert folders == {str(tmp_path / f"demo-{archive.VERSION}")}
    assert archive.is_whole(Path(folders.pop()))
    assert [path.name for path in tmp_path.iterdir()] == [f"demo-{archive.VERSION}"]


def test_a_damaged_archive_is_noticed_and_mended(tmp_path: Path) -> None:
    folder = tmp_path / f"demo-{archive.VERSION}"
    shutil.copytree(archive.ensure_archive(settings.load().cache), folder)
    flipped, truncated, missing = victims = [
        next(folder.rglob(f"GSE900000{n}_series_matrix.txt.gz")) for n in (1, 2, 3)
    ]
    whole = [path.read_bytes() for path in victims]
    for harm in (
        lambda: flipped.write_bytes(whole[0][:500] + b"\0" + whole[0][501:]),
        lambda: truncated.write_bytes(whole[1][:500]),
        missing.unlink,
    ):
        harm()
        assert not archive.is_whole(folder)
    assert archive.ensure_archive(tmp_path) == folder
    assert [path.read_bytes() for path in victims] == whole
    assert archive.is_whole(folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "0", "files": {}}'])
def test_an_archive_with_another_manifest_is_not_trusted(text: str, tmp_path: Path) -> None:
    (tmp_path / archive.MANIFEST).write_text(text)
    assert not archive.is_whole(tmp_path)


def test_a_cache_that_cannot_be_written_says_which_setting_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OMICS_CACHE", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match="OMICS_CACHE"):
        open_source("demo")


def test_demo_takes_no_argument() -> None:
    with pytest.raises(SettingsError, match="no argument"):
        open_demo("folder", settings.load())


def test_an_accession_of_geo_is_not_found_and_says_where_to_look() -> None:
    with pytest.raises(NotFoundError, match="synthetic; GEO's are in the source 'ncbi'"):
        fetch("GSE42872")
