"""Settings: environment over file over defaults, and no secret in sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from omics_nb import settings
from omics_nb.errors import SettingsError


def _written(folder: Path, text: str) -> dict[str, str]:
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    return {"OMICS_CONFIG": str(folder / "settings.toml")}


def test_with_nothing_configured_the_source_is_demo(tmp_path: Path) -> None:
    found = settings.load({"OMICS_CONFIG": str(tmp_path / "none.toml")})
    assert found.source == "demo"
    assert found.email is None
    assert found.geo_url == "https://ftp.ncbi.nlm.nih.gov/geo/"


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    environment = _written(tmp_path, 'source = "ncbi"\nemail = "a@b.c"\n')
    assert settings.load(environment).source == "ncbi"
    found = settings.load({**environment, "OMICS_SOURCE": "mirror:/data"})
    assert (found.source, found.email) == ("mirror:/data", "a@b.c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source = ", "is not a TOML file"),
        ('sauce = "demo"', "unknown key 'sauce'; known are"),
        ("source = 3", "source must be a string, not 3"),
        ('geo_url = "ftp://x"', "geo_url must begin with https://"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings.load(_written(tmp_path, text))


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    found = settings.load({"OMICS_CONFIG": str(tmp_path / "none"), "NCBI_API_KEY": "s3cret"})
    assert found.api_key == "s3cret"
    assert "s3cret" not in repr(found)


def test_a_base_url_ends_with_a_slash(tmp_path: Path) -> None:
    found = settings.load(
        {"OMICS_CONFIG": str(tmp_path / "none"), "OMICS_GEO_URL": "http://127.0.0.1:8080/geo"}
    )
    assert found.geo_url == "http://127.0.0.1:8080/geo/"
