"""What a wait is about reaches whoever waits: a step of a run, a command line, a form; and nobody else."""

from __future__ import annotations

import threading

import pytest

import omics_nb as omics
from omics_nb.progress import listening, tell
from omics_nb.settings import Settings
from omics_nb.sources import open_source
from tests.ncbi.server import LoopbackNcbi


def test_messages_reach_the_listener_of_their_thread_while_it_listens() -> None:
    heard: list[str] = []
    with listening(heard.append):
        tell("mine")
        other = threading.Thread(target=tell, args=("of another thread",))
        other.start()
        other.join()
    tell("too late")
    assert heard == ["mine"]


def test_what_a_listener_raises_ends_the_wait() -> None:
    def cancelled(message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(cancelled):
        tell("waiting 3 s for our turn")
    tell("nobody listens any more")


def test_the_live_source_tells_of_its_downloads(ncbi_settings: Settings) -> None:
    heard: list[str] = []
    with listening(heard.append):
        open_source("ncbi", settings=ncbi_settings).fetch("GSE42872")
    assert any("GSE42872_series_matrix.txt.gz" in message or "our turn" in message for message in heard), (
        heard
    )


def test_a_step_of_a_run_tells_what_it_waits_for(
    ncbi_server: LoopbackNcbi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ncbi_server.environment.items():
        monkeypatch.setenv(name, value)
    run = omics.start("data_validation", accessions=["GSE42872"], source="ncbi")
    assert run.result()["readable"].tolist() == [True]
    assert any("waiting" in str(event) or "downloading" in str(event) for event in run.events())


def test_a_program_that_only_knows_of_kernels_writes_no_progress_to_its_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import ipykernel.kernelapp

    assert not ipykernel.kernelapp.IPKernelApp.initialized()
    tell("downloading")
    assert capsys.readouterr().out == ""
