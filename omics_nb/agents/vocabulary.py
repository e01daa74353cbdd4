"""The user's own vocabulary: built from files of this disk or the network, told about, and taken away again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .. import settings
from ..errors import DataError, IntegrityError, NotFoundError, SourceError
from ..geo.download import Limits, download
from ..geo.http import Http, allowed_origins, host_of, is_loopback
from ..progress import tell
from ..terms.build import Built, Input, build, embedded, read_built
from ..terms.lookup import FOLDER, forget

# What is built from where nothing is named: the newest release of each.
_OBO = "https://purl.obolibrary.org/obo/"
DEFAULTS = (
    f"{_OBO}uberon/basic.obo",
    f"{_OBO}cl/cl-basic.obo",
    f"{_OBO}doid.obo",
    f"{_OBO}mondo/mappings/mondo_exactmatch_doid.sssom.tsv",
    f"{_OBO}mondo/mappings/mondo_exactmatch_mesh.sssom.tsv",
    "https://storage.googleapis.com/public-download-files/hgnc/tsv/tsv/hgnc_complete_set.txt",
    "https://nlmpubs.nlm.nih.gov/projects/mesh/MESH_FILES/asciimesh/d{year}.bin",
)
# Where the permanent addresses above lead on to.
_LEADS_TO = (
    "https://github.com",
    "https://raw.githubusercontent.com",
    "https://objects.githubusercontent.com",
    "https://release-assets.githubusercontent.com",
)
_LIMITS = Limits(max_bytes=2 * 2**30, max_unpacked_bytes=8 * 2**30)


def build_vocabulary(what: Sequence[str] = (), *, refresh: bool = False) -> Built:
    """Build this user's vocabulary from files or https addresses, plain or gzip; without any, from ``DEFAULTS``.

    Each may end in ``#sha256=…``, which is then held against the file. Files are OBO ontologies (UBERON, CL, DOID,
    MONDO, BTO, ChEBI, NCBITaxon, Cellosaurus), HGNC's complete set, ASCII MeSH, and SSSOM mappings, which come after
    what they map, MeSH last. ``refresh`` downloads anew what is in the cache. NotFoundError for a file that is not
    there, IntegrityError for one with another checksum, SourceError for an address that is not https.
    """
    loaded = settings.load()
    named = what or [address.format(year=datetime.now(UTC).year) for address in DEFAULTS]
    inputs = [_input(item, loaded, refresh=refresh) for item in named]
    return build(inputs, loaded.data / FOLDER, progress=tell)


def vocabulary_info() -> Built:
    """The vocabulary that questions are read with."""
    try:
        return read_built(settings.load().data / FOLDER)
    except NotFoundError:
        return embedded()


def remove_vocabulary() -> Built:
    """Go back to the embedded vocabulary; gives what was removed. NotFoundError where none was built."""
    built = read_built(settings.load().data / FOLDER)
    Path(built.path).unlink()
    forget()
    return built


def _input(item: str, loaded: settings.Settings, *, refresh: bool) -> Input:
    place, _, fragment = item.partition("#")
    wanted = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
    if fragment and not wanted:
        raise DataError(f"{item!r}: after # comes sha256= and 64 hexadecimal digits, not {fragment!r}")
    path = _downloaded(place, loaded, refresh=refresh) if "://" in place else Path(place)
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", path=path)
    found = Input(path, place)
    if wanted and found.sha256 != wanted[1].lower():
        raise IntegrityError(
            f"{place} has the SHA-256 {found.sha256}, not {wanted[1].lower()}", file=str(path)
        )
    return found


def _downloaded(address: str, loaded: settings.Settings, *, refresh: bool) -> Path:
    if not (address.startswith("https://") or is_loopback(address)):
        raise SourceError(f"{address} is not https://, so what comes could be anybody's", url=address)
    own = f"{address.partition('://')[0]}://{host_of(address)}"
    origins = frozenset([*allowed_origins(loaded), own, *_LEADS_TO])
    with Http(loaded, progress=tell, origins=origins) as http:
        tell(f"downloading {address}")
        return download(http, address, limits=_LIMITS, refresh=refresh).path
