"""Which package a module belongs to, and its version."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

_STDLIB = sys.stdlib_module_names | {"builtins"}


@functools.cache
def package_of(module: str) -> str:
    """The package that a module counts as by version: an installed one or "python"; "" for one's own code."""
    import sysconfig

    top = module.partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return ""
    if top in _STDLIB:
        return "python"
    loaded: Any = sys.modules.get(top)
    try:
        spec: Any = importlib.util.find_spec(top) if loaded is None else getattr(loaded, "__spec__", None)
    except (ImportError, ValueError):
        spec = None
    places = [getattr(loaded, "__file__", None), getattr(spec, "origin", None)]
    places += list(getattr(spec, "submodule_search_locations", None) or ())
    roots = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    installed = any(place and (place.startswith(roots) or "/site-packages/" in place) for place in places)
    return top if installed else ""


@functools.cache
def version_of(package: str) -> str:
    """The version of an installed package, by any distribution that provides it."""
    if package == "python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    from importlib import metadata

    names = _distributions().get(package, [package])
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return str(getattr(sys.modules.get(package), "__version__", "unknown"))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()
