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


NOWHERE = {"OMICS_CONFIG": "/nowhere/settings.toml", "OMICS_DATA": "/d"}


@pytest.mark.parametrize(
    ("place", "store", "shown"),
    [
        ("", "/d/runs.sqlite", "/d/runs.sqlite"),
        ("/lab/runs.sqlite", "/lab/runs.sqlite", "/lab/runs.sqlite"),
        ("postgresql://lab/omics", "postgresql://lab/omics", "postgresql://lab/omics"),
        (
            "postgresql://ana:s%403cret@lab:5433/omics?sslmode=require",
            "postgresql://ana:s%403cret@lab:5433/omics?sslmode=require",
            "postgresql://ana@lab:5433/omics?sslmode=require",
        ),
        (
            "postgresql://ana@[::1]:1,b:2/x",
            "postgresql://ana@[::1]:1,b:2/x",
            "postgresql://ana@[::1]:1,b:2/x",
        ),
        ("postgresql:///x?host=/run/pg", "postgresql:///x?host=/run/pg", "postgresql:///x?host=/run/pg"),
    ],
)
def test_runs_are_kept_in_a_file_or_on_a_server(place: str, store: str, shown: str) -> None:
    found = settings.load({**NOWHERE, "OMICS_STORE": place})
    assert (found.store, found.store_shown) == (store, shown)
    assert found.values == Path("/d/values")
    assert "s%403cret" not in repr(found)


def test_the_store_may_stand_in_the_file_and_shared_values_elsewhere(tmp_path: Path) -> None:
    environment = _written(tmp_path, 'store = "postgresql://lab/omics"\nvalues = "/lab/values"\n')
    found = settings.load(environment)
    assert (found.store, found.values) == ("postgresql://lab/omics", Path("/lab/values"))


@pytest.mark.parametrize(
    "place",
    [
        "mysql://ana:s3cret@lab/omics",
        "sqlite:///s3cret",
        ":memory:",
        "postgresql://ana:s3cret/1@lab/omics",
        "postgresql://ana:s3cret#1@lab/omics",
        "postgresql://ana:s3cret@1@lab/omics",
        "postgresql://ana:s3cret%zz@lab/omics",
        "postgresql://ana:s3cret",
        "postgresql://lab/omics?password=s3cret",
        "postgresql://lab/omics?user=ana&sslpassword=s3cret",
    ],
)
def test_another_store_is_refused_and_its_password_is_not_told(place: str) -> None:
    with pytest.raises(SettingsError, match="the path of a file, or postgresql://USER") as caught:
        settings.load({**NOWHERE, "OMICS_STORE": place})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("", 50 * 2**30),
        ("20 GB", 20 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("500 mb", 500 * 10**6),
        ("2 TiB", 2 * 2**40),
        ("64 KiB", 65_536),
        (" 7 B ", 7),
        ("0 GB", 0),
    ],
)
def test_the_cache_has_a_limit_with_a_unit(text: str, n_bytes: int, tmp_path: Path) -> None:
    assert settings.load({**NOWHERE, "OMICS_CACHE_LIMIT": text}).cache_limit == n_bytes
    if text:
        assert settings.load(_written(tmp_path, f'cache_limit = "{text}"\n')).cache_limit == n_bytes


@pytest.mark.parametrize(
    "text", ["50", "GB", "-1 GB", "1,5 GB", "50 GX", "50 iB", "much", "1e3 GB", "nan GB"]
)
def test_a_limit_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="cache_limit must be a size such as '50 GB'") as caught:
        settings.load({**NOWHERE, "OMICS_CACHE_LIMIT": text})
    assert repr(text) in str(caught.value)


def test_an_empty_folder_in_the_file_is_no_working_directory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cache is empty; name a folder"):
        settings.load(_written(tmp_path, 'cache = ""\n'))
