"""Secrets of a row: named in the table, read where they are used, never written to a notebook.

A cell says ``secret:NAME``; the notebook gets that very text and asks :func:`secret` for the value, which is that of
the environment variable ``NAME`` or of the file ``NAME`` in ``$OMICS_DATA/secrets``, readable by its owner alone.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from .. import settings
from ..errors import SettingsError

PREFIX = "secret:"
_REFERENCE = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_]{0,63})")
#: Names of parameters that ask for a secret.
_SECRET_NAME = re.compile(
    r"(^|_)(api_?key|access_?key|passw(or)?d|passphrase|secret|token|credentials?)s?($|_)", re.IGNORECASE
)


def asks_for_secret(name: str) -> bool:
    """Whether a parameter's name says that its value is not for everybody's eyes."""
    return _SECRET_NAME.search(name) is not None


def secret(reference: str) -> str:
    """The value behind ``secret:NAME``. SettingsError says where it is looked for."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise SettingsError("a secret is referred to as secret:NAME, with letters, digits and '_'")
    name = found[1]
    if os.environ.get(name):
        return os.environ[name]
    path = _folder() / name
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(f"others may read the secret {path}; run: chmod 600 {path}", name=name)
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"there is no secret {name!r}: set the environment variable {name}, or write the file {path} (chmod 600)",
            name=name,
        ) from error


def hide(text: str, references: list[str]) -> str:
    """The text without the values of these secrets, as a notebook may have printed one. Text of JSON, as it is."""
    import json

    for reference in references:
        value = secret(reference)
        for form in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            if len(form) >= 4:
                text = text.replace(form, f"({PREFIX} hidden)")
    return text


def _folder() -> Path:
    return settings.load().data / "secrets"
