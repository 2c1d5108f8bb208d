"""Whoever does not take an answer holds neither its memory nor a connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from matting_api.middleware import outgoing
from matting_api.middleware.connections import server_config
from matting_api.middleware.proxies import Proxies
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.unit.api.conftest import serving_at

SIZE = 32 * 2**20  # more than the system's own buffers hold
SECONDS = 60  # generous: the machine may be busy


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await Response(bytes(SIZE))(scope, receive, send)


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """A server whose answers are all large."""
    with serving_at(server_config(large, Proxies())) as found:
        yield found


def asked(address: tuple[str, int]) -> socket.socket:
    """A connection on which the answer has begun, and waits."""
    link = socket.socket()
    link.settimeout(SECONDS)
    link.connect(address)
    link.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert link.recv(12) == b"HTTP/1.1 200"
    return link


def rest(link: socket.socket) -> int:
    """How many bytes still come until the end."""
    size = 0
    try:
        while part := link.recv(2**20):
            size += len(part)
    except ConnectionResetError:
        pass
    return size


def ended(link: socket.socket) -> None:
    """Wait until the server has broken a connection off, of which nothing is read."""
    for _ in range(SECONDS * 20):
        if link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return
        time.sleep(0.05)
    raise AssertionError("the server holds the answer")


def test_a_reader_that_takes_nothing_is_given_up(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SPAN_SECONDS", 0.2)
    with asked(address) as silent:
        ended(silent)


def test_a_reader_that_takes_little_after_little_gets_all(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the system asks for more in large steps only."""
    monkeypatch.setattr(outgoing, "SPAN_SECONDS", 2.0)
    with asked(address) as reader:
        taken = 0
        for _ in range(60):
            taken += len(reader.recv(20_000))
            time.sleep(0.1)
        assert taken + rest(reader) >= SIZE


def test_the_slowest_gives_way_when_too_much_waits(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "MOST_BYTES", SIZE * 3 // 2)
    with asked(address) as silent:
        monkeypatch.setattr(outgoing, "YOUNG_SECONDS", 0.0)
        with asked(address) as second:
            ended(silent)
            assert rest(second) >= SIZE
