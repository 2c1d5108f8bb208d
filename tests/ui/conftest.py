"""The real page behind the real Triton, once for all tests, and a real Chromium."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.browser import ARGUMENTS, Site, Visit, chromium, start_site, write_photos

AXE = Path(__file__).with_name("axe")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/ui" in item.path.as_posix():
            item.add_marker(pytest.mark.ui)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`matting serve --page` on free ports, with a box of samples."""
    running = start_site(tmp_path_factory.mktemp("samples"))
    try:
        yield running
    finally:
        assert running.server.stop() == 0, running.server.log


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, see `write_photos`."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module, as no other test could run an event loop beside it."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Visit]:
    """Opens the page; at the end nothing may have gone wrong in it, and no other host may have been asked."""
    with ExitStack() as contexts:
        opened = Visit(site, browser, contexts)
        yield opened
        opened.check()


@pytest.fixture
def page(visit: Visit) -> Page:
    """The page in English on a screen of 1440 x 1000 px."""
    return visit()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker of axe-core."""
    script = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        assert npm, "got no npm; install the package of that name, as ./test.sh does"
        subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=AXE, check=True, timeout=300)
    return script.read_text(encoding="utf-8")
