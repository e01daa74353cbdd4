"""The cells of a study: from the folder of a mirror, from its archive, and from NCBI."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from click.testing import CliRunner

import omics_nb as omics
from omics_nb import cli
from omics_nb.errors import DataError, IntegrityError, NotFoundError, SourceError
from omics_nb.geo.files import local_file
from omics_nb.geo.study import read_header
from tests.ncbi.server import LoopbackNcbi

FIRST, SECOND = "GSM7022367", "GSM7022368"
SERIES = "series/GSE224nnn/GSE224438"
# The names of the files, the sheet and the relation of the samples to them are those of GEO; the sheet's words are not.
FAMILY = "\n".join(
    [
        "^SERIES = GSE224438",
        "!Series_title = Cells",
        *(f"!Series_sample_id = {sample}" for sample in (FIRST, SECOND)),
        *(
            line
            for sample, sex in ((FIRST, "female"), (SECOND, "male"))
            for line in (
                f"^SAMPLE = {sample}",
                f"!Sample_title = {sex} mouse",
                f"!Sample_characteristics_ch1 = Sex: {sex}",
                "!Sample_characteristics_ch1 = age/stage: P7",
                "!Sample_platform_id = GPL24247",
                f"!Sample_supplementary_file_1 = ftp://ftp.ncbi.nlm.nih.gov/geo/samples/x/{sample}_matrix.mtx.gz",
                f"!Sample_supplementary_file_2 = ftp://ftp.ncbi.nlm.nih.gov/geo/samples/x/{sample}_barcodes.tsv.gz",
                f"!Sample_supplementary_file_3 = ftp://ftp.ncbi.nlm.nih.gov/geo/samples/x/{sample}_features.tsv.gz",
                "!Sample_data_row_count = 0",
            )
        ),
        "",
    ]
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder like GEO's, with the sheet of GSE224438 and nothing else."""
    soft = tmp_path / "geo" / SERIES / "soft/GSE224438_family.soft.gz"
    soft.parent.mkdir(parents=True)
    soft.write_bytes(gzip.compress(FAMILY.encode()))
    (tmp_path / "geo" / SERIES / "suppl").mkdir()
    return tmp_path / "geo"


def put(tree: Path, *paths: Path, packed: bool = False) -> str:
    """Files beside the series, as they are or in its archive; the spec of the mirror."""
    suppl = tree / SERIES / "suppl"
    if packed:
        with tarfile.open(suppl / "GSE224438_RAW.tar", "w") as archive:
            for path in paths:
                archive.add(path, path.name)
    else:
        for path in paths:
            shutil.copy(path, suppl)
    return f"mirror:{tree}"


def real(shared: Path, sample: str = "GSM") -> list[Path]:
    return sorted((shared / "singlecell/GSE224438").glob(f"{sample}*"))


def h5ad(folder: Path, name: str, features: list[str], **obs: list[str]) -> Path:
    data = anndata.AnnData(
        scipy.sparse.csr_matrix(np.arange(2 * len(features), dtype=np.float32).reshape(2, -1)),
        obs=pd.DataFrame(obs, index=["AA", "CC"]),
        var=pd.DataFrame(index=features),
    )
    data.write_h5ad(folder / name)
    return folder / name


@pytest.mark.parametrize("packed", [False, True])
def test_real_cells_come_with_the_sheet_of_their_samples(tree: Path, shared: Path, packed: bool) -> None:
    spec = put(tree, *real(shared), packed=packed)
    study = omics.fetch("GSE224438", source=spec)
    assert study.notes[-1] == (
        f"GSE224438 has single-cell files (10x triplet) of {FIRST}, {SECOND}: "
        "omics.cells(study) reads them as AnnData, cells × features."
    )
    cells = omics.cells(study, samples=[FIRST])
    assert cells.shape == (1000, 1000)
    assert cells.X.nnz == 56_250
    assert cells.X[0, 997] == 9
    assert cells.X.dtype == np.int32
    assert cells.obs_names[0].startswith(f"{FIRST}_")
    assert set(cells.obs["sample"]) == {FIRST}
    assert set(cells.obs["Sex"]) == {"female"}
    assert cells.var.loc["ENSMUSG00000033813", "symbol"] == "Tcea1"
    assert (cells.uns["source"], cells.uns["value_kind"], cells.uns["synthetic"]) == (spec, "counts", False)
    assert cells.uns["files"] == {path.name: local_file(path).record.sha256 for path in real(shared, FIRST)}


