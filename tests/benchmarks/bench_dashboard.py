"""From an address to a form that can be used, and what each further visitor costs: ours and its peers in one run.

``python -m tests.benchmarks.bench_dashboard [--rounds N] [--small] [--only WORD]`` in the peers' environment (``make
bench``). The same small form (a question, a choice, a button; pandas imported) is served by our dashboard with forked
and with plain kernels, by Voila alone, by Solara and by Panel, where they are installed, and visited by turns in
Debian's chromium. ``explore.ipynb`` is the real page; the button of a run's panel tells how soon "cancelling" shows.
Solara and Panel run all visitors in one process: less memory, and who computes keeps all others waiting. Without a
network Solara's page needs ``ipyvuetify<2``, whose assets ``solara-assets`` has. Seconds are medians; MB are private
memory of the server and all its processes.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nbformat
import psutil

from tests.served import NOTEBOOKS, serving

CHROMIUM = "/usr/bin/chromium"
FLAGS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync".split()
PLAIN_KERNELS = "--KernelProvisionerFactory.default_provisioner_name=local-provisioner"
GOALS = {"ratio": 2.5, "usable": 1.6, "private": 35.0, "cancel": 0.3}
CANCELS = 5
#: A run that lasts until it is cancelled, and its panel.
ENDLESS = """
from pathlib import Path
from omics_widgets import RunPanel
from tests.widgets.steered import GATED
panel = RunPanel()
panel.start(GATED, gate="never")
panel
"""
#: Seconds from the press of Cancel to the word on the page.
PRESS = """() => new Promise((done) => {
  const badge = document.querySelector(".omics-run-head .omics-state"), began = performance.now();
  const look = () => /cancell/.test(badge.textContent) && done((performance.now() - began) / 1000);
  new MutationObserver(look).observe(badge, { childList: true, characterData: true, subtree: true });
  [...document.querySelectorAll(".omics-run button")].find((button) => button.textContent === "Cancel").click();
})"""
FORM = """
import pandas as pd
from ipywidgets import Button, Dropdown, Text, VBox
VBox([Text(description="Question"), Dropdown(options=["demo", "ncbi"]), Button(description="Search")])
"""
SOLARA = """
import pandas as pd
import solara
question, source = solara.reactive(""), solara.reactive("demo")
@solara.component
def Page():
    solara.InputText("Question", value=question)
    solara.Select("Source", values=["demo", "ncbi"], value=source)
    solara.Button("Search")
"""
PANEL = """
import pandas as pd
import panel as pn
pn.extension()
pn.Column(pn.widgets.TextInput(name="Question"), pn.widgets.Select(options=["demo", "ncbi"]),
          pn.widgets.Button(name="Search")).servable()
"""


@dataclass
class Served:
    """A page of a running server, and what was measured of it."""

    name: str
    url: str
    process: psutil.Process
    token: dict[str, str] = field(default_factory=dict)
    html: list[float] = field(default_factory=list)
    usable: list[float] = field(default_factory=list)
    private: float = float("nan")
    failed: str = ""


@contextmanager
def command(name: str, words: list[str], path: str, folder: Path) -> Iterator[Served]:
    """A peer's server on a free port, which the word PORT stands for; ready once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = folder / f"{name}.log"
    with told.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.replace("PORT", port) for word in words)],
            cwd=folder,
            env=os.environ | {"SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}{path}"
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
                break
            except httpx.TransportError:
                if time.monotonic() > until or process.poll() is not None:
                    raise SystemExit(f"{name} did not start:\n{told.read_text()[-2000:]}") from None
                time.sleep(0.1)
        yield Served(name, url, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def ours(name: str, page: str, folder: Path, notebooks: Path, *options: str) -> Iterator[Served]:
    with serving(folder / name, notebooks, *options) as server:
        yield Served(
            name,
            f"{server.origin}/voila/render/{page}",
            psutil.Process(server.process.pid),
            {"token": server.token},
        )


def pages(folder: Path, small: bool, only: str) -> list[tuple[str, Callable[[], Any]]]:
    """What is compared: a name and how to serve it."""
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    cells = [nbformat.v4.new_code_cell(FORM.strip())]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), notebooks / "form.ipynb")
    (folder / "form_solara.py").write_text(SOLARA)
    (folder / "form_panel.py").write_text(PANEL)
    explore = [
        ("explore, forked", lambda: ours("explore, forked", "explore.ipynb", folder, NOTEBOOKS)),
        ("explore, plain", lambda: ours("explore, plain", "explore.ipynb", folder, NOTEBOOKS, PLAIN_KERNELS)),
    ]
    voila = "voila notebooks/form.ipynb --no-browser --port=PORT --Voila.port_retries=0".split()
    solara = "solara run form_solara.py --host 127.0.0.1 --port PORT --production --no-open".split()
    panel = "panel serve form_panel.py --address 127.0.0.1 --port PORT".split()
    others = [
        ("form, forked", lambda: ours("form, forked", "form.ipynb", folder, notebooks)),
        ("form, plain", lambda: ours("form, plain", "form.ipynb", folder, notebooks, PLAIN_KERNELS)),
        ("form, Voila alone", lambda: command("form, Voila alone", voila, "/", folder)),
        ("form, Solara", lambda: command("form, Solara", solara, "/", folder)),
        ("form, Panel", lambda: command("form, Panel", panel, "/form_panel", folder)),
    ]
    installed = {"form, Solara": "solara", "form, Panel": "panel"}
    found = [row for row in others if row[0] not in installed or importlib.util.find_spec(installed[row[0]])]
    return [row for row in (explore if small else explore + found) if only in row[0]]


