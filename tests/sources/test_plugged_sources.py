"""Sources that another installed package adds by an entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omics_nb.errors import UnknownSourceError
from omics_nb.sources import names, open_source
from omics_nb.terms import understand

CODE = """
from dataclasses import dataclass

from omics_nb.errors import NotFoundError
from omics_nb.records import Hits


@dataclass
class Shelf:
    spec: str
    synthetic: bool = False

    def search(self, query, *, limit=20):
        return Hits(query, (), self.spec, 0, ("the shelf is empty",))

    def fetch(self, accession):
        raise NotFoundError(f"{self.spec} has no {accession}", accession=accession)


def open_shelf(argument, settings):
    return Shelf(f"shelf:{argument}")
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package ``shelves`` 1.0 as an installer leaves it, with one good source and two that are broken."""
    info = tmp_path / "shelves-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelves\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[omics_nb.sources]\nshelf = shelves_good:open_shelf\nwreck = shelves_bad:run\nlost = shelves_good:lost\n"
    )
    (tmp_path / "shelves_good.py").write_text(CODE)
    (tmp_path / "shelves_bad.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("shelves_good", "shelves_bad"):
        sys.modules.pop(name, None)


def test_a_source_of_an_installed_package_is_found_opened_and_searched() -> None:
    assert names()[:3] == ("demo", "mirror", "ncbi")
    assert {"shelf", "wreck", "lost"} <= set(names())
    source = open_source("shelf:top")
    hits = source.search(understand("melanoma"))
    assert (hits.source, hits.notes) == ("shelf:top", ("the shelf is empty",))


@pytest.mark.parametrize(("name", "cause"), [("wreck", "ModuleNotFoundError"), ("lost", "AttributeError")])
def test_a_source_that_cannot_be_imported_names_its_package_and_the_cause(name: str, cause: str) -> None:
    with pytest.raises(UnknownSourceError, match=f"{name!r} of the package 'shelves' .*{cause}") as caught:
        open_source(name)
    assert caught.value.facts["package"] == "shelves"
    assert open_source("demo").spec == "demo"
