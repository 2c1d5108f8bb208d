"""What is written of requests: each one if wanted, refusals in any case, but not each of thousands."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any

import httpx
import pytest
from matting_api.app import guard
from matting_api.middleware.access_log import AccessLog
from matting_api.middleware.connections import server_config
from matting_api.middleware.proxies import Proxies, read_networks
from matting_api.model_client import Service
from matting_api.settings import Settings
from matting_client import serving
from matting_client.serving import _Formatter
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.unit.api.conftest import serving_at


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    status = int(scope["path"].rpartition("/")[2] or 200)
    await PlainTextResponse("x", status, {"X-Request-Id": "abc"})(scope, receive, send)


async def _ask(app: AccessLog, *paths: str) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        pass

    for path in paths:
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": ("10.0.0.1", 5)}
        await app(scope, receive, send)


def test_one_line_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "matting")
    asyncio.run(_ask(AccessLog(_app, every_request=True), "/a/200", "/b/403"))
    assert [record.getMessage()[:25] for record in caplog.records] == [
        "GET /a/200 200 10.0.0.1 0",
        "GET /b/403 403 10.0.0.1 0",
    ]
    assert {record.request_id for record in caplog.records} == {"abc"}  # type: ignore[attr-defined]


def test_refusals_are_summed_up(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SUM_SECONDS", 0.2)

    async def run() -> None:
        app = AccessLog(_app, every_request=False)
        await _ask(app, "/200", *["/x/403"] * 1000, "/y/421")
        await asyncio.sleep(0.5)
        await _ask(app, "/z/403")

    asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == [
        "refused: GET /x/403 403 10.0.0.1",
        "refused: GET /y/421 421 10.0.0.1",
        "refused: 999 more with 403 in 0 s",
        "refused: GET /z/403 403 10.0.0.1",
    ]


def test_what_is_no_http_is_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    """Whenever it comes; and nothing is said of offers of HTTP/2."""
    app = AccessLog(_app, every_request=False)
    post = b"POST /403 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n"
    with serving_at(server_config(app, Proxies(), app.malformed)) as address:
        for first, then in ((b"x\r\n\r\n", b""), (post, b"x\r\n"), (upgrade, b"")) * 3:
            with socket.create_connection(address, timeout=30) as link, suppress(ConnectionError):
                link.sendall(first)
                assert link.recv(4) == b"HTTP"
                link.sendall(then)
                while link.recv(65536):
                    pass
    assert sorted(caplog.messages) == [
        "refused: POST /403 403 127.0.0.1",
        "refused: what is no HTTP/1.1 400 127.0.0.1",
    ]


@pytest.mark.parametrize(
    ("value", "lines"), [("JSON", ['{"time"']), ("logfmt", ["$MATTING_LOG_FORMAT: got 'logfmt'", "info x: a"])]
)
def test_a_format_that_is_none_is_told(value: str, lines: list[str]) -> None:
    code = "from matting_client.serving import configure_log; configure_log('x'); import logging; logging.info('a')"
    environment = {**os.environ, "MATTING_LOG_FORMAT": value}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    said = done.stderr.splitlines()
    assert len(said) == len(lines) and all(part in line for part, line in zip(lines, said, strict=True))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_is_one_event_whatever_is_in_it(log_format: str) -> None:
    """Nobody writes a second line, colours a terminal, or turns the text around."""
    code = f"""
import logging
from matting_client.serving import configure_log, relay
configure_log("page", {log_format!r})
hostile = "a\\n2026-01-01T00:00:00.000Z info x: forged \\x1b[31m \\u202e 照片"
logging.getLogger("x").warning("%s", hostile, extra={{"request_id": "7"}})
relay('{{"time": "t", "level": "error", "component": "gateway", "message": "b"}}', "other")
relay("plain", "gateway")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    if log_format == "json":
        first, second, third = map(json.loads, lines)
        assert first.keys() == {"time", "level", "component", "message", "request_id"}
        assert (first["level"], first["component"], first["request_id"]) == ("warning", "page", "7")
        assert (second["level"], second["component"], second["message"]) == ("error", "gateway", "b")
        assert (third["level"], third["component"], third["message"]) == ("info", "gateway", "plain")
    else:
        assert "warning page: a\\n2026-01-01" in lines[0]
        assert lines[0].endswith("照片 [7]")
        assert not any(character in done.stderr for character in "\x1b\u202e")
        assert lines[1].endswith("Z error gateway: b")
        assert lines[2].endswith("Z info gateway: plain")


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a\n2026-01-01T00:00:00.000Z info x: forged")


def _guarded(path: str) -> httpx.Response:
    """The answer of an app that fails, below a path, behind a proxy, and logged."""
    proxies = read_networks("127.0.0.1")
    settings = Settings(engine="local", root_path="/matting", trusted_proxies=proxies)
    app = AccessLog(guard(_fails, settings, Service(settings)), every_request=True)
    headers = {"Host": "localhost", "X-Forwarded-For": "203.0.113.7"}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_the_caller_behind_a_proxy_is_named_below_a_path_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "matting")
    for path in ("/matting/v1/alpha", "/v1/alpha"):  # as the proxy hands it on
        _guarded(path)
        assert caplog.messages[-1].startswith(f"GET {path} 500 203.0.113.7 ")


def test_what_nobody_expected_is_told_with_its_trace_and_its_request(caplog: pytest.LogCaptureFixture) -> None:
    answered = _guarded("/v1/alpha")
    assert answered.status_code == 500
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.request_id == answered.headers["x-request-id"]  # type: ignore[attr-defined]
    text = _Formatter("api", "text").format(record)
    assert "in _fails" in text
    assert all(line.startswith("  ") for line in text.splitlines()[1:])  # nothing in it looks like another event