def test_samples_with_different_features_are_refused_or_cut_to_the_common_ones(
    tree: Path, shared: Path
) -> None:
    spec = put(tree, *real(shared))
    with pytest.raises(
        DataError, match=rf"{FIRST} has 1,000 features and {SECOND} has 1,000; 960 are in the first"
    ):
        omics.cells("GSE224438", source=spec)
    cells = omics.cells("GSE224438", source=spec, common=True)
    assert cells.shape == (2000, 40)
    assert "only the 40 features" in cells.uns["notes"][0]
    alone = omics.cells("GSE224438", source=spec, samples=[SECOND])
    of_second = cells[cells.obs["sample"] == SECOND]
    assert (of_second.X != alone[:, cells.var_names].X).nnz == 0
    assert alone.X.sum() > of_second.X.sum() > 0


def test_features_in_another_order_are_put_in_order(tree: Path, tmp_path: Path) -> None:
    one = h5ad(tmp_path, "GSM7022367.h5ad", ["G1", "G2"])
    two = h5ad(tmp_path, "GSM7022368.h5ad", ["G2", "G1"])
    cells = omics.cells("GSE224438", source=put(tree, one, two))
    assert list(cells.var_names) == ["G1", "G2"]
    assert cells.X.toarray().tolist() == [[0, 1], [2, 3], [1, 0], [3, 2]]


def test_names_that_stand_twice_are_never_joined_by_guess(tree: Path, tmp_path: Path) -> None:
    for sample, names in ((FIRST, "G1\nG1\n"), (SECOND, "G1\nG2\n")):
        for part, text in (
            ("matrix.mtx", "%%MatrixMarket matrix coordinate integer general\n2 1 1\n1 1 5\n"),
            ("genes.tsv", names),
            ("barcodes.tsv", "AA\n"),
        ):
            (tmp_path / f"{sample}_{part}.gz").write_bytes(gzip.compress(text.encode()))
    spec = put(tree, *tmp_path.glob("GSM*"))
    with pytest.raises(DataError, match=f"names that stand twice, as in {FIRST}, cannot be joined"):
        omics.cells("GSE224438", source=spec, common=True)
    assert list(omics.cells("GSE224438", source=spec, samples=[FIRST]).var_names) == ["G1", "G1.1"]


def test_an_h5ad_of_the_whole_series_keeps_what_it_says_of_its_cells(tree: Path, tmp_path: Path) -> None:
    path = h5ad(tmp_path, "GSE224438_all.h5ad", ["G1", "G2"], cluster=["T", "B"], sample=["m1", "m2"])
    packed = tmp_path / "GSE224438_all.h5ad.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    cells = omics.cells("GSE224438", source=put(tree, packed))
    assert list(cells.obs["cluster"]) == ["T", "B"]
    assert list(cells.obs["sample (file)"]) == ["m1", "m2"]
    # Two samples are in it, and nothing tells which cell is of which.
    assert set(cells.obs["sample"]) == set(cells.obs["Sex"]) == {""}
    assert "embeddings and uns stay in the file" in cells.uns["notes"][0]
    with pytest.raises(NotFoundError, match="samples that have such files: none"):
        omics.cells("GSE224438", source=f"mirror:{tree}", samples=[FIRST])


def test_a_sample_of_which_the_sheet_says_nothing_is_said(tree: Path, tmp_path: Path) -> None:
    cells = omics.cells("GSE224438", source=put(tree, h5ad(tmp_path, "GSM1.h5ad", ["G1"])))
    assert set(cells.obs["sample"]) == {"GSM1"}
    assert cells.uns["notes"][-1] == "the sheet of GSE224438 at hand says nothing of GSM1"


def test_a_header_of_cells_alone_has_no_values(tree: Path, shared: Path) -> None:
    put(tree, *real(shared))
    found = [local_file(path) for path in sorted((tree / SERIES).rglob("*.gz"))]
    assert read_header("GSE224438", found).has_values is False


def test_files_that_only_the_samples_own_lines_name_are_said_to_be_at_ncbi(tree: Path) -> None:
    study = omics.fetch("GSE224438", source=f"mirror:{tree}")
    assert "omics.cells(study, source='ncbi') reads them" in study.notes[-1]
    with pytest.raises(NotFoundError, match="has no single-cell files of GSE224438"):
        omics.cells(study)