def first_html(served: Served) -> float:
    """Seconds until the whole document is there, which for Voila has the form in it."""
    with httpx.Client(timeout=120, follow_redirects=True, params=served.token) as client:
        begin = time.perf_counter()
        client.get(served.url).raise_for_status()
        return time.perf_counter() - begin


def visit(context: Any, served: Served) -> tuple[Any, float]:
    """A page whose button can be pressed, and the seconds until then."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    begin = time.perf_counter()
    page.goto(served.url + ("?token=" + served.token["token"] if served.token else ""), wait_until="commit")
    page.get_by_role("button", name="Search").wait_for()
    return page, time.perf_counter() - begin


def private_mb(process: psutil.Process) -> float:
    """Private memory of a process and all that it has started, in MB."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def per_visitor(context: Any, served: Served, n: int) -> float:
    """Private MB that each of ``n`` visitors adds to a server that has one."""
    opened = [visit(context, served)[0]]
    before = private_mb(served.process)
    opened += [visit(context, served)[0] for _ in range(n)]
    grown = private_mb(served.process) - before
    for page in opened:
        page.close(run_before_unload=True)
    return grown / n


def cancel_shown(browser: Any, folder: Path) -> list[float]:
    """Seconds until a run's panel says "cancelling", of several runs."""
    notebooks = folder / "endless"
    notebooks.mkdir()
    cells = [nbformat.v4.new_code_cell(ENDLESS.strip())]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), notebooks / "endless.ipynb")
    root = str(NOTEBOOKS.parent)
    took = []
    with serving(folder / "cancel", notebooks, PYTHONPATH=f"{root}:{root}/widgets") as server:
        for _ in range(CANCELS):
            page = browser.new_page()
            page.goto(server.url("/voila/render/endless.ipynb"))
            page.locator(".omics-run-head .omics-is-running").wait_for()
            page.get_by_role("button", name="Cancel").wait_for()
            took.append(float(page.evaluate(PRESS)))
            page.locator(".omics-run-head .omics-is-cancelled").wait_for()
            page.close(run_before_unload=True)
    return took


def measure(rounds: int, small: bool, only: str) -> tuple[list[Served], list[float]]:
    from playwright.sync_api import Error, sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright, ExitStack() as running:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        running.callback(browser.close)
        found = [running.enter_context(start()) for _, start in pages(Path(name), small, only)]
        contexts = {served.name: browser.new_context() for served in found}
        for served in found:  # libraries, and the browser's cache
            try:
                visit(contexts[served.name], served)[0].close(run_before_unload=True)
            except Error as error:
                served.failed = str(error).partition("\n")[0]
        working = [served for served in found if not served.failed]
        for _ in range(rounds):
            for served in working:
                served.html.append(first_html(served))
                page, seconds = visit(contexts[served.name], served)
                served.usable.append(seconds)
                page.close(run_before_unload=True)
        for served in working:
            served.private = per_visitor(contexts[served.name], served, 1 if small else 4)
        return found, [] if only else cancel_shown(browser, Path(name))


def show(found: list[Served], cancelled: list[float]) -> None:
    print("| page | whole HTML, s | usable, s | MB for each further visitor |")
    print("|---|---:|---:|---:|")
    for served in found:
        if served.failed:
            print(f"| {served.name} | {served.failed} | | |")
            continue
        html, usable = statistics.median(served.html), statistics.median(served.usable)
        print(f"| {served.name} | {html:.2f} | {usable:.2f} | {served.private:.0f} |")
    if cancelled:
        show_goals({served.name: served for served in found}, cancelled)


def show_goals(by_name: dict[str, Served], cancelled: list[float]) -> None:
    forked, plain = by_name["explore, forked"], by_name["explore, plain"]
    ratio = statistics.median(plain.html) / statistics.median(forked.html)
    usable = statistics.median(forked.usable)
    print("\n**Goals** (explore.ipynb, with pandas, plotly and the forms loaded)")
    print(f"- whole HTML {ratio:.1f} × as fast as with plain kernels (goal: {GOALS['ratio']})")
    print(f"- usable in {usable:.2f} s (goal: {GOALS['usable']})")
    print(f"- {forked.private:.0f} MB private for each further visitor (goal: {GOALS['private']:.0f})")
    at_most = max(cancelled)
    print(f"- cancel shown within {at_most:.2f} s of {len(cancelled)} (goal: {GOALS['cancel']})")
    if at_most > GOALS["cancel"]:
        raise SystemExit(f"cancel was shown after {at_most:.2f} s; {GOALS['cancel']} s are the limit")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="One round, of our own page alone.")
    parser.add_argument("--only", default="", metavar="WORD", help="Pages with this in their name, no goals.")
    asked = parser.parse_args()
    missing = [name for name in ("voila", "playwright") if importlib.util.find_spec(name) is None]
    if missing or not Path(CHROMIUM).exists():
        print(f"left out: {' and '.join([*missing, CHROMIUM])} needed")
        return
    show(*measure(1 if asked.small else asked.rounds, asked.small, asked.only))


if __name__ == "__main__":
    main()
