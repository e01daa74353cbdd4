"""The embedded archive: synthetic studies with known truth, generated on first use, read like any mirror."""

from __future__ import annotations

from ..errors import SettingsError
from ..settings import Settings
from .mirror import Mirror
from .synthetic import Truth as Truth
from .synthetic import ensure_archive
from .synthetic import truth as truth


def open_demo(argument: str | None, settings: Settings) -> Mirror:
    """The archive below ``settings.cache``. SettingsError if it cannot be written, or for an argument."""
    if argument:
        raise SettingsError(f"the source 'demo' takes no argument, and got {argument!r}; say 'demo'")
    return Mirror(ensure_archive(settings.cache), spec="demo", synthetic=True, settings=settings)
