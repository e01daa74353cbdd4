"""The whole chain on real GEO files, from the mirror of real records that lies beside the project."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import omics_nb as omics
from omics_nb import cli
from omics_nb.errors import (
    BlockedError,
    DataError,
    DesignError,
    FormatError,
    IntegrityError,
    NoMatrixError,
    NotFoundError,
    OmicsError,
)


@pytest.fixture(scope="module")
def mirror(shared: Path) -> str:
    return f"mirror:{shared / 'geo'}"


@pytest.fixture(scope="module")
def gse42872(mirror: str) -> omics.Study:
    return omics.fetch("GSE42872", source=mirror)


VEMURAFENIB = ("treatment", "vemurafenib", "vehicle")


def _with_treatment(study: omics.Study) -> omics.Study:
    tested = study.samples["title"].str.contains("Vemurafenib")
    return study.with_factor("treatment", ["vemurafenib" if is_tested else "vehicle" for is_tested in tested])


def test_gse42872_agrees_with_limma_on_every_probe(gse42872: omics.Study, shared: Path) -> None:
    table = omics.differential_expression(_with_treatment(gse42872), contrast=VEMURAFENIB).table
    reference = pd.read_csv(
        shared / "reference/GSE42872_limma.csv.gz", dtype={"ID": str}, float_precision="round_trip"
    )
    assert list(table.index) == list(reference["ID"])
    np.testing.assert_allclose(table["logFC"], reference["logFC"], rtol=0, atol=1e-9)
    # Probe 7951484 has equal group means: its t is 0 but for the last bits of R's and of our sums, 1e-14 and 1e-15.
    np.testing.assert_allclose(table["t"], reference["t"], rtol=1e-8, atol=1e-13)
    for column in ("P.Value", "adj.P.Val"):
        np.testing.assert_allclose(table[column], reference[column], rtol=1e-8, atol=0, err_msg=column)


def test_gse42872_is_found_by_a_question(mirror: str) -> None:
    hits = omics.search("vemurafenib in human melanoma cells, at least 6 samples", source=mirror)
    assert hits[0].accession == "GSE42872"
    assert hits[0].reasons
    assert not hits[0].synthetic


def test_the_comparison_of_gse42872_is_proposed_from_its_titles(gse42872: omics.Study) -> None:
    best = omics.propose_contrasts(gse42872)[0]
    assert "vemurafenib" in best.contrast.tested.casefold()
    assert (best.n_tested, best.n_reference) == (3, 3)


def test_gse4107_is_on_a_raw_scale_and_the_log_is_taken_and_shown(mirror: str, shared: Path) -> None:
    study = omics.fetch("GSE4107", source=mirror)
    assert omics.quality(study).scale == "raw"
    healthy = study.samples["title"].str.contains("healthy")
    study = study.with_factor("state", ["healthy" if is_healthy else "patient" for is_healthy in healthy])
    result = omics.differential_expression(study, contrast=("state", "patient", "healthy"))
    assert "log2" in result.scale_decision
    reference = pd.read_csv(
        shared / "reference/GSE4107_limma.csv.gz", dtype={"ID": str}, float_precision="round_trip"
    )
    np.testing.assert_allclose(result.table["logFC"], reference["logFC"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.table["adj.P.Val"], reference["adj.P.Val"], rtol=1e-8, atol=0)


def test_gse14520_has_the_samples_of_its_one_platform_at_hand_and_says_what_is_missing(mirror: str) -> None:
    study = omics.fetch("GSE14520", source=mirror)
    assert {name: matrix.shape for name, matrix in study.matrices.items()} == {"GPL571": (22268, 43)}
    assert any("488 samples" in note for note in study.notes)


def test_gse781_keeps_two_platforms_apart(mirror: str) -> None:
    study = omics.fetch("GSE781", source=mirror)
    assert {name: matrix.shape for name, matrix in study.matrices.items()} == {
        "GPL96": (22283, 17),
        "GPL97": (22645, 17),
    }
    with pytest.raises(NoMatrixError, match="say which platform, for example GPL96"):
        omics.quality(study)
    # Three normal samples have "Carcinoma" in their title; the source names tell them apart.
    normal = study.samples["source_name"].str.contains("normal tissue adjacent")
    study = study.with_factor("tissue", ["normal" if is_normal else "tumour" for is_normal in normal])
    for platform in study.matrices:
        result = omics.differential_expression(
            study, contrast=("tissue", "tumour", "normal"), platform=platform
        )
        assert sum(map(len, result.groups.values())) == 17
        assert len(result.significant()) > 500


def test_gse1623_with_lower_case_entity_lines_loses_no_sample(mirror: str) -> None:
    study = omics.fetch("GSE1623", source=mirror)
    assert study.n_samples == 8
    assert study.matrix().shape == (12488, 8)


def test_gse99709_explains_its_empty_matrix_and_where_counts_may_be(mirror: str) -> None:
    study = omics.fetch("GSE99709", source=mirror)
    assert study.n_samples == 12
    assert not study.matrices
    with pytest.raises(NoMatrixError, match=r"Stat3RNA-Seq-counts\.csv\.gz"):
        study.matrix()


def test_gse151648_goes_from_the_authors_counts_to_a_count_analysis(mirror: str) -> None:
    study = omics.fetch("GSE151648", source=mirror)
    assert study.value_kind == "counts"
    (platform,) = study.matrices
    assert study.matrices[platform].shape[1] == 80
    biopsy = study.samples.index.str.rpartition("-").get_level_values(2)
    donor = study.samples.index.str.rpartition("-").get_level_values(0)
    study = study.with_factor("biopsy", list(biopsy)).with_factor("donor", list(donor))
    result = omics.differential_expression(
        study, contrast=("biopsy", "Bx2", "Bx1"), design="~ donor + biopsy"
    )
    assert result.method == "voom"
    assert len(result.significant()) > 1000


def test_gds507_has_its_subsets_as_columns(mirror: str) -> None:
    study = omics.fetch("GDS507", source=mirror)
    result = omics.differential_expression(study, contrast=("disease state", "RCC", "normal"))
    assert len(result.table) == 22645
    assert len(result.significant()) > 500


@pytest.mark.parametrize("accession", ["GSE94489", "GSE93431", "GSE235534"])
def test_sequencing_without_tables_is_metadata_and_an_explanation(mirror: str, accession: str) -> None:
    study = omics.fetch(accession, source=mirror)
    assert study.n_samples > 30
    assert not study.matrices
    assert any("no matrix of values" in note for note in study.notes)


def test_a_missing_accession_says_what_is_there(mirror: str) -> None:
    with pytest.raises(NotFoundError, match="GSE42873"):
        omics.fetch("GSE42873", source=mirror)


def test_a_contrast_with_an_unknown_level_names_the_known(gse42872: omics.Study) -> None:
    with pytest.raises(DesignError, match=r"dabrafenib.*vehicle"):
        omics.differential_expression(
            _with_treatment(gse42872), contrast=("treatment", "dabrafenib", "vehicle")
        )


def test_a_design_with_more_coefficients_than_samples_is_refused(gse42872: omics.Study) -> None:
    study = _with_treatment(gse42872).with_factor("each", list("abcdef"))
    with pytest.raises(DesignError, match="coefficient"):
        omics.differential_expression(study, contrast=VEMURAFENIB, design="~ treatment + each")


def _broken_mirror(folder: Path, shared: Path, damage: str) -> str:
    source = shared / "geo/series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz"
    target = folder / "series/GSE42nnn/GSE42872/matrix/GSE42872_series_matrix.txt.gz"
    target.parent.mkdir(parents=True)
    whole = source.read_bytes()
    text = gzip.decompress(whole)
    target.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "html": b"<!DOCTYPE html><html><title>Please verify you are human</title></html>",
            "empty": b"",
            "cut at a member": gzip.compress(text[: len(text) // 2]),
        }[damage]
    )
    return f"mirror:{folder}"


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        ("truncated", (IntegrityError,)),
        ("html", (FormatError, IntegrityError, BlockedError)),
        ("empty", (FormatError, IntegrityError)),
        ("cut at a member", (IntegrityError,)),
    ],
)
def test_a_damaged_file_is_named_and_leaves_nothing_behind(
    tmp_path: Path, shared: Path, damage: str, kinds: tuple[type[OmicsError], ...]
) -> None:
    spec = _broken_mirror(tmp_path / "geo", shared, damage)
    before = sorted((tmp_path / "geo").rglob("*"))
    with pytest.raises(kinds, match="GSE42872_series_matrix") as caught:
        omics.fetch("GSE42872", source=spec)
    assert isinstance(caught.value, DataError | BlockedError)
    assert sorted((tmp_path / "geo").rglob("*")) == before


def test_one_damaged_file_does_not_hide_the_other_studies(tmp_path: Path, shared: Path) -> None:
    spec = _broken_mirror(tmp_path / "geo", shared, "html")
    shutil.copytree(shared / "geo/series/GSE99nnn", tmp_path / "geo/series/GSE99nnn")
    hits = omics.search("oligodendrocyte Stat3", source=spec)
    assert [hit.accession for hit in hits] == ["GSE99709"]
    assert any("GSE42872" in note for note in hits.notes)


def test_the_report_of_gse42872_is_made_from_the_mirror_by_one_command(
    tmp_path: Path, mirror: str, gse42872: omics.Study
) -> None:
    contrast = omics.propose_contrasts(gse42872)[0].contrast
    done = CliRunner().invoke(
        cli.main,
        [
            "report",
            "--source",
            mirror,
            "--study",
            "GSE42872",
            "--contrast",
            *contrast,
            "--out",
            str(tmp_path),
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    made = {kind: Path(path) for kind, path in json.loads(done.stdout).items()}
    assert {path.suffix for path in made.values()} == {".html", ".ipynb", ".json", ".csv"}
    table = pd.read_csv(made["csv"], index_col=0, dtype={0: str})
    assert len(table) == 33297
    html = made["html"].read_text(encoding="utf-8")
    assert "GSE42872_series_matrix.txt.gz" in html
    assert "Smyth" in html
    assert "synthetic" not in html.casefold()


@pytest.mark.parametrize("accession", ["GSE42872", "GSE4107", "GSE14520", "GSE781", "GDS507", "GDS4019"])
def test_every_proposed_comparison_can_be_made(mirror: str, accession: str) -> None:
    study = omics.fetch(accession, source=mirror)
    proposals = omics.propose_contrasts(study)
    assert proposals
    for proposal in proposals:
        result = omics.differential_expression(study, contrast=proposal.contrast, platform=proposal.platform)
        assert (len(result.groups["tested"]), len(result.groups["reference"])) == (
            proposal.n_tested,
            proposal.n_reference,
        )
        assert proposal.contrast.factor in study.samples.columns
