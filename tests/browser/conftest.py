"""A dashboard server of the project's own and Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.served import Dashboard, serving

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
# Voila 0.5 brings the bundle of an older JupyterLab than the one that is installed; widgets do not use the parts
# that differ.
KNOWN_WARNINGS = ("Unsatisfied version ", "No satisfying version ")


@dataclass
class Seen:
    """What a page asked for and complained of."""

    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Any, port: int) -> None:
        own = f"127.0.0.1:{port}"
        page.on(
            "request",
            lambda r: _network(r.url) and urlsplit(r.url).netloc != own and self.foreign.append(r.url),
        )
        page.on("websocket", lambda s: urlsplit(s.url).netloc != own and self.foreign.append(s.url))
        page.on("response", lambda r: r.status >= 400 and self.failed.append(f"{r.status} {r.url}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._hear(said.type, said.text))

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" or (kind == "warning" and not text.startswith(KNOWN_WARNINGS)):
            self.complaints.append(f"{kind}: {text}")


def _network(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https", "ws", "wss"}


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Our notebooks, served for the tests of a module."""
    with serving(tmp_path_factory.mktemp("dashboard")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser at {CHROMIUM}; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Any, dashboard: Dashboard, seen: Seen) -> Iterator[Any]:
    """A fresh page; when its test is over, it must have asked no other host and complained of nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = context.new_page()
    made.set_default_timeout(60_000)
    seen.watch(made, dashboard.port)
    yield made
    context.close()
    assert seen == Seen()


def accessible(page: Any, part: str = "html") -> None:
    """axe-core finds nothing serious or critical in a part of the page (https://github.com/dequelabs/axe-core)."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python brings axe-core")
    page.evaluate(Path(package.__file__).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("part => axe.run(part, { resultTypes: ['violations'] })", part)["violations"]
    bad = [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
    assert not bad, "\n".join(bad)


def fits(page: Any) -> bool:
    """Nothing is wider than the window; Voila's page scrolls inside itself."""
    from playwright.sync_api import TimeoutError

    parts = "[document.documentElement, document.querySelector('#rendered_cells')]"
    wide = f"{parts}.every((part) => part.scrollWidth <= window.innerWidth)"
    try:
        page.wait_for_function(wide, timeout=5_000)  # what was drawn for another width is drawn anew
    except TimeoutError:
        return False
    return True


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: the folder that OMICS_SCREENSHOTS names, or the test's own."""
    folder = Path(os.environ.get("OMICS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def picture(page: Any, path: Path) -> None:
    """The whole page as it would look on a screen that is tall enough; Voila's page scrolls inside itself."""
    size = page.viewport_size
    height = page.evaluate("document.querySelector('#rendered_cells').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(600, height)})
    page.screenshot(path=path)
    page.set_viewport_size(size)
