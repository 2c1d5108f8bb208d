"""A real `matting ui` with everything that it can offer, a real browser, and another website beside it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.ui.browser import chromium
from tests.unit.api.conftest import portrait, repository, serve  # noqa: F401 - fixtures
from tests.unit.api.test_main import START_SECONDS, process

EVIL, REBOUND, HOME = "evil.test", "rebound.test", "home.test"  # all of them lead to this machine
_ANSWERS = re.compile(r'^matting_http_requests_total\{path="([^"]+)",status="(\d+)"\} ([\d.]+)', re.MULTILINE)


@dataclass
class Victim:
    """A server that is attacked, and what can be seen of its state."""

    port: int
    root: Path  # where its temporary files lie

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> dict[tuple[str, int], int]:
        """Answers by path and status, those to this question left out."""
        text = httpx.get(f"{self.url}/metrics", timeout=START_SECONDS).text
        found = {(path, int(status)): int(float(count)) for path, status, count in _ANSWERS.findall(text)}
        return {key: count for key, count in found.items() if key != ("/metrics", 200)}

    def files(self) -> set[Path]:
        return {path for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Victim]:  # noqa: F811
    root = tmp_path_factory.mktemp("victim")
    arguments = ("--engine", "local", "--mcp", "--allowed-hosts", HOME)
    with process(root, repository, *arguments) as (_, url):
        httpx.get(f"{url}/config", timeout=START_SECONDS).raise_for_status()
        yield Victim(int(url.rpartition(":")[2]), root)


class _Website(BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another website</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def website() -> Iterator[int]:
    """Port of another website."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Website) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP *.test 127.0.0.1"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield started
        started.close()
