"""`matting serve --page`: Triton and the page live, come back and end together."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import cv2
import numpy as np
import psutil
import pytest
from matting_bench.server_process import free_ports

from tests.protocol.serving import Served, left_since, leftovers
from tests.support.processes import still_running


@pytest.fixture
def page(one_model: list[str]) -> Iterator[tuple[Served, int]]:
    before = leftovers()
    (port,) = free_ports(1)
    server = Served(["--page", "--page-port", str(port), *one_model]).wait_ready()
    family = psutil.Process(server.process.pid).children(recursive=True)
    yield server, port
    with socket.socket() as heartbeat:  # as of a page that is open in a browser
        if server.process.poll() is None:
            family += psutil.Process(server.process.pid).children(recursive=True)
            heartbeat.connect(("127.0.0.1", port))
            heartbeat.sendall(b"GET /gradio_api/heartbeat/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert heartbeat.recv(100).startswith(b"HTTP/1.1 200 ")
        assert server.stop() == 0, server.log
    assert "graceful shutdown exceeded" not in server.log
    assert still_running(family) == []
    assert left_since(before) == set()


def test_page_lives_and_comes_back(page: tuple[Served, int]) -> None:
    server, port = page
    assert "the page ready after " in server.log
    assert f"http://127.0.0.1:{port}" in server.log
    assert server.get("/livez", port)[0] == 200
    assert server.get("/readyz", port)[0] == 200
    assert b"<html" in server.get("/", port)[1].lower()
    assert _page_process(server).name()
    _page_process(server).kill()
    deadline = time.monotonic() + 60
    while "the page ready again" not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)
    assert server.get("/livez", port)[0] == 200
    assert server.is_ready()


def test_page_is_not_ready_without_its_model(page: tuple[Served, int]) -> None:
    """Alive is the page's own matter; ready is Triton's as well."""
    server, port = page
    server.triton().kill()
    seen: set[int | None] = set()
    deadline = time.monotonic() + 60
    while not (503 in seen and server.is_ready() and _status(server, port) == 200):
        assert time.monotonic() < deadline, (seen, server.log)
        seen.add(_status(server, port))
        assert server.get("/livez", port)[0] == 200
        time.sleep(0.02)


def _status(server: Served, port: int) -> int | None:
    try:
        return server.get("/readyz", port)[0]
    except (OSError, http.client.HTTPException):
        return None


def _page_process(server: Served) -> psutil.Process:
    children = psutil.Process(server.process.pid).children()
    return next(each for each in children if any("matting_api.main" in part for part in each.cmdline()))


def test_what_was_accepted_is_answered_before_the_end(page: tuple[Served, int]) -> None:
    """And callers that come later are refused at once."""
    server, port = page
    encoded = cv2.imencode(".jpg", np.full((300, 200, 3), 200, np.uint8))[1].tobytes()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = f"POST /v1/alpha HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(encoded)}\r\n"
        connection.sendall(f"{head}Content-Type: image/jpeg\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # it is being worked on
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 30
        with pytest.raises(ConnectionRefusedError):
            while time.monotonic() < deadline:
                with suppress(ConnectionResetError):  # it came while the port was closed
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
        connection.sendall(encoded)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.process.wait(30) == 0