def test_a_damaged_archive_and_a_triplet_with_a_part_missing_cost_no_study(tree: Path, shared: Path) -> None:
    spec = put(tree, *real(shared)[1:], packed=True)
    study = omics.fetch("GSE224438", source=spec)
    assert "not complete: GSM7022367_1_matrix.mtx.gz lacks its barcodes file" in study.notes[-1]
    archive = tree / SERIES / "suppl/GSE224438_RAW.tar"
    archive.write_bytes(archive.read_bytes()[:300_000])
    study = omics.fetch("GSE224438", source=spec)
    assert study.n_samples == 2
    assert any("GSE224438_RAW.tar is no whole tar archive" in note for note in study.notes)
    with pytest.raises(IntegrityError, match="no whole tar archive"):
        omics.cells(study)


def test_the_shell_writes_an_h5ad(tree: Path, shared: Path, tmp_path: Path) -> None:
    spec = put(tree, *real(shared))
    words = ["cells", "GSE224438", "--source", spec, "--common", "--out", str(tmp_path / "x.h5ad")]
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("GSE224438: 2,000 cells × 40 features (counts)\nonly the 40 features")
    back = anndata.read_h5ad(tmp_path / "x.h5ad")
    assert back.shape == (2000, 40)
    assert set(back.obs["age|stage"]) == {"P7"}
    assert back.uns["notes"].tolist()[0].startswith("only the 40 features")
    assert CliRunner().invoke(cli.main, [*words, "--max-bytes", "9"]).exit_code == 6


def test_the_demo_has_no_cells_and_says_so() -> None:
    with pytest.raises(NotFoundError, match="demo has no single-cell files of GSE9000003"):
        omics.cells("GSE9000003", source="demo")


@pytest.fixture
def ncbi(
    tree: Path, shared: Path, ncbi_server: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LoopbackNcbi]:
    """NCBI with GSE224438: its archive, the list of what is in it, and the files of each sample by itself."""
    put(tree, *real(shared), packed=True)
    lines = ["#Archive/File\tName\tTime\tSize\tType", "Archive\tGSE224438_RAW.tar\t-\t600000\tTAR"]
    for path in real(shared):
        folder = tree / f"samples/GSM7022nnn/{path.name[:10]}/suppl"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
        lines.append(f"File\t{path.name}\t-\t{path.stat().st_size}\t{path.suffixes[0][1:].upper()}")
    (tree / SERIES / "suppl/filelist.txt").write_text("\n".join(lines))
    for name, value in ncbi_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMICS_CACHE", str(tree.parent / "cache"))
    before, ncbi_server.root = ncbi_server.root, tree
    yield ncbi_server
    ncbi_server.root = before


def test_ncbi_is_asked_for_the_files_of_the_samples_that_are_wanted_alone(ncbi: LoopbackNcbi) -> None:
    cells = omics.cells("GSE224438", samples=[SECOND], source="ncbi")
    assert cells.shape == (1000, 1000)
    assert set(cells.obs["Sex"]) == {"male"}
    assert cells.uns["source"] == "ncbi"
    assert ncbi.requests(r"RAW\.tar") == ncbi.requests(FIRST) == []
    assert len({seen.path for seen in ncbi.requests(rf"/{SECOND}_")}) == 3


def test_ncbi_is_asked_for_no_file_where_they_are_too_large(ncbi: LoopbackNcbi) -> None:
    with pytest.raises(DataError, match=re.escape(f"samples=['{FIRST}'] is 0.2 MiB")):
        omics.cells("GSE224438", source="ncbi", max_bytes=500_000)
    assert ncbi.requests(r"\.mtx") == []


def test_a_file_of_another_size_than_listed_is_not_read(ncbi: LoopbackNcbi, tree: Path) -> None:
    matrix = next(tree.glob(f"samples/*/{SECOND}/suppl/*.mtx.gz"))
    matrix.write_bytes(matrix.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match=matrix.name):
        omics.cells("GSE224438", samples=[SECOND], source="ncbi")


def test_a_source_that_opens_no_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shelf:
        spec, synthetic = "shelf", False

    monkeypatch.setattr("omics_nb.agents.data.open_source", lambda source: Shelf())
    with pytest.raises(SourceError, match="the source shelf cannot open single files"):
        omics.cells("GSE1")


def test_cells_come_without_a_sheet_where_the_source_has_nothing_else(
    tree: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tree / SERIES / "soft")
    put(tree, *real(shared))
    with LoopbackNcbi(tree) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        cells = omics.cells("GSE224438", source="ncbi", samples=[FIRST])
    assert cells.shape == (1000, 1000)
    assert list(cells.obs) == ["sample", "barcode", "file"]
    assert any("cells without a sample sheet" in note for note in cells.uns["notes"])
