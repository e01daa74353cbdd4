"""Runs from a shell: watched in a terminal, followed, pruned, and kept on a server that the settings name."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import omics_nb as omics
from omics_nb import cli, workflow
from tests.postgres_server import new_database

HELD = """
import sys, time
from pathlib import Path
from omics_nb.cli.output import result_of
from omics_nb.workflow import Flow, start

def first(folder):
    return 7

def held(first, folder, ctx):
    while not (Path(folder) / "go").exists():
        ctx.check()
        time.sleep(0.01)
    return first

def after(held):
    return held + 1

folder = sys.argv[1]
print(result_of(start(Flow("watched", [first, held, after]), {"folder": folder}, store=Path(folder) / "runs.sqlite")))
"""


def _run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    (tmp_path / "held.py").write_text(HELD)
    return [sys.executable, str(tmp_path / "held.py"), str(tmp_path)]


def _read(screen: int, until: str) -> str:
    text = ""
    while not re.search(until, text):
        text += os.read(screen, 4096).decode()
    return text


def test_a_terminal_has_one_line_that_overwrites_itself(script: list[str], tmp_path: Path) -> None:
    screen, other_end = pty.openpty()
    with subprocess.Popen(script, stderr=other_end, stdout=subprocess.PIPE, text=True) as process:
        os.close(other_end)
        assert re.search(r"\r\x1b\[Kwatched [█░]{10} \d+ % · 0 s · held", _read(screen, "held"))
        seen = _read(screen, " 1 s")  # it goes on by itself
        (tmp_path / "go").touch()
        seen += _read(screen, r"100 %.*\r\x1b\[K$")
        assert process.communicate()[0] == "8\n"
    assert "\n" not in seen
    os.close(screen)


def test_elsewhere_each_step_is_a_plain_line(script: list[str], tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert done.stdout == "8\n"
    assert re.fullmatch(
        r"first done, \d\.\d\d s\nheld done, \d\.\d\d s\nafter done, \d\.\d\d s\n", done.stderr
    )


def test_ctrl_c_stops_the_run_and_says_how_it_goes_on(script: list[str], tmp_path: Path) -> None:
    with subprocess.Popen(script, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("first done")
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
    (run,) = workflow.list_runs(tmp_path / "runs.sqlite")
    assert f"`omics-nb runs resume {run.id}` goes on from there" in error
    assert run.state in ("paused", "interrupted")
    workflow.close_store(tmp_path / "runs.sqlite")


def test_events_are_read_on_from_a_number_and_followed_to_the_end() -> None:
    run = omics.start("simple_search", question="vemurafenib melanoma", source="demo")
    followed = _run("runs", "events", run.id, "--follow", "--json")
    events = [json.loads(line) for line in followed.output.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "done"
    assert events[-1]["step"] is None
    rest = _run("runs", "events", run.id, "--after", len(events) - 1)
    assert re.fullmatch(rf" +{len(events)}  [\d:]+  done\n", rest.output)


def test_pruning_removes_old_runs_and_leaves_the_others() -> None:
    run = omics.start("simple_search", question="vemurafenib melanoma", source="demo")
    run.result(timeout=60)
    assert _run("runs", "prune").output == "removed: 0 run(s) and 0 value file(s), 0.0 MiB\n"
    dry = _run("runs", "prune", "--older-than", 0, "--dry-run")
    assert dry.output.startswith("would remove: 1 run(s) and ")
    assert omics.get_run(run.id).state == "done"
    assert json.loads(_run("runs", "prune", "--older-than", 0, "--json").output)["n_runs"] == 1
    assert _run("runs", "show", run.id).exit_code == 4


@pytest.fixture
def lab(server: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    address = new_database(server, f"lab{time.time_ns()}")
    monkeypatch.setenv("OMICS_STORE", address)
    yield address
    workflow.close_store(address)


def test_runs_are_kept_on_the_server_that_the_settings_name(lab: str, tmp_path: Path) -> None:
    run = omics.start("simple_search", question="vemurafenib melanoma", source="demo")
    run.result(timeout=60)
    assert run.store.address == lab
    assert run.store.folder.path == Path(os.environ["OMICS_DATA"]) / "values"
    assert run.id in _run("runs").output
    told = _run("doctor").output
    assert re.search(r"ok +run store +postgresql:///lab\S+, PostgreSQL \d+", told)
    assert f"values in {run.store.folder.path}" in told
    assert not (Path(os.environ["OMICS_DATA"]) / "runs.sqlite").exists()


def test_a_server_that_does_not_answer_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.setenv("OMICS_STORE", "postgresql://ana:s3cret@127.0.0.1:1/lab")
    told = _run("doctor")
    assert told.exit_code == 1
    assert "unset OMICS_STORE to keep runs in a file" in told.output
    listed = _run("runs")
    assert listed.exit_code == 8
    assert "s3cret" not in told.output + listed.output
    assert "s3cret" not in _run("doctor", "--json").output
