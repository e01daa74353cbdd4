"""Where things live and who asks: from environment variables and one TOML file.

Environment wins over the file, the file over the defaults. The file is ``$OMICS_CONFIG``, or ``settings.toml`` in
the user's configuration folder (platformdirs); its keys are the field names below.

=====================  ==========================================================================
``OMICS_SOURCE``       source to ask: ``demo`` (default), ``mirror:FOLDER``, ``ncbi``, or another's name
``OMICS_DATA``         folder for the run store, saved values and reports
``OMICS_STORE``        where runs are kept: a file of SQLite (default: in the data folder), or ``postgresql://…``
``OMICS_VALUES``       folder for the values of runs in PostgreSQL, which all machines see (default: in the data folder)
``OMICS_CACHE``        folder for downloaded and generated files; may be deleted at any time
``OMICS_CACHE_LIMIT``  how much downloads and parsed studies may take there, such as ``20 GB`` (default: ``50 GiB``)
``OMICS_EMAIL``        sent to NCBI with each request, as NCBI asks
``NCBI_API_KEY``       raises NCBI's limit from 3 to 10 requests a second; never shown nor put into a URL
``OMICS_EUTILS_URL``   base of the E-utilities (for tests and proxies)
``OMICS_GEO_URL``      base of GEO's file tree over HTTPS (for tests and proxies)
``OMICS_GEO_WEB_URL``  base of GEO's web pages, asked for NCBI's counts and private records (for tests and proxies)
``OMICS_SMTP``         the mail server that batches tell their end by: ``smtp://HOST:25``, ``smtps://USER@HOST:465``, or
                       ``smtp+starttls://USER@HOST:587``; the password is that of ``$OMICS_SMTP_PASSWORD``
``OMICS_MAIL_FROM``    the address that such mail comes from
=====================  ==========================================================================
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from .errors import SettingsError

_ENVIRONMENT = {
    "source": "OMICS_SOURCE",
    "data": "OMICS_DATA",
    "store": "OMICS_STORE",
    "values": "OMICS_VALUES",
    "cache": "OMICS_CACHE",
    "cache_limit": "OMICS_CACHE_LIMIT",
    "email": "OMICS_EMAIL",
    "api_key": "NCBI_API_KEY",
    "eutils_url": "OMICS_EUTILS_URL",
    "geo_url": "OMICS_GEO_URL",
    "geo_web_url": "OMICS_GEO_WEB_URL",
    "smtp": "OMICS_SMTP",
    "mail_from": "OMICS_MAIL_FROM",
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?)?B", re.IGNORECASE)
_WORD = r"(?:[^\s:@/?#%]|%[0-9A-Fa-f]{2})*"
_HOST = rf"(?:\[[\da-fA-F:.]+\]|{_WORD})(?::\d+)?"
_POSTGRES = re.compile(
    rf"postgres(?:ql)?://(?:{_WORD}(?::{_WORD})?@)?{_HOST}(?:,{_HOST})*(?:/{_WORD})?(?:\?(?!.*password=)[^\s#@]*)?"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, resolved. ``api_key`` and ``store``, which may hold a password, do not show in the repr."""

    source: str
    data: Path
    cache: Path
    store: str = field(repr=False)
    values: Path
    email: str | None
    api_key: str | None = field(repr=False)
    eutils_url: str
    geo_url: str
    config: Path
    geo_web_url: str = "https://www.ncbi.nlm.nih.gov/geo/"
    cache_limit: int = 50 * 2**30
    smtp: str | None = None
    mail_from: str | None = None

    @property
    def store_shown(self) -> str:
        """The store without its password, for people."""
        return re.sub(r"^(\w+://[^:@]*):[^@]*@", r"\1@", self.store)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings as they are now. SettingsError if the file is no TOML or has a key that is not known."""
    import platformdirs

    env = os.environ if environment is None else environment
    config = Path(env.get("OMICS_CONFIG") or platformdirs.user_config_path("omics_nb") / "settings.toml")
    values: dict[str, str | None] = {
        "source": "demo",
        "data": str(platformdirs.user_data_path("omics_nb")),
        "cache": str(platformdirs.user_cache_path("omics_nb")),
        "cache_limit": None,
        "store": None,
        "values": None,
        "email": None,
        "api_key": None,
        "eutils_url": "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/",
        "geo_url": "https://ftp.ncbi.nlm.nih.gov/geo/",
        "geo_web_url": "https://www.ncbi.nlm.nih.gov/geo/",
        "smtp": None,
        "mail_from": None,
    }
    values.update(_read_file(config))
    values.update({name: env[variable] for name, variable in _ENVIRONMENT.items() if env.get(variable)})
    for folder in ("data", "cache"):
        if not values[folder]:
            raise SettingsError(
                f"{config}: {folder} is empty; name a folder, or leave the line out", path=config
            )
    data = Path(values["data"] or "").expanduser()
    return Settings(
        source=values["source"] or "demo",
        data=data,
        store=_store(values["store"], data),
        values=Path(values["values"] or data / "values").expanduser(),
        cache=Path(values["cache"] or "").expanduser(),
        email=values["email"],
        api_key=values["api_key"],
        eutils_url=_base_url(values["eutils_url"], "eutils_url"),
        geo_url=_base_url(values["geo_url"], "geo_url"),
        config=config,
        geo_web_url=_base_url(values["geo_web_url"], "geo_web_url"),
        cache_limit=_size(values["cache_limit"] or "50 GiB", "cache_limit"),
        smtp=values["smtp"],
        mail_from=values["mail_from"],
    )


def _read_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}", path=path) from error
    known = {item.name for item in fields(Settings)} - {"config"}
    for key, value in found.items():
        if key not in known:
            raise SettingsError(f"{path} has the unknown key {key!r}; known are {sorted(known)}", path=path)
        if not isinstance(value, str):
            raise SettingsError(f"{path}: {key} must be a string, not {value!r}", path=path)
    return found


def _store(place: str | None, data: Path) -> str:
    if not place:
        return str(data / "runs.sqlite")
    if "://" not in place and place != ":memory:":
        return str(Path(place).expanduser())
    if not _POSTGRES.fullmatch(place):
        # Not shown as it is: somewhere in it may be a password, which the driver's own message would tell too.
        raise SettingsError(
            f"store must be empty, the path of a file, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE with special "
            f"characters written as %XX, or better no password, which ~/.pgpass can hold; not {place.split(':')[0]}:…"
        )
    return place


def _size(text: str, name: str) -> int:
    """Bytes, from ``50 GB`` (10⁹ each) or ``50 GiB`` (2³⁰ each)."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise SettingsError(f"{name} must be a size such as '50 GB' or '500 MiB', not {text!r}")
    unit = (found[2] or "").upper()
    power = "KMGT".find(unit[:1]) + 1 if unit else 0
    return int(float(found[1]) * (1024 if unit.endswith("I") else 1000) ** power)


def _base_url(url: str | None, name: str) -> str:
    if not url or not url.startswith(("https://", "http://")):
        raise SettingsError(
            f"{name} must begin with https:// (or http:// for a loopback server), not {url!r}"
        )
    return url if url.endswith("/") else url + "/"
