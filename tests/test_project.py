"""The project itself: what the import costs, what the pins say, what a stranger gets."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED_EXTRAS = ("notebook", "anndata", "excel", "enrichment")
FLOORS = {
    "jupyter-server": "2.21",
    "tornado": "6.5.9",
    "jupyterlab": "4.6.2",
    "nbconvert": "7.17.1",
    "voila": "0.5.6",
    "anyio": "4.14.2",
}


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    heavy = "pandas numpy httpx scipy matplotlib pyarrow pydantic ipywidgets tornado IPython".split()
    loaded = _python(f"import sys, omics_nb; print([m for m in {heavy} if m in sys.modules])")
    assert loaded == "[]"


def test_import_takes_under_100_ms() -> None:
    code = "import time; t = time.perf_counter(); import omics_nb; print(time.perf_counter() - t)"
    assert min(float(_python(code)) for _ in range(5)) < 0.1


def test_every_public_name_can_be_loaded() -> None:
    assert _python("import omics_nb as o; print(all(getattr(o, n) is not None for n in dir(o)))") == "True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import omics_nb

    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = omics_nb.serach


def _declared() -> dict[str, Requirement]:
    project = PYPROJECT["project"]
    texts = [
        *project["dependencies"],
        *(text for name in PINNED_EXTRAS for text in project["optional-dependencies"][name]),
    ]
    return {Requirement(text).name.replace("_", "-"): Requirement(text) for text in texts}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_versions_with_known_advisories_are_refused(name: str, floor: str) -> None:
    specifier = _declared()[name].specifier
    assert floor in specifier
    assert not any(
        specifier.contains(Version(older))
        for older in ("0.1", "0.5.5", "2.20.9", "4.6.1", "6.5.8")
        if Version(older) < Version(floor)
    )


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_with_hashes_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==\S+", text, flags=re.M)
    assert "://" not in text
    assert len(pins) > 100
    assert text.count("--hash=sha256:") >= len(pins)


def test_locks_agree_with_the_declared_floors() -> None:
    pinned = dict(
        re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), flags=re.M)
    )
    for name, requirement in _declared().items():
        assert requirement.specifier.contains(pinned[name.lower()]), f"{name} {pinned[name.lower()]}"


def test_binder_names_what_repo2docker_reads() -> None:
    folder = ROOT / "binder"
    assert (folder / "runtime.txt").read_text().strip() in {"python-3.11", "python-3.12", "python-3.13"}
    assert (folder / "requirements.txt").read_text().split() == ["-r", "../requirements.lock"]
    for script in ("postBuild", "start"):
        path = folder / script
        assert path.stat().st_mode & 0o111, f"{script} must be executable"
        assert path.read_text().startswith("#!/bin/bash")
        subprocess.run(["bash", "-n", path], check=True)
    assert 'exec "$@"' in (folder / "start").read_text()


def test_the_packages_are_typed_and_in_the_wheel() -> None:
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["omics_nb", "widgets/omics_widgets", "widgets/omics_kernels"]
    assert [package for package in packages if not (ROOT / package / "py.typed").exists()] == []


def test_the_wheel_brings_our_kernelspec_and_its_provisioner() -> None:
    shared = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    [folder] = [source for source, target in shared.items() if target == "share/jupyter/kernels"]
    spec = json.loads((ROOT / folder / "omics" / "kernel.json").read_text())
    provisioners = PYPROJECT["project"]["entry-points"]["jupyter_client.kernel_provisioners"]
    module, _, name = provisioners[spec["metadata"]["kernel_provisioner"]["provisioner_name"]].partition(":")
    assert hasattr(importlib.import_module(module), name)


def test_repo2docker_accepts_the_binder_folder(tmp_path: Path) -> None:
    # The checkout is copied without its environment, as a clone would be; nothing is built.
    import shutil

    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile[-2000:]
    for line in (
        "fonts-dejavu-core",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "./binder/postBuild",
        "R2D_ENTRYPOINT",
    ):
        assert line in dockerfile


def test_every_notebook_goes_into_the_wheel() -> None:
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(included) == {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
