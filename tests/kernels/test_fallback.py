"""Where there is no fork to be had, the same kernel starts as a plain process and the log says why."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omics_kernels import owner, provisioner

from .conftest import FEW, Start, write_spec


@pytest.fixture(autouse=True)
def _notes_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioner, "_told", set())


def test_on_another_system_kernels_are_plain(
    start: Start, few: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(owner, "PLATFORM", "darwin")
    with caplog.at_level(logging.WARNING, logger="traitlets"):
        kernel = start(few)
    assert kernel.value("__import__('os').getppid()") == os.getpid()
    assert kernel.why_plain == "forks of a process with libraries are safe on Linux, not on darwin"
    start(few)
    notes = [record.getMessage() for record in caplog.records if "as a plain process" in record.getMessage()]
    assert len(notes) == 1
    assert notes[0].endswith(kernel.why_plain)


def test_a_library_that_cannot_be_loaded_is_named(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    kernel = start(write_spec(tmp_path, monkeypatch, "broken", [*FEW, "broken"]))
    assert kernel.why_plain == "the fork server did not start: broken: RuntimeError: no licence"
    assert kernel.value("1 + 1") == 2


def test_a_library_that_leaves_a_thread_is_refused(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    (tmp_path / "threaded.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    kernel = start(write_spec(tmp_path, monkeypatch, "threaded", [*FEW, "threaded"]))
    assert kernel.why_plain is not None
    assert "libraries have started threads" in kernel.why_plain


def test_a_library_that_is_not_installed_is_left_out(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = start(write_spec(tmp_path, monkeypatch, "without", [*FEW, "no_such_library"]))
    assert kernel.why_plain is None


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"stdout": subprocess.PIPE}, "a pipe was asked for"),
        ({"independent": True}, "independent was asked for"),
    ],
)
def test_what_a_fork_cannot_have_is_given_by_a_process(
    start: Start, few: str, asked: dict[str, object], why: str
) -> None:
    kernel = start(few, **asked)
    assert kernel.why_plain is not None
    assert kernel.why_plain.startswith(why)
    if "stdout" in asked:
        kernel.manager.provisioner.process.stdout.close()


def test_a_command_that_starts_no_ipykernel_is_left_alone() -> None:
    with pytest.raises(owner.CannotForkError, match="only 'python -m ipykernel_launcher …' can be forked"):
        owner.fork_kernel(["R", "--slave", "-e", "IRkernel::main()"], ())


def test_a_folder_that_is_not_there_is_an_error_as_for_a_plain_kernel(start: Start, few: str) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        start(few, cwd="/no-such-folder")


def test_an_interpreter_without_the_package_gives_a_plain_kernel() -> None:
    with pytest.raises(owner.CannotForkError, match="it ended with code 1 while it loaded"):
        owner.fork_kernel([sys.executable, "-S", "-E", "-m", "ipykernel_launcher", "-f", "x"], ())
