"""The dashboard's server as a browser or a stranger meets it: by HTTP, without a browser."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import psutil
import pytest
from omics_widgets import dashboard

from omics_nb.errors import SettingsError
from tests.served import NOTEBOOKS, TOKEN, Dashboard, serving

PLAIN = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}


def write(folder: Path, name: str, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=PLAIN), folder / name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A server over our notebooks and some that tell of the kernel they are in."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("Home.ipynb", "explore.ipynb"):
        (folder / name).write_text((NOTEBOOKS / name).read_text())
    (folder / "figure.png").write_bytes(b"\x89PNG\r\n")
    write(
        folder,
        "kernel.ipynb",
        "import json, os, sys\n"
        "print('told', json.dumps([os.getppid(), 'pandas' in sys.modules, os.environ['QUERY_STRING']]), 'end')",
    )
    write(folder, "fails.ipynb", "secret_name = 1\nraise RuntimeError('what only the log should say')")
    with serving(tmp_path_factory.mktemp("dashboard"), folder) as running:
        yield running


@pytest.fixture
def anonymous(server: Dashboard) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.origin, timeout=60) as client:
        yield client


@pytest.fixture
def known(server: Dashboard) -> Iterator[httpx.Client]:
    """A browser that has opened the address with its token."""
    with httpx.Client(base_url=server.origin, timeout=60, follow_redirects=True) as client:
        client.get("/lab/api/settings", params={"token": TOKEN})
        yield client


def test_the_front_page_is_home_and_its_address_loses_the_token(server: Dashboard) -> None:
    with httpx.Client(base_url=server.origin, timeout=60, follow_redirects=True) as client:
        page = client.get("/", params={"token": TOKEN})
    assert page.status_code == 200
    assert str(page.url) == f"{server.origin}/voila/render/Home.ipynb"
    assert "<title>Public omics data</title>" in page.text
    assert "Ask a question" in page.text


def test_lab_is_served_by_the_same_server(known: httpx.Client) -> None:
    page = known.get("/lab")
    assert page.status_code == 200
    assert "JupyterLab" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/lab",
        "/voila",
        "/voila/render/Home.ipynb",
        "/api/kernels",
        "/api/contents",
        "/voila/api/contents/",
    ],
)
def test_who_has_no_token_is_let_in_nowhere(anonymous: httpx.Client, path: str) -> None:
    answer = anonymous.get(path)
    if path == "/":  # which only leads on
        answer = anonymous.get(answer.headers["location"])
    assert answer.status_code in {302, 403}
    assert "/login" in answer.headers.get("location", "/login")


def test_no_file_is_served_even_to_who_has_the_token(known: httpx.Client, anonymous: httpx.Client) -> None:
    for name in ("figure.png", "kernel.ipynb"):
        assert known.get(f"/voila/files/{name}").status_code == 403
        assert anonymous.get(f"/voila/files/{name}").status_code == 403


def told(page: httpx.Response) -> list[object]:
    found = re.search(r"told (.*?) end", page.text)
    assert found, page.text[-3000:]
    value = json.loads(found[1].replace("\\u0022", '"').replace('\\"', '"').replace("&#34;", '"'))
    assert isinstance(value, list)
    return value


def test_a_page_gets_a_forked_kernel_that_knows_no_token(server: Dashboard, known: httpx.Client) -> None:
    parent, loaded, query = told(
        known.get("/voila/render/kernel.ipynb", params={"token": TOKEN, "theme": "dark"})
    )
    assert loaded is True
    assert query == "theme=dark"
    forker = psutil.Process(int(str(parent)))
    assert "omics_kernels.server" in forker.cmdline()
    assert forker.ppid() == server.process.pid


def test_a_cell_that_fails_shows_neither_traceback_nor_source(server: Dashboard, known: httpx.Client) -> None:
    page = known.get("/voila/render/fails.ipynb").text
    assert "There was an error when executing cell" in page
    assert "what only the log should say" not in page
    assert "secret_name" not in page
    assert "show_tracebacks" not in page
    assert any("what only the log should say" in line for line in server.said)


def test_the_address_fills_the_form_and_what_it_cannot_set_is_told(known: httpx.Client) -> None:
    page = known.get(
        "/voila/render/explore.ipynb",
        params={"question": "lupus", "limit": "many", "reports": "/tmp", "<script>alert(1)</script>": "x"},
    ).text
    assert re.search(r"Explore\((\\u0027|')lupus", page)
    assert "limit must be a whole number" in page
    assert "does not take &#x27;reports&#x27;" in page
    assert "<script>alert(1)" not in page


def test_a_page_that_is_left_may_end_its_kernel_and_a_stranger_may_not(
    known: httpx.Client, anonymous: httpx.Client
) -> None:
    page = known.get("/voila/render/kernel.ipynb").text
    found = re.search(r'"kernelId": "([\w-]+)"', page)
    assert found
    end = f"/voila/api/shutdown/{found[1]}"
    assert anonymous.post(end).status_code == 403
    assert known.post(end).status_code == 403  # without what shows that it comes from our page
    assert known.post(end, headers={"X-XSRFToken": known.cookies["_xsrf"]}).status_code == 204
    assert found[1] not in known.get("/api/kernels").text


def test_the_server_says_where_it_is_and_takes_all_along_when_it_ends(tmp_path: Path) -> None:
    write(tmp_path, "one.ipynb", "1")
    with serving(tmp_path / "base", tmp_path) as running:
        httpx.get(
            running.url("/voila/render/one.ipynb"), timeout=60, follow_redirects=True
        ).raise_for_status()
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert len(family) >= 1
        running.process.send_signal(signal.SIGINT)
        running.process.wait(30)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
    said = "".join(running.said)
    assert f"The dashboard is running at {running.origin}/?token={TOKEN}" in said
    assert f"JupyterLab is at {running.origin}/lab?token={TOKEN}" in said
    assert ("You are root" in said) == dashboard._is_root()
    assert "Warning" not in said


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="there is no folder no/such"):
        dashboard.serve(Path("no/such"))


@pytest.mark.skipif(not dashboard._is_root(), reason="is about root")
def test_root_does_not_serve_to_a_network() -> None:
    with pytest.raises(SettingsError, match="root must not serve to a network"):
        dashboard.serve(NOTEBOOKS, public=True)


def test_an_installed_package_serves_copies_and_leaves_yours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "omics_nb" / "_notebooks"
    installed.mkdir(parents=True)
    for name in ("Home.ipynb", "explore.ipynb"):
        (installed / name).write_text("new")
    monkeypatch.setattr(dashboard, "find_notebook", lambda name: installed / name)
    monkeypatch.setenv("OMICS_DATA", str(tmp_path / "data"))
    mine = tmp_path / "data" / "notebooks"
    mine.mkdir(parents=True)
    (mine / "explore.ipynb").write_text("mine")
    assert dashboard.notebooks_folder() == mine
    assert (mine / "explore.ipynb").read_text() == "mine"
    assert (mine / "Home.ipynb").read_text() == "new"


def test_the_public_address_is_this_machines_name() -> None:
    chosen = dashboard.config()
    assert chosen.ServerApp.ip == "127.0.0.1"
    assert len(chosen.IdentityProvider.token) >= 32
    assert dashboard.config().IdentityProvider.token != chosen.IdentityProvider.token
    assert sys.platform != "linux" or chosen.KernelManager.transport == "ipc"
