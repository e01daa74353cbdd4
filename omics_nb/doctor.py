"""What works here, what is missing, and how to mend it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from . import settings as _settings
from .errors import MissingExtraError, OmicsError, SettingsError, StoreError
from .records import Check
from .settings import Settings

_FREE_BYTES_WANTED = 2 * 1024**3
_EXTRAS = {
    "notebook": (
        "forms, dashboards and executed reports",
        "jupyterlab ipywidgets papermill voila nbconvert ipykernel",
    ),
    "anndata": ("Study.to_anndata", "anndata"),
    "excel": ("Excel count tables and reports", "openpyxl"),
    "enrichment": ("omics.enrich", "gseapy"),
    "pdf": ("reports as PDF", "weasyprint"),
}


def diagnose(*, network: bool = False) -> tuple[Check, ...]:
    """Every check in order of what depends on what; ``network`` also asks NCBI whether it answers."""
    checks = [*_python(), *_packages(), _reader()]
    try:
        settings = _settings.load()
    except SettingsError as error:
        return (*checks, Check("settings", "unreadable", "fail", f"{error}. Mend or remove that file."))
    checks += [
        _settings_file(settings),
        _folder("data", settings.data),
        _folder("cache", settings.cache),
        _limit(settings),
    ]
    checks += [_store(settings), _source(settings), _email(settings)]
    if network:
        checks.append(_network(settings))
    return tuple(checks)


def _python() -> Iterator[Check]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Check(
        "python",
        found,
        "ok" if good else "fail",
        f"Python {found}" + ("" if good else "; install 3.11 or newer"),
    )
    yield Check("sqlite", sqlite3.sqlite_version, "ok", f"SQLite {sqlite3.sqlite_version} holds the runs")


def _packages() -> Iterator[Check]:
    from packaging.requirements import Requirement

    for text in requires("omics-nb") or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        yield _package(requirement.name, str(requirement.specifier), requirement.specifier.contains)
    for extra, (purpose, modules) in _EXTRAS.items():
        missing = [name for name in modules.split() if importlib.util.find_spec(name) is None]
        if missing:
            mend = f"for {purpose}, run: pip install 'omics-nb[{extra}]' (missing: {', '.join(missing)})"
            yield Check(f"extra {extra}", "missing", "warn", mend)
        else:
            yield Check(f"extra {extra}", "installed", "ok", f"{purpose}: ready")


def _package(name: str, wanted: str, allows: Callable[[str], bool]) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, "missing", "fail", f"{name} is not installed; run: pip install '{name}{wanted}'")
    if not allows(found):
        return Check(
            name, found, "fail", f"{name} {found} is not {wanted}; run: pip install '{name}{wanted}'"
        )
    return Check(name, found, "ok", f"{name} {found}")


def _reader() -> Check:
    from .geo.rows import compiled

    if compiled():
        return Check("table reader", "compiled", "ok", "tables are read by compiled code")
    mend = "tables are read as exactly, at half the speed: install a wheel for your platform, or a C compiler"
    return Check("table reader", "not compiled", "ok", mend)


def _settings_file(settings: Settings) -> Check:
    there = settings.config.exists()
    return Check(
        "settings",
        str(settings.config),
        "ok",
        f"{settings.config}" + ("" if there else " (none; defaults hold)"),
    )


def _folder(name: str, folder: Path) -> Check:
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not nearest.is_dir():
        sentence = f"{nearest} is a file; set OMICS_{name.upper()} to a folder of yours"
        return Check(f"{name} folder", str(folder), "fail", sentence)
    if not os.access(nearest, os.W_OK):
        sentence = f"{nearest} cannot be written; set OMICS_{name.upper()} to a folder of yours"
        return Check(f"{name} folder", str(folder), "fail", sentence)
    free = shutil.disk_usage(nearest).free
    sentence = f"{folder}, {free / 1024**3:.1f} GiB free"
    if free < _FREE_BYTES_WANTED:
        return Check(f"{name} folder", str(folder), "warn", f"{sentence}; large studies need more than 2 GiB")
    return Check(f"{name} folder", str(folder), "ok", sentence)


def _limit(settings: Settings) -> Check:
    size = f"{settings.cache_limit / 1024**3:.1f} GiB"
    return Check(
        "cache limit", size, "ok", f"downloads and parsed studies may take {size} (OMICS_CACHE_LIMIT)"
    )


def _store(settings: Settings) -> Check:
    from .workflow import open_store

    shown, shared = settings.store_shown, "://" in settings.store
    if not shared and not Path(settings.store).exists():
        return Check("run store", shown, "ok", "no runs yet")
    try:
        journal = open_store(settings.store, values=settings.values).journal
    except (StoreError, MissingExtraError) as error:
        mend = "move that file away, or set OMICS_STORE to another; the next run makes a new store"
        if shared:
            mend = "mend that, or unset OMICS_STORE to keep runs in a file"
        return Check("run store", shown, "fail", f"{error}; {mend}")
    return Check(
        "run store", shown, "ok", f"{shown}, {journal}" + (f", values in {settings.values}" if shared else "")
    )


def _source(settings: Settings) -> Check:
    from .sources import open_source

    try:
        source = open_source(settings=settings)
    except OmicsError as error:
        return Check(
            "source", settings.source, "fail", f"{error} Set OMICS_SOURCE to demo, mirror:FOLDER or ncbi."
        )
    synthetic = " (synthetic studies, to try things out)" if source.synthetic else ""
    return Check("source", source.spec, "ok", f"questions go to {source.spec}{synthetic}")


def _email(settings: Settings) -> Check:
    if settings.email or settings.source != "ncbi":
        return Check(
            "e-mail",
            settings.email or "not needed",
            "ok",
            "NCBI is told who asks" if settings.email else "only ncbi needs one",
        )
    return Check("e-mail", "missing", "warn", "NCBI asks for one: set OMICS_EMAIL=you@example.org")


def _network(settings: Settings) -> Check:
    import httpx

    try:
        answer = httpx.get(
            settings.eutils_url + "einfo.fcgi", params={"retmode": "json", "tool": "omics_nb"}, timeout=15
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return Check(
            "network",
            settings.eutils_url,
            "warn",
            f"NCBI does not answer ({error!r:.120}); demo and mirror work",
        )
    return Check("network", settings.eutils_url, "ok", "NCBI answers")
