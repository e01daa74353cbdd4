"""Where GEO keeps the files of a record, in its FTP tree and in any folder laid out like it.

The tree: https://ftp.ncbi.nlm.nih.gov/geo/README.txt. All paths here are relative to its root and have ``/``.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import NotFoundError

FOLDERS = {"GSE": "series", "GPL": "platforms", "GSM": "samples", "GDS": "datasets"}
_ACCESSION = re.compile(r"(GSE|GPL|GSM|GDS)([1-9][0-9]{0,9})")
# A name in suppl/ can be anything; these are the endings that belong to a record itself.
_TEMPORARY = (".part", ".tmp", ".lock")


def parse_accession(text: str, *kinds: str) -> str:
    """The accession in upper case, without the blanks around it.

    ``kinds`` limits it to some of GSE, GPL, GSM, GDS. NotFoundError says what an accession looks like.
    """
    found = _ACCESSION.fullmatch(text.strip().upper())
    allowed = kinds or tuple(FOLDERS)
    if not found or found[1] not in allowed:
        example = {"GSE": "GSE42872", "GPL": "GPL97", "GSM": "GSM11805", "GDS": "GDS507"}
        forms = " or ".join(f"{kind} and a number ({example[kind]})" for kind in allowed)
        raise NotFoundError(f"{text!r} is not a GEO accession of the kind asked for: {forms}", accession=text)
    return found[0]


def stub(accession: str) -> str:
    """The folder that groups a thousand accessions: GSE42872 → GSE42nnn, GSE100 → GSEnnn."""
    accession = parse_accession(accession)
    return accession[:3] + accession[3:-3] + "nnn"


def folder(accession: str) -> str:
    """The folder of a record of any kind: ``series/GSE42nnn/GSE42872``."""
    accession = parse_accession(accession)
    return f"{FOLDERS[accession[:3]]}/{stub(accession)}/{accession}"


def series_folder(accession: str) -> str:
    """The folder of a series; NotFoundError for any other kind."""
    return folder(parse_accession(accession, "GSE"))


def soft_file(accession: str) -> str:
    """Family SOFT of a series or platform; the SOFT file of a GDS."""
    accession = parse_accession(accession, "GSE", "GPL", "GDS")
    name = f"{accession}.soft.gz" if accession.startswith("GDS") else f"{accession}_family.soft.gz"
    return f"{folder(accession)}/soft/{name}"


def miniml_file(accession: str) -> str:
    """Family MINiML (an XML file in a tar) of a series or platform."""
    accession = parse_accession(accession, "GSE", "GPL")
    return f"{folder(accession)}/miniml/{accession}_family.xml.tgz"


def matrix_folder(accession: str) -> str:
    """The folder of the series-matrix files of a series."""
    return f"{series_folder(accession)}/matrix"


def matrix_file(accession: str, platform: str | None = None) -> str:
    """A series-matrix file. Series with several platforms have one for each, named by it."""
    accession = parse_accession(accession, "GSE")
    part = f"-{parse_accession(platform, 'GPL')}" if platform else ""
    return f"{matrix_folder(accession)}/{accession}{part}_series_matrix.txt.gz"


def suppl_folder(accession: str) -> str:
    """The folder of supplementary files of a series, platform or sample."""
    return f"{folder(parse_accession(accession, 'GSE', 'GPL', 'GSM'))}/suppl"


def annot_file(platform: str) -> str:
    """GEO's own annotation of a platform; not every platform has one."""
    platform = parse_accession(platform, "GPL")
    return f"{folder(platform)}/annot/{platform}.annot.gz"


def find_files(root: Path, accession: str) -> list[Path]:
    """Every file below the folder of a record of any kind, sorted by path; empty if there is no such folder."""
    return _files_below(root / folder(accession))


def find_series_files(root: Path, accession: str) -> list[Path]:
    """Every file below the folder of a series or GDS, sorted by path; empty if there is no such folder."""
    return find_files(root, parse_accession(accession, "GSE", "GDS"))


def find_platform_files(root: Path, platform: str) -> list[Path]:
    """Annotation files of a platform, the best first: GEO's ``.annot.gz``, then the platform's own SOFT."""
    base = root / folder(parse_accession(platform, "GPL"))
    return _files_below(base / "annot") + _files_below(base / "soft")


def find_sample_files(root: Path, sample: str) -> list[Path]:
    """The supplementary files of one sample, sorted by path."""
    return _files_below(root / suppl_folder(parse_accession(sample, "GSM")))


def list_accessions(root: Path) -> list[str]:
    """Accessions of all series and GDS that have a folder with files, series first, by number."""
    found = [
        path.name
        for kind in ("GSE", "GDS")
        for path in root.glob(f"{FOLDERS[kind]}/{kind}*nnn/{kind}*")
        if _ACCESSION.fullmatch(path.name) and stub(path.name) == path.parent.name and _files_below(path)
    ]
    return sorted(found, key=lambda name: (name[:3] != "GSE", int(name[3:])))


def _files_below(base: Path) -> list[Path]:
    # Hidden files and half-written downloads are nobody's data.
    return sorted(
        path
        for path in base.rglob("*")
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_TEMPORARY)
    )
